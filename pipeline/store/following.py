"""What a build's log tells about it while it runs and afterwards, to somebody who has nothing but the store.

Conventions
-----------
A builder on this host lives as long as its process does. One on another host, which shares the store, lives as long as
it holds a lock and gives a sign of life: its log grows, or its locks are touched. Only changes that are seen count,
by our own clock, so the clocks of the two hosts may differ.
"""

from __future__ import annotations

import heapq
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from pipeline.store import disk
from pipeline.store.buildlog import Event, LogReader, builder_pid, log_paths
from pipeline.store.leftovers import is_running
from pipeline.store.lock import holders
from pipeline.store.tally import Tally

AT_WORK, KILLED = "at work", "ended without a word"
SILENT_S = 120.0  # a file server may show a change a minute late, and locks are touched four times a minute
FAILURES_KEPT, SLOWEST_KEPT = 100, 5
_WHO = ("host", "pid", "process_start")
_FIELDS = {field.name for field in fields(Tally)}


@dataclass
class Story:
    """What a log has told so far; of failures the last hundred are kept, of the slowest items five."""

    log: Path
    begin: Event = field(default_factory=dict)
    now: Tally | None = None
    ended: list[Tally] = field(default_factory=list)
    n_failed: int = 0
    failures: deque[Event] = field(default_factory=lambda: deque(maxlen=FAILURES_KEPT))
    slowest: list[tuple[float, str, str]] = field(default_factory=list)
    note: str = ""
    end: Event = field(default_factory=dict)
    last_s: float | None = None
    word: str = AT_WORK

    @property
    def well(self) -> bool:
        """Whether the build has ended with everything it was asked for."""
        return self.word in ("done", "nothing to do")

    def take(self, event: Event) -> None:
        """Add what one more line tells."""
        self.last_s = event.get("time", self.last_s)
        kind = event["event"]
        if kind == "begin":
            self.begin = event
        elif kind == "progress":
            self.now = Tally(**{name: value for name, value in event.items() if name in _FIELDS})
            self.note = ""
        elif kind == "item":
            self._take_item(event)
        elif kind == "stage":
            if self.now is not None and event["done"]:
                self.ended.append(self.now)
            self.now = None
        elif kind == "note":
            self.note = event["text"]
        elif kind == "end":
            self.end, self.word = event, event["word"]

    def _take_item(self, event: Event) -> None:
        if event["error"]:
            self.n_failed += 1
            self.failures.append(event)
        row = (event["seconds"], event["stage"], event["item"])
        if len(self.slowest) < SLOWEST_KEPT or row > self.slowest[-1]:
            self.slowest = heapq.nlargest(SLOWEST_KEPT, [*self.slowest, row])


class Follower:
    """Follows one build by its log; `story` is what is known after the last look."""

    def __init__(self, store: Path, log: Path, clock: Callable[[], float] = time.monotonic):
        self.story = Story(log)
        self._store, self._reader, self._clock = store, LogReader(log), clock
        self._signs: Any = None
        self._heard_s = clock()

    def look(self) -> Story:
        """Read what is new, and find out whether the builder still lives."""
        self._read()
        if not self.story.end and not self._lives():
            self._read()  # what it wrote before it ended, after the first reading
            if not self.story.end:
                self.story.word = KILLED
        return self.story

    def _read(self) -> None:
        for event in self._reader.read():
            self.story.take(event)

    def _lives(self) -> bool:
        locks = holders(self._store)
        builder = self.story.begin or _first_of_pid(builder_pid(self.story.log), locks)
        if not builder:
            return False
        if builder["host"] == socket.gethostname():
            return is_running(builder)
        held = [name for name, holder in locks.items() if all(holder.get(key) == builder[key] for key in _WHO)]
        signs = [disk.changed_ns(self._store / "locks" / f"{name}.json") for name in held]
        signs.append(disk.changed_ns(self.story.log))
        if signs != self._signs:
            self._signs, self._heard_s = signs, self._clock()
        return bool(held) and self._clock() - self._heard_s < SILENT_S


def _first_of_pid(pid: str, locks: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Who holds a lock under this number: the writer of a log that has not told yet who it is."""
    return next((holder for holder in locks.values() if str(holder.get("pid")) == pid), {})


def at_work(store: Path) -> list[Follower]:
    """A follower of each build that is at work in a store, the one that began last first."""
    pids = {str(holder.get("pid")) for holder in holders(store).values()}
    found = [Follower(store, log) for log in log_paths(store) if builder_pid(log) in pids]
    living = [follower for follower in found if follower.look().word == AT_WORK]
    return sorted(living, key=lambda follower: follower.story.begin.get("time", 0.0), reverse=True)


def ended_last(store: Path) -> Story | None:
    """What the log that was written to last tells; None where no build has left one."""
    logs = log_paths(store)
    return Follower(store, logs[0]).look() if logs else None
