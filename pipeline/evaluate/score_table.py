"""The score table: one row a frame and protocol, from which every other table is derived.

Conventions
-----------
`STORE/scores/<run>.parquet`, columns as `SCORES`. A *run* is whatever gave the maps: a trained model, somebody's
folder, a baseline. A frame without fixations has n_fixations 0 and no score (null): it is counted, and in no average;
only where a published protocol scores such frames in some metric (SIM 0) do they weigh in that one.
A metric that a protocol does not compute is null in all its rows. A frame whose map was missing or could not be scored
has a `note` that says why, and no score. The schema's metadata hold, as JSON under the key `ave`, what the table is of.

The headline average is per video, then over videos: every video weighs the same, however long.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import StoreError

METRICS = {  # name -> title of a column, and whether more is better
    "nss": ("NSS", True),
    "auc_judd": ("AUC-J", True),
    "sauc": ("sAUC", True),
    "cc": ("CC", True),
    "sim": ("SIM", True),
    "kld": ("KLD", False),
    "ig": ("IG", True),
    "auc_borji": ("AUC-B", True),
    "emd": ("EMD", False),
}
OVERALL = "all"  # scope of the rows over every video; the other scopes are categories
AVERAGES = {
    "video": "mean over the scored frames of a video, then over videos: every video weighs the same",
    "frame": "mean over all scored frames: long videos weigh more",
    "corpus": "mean over the frames of a video, then over the videos of a corpus, then over corpora",
}

SCORES = pa.schema(
    [
        ("protocol", pa.string()),
        ("stimulus", pa.string()),
        ("corpus", pa.string()),
        ("category", pa.string()),
        ("frame", pa.int32()),
        ("n_fixations", pa.int32()),
        *((name, pa.float64()) for name in METRICS),
        ("note", pa.string()),
    ]
)


def write_scores(path: Path, rows: Iterable[Mapping[str, Any]], about: Mapping[str, Any]) -> None:
    """Write rows (columns that are absent are null) and what the table is of."""
    table = pa.Table.from_pylist(list(rows), schema=SCORES.with_metadata({"ave": json.dumps(about, sort_keys=True)}))
    pq.write_table(table, path, compression="zstd")


def read_scores(path: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The rows, and what the table is of.

    Raises
    ------
    StoreError
        If the file is no score table.
    """
    try:
        table = pq.read_table(path)
    except pa.ArrowInvalid as error:
        raise _no_scores(path, "it is not Parquet, or broken") from error
    if lacking := [name for name in SCORES.names if name not in table.column_names]:
        raise _no_scores(path, f"it has no column {', '.join(lacking)}")
    return table.to_pandas(), json.loads((table.schema.metadata or {}).get(b"ave", b"{}"))


def _no_scores(path: Path, why: str) -> StoreError:
    remedy = "Remove it, then score that run again with `ave score`."
    return StoreError(f"{path}: no table of scores ({why}).", remedy=remedy, code="not-scores")


def scored(scores: pd.DataFrame) -> pd.DataFrame:
    """Rows that count: with a map that could be scored, and a score in some metric."""
    return scores[scores["note"].isna() & scores[list(METRICS)].notna().any(axis=1)]


def means(scores: pd.DataFrame, average: str = "video") -> pd.DataFrame:
    """Average a score table overall and per category.

    Parameters
    ----------
    scores : DataFrame
        Columns as `SCORES`, of one protocol.
    average : str
        One of `AVERAGES`.

    Returns
    -------
    DataFrame
        One row a scope ("all", then the categories, sorted): scope, videos, frames, and the metrics; NaN where no
        frame has a score.
    """
    rows, names = scored(scores), list(METRICS)
    scopes = {OVERALL: rows, **dict(iter(rows.groupby("category")))}
    table = [
        {
            "scope": scope,
            "videos": own["stimulus"].nunique(),
            "frames": len(own),
            **_mean(own, names, average).to_dict(),
        }
        for scope, own in scopes.items()
    ]
    return pd.DataFrame(table, columns=["scope", "videos", "frames", *names])


def video_means(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean over the scored frames of each video: index stimulus, columns corpus, category and the metrics."""
    groups = scored(scores).groupby("stimulus")
    return groups[["corpus", "category"]].first().join(groups[list(METRICS)].mean())


def _mean(rows: pd.DataFrame, names: list[str], average: str) -> pd.Series:
    if average == "frame":
        return rows[names].mean()
    videos = rows.groupby(["corpus", "stimulus"])[names].mean()
    return (videos.groupby("corpus").mean() if average == "corpus" else videos).mean()
