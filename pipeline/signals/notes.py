"""What ffmpeg says while it works: times of pictures and sound, and complaints.

Conventions
-----------
Times of pictures come through a pipe of their own (filter `metadata`), everything else through standard error. The
filter showinfo would print times of pictures to standard error too, but in pieces between which
other threads speak: then complaints lose their level, and differ from run to run.
"""

from __future__ import annotations

import queue
import re
from fractions import Fraction
from pathlib import Path

from pipeline.signals.probing import file_url

COMPLAINTS_KEPT = 20


class Stamps:
    """Presentation times as ffmpeg notes them down, one line before each picture."""

    def __init__(self, time_base: Fraction):
        self._time_base = time_base
        self._noted: queue.SimpleQueue[Fraction | None] = queue.SimpleQueue()

    def note(self, line: str) -> None:
        """Take down one line of the filter metadata; called in the thread that reads them."""
        if found := re.match(r"frame:\d+ +pts:(\S+)", line):
            self._noted.put(None if found[1] == "NOPTS" else int(found[1]) * self._time_base)

    def next_s(self, timeout_s: float) -> Fraction | None:
        """Time of the next picture in the file's own seconds; None if it has none."""
        try:
            return self._noted.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def left_over(self) -> bool:
        """Whether there are times without a picture."""
        return not self._noted.empty()


class Log:
    """Reads ffmpeg's log as it comes: complaints, and the time stamps of blocks of sound (filter ashowinfo)."""

    # unanchored: another thread's words may stand before it on the same line
    _BLOCK = re.compile(r"n: ?\d+ pts:(\S+) pts_time:.* nb_samples:(\d+) ")
    _COMPLAINT = re.compile(r"^(?:\[(\S+)[^\]]*\] )*\[(?:error|fatal|panic)\] (.*)")

    def __init__(self, path: Path):
        self.blocks: list[tuple[int, int]] = []
        self._complaints: set[str] = set()
        self._path = path

    def hear(self, line: str) -> None:
        """Sort one line of standard error."""
        if found := self._BLOCK.search(line):
            after_last = sum(self.blocks[-1]) if self.blocks else 0
            self.blocks.append((after_last if found[1] == "NOPTS" else int(found[1]), int(found[2])))
        elif found := self._COMPLAINT.match(line):
            # without addresses and folders: the same file must complain in the same words everywhere
            said = ": ".join(part for part in found.groups() if part)
            self._complaints.add(said.replace(file_url(self._path), self._path.name))

    def complaints(self, at_most: int = COMPLAINTS_KEPT) -> tuple[str, ...]:
        """Different complaints, sorted: ffmpeg's threads speak in any order, and a store must not depend on it."""
        return tuple(sorted(self._complaints)[:at_most])

    def summary(self) -> str:
        """The complaints in one line, for a message."""
        said = " / ".join(self.complaints(at_most=3))
        return f"ffmpeg says: {said}." if said else "ffmpeg does not say why."
