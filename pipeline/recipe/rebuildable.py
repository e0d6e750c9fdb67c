"""Could a build make an item again, exactly from what it was made from?

Conventions
-----------
The chain of inputs is followed from digest to digest, through what the store holds, to the raw files. An item must not
be removed, although nothing asks for it, for one of these reasons:

* `source`: a raw file it comes from is neither in RAW as recorded nor free to be fetched by a program;
* `untraceable`: what it was made from has been replaced or removed since, or nobody can say what that was;
* `weights`: it is a trained model; a run costs hours and need not repeat bit by bit on another machine.

The last two a person may give up; the only remains of a source are not for a program to remove.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from pipeline.ingest import fetch
from pipeline.recipe.lineage import Held, Lineage
from pipeline.recipe.stages import STAGES
from pipeline.recipe.view import View
from pipeline.records import Artifact
from pipeline.store.collect import Shelf
from pipeline.store.items import ItemRecord

SOURCE, UNTRACEABLE, WEIGHTS = "source", "untraceable", "weights"
TRAINED = ("pretrain", "train")  # the stages whose items are trained weights


@dataclass(frozen=True)
class Refusal:
    """Why an item must stay: one of the codes above, in words, and what the words are about."""

    code: str
    reason: str
    about: str = ""


class Judge:
    """Says of items whether they must stay; what was found out about one item is not asked for again."""

    def __init__(self, view: View, lineage: Lineage, given_up: Collection[str] = ()):
        self._view, self._lineage, self._given_up = view, lineage, given_up
        self._known: dict[str, Refusal | None] = {}

    def refusal(self, shelf: Shelf, name: str) -> Refusal | None:
        """Why an item that nothing asks for must stay all the same; None where it may go."""
        if shelf.stage in TRAINED:
            found: Refusal | None = Refusal(WEIGHTS, "a trained model")
        elif shelf.stage not in STAGES:
            found = Refusal(UNTRACEABLE, "this version of the program has no such stage")
        else:
            found = self._broken_chain(Held(shelf, name))
        return None if found is not None and found.code in self._given_up else found

    def _broken_chain(self, item: Held) -> Refusal | None:
        if item.key not in self._known:
            self._known[item.key] = self._look(item)
        return self._known[item.key]

    def _look(self, item: Held) -> Refusal | None:
        if item.shelf.stage in TRAINED:
            return None  # whoever reads weights that are there needs nothing of what they were trained on
        record = item.record()
        if record is None:
            return Refusal(UNTRACEABLE, "its record cannot be read")
        return self._lost_source(item, record) if item.shelf.stage == "fetch" else self._lost_input(item, record)

    def _lost_input(self, item: Held, record: ItemRecord) -> Refusal | None:
        """The gravest refusal among what an item was made from; of several holders of a file one is enough."""
        found = []
        for needed in self._lineage.inputs(item, record):
            refusals = [self._broken_chain(held) for held in needed.held]
            if not refusals:
                found.append(Refusal(UNTRACEABLE, "made from what is not there any more", needed.owner))
            elif None not in refusals:
                found += [refusal for refusal in refusals if refusal is not None]
        return min(found, key=lambda refusal: refusal.code, default=None)  # SOURCE is graver, and first in the alphabet

    def _lost_source(self, item: Held, record: ItemRecord) -> Refusal | None:
        told = record.inputs["artifact"]
        artifact = Artifact(told["name"], tuple(told["packed"]), told["folder"])
        listing = fetch.survey(self._view.raw, item.shelf.corpus, artifact)
        if listing and listing == record.facts.get("listing"):
            return None
        if all(self._may_be_fetched(item.shelf.corpus, file, sha) for file, (_, sha) in record.outputs.items()):
            return None
        return Refusal(SOURCE, "its source is gone", record.item)

    def _may_be_fetched(self, corpus: str, file: str, sha256: str) -> bool:
        """Whether a program may fetch this very file: its terms are accepted, and the manifests know no other bytes."""
        if corpus not in self._view.settings.accept:
            return False
        rows = [row for row in self._view.manifest.sources_of(corpus, file) if row.kind == "direct"]
        return any(not row.checksum.startswith("sha256:") or row.checksum == f"sha256:{sha256}" for row in rows)
