"""How much memory a command needs, its child processes included."""

from __future__ import annotations

import contextlib
from threading import Event, Thread
from types import TracebackType

import psutil

LOOK_EVERY_S = 0.5


class MemoryPeak:
    """Watches this process and all below it while the block runs.

    Attributes
    ----------
    megabytes : float
        The most that all had resident together at any look; what processes share is counted in each.
    """

    def __init__(self) -> None:
        self.megabytes = 0.0
        self._over = Event()
        self._watcher = Thread(target=self._watch, daemon=True)

    def __enter__(self) -> MemoryPeak:
        self._watcher.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._watcher.join()

    def _watch(self) -> None:
        here = psutil.Process()
        while True:
            resident = 0
            for process in (here, *here.children(recursive=True)):
                with contextlib.suppress(psutil.Error):  # it ended meanwhile
                    resident += process.memory_info().rss
            self.megabytes = max(self.megabytes, resident / 1e6)
            if self._over.wait(LOOK_EVERY_S):
                return
