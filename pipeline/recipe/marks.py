"""What of a store something asks for: the remembered settings, and every export that is there.

Conventions
-----------
Marked is what the settings can name: in the variant of every stage, for any goal, the items of every stimulus of the
manifests. Narrowing (`--corpus`, `--only`, `--official-150`, fewer goals) takes no mark away; a stimulus or corpus
taken out of the manifests has none. Marked too is what an export was made from, as long as the item in the store is
still that very one; an export that was deleted or moved marks nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline import corpora
from pipeline.export import provenance
from pipeline.recipe.build import Build
from pipeline.recipe.lineage import Held, Lineage
from pipeline.recipe.stages import STAGES
from pipeline.recipe.view import View
from pipeline.store.collect import Shelf


@dataclass(frozen=True)
class Export:
    """An export that the store remembers, how many items it marks, and what is wrong with it, if anything."""

    folder: Path
    n_items: int = 0
    problem: str = ""


class Marks:
    """What the settings and the exports ask for."""

    def __init__(self, view: View, held: list[Shelf], lineage: Lineage):
        # A corpus that is no longer in the manifests may still be among those accepted, and is no wrong usage here.
        whole = replace(view.settings, corpora=(), only=(), accept=(), official_150=False)
        self._view = Build(whole, view.store)
        self._variants = {stage.name: stage.variant(whole) for stage in STAGES.values()}
        self._names: dict[tuple[str, str], frozenset[str]] = {}
        self._words: dict[str, str] = {}
        self._by_key = {shelf.key: shelf for shelf in held}
        self._lineage = lineage
        self._exported: set[str] = set()
        self.exports = [self._mark(folder) for folder in provenance.known_exports(view.store)]

    def why_not(self, shelf: Shelf, name: str) -> str:
        """Why nothing asks for an item, in words; empty when something does."""
        if f"{shelf.key}/{name}" in self._exported:
            return ""
        if shelf.stage not in STAGES:
            return "a stage that this program does not have"
        if not self.is_current(shelf):
            if shelf.key not in self._words:
                self._words[shelf.key] = self._other_settings(shelf)
            return self._words[shelf.key]
        return "" if STAGES[shelf.stage].pooled or name in self._wanted(shelf) else self._unwanted(shelf, name)

    def is_current(self, shelf: Shelf) -> bool:
        """Whether this is where the settings keep a stage's items."""
        return self._variants.get(shelf.stage) == shelf.variant

    def _mark(self, folder: Path) -> Export:
        """Mark what an export was made from, if the store still holds it."""
        if not folder.is_dir():
            return Export(folder, problem="is not there any more (deleted or moved)")
        found = provenance.load(folder)
        if found is None:
            return Export(folder, problem="holds no provenance.json (`ave export` writes it)")
        n_items = 0
        for key, item in found["items"].items():
            home, _, name = key.rpartition("/")
            there = self._by_key[home].folder.summary(name) if home in self._by_key else None
            if there is not None and there.fingerprint == item["fingerprint"]:
                self._exported.add(key)
                n_items += 1
        return Export(folder, n_items)

    def _wanted(self, shelf: Shelf) -> frozenset[str]:
        """Names of a stage's items for every stimulus of the manifests."""
        key = (shelf.stage, shelf.corpus)
        if key not in self._names:
            self._names[key] = frozenset(self._names_of(*key))
        return self._names[key]

    def _names_of(self, stage: str, corpus: str) -> Iterator[str]:
        entries = self._view.entries(corpus)
        if stage in ("fetch", "unpack"):
            known = corpora.get(corpus).artifacts([entry.name for entry in entries]) if entries else ()
            yield from (artifact.name for artifact in known)
        elif stage == "shards":
            yield from (f"{entry.split}.{name}" for entry in entries for name in self._view.settings.formats)
        else:
            refusable = "curate" in STAGES[stage].after
            yield from (entry.name for entry in entries if not (refusable and self._refused(corpus, entry.name)))

    def _refused(self, corpus: str, name: str) -> bool:
        curated = self._view.fresh("curate", corpus, name)
        return curated is not None and not curated.facts["admitted"]

    def _unwanted(self, shelf: Shelf, name: str) -> str:
        if not self._view.entries(shelf.corpus):
            return "its corpus was taken out of the manifests"
        if shelf.stage == "shards":
            return "a format or split that is not asked for"
        if any(entry.name == name for entry in self._view.entries(shelf.corpus)):
            return "curate refuses its stimulus"
        return "taken out of the manifests"

    def _other_settings(self, shelf: Shelf) -> str:
        """Which parameter made this a variant of its own: the stage's, or the nearest earlier one's."""
        waiting = [Held(shelf, name) for name in shelf.folder.names()[:1]]
        while waiting:
            item = waiting.pop(0)
            record = item.record()
            if record is None:
                continue
            changes = self._changes(item.shelf.stage, record.params)
            if changes:
                earlier = "" if item.shelf.stage == shelf.stage else f"from {item.shelf.stage} "
                return f"{earlier}made with {', '.join(changes)}"
            waiting += [held for found in self._lineage.inputs(item, record) for held in found.held[:1]]
        return "made under other settings"

    def _changes(self, stage: str, made: Mapping[str, Any]) -> list[str]:
        now = STAGES[stage].job_params(self._view.settings)
        return [f"{name} {made.get(name)} (now {value})" for name, value in now.items() if made.get(name) != value]
