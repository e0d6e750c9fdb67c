"""What a build will take, told from what the items of this store took when they were made.

Conventions
-----------
Seconds are those of one worker, and bytes those of new files: what lies in RAW is not counted, nor are links to what
an earlier stage wrote. An item that was made before, under these settings or others, is taken to need what it needed
then; any other one what the items of its stage need on average, those of its own corpus if there are any.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pipeline.recipe.stages import Stage
from pipeline.recipe.view import View
from pipeline.store.folders import StageFolder
from pipeline.store.items import ItemRecord, ItemSummary


def expected(looked: View, stage: Stage, corpus: str) -> tuple[float | None, int | None]:
    """Seconds and bytes of all items of a (stage, corpus) that may run; None where none like them was ever made."""
    state = looked.state(stage.name, corpus)
    names = {*state.to_run, *state.waiting, *state.broken}
    if not names:
        return 0.0, 0
    known = _made_before(_folders(looked, stage, corpus), stage, names)
    alike = list(known.values())
    alike = alike or [made for folder in _elsewhere(looked, stage, corpus) for made in _made(folder, stage)]
    if not alike:
        return None, None
    mean_s = sum(record.seconds for record in alike) / len(alike)
    mean_bytes = sum(map(new_bytes, alike)) / len(alike)
    seconds = sum(known[name].seconds if name in known else mean_s for name in names)
    n_bytes = sum(new_bytes(known[name]) if name in known else mean_bytes for name in names)
    return round(seconds, 3), round(n_bytes)


def new_bytes(record: ItemSummary) -> int:
    """Bytes that an item adds to a disk."""
    if record.root is not None:
        return 0
    if not isinstance(record, ItemRecord):
        return record.n_bytes
    inputs = (value.values() for value in record.inputs.values() if isinstance(value, Mapping))
    digests = {digest for values in inputs for digest in values if isinstance(digest, str)}
    return sum(size for size, sha in record.outputs.values() if sha[:16] not in digests)


def _folders(looked: View, stage: Stage, corpus: str) -> Iterator[StageFolder]:
    yield looked.folder(stage.name, corpus)
    yield from looked.other_variants(stage.name, corpus)


def _elsewhere(looked: View, stage: Stage, corpus: str) -> list[StageFolder]:
    """The same stage of the other corpora."""
    others = dict.fromkeys(entry.corpus for entry in looked.all_entries() if entry.corpus != corpus)
    return [] if stage.pooled else [looked.folder(stage.name, other) for other in others]


def _made(folder: StageFolder, stage: Stage) -> Iterable[ItemSummary]:
    """What was made; in full where it may link to its inputs, which is told by their digests."""
    return folder.known_records() if stage.pooled else folder.summaries()


def _made_before(folders: Iterable[StageFolder], stage: Stage, names: set[str]) -> dict[str, ItemSummary]:
    """Everything there is of a stage, the first folder's first, until all of these names are among it."""
    known: dict[str, ItemSummary] = {}
    for folder in folders:
        for made in _made(folder, stage):
            known.setdefault(made.name, made)
        if known.keys() >= names:
            break
    return known
