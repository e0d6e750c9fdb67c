"""What is half-made or half-removed: how it is named, and how what a killed process left is swept away.

Conventions
-----------
`.tmp-<name>-<host>-<pid>` is being made and `.trash-<name>-<host>-<pid>` is being removed by that process; both lie
beside the thing itself and are never read. They are leftovers when the process is gone. A process that has ended
but that nobody waited for (a zombie, common where a container's first process reaps late) is gone too, and so is one
whose number now belongs to a process that started after the folder was last changed.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from pipeline.store.places import is_remote, scratch_folder

_TEMPORARY, _TRASH = ".tmp-", ".trash-"
_CLOCK_S = 2.0  # start times are counted in ticks since boot, file times by the clock: they agree to this


def temporary(path: Path) -> Path:
    """Where this process makes what is to become `path`."""
    return _owned(_TEMPORARY, path)


def trash(path: Path) -> Path:
    """Where this process puts what was at `path`, to be removed."""
    return _owned(_TRASH, path)


def abandoned(store: Path) -> list[Path]:
    """Everything that dead processes of this host left half-made or half-removed in a store."""
    found = []
    # What is made for an object store is half-made on this machine's disk.
    places = (
        (scratch_folder(),)
        if is_remote(store)
        else (store, store / "locks", store / "scores", *store.glob("stages/*/*/*"))
    )
    for folder in places:
        for entry in os.scandir(folder) if folder.is_dir() else ():
            if entry.name.startswith((_TEMPORARY, _TRASH)) and _is_abandoned(entry):
                found.append(Path(entry.path))
    return found


def sweep(store: Path) -> int:
    """Remove what dead processes of this host left in a store; returns how many things went."""
    found = abandoned(store)
    for path in found:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(found)


def started_s(pid: int) -> float | None:
    """When the process with this number started, in seconds since the epoch; None where none of that number runs."""
    try:
        process = psutil.Process(pid)
        return None if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD) else process.create_time()
    except psutil.NoSuchProcess:
        return None


def is_running(process: Mapping[str, Any]) -> bool:
    """Whether a process of this host, noted down with `pid` and `process_start`, still lives and is the same one."""
    pid = str(process.get("pid", ""))
    started = started_s(int(pid)) if pid.isdigit() else None
    return started is not None and abs(started - float(process.get("process_start", 0.0))) < _CLOCK_S


def _owned(prefix: str, path: Path) -> Path:
    return path.with_name(f"{prefix}{path.name}-{socket.gethostname()}-{os.getpid()}")


def _is_abandoned(entry: os.DirEntry[str]) -> bool:
    rest, _, pid = entry.name.rpartition("-")
    if not rest.endswith(f"-{socket.gethostname()}") or not pid.isdigit():
        return False
    started = started_s(int(pid))
    try:
        return started is None or started > entry.stat(follow_symlinks=False).st_mtime + _CLOCK_S
    except FileNotFoundError:  # its process has put it in its place in this very moment
        return False
