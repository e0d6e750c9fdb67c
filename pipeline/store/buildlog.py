"""The log of a build: one JSON object a line, appended while it runs, read by whoever watches.

Conventions
-----------
STORE/logs/build-<time>-<pid>.jsonl. Every object holds `event` and `time` (seconds since the epoch, by the builder's
clock), and beside them

    begin     host, pid, process_start, executor, asked (settings that are not the defaults), plan and its items in all
    progress  the fields of a `Tally`: when a stage begins, about once a second while it moves, and when it ends
    item      stage, item, seconds, bytes, cpu_s and tools_cpu_s (see `cost`), error (empty unless it failed)
    stage     stage, corpus, seconds, done, failed, kept: it has ended
    note      text: something else a person was told
    end       word (done, failed, stopped, nothing to do), made, failed, seconds, error; a killed build has none

A full disk may cut a line short or swallow some. Whoever reads skips what is not whole.
"""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

from pipeline.store.disk import Appended, appended, listing

Event = dict[str, Any]


def log_path(store: Path) -> Path:
    """A new log file's name: the time and the process."""
    return store / "logs" / f"build-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.jsonl"


def builder_pid(log: Path) -> str:
    """The number of the process that writes a log, as its name tells."""
    return log.stem.rpartition("-")[2]


def log_paths(store: Path) -> list[Path]:
    """The build logs of a store, the one written to last first."""
    found = listing(store / "logs")
    names = [name for name in found if name.startswith("build-") and name.endswith(".jsonl")]
    return [
        store / "logs" / name for name in sorted(names, key=lambda name: (found[name].changed_ns, name), reverse=True)
    ]


class LogWriter:
    """Appends events to a log; one that cannot be written (a full disk) must not stop the build."""

    def __init__(self, path: Path):
        self._file: Appended | None = appended(path)
        self._writing = threading.Lock()
        self._torn = False

    def write(self, event: str, **fields: object) -> None:
        """Append one line, at once: whoever reads the file sees it."""
        row = {"event": event, "time": round(time.time(), 3), **fields}
        line = (json.dumps(row, ensure_ascii=False) + "\n").encode()
        with self._writing:
            if self._file is None:
                return
            try:
                whole = b"\n" + line if self._torn else line
                self._torn = self._file.write(whole) != len(whole)
            except OSError:
                self._torn = True

    def close(self) -> None:
        """Close the file; what is written afterwards is lost."""
        with self._writing:
            if self._file is not None:
                self._file.close()
                self._file = None


class LogReader:
    """Reads a log as it grows, also one that another host writes: the file is opened anew at each look."""

    def __init__(self, path: Path):
        self.path = path
        self._read_bytes = 0

    def read(self) -> list[Event]:
        """The events that were added since the last look; a line still being written waits for the next one."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._read_bytes)
                added = file.read()
        except FileNotFoundError:
            return []
        whole = added[: added.rfind(b"\n") + 1]
        self._read_bytes += len(whole)
        return [event for line in whole.splitlines() if (event := _event(line)) is not None]


def _event(line: bytes) -> Event | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and "event" in row else None
