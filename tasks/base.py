"""The task every stage shares, and the session that a recipe's tasks work in.

Luigi asks `complete()`; the answer comes from fingerprints, not from the existence of files. Items are mapped
inside one task on an executor of ours, so Luigi sees tens of tasks and runs with one worker. A failed item does
not fail its task: what depends on that item is left out, the rest goes on, and the recipe fails at the end.
"""

from __future__ import annotations

import atexit
import uuid
from collections.abc import Container, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import luigi

from pipeline import settings as settings_file
from pipeline.errors import AveError, UsageError
from pipeline.recipe.build import Build
from pipeline.recipe.part import Part
from pipeline.recipe.stages import POOLED, Stage, get, is_asked_for, upstream
from pipeline.settings import Settings
from pipeline.store import executors
from pipeline.store.buildlog import log_path
from pipeline.store.disk import make_folder, store_at
from pipeline.store.folders import Failure
from pipeline.store.items import explained
from pipeline.store.leftovers import sweep
from pipeline.store.lock import Locks, part_name
from pipeline.store.progress import Listener, Progress
from pipeline.store.tally import Tally, in_words
from pipeline.summary import failure_table

_PUBLISH_TRIES = 3  # another build may replace an item of its own corpus while this one links to it


class BuildFailed(AveError):
    """At least one item could not be made; the failures are listed and kept."""

    code = "build-failed"


class Session:
    """One run of one recipe on one store: its build, its executor, its locks, its log.

    `stopped` is the first error that no single item is to blame for; Luigi would only log it. A session that is not
    `whole` runs one task and what it needs, and nobody knows beforehand how many items that are.
    """

    def __init__(
        self,
        store: Path,
        settings: Settings,
        executor: str,
        progress: Progress | None = None,
        part: Part | None = None,
        *,
        whole: bool = True,
    ):
        if executors.on_dask(executor):
            store = store.absolute()  # workers may stand in other folders
        self.store = store
        self.build = Build(settings, store, part)
        self.stopped: Exception | None = None
        self._whole = whole
        self._executor_spec = executor
        self._executor: executors.Executor | None = None
        self._progress = progress
        self._locks = Locks(store)
        self._resources = ExitStack()
        self._open = False

    def run(self, stage: str, corpus: str, listener: Listener | None = None) -> None:
        """Make what is not fresh of one (stage, corpus), taking the locks at the first call; `listener` hears it go."""
        self.open()
        assert self._progress is not None
        with self.watch(), self._progress.heard_by(listener):
            self._locks.check()
            if get(stage).pooled:
                self._run_pooled(get(stage))
            elif self.build.part and stage in ("fetch", "unpack"):
                self._run_with_common(stage, corpus)
            else:
                self._make(stage, corpus)

    def _make(self, stage: str, corpus: str, names: Container[str] | None = None) -> None:
        assert self._executor is not None
        assert self._progress is not None
        self.build.run(stage, corpus, self._executor, self._progress, names)

    def _run_pooled(self, stage: Stage) -> None:
        """Make what pools the corpora, alone: builds of other corpora may be at work in this store.

        One of them may have published since this one did: cards are made of tables that are as this build wants them.
        """
        tables = [earlier.name for earlier in upstream(stage.name) if earlier.place and earlier is not stage]
        with self._waiting_for(stage.lock):
            for _ in range(_PUBLISH_TRIES):
                self.build.look_again(stage.name)
                for name in (*tables, stage.name):
                    self._make(name, POOLED)
                if not self.build.failed.get((stage.name, POOLED)) or not self._locks.others():
                    break

    def _run_with_common(self, stage: str, corpus: str) -> None:
        """Make what only this part needs, then what other parts need too, unless one of them has made it."""
        common = self.build.common(corpus)
        own = [name for name in self.build.state(stage, corpus).to_run if name not in common]
        self._make(stage, corpus, own)
        with self._waiting_for(f"{corpus}.common"):
            self.build.look_again(stage, corpus)
            self._make(stage, corpus, common)

    def _waiting_for(self, lock: str) -> AbstractContextManager[None]:
        assert self._progress is not None
        return self._locks.waiting_for(lock, self._progress.say)

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
        """Take the locks, sweep what killed builds left, remember the settings. Raises StoreError, UsageError."""
        if self._open:
            return
        self._executor = executors.make(self._executor_spec, self.store, self.build.settings)
        self.build.corpora  # noqa: B018 - unknown names and broken manifests must be said before anything is written
        if self.store.exists() and not self.store.is_dir():
            raise UsageError(f"{self.store} is a file, expected a folder.", remedy="Name another with --store.")
        try:
            make_folder(self.store)
            self._resources.enter_context(self._locks)
            self._locks.take(self._lock_names())
            self.build.start_over()
            sweep(self.store)
            self.build.catch_up()
            settings_file.save(self.build.settings, self.store)
            self._progress = self._progress or Progress(log_path(self.store))
            self._resources.callback(self._progress.close)
            self._resources.callback(self._executor.close)
            self._say_what_begins(self._progress)
        except OSError as error:
            self._resources.close()
            raise explained(error, str(self.store), self.store) from error
        except BaseException:
            self._resources.close()
            raise
        self._open = True
        atexit.register(self.close)

    def _say_what_begins(self, progress: Progress) -> None:
        targets = self.build.targets() if self._whole else []
        plan = {(stage.name, corpus): self.build.state(stage.name, corpus).n_to_run for stage, corpus in targets}
        asked = {**self.build.settings.asked(), "part": str(self.build.part or "")}
        progress.begin(executor=self._executor_spec, asked=asked, plan=plan if self._whole else None)

    def _lock_names(self) -> list[str]:
        part = self.build.part
        return [part_name(corpus, part.index, part.parts) if part else corpus for corpus in self.build.corpora]

    def close(self, *, finished: bool = False, error: str = "") -> None:
        """Say in the log how it ended (`finished`: every stage was tried), give the locks back, close the log."""
        if self._open and self._progress is not None:
            told = error or str(self.stopped or "")
            self._progress.end(n_failed=len(self.failures()), error=told, finished=finished)
        if self._open and finished:
            self.build.seal()
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
    executor = luigi.Parameter(default="auto", significant=False, description=executors.WORDS)
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
            store = store_at(self.store)
            remembered = settings_file.load(store) or settings_file.Settings()
            alone = Session(store, remembered, self.executor, whole=False)
            open_session(self.session_name, alone)

    def requires(self) -> list[StageTask]:
        """The same corpus's earlier stages; for a pooled stage, those of every corpus asked for."""
        return list(self._upstream())

    def _upstream(self) -> Iterator[StageTask]:
        build = session_named(self.session_name).build
        corpora = build.corpora
        for name in get(self.stage).after:
            if not is_asked_for(get(name), build.settings):
                continue
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
        session.run(self.stage, self.corpus, self._tell_luigi)
        if self.session:
            return
        session.close(finished=True)
        if session.failures():
            raise BuildFailed("\n" + failure_table(session.failures()), remedy="Mend them and run the task again.")

    def _tell_luigi(self, tally: Tally) -> None:
        """Show on Luigi's own pages what the bar shows."""
        task: Any = self  # Luigi gives it both functions for as long as it runs
        if task.set_status_message is not None:
            task.set_status_message(in_words(tally))
            task.set_progress_percentage(tally.percent)


def task_of(stage: str, corpus: str, session: str) -> StageTask:
    """The task that stands for a (stage, corpus) in a session."""
    return StageTask.registry[stage](corpus=corpus, session=session)
