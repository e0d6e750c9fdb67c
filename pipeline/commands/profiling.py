"""`--profile`: where the time of a build went, printed when it ends, well or not."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from pipeline.store import budget
from pipeline.store.buildlog import LogReader, builder_pid, log_paths
from pipeline.summary import published


@contextmanager
def profiled(arguments: Namespace) -> Iterator[None]:
    """With --profile, say after the block where the time of the build in it went."""
    if not arguments.profile:
        yield
        return
    earlier = set(log_paths(arguments.store))
    try:
        yield
    finally:
        print(_where_the_time_went(arguments.store, set(log_paths(arguments.store)) - earlier))


def _where_the_time_went(store: Path, logs: Iterable[Path]) -> str:
    """The budget of the build that this process has just run; one line where it ran nothing."""
    process = psutil.Process()
    ours = [log for log in logs if builder_pid(log) == str(process.pid)]
    budgets = budget.stage_budgets(event for log in ours for event in LogReader(log).read())
    if not budgets:
        return "nothing ran, so no time went anywhere"
    n_stimuli, n_frames = published(store)
    made = next((stage.items for stage in budgets if stage.stage == "frames"), 0)
    total_s, cpu = time.time() - process.create_time(), process.cpu_times()
    return budget.in_words(budgets, total_s, cpu.user + cpu.system, n_frames if made == n_stimuli else 0)
