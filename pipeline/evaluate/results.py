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

from pipeline.evaluate.score_table import read_scores, write_scores

FOLDER = "scores"


@dataclass(frozen=True)
class Result:
    """One run's scores by one protocol, and what its table says of itself."""

    scores: pd.DataFrame
    about: Mapping[str, Any]


def write_result(store: Path, rows: Iterable[Mapping[str, Any]], about: Mapping[str, Any]) -> Path:
    """Write a run's score table in one rename; `about` has at least run and split. Returns the file."""
    ending = "" if about["split"] == "test" else f".{about['split']}"
    file = store / FOLDER / f"{about['run']}{ending}.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".tmp-{file.name}-{os.getpid()}")
    write_scores(draft, rows, about)
    os.replace(draft, file)
    return file


def results(folder: Path, split: str, protocol: str) -> dict[str, Result]:
    """Every run that was scored on a split by a protocol, sorted by name."""
    found = {}
    for file in sorted(folder.glob("*.parquet")):
        scores, about = read_scores(file)
        own = scores[scores["protocol"] == protocol]
        if about.get("split") == split and len(own):
            found[str(about["run"])] = Result(own, about)
    return dict(sorted(found.items()))
