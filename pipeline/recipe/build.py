"""Run what differs: one (stage, corpus) at a time, its items on an executor, failures kept and not raised."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import AveError, StoreError
from pipeline.recipe import learning, pooled, seal, wiring
from pipeline.recipe.part import Part
from pipeline.recipe.stages import STAGES, Stage
from pipeline.recipe.view import View
from pipeline.recipe.wanted import Wanted, Wiring
from pipeline.settings import Settings
from pipeline.store.cost import Cost, spent
from pipeline.store.disk import write_text
from pipeline.store.executors import Executor
from pipeline.store.folders import Failure
from pipeline.store.items import ItemSummary, ItemTask, execute
from pipeline.store.progress import Progress

WIRING: Mapping[str, Wiring] = {
    "fetch": Wiring(wiring.artifact_names, wiring.fetch_item, sealable=True),
    "unpack": Wiring(wiring.artifact_names, wiring.unpack_item, sealable=True),
    "recordings": Wiring(wiring.stimulus_names, wiring.recordings_item, sealable=True),
    "frames": Wiring(wiring.stimulus_names, wiring.frames_item, sealable=True),
    "curate": Wiring(wiring.stimulus_names, wiring.curate_item, sealable=True),
    "logmel": Wiring(wiring.stimulus_names, wiring.sound_item, sealable=True),
    "waveform": Wiring(wiring.waveform_names, wiring.sound_item, sealable=True),
    "density": Wiring(wiring.stimulus_names, wiring.density_item, sealable=True),
    "publish": Wiring(pooled.publish_names, pooled.publish_item, sealable=True),
    "card": Wiring(pooled.card_names, pooled.card_item, sealable=True),
    "shards": Wiring(pooled.shards_names, pooled.shards_item, sealable=True),
    "pretrain": Wiring(learning.pretrain_names, learning.pretrain_item),
    "train": Wiring(learning.run_names, learning.train_item),
    "predict": Wiring(learning.run_names, learning.predict_item),
    "score": Wiring(learning.run_names, learning.score_item),
    "audit": Wiring(learning.run_names, learning.audit_item),
    "report": Wiring(pooled.report_names, pooled.report_item),
}


class Build(View):
    """A view of a store that can also make what is not there."""

    def __init__(self, settings: Settings, store: Path, part: Part | None = None):
        super().__init__(settings, store, WIRING, part)

    def run(
        self,
        stage_name: str,
        corpus: str,
        executor: Executor,
        progress: Progress,
        names: Container[str] | None = None,
    ) -> None:
        """Make every item of one (stage, corpus) that is not fresh (of `names` alone); failures are kept."""
        stage, folder = STAGES[stage_name], self.folder(stage_name, corpus)
        state = self.state(stage_name, corpus)
        chosen = [name for name in state.to_run if names is None or name in names]
        tasks = ((name, self._task(stage, corpus, name)) for name in chosen)  # one at a time: each holds a lot
        made: set[str] = set()
        failures = {
            name: Failure(stage_name, f"{corpus}/{name}", "", error.code, error.message, error.remedy)
            for name, error in state.broken.items()
        }
        n_items = len(chosen) + len(failures)
        try:
            with progress.stage(stage_name, corpus, n_items=n_items, n_kept=len(state.fresh)) as bar:
                for failure in failures.values():
                    bar.item(failure.item, error=failure.message, tried=False)
                for name, result, error in executor.imap(make, tasks):
                    if error is None:
                        record, cost = result
                        made.add(name)
                        folder.add(record)
                        self.renewed.add((stage_name, record.item))
                        bar.item(record.item, seconds=record.seconds, n_bytes=record.n_bytes, cost=cost)
                    else:
                        failures[name] = self._failure(stage, corpus, name, error)
                        bar.item(f"{corpus}/{name}", error=str(error))
        finally:  # a build that is stopped half-way still tells what has failed so far
            self._settle(stage, corpus, made, failures, names)

    def _settle(
        self,
        stage: Stage,
        corpus: str,
        made: set[str],
        failures: dict[str, Failure],
        names: Container[str] | None,
    ) -> None:
        """Write down what was made and what failed, and look again at what depends on it."""
        stage_name, folder = stage.name, self.folder(stage.name, corpus)
        settled = self.failed.get((stage_name, corpus), {}) if names is not None else {}
        failures = {name: row for name, row in settled.items() if name not in (names or ())} | failures
        self.failed[stage_name, corpus] = failures
        if made or failures or folder.failures():
            folder.write([], failures.values(), _head(stage), str(self.part or "").replace("/", "of"))
        self.state(stage_name, corpus).count_fresh(made)
        self.touch(stage_name, corpus, made, set(failures))

    def catch_up(self) -> None:
        """Put into the stage records what killed builds and parts of builds left; needs the locks of the corpora."""
        for stage, corpus in self.targets() if self.part is None else ():
            folder = self.folder(stage.name, corpus)
            if folder.newer and not stage.pooled:
                folder.write_rows(_head(stage))

    def seal(self) -> None:
        """Let the next look know what this one has found fresh, if the store can be written."""
        with contextlib.suppress(OSError, StoreError):
            seal.write(self)

    def _task(self, stage: Stage, corpus: str, name: str) -> ItemTask:
        wanted = self._wanted(stage, corpus, name)
        return ItemTask(
            stage=stage.name,
            item=f"{corpus}/{name}",
            function=stage.function,
            folder=self.folder(stage.name, corpus).item_folder(name),
            fingerprint=self.fingerprint(stage, corpus, name, wanted),
            version=stage.version,
            params=self.params(stage, wanted),
            inputs=wanted.inputs,
            files=wanted.files,
            values=wanted.values,
            digests=wanted.digests,
            linked=wanted.linked,
            libraries=stage.libraries,
            why=self.state(stage.name, corpus).to_run[name].removeprefix(f"{corpus}/{name}: "),
        )

    def _wanted(self, stage: Stage, corpus: str, name: str) -> Wanted:
        item = self.item(stage.name, corpus, name)
        assert isinstance(item, Wanted), f"{stage.name} of {corpus}/{name} was to run a moment ago"
        return item

    def _failure(self, stage: Stage, corpus: str, name: str, error: BaseException) -> Failure:
        item = f"{corpus}/{name}"
        fingerprint = self.fingerprint(stage, corpus, name, self._wanted(stage, corpus, name))
        log = self.store / "logs" / f"{stage.name}-{corpus}-{name}.log"
        with contextlib.suppress(OSError):  # on a full disk the failure itself must still be told
            write_text(log, "".join(traceback.format_exception(error)))
        if isinstance(error, AveError):
            return Failure(stage.name, item, fingerprint, error.code, error.message, error.remedy, str(log))
        message = f"{type(error).__name__}: {error}"
        remedy = f"This looks like a bug of ours; please report it with {log}."
        return Failure(stage.name, item, fingerprint, "bug", message, remedy, str(log))


def make(task: ItemTask) -> tuple[ItemSummary, Cost]:
    """Make one item. What made it stays in its record: of a pooled item that is a lot, and nobody here needs it."""
    before = spent()
    summary = execute(task).summary()
    return summary, spent().since(before)


def _head(stage: Stage) -> dict[str, Any]:
    """What a stage record says beside its items."""
    return {"stage": stage.name, "version": stage.version}
