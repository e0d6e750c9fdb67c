"""The seven scores of `metrics` for a batch of frames, on whatever device the tensors are.

Conventions
-----------
As in `metrics`, with [frame, row, column] tensors: saliency maps and densities of any real dtype, fixations and
negatives integer (or bool) count pictures. Negatives and baseline may be one [row, column] for all frames. All tensors
are on one device, one that knows float64 (CPU or CUDA); a few float64 copies of the batch are made, so choose its size.
Scores are float64 [frame] on that device, without gradients, and equal the NumPy ones to 1e-9. An empty frame is NaN,
a constant map 0.5, 0 or the uniform distribution, one fixation and several on one pixel as in `metrics`, frame by
frame. This is for a GPU, and for many small maps: of large ones on a CPU, `frame_scores` is several times as quick,
since it goes through a picture block by block.

Every function raises ValueError if shapes or devices differ, a map is not finite, or negative where it stands for a
distribution, or fixations are not counts.

Source
------
See `metrics`. Ranks are by sorting all pixels once and searching for the fixated ones alone: ranking every pixel costs
tens of times as much.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.evaluate.checks_torch import (
    centred,
    checked_counts,
    checked_maps,
    in_order,
    is_constant,
    picked,
    ranks,
    scored,
    shares,
    weighted_order,
)
from pipeline.evaluate.metrics import EPS


def nss(saliency: Tensor, fixations: Tensor) -> Tensor:
    """Normalised scanpath saliency.

    Parameters
    ----------
    saliency : tensor, shape (n, height, width)
    fixations : tensor, shape (n, height, width), integer
        Fixations per pixel.

    Returns
    -------
    score : tensor, shape (n,), float64
        As `metrics.nss`: unbounded, 0 for a constant map, NaN without fixations.

    Examples
    --------
    >>> saliency = torch.tensor([[[3, 1, 0], [0, 3, 1], [1, 0, 0]]])
    >>> nss(saliency, torch.tensor([[[2, 0, 0], [0, 0, 1], [0, 0, 0]]]))
    tensor([1.1547], dtype=torch.float64)
    """
    maps = checked_maps(saliency, "saliency")
    hits = checked_counts(fixations, "fixations", saliency)
    values, counts = picked(above := centred(maps), hits)
    standardised = (counts * values).sum(1) / hits.sum(1) / above.square().mean(1).sqrt()
    return scored(torch.where(is_constant(maps), 0.0, standardised), hits)


def auc_judd(saliency: Tensor, fixations: Tensor) -> Tensor:
    """Area under the ROC curve of fixations against the pixels without one, ties half.

    Parameters
    ----------
    saliency, fixations
        As in `nss`.

    Returns
    -------
    score : tensor, shape (n,), float64
        As `metrics.auc_judd`: 0 .. 1, 0.5 for a constant map, NaN without fixations or without a pixel that has none.
    """
    maps = checked_maps(saliency, "saliency")
    hits = checked_counts(fixations, "fixations", saliency)
    values, counts = picked(maps, hits)
    lower, equal = ranks(values, in_order(maps))
    own_lower, own_equal = ranks(values, *weighted_order(values, (counts > 0).long()))
    n_others = maps.shape[1] - (hits > 0).sum(1)
    wins_twice = (counts * (2 * (lower - own_lower) + equal - own_equal)).sum(1)
    return wins_twice / (2 * hits.sum(1) * n_others).double()  # 0 / 0 is the NaN that is wanted


def sauc(saliency: Tensor, fixations: Tensor, negatives: Tensor) -> Tensor:
    """Shuffled AUC: fixations against the given negatives, each as often as it was counted, ties half.

    Parameters
    ----------
    saliency, fixations
        As in `nss`.
    negatives : tensor, shape (n, height, width) or (height, width), integer
        Fixations per pixel of other frames or videos.

    Returns
    -------
    score : tensor, shape (n,), float64
        As `metrics.sauc`: 0 .. 1, 0.5 for a constant map, NaN without fixations or negatives.
    """
    maps = checked_maps(saliency, "saliency")
    hits = checked_counts(fixations, "fixations", saliency)
    others = checked_counts(negatives, "negatives", saliency, shared=True)
    values, counts = picked(maps, hits)
    lower, equal = ranks(values, *weighted_order(*picked(maps, others)))
    return (counts * (2 * lower + equal)).sum(1) / (2 * hits.sum(1) * others.sum(1)).double()


def cc(saliency: Tensor, density: Tensor) -> Tensor:
    """Pearson's correlation over pixels.

    Parameters
    ----------
    saliency : tensor, shape (n, height, width)
    density : tensor, shape (n, height, width)
        Fixation density, non-negative.

    Returns
    -------
    score : tensor, shape (n,), float64
        As `metrics.cc`: -1 .. 1, 0 if either map is constant, NaN if the density is all zeros.
    """
    maps = checked_maps(saliency, "saliency")
    truth = checked_maps(density, "density", saliency, lowest=0)
    s, g = centred(maps), centred(truth)
    score = (s * g).sum(1) / (s.square().sum(1).sqrt() * g.square().sum(1).sqrt())
    return scored(torch.where(is_constant(maps) | is_constant(truth), 0.0, score.clamp(-1, 1)), truth)


def sim(saliency: Tensor, density: Tensor) -> Tensor:
    """Similarity: the mass that two distributions have in common, no minimum subtracted.

    Parameters
    ----------
    saliency : tensor, shape (n, height, width)
        Non-negative.
    density
        As in `cc`.

    Returns
    -------
    score : tensor, shape (n,), float64
        As `metrics.sim`: 0 .. 1, NaN if the density is all zeros.
    """
    maps = checked_maps(saliency, "saliency", lowest=0)
    truth = checked_maps(density, "density", saliency, lowest=0)
    return scored(shares(maps).minimum(shares(truth)).sum(1).clamp(max=1), truth)


def kld(saliency: Tensor, density: Tensor) -> Tensor:
    """Kullback–Leibler divergence of the density from the map, in nats.

    Parameters
    ----------
    saliency, density
        As in `sim`.

    Returns
    -------
    score : tensor, shape (n,), float64
        As `metrics.kld`: 0 is perfect, NaN if the density is all zeros.
    """
    maps = checked_maps(saliency, "saliency", lowest=0)
    truth = checked_maps(density, "density", saliency, lowest=0)
    q = shares(truth)
    inside = (q / (shares(maps) + EPS)).add_(EPS)
    return scored((q * inside.log_()).sum(1), truth)


def information_gain(saliency: Tensor, fixations: Tensor, baseline: Tensor) -> Tensor:
    """Information gain over a baseline map, in bits per fixation.

    Parameters
    ----------
    saliency : tensor, shape (n, height, width)
        Non-negative.
    fixations
        As in `nss`.
    baseline : tensor, shape (n, height, width) or (height, width)
        Non-negative.

    Returns
    -------
    score : tensor, shape (n,), float64
        As `metrics.information_gain`: 0 if the map knows no more than the baseline, NaN without fixations.
    """
    maps = checked_maps(saliency, "saliency", lowest=0)
    hits = checked_counts(fixations, "fixations", saliency)
    reference = checked_maps(baseline, "baseline", saliency, lowest=0, shared=True)
    (at_maps, counts), (at_reference, _) = picked(maps, hits), picked(reference, hits)
    p, b = shares(maps, at_maps), shares(reference, at_reference)
    return (counts * ((EPS + p).log2() - (EPS + b).log2())).sum(1) / hits.sum(1)
