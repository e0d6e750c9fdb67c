"""Compare what is wanted with what the store holds.

A `View` is one look at one store under one set of settings. States are computed once; when a stage runs, the items
that it tried and everything made from them are looked at again, and nothing else. What an earlier look found fresh and
sealed (see `seal`) is not wired again: its outputs are looked for on the disk, and that is all. An item that failed in
this build is *settled*: what depends on it is left out of this build, everything else goes on, and the next build
tries it again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.errors import AveError
from pipeline.ingest import fetch
from pipeline.recipe import seal
from pipeline.recipe.asked import Asked
from pipeline.recipe.part import Part
from pipeline.recipe.stages import OF_ARTIFACTS, POOLED, STAGES, Stage, downstream, of_one_stimulus, upstream
from pipeline.recipe.state import StageState, differences
from pipeline.recipe.versions import renewal
from pipeline.recipe.wanted import Item, Waiting, Wanted, Wiring
from pipeline.records import Located, StimulusEntry
from pipeline.settings import Settings
from pipeline.store.fingerprint import item_fingerprint
from pipeline.store.folders import Failure, StageFolder
from pipeline.store.items import ItemSummary, damage
from pipeline.store.job import EachFile

CHANGES_SHOWN = 8
Key = tuple[str, str]  # stage, corpus


class View(Asked):
    """One look at a store under one set of settings; see the module docstring.

    `wiring` says for every stage which items it has and what they are made from.
    """

    def __init__(self, settings: Settings, store: Path, wiring: Mapping[str, Wiring], part: Part | None = None):
        super().__init__(settings, store, part)
        self.wiring = wiring
        self.failed: dict[Key, dict[str, Failure]] = {}
        self.renew: frozenset[str] = frozenset()  # stages to make anew where other versions made them
        self.renewed: set[Key] = set()  # (stage, item) for which this build has done so
        self._states: dict[Key, StageState] = {}
        self._to_look_at: dict[Key, set[str]] = {}
        self._folders: dict[Key, StageFolder] = {}
        self._other_variants: dict[Key, list[StageFolder]] = {}
        self._located: dict[Key, Located | AveError] = {}
        self._params: dict[str, dict[str, Any]] = {}
        self._wired: tuple[tuple[str, str, str], Item] | None = None  # the last one: pooled items are large

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
        """Where a (stage, corpus) stands now; an item is looked at once until something it depends on runs."""
        key = (stage, corpus)
        if key not in self._states:
            self._to_look_at.pop(key, None)
            self._states[key] = self._look(STAGES[stage], corpus)
        elif key in self._to_look_at:
            self._judge(STAGES[stage], corpus, self._states[key], self._to_look_at.pop(key))
        return self._states[key]

    def fresh(self, stage: str, corpus: str, name: str) -> ItemSummary | None:
        """What is known of an item that is as wanted, else None."""
        return self.state(stage, corpus).fresh.get(name)

    def is_fresh(self, stage: str, corpus: str, name: str) -> bool:
        """Whether an item is as wanted."""
        return name in self.state(stage, corpus).fresh

    def output(self, stage: str, corpus: str, name: str, output: str) -> tuple[Path, str]:
        """Path and SHA-256 of one output of a fresh item."""
        record = self.state(stage, corpus).fresh[name]
        return record.path(self.folder(stage, corpus).item_folder(name), output), record.outputs[output][1]

    def outputs(self, stage: str, corpus: str, name: str) -> list[tuple[Path, str]]:
        """Path and SHA-256 of every output of a fresh item."""
        return [self.output(stage, corpus, name, output) for output in self.state(stage, corpus).fresh[name].outputs]

    def each_file(self, stage: str, output: str, digests: dict[str, str]) -> EachFile:
        """One output of the items of many stimuli, whose SHA-256 `digests` says."""
        corpora = dict.fromkeys(stimulus.partition("/")[0] for stimulus in digests)
        return EachFile({corpus: self.folder(stage, corpus).path for corpus in corpora}, output, digests)

    def present(self, stage: str, entry: StimulusEntry) -> ItemSummary | None:
        """What is known of a stimulus's item: fresh if it was asked for, otherwise as an earlier build left it."""
        if self.is_asked(entry):
            return self.fresh(stage, entry.corpus, entry.name)
        folder = self.folder(stage, entry.corpus)
        return None if not folder.holds(entry.name) or folder.damage(entry.name) else folder.summary(entry.name)

    def video_digest(self, entry: StimulusEntry) -> str:
        """SHA-256 of the video file that the frames of a present stimulus were decoded from."""
        if self.is_asked(entry):
            return self.unpacked(entry.corpus, *self.locate(entry.corpus, entry.name).video)[1]
        record = self.folder("frames", entry.corpus).record(entry.name)
        return str(record.inputs["video"]) if record else ""

    def unpacked(self, corpus: str, artifact: str, path: str) -> tuple[Path, str]:
        """Path and SHA-256 of one file of an unpacked artifact."""
        return self.output("unpack", corpus, artifact, path)

    def locate(self, corpus: str, name: str) -> Located:
        """Where a stimulus's files are among the unpacked ones; raises GazeError when one is absent."""
        key = (corpus, name)
        if key not in self._located:
            release = self.release(corpus)
            unpacked = self.state("unpack", corpus).fresh
            paths = {artifact: list(unpacked[artifact].outputs) for artifact in release.artifacts_of(name)}
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
        fetched = self.state("fetch", corpus)
        needed = self.release(corpus).artifacts_of(name)
        return all(artifact in fetched for artifact in needed) and self._media_missing(corpus, name) is None

    def media_missing(self, corpus: str) -> dict[str, AveError]:
        """Stimuli of a partial build whose gaze is in RAW but whose video is not."""
        missing = ((entry.name, self._media_missing(corpus, entry.name)) for entry in self.entries(corpus))
        return {name: error for name, error in missing if error is not None}

    def _media_missing(self, corpus: str, name: str) -> AveError | None:
        needed = self.release(corpus).artifacts_of(name)
        if self.settings.partial and all(self.is_fresh("unpack", corpus, artifact) for artifact in needed):
            try:
                self.locate(corpus, name)
            except AveError as error:
                return error if error.code == "media-missing" else None
        return None

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

    def recall_failures(self) -> None:
        """Take what failed last as settled, as that build did: then what it tolerated is as fresh as it was made."""
        targets = [(stage.name, corpus) for stage, corpus in self.targets()]
        self.failed = {target: self.folder(*target).failures() for target in targets}
        self._states.clear()

    def publishes_nothing(self) -> bool:
        """Whether none of the stimuli asked for is in the corpus, for any reason; no part is meant to publish."""
        if self.part is not None:
            return False
        asked = (entry for corpus in self.corpora for entry in self.entries(corpus))
        records = (self.fresh("curate", entry.corpus, entry.name) for entry in asked)
        return not any(record is not None and record.facts["admitted"] for record in records)

    def failed_share(self, corpus: str) -> tuple[int, int]:
        """How many of a corpus's stimuli failed in this build (themselves or their artifact), out of how many."""
        failed = {
            name
            for (stage, where), rows in self.failed.items()
            if where == corpus and stage != "shards"
            for name in rows
        }
        asked = [entry.name for entry in self.entries(corpus)]
        hit = {*self.using(corpus, failed), *failed.intersection(asked)} if failed else set()
        return len(hit), len(asked)

    # -- looking -----------------------------------------------------------------------------------

    def _look(self, stage: Stage, corpus: str) -> StageState:
        """Look at every item: at sealed ones only on the disk, at what is in doubt and at all others in full."""
        state = StageState(self.folder(stage.name, corpus))
        sealed, doubtful = seal.known_fresh(self, stage, corpus)
        for name in sealed:
            if name in doubtful or not state.folder.holds(name) or self._changed_on_disk(stage, corpus, name):
                doubtful.add(name)
            else:
                state.fresh.add(name)
        names = sorted(doubtful) if sealed else self.wiring[stage.name].names(self, corpus)
        self._judge(stage, corpus, state, names)
        state.is_sealed = bool(sealed) and not doubtful
        return state

    def _judge(self, stage: Stage, corpus: str, state: StageState, names: Iterable[str]) -> None:
        """Look at some items in full: wire them, and compare."""
        earlier = state.folder.failures()
        for name in names:
            state.drop(name)
            item = self.item(stage.name, corpus, name)
            if item is None:
                continue
            state.strays.add(name)
            if isinstance(item, Wanted):
                fingerprint = self.fingerprint(stage, corpus, name, item)
                reason = self._why(stage, corpus, name, item, fingerprint)
                if not reason:
                    state.count_fresh([name])
                    continue
                state.to_run[name] = f"{corpus}/{name}: {reason}"
                if name in earlier and earlier[name].fingerprint == fingerprint:
                    state.failures[name] = earlier[name]
            elif isinstance(item, Waiting):
                state.waiting[name] = item
            else:
                state.broken[name] = item
            if not isinstance(item, AveError) and state.folder.holds(name):
                state.stale.add(name)

    def item(self, stage: str, corpus: str, name: str) -> Item:
        """What an item is made from, or why that cannot be said."""
        key = (stage, corpus, name)
        if self._wired is None or self._wired[0] != key:
            self._wired = key, self.wiring[stage].wire(self, corpus, name)
        return self._wired[1]

    def params(self, stage: Stage, wanted: Wanted) -> dict[str, Any]:
        """The significant parameters of an item."""
        if stage.name not in self._params:
            self._params[stage.name] = stage.job_params(self.settings)
        return {**self._params[stage.name], **wanted.params}

    def fingerprint(self, stage: Stage, corpus: str, name: str, wanted: Wanted) -> str:
        """What an item's record must carry for the item to be fresh."""
        params = self.params(stage, wanted)
        return item_fingerprint(stage.name, stage.version, params, f"{corpus}/{name}", wanted.inputs)

    def _why(self, stage: Stage, corpus: str, name: str, wanted: Wanted, fingerprint: str) -> str:
        """Why an item has to be made, in words; empty when it has not."""
        folder, params = self.folder(stage.name, corpus), self.params(stage, wanted)
        summary = folder.summary(name)
        if summary is None:
            found = (folder.record(name) for folder in self.other_variants(stage.name, corpus))
            other = next((record for record in found if record is not None), None)
            changes = differences(other, stage.version, params, wanted.inputs) if other else []
            return f"never made with {_in_words(changes)}" if changes else "never made"
        if summary.fingerprint != fingerprint:
            record = folder.record(name)
            changes = differences(record, stage.version, params, wanted.inputs) if record else []
            return _in_words(changes) or "its record is gone, and with it what it was made from"
        return self._changed_on_disk(stage, corpus, name)

    def _changed_on_disk(self, stage: Stage, corpus: str, name: str) -> str:
        """What is wrong with an item although it was made from what is wanted: its files in RAW, or its outputs."""
        folder = self.folder(stage.name, corpus)
        found = self._changed_in_raw(corpus, name) if stage.name == "fetch" else folder.damage(name)
        if found:
            return found
        asked = stage.name in self.renew and (stage.name, f"{corpus}/{name}") not in self.renewed
        made = folder.summary(name) if asked else None
        return renewal(stage, made) if made else ""

    def _changed_in_raw(self, corpus: str, name: str) -> str:
        """What is wrong with an artifact that was fetched, in words; empty when RAW holds it as it was then."""
        folder = self.folder("fetch", corpus)
        made, artifact = folder.summary(name), self.artifacts(corpus)[0].get(name)
        if made is None or artifact is None:
            return folder.damage(name)
        listing = fetch.survey(self.raw, corpus, artifact)
        if listing != made.facts.get("listing"):
            return "the file in RAW changed" if listing else "the file in RAW is gone"
        if made.root != os.path.join(os.path.abspath(self.raw), corpus):  # RAW was moved since
            return folder.damage(name)
        sizes = {str(path): int(size) for path, size, _ in listing}  # of the very files: no need to ask the disk again
        return made.damaged or damage(made.outputs, lambda output: sizes.get(output))

    # -- looking again -----------------------------------------------------------------------------------------

    def start_over(self) -> None:
        """Forget everything that was looked at: it was before the locks were taken."""
        for seen in (self._states, self._to_look_at, self._folders, self._other_variants, self._located):
            seen.clear()
        self._wired = None

    def look_again(self, stage: str, corpus: str = POOLED) -> None:
        """Read from the disk again what other builds may have made: one (stage, corpus), or all other corpora."""
        ours = self.corpora if corpus == POOLED else ()
        gone = [key for key in self._folders if key[1] not in ours and corpus in (POOLED, key[1])]
        for key in gone:
            del self._folders[key]
        self._wired = None
        touched = {later.name for later in downstream(stage)}
        kept = [key for key in self._states if key[0] not in touched and key not in gone]
        self._states = {key: self._states[key] for key in kept}
        if "unpack" in touched:
            self._located.clear()
            self._artifacts.clear()

    def touch(self, stage: str, corpus: str, made: set[str], failed: set[str]) -> None:
        """Look again at the items that failed, and at everything made from them and the others, when somebody asks."""
        self._wired = None
        tried = made | failed
        for later in downstream(stage):
            touched = failed if later.name == stage else self.made_from(later, stage, corpus, tried)
            for key in [key for key in self._states if key[0] == later.name]:
                if touched is None:
                    del self._states[key]
                elif key[1] == corpus and touched:
                    self._to_look_at.setdefault(key, set()).update(touched)
        for name in self.using(corpus, tried) if stage in OF_ARTIFACTS else ():
            self._located.pop((corpus, name), None)

    def made_from(self, later: Stage, stage: str, corpus: str, names: set[str]) -> set[str] | None:
        """Items of a later stage (or the same) that depend on these items of a stage; None where it may be any."""
        if later.name == stage:
            return names
        if not of_one_stimulus(later):
            return None
        crosses = stage in OF_ARTIFACTS and later.name not in OF_ARTIFACTS
        return set(self.using(corpus, names)) if crosses else names

    @cached_property
    def guard(self) -> str:
        """Stands for everything that all seals depend on; see `seal`."""
        return seal.guard(self)


def _in_words(changes: list[str]) -> str:
    """The first few changes; a pooled item may have one for each of hundreds of stimuli."""
    more = len(changes) - CHANGES_SHOWN
    return "; ".join(changes[:CHANGES_SHOWN]) + (f"; and {more} more" if more > 0 else "")
