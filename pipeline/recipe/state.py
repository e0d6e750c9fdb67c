"""Where a (stage, corpus) stands, and in which field an item differs from what made it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pipeline.errors import AveError
from pipeline.recipe.wanted import Waiting
from pipeline.store.fingerprint import canonical, digest
from pipeline.store.folders import Failure, StageFolder
from pipeline.store.items import ItemRecord, ItemSummary

_FEW = 4  # numbers in two short lists that are read at a glance


class Fresh(Mapping[str, ItemSummary]):
    """The items that are as wanted, by name; what is known of one is read from its folder when somebody asks."""

    def __init__(self, folder: StageFolder):
        self._folder = folder
        self._names: dict[str, None] = {}

    def add(self, name: str) -> None:
        """Count an item among the fresh."""
        self._names[name] = None

    def discard(self, name: str) -> None:
        """Count an item among the fresh no more."""
        self._names.pop(name, None)

    def __getitem__(self, name: str) -> ItemSummary:
        summary = self._folder.summary(name) if name in self._names else None
        if summary is None:
            raise KeyError(name)
        return summary

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class StageState:
    """Where one (stage, corpus) stands: every item is fresh, to run (with the reason), waiting, or broken.

    `stale` are items that are not fresh although they were made once. `strays` are items that are not fresh, or not
    as the stage record says that lies on the disk. `is_sealed`: a seal said all of it, and the disk agreed.
    """

    def __init__(self, folder: StageFolder):
        self.folder = folder
        self.fresh = Fresh(folder)
        self.to_run: dict[str, str] = {}
        self.stale: set[str] = set()
        self.waiting: dict[str, Waiting] = {}
        self.broken: dict[str, AveError] = {}
        self.failures: dict[str, Failure] = {}
        self.strays: set[str] = set()
        self.is_sealed = False
        self._names_digest = ""

    def __contains__(self, name: str) -> bool:
        """Whether an item is asked for, whatever its state."""
        return name in self.fresh or name in self.to_run or name in self.waiting or name in self.broken

    @property
    def names(self) -> list[str]:
        """Every item that is asked for, sorted."""
        return sorted((*self.fresh, *self.to_run, *self.waiting, *self.broken))

    @property
    def names_digest(self) -> str:
        """Stands for the names of all items that are asked for."""
        self._names_digest = self._names_digest or digest(self.names)
        return self._names_digest

    def made_with(self) -> list[str]:
        """In which versions of libraries each fresh item was made."""
        return [self.folder.made_with(name) for name in self.fresh]

    def count_fresh(self, names: Iterable[str]) -> None:
        """Count items among the fresh."""
        for name in names:
            self.drop(name)
            self.fresh.add(name)
            if name in self.folder.newer:
                self.strays.add(name)

    def drop(self, name: str) -> None:
        """Forget what was found of one item."""
        self.is_sealed, self._names_digest = False, ""
        self.strays.discard(name)
        self.fresh.discard(name)
        self.stale.discard(name)
        for found in (self.to_run, self.waiting, self.broken, self.failures):
            found.pop(name, None)

    @property
    def n_items(self) -> int:
        """All items that are asked for, whatever their state."""
        return len(self.fresh) + self.n_to_run

    @property
    def n_to_run(self) -> int:
        """Items that a build would try; those that wait may turn out to be untouched."""
        return len(self.to_run) + len(self.waiting) + len(self.broken)

    @property
    def word(self) -> str:
        """One of fresh, stale, missing, failed."""
        if self.broken or self.failures:
            return "failed"
        if self.n_to_run == 0:
            return "fresh"
        return "stale" if self.fresh or self.stale else "missing"

    @property
    def reason(self) -> str:
        """The first reason in words, with how many more items there are; empty when fresh."""
        reasons = [failure.message for failure in self.failures.values()]
        reasons += [error.message for error in self.broken.values()]
        reasons += list(self.to_run.values()) or [f"waits for {waiting.on}" for waiting in self.waiting.values()]
        if not reasons:
            return ""
        more = self.n_to_run - 1
        return reasons[0] + (f" (and {more} more)" if more > 0 else "")


def differences(record: ItemRecord, version: int, params: Mapping[str, Any], inputs: Mapping[str, Any]) -> list[str]:
    """Which of version, parameter or input differs from what an item was made with, old and new value."""
    changes = [] if record.version == version else [f"version {record.version} → {version}"]
    changes += _changed("parameter", dict(record.params), dict(params))
    changes += _changed("input", dict(record.inputs), dict(inputs))
    return changes


def _changed(kind: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    changes: list[str] = []
    for key in _ordered(old, new):
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            changes += _changed(f"{kind} {key}:", before, after)
        elif isinstance(before, list) and isinstance(after, list):
            changes += _rows_changed(f"{kind} {key}", before, after)
        else:
            changes.append(f"{kind} {key} {_short(before)} → {_short(after)}")
    return changes


def _rows_changed(what: str, before: list[Any], after: list[Any]) -> list[str]:
    """How two lists of rows differ: field by field where it is one row, by number where there are more."""
    old, new = ({canonical(row): row for row in rows} for rows in (before, after))
    gone = [row for text, row in old.items() if text not in new]
    come = [row for text, row in new.items() if text not in old]
    if len(gone) == len(come) == 1 and isinstance(gone[0], Mapping) and isinstance(come[0], Mapping):
        return _changed(f"{what} (1 of {len(after)} rows):", gone[0], come[0])
    if len(before) + len(after) <= _FEW and not any(isinstance(row, Mapping) for row in (*before, *after)):
        return [f"{what} {_short(before)} → {_short(after)}"]
    return [f"{what} ({len(before)} → {len(after)} rows: {len(gone)} gone, {len(come)} new)"]


def _ordered(*mappings: Mapping[str, Any]) -> Iterable[str]:
    return sorted({key for mapping in mappings for key in mapping})


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:12]}…"
