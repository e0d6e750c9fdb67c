"""Seals: what a look has found fresh, and under which circumstances, so that the next look need not find it out again.

Conventions
-----------
To find an item fresh in full is to wire it: to put together everything it is made from, and to compare. A seal lies
beside the stage record and says: under this key these items are fresh. The key stands for everything that wiring
depends on: settings, the bytes of the manifests, the program's own source, the stage's version, the stage record as it
lies on the disk, and the stage records and item names of all earlier stages. Any difference makes another key, and a
seal of another key is none: to look in full when it was not needed costs time, and nothing else can go wrong.

What no key can know is looked at every time: whether the outputs are there in their sizes, whether the files in RAW
are those recorded, whether a record is newer than its stage record. Items that this brings into doubt are looked at
in full, and so are the items made from them, and those that were not fresh when the seal was written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.recipe.stages import POOLED, STAGES, Stage, upstream
from pipeline.store.fingerprint import digest

if TYPE_CHECKING:
    from pipeline.recipe.view import View

_PACKAGE = Path(__file__).resolve().parent.parent


def known_fresh(view: View, stage: Stage, corpus: str) -> tuple[list[str], set[str]]:
    """Items that a seal says are fresh if the disk still holds them, and items to be looked at in full beside them.

    Returns
    -------
    fresh : list of str
        Empty where no seal fits: then every item has to be looked at in full.
    doubtful : set of str
        May hold some of `fresh`.
    """
    doubtful = _in_doubt(view, stage, corpus)
    if doubtful is None:
        return [], set()
    seal = view.folder(stage.name, corpus).seal()
    if not seal or seal["key"] != _key(view, stage, corpus):
        return [], set()
    return seal["fresh"], doubtful.union(seal["other"])


def write(view: View) -> None:
    """Seal everything that a view has found fresh."""
    for stage, corpus in view.targets():
        state = view.state(stage.name, corpus)
        doubtful = _in_doubt(view, stage, corpus)
        if state.is_sealed or doubtful is None:
            continue
        fresh = [name for name in state.names if name in state.fresh and name not in doubtful]
        other = [name for name in state.names if name not in state.fresh or name in doubtful]
        state.folder.write_seal({"key": _key(view, stage, corpus), "fresh": fresh, "other": other})


def guard(view: View) -> str:
    """Stands for what the items of every stage depend on: settings, manifests, and the program that compares."""
    hasher = hashlib.sha256()
    for path in (*sorted(_PACKAGE.rglob("*.py")), *sorted(view.manifests.glob("*.csv"))):
        content = path.read_bytes()
        hasher.update(f"{path.name} {len(content)} ".encode())
        hasher.update(content)
    return digest([view.settings.to_json(), hasher.hexdigest()])


def _key(view: View, stage: Stage, corpus: str) -> str:
    wire = view.wiring[stage.name].wire
    earlier = [(up, where, _mark(view, up, where)) for up, where in _earlier(view, stage, corpus)]
    record = view.folder(stage.name, corpus).digest
    artifacts = [] if stage.pooled else list(view.artifacts(corpus)[0])
    version = STAGES[stage.name].version
    return digest([view.guard, version, f"{wire.__module__}.{wire.__qualname__}", record, artifacts, earlier])


def _mark(view: View, stage: str, corpus: str) -> list[str]:
    """Stands for everything that later stages may take from a (stage, corpus), strays excepted."""
    return [view.folder(stage, corpus).digest, view.state(stage, corpus).names_digest]


def _earlier(view: View, stage: Stage, corpus: str) -> Iterator[tuple[str, str]]:
    """Every (stage, corpus) that wiring may ask about."""
    for up in upstream(stage.name)[:-1]:
        if up.pooled or not stage.pooled:
            yield up.name, POOLED if up.pooled else corpus
        else:
            yield from ((up.name, where) for where in view.corpora)


def _in_doubt(view: View, stage: Stage, corpus: str) -> set[str] | None:
    """Items that no key can vouch for, because it does not stand for what they are made from; None if it may be all.

    A part of a build asks for other items than a whole one does, under the same settings.
    """
    if view.part is not None or not view.wiring[stage.name].sealable:
        return None
    if stage.name == "publish" and _holds_more(view):
        return None
    doubtful = set(view.folder(stage.name, corpus).newer)
    for up, where in _earlier(view, stage, corpus):
        strays = view.state(up, where).strays
        touched = view.made_from(stage, up, where, strays) if strays else set()
        if touched is None:
            return None
        doubtful |= touched
    return doubtful


def _holds_more(view: View) -> bool:
    """Whether there are stimuli that were not asked for and are published all the same: no key stands for them."""
    others = (entry for entry in view.all_entries() if not view.is_asked(entry))
    return any(view.folder("curate", entry.corpus).holds(entry.name) for entry in others)
