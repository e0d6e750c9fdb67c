"""Where one item is made, and how what was made becomes part of the store.

Conventions
-----------
The record is the commit. On a disk a job writes into a temporary sibling of its final folder; its files are flushed,
the record is written beside them, and one rename makes it visible. On an object store, which has no renames, it
writes into a scratch folder of this machine: the earlier record is removed, then the files are put, then the new
record. A reader never finds a record beside other files than its own, and an item without one was never finished.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from pipeline.errors import StoreError
from pipeline.store import nearby, objects
from pipeline.store.disk import fsync_folder, read_json, write_durably
from pipeline.store.fingerprint import sha256_of
from pipeline.store.leftovers import temporary, trash
from pipeline.store.places import is_remote, scratch_folder, store_path

RECORD_NAME = "record.json"
_ANOTHER_CAME_FIRST = (errno.ENOTEMPTY, errno.EEXIST)

Outputs = dict[str, tuple[int, str]]


class Workplace(Protocol):
    """One item's place of work; `out` is the empty folder that the job fills."""

    out: Path

    def inputs(self, files: Mapping[str, Any], digests: Mapping[str, str], linked: Collection[str]) -> dict[str, Any]:
        """The job's files, each with a path that it can open."""
        ...

    def deliver(self, known: Mapping[str, str]) -> Outputs:
        """Bring what the job wrote safely to where it will be published; returns size and SHA-256 of each file."""
        ...

    def commit(self, record: str) -> None:
        """Publish what was delivered, by writing the record."""
        ...

    def close(self) -> None:
        """Remove whatever was not published."""
        ...


def workplace(final: Path) -> Workplace:
    """Where the item that will be published as the folder `final` is made."""
    return Away(final) if is_remote(final) else Beside(final)


class Beside:
    """A temporary sibling of the final folder, on the same disk."""

    def __init__(self, final: Path):
        self._final = final
        self.out = temporary(final)
        self.close()
        self.out.mkdir(parents=True)

    def inputs(self, files: Mapping[str, Any], digests: Mapping[str, str], linked: Collection[str]) -> dict[str, Any]:
        """The files as they are."""
        return dict(files)

    def deliver(self, known: Mapping[str, str]) -> Outputs:
        """Flush every file to the disk and measure it; hard links to known files are both already.

        Every folder inside `out` is flushed too: an entry that never reached the disk would lose a file that did.
        """
        known_files = {_identity(os.stat(path)): sha for path, sha in known.items()}
        outputs = {}
        for path in sorted(self.out.rglob("*")):
            if path.is_dir():
                fsync_folder(path)
                continue
            facts = path.stat()
            sha = known_files.get(_identity(facts))
            if sha is None:
                with open(path, "rb") as file:
                    os.fsync(file.fileno())
                sha = sha256_of(path)
            outputs[path.relative_to(self.out).as_posix()] = (facts.st_size, sha)
        return outputs

    def commit(self, record: str) -> None:
        """Write the record and rename the folder."""
        write_durably(self.out / RECORD_NAME, record)
        swap_in(self.out, self._final)

    def close(self) -> None:
        """Remove the temporary folder, if it was not renamed."""
        shutil.rmtree(self.out, ignore_errors=True)


