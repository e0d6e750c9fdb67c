"""Maps that look at neither picture nor sound: what a model has to beat.

Conventions
-----------
Maps are float64 [height, width], non-negative, and sum to 1. Everything fitted is fitted on the training split.

Source
------
Tavakoli et al. 2020, sec. IV (mean eye position, "MEP"); Judd, Durand & Torralba 2012 (the centre map).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import AveError

if TYPE_CHECKING:
    from pipeline.evaluate.truth import Truth

Map = NDArray[np.float64]


def uniform(size: tuple[int, int]) -> Map:
    """Every cell alike.

    Examples
    --------
    >>> float(uniform((2, 5))[0, 0])
    0.1
    """
    return np.full(size, 1 / (size[0] * size[1]))


def mean_eye_position(densities: Iterable[tuple[str, NDArray]]) -> Map:
    """Average fixation density of the training split: per frame, then per video, then over videos.

    Parameters
    ----------
    densities : iterable of (stimulus, ndarray of shape (frames, height, width))
        Pieces of the stimuli's density maps, in any order and any cut; a stimulus may come in many pieces.
        Each frame's map sums to 1, or is all zeros where the frame has no fixations: those do not count.

    Returns
    -------
    mep : ndarray, shape (height, width)
        Long videos weigh no more than short ones.

    Raises
    ------
    AveError
        If no frame of the split has a fixation.
    """
    sums: dict[str, Map] = {}
    counts: dict[str, int] = {}
    for stimulus, maps in densities:
        seen = maps.reshape(len(maps), -1).any(axis=1)
        sums[stimulus] = sums.get(stimulus, 0) + maps[seen].sum(axis=0, dtype=np.float64)
        counts[stimulus] = counts.get(stimulus, 0) + int(seen.sum())
    means = [sums[stimulus] / counts[stimulus] for stimulus in sums if counts[stimulus]]
    if not means:
        raise no_fixations()
    mep = np.mean(means, axis=0)
    return mep / mep.sum()


def mep_of(truths: Iterable[Truth], size: tuple[int, int]) -> Map:
    """Mean eye position at any size, from points: per frame, then per video, then over videos.

    `mean_eye_position` of the density maps at that size, without making them: one map a video is held.

    Parameters
    ----------
    truths : iterable of Truth
        Of the training split. Frames and videos without fixations do not count.
    size : (int, int)
        Height and width of the map.

    Raises
    ------
    AveError
        If no frame has a fixation.
    """
    total, videos = np.zeros(size), 0
    for truth in truths:
        mean = truth.mean_density(size)
        total, videos = total + mean, videos + bool(mean.any())
    if not videos:
        raise no_fixations()
    return total / total.sum()


def no_fixations() -> AveError:
    """The error of a training split in which nobody looks anywhere."""
    return AveError(
        "The training split holds no frame with fixations, so it has no mean eye position.",
        remedy="Build the training split's shards first; `ave status` shows what is missing.",
        code="no-training-fixations",
    )


def centre_gaussian(size: tuple[int, int], spread: tuple[float, float]) -> Map:
    """A Gaussian in the middle of the picture.

    Parameters
    ----------
    size : (int, int)
        Height and width of the map.
    spread : (float, float)
        Standard deviation along height and along width, as a share of each; see `spread_about_centre`.

    Raises
    ------
    ValueError
        If a spread is not positive.
    """
    if min(spread) <= 0:
        raise ValueError(f"spread is {spread}; expected two positive shares of the picture.")
    rows, columns = (
        np.exp(-0.5 * ((_middles(length) - 0.5) / share) ** 2) for length, share in zip(size, spread, strict=True)
    )
    gaussian = np.outer(rows, columns)
    return gaussian / gaussian.sum()


def spread_about_centre(density: NDArray) -> tuple[float, float]:
    """How far from the picture's middle a map's mass lies: root mean square along height and along width.

    In shares of the picture, so that the centre Gaussian fitted to the mean eye position is
    `centre_gaussian(size, spread_about_centre(mep))` at any size.
    """
    mass = np.asarray(density, dtype=np.float64)
    shares = [mass.sum(axis=1) / mass.sum(), mass.sum(axis=0) / mass.sum()]
    rows, columns = (float(np.sqrt(share @ (_middles(share.size) - 0.5) ** 2)) for share in shares)
    return rows, columns


def _middles(length: int) -> Map:
    """Middles of `length` cells that fill 0..1."""
    return (np.arange(length) + 0.5) / length
