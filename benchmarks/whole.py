"""A command as a whole process: how long it takes, what it costs, how much memory it holds at the peak."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

SAMPLED_EVERY_S = 0.05


@dataclass(frozen=True)
class Run:
    """One command as a whole process: wall seconds, CPU seconds of the main process, and megabytes at the peak."""

    seconds: float
    cpu_s: float
    main_mb: float
    worker_mb: float


def ave_alone(*words: str) -> None:
    """Run an `ave` command and look at nothing: what is only timed must not share the cores with who looks."""
    subprocess.run(_command(words), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def ave(*words: str) -> Run:
    """Run an `ave` command, and look at its memory and that of its workers while it runs."""
    command = _command(words)
    started, cpu_before_s = time.perf_counter(), _children_cpu_s()
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    main_bytes = worker_bytes = 0
    while process.poll() is None:
        main_bytes = max(main_bytes, _resident(process))
        worker_bytes = max([worker_bytes, *map(_resident, _children(process))])
        time.sleep(SAMPLED_EVERY_S)
    elapsed = time.perf_counter() - started
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return Run(elapsed, _children_cpu_s() - cpu_before_s, main_bytes / 1e6, worker_bytes / 1e6)


def _command(words: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "pipeline.cli", *words]


def _children_cpu_s() -> float:
    """CPU seconds of every process that this one has started and waited for."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.Error:
        return []
