"""Where items are made: in this process, in a pool of single-threaded workers, or on a Dask cluster's.

One seam: `imap(function, jobs) -> (key, result, error)` in order of completion. An error never stops the other
jobs; a worker that dies takes down only the jobs it held. Workers come from a fork server, because a fork of a
process that has used torch or BLAS threads can hang for ever, and end with their parent, even one killed by -9.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from pipeline.errors import StoreError, ToolError, UsageError
from pipeline.settings import Settings
from pipeline.store.threads import begin_single_threaded

Outcome = tuple[str, Any, BaseException | None]

WORDS = "auto, serial, pool:N, dask:N, dask://host:port or slurm"


class Executor(Protocol):
    """Runs `function(job)` for every (key, job) and yields (key, result, error)."""

    def imap(self, function: Callable[[Any], Any], jobs: Iterable[tuple[str, Any]]) -> Iterator[Outcome]:
        """Yield one outcome a job, as they finish."""
        ...

    def close(self) -> None:
        """End whatever was started."""
        ...


def make(spec: str, store: Path | None = None, settings: Settings | None = None) -> Executor:
    """The executor a word names; nothing is started or connected before its first job.

    Parameters
    ----------
    spec : str
        `auto`, `serial`, `pool:N`, `dask:N`, `dask://host:port` or `slurm`.
    store : Path, optional
        The store that is built, which workers on other machines must see.
    settings : Settings, optional
        Where `slurm` finds what to ask the queue for.

    Raises
    ------
    UsageError
        If the word is none of these, or `slurm` is not set up.
    ToolError
        If it needs packages that are not installed.
    """
    if spec == "auto":
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return Pool(cores) if cores > 1 else Serial()
    if spec == "serial":
        return Serial()
    kind, _, rest = spec.partition(":")
    count = int(rest) if rest.isdigit() else 0
    if kind == "pool" and count:
        return Pool(count)
    if on_dask(spec) and (count or rest.startswith("//") or spec == "slurm"):
        return _on_dask(spec, count, store, settings)
    raise UsageError(f"Unknown executor {spec!r}.", remedy=f"Choose {WORDS}; for example pool:4.")


def on_dask(spec: str) -> bool:
    """Whether an executor's word asks for workers that Dask looks after."""
    return spec == "slurm" or spec.partition(":")[0] == "dask"


def _on_dask(spec: str, count: int, store: Path | None, settings: Settings | None) -> Executor:
    needed = ("distributed", "dask_jobqueue") if spec == "slurm" else ("distributed",)
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        remedy = 'pip install -c constraints.txt -e ".[dask]"'
        raise ToolError(f"Executor {spec!r} needs {' and '.join(missing)}, not installed here.", remedy=remedy)
    from pipeline.store import cluster, slurm

    if spec == "slurm":
        return slurm.SlurmCluster(settings or Settings(), store)
    return cluster.LocalWorkers(count) if count else cluster.ExistingCluster(spec, store)


class Serial:
    """Everything in this process, one after another: the easiest to debug."""

    def close(self) -> None:
        """Nothing to end."""

    def imap(self, function: Callable[[Any], Any], jobs: Iterable[tuple[str, Any]]) -> Iterator[Outcome]:
        """Yield one outcome a job, in the order given."""
        for key, job in jobs:
            try:
                yield key, function(job), None
            except Exception as error:
                yield key, None, error


class Pool:
    """`workers` processes of one thread each, started at the first job and kept until `close`."""

    def __init__(self, workers: int):
        self.workers = workers
        self._pool: ProcessPoolExecutor | None = None
        self._alive: list[Any] = []

    def imap(self, function: Callable[[Any], Any], jobs: Iterable[tuple[str, Any]]) -> Iterator[Outcome]:
        """Yield one outcome a job, as they finish; at most two jobs a worker are waiting at a time.

        When a worker dies, the jobs in flight are suspects: each is tried once more, alone, so that only
        the one that kills its worker fails.
        """
        remaining = iter(jobs)
        try:
            while suspects := (yield from self._until_broken(function, remaining, 2 * self.workers)):
                for suspect in suspects:
                    if (yield from self._until_broken(function, iter([suspect]), 1)):
                        yield suspect[0], None, worker_died()
        except KeyboardInterrupt:
            self._cut_loose()  # the workers end at once: whoever stops a build does not want to wait for it
            raise

    def close(self) -> None:
        """Let the workers finish what they hold, and end them."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None
        self._cut_loose()

    def _cut_loose(self) -> None:
        while self._alive:
            self._alive.pop().close()

    def _until_broken(
        self, function: Callable[[Any], Any], remaining: Iterator[tuple[str, Any]], max_pending: int
    ) -> Generator[Outcome, None, list[tuple[str, Any]]]:
        """Work through `remaining`; return the jobs in flight when a worker's death broke the pool, none at the end."""
        pending: dict[Future, tuple[str, Any]] = {}
        refused: list[tuple[str, Any]] = []
        pool = self._started()
        while True:
            for key, job in islice(remaining, max_pending - len(pending)):
                try:
                    pending[pool.submit(function, job)] = (key, job)
                except BrokenProcessPool:
                    refused.append((key, job))
                    break
            if not pending and not refused:
                return []
            done, _ = wait(pending, return_when=FIRST_COMPLETED)
            if refused or any(isinstance(future.exception(), BrokenProcessPool) for future in done):
                self.close()
                finished = [future for future in pending if not isinstance(future.exception(), BrokenProcessPool)]
                for future in finished:
                    yield _outcome(pending.pop(future)[0], future)
                return [*refused, *pending.values()]
            for future in done:
                yield _outcome(pending.pop(future)[0], future)

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("forkserver")
            reader, writer = context.Pipe(duplex=False)
            self._alive = [reader, writer]
            self._pool = ProcessPoolExecutor(self.workers, context, initializer=_start_worker, initargs=(reader,))
        return self._pool


def _outcome(key: str, future: Future) -> Outcome:
    error = future.exception()
    return key, None if error else future.result(), error


def worker_died() -> StoreError:
    """What is said of a job whose worker died twice."""
    return StoreError(
        "The worker process died while this item was in flight (killed, or out of memory).",
        remedy="Run the same command again; with less memory, use --executor pool:1 or serial.",
        code="worker-died",
    )


def _start_worker(alive: Any) -> None:
    """Before any library is loaded: one thread each, and an end when the parent ends."""
    begin_single_threaded()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the parent says what ends
    threading.Thread(target=_end_with_parent, args=(alive,), daemon=True).start()


def _end_with_parent(alive: Any) -> None:
    try:
        alive.recv()
    except (EOFError, OSError):
        os._exit(1)
