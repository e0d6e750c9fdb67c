"""Paired tests over videos, and the correction for having made several.

Conventions
-----------
Differences are one number a video, first run less second. Tests are two-sided. A p-value is never 0. The order of the
videos and which run is the first change nothing.

Source
------
Pitman 1937, "Significance tests which may be applied to samples from any populations"; Wilcoxon 1945; Holm 1979.
Phipson & Smyth 2010, "Permutation p-values should never be zero".
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from pipeline.evaluate.analysis.bootstrap import BLOCK_CELLS, RESAMPLES

EXACT_VIDEOS = 16  # 65 536 sign flips, all of them
EXACT_RANKS = 50  # the exact distribution without ties is scipy's up to here
EQUAL = 1e-12  # of the largest possible sum: two sums so near are the same one, rounded otherwise

Array = NDArray[np.float64]


def paired_permutation(differences: ArrayLike, *, n: int = RESAMPLES, seed: int = 0) -> float:
    """Could the mean difference be that far from 0 if the two runs were alike? Signs of the differences are flipped.

    Parameters
    ----------
    differences : array_like, shape (videos,)
        One a video. Those that are 0 tell neither way, and change nothing.
    n, seed : int
        Sign flips to draw, where there are more than 16 differences other than 0. Up to 16, all are gone through.

    Returns
    -------
    p : float
        Share of sign flips whose mean is as far from 0 as the real one, which itself counts. NaN without a difference.

    Raises
    ------
    ValueError
        If a difference is NaN or infinite.

    Examples
    --------
    Of the eight ways to sign 1, 2 and 4, two (all plus, all minus) are as far from 0 as 7.

    >>> paired_permutation([1.0, 2.0, 4.0])
    0.25
    """
    told = _nonzero(differences)
    if told.size == 0:
        return 1.0 if np.size(differences) else math.nan
    sizes = np.sort(np.abs(told))
    wanted = abs(float(told.sum())) - EQUAL * float(sizes.sum())
    exact = told.size <= EXACT_VIDEOS
    flips = _all_flips(told.size) if exact else _some_flips(told.size, n, seed)
    as_far = sum(int((np.abs(flip @ sizes) >= wanted).sum()) for flip in flips)
    return as_far / 2**told.size if exact else (as_far + 1) / (n + 1)


def wilcoxon(differences: ArrayLike) -> float:
    """Wilcoxon's signed-rank test: the same question, asked of the ranks of the differences.

    Differences of 0 are left out, as Wilcoxon did; equal ones share their mean rank. Exact up to 16 differences, and up
    to 50 where none are equal; beyond, the normal approximation with the variance corrected for ties.

    Parameters
    ----------
    differences : array_like, shape (videos,)

    Returns
    -------
    p : float
        NaN without a difference, 1 if all are 0.

    Raises
    ------
    ValueError
        If a difference is NaN or infinite.

    Examples
    --------
    Ranks 1, 2, 3 and signs + + -: the sum of signed ranks is 0, and every flip is as far from 0.

    >>> wilcoxon([0.5, 1.0, -2.0])
    1.0
    """
    told = _nonzero(differences)
    if told.size <= EXACT_VIDEOS:
        signed_ranks = np.sign(told) * stats.rankdata(np.abs(told))
        return paired_permutation(signed_ranks if told.size else differences)
    exact = told.size <= EXACT_RANKS and np.unique(np.abs(told)).size == told.size
    return float(stats.wilcoxon(told, zero_method="wilcox", method="exact" if exact else "approx").pvalue)


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Holm's correction for having made several tests: the chance of one false alarm among all stays below alpha.

    Parameters
    ----------
    p_values : array_like, shape (tests,)
        0 .. 1. NaN: a test that could not be made; it stays NaN and counts as none.

    Returns
    -------
    corrected : ndarray, shape (tests,)
        The smallest times the number of tests, the next times one less, and so on; none below a smaller one's, none
        above 1.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=np.float64)
    made = np.flatnonzero(~np.isnan(p))
    order = made[np.argsort(p[made], kind="stable")]
    corrected = np.full(p.shape, math.nan)
    factors = np.arange(order.size, 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(factors * p[order]), 1.0)
    return corrected


def _nonzero(differences: ArrayLike) -> Array:
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError("differences must be one finite number a video; leave videos without a score out, and count.")
    return values[values != 0]


def _all_flips(videos: int) -> Iterator[Array]:
    """All ways to sign so many videos: [way, video] of -1 and 1."""
    yield np.where(np.arange(2**videos)[:, None] >> np.arange(videos) & 1, 1.0, -1.0)


def _some_flips(videos: int, n: int, seed: int) -> Iterator[Array]:
    """`n` of them, drawn, in blocks."""
    random = np.random.default_rng(seed)
    block = max(1, BLOCK_CELLS // videos)
    for done in range(0, n, block):
        yield np.where(random.integers(2, size=(min(block, n - done), videos)), 1.0, -1.0)
