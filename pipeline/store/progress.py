"""What a person sees while a build runs, and the same numbers as JSON lines.

On a terminal a bar a stage with items, rate, time to go and failures; elsewhere one plain line when a stage ends.
`STORE/logs/build-<time>.jsonl` gets one object an item.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress


class StageBar:
    """Counts one stage's items as they finish."""

    def __init__(self, progress: Progress, stage: str, corpus: str, bar: RichProgress | None, n_items: int):
        self._progress, self._stage, self._corpus, self._bar = progress, stage, corpus, bar
        self._started = time.perf_counter()
        self.n_done = self.n_failed = self.n_bytes = 0
        self._task = bar.add_task(f"{stage} {corpus}", total=n_items, rate="", failed="") if bar else None

    def item(self, item: str, *, seconds: float = 0.0, n_bytes: int = 0, error: str = "") -> None:
        """One item has finished, or failed with `error`."""
        self.n_done += 1
        self.n_failed += bool(error)
        self.n_bytes += n_bytes
        self._progress.log(event="item", stage=self._stage, item=item, seconds=seconds, bytes=n_bytes, error=error)
        if self._bar is not None and self._task is not None:
            rate = self.n_done / max(time.perf_counter() - self._started, 1e-9)
            failed = f"[red]{self.n_failed} failed" if self.n_failed else ""
            self._bar.update(self._task, advance=1, rate=f"{rate:.1f}/s", failed=failed)

    @property
    def seconds(self) -> float:
        """Since the stage began."""
        return time.perf_counter() - self._started


class Progress:
    """Reports to the terminal (or in plain lines) and to a log file; `log_path` None logs nothing."""

    def __init__(self, log_path: Path | None = None, console: Console | None = None):
        self.console = console or Console(stderr=True, highlight=False)
        self._log: IO[str] | None = None
        if log_path is not None:
            log_path.parent.mkdir(parents=True, exist_ok=True)
            self._log = open(log_path, "a", encoding="utf-8")  # noqa: SIM115 - closed in close()

    def log(self, **event: object) -> None:
        """Append one JSON line; a log that cannot be written (a full disk) must not stop the build."""
        if self._log is not None:
            with contextlib.suppress(OSError):
                self._log.write(json.dumps({"time": round(time.time(), 3), **event}, ensure_ascii=False) + "\n")
                self._log.flush()

    @contextmanager
    def stage(self, stage: str, corpus: str, *, n_items: int, n_kept: int) -> Iterator[StageBar]:
        """Report one stage's items for the length of a block."""
        columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
        live = self.console.is_terminal and n_items > 0
        bar = RichProgress(
            *columns, TimeRemainingColumn(), TextColumn("{task.fields[failed]}"), console=self.console, transient=True
        )
        counter = StageBar(self, stage, corpus, bar if live else None, n_items)
        if live:
            with bar:
                yield counter
        else:
            yield counter
        self.log(event="stage", stage=stage, corpus=corpus, done=counter.n_done, failed=counter.n_failed, kept=n_kept)
        self._summarise(stage, corpus, counter, n_kept)

    def _summarise(self, stage: str, corpus: str, counter: StageBar, n_kept: int) -> None:
        if counter.n_done == 0:
            return
        parts = [f"{counter.n_done - counter.n_failed} made"]
        parts += [f"{n_kept} kept"] if n_kept else []
        parts += [f"{counter.n_failed} failed"] if counter.n_failed else []
        size = f", {counter.n_bytes / 1e6:.1f} MB" if counter.n_bytes else ""
        self.console.print(f"{stage:<11}{corpus:<10}{', '.join(parts)} in {counter.seconds:.1f} s{size}")

    def close(self) -> None:
        """Close the log."""
        if self._log is not None:
            with contextlib.suppress(OSError):
                self._log.close()
            self._log = None


def log_path(store: Path) -> Path:
    """A new log file's name: the time and the process."""
    return store / "logs" / f"build-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.jsonl"
