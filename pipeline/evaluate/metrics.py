"""Seven scores of one predicted saliency map against the fixations of one frame.

Conventions
-----------
A *saliency map* is what a model predicts: [row, column], any real dtype, any scale; SIM, KLD and
information gain need it non-negative. *Fixations* (and *negatives*) are integer count pictures of
the same shape: a pixel hit k times counts k times. A *density* is the blurred ground truth,
non-negative, of any sum. Everything is summed in float64 and returned as a Python float.

A frame without fixations (an all-zero count picture or density) cannot be scored: the score is
NaN, and the caller counts such frames instead of averaging them away. The same holds where there
is nothing to compare with: no pixel without a fixation for AUC-Judd, no negatives for sAUC.

A constant map says nothing: AUCs 0.5, NSS and CC 0. An all-zero map is a constant map, so where a
map must sum to 1 it stands for the uniform distribution.

No score depends on the map's scale, nor on the density's or the baseline's. An array may be given as
what `checks.checked_map` or `checks.checked_counts` made of it, which saves looking at it again
(negatives and baseline of a video's thousand frames); `frame_scores.score_frame` is all seven at once.

Public codes differ from these definitions and among each other (N - 1, minimum subtracted, lines
between thresholds, sampled negatives, binary pictures); those are protocols, with names of their own.

Source
------
Le Meur & Baccino 2013; Bylinskii et al. 2019, "What do different evaluation metrics tell us about
saliency models?"; Kümmerer et al. 2015 for information gain.
"""

from __future__ import annotations

import math

import numpy as np

from pipeline.evaluate.checks import (
    CountsLike,
    MapLike,
    centred_blocks,
    checked_counts,
    checked_map,
    distribution_blocks,
)
from pipeline.evaluate.ranks import ranks, weighted_order

EPS = 2.220446e-16  # one part in 2^52, as the public KL code has it


def nss(saliency: MapLike, fixations: CountsLike) -> float:
    """Normalised scanpath saliency: how many standard deviations above its mean the map is where people looked.

    Parameters
    ----------
    saliency : array_like, shape (height, width)
    fixations : array_like, shape (height, width), integer
        Fixations per pixel.

    Returns
    -------
    score : float
        Unbounded, 0 is chance. Population standard deviation (divided by N). 0 for a constant map, NaN
        without fixations. One fixation: the standardised value of its pixel, at most sqrt(N - 1) on N
        pixels; several on one pixel: the same.

    Raises
    ------
    ValueError
        If the shapes differ, the map is not finite, or the fixations are not counts.

    Source
    ------
    Peters, Iyer, Itti & Koch 2005.

    Examples
    --------
    The map has mean 1 and standard deviation sqrt(12 / 9); the fixated pixels have 3 (twice) and 1,
    so the mean of 2, 2 and 0 standardised is 4/3 / 1.1547.

    >>> saliency = [[3, 1, 0], [0, 3, 1], [1, 0, 0]]
    >>> round(nss(saliency, [[2, 0, 0], [0, 0, 1], [0, 0, 0]]), 6)
    1.154701
    """
    predicted = checked_map(saliency, "saliency")
    hits = checked_counts(fixations, "fixations", predicted.shape)
    if hits.total == 0:
        return math.nan
    if predicted.is_constant:
        return 0.0
    deviation = math.sqrt(predicted.squares / predicted.pixels.size)
    above = np.dot(hits.count, predicted.pixels[hits.pixel] - np.float64(predicted.mean)) / hits.total
    return float(above / deviation)


def auc_judd(saliency: MapLike, fixations: CountsLike) -> float:
    """Area under the ROC curve: does the map rank fixated pixels above all the others?

    Of all pairs (fixation, pixel without a fixation) the share in which the fixation's value is
    the higher one; ties count half. Exact: no thresholds, no jitter.

    Parameters
    ----------
    saliency, fixations
        As in `nss`.

    Returns
    -------
    score : float
        0 .. 1, 0.5 is chance and a constant map. NaN without fixations, or without a pixel that has none.
        One fixation: the share of the other pixels that are below it; several on one pixel: the same.

    Raises
    ------
    ValueError
        As `nss`.

    Source
    ------
    Judd, Durand & Torralba 2012, for the choice of negatives; Mann & Whitney 1947 for the area.

    Examples
    --------
    Fixated values 3, 3 and 1 (one pixel was hit twice); the seven others are 3, 1, 1, 0, 0, 0, 0.
    3 wins 6 and ties 1 of them, 1 wins 4 and ties 2: (6.5 + 6.5 + 5) / 21.

    >>> saliency = [[3, 1, 0], [0, 3, 1], [1, 0, 0]]
    >>> round(auc_judd(saliency, [[2, 0, 0], [0, 0, 1], [0, 0, 0]]), 6)
    0.857143
    """
    predicted = checked_map(saliency, "saliency")
    hits = checked_counts(fixations, "fixations", predicted.shape)
    n_others = predicted.pixels.size - hits.pixel.size
    if hits.total == 0 or n_others == 0:
        return math.nan
    fixated = predicted.pixels[hits.pixel]
    # Rank the fixated values among all pixels, then take off what they find among themselves.
    lower, equal = ranks(fixated, predicted.order)
    own_lower, own_equal = ranks(fixated, np.sort(fixated))
    wins_twice = 2 * (lower - own_lower) + equal - own_equal
    return int(np.dot(hits.count, wins_twice)) / (2 * hits.total * n_others)


