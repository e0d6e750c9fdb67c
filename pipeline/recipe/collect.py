"""Garbage collection: what a store would lose, what it keeps although nothing asks for it, and the removal itself.

What is asked for is said in `marks`, what could not be made again in `rebuildable`; the rest goes, and with it what
processes that have ended left half-made. Later stages go before earlier ones, so that a kill in between leaves nothing
whose origin is gone.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.recipe.learning import RESUME
from pipeline.recipe.lineage import Lineage
from pipeline.recipe.marks import Export, Marks
from pipeline.recipe.rebuildable import Judge
from pipeline.recipe.stages import STAGES
from pipeline.recipe.view import View
from pipeline.store.collect import Shelf, Size, remove, remove_empty_folders, remove_records, shelves, sizes
from pipeline.store.disk import size_bytes
from pipeline.store.items import RECORD_NAME
from pipeline.store.leftovers import abandoned, sweep
from pipeline.store.places import is_remote


@dataclass
class Group:
    """Items of one shelf that nothing asks for, all for the same reason; with a `code` of `rebuildable` they stay."""

    shelf: Shelf
    why: str
    code: str = ""
    names: list[str] = field(default_factory=list)
    about: list[str] = field(default_factory=list)
    size: Size = field(default_factory=Size)


BY_COMMAND = {"pages": "ave report", "inspect": "ave inspect"}  # folders of a store that a build has no part in


@dataclass(frozen=True)
class Written:
    """A folder of pages that somebody asked a command for; it is told of, and never removed."""

    folder: Path
    command: str
    size: Size


@dataclass(frozen=True)
class Garbage:
    """What a look through a store found.

    `half_trained` are folders of `STORE/resume`, where killed trainings would go on; they go with the weights.
    `forgotten` are names that a shelf's stage record still lists although their folders are gone (a kill leaves such);
    `emptied` are shelves that hold nothing once the groups have gone.
    """

    groups: list[Group]
    kept: list[Group]
    forgotten: list[tuple[Shelf, list[str]]]
    emptied: list[Shelf]
    leftovers: list[Path]
    leftovers_size: Size
    half_trained: list[Path]
    half_trained_size: Size
    gives_up_weights: bool
    exports: list[Export]
    written: list[Written]

    @property
    def size(self) -> Size:
        """Bytes of all that goes."""
        goes = self.half_trained_size if self.gives_up_weights else Size()
        return sum((group.size for group in self.groups), self.leftovers_size + goes)

    @property
    def n_items(self) -> int:
        """How many items go."""
        return sum(len(group.names) for group in self.groups)


def look(view: View, given_up: Collection[str] = ()) -> Garbage:
    """Look through a store; changes nothing.

    Parameters
    ----------
    view : View
        The store under its remembered settings.
    given_up : collection of str
        Codes of `rebuildable` for which nothing is to be kept.

    Raises
    ------
    ExportError
        If an export is there but cannot say what it was made from.
    """
    held = shelves(view.store)
    lineage = Lineage(held)
    marks, judge = Marks(view, held, lineage), Judge(view, lineage, given_up)
    groups = [group for shelf in held for group in _unasked(shelf, marks, judge)]
    groups.sort(key=lambda group: (_order(group.shelf), group.why))
    going, kept = ([group for group in groups if bool(group.code) is refused] for refused in (False, True))
    n_going = Counter(group.shelf.key for group in going for _ in group.names)
    leftovers, half_trained = abandoned(view.store), _half_trained(view.store)
    return Garbage(
        going,
        kept,
        forgotten=[(shelf, lost) for shelf in held if (lost := _lost(shelf, marks))],
        emptied=[s for s in held if not marks.is_current(s) and n_going[s.key] == len(s.folder.names())],
        leftovers=leftovers,
        leftovers_size=_measure(going, kept, leftovers),
        half_trained=half_trained,
        half_trained_size=sizes({0: half_trained})[0],
        gives_up_weights="weights" in given_up,
        exports=marks.exports,
        written=_written(view.store),
    )


def take_out(store: Path, garbage: Garbage) -> None:
    """Remove what was found; the caller holds the store's lock since before it looked.

    Raises
    ------
    StoreError
        If the store cannot be written.
    """
    for group in reversed(garbage.groups):
        remove(group.shelf, group.names)
    for shelf, names in garbage.forgotten:
        remove(shelf, names)
    for folder in garbage.half_trained if garbage.gives_up_weights else ():
        shutil.rmtree(folder)
    sweep(store)
    for shelf in garbage.emptied:
        remove_records(shelf)
    remove_empty_folders(store)


def _half_trained(store: Path) -> list[Path]:
    """What killed trainings left to go on from; a store on S3 keeps none (it lies in this machine's cache)."""
    folder = store / RESUME
    return [] if is_remote(store) or not folder.is_dir() else sorted(folder.iterdir())


def _written(store: Path) -> list[Written]:
    """Pages in a store on a disk, and what they take."""
    if is_remote(store):
        return []
    there = {name: store / name for name in BY_COMMAND if (store / name).is_dir()}
    return [Written(folder, BY_COMMAND[name], sizes({0: [folder]})[0]) for name, folder in there.items()]


def _unasked(shelf: Shelf, marks: Marks, judge: Judge) -> list[Group]:
    """The items of a shelf that nothing asks for, by why they go or why they stay."""
    groups: dict[tuple[str, str], Group] = {}
    for name in shelf.folder.names():
        why = marks.why_not(shelf, name)
        if why:
            refusal = None if _is_half_made(shelf, name) else judge.refusal(shelf, name)
            why, code = (refusal.reason, refusal.code) if refusal else (why, "")
            group = groups.setdefault((why, code), Group(shelf, why, code))
            group.names.append(name)
            if refusal and refusal.about not in ("", *group.about):
                group.about.append(refusal.about)
    return list(groups.values())


def _is_half_made(shelf: Shelf, name: str) -> bool:
    """Whether an item of a stage of ours has no record: it was never finished, and nobody reads it."""
    return shelf.stage in STAGES and size_bytes(shelf.folder.item_folder(name) / RECORD_NAME) is None


def _lost(shelf: Shelf, marks: Marks) -> list[str]:
    """Names that the stage record lists, nothing asks for, and no folder goes by."""
    there = set(shelf.folder.names())
    return [name for name in shelf.folder.recorded() if name not in there and marks.why_not(shelf, name)]


def _measure(going: list[Group], kept: list[Group], leftovers: list[Path]) -> Size:
    """Give every group its size; returns that of the leftovers. What is kept frees nothing, whatever goes."""
    paths = {
        number: [group.shelf.folder.item_folder(name) for name in group.names] for number, group in enumerate(going)
    }
    measured = sizes({**paths, -1: leftovers})
    for number, group in enumerate(going):
        group.size = measured[number]
    for group in kept:
        group.size = sizes({0: [group.shelf.folder.item_folder(name) for name in group.names]})[0]
    return measured[-1]


def _order(shelf: Shelf) -> tuple[int, str]:
    known = list(STAGES)
    return (known.index(shelf.stage) if shelf.stage in known else len(known)), shelf.key
