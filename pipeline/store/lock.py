"""Who may write what in a store, and locks that a dead process cannot keep.

Conventions
-----------
A lock is a small JSON file STORE/locks/<name>.json that names host, pid and start. Names say what is written:

    <corpus>             every stage of one corpus: two builds of different corpora share a store
    <corpus>.2of16       one part of it (`ave build --shard 2/16`): the parts of one cut share a corpus
    <corpus>.common      what several parts need: taken by the first that comes, waited for by the others
    all                  the tables and whatever else pools the corpora: waited for, never refused
    store                everything (`ave gc`)

A holder's thread touches its locks every few seconds. On the same host a lock is stale when no process with that pid
and start time lives; on another one when it was not touched for ten minutes of the disk's own clock.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil

from pipeline.errors import StoreError
from pipeline.store import disk
from pipeline.store.leftovers import is_running, temporary

WHOLE, POOLED = "store", "all"
BEAT_S, STALE_S = 15.0, 600.0
_WAIT_S = 1.0
_TRIES = 5
_PART = re.compile(r"(?P<corpus>.+)\.(?P<part>\d+)of(?P<parts>\d+)$")


class Locks:
    """The locks that one process holds in one store; a context that gives them all back."""

    def __init__(self, store: Path):
        self._folder = store / "locks"
        self._mine = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "process_start": psutil.Process().create_time(),
            "since": time.strftime("%Y-%m-%d %H:%M:%S"),
            "token": uuid.uuid4().hex,  # an object store's client may put twice and be told that the first won
        }
        self._held: list[str] = []
        self._lost = ""
        self._ended = threading.Event()
        self._beating: threading.Thread | None = None

    def __enter__(self) -> Locks:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def take(self, names: Sequence[str]) -> None:
        """Take these locks, all or none.

        Raises
        ------
        StoreError
            If a living process holds one that stands in the way; the message names host, pid and start.
        """
        with ExitStack() as undo:
            for name in names:
                self._take(name)
                undo.callback(self._give, name)
            undo.pop_all()
        self._beat()

    @contextmanager
    def waiting_for(self, name: str, told: Callable[[str], None]) -> Iterator[None]:
        """Hold a lock for the length of a block, after waiting for as long as a living process holds it."""
        waited = False
        while True:
            try:
                self.take([name])
                break
            except StoreError as error:
                if error.code != "locked":
                    raise
                if not waited:
                    told(f"waiting: {error.message}")
                waited = True
                time.sleep(_WAIT_S)
        try:
            yield
        finally:
            self._give(name)

    def others(self) -> list[str]:
        """Names of the locks that other living processes hold in this store."""
        found = {name: disk.read_json(self._path(name)) for name in self._names() if name not in self._held}
        return [name for name, holder in found.items() if holder and not self._is_stale(self._path(name), holder)]

    def check(self) -> None:
        """Raise StoreError when a lock was taken over by somebody else, who thought this process dead."""
        if self._lost:
            raise StoreError(
                f"{self._folder / self._lost}.json: taken over by another process while this one did not move.",
                remedy="Nothing is broken: what was finished stays. Run the same command again when the other is done.",
                code="lock-lost",
            )

    def close(self) -> None:
        """Give every lock back."""
        self._ended.set()
        if self._beating is not None:
            self._beating.join()
        for name in list(self._held):
            self._give(name)

    # -- one lock ----------------------------------------------------------------------------------------------

    def _take(self, name: str) -> None:
        path = self._path(name)
        for _ in range(_TRIES):  # to find it stale or given back again and again can only be a race
            try:
                disk.create_json(path, self._mine)
                break
            except FileExistsError:
                holder = disk.read_json(path)
                if holder == self._mine:
                    break
                if holder is None and disk.changed_ns(path) is None:
                    continue  # given back in this very moment
                if not self._is_stale(path, holder):
                    raise self._refused(path, holder) from None
                if disk.exchange_json(path, holder, self._mine):
                    break
        else:
            raise self._refused(path, disk.read_json(path))
        self._held.append(name)
        for other in self._names():  # everybody takes first and looks then: of two that race, one sees the other
            if other in self._held or not _in_the_way(name, other):
                continue
            holder = disk.read_json(self._path(other))
            if holder is None or self._is_stale(self._path(other), holder):
                continue
            self._give(name)
            raise self._refused(self._path(other), holder)

    def _give(self, name: str) -> None:
        if name in self._held:
            self._held.remove(name)
            if disk.read_json(self._path(name)) == self._mine:
                disk.remove(self._path(name))

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _names(self) -> list[str]:
        return [name.removesuffix(".json") for name in disk.names_in(self._folder) if not name.startswith(".")]

    def _is_stale(self, path: Path, holder: dict[str, Any] | None) -> bool:
        holder = holder or {}
        if holder.get("host") == socket.gethostname():
            return not is_running(holder)
        changed_ns = disk.changed_ns(path)
        return changed_ns is not None and self._now_ns() - changed_ns > STALE_S * 1e9

    def _now_ns(self) -> int:
        """Now, by the clock that stamps this store's files: other machines' clocks may differ."""
        probe = temporary(self._folder / "clock")
        disk.replace_json(probe, {})
        changed_ns = disk.changed_ns(probe)
        disk.remove(probe)
        return changed_ns or 0

    def _refused(self, path: Path, holder: dict[str, Any] | None) -> StoreError:
        holder = holder or {}
        who = f"pid {holder.get('pid', '?')} on {holder.get('host', '?')}, since {holder.get('since', '?')}"
        what = {WHOLE: "the whole store", POOLED: "the pooled tables"}.get(path.stem, path.stem)
        return StoreError(
            f"{self._folder.parent}: another build is at work here, on {what} ({who}).",
            remedy=f"Wait for it, or stop it; if that host is gone for good, delete {path}.",
            code="locked",
        )

    # -- the sign of life --------------------------------------------------------------------------------------

    def _beat(self) -> None:
        if self._beating is None:
            self._beating = threading.Thread(target=self._keep_beating, daemon=True)
            self._beating.start()

    def _keep_beating(self) -> None:
        while not self._ended.wait(BEAT_S):
            for name in list(self._held):
                with contextlib.suppress(OSError, StoreError):  # given back, or no answer: the next beat comes soon
                    self._show_life(name)

    def _show_life(self, name: str) -> None:
        holder = disk.read_json(self._path(name))
        if holder == self._mine:
            disk.touch(self._path(name))
        elif holder and name in self._held:
            self._lost = name


@contextmanager
def store_lock(store: Path) -> Iterator[None]:
    """Hold the whole store for the length of a block; StoreError where anybody is at work in it."""
    with Locks(store) as locks:
        locks.take([WHOLE])
        yield


def part_name(corpus: str, part: int, parts: int) -> str:
    """The lock of one part of a corpus, counted from 0."""
    return f"{corpus}.{part}of{parts}"


def holders(store: Path) -> dict[str, dict[str, Any]]:
    """Who holds which lock of a store, stale ones included."""
    folder = store / "locks"
    names = [name for name in disk.names_in(folder) if name.endswith(".json") and not name.startswith(".")]
    found = {name.removesuffix(".json"): disk.read_json(folder / name) for name in names}
    return {name: holder for name, holder in found.items() if holder}


def _in_the_way(mine: str, other: str) -> bool:
    """Whether two locks of different names exclude each other."""
    if WHOLE in (mine, other):
        return True
    a, b = _PART.match(mine), _PART.match(other)
    if a and b:
        return a["corpus"] == b["corpus"] and a["parts"] != b["parts"]
    if a or b:
        part, whole = (a, other) if a else (b, mine)
        return part is not None and part["corpus"] == whole
    return False