def sauc(saliency: MapLike, fixations: CountsLike, negatives: CountsLike) -> float:
    """Shuffled AUC: does the map rank this frame's fixations above fixations made elsewhere?

    Of all pairs (fixation, negative) the share in which the fixation's value is the higher one;
    ties count half. All negatives take part, each as often as it was counted; none are drawn.

    Parameters
    ----------
    saliency, fixations
        As in `nss`.
    negatives : array_like, shape (height, width), integer
        Fixations per pixel of other frames or videos.

    Returns
    -------
    score : float
        0 .. 1, 0.5 is chance and a constant map. NaN without fixations or without negatives. One
        fixation: the share of the negatives below it; several on one pixel: the same. A negative on a
        fixated pixel is a tie.

    Raises
    ------
    ValueError
        As `nss`.

    Source
    ------
    Zhang, Tong, Marks, Shan & Cottrell 2008, for the choice of negatives.

    Examples
    --------
    Fixated values 3, 3, 1; negatives 3, 0, 0. 3 wins 2 and ties 1, 1 wins 2: (2.5 + 2.5 + 2) / 9.

    >>> saliency = [[3, 1, 0], [0, 3, 1], [1, 0, 0]]
    >>> round(sauc(saliency, [[2, 0, 0], [0, 0, 1], [0, 0, 0]], [[0, 0, 2], [0, 1, 0], [0, 0, 0]]), 6)
    0.777778
    """
    predicted = checked_map(saliency, "saliency")
    hits = checked_counts(fixations, "fixations", predicted.shape)
    others = checked_counts(negatives, "negatives", predicted.shape)
    if hits.total == 0 or others.total == 0:
        return math.nan
    ordered, weight = weighted_order(predicted.pixels[others.pixel], others.count)
    lower, equal = ranks(predicted.pixels[hits.pixel], ordered, weight)
    return int(np.dot(hits.count, 2 * lower + equal)) / (2 * hits.total * others.total)


def cc(saliency: MapLike, density: MapLike) -> float:
    """Pearson's correlation of a saliency map and a fixation density map, over pixels.

    Parameters
    ----------
    saliency : array_like, shape (height, width)
    density : array_like, shape (height, width)
        Fixation density, non-negative.

    Returns
    -------
    score : float
        -1 .. 1. 0 if either map is constant, NaN if the density is all zeros (an empty frame). One
        fixation, or several on one pixel, give the same density up to its scale, and the same score.

    Raises
    ------
    ValueError
        If the shapes differ, a map is not finite, or the density is negative somewhere.

    Source
    ------
    Jost, Ouerhani, von Wartburg, Müri & Hügli 2005.

    Examples
    --------
    The products of the deviations add up to 6, their squares to 12 and 6: 6 / sqrt(72).

    >>> saliency = [[3, 1, 0], [0, 3, 1], [1, 0, 0]]
    >>> round(cc(saliency, [[3, 1, 1], [1, 1, 1], [1, 0, 0]]), 6)
    0.707107
    """
    predicted = checked_map(saliency, "saliency")
    truth = checked_map(density, "density", predicted.shape, lowest=0)
    if truth.high == 0:
        return math.nan
    if predicted.is_constant or truth.is_constant:
        return 0.0
    products = sum(float(np.dot(s, g)) for s, g in centred_blocks(predicted, truth))
    deviations = math.sqrt(predicted.squares) * math.sqrt(truth.squares)
    return min(1.0, max(-1.0, products / deviations))  # a rounding error must not leave the bounds


