"""What lies below STORE/stages, what the disk gets back when some of it goes, and how it goes.

Conventions
-----------
A *shelf* is one (stage, variant, corpus). Only items, the small records beside them and folders that have become empty
are ever removed, and only below STORE/stages. An item is first renamed to a `.trash-` name, under which nobody reads
it, then taken out of the stage record, then deleted: a kill at any moment leaves whole items and trash that the next
build or collection sweeps. An object store has no renames: there the item's record goes first, and without it an item
is none. Bytes are those the disk gets back: what a hard link keeps alive elsewhere (STORE/corpus, an export) frees
nothing.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pipeline.store.disk import fsync_folder, listing, names_in, remove_tree
from pipeline.store.disk import remove as remove_file
from pipeline.store.folders import FAILURES_OF_PARTS, FAILURES_RECORD, SEAL_RECORD, STAGE_RECORD, StageFolder
from pipeline.store.items import RECORD_NAME, explained
from pipeline.store.leftovers import trash
from pipeline.store.places import is_remote

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Shelf:
    """One (stage, variant, corpus) of a store."""

    stage: str
    variant: str
    corpus: str
    folder: StageFolder

    @property
    def key(self) -> str:
        """Where it lies below STORE/stages."""
        return f"{self.stage}/{self.variant}/{self.corpus}"


@dataclass(frozen=True)
class Size:
    """Bytes that go when a folder goes, and bytes of it that stay because they have a name elsewhere too."""

    freed: int = 0
    shared: int = 0

    def __add__(self, other: Size) -> Size:
        return Size(self.freed + other.freed, self.shared + other.shared)


def shelves(store: Path) -> list[Shelf]:
    """Every shelf of a store, sorted; those of stages that this program does not know among them."""
    return [
        Shelf(stage.name, variant.name, corpus.name, StageFolder(corpus))
        for stage in _folders(store / "stages")
        for variant in _folders(stage)
        for corpus in _folders(variant)
    ]


def sizes(groups: Mapping[Key, Iterable[Path]]) -> dict[Key, Size]:
    """What each group of files and folders frees if all groups go together.

    A file of several names frees its bytes only if all its names are among the groups; the first group gets them.
    """
    names: defaultdict[tuple[int, int], list[tuple[Key, os.stat_result]]] = defaultdict(list)
    found: dict[Key, Size] = {key: Size() for key in groups}
    for key, paths in groups.items():
        for path in paths:
            if is_remote(path):  # an object has one name
                found[key] += Size(sum(facts.size for facts in listing(path).values()), 0)
                continue
            for facts in _files(path):
                names[facts.st_dev, facts.st_ino].append((key, facts))
    for same in names.values():
        key, facts = same[0]
        goes = len(same) >= facts.st_nlink
        found[key] += Size(facts.st_size, 0) if goes else Size(0, facts.st_size)
    return found


def remove(shelf: Shelf, names: Iterable[str]) -> None:
    """Remove items of a shelf; names that have no folder any more are only taken out of the stage record.

    Raises
    ------
    StoreError
        If the store cannot be written.
    """
    gone, folder = list(names), shelf.folder
    try:
        if is_remote(folder.path):
            for name in gone:
                _remove_objects(folder.item_folder(name))
            folder.forget(gone)
            return
        put_aside = [aside for name in gone if (aside := _put_aside(folder.item_folder(name)))]
        if put_aside:
            fsync_folder(folder.path)
        folder.forget(gone)
        for path in put_aside:
            path.unlink() if path.is_symlink() else shutil.rmtree(path)
    except OSError as error:
        raise explained(error, f"removing items of {shelf.key}", folder.path) from error


def remove_records(shelf: Shelf) -> None:
    """Remove the records beside the items of a shelf that holds no item any more."""
    if not shelf.folder.names():
        for name in (STAGE_RECORD, SEAL_RECORD, FAILURES_RECORD):
            remove_file(shelf.folder.path / name)
        remove_tree(shelf.folder.path / FAILURES_OF_PARTS)


def remove_empty_folders(store: Path) -> None:
    """Remove the folders of shelves, variants and stages in which nothing lies."""
    for pattern in () if is_remote(store) else ("stages/*/*/*", "stages/*/*", "stages/*"):
        for folder in store.glob(pattern):
            with contextlib.suppress(OSError):  # something lies there
                folder.rmdir()


def _folders(home: Path) -> list[Path]:
    found = (home / name for name in names_in(home) if not name.startswith("."))
    return [path for path in found if is_remote(path) or path.is_dir()]


def _remove_objects(item: Path) -> None:
    """Remove an item from an object store: the record first, so that what a kill leaves is no item."""
    remove_file(item / RECORD_NAME)
    remove_tree(item)


def _put_aside(path: Path) -> Path | None:
    aside = trash(path)
    try:
        os.rename(path, aside)
    except FileNotFoundError:
        return None
    return aside


def _files(path: Path) -> Iterator[os.stat_result]:
    """Facts of every file below a folder, or of the file itself; links are not followed."""
    if not path.is_dir() or path.is_symlink():
        with contextlib.suppress(FileNotFoundError):
            yield path.lstat()
        return
    for here, _, names in os.walk(path):
        for name in names:
            yield os.lstat(os.path.join(here, name))
