"""Copies on this machine's disk of files that a store on S3 holds.

Conventions
-----------
The cache is $AVE_CACHE, or where the platform keeps caches (~/.cache/ave-pipeline on Linux). A copy is called by the
SHA-256 that the store recorded, which is checked when it is fetched: `files/3f/3fa2…`. It appears in one rename, so
several workers may fetch at once, and the same bytes are fetched once whatever they are called in however many
stores. Nothing here is needed again: the folder may be deleted whenever no build is running. What a worker is at
lies below `scratch`, named like anything half-made (see `leftovers`).
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import StoreError
from pipeline.store import objects
from pipeline.store.fingerprint import sha256_of
from pipeline.store.leftovers import temporary
from pipeline.store.places import cache_folder, scratch_folder


def near(path: Path, sha256: str) -> Path:
    """The copy of one object; see `brought`."""
    return brought({path: sha256})[path]


def brought(wanted: Mapping[Path, str]) -> dict[Path, Path]:
    """Copies of objects, {object: file}, fetched where there is none yet.

    Parameters
    ----------
    wanted : mapping of Path to str
        Objects and the SHA-256 that the store recorded of each.

    Raises
    ------
    StoreError
        Code "changed" or "gone" if an object is not what was recorded.
    """
    copies = {path: cache_folder() / "files" / sha[:2] / sha for path, sha in wanted.items()}
    absent = {copies[path]: path for path in wanted if not copies[path].is_file()}
    here, thread = scratch_folder(), threading.get_ident()
    drafts = {temporary(here / f"{copy.name}-{thread}"): path for copy, path in absent.items()}
    if drafts:
        here.mkdir(parents=True, exist_ok=True)
    try:
        objects.download(drafts)
        for draft, path in drafts.items():
            _keep(draft, copies[path], path)
    except FileNotFoundError as error:
        raise StoreError(
            f"{error.filename or error}: was recorded in the store and is gone.",
            remedy="Somebody is replacing or has removed it: build again when they are done.",
            code="gone",
        ) from error
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)
    return copies


@contextmanager
def borrowed(wanted: Mapping[Path, str]) -> Iterator[dict[Path, Path]]:
    """Copies under their own names (see `place_copies`) for the length of a block."""
    room = temporary(scratch_folder() / f"borrowed-{threading.get_ident()}")
    try:
        yield place_copies(wanted, room)
    finally:
        shutil.rmtree(room, ignore_errors=True)


def place_copies(wanted: Mapping[Path, str], folder: Path) -> dict[Path, Path]:
    """The same, under their own names: each object's path below `folder`, so that neighbours stay neighbours."""
    placed = {}
    for path, copy in brought(wanted).items():
        placed[path] = folder / _relative(path)
        placed[path].parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(copy, placed[path])
        except OSError:  # a file system without hard links
            shutil.copyfile(copy, placed[path])
    return placed


def _keep(draft: Path, copy: Path, path: Path) -> None:
    """Make a fetched file the copy, if it is what was recorded."""
    with open(draft, "rb") as file:
        os.fsync(file.fileno())
    found = sha256_of(draft)
    if found != copy.name:
        raise StoreError(
            f"{path}: sha256 {copy.name[:12]}… was recorded, found {found[:12]}….",
            remedy="If nobody is replacing it just now, `ave verify` finds what else is damaged, and `ave build` "
            "makes it again.",
            code="changed",
        )
    copy.parent.mkdir(parents=True, exist_ok=True)
    os.replace(draft, copy)


def _relative(path: Path) -> str:
    return str(path).split("://", 1)[-1]
