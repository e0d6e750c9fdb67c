"""Real `dask scheduler` and `dask worker` processes on the loopback, for the length of a block.

    python tests/dask_processes.py scheduler|worker …

run as a program, this is one of them that cannot import this package.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]


@contextmanager
def dask_process(kind: str, *words: str, log: Path, knows_us: bool = True) -> Iterator[subprocess.Popen]:
    """Start a scheduler or a worker in a folder of its own; kill it, and what it started, in the end."""
    program = ["-m", f"distributed.cli.dask_{kind}"] if knows_us else [__file__, kind]
    environment = {**os.environ, "PYTHONPATH": str(ROOT) if knows_us else ""}
    with open(log, "w") as output:
        process = subprocess.Popen(
            [sys.executable, *program, *words], cwd=log.parent, env=environment, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        kill_with_children(process.pid)
        process.wait()


@contextmanager
def dask_scheduler(folder: Path, *, knows_us: bool = True) -> Iterator[tuple[str, subprocess.Popen]]:
    """A scheduler; yields its host:port and its process."""
    told = folder / "scheduler.json"
    words = ("--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0", "--scheduler-file", str(told))
    with dask_process("scheduler", *words, log=folder / "scheduler.log", knows_us=knows_us) as process:
        wait_until(lambda: told.is_file() and told.stat().st_size > 0)
        yield json.loads(told.read_text())["address"].removeprefix("tcp://"), process


@contextmanager
def dask_workers(
    address: str, folder: Path, *, count: int = 1, threads: int = 1, knows_us: bool = True
) -> Iterator[subprocess.Popen]:
    """Workers of a scheduler, which are there when the block begins."""
    from distributed import Client

    words = (f"tcp://{address}", "--host", "127.0.0.1", "--nworkers", str(count), "--nthreads", str(threads))
    places = ("--no-dashboard", "--local-directory", str(folder / "scratch"))
    places += () if knows_us else ("--no-nanny",)  # a nanny's child would be a program of its own
    with dask_process("worker", *words, *places, log=folder / "workers.log", knows_us=knows_us) as process:
        with Client(f"tcp://{address}", set_as_default=False) as client:
            client.wait_for_workers(count, timeout=60)
        yield process


def kill_with_children(pid: int) -> None:
    """Kill -9 a process and whatever it has started."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for relative in (*process.children(recursive=True), process):
            with contextlib.suppress(psutil.NoSuchProcess):
                relative.kill()


def lives(process: psutil.Process) -> bool:
    """Whether a process still runs; one that only nobody has waited for does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Wait for what has to happen."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.02)


if __name__ == "__main__":
    sys.modules["pipeline"] = None  # type: ignore[assignment]
    kind, sys.argv[:2] = sys.argv[1], ["dask"]
    importlib.import_module(f"distributed.cli.dask_{kind}").main()
