"""Where items are made: in this process, or in a pool of single-threaded workers.

One seam: `imap(function, jobs) -> (key, result, error)` in order of completion. An error never stops the other
jobs; a worker that dies takes down only the jobs it held. Workers come from a fork server, because a fork of a
process that has used torch or BLAS threads can hang for ever, and end with their parent, even one killed by -9.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Protocol

from pipeline.errors import StoreError, UsageError

Outcome = tuple[str, Any, BaseException | None]
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS")


class Executor(Protocol):
    """Runs `function(job)` for every (key, job) and yields (key, result, error)."""

    def imap(self, function: Callable[[Any], Any], jobs: Iterable[tuple[str, Any]]) -> Iterator[Outcome]:
        """Yield one outcome a job, as they finish."""
        ...

    def close(self) -> None:
        """End whatever was started."""
        ...


def make(spec: str) -> Executor:
    """The executor a word names: `auto`, `serial` or `pool:N`.

    Raises
    ------
    UsageError
        If the word is none of these.
    """
    if spec == "auto":
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return Pool(cores) if cores > 1 else Serial()
    if spec == "serial":
        return Serial()
    kind, _, count = spec.partition(":")
    if kind == "pool" and count.isdigit() and int(count) > 0:
        return Pool(int(count))
    if kind in ("dask", "slurm"):
        raise UsageError(f"Executor {spec!r} is not there yet.", remedy="Until it is, use pool:N on one machine.")
    raise UsageError(f"Unknown executor {spec!r}.", remedy="Choose auto, serial or pool:N, for example pool:4.")


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
        remaining = list(jobs)
        remaining.reverse()
        try:
            while remaining:
                suspects = yield from self._until_broken(function, remaining, 2 * self.workers)
                for key, job in suspects:
                    if (yield from self._until_broken(function, [(key, job)], 1)):
                        yield key, None, _died()
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
        self, function: Callable[[Any], Any], remaining: list[tuple[str, Any]], max_pending: int
    ) -> Generator[Outcome, None, list[tuple[str, Any]]]:
        """Work through `remaining` (from its end); return the jobs in flight when a worker's death broke the pool."""
        pending: dict[Future, tuple[str, Any]] = {}
        pool = self._started()
        while remaining or pending:
            while remaining and len(pending) < max_pending:
                key, job = remaining[-1]
                try:
                    pending[pool.submit(function, job)] = (key, job)
                except BrokenProcessPool:
                    break
                remaining.pop()
            done, _ = wait(pending, return_when=FIRST_COMPLETED)
            if any(isinstance(future.exception(), BrokenProcessPool) for future in done) or not done:
                self.close()
                finished = [future for future in pending if not isinstance(future.exception(), BrokenProcessPool)]
                for future in finished:
                    yield _outcome(pending.pop(future)[0], future)
                return list(pending.values())
            for future in done:
                yield _outcome(pending.pop(future)[0], future)
        return []

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


def _died() -> StoreError:
    return StoreError(
        "The worker process died while this item was in flight (killed, or out of memory).",
        remedy="Run the same command again; with less memory, use --executor pool:1 or serial.",
        code="worker-died",
    )


def _start_worker(alive: Any) -> None:
    """Before any library is loaded: one thread each, and an end when the parent ends."""
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the parent says what ends
    threading.Thread(target=_end_with_parent, args=(alive,), daemon=True).start()


def _end_with_parent(alive: Any) -> None:
    try:
        alive.recv()
    except (EOFError, OSError):
        os._exit(1)
