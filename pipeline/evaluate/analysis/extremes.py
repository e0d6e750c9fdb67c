"""The best and worst videos and sequences of a run, so that a person can look at them.

Conventions
-----------
"Best" is what the metric calls better: the lowest KLD. A sequence is a number of successive rows of one video in the
score table, so every such frame, or every fourth where every fourth was scored. Frames count from 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pipeline.evaluate.analysis.pairing import by_frame, protocol_of, sign_of
from pipeline.evaluate.curves import typical_step
from pipeline.evaluate.score_table import scored

SEQUENCE_ROWS = 100  # 3 to 4 s of video where every frame was scored
SCORED_SHARE = 0.5  # of a sequence's rows, at least

COLUMNS = ["what", "which", "rank", "stimulus", "category", "first_frame", "last_frame", "mean", "frames"]


def best_and_worst(scores: pd.DataFrame, metric: str, k: int = 5, *, rows: int = SEQUENCE_ROWS) -> pd.DataFrame:
    """Videos and sequences with the best and the worst mean score.

    Parameters
    ----------
    scores : DataFrame
        Columns as `score_table.SCORES`, of one protocol.
    metric : str
    k : int
        How many of each, > 0; all where there are fewer.
    rows : int
        Length of a sequence, > 0; the whole video where it is shorter.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`: `what` is "video" or "sequence", `which` "best" or "worst", `rank` from 1, `frames` how many
        were scored. Each video gives its one best and its one worst sequence, so that k of them show k videos. A
        sequence has no hole, and at least half of its frames have a score; a video without such gives none.

    Raises
    ------
    AveError
        If there is no such metric, no row, or more than one protocol.
    ValueError
        If `k` or `rows` is not positive.
    """
    if k < 1 or rows < 1:
        raise ValueError(f"k is {k} and rows {rows}; expected both to be positive.")
    sign = sign_of(metric)
    protocol_of({"run": scores})
    table = by_frame(scores)
    table = table.assign(value=scored(table)[metric]).reset_index()
    found: list[dict[str, Any]] = []
    for stimulus, own in table.groupby("stimulus"):
        facts = {"stimulus": stimulus, "category": own["category"].iloc[0]}
        parts = (("video", len(own)), ("sequence", min(rows, len(own))))
        found += [{"what": what, **facts, **part} for what, length in parts for part in _ends(own, length, sign)]
    listed = pd.DataFrame(found, columns=COLUMNS)
    best_first = {"best": sign < 0, "worst": sign > 0}  # whether to sort upwards
    ranked = [
        own.sort_values(["mean", "stimulus"], ascending=[best_first[str(which)], True])
        .head(k)
        .assign(rank=lambda top: np.arange(1, len(top) + 1))
        for (_, which), own in listed.groupby(["what", "which"], sort=False)
    ]
    order = pd.concat(ranked, ignore_index=True) if ranked else listed
    return order.sort_values(["what", "which", "rank"], ascending=[False, True, True], ignore_index=True)


def _ends(own: pd.DataFrame, length: int, sign: int) -> list[dict[str, Any]]:
    """The best and the worst sequence of one video; the earliest of equals. None where too little is scored."""
    frames, values = own["frame"].to_numpy(np.int64), own["value"].to_numpy(np.float64)
    known = np.isfinite(values)
    counts, sums = (_windows(part, length) for part in (known.astype(np.float64), np.where(known, values, 0.0)))
    first, last = frames[: counts.size], frames[length - 1 :]
    whole = length == frames.size
    unbroken = last - first == (length - 1) * typical_step(frames)
    usable = counts > 0 if whole else unbroken & (counts >= SCORED_SHARE * length)
    if not usable.any():
        return []
    means = np.where(usable, sums / np.maximum(counts, 1), np.nan)
    places = {"best": np.nanargmax(sign * means), "worst": np.nanargmin(sign * means)}
    return [
        {
            "which": which,
            "first_frame": int(first[at]),
            "last_frame": int(last[at]),
            "mean": float(means[at]),
            "frames": int(counts[at]),
        }
        for which, at in places.items()
    ]


def _windows(parts: np.ndarray, length: int) -> np.ndarray:
    """Sum of every `length` successive parts."""
    return np.lib.stride_tricks.sliding_window_view(parts, length).sum(axis=1)  # equal windows have equal sums
