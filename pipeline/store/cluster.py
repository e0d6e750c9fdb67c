"""Executors on Dask: `dask:N` on this machine, `dask://host:port` on a cluster that is already there.

The laws are those of `store.executors`. Jobs are handed out two a worker, as workers finish, so ten thousand of them
take no room on the scheduler. A worker that dies loses nothing: Dask gives its jobs to others. A job at whose side
workers die again and again is a suspect, and is tried once more when nothing else runs; only if that worker dies,
too, does the job fail. A scheduler that cannot be reached stops the build with one error.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import queue
import time
import uuid
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path
from typing import Any

from pipeline.errors import AveError, StoreError, ToolError
from pipeline.store.executors import Outcome, worker_died
from pipeline.store.remote import Answer, Terms, WorkerTraceback, attempt, packed, posted
from pipeline.store.threads import ONE_THREAD

_JOBS_A_WORKER = 2  # one in hand and one to go on with
_LOOK_S = 1.0  # how often a cluster is looked at while jobs run
_CONNECT_S = 10.0
_CLOSE_S = 15.0
_END_S = 0.5  # what a worker gets to end by itself: it is idle, or nobody wants what it has in hand
_WITHOUT_WORKERS_S = 30.0
_LOGGERS = ("distributed", "distributed.client", "distributed.worker", "distributed.nanny", "distributed.scheduler")


class Cluster(ABC):
    """Jobs on the workers of one Dask scheduler, which is connected at the first job and kept until `close`."""

    spec = ""
    elsewhere = True  # workers may be on other machines, with other code

    def __init__(self, store: Path | None = None) -> None:
        self._store = store
        self._client: Any = None
        self._terms = Terms()
        self._posted = ExitStack()
        self._stopped: AveError | None = None
        self._looked = self._had_workers = 0.0

    @abstractmethod
    def _connect(self) -> Any:
        """A client of the scheduler, which is started first where it is ours."""

    @abstractmethod
    def _n_workers(self) -> int:
        """How many workers there are, or will be."""

    @abstractmethod
    def _look_after(self) -> None:
        """Called about once a second while jobs run; raises what must stop the build."""

    @abstractmethod
    def _shut_down(self) -> None:
        """End what `_connect` started beside the client."""

    def imap(self, function: Callable[[Any], Any], jobs: Iterable[tuple[str, Any]]) -> Iterator[Outcome]:
        """Yield one outcome a job, as they finish.

        Raises
        ------
        StoreError, ToolError
            If the scheduler is gone, or a worker is not fit for work; once so, at every later call.
        """
        if self._stopped is not None:
            raise self._stopped
        jobs = iter(jobs)
        first = [*islice(jobs, 1)]
        if not first:
            return  # nothing to start or connect for
        try:
            suspects = yield from self._through(function, chain(first, jobs))
            for suspect in suspects:
                if (yield from self._through(function, iter([suspect]))):
                    yield suspect[0], None, worker_died()
        except KeyboardInterrupt:
            self.close()  # whoever stops a build does not want to wait for what is in hand
            raise
        except AveError as error:
            self._stopped = error
            raise

    def connect(self) -> Any:
        """The client of the scheduler; connected, and where it is ours started, at the first call."""
        if self._client is None:
            quiet()
            self._client = self._connect()
            self._had_workers = time.monotonic()
            self._terms = self._posted.enter_context(posted(self._store)) if self.elsewhere else Terms()
        return self._client

    def close(self) -> None:
        """Leave the scheduler, and end it and its workers where they are ours."""
        client, self._client = self._client, None
        if client is not None:
            client.close(timeout=_CLOSE_S)
        self._posted.close()
        self._shut_down()

    def _through(
        self, function: Callable[[Any], Any], jobs: Iterator[tuple[str, Any]]
    ) -> Generator[Outcome, None, list[tuple[str, Any]]]:
        """Yield outcomes, a bounded number of jobs in flight; return the jobs at whose side workers died too often."""
        pending: dict[str, tuple[Any, str, Any]] = {}
        suspects: list[tuple[str, Any]] = []
        done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        try:
            while True:
                for key, job in islice(jobs, max(0, self._room() - len(pending))):
                    future = self._submit(function, job)
                    pending[future.key] = future, key, job
                    future.add_done_callback(done.put)
                if not pending:
                    return suspects
                future, key, job = pending.pop(self._next(done).key)
                answer = self._answer(future)
                if answer is None:
                    suspects.append((key, job))
                else:
                    yield key, answer.result, answer.error
        finally:
            for future, _, _ in pending.values():
                future.release()  # nobody waits for it any more: what no worker has in hand is not begun

    def _room(self) -> int:
        """How many jobs may be in flight. Connects at the first call."""
        self._look()
        return _JOBS_A_WORKER * max(1, self._n_workers())

    def _submit(self, function: Callable[[Any], Any], job: Any) -> Any:
        call = packed(attempt, function, job, self._terms)
        try:
            return self._client.submit(pickle.loads, call, key=f"item-{uuid.uuid4().hex}")
        except Exception as error:
            raise self._gone() from error

    def _next(self, done: queue.SimpleQueue[Any]) -> Any:
        while True:
            try:
                return done.get(timeout=_LOOK_S)
            except queue.Empty:
                self._look()

    def _look(self) -> None:
        self.connect()
        if time.monotonic() - self._looked > _LOOK_S:
            if self._client.status != "running":
                raise self._gone()
            self._look_after()
            self._looked = time.monotonic()

    def _answer(self, future: Any) -> Answer | None:
        """What came of a job that is no longer pending; None where workers died at its side too often."""
        from distributed import CancelledError, KilledWorker

        try:
            answer = self._fetched(future)
        except KilledWorker:
            return None
        except (CancelledError, OSError) as error:
            raise self._gone() from error
        except (ImportError, AttributeError) as error:
            raise self._unfit(f"A worker cannot import what a job needs ({error}).") from error
        except Exception as error:
            return Answer(error=error)
        if answer.unfit:
            raise self._unfit(answer.unfit)
        if answer.error is not None:
            answer.error.__cause__ = WorkerTraceback(answer.trace)
        return answer

    def _fetched(self, future: Any) -> Answer:
        """The result of a job that has ended, from the worker that holds it.

        A worker may end before it is asked. The job then runs once more elsewhere, and where it was the last worker
        only looking after the cluster brings another one.
        """
        from distributed import TimeoutError as NotYet  # before Python 3.11 one of asyncio's own

        while True:
            try:
                answer: Answer = future.result(timeout=_LOOK_S)
            except NotYet:
                self._look()
            else:
                return answer

    def _need_workers(self, count: int, remedy: str) -> None:
        """Stop a build whose workers have all been gone for a while: it would wait for ever."""
        if count:
            self._had_workers = time.monotonic()
        elif time.monotonic() - self._had_workers > _WITHOUT_WORKERS_S:
            raise StoreError(
                f"The Dask scheduler of {self.spec} has had no worker for {_WITHOUT_WORKERS_S:.0f} s.",
                remedy=f"{remedy} and run the same command again: finished items stay.",
                code="no-workers",
            )

    def _gone(self) -> StoreError:
        return StoreError(
            f"The Dask scheduler of {self.spec} cannot be reached any more: it has ended, or the network broke.",
            remedy=f"See that it runs (ave doctor --executor {self.spec}) and run the same command again: "
            "finished items stay.",
            code="scheduler-gone",
        )

    def _unfit(self, why: str) -> ToolError:
        return ToolError(
            why,
            remedy=f"Workers need the same installation and the same folders as you; start them anew after a change. "
            f"`ave doctor --executor {self.spec}` looks at each.",
            code="worker-unfit",
        )


class LocalWorkers(Cluster):
    """`dask:N`: a scheduler in this process and N worker processes of one thread each; they end with their parent."""

    elsewhere = False

    def __init__(self, workers: int):
        super().__init__()
        self.workers, self.spec = workers, f"dask:{workers}"
        self._cluster: Any = None

    def _connect(self) -> Any:
        from distributed import Client, LocalCluster

        os.environ.update(dict.fromkeys(ONE_THREAD, "1"))  # Dask hands this environment to the workers it starts
        self._cluster = LocalCluster(
            n_workers=self.workers,
            threads_per_worker=1,
            memory_limit=0,  # items are as large as they are; the other executors set no limit, either
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
            scheduler_kwargs={"allowed_failures": 0},
        )
        return Client(self._cluster, set_as_default=False)

    def _n_workers(self) -> int:
        return self.workers

    def _look_after(self) -> None:
        self._need_workers(len(self._cluster.scheduler.workers), "See why they do not start (memory?)")

    def _shut_down(self) -> None:
        cluster, self._cluster = self._cluster, None
        if cluster is not None:
            cluster.sync(_end_workers, cluster)
            cluster.close(timeout=_CLOSE_S)


class ExistingCluster(Cluster):
    """`dask://host:port`: a scheduler that somebody started, with as many workers as it has at any moment."""

    def __init__(self, spec: str, store: Path | None = None):
        super().__init__(store)
        self.spec = spec
        self.address = f"tcp://{spec.removeprefix('dask://')}"
        self._workers = 0

    def _connect(self) -> Any:
        return connected(self.address, self.spec)

    def _n_workers(self) -> int:
        return self._workers

    def _look_after(self) -> None:
        try:
            self._workers = len(self._client.nthreads())
        except (OSError, asyncio.TimeoutError) as error:
            raise self._gone() from error
        self._need_workers(self._workers, f"Start some (dask worker {self.address} --nworkers 4 --nthreads 1)")

    def _shut_down(self) -> None:
        """It was there before us and stays."""


def connected(address: str, spec: str) -> Any:
    """A client of the scheduler at an address.

    Raises
    ------
    StoreError
        If nobody answers there in a Dask's way.
    """
    from distributed import Client
    from distributed.versions import VersionMismatchWarning

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VersionMismatchWarning)  # `ave doctor` tells of them, one by one
            return Client(address, set_as_default=False, timeout=_CONNECT_S)
    except (OSError, ValueError) as error:
        raise StoreError(
            f"No Dask scheduler answers at {address} ({str(error).splitlines()[0]}).",
            remedy=f"Start one there (dask scheduler), or correct the address: --executor {spec}.",
            code="no-scheduler",
        ) from error


def quiet() -> None:
    """Keep Dask's own log lines from a person's terminal: what they would say becomes an error of ours."""
    import distributed  # noqa: F401 - sets its loggers up when it is imported

    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)


async def _end_workers(cluster: Any) -> None:
    await asyncio.gather(*(nanny.close(timeout=_END_S) for nanny in cluster.workers.values()))
