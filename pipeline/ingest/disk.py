"""What lies in a folder, and is there room for more?

Conventions
-----------
Sizes are bytes. Paths inside a folder are relative, written with "/". Files that belong to nobody's
data (hidden files, half-written or refused downloads, what desktops leave behind) do not exist for us.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pipeline.errors import AveError

LEFT_BY_DESKTOPS = frozenset({"__macosx", "thumbs.db", "desktop.ini"})
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})  # a full disk and a full quota mean the same to the user


def is_junk(path: str) -> bool:
    """Is some part of this relative path hidden, or left behind by a desktop?

    Examples
    --------
    >>> is_junk("__MACOSX/clip_1.avi"), is_junk("video/.DS_Store"), is_junk("video/clip_1.avi")
    (True, True, False)
    """
    return any(map(_is_junk_name, PurePosixPath(path).parts))


def _is_junk_name(name: str) -> bool:
    return name.startswith(".") or name.lower() in LEFT_BY_DESKTOPS


def files_below(folder: str | Path) -> Iterator[tuple[str, int, int]]:
    """Every file below a folder as (relative path, size in bytes, mtime in ns), in no particular order.

    Links are followed, because raw data often lies on another disk; a link to a folder it lies in itself is
    not. A link to nothing is listed with size 0: reading it then says what is wrong.
    """
    return _files_below(os.fspath(folder), "")


def _files_below(folder: str, before: str) -> Iterator[tuple[str, int, int]]:
    """`files_below`, with `before` put before the paths: a build that has nothing to do spends its time here."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return  # what cannot be listed holds nothing for us; whoever needs a file of it is told so
    for entry in entries:
        if _is_junk_name(entry.name):
            continue
        if entry.is_dir():
            if not _leads_back(entry):
                yield from _files_below(entry.path, f"{before}{entry.name}/")
        elif not entry.name.endswith((".part", ".bad")):
            try:
                facts = entry.stat()
            except OSError:
                yield before + entry.name, 0, 0
            else:
                yield before + entry.name, facts.st_size, facts.st_mtime_ns


def _leads_back(entry: os.DirEntry[str]) -> bool:
    """Is this a link to a folder that holds the link, so that following it would never end?"""
    return entry.is_symlink() and Path(entry.path).parent.resolve().is_relative_to(Path(entry.path).resolve())


def mount_of(path: Path) -> Path:
    """The mount point of the disk that holds a path, or would hold it."""
    here = Path(os.path.abspath(path))
    while not (here.exists() and os.path.ismount(here)) and here != here.parent:
        here = here.parent
    return here


def free_bytes(folder: Path) -> int:
    """Free bytes on the disk where a folder lies, or will lie once it is made."""
    here = Path(os.path.abspath(folder))
    while not here.exists():
        here = here.parent
    return shutil.disk_usage(here).free


def is_full(error: OSError) -> bool:
    """Did writing fail because the disk or the quota is full?"""
    return error.errno in FULL


def disk_full(kind: type[AveError], what: str, folder: Path, needed_bytes: int | None) -> AveError:
    """The one error for a full disk: which disk, how many bytes are needed and how many are free."""
    free = free_bytes(folder)
    needed = "More room is" if needed_bytes is None else f"{needed_bytes} bytes are"
    return kind(
        f"{what}: disk (or quota) full. {needed} needed in {folder}, {free} bytes free on the disk mounted at "
        f"{mount_of(folder)}.",
        remedy="Make room there, or choose another disk with --raw or --store, and run again.",
        code="disk-full",
    )


def require_room(kind: type[AveError], what: str, folder: Path, needed_bytes: int) -> None:
    """Refuse to begin what cannot end: raise `kind` (code "disk-full") where a disk has too little room."""
    if free_bytes(folder) < needed_bytes:
        raise disk_full(kind, what, folder, needed_bytes)