def sim(saliency: MapLike, density: MapLike) -> float:
    """Similarity: the mass that two distributions have in common, Σ min(s / Σs, g / Σg).

    No minimum is subtracted, unlike in the MATLAB code: a map on a pedestal is another prediction.

    Parameters
    ----------
    saliency : array_like, shape (height, width)
        Non-negative.
    density
        As in `cc`.

    Returns
    -------
    score : float
        0 .. 1. NaN if the density is all zeros (an empty frame). A constant map is the uniform
        distribution. One fixation, or several on one pixel: as for `cc`.

    Raises
    ------
    ValueError
        As `cc`, or if the saliency map is negative somewhere.

    Source
    ------
    Judd, Durand & Torralba 2012 (histogram intersection).

    Examples
    --------
    Ninths against ninths: 3 + 1 + 0 + 0 + 1 + 1 + 1 + 0 + 0 of them are shared.

    >>> saliency = [[3, 1, 0], [0, 3, 1], [1, 0, 0]]
    >>> round(sim(saliency, [[3, 1, 1], [1, 1, 1], [1, 0, 0]]), 6)
    0.777778
    """
    predicted = checked_map(saliency, "saliency", lowest=0)
    truth = checked_map(density, "density", predicted.shape, lowest=0)
    if truth.high == 0:
        return math.nan
    shared = sum(float(np.minimum(p, q, out=p).sum()) for p, q in distribution_blocks(predicted, truth))
    return min(1.0, shared)


def kld(saliency: MapLike, density: MapLike) -> float:
    """Kullback–Leibler divergence of the density from the map, in nats: Σ q ln(eps + q / (p + eps)).

    p is the saliency map and q the density, each divided by its sum. Dominated by pixels
    where people looked and the map says zero.

    Parameters
    ----------
    saliency, density
        As in `sim`.

    Returns
    -------
    score : float
        0 (to within N eps on N pixels) is perfect, larger is worse, up to -ln eps = 36.04. NaN if the
        density is all zeros (an empty frame). A constant map is the uniform distribution. One fixation,
        or several on one pixel: as for `cc`; a density of one pixel gives -ln(p) there.

    Raises
    ------
    ValueError
        As `sim`.

    Source
    ------
    Bylinskii et al. 2019, with eps = 2.220446e-16 as in the public MATLAB code.

    Examples
    --------
    Half against a quarter at one pixel, a half against three quarters at the other:
    0.5 ln 2 + 0.5 ln(2 / 3).

    >>> round(kld([[1, 0, 0], [0, 0, 0], [0, 0, 3]], [[1, 0, 0], [0, 0, 0], [0, 0, 1]]), 6)
    0.143841
    """
    predicted = checked_map(saliency, "saliency", lowest=0)
    truth = checked_map(density, "density", predicted.shape, lowest=0)
    if truth.high == 0:
        return math.nan
    divergence = 0.0
    for p, q in distribution_blocks(predicted, truth):
        p += EPS
        np.divide(q, p, out=p)
        p += EPS
        divergence += float(np.dot(q, np.log(p, out=p)))
    return divergence


def information_gain(saliency: MapLike, fixations: CountsLike, baseline: MapLike) -> float:
    """Information gain over a baseline map, in bits per fixation.

    Mean over fixations of log2(eps + p) - log2(eps + b), with p the saliency map and b the
    baseline, each divided by its sum.

    Parameters
    ----------
    saliency : array_like, shape (height, width)
        Non-negative.
    fixations
        As in `nss`.
    baseline : array_like, shape (height, width)
        Non-negative; usually the mean eye position (MEP) of the training split.

    Returns
    -------
    score : float
        0 if the map knows no more than the baseline; from log2(eps) to -log2(eps), ∓52. NaN without
        fixations. A constant map is the uniform distribution. One fixation: the gain at its pixel;
        several on one pixel: the same.

    Raises
    ------
    ValueError
        As `nss`, or if a map is negative somewhere.

    Source
    ------
    Kümmerer, Wallis & Bethge 2015.

    Examples
    --------
    p is 3/9 (twice) and 1/9 where people looked, the uniform baseline 1/9: (2 log2 3 + 0) / 3.

    >>> saliency = [[3, 1, 0], [0, 3, 1], [1, 0, 0]]
    >>> round(information_gain(saliency, [[2, 0, 0], [0, 0, 1], [0, 0, 0]], [[1] * 3] * 3), 6)
    1.056642
    """
    predicted = checked_map(saliency, "saliency", lowest=0)
    hits = checked_counts(fixations, "fixations", predicted.shape)
    reference = checked_map(baseline, "baseline", predicted.shape, lowest=0)
    if hits.total == 0:
        return math.nan
    p, b = predicted.share(predicted.pixels[hits.pixel]), reference.share(reference.pixels[hits.pixel])
    return float(np.dot(hits.count, np.log2(EPS + p) - np.log2(EPS + b)) / hits.total)
