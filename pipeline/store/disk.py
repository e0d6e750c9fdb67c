"""Small files and folders of a store, written so that they survive a power cut whole or not at all.

Conventions
-----------
Every function takes a path on a disk or, for a store on S3, on an object store (see `places` and `objects`): what
the two do differently is here, so that the rest of the code need not ask.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from pipeline.store import objects
from pipeline.store.leftovers import temporary, trash
from pipeline.store.objects import Found
from pipeline.store.places import is_remote, store_path


class Appended(Protocol):
    """A log that is being written; whoever reads it soon sees what was written."""

    def write(self, data: bytes, /) -> int | None:
        """Add to the end; returns how many bytes went there."""
        ...

    def close(self) -> None:
        """End it."""
        ...


def store_at(text: str | Path) -> Path:
    """The path object of a store that a person named; an object store is asked once whether it can be reached.

    Raises
    ------
    UsageError, ToolError, StoreError
        If it is no place for a store, needs an extra that is not installed, or cannot be reached.
    """
    path = store_path(text)
    if is_remote(path):
        objects.check(path)
    return path


class Files:
    """What lies below a folder: on a disk asked for file by file, on an object store by one listing that is kept."""

    def __init__(self, folder: Path):
        self._folder, self._home, self._is_remote = folder, str(folder), is_remote(folder)

    def size(self, name: str) -> int | None:
        """Bytes of a file, by its path below the folder; None where there is none."""
        if self._is_remote:
            return self._listed[name].size if name in self._listed else None
        try:
            return os.stat(f"{self._home}/{name}").st_size
        except OSError:
            return None

    def changed_ns(self, name: str) -> int | None:
        """When a file was last changed; None where there is none. An object store tells whole seconds."""
        if self._is_remote:
            return self._listed[name].changed_ns if name in self._listed else None
        try:
            return os.stat(f"{self._home}/{name}").st_mtime_ns
        except OSError:
            return None

    def folders(self) -> list[str]:
        """Names of the folders directly below, sorted."""
        if self._is_remote:
            return sorted({name.split("/", 1)[0] for name in self._listed if "/" in name})
        try:
            return sorted(entry.name for entry in os.scandir(self._folder) if entry.is_dir())
        except (FileNotFoundError, NotADirectoryError):
            return []

    def names_in(self, folder: str) -> list[str]:
        """Names of the files in a folder below, sorted."""
        if self._is_remote:
            return sorted(name.removeprefix(f"{folder}/") for name in self._listed if name.startswith(f"{folder}/"))
        return names_in(self._folder / folder)

    @cached_property
    def _listed(self) -> dict[str, Found]:
        return objects.listing(self._folder)


def changed_ns(path: Path) -> int | None:
    """When a file was last changed; None where there is none."""
    if is_remote(path):
        return objects.changed_ns(path)
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None


def size_bytes(path: Path) -> int | None:
    """How large a file is; None where there is none."""
    if is_remote(path):
        return objects.size_bytes(path)
    try:
        return os.stat(path).st_size
    except OSError:
        return None


def read_text(path: Path) -> str | None:
    """What a text file holds; None where there is none that can be read."""
    try:
        return objects.read(path).decode() if is_remote(path) else path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None


def read_json(path: Path) -> Any:
    """What a JSON file holds; None where it is absent or torn."""
    try:
        return json.loads(read_text(path) or "")
    except ValueError:
        return None


def replace_text(path: Path, text: str) -> None:
    """Write a text file in one rename (on an object store, in one put)."""
    if is_remote(path):
        objects.write(path, text.encode())
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = temporary(path)
    with open(draft, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)


def replace_json(path: Path, data: Any) -> None:
    """Write a JSON file in one rename (on an object store, in one put)."""
    replace_text(path, json.dumps(data, ensure_ascii=False))


def create_json(path: Path, data: Any) -> None:
    """Write a JSON file that must not exist yet, whole from its first moment; raises FileExistsError."""
    if is_remote(path):
        objects.create(path, json.dumps(data).encode())
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = temporary(path)
    with open(draft, "w", encoding="utf-8") as file:
        json.dump(data, file)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)  # atomic, and unlike open(O_EXCL) the content is there from the first moment
    finally:
        draft.unlink(missing_ok=True)


def exchange_json(path: Path, old: Any, new: Any) -> bool:
    """Replace a JSON file that still holds `old`; False where somebody else has changed or removed it since."""
    if is_remote(path):
        return objects.exchange_json(path, old, new)
    aside = trash(path)
    try:
        os.rename(path, aside)
    except FileNotFoundError:
        return False
    try:
        if read_json(aside) == old:
            create_json(path, new)
            return True
        os.link(aside, path)  # not the one that was read: it goes back to its place
    except FileExistsError:
        pass  # and yet another one came in between
    finally:
        aside.unlink()
    return False


def names_in(folder: Path) -> list[str]:
    """What lies in a folder, sorted; nothing where there is none."""
    if is_remote(folder):
        return objects.names_in(folder)
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []


def listing(folder: Path) -> dict[str, Found]:
    """Size and time of change of every file below a folder, by relative path; one request on an object store."""
    if is_remote(folder):
        return objects.listing(folder)
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # removed since its folder was read
                facts = os.stat(os.path.join(place, name))
                found[os.path.relpath(os.path.join(place, name), folder)] = Found(facts.st_size, facts.st_mtime_ns)
    return found


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; an object store has none, but its bucket has to be there."""
    if is_remote(folder):
        objects.check(folder)
    else:
        folder.mkdir(parents=True, exist_ok=True)


def touch(path: Path) -> None:
    """Set a file's time of change to now, by the clock of the disk it lies on."""
    if is_remote(path):
        objects.touch(path)
    else:
        os.utime(path)


def remove(path: Path) -> None:
    """Remove a file that may be gone already."""
    if is_remote(path):
        objects.remove([path])
    else:
        path.unlink(missing_ok=True)


def remove_tree(folder: Path) -> None:
    """Remove a folder with everything in it, which may be gone already."""
    if is_remote(folder):
        objects.remove(folder / name for name in objects.listing(folder))
    else:
        shutil.rmtree(folder, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a small text file whose loss would not matter, such as a log."""
    if is_remote(path):
        objects.write(path, text.encode())
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def appended(path: Path) -> Appended:
    """A log, opened to be appended to."""
    if is_remote(path):
        return objects.Appended(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    return open(path, "ab", buffering=0)


def write_durably(path: Path, text: str) -> None:
    """Write a new file and flush it, and its folder's entry, to the disk."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fsync_folder(path.parent)


def fsync_folder(folder: Path) -> None:
    """Flush a folder's own entries, so that a rename in it survives a power cut."""
    if is_remote(folder):
        return  # a put that was answered is safe
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
