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
    return any(part.startswith(".") or part.lower() in LEFT_BY_DESKTOPS for part in PurePosixPath(path).parts)


def files_below(folder: Path) -> Iterator[tuple[str, int, int]]:
    """Every file below a folder as (relative path, size in bytes, mtime in ns), in no particular order.

    Links are followed, because raw data often lies on another disk; a link to a folder it lies in itself is
    not. A link to nothing is listed with size 0: reading it then says what is wrong.
    """
    for here, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not is_junk(name) and not _leads_back(Path(here, name))]
        for name in names:
            if is_junk(name) or name.endswith((".part", ".bad")):
                continue
            path = os.path.join(here, name)
            relative = os.path.relpath(path, folder).replace(os.sep, "/")
            try:
                facts = os.stat(path)
            except OSError:
                yield relative, 0, 0
            else:
                yield relative, facts.st_size, facts.st_mtime_ns


def _leads_back(path: Path) -> bool:
    """Is this a link to a folder that holds the link, so that following it would never end?"""
    return path.is_symlink() and path.parent.resolve().is_relative_to(path.resolve())


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
