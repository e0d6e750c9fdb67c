"""Run what differs: one (stage, corpus) at a time, its items on an executor, failures kept and not raised."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.errors import AveError
from pipeline.recipe import pooled, wiring
from pipeline.recipe.stages import STAGES, Stage
from pipeline.recipe.view import View
from pipeline.recipe.wanted import Items
from pipeline.settings import Settings
from pipeline.store.executors import Executor
from pipeline.store.folders import Failure
from pipeline.store.items import ItemRecord, ItemTask, execute
from pipeline.store.progress import Progress
from pipeline.store.provenance import library_versions

WIRING: Mapping[str, Callable[[View, str], Items]] = {
    "fetch": wiring.fetch_items,
    "unpack": wiring.unpack_items,
    "recordings": wiring.recordings_items,
    "frames": wiring.frames_items,
    "curate": wiring.curate_items,
    "logmel": wiring.logmel_items,
    "density": wiring.density_items,
    "publish": pooled.publish_items,
    "card": pooled.card_items,
    "shards": pooled.shards_items,
    "train": pooled.train_items,
    "predict": pooled.predict_items,
    "score": pooled.score_items,
    "report": pooled.report_items,
}


class Build(View):
    """A view of a store that can also make what is not there."""

    def __init__(self, settings: Settings, store: Path):
        super().__init__(settings, store, WIRING)

    def run(self, stage_name: str, corpus: str, executor: Executor, progress: Progress) -> None:
        """Make every item of one (stage, corpus) that is not fresh; failures are kept, not raised."""
        stage, folder = STAGES[stage_name], self.folder(stage_name, corpus)
        state = self.state(stage_name, corpus)
        tasks = [(name, self._task(stage, corpus, name)) for name in state.to_run]
        records: list[ItemRecord] = []
        failures = {
            name: Failure(stage_name, f"{corpus}/{name}", "", error.code, error.message, error.remedy)
            for name, error in state.broken.items()
        }
        with progress.stage(stage_name, corpus, n_items=len(tasks) + len(failures), n_kept=len(state.fresh)) as bar:
            for failure in failures.values():
                bar.item(failure.item, error=failure.message)
            for name, record, error in executor.imap(execute, tasks):
                if error is None:
                    records.append(record)
                    bar.item(record.item, seconds=record.seconds, n_bytes=record.n_bytes)
                else:
                    failures[name] = self._failure(stage, corpus, name, error)
                    bar.item(f"{corpus}/{name}", error=str(error))
        self.failed[stage_name, corpus] = failures
        head = {"stage": stage_name, "version": stage.version, "provenance": library_versions()}
        if records or failures or folder.failures():
            folder.write(records, failures.values(), head)
        self.forget(stage_name)

    def _task(self, stage: Stage, corpus: str, name: str) -> ItemTask:
        state = self.state(stage.name, corpus)
        wanted = state.wanted[name]
        return ItemTask(
            stage=stage.name,
            item=f"{corpus}/{name}",
            function=stage.function,
            folder=self.folder(stage.name, corpus).item_folder(name),
            fingerprint=self.fingerprint(stage, corpus, name, wanted),
            version=stage.version,
            params={**stage.job_params(self.settings), **wanted.params},
            inputs=wanted.inputs,
            files=wanted.files,
            values=wanted.values,
            digests=wanted.digests,
            why=state.to_run[name].removeprefix(f"{corpus}/{name}: "),
        )

    def _failure(self, stage: Stage, corpus: str, name: str, error: BaseException) -> Failure:
        item = f"{corpus}/{name}"
        fingerprint = self.fingerprint(stage, corpus, name, self.state(stage.name, corpus).wanted[name])
        log = self.store / "logs" / f"{stage.name}-{corpus}-{name}.log"
        with contextlib.suppress(OSError):  # on a full disk the failure itself must still be told
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        if isinstance(error, AveError):
            return Failure(stage.name, item, fingerprint, error.code, error.message, error.remedy, str(log))
        message = f"{type(error).__name__}: {error}"
        remedy = f"This looks like a bug of ours; please report it with {log}."
        return Failure(stage.name, item, fingerprint, "bug", message, remedy, str(log))
