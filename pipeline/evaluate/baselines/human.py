"""Human infinite: how well half of the observers predict the other half, and all but one predict that one.

Conventions
-----------
The observers of a video are split in two halves by lot, and the fixation density of each predicts the fixations of the
other; that is done `n_splits` times. A frame's score is the mean over splits and directions. A frame in which one half
has no fixation is counted in that split, not scored. Halves are those of the observers of the video, not of the frame.

A bound it is not: half of the observers know less than all of them. `leave_one_out` and `group_size` say how much.

Source
------
Tavakoli et al. 2020, table of "infinite humans"; Judd, Durand & Torralba 2012, sec. 3, on the limit of many observers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

from pipeline.evaluate.analysis.bootstrap import LEVEL
from pipeline.evaluate.baselines.observers import TOO_FEW, Pair, generator, mean_over, rows_of, score_pairs, who
from pipeline.evaluate.protocol.scorer import Scorer
from pipeline.evaluate.score_table import METRICS, means
from pipeline.evaluate.truth import Truth

SPLITS = 10
NO_HALF = "in every split one half of the observers has no fixation here"
ALONE = "nobody has a fixation here that somebody else could predict"
INTERVAL = (
    "Student's t interval of the mean over splits: how far other lots would move it. It says nothing of other videos "
    "or other observers."
)


@dataclass(frozen=True)
class Human:
    """What human infinite scored.

    Attributes
    ----------
    rows : list of dict
        Of the score table: mean over splits and directions, a row a frame.
    splits : DataFrame
        One row a split and scope ("all", then the categories): split, scope, videos, frames and the metrics, averaged
        as the protocol says.
    intervals : DataFrame
        One row a scope and metric: scope, metric, mean, low, high, splits; see `INTERVAL`.
    said : tuple of str
        Sentences for the foot of a table.
    """

    rows: list[dict[str, Any]]
    splits: pd.DataFrame
    intervals: pd.DataFrame
    said: tuple[str, ...]


def human_infinite(
    truths: Iterable[Truth],
    scorer: Scorer,
    *,
    n_splits: int = SPLITS,
    seed: int = 0,
    every: int = 1,
    size: tuple[int, int] | None = None,
    sigma_dva: float = 1.0,
) -> Human:
    """Score halves of the observers against each other.

    Parameters
    ----------
    truths : iterable of Truth
        The videos to score, one in memory at a time.
    scorer : Scorer
        Prepared for their split.
    n_splits : int
        > 0; each is scored in both directions.
    seed : int
        Of the lots. A video's halves depend on it, on the video and on the number of the split alone.
    every : int
        Frames 0, every, 2 every … are scored.
    size : (int, int), optional
        Of the predicted density; the protocol's where absent.
    sigma_dva : float
        Of the predicted density, degrees.

    Raises
    ------
    ValueError
        If n_splits or every is below 1.
    """
    check_positive(n_splits=n_splits, every=every)
    rows: list[dict[str, Any]] = []
    tables: list[list[dict[str, Any]]] = [[] for _ in range(n_splits)]
    for truth in truths:
        frames, enough = range(0, truth.n_frames, every), who(truth).size > 1
        pairs = [pair for split in range(n_splits) for pair in both_ways(halves(truth, split, seed))] if enough else []
        scores = score_pairs(scorer, truth, pairs, frames, size=size, sigma_dva=sigma_dva)
        rows += rows_of(scorer, truth, frames, mean_over(scores, 1), NO_HALF if enough else TOO_FEW)
        for split in range(n_splits):
            own = mean_over(scores[:, 2 * split : 2 * split + 2], 1)
            tables[split] += rows_of(scorer, truth, frames, own, NO_HALF if enough else TOO_FEW)
    splits = _by_split(tables, scorer)
    return Human(rows, splits, over_splits(splits), tuple(_said(rows, tables, every)))


def halves(truth: Truth, split: int, seed: int = 0) -> Pair:
    """The observers of a video in two parts by lot; of an odd number the second has one more.

    Observers without any fixation in the video are in neither.
    """
    numbers = generator(seed, truth.stimulus, split).permutation(who(truth))
    middle = numbers.size // 2
    return np.sort(numbers[:middle]), np.sort(numbers[middle:])


def both_ways(pair: Pair) -> tuple[Pair, Pair]:
    """A pair and the same the other way round."""
    return pair, (pair[1], pair[0])


def leave_one_out(
    truths: Iterable[Truth],
    scorer: Scorer,
    *,
    every: int = 1,
    size: tuple[int, int] | None = None,
    sigma_dva: float = 1.0,
) -> list[dict[str, Any]]:
    """Each observer predicted by all others: rows of the score table, the mean over those who have a fixation.

    n - 1 know more than half of them, but the score of one fixation is of another kind than that of a dozen: CC, SIM
    and KLD are held against the density of that one alone. Compare it with `group_size`, not with `human_infinite`.

    Parameters
    ----------
    truths, scorer, every, size, sigma_dva
        As in `human_infinite`.

    Raises
    ------
    ValueError
        If every is below 1.
    """
    check_positive(every=every)
    rows = []
    for truth in truths:
        frames, numbers = range(0, truth.n_frames, every), who(truth)
        pairs = [(np.delete(numbers, k), numbers[k : k + 1]) for k in range(numbers.size)] if numbers.size > 1 else []
        scores = score_pairs(scorer, truth, pairs, frames, size=size, sigma_dva=sigma_dva)
        rows += rows_of(scorer, truth, frames, mean_over(scores, 1), ALONE if pairs else TOO_FEW)
    return rows


def over_splits(splits: pd.DataFrame, level: float = LEVEL) -> pd.DataFrame:
    """Mean over splits with the interval `INTERVAL` describes.

    Parameters
    ----------
    splits : DataFrame
        As `Human.splits`.
    level : float
        0 .. 1.

    Returns
    -------
    DataFrame
        scope, metric, mean, low, high, splits; `low` and `high` are NaN for a single split.
    """
    rows = []
    for scope, own in splits.groupby("scope", sort=False):
        for metric in METRICS:
            values = own[metric].dropna().to_numpy(dtype=np.float64)
            if values.size:
                half = _half_width(values, level)
                middle = float(values.mean())
                rows.append((scope, metric, middle, middle - half, middle + half, values.size))
    return pd.DataFrame(rows, columns=["scope", "metric", "mean", "low", "high", "splits"])


def check_positive(**numbers: int) -> None:
    """Refuse what must be a number of things and is none.

    Raises
    ------
    ValueError
        If one is below 1.
    """
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"{name} is {number}; expected at least 1.")


def _half_width(values: NDArray[np.float64], level: float) -> float:
    if values.size < 2:
        return math.nan
    return float(stdtrit(values.size - 1, (1 + level) / 2) * values.std(ddof=1) / math.sqrt(values.size))


def _by_split(tables: Sequence[list[dict[str, Any]]], scorer: Scorer) -> pd.DataFrame:
    columns = ["stimulus", "corpus", "category", "frame", *METRICS, "note"]
    parts = []
    for split, rows in enumerate(tables):
        table = pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(METRICS, np.float64))
        parts.append(means(table, scorer.protocol.average).assign(split=split))
    return pd.concat(parts, ignore_index=True)[["split", "scope", "videos", "frames", *METRICS]]


def _said(rows: list[dict[str, Any]], tables: Sequence[list[dict[str, Any]]], every: int) -> Iterator[str]:
    """What a reader must know: what was sampled, and what was not scored."""
    yield f"human: observers in two halves, {len(tables)} splits by lot, both directions."
    if every > 1:
        yield f"human: frames 0, {every}, {2 * every} … of each video."
    left_out = sum(row["note"] == NO_HALF for table in tables for row in table)
    if left_out:
        asked = sum(row["n_fixations"] > 0 for table in tables for row in table)
        yield f"human: {left_out} of {asked} frames × splits have no fixation in one half and are not scored."
    few = sorted({row["stimulus"] for row in rows if row["note"] == TOO_FEW})
    if few:
        yield f"human: fewer than two observers, not scored: {', '.join(few)}."
