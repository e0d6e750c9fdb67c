"""How sure a mean over videos is: percentile bootstrap, videos drawn with replacement.

Conventions
-----------
The unit that is drawn is the video, never the frame: frames of one video are alike, so that a bootstrap over frames
would call a mean surer than it is. One random stream a call, begun from `seed`: the same values in the same order give
the same interval. Callers here hand videos over sorted by name.

Source
------
Efron & Tibshirani 1993, "An introduction to the bootstrap", ch. 13 (percentile interval).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 10_000
LEVEL = 0.95
BLOCK_CELLS = 1 << 21  # of a block of draws: 16 MB, also with ten thousand videos

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A mean over videos and between what numbers it may lie; NaN where too few videos say nothing."""

    mean: float
    low: float
    high: float
    videos: int


def bootstrap_interval(
    video_values: ArrayLike,
    *,
    n: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
    strata: ArrayLike | None = None,
) -> Interval:
    """Mean over videos with its percentile bootstrap interval.

    Parameters
    ----------
    video_values : array_like, shape (videos,)
        One number a video.
    n : int
        Resamples, > 0. Each draws as many videos as there are.
    seed : int
    level : float
        0 .. 1, the share of resampled means inside the interval.
    strata : array_like, shape (videos,), optional
        Category or corpus of each video. Videos are then drawn within each, so that every resample has as many of each
        as there are. A stratum of one video adds nothing to the width.

    Returns
    -------
    Interval
        Without width (NaN) for fewer than two videos. A percentile interval of few videos (say, below ten) is too
        narrow.

    Raises
    ------
    ValueError
        If a value is NaN or infinite (leave such videos out, and count them), or an option is out of range.

    Examples
    --------
    >>> bootstrap_interval([1.0, 1.0, 1.0])
    Interval(mean=1.0, low=1.0, high=1.0, videos=3)
    """
    values = np.asarray(video_values, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError("video_values must be one finite number a video; leave videos without a score out, and count.")
    mean, low, high = bootstrap_intervals(values[:, None], n=n, seed=seed, level=level, strata=strata)
    return Interval(float(mean[0]), float(low[0]), float(high[0]), values.size)


def bootstrap_intervals(
    values: Array,
    *,
    weights: Array | None = None,
    n: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
    strata: ArrayLike | None = None,
) -> tuple[Array, Array, Array]:
    """Weighted means over videos with their intervals, many at once, all from the same draws.

    Parameters
    ----------
    values : ndarray, shape (videos, k)
        NaN where a video has no value: it then takes no part in that column.
    weights : ndarray, shape (videos, k), optional
        How much each counts, > 0 where there is a value; all alike where absent.
    n, seed, level, strata
        As in `bootstrap_interval`.

    Returns
    -------
    mean, low, high : ndarray, shape (k,)
        NaN without a value; `low` and `high` are NaN for a single one.

    Raises
    ------
    ValueError
        If an option is out of range.
    """
    if n < 1 or not 0 < level < 1:
        raise ValueError(f"n is {n} and level {level}; expected resamples > 0 and a level between 0 and 1.")
    known = np.isfinite(values)
    weight = known if weights is None else np.where(known, weights, 0.0)
    parts, shares = np.where(known, values, 0.0) * weight, weight.astype(np.float64)
    with np.errstate(invalid="ignore"):  # 0 / 0: a draw without a single value
        mean = parts.sum(axis=0) / shares.sum(axis=0)
        means = [drawn @ parts / (drawn @ shares) for drawn in _draws(len(values), n, seed, strata)]
    tail = (1 - level) / 2
    low, high = _quantiles(np.concatenate(means), [tail, 1 - tail])
    alone = known.sum(axis=0) < 2
    return mean, np.where(alone, math.nan, low), np.where(alone, math.nan, high)


def _draws(videos: int, n: int, seed: int, strata: ArrayLike | None) -> Iterator[Array]:
    """How often each video is in each resample: [resample, video], in blocks that add up to `n` resamples."""
    random = np.random.default_rng(seed)
    labels = np.zeros(videos, dtype=int) if strata is None else np.asarray(strata)
    if labels.shape != (videos,):
        raise ValueError(f"strata has shape {labels.shape}; expected one a video, ({videos},).")
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    block = max(1, BLOCK_CELLS // max(1, videos))
    for done in range(0, n, block):
        size = min(block, n - done)
        drawn = [group[random.integers(group.size, size=(size, group.size))] for group in groups]
        cells = np.concatenate(drawn, axis=1) if drawn else np.empty((size, 0), dtype=int)
        cells += videos * np.arange(size)[:, None]
        yield np.bincount(cells.ravel(), minlength=size * videos).reshape(size, videos).astype(np.float64)


def _quantiles(means: Array, shares: list[float]) -> Array:
    """[share, column]; resamples without a value are passed over, a column of nothing else is NaN."""
    found = np.quantile(means, shares, axis=0)  # NaN in every column that has one
    for column in np.flatnonzero(np.isnan(found[0])):
        some = means[np.isfinite(means[:, column]), column]
        if some.size:
            found[:, column] = np.quantile(some, shares)
    return found
