"""What a score is given, looked at once: maps and count pictures, checked and ready to be summed.

Conventions
-----------
A *map* is [row, column] of real numbers, a *count picture* [row, column] of integers. Both are kept
flat and in their own dtype; arithmetic is in float64, a block of pixels at a time, so that a
full-size float64 copy is never made. Every complaint is a ValueError that says what to do next.

Every score takes an array, or what `checked_map` and `checked_counts` made of it before: then it is not
looked at again, and what several scores need (sum, deviation, order) is worked out once. The array must
stay as it is meanwhile.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.evaluate.ranks import in_order

BLOCK_PIXELS = 1 << 15  # 256 KB of float64: stays in the processor's cache
MODEST = (1e-100, 1e100)  # squares and sums of such numbers neither overflow nor vanish in float64


@dataclass(frozen=True, eq=False)
class Map:
    """A finite map: its pixels in one row, and its smallest and largest value."""

    pixels: NDArray
    shape: tuple[int, ...]
    low: float
    high: float

    @property
    def is_constant(self) -> bool:
        # Not by the deviation: the mean of equal numbers may differ from them in the last digit.
        return self.low == self.high

    @cached_property
    def total(self) -> float:
        return float(self.pixels.sum(dtype=np.float64))

    @property
    def mean(self) -> float:
        return self.total / self.pixels.size

    @cached_property
    def squares(self) -> float:
        """Sum of the squared deviations from the mean."""
        return sum(float(np.dot(s, s)) for (s,) in centred_blocks(self))

    @cached_property
    def order(self) -> NDArray:
        """The values, sorted."""
        return in_order(self.pixels)

    def share(self, pixels: NDArray) -> NDArray[np.float64]:
        """Pixels of this map as shares of its sum; an all-zero map is constant, so its pixels share alike."""
        if self.low == self.high == 0:
            return np.full(pixels.shape, 1 / self.pixels.size)
        shares = pixels.astype(np.float64)
        shares *= 1 / self.total  # half the time of a division by it
        return shares


@dataclass(frozen=True, eq=False)
class Counts:
    """A count picture: which pixels were hit (flat index), how often each, how often in all, and its shape."""

    pixel: NDArray[np.intp]
    count: NDArray[np.int64]
    total: int
    shape: tuple[int, ...]


MapLike = ArrayLike | Map
CountsLike = ArrayLike | Counts


def checked_map(values: MapLike, what: str, shape: tuple[int, ...] | None = None, *, lowest: float = -math.inf) -> Map:
    """Accept a map, or say what is wrong with it.

    Parameters
    ----------
    values : array_like, shape (height, width)
        Real numbers; float16 is read as float32. Or a map that was accepted before.
    what : str
        Its name in a complaint: "saliency", "density" …
    shape : (height, width), optional
        What it must be, the saliency map's.
    lowest : float
        0 where the map stands for a distribution.

    Raises
    ------
    ValueError
        If it is not two-dimensional, empty, not real, of another shape, not finite, or below `lowest`.
    """
    found = values if isinstance(values, Map) else _map_of(values, what)
    _check_shape(found.shape, shape or found.shape, what)
    if found.low < lowest:
        raise ValueError(
            f"The {what} map stands for a distribution here and must not be negative, but its minimum is "
            f"{found.low:g}. Shift or clip it first, and say so with the scores."
        )
    return found


def checked_counts(values: CountsLike, what: str, shape: tuple[int, ...]) -> Counts:
    """Accept a picture of integer counts (or of booleans: hit or not), or say what is wrong with it.

    Counts that were accepted before are taken as they are.

    Raises
    ------
    ValueError
        If it is not integer, of another shape than the map, or negative somewhere.
    """
    if isinstance(values, Counts):
        _check_shape(values.shape, shape, what)
        return values
    array = np.asarray(values)
    if not (np.issubdtype(array.dtype, np.integer) or array.dtype == np.bool_):
        raise ValueError(
            f"The {what} must be a picture of integer counts, got {array.dtype}. Count points with "
            "pipeline.signals.gaze.fixation_counts; a blurred map is a density, not fixations."
        )
    _check_shape(array.shape, shape, what)
    pixel = np.flatnonzero(array != 0)
    count = array.ravel()[pixel].astype(np.int64)
    if (count < 0).any():
        raise ValueError(f"The {what} are counts and cannot be negative; the minimum is {count.min()}.")
    return Counts(pixel, count, int(count.sum()), array.shape)


def centred_blocks(*maps: Map) -> Iterator[list[NDArray[np.float64]]]:
    """Each map less its mean, a block of pixels at a time."""
    for block in _blocks(maps[0]):
        centred = [each.pixels[block].astype(np.float64) for each in maps]
        for each, pixels in zip(maps, centred, strict=True):
            pixels -= each.mean
        yield centred


def distribution_blocks(*maps: Map) -> Iterator[list[NDArray[np.float64]]]:
    """Each map divided by its sum, a block of pixels at a time."""
    for block in _blocks(maps[0]):
        yield [each.share(each.pixels[block]) for each in maps]


def _map_of(values: ArrayLike, what: str) -> Map:
    array = np.asarray(values)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"The {what} map must be [row, column] and not empty, got shape {array.shape}.")
    if array.dtype == np.float16:
        array = array.astype(np.float32)
    if not (np.issubdtype(array.dtype, np.integer) or np.issubdtype(array.dtype, np.floating)):
        raise ValueError(f"The {what} map must hold real numbers, got {array.dtype}.")
    low, high = array.min().item(), array.max().item()
    if not (math.isfinite(low) and math.isfinite(high)):  # a NaN anywhere makes both NaN
        raise ValueError(f"The {what} map holds {int((~np.isfinite(array)).sum())} values that are NaN or infinite.")
    largest = max(abs(low), abs(high))
    if largest and not MODEST[0] < largest < MODEST[1]:
        # No score depends on a map's scale, and a power of two changes the exponents alone.
        return _map_of(np.ldexp(array, -math.frexp(largest)[1]), what)
    return Map(array.ravel(), array.shape, low, high)


def _blocks(first: Map) -> Iterator[slice]:
    return (slice(start, start + BLOCK_PIXELS) for start in range(0, first.pixels.size, BLOCK_PIXELS))


def _check_shape(shape: tuple[int, ...], expected: tuple[int, ...], what: str) -> None:
    if shape != expected:
        raise ValueError(
            f"The {what} picture has shape {shape}, but the saliency map has {expected} (height, width). "
            "Bring both to one size first; of the two, points scale without loss (fixation_counts)."
        )
