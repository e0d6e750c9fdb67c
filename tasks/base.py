"""The task every stage shares, and the session that a recipe's tasks work in.

Luigi asks `complete()`; the answer comes from fingerprints, not from the existence of files. Items are mapped
inside one task on an executor of ours, so Luigi sees tens of tasks and runs with one worker. A failed item does
not fail its task: what depends on that item is left out, the rest goes on, and the recipe fails at the end.
"""

from __future__ import annotations

import atexit
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import ClassVar

import luigi

from pipeline import settings as settings_file
from pipeline.errors import AveError, UsageError
from pipeline.recipe.build import Build
from pipeline.recipe.stages import POOLED, get
from pipeline.settings import Settings
from pipeline.store import executors
from pipeline.store.folders import Failure
from pipeline.store.items import explained
from pipeline.store.leftovers import sweep
from pipeline.store.lock import store_lock
from pipeline.store.progress import Progress, log_path
from pipeline.summary import failure_table


class BuildFailed(AveError):
    """At least one item could not be made; the failures are listed and kept."""

    code = "build-failed"


class Session:
    """One run of one recipe on one store: its build, its executor, its lock, its log.

    `stopped` is the first error that no single item is to blame for; Luigi would only log it.
    """

    def __init__(self, store: Path, settings: Settings, executor: str, progress: Progress | None = None):
        self.store = store
        self.build = Build(settings, store)
        self.stopped: Exception | None = None
        self._executor_spec = executor
        self._executor: executors.Executor | None = None
        self._progress = progress
        self._resources = ExitStack()
        self._open = False

    def run(self, stage: str, corpus: str) -> None:
        """Make what is not fresh of one (stage, corpus), taking the store's lock at the first call."""
        self.open()
        assert self._executor is not None
        assert self._progress is not None
        with self.watch():
            self.build.run(stage, corpus, self._executor, self._progress)

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Keep the first error of a block for whoever reports the build, and pass it on."""
        try:
            yield
        except Exception as error:
            told = explained(error, str(self.store), self.store) if isinstance(error, OSError) else error
            self.stopped = self.stopped or told
            raise

    def open(self) -> None:
        """Take the lock, sweep what killed builds left, remember the settings. Raises StoreError, UsageError."""
        if self._open:
            return
        self._executor = executors.make(self._executor_spec)
        self.build.corpora  # noqa: B018 - unknown names and broken manifests must be said before anything is written
        if self.store.exists() and not self.store.is_dir():
            raise UsageError(f"{self.store} is a file, expected a folder.", remedy="Name another with --store.")
        try:
            self.store.mkdir(parents=True, exist_ok=True)
            self._resources.enter_context(store_lock(self.store))
            sweep(self.store)
            settings_file.save(self.build.settings, self.store)
            self._progress = self._progress or Progress(log_path(self.store))
        except OSError as error:
            self._resources.close()
            raise explained(error, str(self.store), self.store) from error
        self._resources.callback(self._progress.close)
        self._resources.callback(self._executor.close)
        self._open = True
        atexit.register(self.close)

    def close(self) -> None:
        """Give the lock back and close the log."""
        self._resources.close()
        self._open = False

    def failures(self) -> list[Failure]:
        """Every failure of this session, in the order of the stages."""
        return [row for stages in self.build.failed.values() for row in stages.values()]


_SESSIONS: dict[str, Session] = {}


def open_session(name: str, session: Session) -> None:
    """Make a session known to the tasks that carry its name."""
    _SESSIONS[name] = session


def session_named(name: str) -> Session:
    """The session a task belongs to."""
    return _SESSIONS[name]


class StageTask(luigi.Task):
    """One stage of one corpus (or, pooled, of all)."""

    corpus = luigi.Parameter(default=POOLED, description="the corpus, or 'all' for a pooled stage")
    store = luigi.Parameter(default="store", significant=False, description="a store that remembers what was asked")
    executor = luigi.Parameter(default="auto", significant=False, description="auto, serial or pool:N")
    session = luigi.Parameter(default="", significant=False, description="set by the recipes; leave it alone")

    stage = ""
    registry: ClassVar[dict[str, type[StageTask]]] = {}

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        StageTask.registry[cls.stage] = cls

    def __init__(self, *args: object, **kwargs: object):
        super().__init__(*args, **kwargs)
        self.session_name = self.session or uuid.uuid4().hex
        if not self.session:  # asked for by itself: luigi --module tasks Density --store STORE --corpus diem
            remembered = settings_file.load(Path(self.store)) or settings_file.Settings()
            open_session(self.session_name, Session(Path(self.store), remembered, self.executor))

    def requires(self) -> list[StageTask]:
        """The same corpus's earlier stages; for a pooled stage, those of every corpus asked for."""
        return list(self._upstream())

    def _upstream(self) -> Iterator[StageTask]:
        corpora = session_named(self.session_name).build.corpora
        for name in get(self.stage).after:
            if get(name).pooled:
                yield task_of(name, POOLED, self.session_name)
            else:
                for corpus in corpora if get(self.stage).pooled else (self.corpus,):
                    yield task_of(name, corpus, self.session_name)

    def complete(self) -> bool:
        """Whether every item is fresh, or has failed in this session."""
        session = session_named(self.session_name)
        with session.watch():
            return not session.build.unsettled(self.stage, self.corpus)

    def run(self) -> None:
        """Make what is not fresh."""
        session = session_named(self.session_name)
        session.run(self.stage, self.corpus)
        if not self.session and session.failures():
            raise BuildFailed("\n" + failure_table(session.failures()), remedy="Mend them and run the task again.")


def task_of(stage: str, corpus: str, session: str) -> StageTask:
    """The task that stands for a (stage, corpus) in a session."""
    return StageTask.registry[stage](corpus=corpus, session=session)
