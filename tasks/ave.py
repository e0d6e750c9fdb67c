"""The recipes: what a person asks for, as Luigi tasks.

    luigi --module tasks BuildAVE --local-scheduler --store STORE --raw RAW [--corpus diem,coutrot1] …
    luigi --module tasks AddCorpus --local-scheduler --store STORE --name coutrot2
    luigi --module tasks ExportShards --local-scheduler --store STORE --format wds

Options that are not given are the ones the store remembers. Luigi's exit status is set so that 0 means that
everything asked for is there.
"""

from __future__ import annotations

import sys
import uuid
from pathlib import Path
from typing import Any

import luigi
from luigi.configuration import get_config

from pipeline import settings as settings_file
from pipeline.options import OPTIONS, given_settings
from pipeline.recipe.part import Part
from pipeline.settings import Settings
from pipeline.store.disk import store_at
from pipeline.store.executors import WORDS
from pipeline.store.progress import Progress
from pipeline.summary import failure_table
from tasks import export, features, ingest, learn
from tasks.base import BuildFailed, Session, StageTask, open_session, session_named, task_of

__all__ = ["AddCorpus", "BuildAVE", "ExportShards", "export", "features", "ingest", "learn", "run"]

for _outcome in ("task_failed", "not_run", "scheduling_error", "missing_data", "unhandled_exception"):
    if not get_config().has_option("retcode", _outcome):
        get_config().set("retcode", _outcome, "1")  # Luigi's own default is to end with 0 after a failed task


_NOTHING = "Nothing of what was asked for is published."
_Parameter: Any = luigi.Parameter  # generic from Luigi 3.7 on, plain before: typed as neither


class WordsParameter(_Parameter):
    """A list of words, separated by commas or blanks."""

    def parse(self, text: str) -> tuple[str, ...] | None:
        """Split what was given; nothing given stays None."""
        return tuple(text.replace(",", " ").split()) or None

    def serialize(self, words: tuple[str, ...] | None) -> str:
        """The words with commas."""
        return ",".join(words or ())


_LUIGI_KINDS: dict[type, Any] = {
    int: luigi.OptionalIntParameter,
    float: luigi.OptionalFloatParameter,
    str: luigi.OptionalStrParameter,
}


def _option_parameter(kind: type, description: str) -> Any:
    if kind is bool:
        return luigi.BoolParameter(default=False, description=description)
    if kind is tuple:
        return WordsParameter(default=None, description=description)
    return _LUIGI_KINDS[kind](default=None, description=description)


_WithOptions: Any = type(
    "_WithOptions",
    (luigi.Task,),
    {option.name.replace("-", "_"): _option_parameter(option.kind, option.help) for option in OPTIONS},
)


class BuildAVE(_WithOptions):
    """The whole corpus, as far as the store's goals say: tables, features, cards, and shards once asked for."""

    store = luigi.Parameter(default="store", description="where everything is kept")
    executor = luigi.Parameter(default="auto", significant=False, description=WORDS)
    goals = WordsParameter(default=None, description="corpus, shards, score, report")
    format = WordsParameter(default=None, description="shard formats: wds, parquet, tensors")
    shard = luigi.OptionalStrParameter(default=None, description="I/N: one part of the build, for queue arrays")
    session = luigi.Parameter(default="", significant=False, description="set by `ave`; leave it alone")

    def __init__(self, *args: object, **kwargs: object):
        super().__init__(*args, **kwargs)
        self._session_name = self.session or uuid.uuid4().hex
        if not self.session:
            store, part = store_at(self.store), Part.parse(self.shard) if self.shard else None
            settings = self.resolved(settings_file.load(store) or Settings())
            open_session(self._session_name, Session(store, settings, self.executor, part=part))

    def resolved(self, remembered: Settings) -> Settings:
        """The remembered settings with every option replaced that was given."""
        options = {option.name: getattr(self, option.name.replace("-", "_")) for option in OPTIONS}
        given = given_settings({name: value for name, value in options.items() if value is not False})
        given |= {"goals": self.goals} if self.goals else {}
        given |= {"formats": self.format} if self.format else {}
        return remembered.with_given(given)

    def requires(self) -> list[StageTask]:
        """The last stages that the goals need; Luigi finds the rest."""
        build = session_named(self._session_name).build
        return [task_of(stage.name, corpus, self._session_name) for stage, corpus in build.targets()]

    def complete(self) -> bool:
        """Whether everything asked for is there: no failure, nothing left to make."""
        build = session_named(self._session_name).build
        states = (build.state(stage.name, corpus) for stage, corpus in build.targets())
        done = not build.failed and all(state.n_to_run == 0 for state in states)
        if done:
            settings_file.save(build.settings, build.store)  # nothing will run, and still this was asked last
        return done and not build.publishes_nothing()

    def run(self) -> None:
        """Reached when every stage has been tried: fails if an item failed."""
        session = session_named(self._session_name)
        failures, nothing = session.failures(), session.build.publishes_nothing()
        session.close(finished=True, error=_NOTHING if nothing else "")
        if failures:
            if not self.session:  # `ave` prints the table itself, at the very end
                print(failure_table(failures), file=sys.stderr)
            raise BuildFailed(f"{len(failures)} item(s) failed.", remedy="Mend them and run the same command again.")
        if nothing:
            raise BuildFailed(_NOTHING, remedy=f"Look at {session.build.raw}.")
        session.build.failed.clear()


class AddCorpus(BuildAVE):
    """The remembered build with one more corpus; nothing of the others runs."""

    name = luigi.Parameter(description="the corpus to add")

    def resolved(self, remembered: Settings) -> Settings:
        """The remembered settings with the corpus added."""
        settings = super().resolved(remembered)
        corpora = settings.corpora and tuple(dict.fromkeys((*settings.corpora, self.name)))
        return settings.with_given({"corpora": corpora})


class ExportShards(BuildAVE):
    """The remembered build, and shards of it."""

    format = WordsParameter(default=("wds",), description="shard formats: wds, parquet, tensors")

    def resolved(self, remembered: Settings) -> Settings:
        """The remembered settings with shards among the goals."""
        settings = super().resolved(remembered)
        return settings.with_given({"goals": tuple(dict.fromkeys((*settings.goals, "shards")))})


def run(
    store: Path,
    settings: Settings,
    executor: str,
    progress: Progress | None = None,
    part: Part | None = None,
    renew: frozenset[str] = frozenset(),
) -> Session:
    """Run BuildAVE (or one part of it) in this process under fully resolved settings; return the closed session.

    Stages to `renew` are made anew where other versions of libraries made them than are installed.

    Failed items do not raise, nor does what stopped the build half-way: see `Session.failures` and `Session.stopped`.

    Raises
    ------
    AveError
        If the build could not begin (lock, disk, usage).
    """
    luigi.task_register.Register.clear_instance_cache()
    session = Session(store, settings, executor, progress, part)
    session.build.renew = renew
    name = uuid.uuid4().hex
    open_session(name, session)
    session.open()
    try:
        root = BuildAVE(store=str(store), session=name)
        if root.complete():
            session.close(finished=True)
        else:
            luigi.build([root], local_scheduler=True, workers=1, log_level="CRITICAL", detailed_summary=True)
    finally:
        session.close()
    return session
