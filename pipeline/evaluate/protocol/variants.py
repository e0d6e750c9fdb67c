"""The scores of `metrics` as published code has them: same names, other numbers.

Conventions
-----------
Maps, count pictures and densities are as in `metrics`. `*_matlab` follows the code of the MIT benchmark
(cvzoya/saliency), which STAViS, ViNet and DHF1K call too; `*_float32` follows ViNet's Python (loss.py), whose
sums are in single precision. All of them see a fixation picture as hit or not hit: a pixel hit twice counts once.
Where the published code gives NaN (or stops), so do these: a constant map has no score here, whereas `metrics`
has one for it.

The areas under curves are in `variants_roc`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.evaluate.checks import Map, checked_counts, checked_map
from pipeline.evaluate.metrics import EPS

EPS_FLOAT32 = np.float32(2.2204e-16)  # as loss.py writes it: added to a share above 4e-9, it changes nothing


def binary(fixations: ArrayLike) -> NDArray[np.int32]:
    """A count picture as the public codes keep it: 1 where somebody looked, however many did.

    Examples
    --------
    >>> binary([[0, 1], [3, 0]]).tolist()
    [[0, 1], [1, 0]]
    """
    return (np.asarray(fixations) > 0).astype(np.int32)


def nss_matlab(saliency: ArrayLike, fixations: ArrayLike) -> float:
    """NSS of the fixated pixels, standardised with N - 1.

    Parameters
    ----------
    saliency : array_like, shape (height, width)
    fixations : array_like, shape (height, width), integer
        Fixations per pixel; only whether there are any matters.

    Returns
    -------
    score : float
        The exact NSS of the binary picture times sqrt((N - 1) / N): 4e-4 of it less at 32 × 40, 5e-7 at 720p.
        NaN without fixations and for a constant map, where the exact one is 0.

    Raises
    ------
    ValueError
        As `metrics.nss`.

    Source
    ------
    cvzoya/saliency, NSS.m (`std` divides by N - 1; `logical(fixationMap)`).

    Examples
    --------
    Mean 1, squares of the deviations add up to 12 over 9 - 1; the fixated pixels have 3 and 1.

    >>> saliency = [[3, 1, 0], [0, 3, 1], [1, 0, 0]]
    >>> round(nss_matlab(saliency, [[2, 0, 0], [0, 0, 1], [0, 0, 0]]), 6)  # (2 + 0) / 2 / sqrt(1.5)
    0.816497
    """
    predicted = checked_map(saliency, "saliency")
    hit = checked_counts(fixations, "fixations", predicted.shape).pixel
    if hit.size == 0 or predicted.is_constant:
        return math.nan
    pixels = predicted.pixels.astype(np.float64)
    return float((pixels[hit].mean() - pixels.mean()) / pixels.std(ddof=1))


def cc_matlab(saliency: ArrayLike, density: ArrayLike) -> float:
    """CC, with NaN where a map is constant.

    Parameters
    ----------
    saliency, density
        As in `metrics.cc`.

    Returns
    -------
    score : float
        `metrics.cc`, to rounding; NaN if either map is constant, where the exact one is 0.

    Raises
    ------
    ValueError
        As `metrics.cc`.

    Source
    ------
    cvzoya/saliency, CC.m. Its N - 1 cancels.

    Examples
    --------
    >>> round(cc_matlab([[3, 1, 0], [0, 3, 1], [1, 0, 0]], [[3, 1, 1], [1, 1, 1], [1, 0, 0]]), 6)
    0.707107
    >>> cc_matlab([[1, 1], [1, 1]], [[1, 0], [0, 0]])
    nan
    """
    predicted, truth = _two_maps(saliency, density)
    if predicted.is_constant or truth.is_constant:
        return math.nan
    s, g = (each.pixels - np.float64(each.mean) for each in (predicted, truth))
    return float(s @ g / math.sqrt((s @ s) * (g @ g)))


def sim_matlab(saliency: ArrayLike, density: ArrayLike) -> float:
    """SIM after the minimum of both maps is taken away: the mass above the lowest pixel that they share.

    Parameters
    ----------
    saliency, density
        As in `metrics.sim`; the saliency map may be negative.

    Returns
    -------
    score : float
        0 .. 1. Equal to the exact one if both maps reach 0, else larger or smaller: a pedestal costs nothing
        (0.646 against 0.585 for one map plus a tenth of its maximum). An all-zero map or density shares nothing: 0,
        not NaN, also on a frame without fixations. NaN if either is constant and not zero.

    Raises
    ------
    ValueError
        As `metrics.cc`.

    Source
    ------
    cvzoya/saliency, similarity.m ("zero map will remain a zero map").

    Examples
    --------
    Less the minimum the first map is 2, 0, 1 of 3, the second 1, 1, 0 of 2; they share a half, 0 and 0.

    >>> sim_matlab([[3, 1, 2]], [[1, 1, 0]])
    0.5
    >>> sim_matlab([[3, 1, 2]], [[0, 0, 0]])
    0.0
    """
    predicted, truth = _two_maps(saliency, density)
    return float(np.minimum(_above_minimum(predicted), _above_minimum(truth)).sum())


def kld_matlab(saliency: ArrayLike, density: ArrayLike) -> float:
    """KLD that divides by the sum and nothing else: an all-zero map stays zero.

    Parameters
    ----------
    saliency, density
        As in `metrics.kld`; the saliency map may be negative in places, as a cubic resize leaves it.

    Returns
    -------
    score : float
        The exact one for a map that is not negative and not all zero. An all-zero map scores about 36 - H, H the
        density's entropy, where the exact one takes it for uniform; a density of zeros scores 0, as if predicted
        perfectly. Of a negative map the logarithm's real part is taken, which is what gets printed.

    Raises
    ------
    ValueError
        As `metrics.cc`.

    Source
    ------
    cvzoya/saliency, KLdiv.m.

    Examples
    --------
    >>> round(kld_matlab([[1, 0, 0], [0, 0, 0], [0, 0, 3]], [[1, 0, 0], [0, 0, 0], [0, 0, 1]]), 6)
    0.143841
    >>> kld_matlab([[1, 2]], [[0, 0]])
    0.0
    """
    predicted, truth = _two_maps(saliency, density)
    p, q = _share(predicted), _share(truth)
    seen = q > 0  # elsewhere 0 times a finite logarithm
    return float(q[seen] @ np.log(np.abs(EPS + q[seen] / (p[seen] + EPS))))


def information_gain_matlab(saliency: ArrayLike, fixations: ArrayLike, baseline: ArrayLike) -> float:
    """Information gain after the minimum of both maps is taken away.

    Parameters
    ----------
    saliency, fixations, baseline
        As in `metrics.information_gain`; the maps may be negative.

    Returns
    -------
    score : float
        Bits per fixated pixel. A fixation on the map's lowest pixel costs up to 52 bits, however flat the map.
        NaN without fixations or if either map is constant.

    Raises
    ------
    ValueError
        As `metrics.nss`.

    Source
    ------
    cvzoya/saliency, InfoGain.m.

    Examples
    --------
    Above the minimum the map is 0, 1, 3 quarters and the baseline 0, 1, 1 halves.

    >>> round(information_gain_matlab([[1, 2, 4]], [[0, 0, 5]], [[1, 2, 2]]), 6)  # log2(3 / 4) - log2(1 / 2)
    0.584963
    """
    predicted = checked_map(saliency, "saliency")
    hit = checked_counts(fixations, "fixations", predicted.shape).pixel
    reference = checked_map(baseline, "baseline", predicted.shape)
    if hit.size == 0 or predicted.is_constant or reference.is_constant:
        return math.nan
    p, b = (_above_minimum(each)[hit] for each in (predicted, reference))
    return float(np.mean(np.log2(EPS + p) - np.log2(EPS + b)))


def nss_float32(saliency: ArrayLike, fixations: ArrayLike) -> float:
    """NSS in single precision, standardised with N - 1.

    Parameters
    ----------
    saliency, fixations
        As in `nss_matlab`.

    Returns
    -------
    score : float
        Within about 1e-5 of `nss_matlab`; 0 or noise for a constant map, NaN without fixations.

    Raises
    ------
    ValueError
        As `metrics.nss`.

    Source
    ------
    samyak0210/ViNet, loss.py, nss.
    """
    predicted = checked_map(saliency, "saliency")
    hit = checked_counts(fixations, "fixations", predicted.shape).pixel
    if hit.size == 0:
        return math.nan
    pixels = predicted.pixels.astype(np.float32)
    standardised = (pixels[hit] - pixels.mean()) / (pixels.std(ddof=1) + EPS_FLOAT32)
    return float(standardised.sum(dtype=np.float32) / np.float32(hit.size))


def cc_float32(saliency: ArrayLike, density: ArrayLike) -> float:
    """CC in single precision; NaN where a map is constant.

    Parameters
    ----------
    saliency, density
        As in `metrics.cc`.

    Returns
    -------
    score : float
        Off by about 1e-6 from the exact one (0.847424 instead of 0.847430 at 720p).

    Raises
    ------
    ValueError
        As `metrics.cc`.

    Source
    ------
    samyak0210/ViNet, loss.py, cc.
    """
    predicted, truth = _two_maps(saliency, density)
    if predicted.is_constant or truth.is_constant:
        return math.nan
    s, g = (each.pixels.astype(np.float32) for each in (predicted, truth))
    s, g = (s - s.mean()) / s.std(ddof=1), (g - g.mean()) / g.std(ddof=1)
    return float((s * g).sum() / np.sqrt((s * s).sum() * (g * g).sum()))


def sim_float32(saliency: ArrayLike, density: ArrayLike) -> float:
    """SIM in single precision, less the minimum of both maps; NaN, not 0, where one is all zero.

    Parameters
    ----------
    saliency, density
        As in `sim_matlab`.

    Returns
    -------
    score : float
        Within about 1e-6 of `sim_matlab`. NaN if either map is constant, so on every frame without fixations.

    Raises
    ------
    ValueError
        As `metrics.cc`.

    Source
    ------
    samyak0210/ViNet, loss.py, similarity.
    """
    predicted, truth = _two_maps(saliency, density)
    if predicted.is_constant or truth.is_constant:
        return math.nan
    p, q = (each.pixels.astype(np.float32) for each in (predicted, truth))
    p, q = ((each - each.min()) / (each.max() - each.min()) for each in (p, q))
    return float(np.minimum(p / p.sum(), q / q.sum()).sum())


def kld_float32(saliency: ArrayLike, density: ArrayLike) -> float:
    """KLD in single precision, where eps holds only at exact zeros.

    Parameters
    ----------
    saliency, density
        As in `metrics.kld`.

    Returns
    -------
    score : float
        Within about 1e-5 of the exact one. NaN if either map is all zero.

    Raises
    ------
    ValueError
        As `metrics.kld`.

    Source
    ------
    samyak0210/ViNet, loss.py, kldiv (eps = 2.2204e-16).
    """
    predicted = checked_map(saliency, "saliency", lowest=0)
    truth = checked_map(density, "density", predicted.shape, lowest=0)
    if predicted.high == 0 or truth.high == 0:
        return math.nan
    p, q = (each.pixels.astype(np.float32) for each in (predicted, truth))
    p, q = p / p.sum(), q / q.sum()
    return float((q * np.log(EPS_FLOAT32 + q / (p + EPS_FLOAT32))).sum())


def _two_maps(saliency: ArrayLike, density: ArrayLike) -> tuple[Map, Map]:
    predicted = checked_map(saliency, "saliency")
    return predicted, checked_map(density, "density", predicted.shape, lowest=0)


def _share(each: Map) -> NDArray[np.float64]:
    """A map divided by its sum; a zero map remains one."""
    pixels = each.pixels.astype(np.float64)
    return pixels / each.total if each.low or each.high else pixels


def _above_minimum(each: Map) -> NDArray[np.float64]:
    """A map less its minimum, divided by its sum; a zero map remains one, any other constant map is all NaN."""
    if each.is_constant:
        return np.full(each.pixels.size, math.nan if each.high else 0.0)
    pixels = each.pixels.astype(np.float64)
    pixels -= each.low
    return pixels / pixels.sum()
