"""Compare what is wanted with what the store holds.

A `View` is one look at one store under one set of settings. States are computed once and forgotten for a stage and
everything below it when that stage runs. An item that failed in this build is *settled*: what depends on it is left
out of this build, everything else goes on, and the next build tries it again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

from pipeline import corpora
from pipeline.errors import AveError, UsageError, did_you_mean
from pipeline.ingest import fetch
from pipeline.ingest.manifest import Manifest, load
from pipeline.recipe.stages import POOLED, STAGES, Stage, downstream, upstream, wanted_for
from pipeline.recipe.state import StageState, differences
from pipeline.recipe.wanted import Items, Waiting, Wanted
from pipeline.records import Artifact, Located, StimulusEntry
from pipeline.settings import Settings, default_manifests
from pipeline.store.fingerprint import item_fingerprint
from pipeline.store.folders import Failure, StageFolder
from pipeline.store.items import ItemRecord

CHANGES_SHOWN = 8


class View:
    """One look at a store under one set of settings; see the module docstring.

    `wiring` gives for every stage the function that says what its items are made from.
    """

    def __init__(self, settings: Settings, store: Path, wiring: Mapping[str, Callable[[View, str], Items]]):
        self._wiring = wiring
        self.settings = settings
        self.store = store
        self.raw = store / settings.raw  # which is the latter alone where it is absolute
        self.failed: dict[tuple[str, str], dict[str, Failure]] = {}
        self._states: dict[tuple[str, str], StageState] = {}
        self._folders: dict[tuple[str, str], StageFolder] = {}
        self._other_variants: dict[tuple[str, str], list[StageFolder]] = {}
        self._located: dict[tuple[str, str], Located | AveError] = {}

    # -- what is asked for -------------------------------------------------------------------------------------

    @cached_property
    def manifest(self) -> Manifest:
        """The reviewed tables this build goes by."""
        return load(self.store / self.settings.manifests if self.settings.manifests else default_manifests())

    @cached_property
    def corpora(self) -> tuple[str, ...]:
        """The corpora asked for, in the manifests' order when none is named."""
        known = tuple(dict.fromkeys(entry.corpus for entry in self.manifest.stimuli))
        for name in (*self.settings.corpora, *self.settings.accept):
            if name not in known:
                raise UsageError(f"Unknown corpus {name!r}.", remedy=did_you_mean(name, known))
        for stimulus in self.settings.only:
            self.manifest.entry(stimulus)
        return tuple(name for name in known if name in self.settings.corpora or not self.settings.corpora)

    @cached_property
    def _entries(self) -> dict[str, list[StimulusEntry]]:
        chosen: dict[str, list[StimulusEntry]] = {name: [] for name in self.corpora}
        for entry in self.manifest.entries(self.corpora, official_150=self.settings.official_150):
            if not self.settings.only or entry.stimulus in self.settings.only:
                chosen[entry.corpus].append(entry)
        return chosen

    def entries(self, corpus: str) -> list[StimulusEntry]:
        """The stimuli of one corpus that are asked for."""
        return self._entries.get(corpus, [])

    @cached_property
    def _all_entries(self) -> list[StimulusEntry]:
        known = tuple(dict.fromkeys(entry.corpus for entry in self.manifest.stimuli))
        chosen = self.manifest.entries(known, official_150=self.settings.official_150)
        return sorted(chosen, key=lambda entry: entry.stimulus)

    def all_entries(self) -> list[StimulusEntry]:
        """Every stimulus of the manifests, asked for or not, sorted by id."""
        return self._all_entries

    def targets(self) -> list[tuple[Stage, str]]:
        """Every (stage, corpus) that the goals need, in an order in which they can run."""
        return [
            (stage, corpus)
            for stage in wanted_for(self.settings.goals)
            for corpus in ((POOLED,) if stage.pooled else self.corpora)
        ]

    # -- what is there -----------------------------------------------------------------------------------------

    def folder(self, stage: str, corpus: str) -> StageFolder:
        """Where a (stage, corpus) is kept under these settings."""
        key = (stage, corpus)
        if key not in self._folders:
            row = STAGES[stage]
            path = self.store / "stages" / stage / row.variant(self.settings) / corpus
            self._folders[key] = StageFolder(self.store / row.place, single=True) if row.place else StageFolder(path)
        return self._folders[key]

    def other_variants(self, stage: str, corpus: str) -> list[StageFolder]:
        """Where a (stage, corpus) is kept under other settings, the one written last first."""
        key = (stage, corpus)
        if key not in self._other_variants:
            self._other_variants[key] = self.folder(stage, corpus).other_variants()
        return self._other_variants[key]

    def state(self, stage: str, corpus: str) -> StageState:
        """Where a (stage, corpus) stands now; computed once until something it depends on runs."""
        key = (stage, corpus)
        if key not in self._states:
            self._states[key] = self._look(STAGES[stage], corpus)
        return self._states[key]

    def fresh(self, stage: str, corpus: str, name: str) -> ItemRecord | None:
        """The record of an item that is as wanted, else None."""
        return self.state(stage, corpus).fresh.get(name)

    def output(self, stage: str, corpus: str, name: str, output: str) -> tuple[Path, str]:
        """Path and SHA-256 of one output of a fresh item."""
        record = self.state(stage, corpus).fresh[name]
        return record.path(self.folder(stage, corpus).item_folder(name), output), record.outputs[output][1]

    def present(self, stage: str, entry: StimulusEntry) -> ItemRecord | None:
        """The record of a stimulus's item: fresh if it was asked for, otherwise as an earlier build left it."""
        if entry in self.entries(entry.corpus):
            return self.fresh(stage, entry.corpus, entry.name)
        folder = self.folder(stage, entry.corpus)
        record = folder.record(entry.name)
        return None if record is None or record.damage(folder.item_folder(entry.name)) else record

    def present_output(self, stage: str, entry: StimulusEntry, output: str) -> tuple[Path, str]:
        """Path and SHA-256 of one output of an item that `present` found."""
        record = self.present(stage, entry)
        assert record is not None
        return record.path(self.folder(stage, entry.corpus).item_folder(entry.name), output), record.outputs[output][1]

    def video_digest(self, entry: StimulusEntry) -> str:
        """SHA-256 of the video file that a stimulus's frames were decoded from."""
        record = self.present("frames", entry)
        return str(record.inputs["video"]) if record else ""

    def unpacked(self, corpus: str, artifact: str, path: str) -> tuple[Path, str]:
        """Path and SHA-256 of one file of an unpacked artifact."""
        return self.output("unpack", corpus, artifact, path)

    def locate(self, corpus: str, name: str) -> Located:
        """Where a stimulus's files are among the unpacked ones; raises GazeError when one is absent."""
        key = (corpus, name)
        if key not in self._located:
            release = corpora.get(corpus)
            paths = {
                artifact: list(self.state("unpack", corpus).fresh[artifact].outputs)
                for artifact in release.artifacts_of(name)
            }
            try:
                self._located[key] = release.locate(paths, name)
            except AveError as error:
                self._located[key] = error
        found = self._located[key]
        if isinstance(found, AveError):
            raise found
        return found

    # -- what stands in the way --------------------------------------------------------------------------------

    def in_play(self, corpus: str, name: str) -> bool:
        """Whether this build works on a stimulus: a partial build goes on without what RAW lacks."""
        present = self._present_artifacts(corpus)
        return all(artifact in present for artifact in corpora.get(corpus).artifacts_of(name)) and (
            name not in self.media_missing(corpus)
        )

    def media_missing(self, corpus: str) -> dict[str, AveError]:
        """Stimuli of a partial build whose gaze is in RAW but whose video is not."""
        if not self.settings.partial:
            return {}
        present, found = self._present_artifacts(corpus), {}
        for entry in self.entries(corpus):
            needed = corpora.get(corpus).artifacts_of(entry.name)
            if all(name in present and self.fresh("unpack", corpus, name) for name in needed):
                try:
                    self.locate(corpus, entry.name)
                except AveError as error:
                    if error.code == "media-missing":
                        found[entry.name] = error
        return found

    def _present_artifacts(self, corpus: str) -> set[str]:
        return set(self.state("fetch", corpus).wanted)

    def waiting(self, stage: str, corpus: str, name: str) -> Waiting:
        """Why an item cannot be wired yet: its upstream item is not there, or failed in this build."""
        upstream = self.state(stage, corpus).waiting.get(name)
        failed = name in self.failed.get((stage, corpus), {}) or (upstream is not None and upstream.failed)
        return Waiting(f"{stage} of {corpus}/{name}" + (", which failed" if failed else ""), failed)

    def unsettled(self, stage: str, corpus: str) -> list[str]:
        """Items of a (stage, corpus) that this build still has to try."""
        state, failed = self.state(stage, corpus), self.failed.get((stage, corpus), {})
        waiting = [name for name, why in state.waiting.items() if not why.failed]
        return [name for name in (*state.to_run, *state.broken) if name not in failed] + waiting

    def settled_failures(self, corpus: str) -> list[Failure]:
        """Every failure of this build that keeps a corpus's sources or stimuli from being published, stage by stage."""
        stages = [stage.name for stage in upstream("publish")]  # shards may have failed too, before or after publishing
        return [row for stage in stages for row in self.failed.get((stage, corpus), {}).values()]

    def publishes_nothing(self) -> bool:
        """Whether none of the stimuli asked for is in the corpus, whatever the reason."""
        asked = [entry for corpus in self.corpora for entry in self.entries(corpus)]
        records = (self.fresh("curate", entry.corpus, entry.name) for entry in asked)
        return not any(record is not None and record.facts["admitted"] for record in records)

    def failed_share(self, corpus: str) -> tuple[int, int]:
        """How many of a corpus's stimuli failed in this build (themselves or their artifact), out of how many."""
        failed = {
            name
            for entry in self.entries(corpus)
            for name in (entry.name, *corpora.get(corpus).artifacts_of(entry.name))
            for (stage, where), rows in self.failed.items()
            if where == corpus and stage != "shards" and name in rows
        }
        hit = [e for e in self.entries(corpus) if {e.name, *corpora.get(corpus).artifacts_of(e.name)} & failed]
        return len(hit), len(self.entries(corpus))

    # -- looking -----------------------------------------------------------------------------------

    def _look(self, stage: Stage, corpus: str) -> StageState:
        folder, state = self.folder(stage.name, corpus), StageState()
        items: Items = self._wiring[stage.name](self, corpus)
        earlier = folder.failures()
        for name, item in items.items():
            if isinstance(item, Waiting):
                state.waiting[name] = item
                if folder.record(name) is not None:
                    state.stale.add(name)
                continue
            if isinstance(item, AveError):
                state.broken[name] = item
                continue
            state.wanted[name] = item
            fingerprint = self.fingerprint(stage, corpus, name, item)
            record = folder.record(name)
            reason = self._why(stage, corpus, name, item, record)
            if record is not None and not reason:
                state.fresh[name] = record
                continue
            state.to_run[name] = f"{corpus}/{name}: {reason}"
            if record is not None:
                state.stale.add(name)
            if name in earlier and earlier[name].fingerprint == fingerprint:
                state.failures[name] = earlier[name]
        return state

    def fingerprint(self, stage: Stage, corpus: str, name: str, wanted: Wanted) -> str:
        """What an item's record must carry for the item to be fresh."""
        params = {**stage.job_params(self.settings), **wanted.params}
        return item_fingerprint(stage.name, stage.version, params, f"{corpus}/{name}", wanted.inputs)

    def _why(self, stage: Stage, corpus: str, name: str, wanted: Wanted, record: ItemRecord | None) -> str:
        """Why an item has to be made, in words; empty when it has not."""
        params = {**stage.job_params(self.settings), **wanted.params}
        if record is None:
            found = (folder.record(name) for folder in self.other_variants(stage.name, corpus))
            other = next((record for record in found if record is not None), None)
            changes = differences(other, stage.version, params, wanted.inputs) if other else []
            return f"never made with {_in_words(changes)}" if changes else "never made"
        changes = differences(record, stage.version, params, wanted.inputs)
        if changes:
            return _in_words(changes)
        if stage.name == "fetch":
            listing = fetch.survey(self.raw, corpus, Artifact(**wanted.values["artifact"]))
            if listing != record.facts.get("listing"):
                return "the file in RAW changed" if listing else "the file in RAW is gone"
        return record.damage(self.folder(stage.name, corpus).item_folder(name))

    def forget(self, stage_name: str) -> None:
        """Look again at a stage and everything below it the next time somebody asks."""
        touched = {stage.name for stage in downstream(stage_name)}
        self._states = {key: state for key, state in self._states.items() if key[0] not in touched}
        if "unpack" in touched:
            self._located.clear()


def _in_words(changes: list[str]) -> str:
    """The first few changes; a pooled item may have one for each of hundreds of stimuli."""
    more = len(changes) - CHANGES_SHOWN
    return "; ".join(changes[:CHANGES_SHOWN]) + (f"; and {more} more" if more > 0 else "")
