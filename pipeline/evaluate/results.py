"""The score tables of a store: where they lie, and which can be set beside each other.

Conventions
-----------
`STORE/scores/<run>.parquet` holds a run's scores on the test split, `<run>.<split>.parquet` those on another. Their
metadata say run, split, protocols, every-how-many frames and what was noticed about the maps (`score_table`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.errors import UsageError
from pipeline.evaluate.score_table import read_scores, write_scores
from pipeline.store.leftovers import temporary

FOLDER = "scores"


@dataclass(frozen=True)
class Result:
    """One run's scores by one protocol, and what its table says of itself."""

    scores: pd.DataFrame
    about: Mapping[str, Any]


def write_result(store: Path, rows: Iterable[Mapping[str, Any]], about: Mapping[str, Any]) -> Path:
    """Write a run's score table in one rename; `about` has at least run and split. Returns the file."""
    file = _file(store, about["run"], about["split"])
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = temporary(file)  # in a store, the next build removes what a killed process leaves of it
    write_scores(draft, rows, about)
    os.replace(draft, file)
    return file


def _file(store: Path, run: str, split: str) -> Path:
    return store / FOLDER / f"{run}{'' if split == 'test' else f'.{split}'}.parquet"


def check_name(store: Path, run: str, split: str, told: Any) -> None:
    """Refuse a name under which another trained run was scored; `told` is what this run's maps say of it.

    What `ave demo` scored (its table says its origin) makes room. Settings that only one of the two versions of this
    program knew tell nothing.

    Raises
    ------
    UsageError
        With the settings that differ.
    """
    file = _file(store, run, split)
    if not file.is_file() or not told:
        return
    about = read_scores(file)[1]
    before = {} if about.get("origin") else about.get("maps", {}).get("run") or {}
    old, new = (one.get("run", {}).get("settings", {}) for one in (before, told))
    differs = sorted(name for name in old.keys() & new.keys() if old[name] != new[name])
    if differs:
        changes = ", ".join(f"{name} {old.get(name)!r} → {new.get(name)!r}" for name in differs[:4])
        raise UsageError(
            f"{file} holds the scores of another run called {run} ({changes}).",
            remedy="Name this one: --run NAME; or delete that file.",
        )


def results(folder: str | Path, split: str, protocol: str) -> dict[str, Result]:
    """Every run that was scored on a split by a protocol, sorted by name."""
    found = {}
    for file in sorted(Path(folder).glob("*.parquet")):
        scores, about = read_scores(file)
        own = scores[scores["protocol"] == protocol]
        if about.get("split") == split and len(own):
            found[str(about["run"])] = Result(own, about)
    return dict(sorted(found.items()))
