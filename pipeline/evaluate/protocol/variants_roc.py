"""Areas under ROC curves as published code has them: lines between thresholds, jitter, random splits.

Conventions
-----------
Maps and count pictures are as in `metrics`; a pixel hit twice counts once. n is the number of fixated pixels and
M that of the others. What the published code draws at random is drawn here from a generator that the caller seeds;
`*_expected` is the mean over all draws, worked out without drawing any. NaN where the published code gives NaN.

None of these is the share of pairs that `metrics` counts: a curve of few points is not the curve.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from pipeline.evaluate.checks import Map, checked_counts, checked_map
from pipeline.evaluate.metrics import auc_judd
from pipeline.evaluate.protocol.variants import binary

JITTER = 1e-7  # added to the map as it is, whatever its scale
SPLITS = 100
THRESHOLDS = np.arange(11) / 10  # 0:0.1:max; those above the maximum change nothing


def auc_judd_matlab(
    saliency: ArrayLike, fixations: ArrayLike, *, jitter: Generator | None = None, off_by_one: bool = False
) -> float:
    """AUC-Judd with a threshold at every fixated pixel and lines between them.

    Parameters
    ----------
    saliency : array_like, shape (height, width)
    fixations : array_like, shape (height, width), integer
        Fixations per pixel; only whether there are any matters.
    jitter : Generator, optional
        Draws the noise of up to 1e-7 that breaks ties; without it ties stay.
    off_by_one : bool
        Count one false positive too many at every threshold, as ViNet's Python does.

    Returns
    -------
    score : float
        Without ties the exact area plus fp / 2n, fp the rate of false positives at the lowest fixation: 0.8598
        against 0.8525 with 60 fixations, more with fewer. Off by one: 1 / M less, and it can pass the left edge.
        Ties that stay count as false positives. The noise is not small for a map that sums to 1: at 720p its mean is
        1e-6. NaN without fixations, without a pixel that has none, and for a constant map without jitter.

    Raises
    ------
    ValueError
        As `metrics.nss`.

    Source
    ------
    cvzoya/saliency, AUC_Judd.m (jitter on by default); samyak0210/ViNet, loss.py (`aboveth - i`, i from 0).

    Examples
    --------
    Fixated values 3 and 1; above 3 lies one other pixel, above 1 lie two of three. The curve goes through (1/3, 1/2)
    and (2/3, 1) to (1, 1).

    >>> round(auc_judd_matlab([[4, 3, 2, 1, 0]], [[0, 1, 0, 1, 0]]), 6)  # 1/12 + 1/4 + 1/3
    0.666667
    """
    predicted = checked_map(saliency, "saliency")
    hit = checked_counts(fixations, "fixations", predicted.shape).pixel
    n, others = hit.size, predicted.pixels.size - hit.size
    if n == 0 or others == 0 or (predicted.is_constant and jitter is None):
        return math.nan
    pixels = predicted.pixels.astype(np.float64)
    if jitter is not None:
        pixels += JITTER * jitter.random(pixels.size)
    false = _at_least(np.sort(pixels[hit]), pixels)[::-1] - np.arange(1, n + 1)
    return _area_of_lines(false, others, off_by_one)


def auc_judd_expected(saliency: ArrayLike, fixations: ArrayLike, *, off_by_one: bool = False) -> float:
    """What `auc_judd_matlab` gives on average over all jitters.

    Ties come into any order with equal chance, so they count half in the area by ranks; of k other pixels tied with
    m fixated ones at the lowest fixated value, k m / (m + 1) are expected above the lowest.

    Parameters
    ----------
    saliency, fixations, off_by_one
        As in `auc_judd_matlab`.

    Returns
    -------
    score : float
        Exact where values that differ do so by more than 1e-7. A constant map gets 0.5 + 1 / (2n + 2), not 0.5.
        NaN without fixations, or without a pixel that has none.

    Raises
    ------
    ValueError
        As `metrics.nss`.

    Examples
    --------
    One fixation among two pixels, tied: half of the draws score 1, the other half put the line from (0, 0) to (1, 1).

    >>> auc_judd_expected([[5, 5]], [[1, 0]])
    0.75
    """
    hits = binary(fixations)
    by_ranks = auc_judd(saliency, hits)
    if math.isnan(by_ranks):
        return by_ranks
    pixels, fixated = np.asarray(saliency).ravel(), np.asarray(saliency)[hits > 0]
    n, others = fixated.size, pixels.size - fixated.size
    lowest = fixated.min()
    tied = int((fixated == lowest).sum())
    above = int((pixels > lowest).sum()) - (n - tied)
    level = int((pixels == lowest).sum()) - tied
    score = by_ranks + (above + level * tied / (tied + 1)) / (2 * n * others)
    return score - (2 * n - 1) / (2 * n * others) if off_by_one else score


def sauc_matlab(
    saliency: ArrayLike, fixations: ArrayLike, negatives: ArrayLike, draw: Generator, splits: int = SPLITS
) -> float:
    """Shuffled AUC with eleven thresholds and as many negatives as fixations, drawn anew for every split.

    Parameters
    ----------
    saliency, fixations
        As in `auc_judd_matlab`.
    negatives : array_like, shape (height, width), integer
        Fixations made elsewhere; a pixel hit often is one negative.
    draw : Generator
        Draws the splits, without replacement.
    splits : int
        How many areas are averaged.

    Returns
    -------
    score : float
        Scatters about `sauc_expected`, by 0.002 to 0.006 a frame with 60 fixations and 100 splits. NaN without
        fixations, without negatives, and for a constant map.

    Raises
    ------
    ValueError
        As `metrics.nss`.

    Source
    ------
    cvzoya/saliency, AUC_shuffled.m.
    """
    hits = _scaled_at(saliency, fixations=fixations, negatives=negatives)
    if hits is None or min(map(len, hits)) == 0:
        return math.nan
    fixated, other = hits
    size = min(len(fixated), len(other))
    picks = np.concatenate([draw.choice(len(other), size, replace=False, shuffle=False) for _ in range(splits)])
    return _area_of_steps(fixated, other[picks])


def sauc_expected(saliency: ArrayLike, fixations: ArrayLike, negatives: ArrayLike) -> float:
    """What `sauc_matlab` gives on average over all splits.

    The true positives do not depend on the split and the area is linear in the false positives, so that all
    negatives at once give the mean.

    Parameters
    ----------
    saliency, fixations, negatives
        As in `sauc_matlab`.

    Returns
    -------
    score : float
        Not the area by ranks of `metrics.sauc`, to either side of it: 0.6084 against 0.6043 at 720p, 0.6845 against
        0.6879 at 32 × 40. NaN as in `sauc_matlab`.

    Raises
    ------
    ValueError
        As `metrics.nss`.

    Examples
    --------
    Scaled to 0..1 the fixation has 0.5 and the negatives 0 and 1, so from (0, 0) the curve goes to (1/2, 0) at the
    threshold 1, up to (1/2, 1) at 0.5, and on to (1, 1).

    >>> sauc_expected([[2, 1, 0, 0]], [[0, 1, 0, 0]], [[7, 0, 1, 0]])
    0.5
    """
    hits = _scaled_at(saliency, fixations=fixations, negatives=negatives)
    if hits is None or min(map(len, hits)) == 0:
        return math.nan
    fixated, other = hits
    return _area_of_steps(fixated, other)


def auc_borji_matlab(saliency: ArrayLike, fixations: ArrayLike, draw: Generator, splits: int = SPLITS) -> float:
    """AUC-Borji with eleven thresholds: negatives are as many pixels as fixations, drawn from the whole picture.

    Parameters
    ----------
    saliency, fixations, splits
        As in `sauc_matlab`.
    draw : Generator
        Draws the pixels, with replacement; fixated ones too.

    Returns
    -------
    score : float
        Scatters about `auc_borji_expected`. NaN with fewer than two fixated pixels, and for a constant map.

    Raises
    ------
    ValueError
        As `metrics.nss`.

    Source
    ------
    cvzoya/saliency, AUC_Borji.m.
    """
    hits = _scaled_at(saliency, fixations=fixations)
    if hits is None or len(hits[0]) < 2:
        return math.nan
    pixels = _scaled(checked_map(saliency, "saliency"))
    return _area_of_steps(hits[0], pixels[draw.integers(pixels.size, size=splits * len(hits[0]))])


def auc_borji_expected(saliency: ArrayLike, fixations: ArrayLike) -> float:
    """What `auc_borji_matlab` gives on average over all draws: every pixel is a negative.

    Parameters
    ----------
    saliency, fixations
        As in `sauc_matlab`.

    Returns
    -------
    score : float
        NaN as in `auc_borji_matlab`.

    Raises
    ------
    ValueError
        As `metrics.nss`.
    """
    hits = _scaled_at(saliency, fixations=fixations)
    if hits is None or len(hits[0]) < 2:
        return math.nan
    return _area_of_steps(hits[0], _scaled(checked_map(saliency, "saliency")))


def _at_least(thresholds: NDArray, values: NDArray) -> NDArray[np.int64]:
    """How many values reach each threshold (ascending)."""
    reached = np.bincount(np.searchsorted(thresholds, values, side="right"), minlength=thresholds.size + 1)
    return reached[::-1].cumsum()[::-1][1:]


def _area_of_lines(false: NDArray[np.int64], others: int, off_by_one: bool) -> float:
    """Area under lines from (0, 0) through (false[i] / others, (i + 1) / n) to (1, 1)."""
    false = false + off_by_one
    return float(1 - (2 * false.sum() - false[-1]) / (2 * false.size * others))


def _area_of_steps(fixated: NDArray, others: NDArray) -> float:
    """Area under lines between the eleven thresholds, from (0, 0) to (1, 1).

    It is linear in the false positives: the area of several splits taken together is the mean of their areas.
    """
    true, false = (
        np.concatenate([[0], _at_least(THRESHOLDS, values)[::-1] / values.size, [1]]) for values in (fixated, others)
    )
    return float(np.diff(false) @ (true[1:] + true[:-1]) / 2)


def _scaled(each: Map) -> NDArray[np.float64]:
    """Pixels stretched to 0..1."""
    return (each.pixels.astype(np.float64) - each.low) / (each.high - each.low)


def _scaled_at(saliency: ArrayLike, **pictures: ArrayLike) -> list[NDArray[np.float64]] | None:
    """The stretched map where each picture has a hit; None for a constant map, which cannot be stretched."""
    predicted = checked_map(saliency, "saliency")
    hits = [checked_counts(picture, what, predicted.shape).pixel for what, picture in pictures.items()]
    if predicted.is_constant:
        return None
    scaled = _scaled(predicted)
    return [scaled[pixel] for pixel in hits]
