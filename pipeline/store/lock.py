"""One build at a time in a store, and a lock that a dead process cannot keep.

The lock is a small JSON file naming host, pid and start. On the same host it is stale when no process with that
pid and start time lives; a lock from another host is never broken, only reported.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from pipeline.errors import StoreError
from pipeline.store.leftovers import started_s, temporary, trash

LOCK_NAME = ".lock"


@contextmanager
def store_lock(store: Path) -> Iterator[None]:
    """Hold the store's lock for the length of a block.

    Raises
    ------
    StoreError
        If a living process holds it; the message names host, pid and start.
    """
    path = store / LOCK_NAME
    _take(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _take(path: Path) -> None:
    mine = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "process_start": psutil.Process().create_time(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
    }
    draft = temporary(path)
    draft.write_text(json.dumps(mine), encoding="utf-8")
    try:
        for _ in range(3):  # two stale locks in a row can only be a race with another builder
            try:
                os.link(draft, path)  # atomic, and unlike open(O_EXCL) the content is there from the first moment
                return
            except FileExistsError:
                _break_if_stale(path)
        raise StoreError(f"{path}: another build keeps taking the lock.", remedy="Run one build of a store at a time.")
    finally:
        draft.unlink(missing_ok=True)


def _break_if_stale(path: Path) -> None:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except ValueError:
        holder = {}
    if holder.get("host") == socket.gethostname() and not _lives(holder):
        _take_away(path, holder)
        return
    who = f"pid {holder.get('pid', '?')} on {holder.get('host', '?')}, since {holder.get('since', '?')}"
    raise StoreError(
        f"{path.parent}: another build is at work here ({who}).",
        remedy=f"Wait for it, or stop it; if that host is gone for good, delete {path}.",
        code="locked",
    )


def _take_away(path: Path, stale: dict) -> None:
    """Remove the stale lock, and only that one: another builder may have replaced it since it was read."""
    aside = trash(path)
    try:
        os.rename(path, aside)
    except FileNotFoundError:
        return
    if json.loads(aside.read_text(encoding="utf-8")) != stale:
        with contextlib.suppress(FileExistsError):
            os.link(aside, path)
    aside.unlink()


def _lives(holder: dict) -> bool:
    pid = str(holder.get("pid", ""))
    started = started_s(int(pid)) if pid.isdigit() else None
    # A recycled pid started at another time.
    return started is not None and abs(started - float(holder.get("process_start", 0.0))) < 2.0
