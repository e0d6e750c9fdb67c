"""What a build is asked for: which stimuli of which corpora, and every (stage, corpus) on the way to them."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from pipeline import corpora
from pipeline.corpora.base import Release
from pipeline.errors import UsageError, did_you_mean
from pipeline.ingest import fetch
from pipeline.ingest.manifest import Manifest, load
from pipeline.recipe.part import Part
from pipeline.recipe.stages import POOLED, Stage, of_one_stimulus, wanted_for
from pipeline.records import Artifact, Source, StimulusEntry
from pipeline.settings import Settings, default_manifests
from pipeline.store.places import inside, is_remote


class Asked:
    """The stimuli and stages that some settings name; what is asked for does not change while a build runs.

    What is asked of one `part` of a build is that part's stimuli, and no stage that needs more than one stimulus.
    """

    def __init__(self, settings: Settings, store: Path, part: Part | None = None):
        self.settings = settings
        self.store = store
        self.part = part
        self.raw = inside(store, settings.raw)
        if is_remote(self.raw):
            raise UsageError(
                f"{store}: the releases as their owners ship them have to lie in a folder of this machine.",
                remedy="Name it: --raw DIR.",
            )
        self._artifacts: dict[str, tuple[dict[str, Artifact], list[Artifact]]] = {}
        self._releases: dict[str, Release] = {}

    @property
    def manifests(self) -> Path:
        """The folder of the reviewed tables."""
        return inside(self.store, self.settings.manifests) if self.settings.manifests else default_manifests()

    @cached_property
    def manifest(self) -> Manifest:
        """The reviewed tables this build goes by."""
        return load(self.manifests)

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
    def _by_name(self) -> dict[str, dict[str, StimulusEntry]]:
        chosen: dict[str, dict[str, StimulusEntry]] = {name: {} for name in self.corpora}
        for entry in self.part.of(self._asked) if self.part else self._asked:
            chosen[entry.corpus][entry.name] = entry
        return chosen

    @cached_property
    def _asked(self) -> list[StimulusEntry]:
        asked = self.manifest.entries(self.corpora, official_150=self.settings.official_150)
        only = set(self.settings.only)
        return [entry for entry in asked if not only or entry.stimulus in only]

    def release(self, corpus: str) -> Release:
        """The release that a corpus is made from."""
        if corpus not in self._releases:
            self._releases[corpus] = corpora.get(corpus)
        return self._releases[corpus]

    def entries(self, corpus: str) -> list[StimulusEntry]:
        """The stimuli of one corpus that are asked for."""
        return list(self._by_name.get(corpus, {}).values())

    def entry(self, corpus: str, name: str) -> StimulusEntry:
        """One stimulus that is asked for."""
        return self._by_name[corpus][name]

    def is_asked(self, entry: StimulusEntry) -> bool:
        """Whether a stimulus of the manifests is asked for."""
        return entry.name in self._by_name.get(entry.corpus, {})

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
            for stage in wanted_for(self.settings)
            if self.part is None or of_one_stimulus(stage)
            for corpus in ((POOLED,) if stage.pooled else self.corpora)
        ]

    def common(self, corpus: str) -> set[str]:
        """Artifacts of a corpus that other parts of this build need as well."""
        mine = {entry.stimulus for entry in self.entries(corpus)}
        others = [entry for entry in self._asked if entry.corpus == corpus and entry.stimulus not in mine]
        artifacts_of = self.release(corpus).artifacts_of
        return {name for entry in others for name in artifacts_of(entry.name)}

    @cached_property
    def _bundles(self) -> dict[str, list[Source]]:
        found: dict[str, list[Source]] = {}
        for source in self.manifest.sources:
            if source.artifact.endswith(fetch.BUNDLE_ENDINGS):
                found.setdefault(source.corpus, []).append(source)
        return found

    def bundles(self, corpus: str) -> list[Source]:
        """Rows of archives that may hold several artifacts of a corpus."""
        return self._bundles.get(corpus, [])

    def artifacts(self, corpus: str) -> tuple[dict[str, Artifact], list[Artifact]]:
        """The artifacts to fetch, by name, and those that a partial build goes without because RAW lacks them."""
        if corpus not in self._artifacts:
            names = list(self._by_name.get(corpus, {}))
            present, absent = {}, []
            for artifact in self.release(corpus).artifacts(names) if names else ():
                if self.settings.partial and not fetch.may_give(self.raw, corpus, artifact):
                    absent.append(artifact)
                else:
                    present[artifact.name] = artifact
            self._artifacts[corpus] = present, absent
        return self._artifacts[corpus]

    def using(self, corpus: str, artifacts: set[str]) -> list[str]:
        """Names of the stimuli asked for that need one of these artifacts."""
        artifacts_of = self.release(corpus).artifacts_of
        return [name for name in self._by_name.get(corpus, {}) if not artifacts.isdisjoint(artifacts_of(name))]