class Away:
    """A scratch folder of this machine, for an item of a store on S3."""

    def __init__(self, final: Path):
        self._final = final
        self._room = temporary(scratch_folder() / f"{final.parent.name}-{final.name}")
        self._stand_ins: dict[str, tuple[Path, str]] = {}
        self.close()
        self.out = self._room / "out"
        self.out.mkdir(parents=True)

    def inputs(self, files: Mapping[str, Any], digests: Mapping[str, str], linked: Collection[str]) -> dict[str, Any]:
        """Copies of what lies in the store; stand-ins, a line each, for the `linked` ones, whose bytes nobody reads."""
        unread = set(_paths({key: files[key] for key in linked if key in files}))
        in_store = {store_path(path): sha for path, sha in digests.items() if is_remote(store_path(path))}
        read = {path: sha for path, sha in in_store.items() if path not in unread}
        placed = nearby.place_copies(read, self._room / "in")
        for number, path in enumerate(in_store.keys() - read.keys()):
            placed[path] = self._room / "linked" / str(number)
            placed[path].parent.mkdir(exist_ok=True)
            line = f"This stands for {path}\n".encode()
            placed[path].write_bytes(line)
            self._stand_ins[hashlib.sha256(line).hexdigest()] = (path, in_store[path])
        return {key: _mapped(value, lambda path: placed.get(path, path)) for key, value in files.items()}

    def deliver(self, known: Mapping[str, str]) -> Outputs:
        """Put every file; what the store holds already, under this name or another, is left or copied over there."""
        local = {path.relative_to(self.out).as_posix(): path for path in self.out.rglob("*") if path.is_file()}
        found = {name: sha256_of(path) for name, path in local.items()}
        originals = {sha: store_path(path) for path, sha in known.items() if is_remote(store_path(path))}
        digests = {name: self._stand_ins[sha][1] if sha in self._stand_ins else sha for name, sha in found.items()}
        kept = self._make_way(digests)
        copies = {name: originals[sha] for name, sha in digests.items() if name not in kept and sha in originals}
        objects.copy({self._final / name: source for name, source in copies.items()})
        own = [name for name in digests if name not in kept and name not in copies]
        objects.upload({local[name]: self._final / name for name in own})
        there = objects.listing(self._final)
        if there.keys() != digests.keys() or any(there[name].size != local[name].stat().st_size for name in own):
            raise StoreError(
                f"{self._final}: holds other files than were just put there.",
                remedy="Another build of this item is at work; let one of them end, and build again.",
                code="not-alone",
            )
        return {name: (there[name].size, sha) for name, sha in sorted(digests.items())}

    def _make_way(self, digests: Mapping[str, str]) -> set[str]:
        """Remove the earlier record, then every earlier file but those that are wanted again; returns these."""
        there = objects.listing(self._final)
        if not there:
            return set()
        record = (RECORD_NAME in there and read_json(self._final / RECORD_NAME)) or {}
        earlier = {} if record.get("damaged") else record.get("outputs", {})
        objects.remove([self._final / RECORD_NAME])
        same = {name for name, sha in digests.items() if name in there and [there[name].size, sha] == earlier.get(name)}
        objects.remove(self._final / name for name in there if name != RECORD_NAME and name not in same)
        return same

    def commit(self, record: str) -> None:
        """Put the record."""
        objects.write(self._final / RECORD_NAME, record.encode())

    def close(self) -> None:
        """Remove the scratch folder."""
        shutil.rmtree(self._room, ignore_errors=True)


def swap_in(new: Path, final: Path) -> None:
    """Make folder `new` visible as `final`, replacing what was there; a crash leaves the old, the new, or none."""
    old = trash(final)
    shutil.rmtree(old, ignore_errors=True)
    while True:
        with contextlib.suppress(FileNotFoundError):
            os.rename(final, old)
        try:
            os.rename(new, final)
            break
        except OSError as error:
            if error.errno not in _ANOTHER_CAME_FIRST:
                raise
            shutil.rmtree(old, ignore_errors=True)  # a worker that was given up as dead has published this item, too
    fsync_folder(final.parent)
    shutil.rmtree(old, ignore_errors=True)


def _identity(facts: os.stat_result) -> tuple[int, int]:
    return facts.st_dev, facts.st_ino


def _mapped(value: Any, function: Callable[[Path], Path]) -> Any:
    """A job's files, which may be in tuples or dictionaries, each replaced."""
    if isinstance(value, Mapping):
        return {key: _mapped(inner, function) for key, inner in value.items()}
    if isinstance(value, tuple):
        return tuple(_mapped(inner, function) for inner in value)
    return function(value)


def _paths(value: Any) -> Iterator[Path]:
    if isinstance(value, (Mapping, tuple)):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _paths(inner)
    else:
        yield value
