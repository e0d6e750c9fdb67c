"""Ground-truth densities as the protocols blur them, one function a way.

Conventions
-----------
Each function takes (truth, frame, fixations), `fixations` being the frame's count picture at the size wanted, and
gives a density of that size: [row, column], non-negative, of any sum, all zeros where nobody fixates. The first line
of its docstring is what a table says of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluate.truth import Truth
from pipeline.signals.density import density_map

Density = Callable[[Truth, int, NDArray], NDArray]

FULL_WIDTH_PX = 30  # make_gauss_masks.m; a comment there speaks of 60 pixels a degree
SHIFT_PX = 2  # its kernel is read out two rows and columns beside its middle
CYCLES = 8  # at which antonioGaussian.m lets half of the amplitude through


def exact(truth: Truth, frame: int, fixations: NDArray) -> NDArray[np.float32]:
    """a Gaussian of 1 dva, integrated over each cell."""
    return truth.density(frame, fixations.shape)


def eight_bit(truth: Truth, frame: int, fixations: NDArray) -> NDArray[np.float64]:
    """a Gaussian of 1 dva, stored in 8 bits with its maximum at 255."""
    return _in_eight_bits(exact(truth, frame, fixations))


def dhf1k(truth: Truth, frame: int, fixations: NDArray) -> NDArray[np.float64]:
    """a Gaussian of 30 px full width (sigma 12.7 px), two pixels too far right and down, stored in 8 bits.

    Source
    ------
    wenguanwang/DHF1K, make_gauss_masks.m: run, a fixation at (30, 50), counted from 1, peaks at (32, 52).
    """
    row, column = np.nonzero(fixations)
    sigma_px = FULL_WIDTH_PX / math.sqrt(8 * math.log(2))
    middle = 0.5 + SHIFT_PX
    size = fixations.shape
    return _in_eight_bits(density_map(column + middle, row + middle, video_size=size, out_size=size, sigma_px=sigma_px))


def eight_cycles(truth: Truth, frame: int, fixations: NDArray) -> NDArray[np.float64]:
    """a Gaussian low pass of 8 cycles over the picture padded to a square of 2^k pixels, wrapped around.

    Its sigma is 0.0234 of that square's side, so it jumps where a side passes a power of two: 24 px at 1024 pixels,
    48 px at 1025.

    Source
    ------
    cvzoya/saliency, antonioGaussian.m with fc = 8, as its README says.
    """
    row, column = np.nonzero(fixations)
    profile = _low_pass(2 ** math.ceil(math.log2(max(fixations.shape))))
    height, width = fixations.shape
    down = profile[np.arange(height)[:, None] - row]
    across = profile[column[:, None] - np.arange(width)]
    return (down @ across).clip(0)  # the profile ends in rounding errors of either sign


@lru_cache(maxsize=4)
def _low_pass(side: int) -> NDArray[np.float64]:
    """Answer of the filter to one pixel along one axis; index -1 is the pixel before it."""
    cycles = np.fft.fftfreq(side, 1 / side)
    return np.fft.ifft(np.exp(-(cycles**2) * math.log(2) / CYCLES**2)).real


def _in_eight_bits(density: NDArray) -> NDArray[np.float64]:
    peak = float(density.max())
    return np.rint(density * (255 / peak)) / 255 if peak else np.zeros(density.shape)
