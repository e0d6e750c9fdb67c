"""What a person sees while a build runs: the same numbers as a bar, in the log, and wherever else somebody listens.

Conventions
-----------
One `Tally` is computed at a time and handed to all: on a terminal to a bar; elsewhere to one plain line when a stage
ends, and one every half minute while it runs; to `STORE/logs/build-<time>-<pid>.jsonl` (see `buildlog`); to the
listener of the stage (Luigi). Nothing is kept for each item, so a build of any size keeps its memory.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

import psutil
from rich.console import Console

from pipeline.store.bar import Bar
from pipeline.store.buildlog import LogWriter
from pipeline.store.cost import Cost
from pipeline.store.tally import StageCount, Tally, ended_words, in_words

TICK_S = 0.25  # how often somebody looks whether there is something to show
LOG_EVERY_S, LOG_STILL_S = 1.0, 5.0  # at most so often, and at least so often where nothing moves: a sign of life
LINE_EVERY_S = 30.0

Listener = Callable[[Tally], None]


class StageProgress:
    """The stage that a build is at: tells the numbers of each item that ends."""

    def __init__(self, count: StageCount, log: Callable[..., None]):
        self._count, self._log, self._stage = count, log, count.tally().stage

    def item(
        self,
        item: str,
        *,
        seconds: float = 0.0,
        n_bytes: int = 0,
        cost: Cost = Cost(),  # noqa: B008 - a tuple of numbers
        error: str = "",
        tried: bool = True,
    ) -> None:
        """One item has finished, or failed with `error`; `tried` is False for one that could not be started."""
        self._count.add(item, seconds=seconds, n_bytes=n_bytes, failed=bool(error), tried=tried)
        spent = {"cpu_s": cost.own_s, "tools_cpu_s": cost.tools_s}
        self._log("item", stage=self._stage, item=item, seconds=seconds, bytes=n_bytes, **spent, error=error)


class Progress:
    """Reports one build; `log_path` None logs nothing.

    `clock` gives seconds that only go forward. With `tick_s` None nothing is shown between the beginning and the end
    of a stage unless `look` is called.
    """

    def __init__(
        self,
        log_path: Path | None = None,
        console: Console | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        tick_s: float | None = TICK_S,
    ):
        self.console = console or Console(stderr=True, highlight=False)
        self._log = LogWriter(log_path) if log_path is not None else None
        self._clock, self._tick_s, self._began_s = clock, tick_s, clock()
        self._planned: dict[tuple[str, str], int] | None = None
        self._ended: dict[tuple[str, str], int] = {}
        self._n_made = 0
        self._interrupted = ""
        self._listener: Listener | None = None
        self._shows: list[Listener] = []
        self._count: StageCount | None = None

    # -- the build ---------------------------------------------------------------------------------------------

    def begin(self, *, executor: str, asked: Mapping[str, object], plan: Mapping[tuple[str, str], int] | None) -> None:
        """Say who builds what; `plan` gives the items to run of each (stage, corpus), None where nobody knows."""
        self._planned = None if plan is None else dict(plan)
        rows = [{"stage": stage, "corpus": corpus, "items": n} for (stage, corpus), n in (plan or {}).items() if n]
        self.log(
            "begin",
            host=socket.gethostname(),
            pid=os.getpid(),
            process_start=psutil.Process().create_time(),
            executor=executor,
            asked=asked,
            plan=rows,
            items=None if plan is None else sum(plan.values()),
        )

    def end(self, *, n_failed: int, error: str = "", finished: bool = True) -> None:
        """Say how the build ended; one that is not `finished` did not come to all its stages."""
        error = error or self._interrupted
        done = "done" if sum(self._ended.values()) else "nothing to do"
        word = "stopped" if not finished else "failed" if n_failed or error else done
        seconds = round(self._clock() - self._began_s, 3)
        self.log("end", word=word, made=self._n_made, failed=n_failed, seconds=seconds, error=error)

    @contextmanager
    def heard_by(self, listener: Listener | None) -> Iterator[None]:
        """Tell a listener the numbers of the stages that run inside a block."""
        self._listener = listener
        try:
            yield
        finally:
            self._listener = None

    def say(self, text: str) -> None:
        """Tell something that is no number, such as what the build waits for."""
        self._print(text)
        self.log("note", text=text)

    def log(self, event: str, **fields: object) -> None:
        """Append one event to the log."""
        if self._log is not None:
            self._log.write(event, **fields)

    def close(self) -> None:
        """Close the log."""
        if self._log is not None:
            self._log.close()

    # -- one stage ---------------------------------------------------------------------------------------------

    @contextmanager
    def stage(self, stage: str, corpus: str, *, n_items: int, n_kept: int) -> Iterator[StageProgress]:
        """Report one stage's items for the length of a block."""
        count = self._counted(stage, corpus, n_items, n_kept)
        try:
            with self._showing(count) if n_items else contextlib.nullcontext():
                yield StageProgress(count, self.log)
        except BaseException as error:
            why = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error) or type(error).__name__
            self._interrupted = f"{stage} {corpus}: {why}"
            raise
        finally:
            tally = count.tally()
            self._ended[stage, corpus] = self._ended.get((stage, corpus), 0) + tally.done
            self._n_made += tally.done - tally.failed
        if tally.done:
            self._tell(tally)
            self._print(f"{stage:<11}{corpus:<10}{ended_words(tally)}")
        counts = {"done": tally.done, "failed": tally.failed, "kept": n_kept}
        self.log("stage", stage=stage, corpus=corpus, seconds=tally.seconds, **counts)

    def look(self) -> None:
        """Show the running stage's numbers of this moment to everybody whose turn it is."""
        if self._count is not None:
            tally = self._count.tally()
            for show in self._shows:
                show(tally)

    def _counted(self, stage: str, corpus: str, n_items: int, n_kept: int) -> StageCount:
        """A new count; what was only planned for this stage gives way to what it really runs."""
        if self._planned is not None:
            self._planned[stage, corpus] = self._ended.get((stage, corpus), 0) + n_items
        return StageCount(
            stage,
            corpus,
            n_items=n_items,
            n_kept=n_kept,
            n_build_done=sum(self._ended.values()),
            n_build_total=None if self._planned is None else sum(self._planned.values()),
            clock=self._clock,
        )

    @contextmanager
    def _showing(self, count: StageCount) -> Iterator[None]:
        self._count = count
        self._tell(count.tally())
        self._shows = [paced(self._tell, LOG_EVERY_S, LOG_STILL_S)]
        with ExitStack() as shown:
            shown.callback(self._forget_stage)
            if self.console.is_terminal and not self.console.is_dumb_terminal:
                self._shows.append(shown.enter_context(Bar(self.console)).show)
            else:
                self._shows.append(paced(self._print_line, LINE_EVERY_S, LINE_EVERY_S))
            if self._tick_s is not None:
                shown.enter_context(ticking(self.look, self._tick_s))
            self.look()
            yield

    def _forget_stage(self) -> None:
        self._count, self._shows = None, []

    def _tell(self, tally: Tally) -> None:
        self.log("progress", **asdict(tally))
        if self._listener is not None:
            try:
                self._listener(tally)
            except Exception:  # Luigi's scheduler is gone: the build goes on, and waits for no second refusal
                self._listener = None

    def _print_line(self, tally: Tally) -> None:
        self._print(f"{tally.stage:<11}{tally.corpus:<10}{in_words(tally)}")

    def _print(self, line: str) -> None:
        self.console.print(line, markup=False, soft_wrap=True)


def paced(show: Listener, every_s: float, still_s: float) -> Listener:
    """The same, but at most once in `every_s` of the stage's time, and where no item has ended once in `still_s`."""
    last_s, last_done = 0.0, 0

    def show_in_turn(tally: Tally) -> None:
        nonlocal last_s, last_done
        if tally.seconds - last_s >= (every_s if tally.done != last_done else still_s):
            last_s, last_done = tally.seconds, tally.done
            show(tally)

    return show_in_turn


@contextmanager
def ticking(function: Callable[[], None], every_s: float) -> Iterator[None]:
    """Call a function again and again, in a thread of its own, for the length of a block."""
    ended = threading.Event()

    def tick() -> None:
        while not ended.wait(every_s):
            with contextlib.suppress(OSError):  # a terminal that is gone
                function()

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
