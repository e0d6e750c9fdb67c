"""Where a (stage, corpus) stands, and in which field an item differs from what made it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.errors import AveError
from pipeline.recipe.wanted import Waiting, Wanted
from pipeline.store.folders import Failure
from pipeline.store.items import ItemRecord


@dataclass
class StageState:
    """Where one (stage, corpus) stands: every item is fresh, to run (with the reason), waiting, or broken."""

    wanted: dict[str, Wanted] = field(default_factory=dict)
    fresh: dict[str, ItemRecord] = field(default_factory=dict)
    to_run: dict[str, str] = field(default_factory=dict)
    stale: set[str] = field(default_factory=set)
    waiting: dict[str, Waiting] = field(default_factory=dict)
    broken: dict[str, AveError] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)

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
        elif isinstance(before, list) and isinstance(after, list) and len(before) + len(after) > 4:
            changes.append(f"{kind} {key} ({len(before)} → {len(after)} rows, some of them different)")
        else:
            changes.append(f"{kind} {key} {_short(before)} → {_short(after)}")
    return changes


def _ordered(*mappings: Mapping[str, Any]) -> Iterable[str]:
    return sorted({key for mapping in mappings for key in mapping})


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:12]}…"
