"""Which published items another item was made from, found by the digests in its record.

Conventions
-----------
A record names its input files by their SHA-256 (in full, or the first 16 digits where there is one a stimulus), so
what an item was made from is whatever earlier item has published exactly these bytes. An item's own name, or that of
the stimulus the digest stands beside, says where to look first; the bytes decide.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline import corpora
from pipeline.errors import StoreError, UsageError
from pipeline.export.provenance import Made, compose
from pipeline.recipe.stages import POOLED, STAGES, upstream
from pipeline.recipe.view import View
from pipeline.settings import FORMATS
from pipeline.store.collect import Shelf
from pipeline.store.items import ItemRecord, ItemSummary

DIGITS = 16  # of a SHA-256: what `Wanted.file_each` keeps of it
_DIGEST = re.compile(r"[0-9a-f]{16}|[0-9a-f]{64}")


@dataclass(frozen=True)
class Held:
    """One item that a store holds."""

    shelf: Shelf
    name: str

    @property
    def item(self) -> str:
        """The item as its record calls it: `corpus/name`."""
        return f"{self.shelf.corpus}/{self.name}"

    @property
    def key(self) -> str:
        """Where it lies below STORE/stages."""
        return f"{self.shelf.key}/{self.name}"

    def record(self) -> ItemRecord | None:
        """What it was made from, read from the disk now; None where that cannot be read."""
        return self.shelf.folder.record(self.name)


@dataclass(frozen=True)
class Input:
    """One file that an item was made from: whose it is, its digest, and every item that holds it now."""

    owner: str
    digest: str
    held: list[Held] = field(default_factory=list)


class Lineage:
    """Looks for what items were made from among some shelves of a store."""

    def __init__(self, shelves: Iterable[Shelf]):
        self._shelves: dict[tuple[str, str], list[Shelf]] = {}
        for shelf in shelves:
            self._shelves.setdefault((shelf.stage, shelf.corpus), []).append(shelf)

    def inputs(self, item: Held, record: ItemRecord) -> Iterator[Input]:
        """Every file that an item was made from; `held` is empty for what no item of these shelves has published."""
        stage = STAGES.get(item.shelf.stage)
        for owner, digest in file_digests(record):
            after = stage.after if stage else ()
            holders = (self._holders(earlier, owner, digest) for earlier in after)
            yield Input(owner, digest, next((found for found in holders if found), []))

    def _holders(self, stage: str, owner: str, digest: str) -> list[Held]:
        """Items of a stage that belong to an item's name and published these bytes, on any of the shelves."""
        corpus, name = owner.split("/", 1)
        return [
            Held(shelf, known)
            for shelf in self._shelves.get((stage, corpus), ())
            for known in _names(stage, corpus, name)
            if _published(shelf.folder.summary(known), digest)
        ]


def file_digests(record: ItemRecord) -> Iterator[tuple[str, str]]:
    """(the item it belongs to, first 16 digits) of every input of a record that is a file."""
    for value in record.inputs.values():
        if isinstance(value, Mapping):
            for name, inner in value.items():
                digest = inner[-1] if isinstance(inner, list) and len(inner) == 2 else inner  # [bytes, sha256]
                if _is_digest(digest):
                    yield _owner(record, name), digest[:DIGITS]
        elif _is_digest(value):
            yield record.item, value[:DIGITS]


def provenance_of(view: View, items: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """What an export's shards were made from, down to the source files.

    Parameters
    ----------
    view : View
        The store under the settings that the shards were made with.
    items : mapping of (corpus, split) to str
        Names of the shards items, all fresh.

    Raises
    ------
    StoreError
        If something was removed since they were found fresh.
    """
    known = {
        (stage.name, corpus): Shelf(stage.name, stage.variant(view.settings), corpus, view.folder(stage.name, corpus))
        for stage in upstream("shards")
        for corpus in {corpus for corpus, _ in items}
    }
    lineage, made = Lineage(known.values()), {}
    waiting = [Held(known["shards", corpus], name) for (corpus, _), name in sorted(items.items())]
    roots = [item.key for item in waiting]
    while waiting:
        item = waiting.pop()
        if item.key in made:
            continue
        record = item.record()
        if record is None:
            raise StoreError(f"{item.key}: its record is gone.", remedy="Build again, then export again.")
        # The same bytes under two names: one of them is what was read, and which one makes no difference.
        parents = {held.key: held for found in lineage.inputs(item, record) for held in found.held[:1]}
        made[item.key] = Made(record, tuple(sorted(parents)))
        waiting += parents.values()
    return compose(roots, made)


def _owner(record: ItemRecord, name: str) -> str:
    """Which item a digest in a mapping belongs to: the stimulus or split it stands beside, or the item itself."""
    corpus = record.item.split("/", 1)[0]
    return name if corpus == POOLED or name.startswith(f"{corpus}/") else record.item


def _names(stage: str, corpus: str, name: str) -> tuple[str, ...]:
    """What the items of a stage may be called that belong to a stimulus, an artifact or a split."""
    if stage == "shards":
        return tuple(f"{name}.{written_as}" for written_as in FORMATS)
    if stage != "unpack":
        return (name,)
    try:
        return corpora.get(corpus).artifacts_of(name)
    except UsageError:
        return (name,)  # a corpus that is no longer part of the program


def _published(item: ItemSummary | None, digest: str) -> bool:
    return item is not None and any(sha.startswith(digest) for _, sha in item.outputs.values())


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None
