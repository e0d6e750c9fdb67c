"""Fixation density: one Gaussian per fixation, integrated over the cells of a map of any size.

Conventions
-----------
Points are (x, y) in video pixels from the top left corner; sizes are (height, width); maps are
[row, column]. `sigma_px` is a standard deviation (not a full width) in video pixels, which are square.
A map is float32, non-negative, and sums to 1; without fixations it is all zeros.

How it is done
--------------
A round Gaussian is a product of two one-dimensional ones, and a rectangle's integral of it is the
product of two differences of the normal distribution function. So each point needs one weight per
row and one per column, and the map of n points is one matrix product [rows, n] @ [n, columns].
No image is blurred, nothing is cut off at some number of sigmas, and no size has to be reached by
resampling another one.

All points share one profile on a regular grid, because a weight depends only on where the cell is
relative to the point. The profile is worked out once per video and read between its entries (see
`STEPS_PER_SIGMA`); where that is not possible every weight is worked out by itself.
"""

from __future__ import annotations

import math
from functools import lru_cache, reduce

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, DTypeLike, NDArray
from scipy.special import ndtr

# Straight lines between entries h sigmas apart are off by at most h² / 8 of the peak: 1.3e-7.
STEPS_PER_SIGMA = 1000
# 8 MB in float32. A sigma under 1/1000 of the picture would need more; its weights are mostly 0 and 1 anyway.
LARGEST_PROFILE = 1 << 21
# Maps up to 128 × 128 are summed in float64: it costs little there, and the bytes that reach the store
# then do not depend on how a processor orders a float32 sum.
FLOAT64_CELLS = 1 << 14
# Points of one map worked out at a time, so that a million of them do not need a million rows of weights.
BLOCK_POINTS = 1024
# Below it a division would overflow; only points some 37 sigma outside the picture are this faint.
SMALLEST_MASS = float(np.finfo(np.float64).tiny)
# Weights of a video worked out at a time (rows and columns together): they stay in the processor's cache.
BLOCK_WEIGHTS = 1 << 18


def density_map(
    x_px: ArrayLike,
    y_px: ArrayLike,
    *,
    video_size: tuple[int, int],
    out_size: tuple[int, int],
    sigma_px: float,
) -> NDArray[np.float32]:
    """Turn the fixations of one frame into a fixation density map.

    A Gaussian stands for the fovea and for tracker error. A cell of the map holds the
    Gaussians' integral over the part of the video that the cell covers.

    Parameters
    ----------
    x_px, y_px : array_like, shape (n,)
        Fixations in video pixels. One outside the picture adds what falls into it.
    video_size : (height, width)
        Of the video, in pixels.
    out_size : (height, width)
        Of the map, in cells; any size, also one that does not divide the video's.
    sigma_px : float
        Standard deviation in video pixels: `px_per_dva × sigma_dva`.

    Returns
    -------
    density : ndarray, shape out_size, float32
        Within 1e-6 of the map's peak of the exact integral. Sums to 1, or is all zeros where
        there is no fixation (or none that reaches the picture in double precision).

    Raises
    ------
    ValueError
        If sigma or a size is not positive, a point is not finite, or x and y differ in length.

    Source
    ------
    Tavakoli et al. 2019, sec. III ("1 degree viewing angle of each source").
    Le Meur & Baccino 2013 on the choice of sigma.

    Examples
    --------
    One fixation in the middle of a 4 × 4 picture: a quarter in each quadrant.

    >>> density_map([2.0], [2.0], video_size=(4, 4), out_size=(2, 2), sigma_px=1.0).tolist()
    [[0.25, 0.25], [0.25, 0.25]]
    >>> float(density_map([], [], video_size=(4, 4), out_size=(2, 2), sigma_px=1.0).sum())
    0.0
    """
    x, y = _check_points(x_px, y_px)
    _check_sizes(video_size, out_size, sigma_px)
    mass = float(_mass_in_picture(x, y, video_size, sigma_px).sum())
    if mass < SMALLEST_MASS:
        return np.zeros(out_size, dtype=np.float32)
    dtype = _working_dtype(out_size)

    def part(points: slice) -> NDArray:
        down = _weights(y[points], out_size[0], video_size[0], sigma_px, dtype)
        across = _weights(x[points], out_size[1], video_size[1], sigma_px, dtype)
        return (down / mass).T @ across

    blocks = (part(slice(start, start + BLOCK_POINTS)) for start in range(0, x.size, BLOCK_POINTS))
    return reduce(np.add, blocks).astype(np.float32, copy=False)


def density_maps(
    frame: ArrayLike,
    x_px: ArrayLike,
    y_px: ArrayLike,
    n_frames: int,
    *,
    video_size: tuple[int, int],
    out_size: tuple[int, int],
    sigma_px: float,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Turn all fixations of a video into its maps: `density_map` of each frame, only faster.

    Parameters
    ----------
    frame : array_like of int, shape (n,)
        Frame of each fixation, from 0, in any order.
    x_px, y_px, video_size, out_size, sigma_px
        As in `density_map`.
    n_frames : int
        Frames of the video; those without fixations get all zeros.
    out : ndarray, shape (n_frames, *out_size), float32, optional
        Where to write the maps. Memory that is used again saves a quarter of the time at 720p, a tenth at 256 × 320.

    Returns
    -------
    densities : ndarray, shape (n_frames, *out_size), float32

    Raises
    ------
    ValueError
        As `density_map`, or if a frame is outside 0 .. n_frames - 1, or `out` does not fit.

    Examples
    --------
    >>> maps = density_maps([1], [2.0], [2.0], 3, video_size=(4, 4), out_size=(2, 2), sigma_px=1.0)
    >>> maps.sum(axis=(1, 2)).tolist()
    [0.0, 1.0, 0.0]
    """
    x, y = _check_points(x_px, y_px)
    _check_sizes(video_size, out_size, sigma_px)
    frame = _check_frames(frame, x.size, n_frames)
    order = np.argsort(frame, kind="stable")
    x, y = x[order], y[order]
    first = np.searchsorted(frame[order], np.arange(n_frames + 1))
    maps = _check_out(out, (n_frames, *out_size))
    dtype = _working_dtype(out_size)
    block = max(1, BLOCK_WEIGHTS // sum(out_size))
    start = 0
    while start < n_frames:
        # As many whole frames as fit the block, but at least one.
        stop = max(start + 1, int(np.searchsorted(first, first[start] + block, side="right")) - 1)
        points = slice(first[start], first[stop])
        mass = _mass_in_picture(x[points], y[points], video_size, sigma_px)
        down = _weights(y[points], out_size[0], video_size[0], sigma_px, dtype)
        across = _weights(x[points], out_size[1], video_size[1], sigma_px, dtype)
        _fill_maps(maps[start:stop], first[start : stop + 1] - first[start], mass, down, across)
        start = stop
    return maps


def mean_density(
    frame: ArrayLike,
    x_px: ArrayLike,
    y_px: ArrayLike,
    *,
    video_size: tuple[int, int],
    out_size: tuple[int, int],
    sigma_px: float,
) -> NDArray[np.float64]:
    """The mean of a video's maps over its frames with fixations, without making the maps.

    A map is linear in its points, so the mean is one sum over all points, each weighed by one over its frame's mass:
    the same as averaging `density_maps`, in the memory of one map.

    Parameters
    ----------
    frame, x_px, y_px, video_size, out_size, sigma_px
        As in `density_maps`.

    Returns
    -------
    mean : ndarray, shape out_size, float64
        Sums to 1 as closely as a map does, or is all zeros without fixations.

    Raises
    ------
    ValueError
        As `density_map`, or if a frame is negative.

    Examples
    --------
    Two frames, one with a fixation top left and one with two bottom right: half of the mean is at either end.

    >>> picture = dict(video_size=(4, 4), out_size=(2, 2), sigma_px=0.1)
    >>> mean_density([0, 7, 7], [1.0, 3.0, 3.0], [1.0, 3.0, 3.0], **picture).round(6).tolist()
    [[0.5, 0.0], [0.0, 0.5]]
    """
    x, y = _check_points(x_px, y_px)
    _check_sizes(video_size, out_size, sigma_px)
    frame = _check_frames(frame, x.size, int(np.max(frame, initial=-1)) + 1)
    mass = np.bincount(frame, _mass_in_picture(x, y, video_size, sigma_px))
    seen = mass >= SMALLEST_MASS
    share = np.divide(1 / max(1, seen.sum()), mass, where=seen, out=np.zeros(mass.size))[frame]
    dtype = _working_dtype(out_size)
    mean = np.zeros(out_size)
    for start in range(0, x.size, BLOCK_POINTS):
        points = slice(start, start + BLOCK_POINTS)
        down = _weights(y[points], out_size[0], video_size[0], sigma_px, dtype)
        across = _weights(x[points], out_size[1], video_size[1], sigma_px, dtype)
        mean += (down * share[points, None].astype(dtype)).T @ across
    return mean


def _fill_maps(
    maps: NDArray[np.float32], first: NDArray[np.intp], mass: NDArray[np.float64], down: NDArray, across: NDArray
) -> None:
    """One matrix product per frame; frame k owns the points first[k] .. first[k + 1] - 1."""
    for k, (start, stop) in enumerate(zip(first[:-1].tolist(), first[1:].tolist(), strict=True)):
        total = float(mass[start:stop].sum())  # a Python float leaves float32 weights float32
        if total >= SMALLEST_MASS:
            np.matmul((down[start:stop] / total).T, across[start:stop], out=maps[k], casting="same_kind")
        else:
            maps[k] = 0


def _weights(
    position_px: NDArray[np.float64], cells: int, length_px: int, sigma_px: float, dtype: DTypeLike
) -> NDArray:
    """Each point's Gaussian integrated over the cells of one axis, shape (n, cells)."""
    steps_wanted = length_px / cells / sigma_px * STEPS_PER_SIGMA
    if (steps_wanted + 2) * 2 * cells > LARGEST_PROFILE or not _all_within(position_px, length_px):
        edges_px = np.linspace(0, length_px, cells + 1)
        away = (edges_px - position_px[:, None]) / sigma_px
        return _normal_between(away[:, :-1], away[:, 1:])
    steps = math.ceil(steps_wanted)
    windows = _profile_windows(cells, length_px, sigma_px, steps, np.dtype(dtype))
    place = position_px * (cells / length_px)
    # On the far edge, or a rounding error before it: the end of the last cell, not the start of one more.
    cell = np.minimum(place.astype(np.intp), cells - 1)
    phase = (place - cell) * steps
    entry = np.minimum(phase.astype(np.intp), steps - 1)
    low = windows[entry, cells - 1 - cell]
    high = windows[entry + 1, cells - 1 - cell]
    high -= low
    high *= (phase - entry)[:, None].astype(dtype)
    low += high
    return low


@lru_cache(maxsize=16)
def _profile_windows(cells: int, length_px: int, sigma_px: float, steps: int, dtype: np.dtype) -> NDArray:
    """Weights of every cell for a point at `entry / steps` of its own cell.

    Returns
    -------
    windows : ndarray view, shape (steps + 1, cells, cells)
        `windows[entry, cells - 1 - k]` is the row of weights of a point in cell k. The
        windows overlap in memory: all cells together need 2 cells - 1 weights per entry.
    """
    cell_in_sigma = length_px / cells / sigma_px
    lag = np.arange(-(cells - 1), cells)
    low = (lag - np.linspace(0, 1, steps + 1)[:, None]) * cell_in_sigma
    profile = _normal_between(low, low + cell_in_sigma)
    # Products of two such weights would be denormal numbers, which make a matrix product ten times slower,
    # and lie far below the last digit of any sum: 1e-16 of the peak in float32, 1e-150 in float64.
    profile[profile < 1e3 * math.sqrt(np.finfo(dtype).tiny) * profile.max()] = 0
    return sliding_window_view(profile.astype(dtype), cells, axis=1)


def _normal_between(low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mass of the standard normal distribution between two bounds, with all digits in both tails."""
    mirrored = low > 0  # far to the right both values of the distribution function are 1: look from the other side
    return ndtr(np.where(mirrored, -low, high)) - ndtr(np.where(mirrored, -high, low))


def _mass_in_picture(
    x: NDArray[np.float64], y: NDArray[np.float64], video_size: tuple[int, int], sigma_px: float
) -> NDArray[np.float64]:
    """How much of each point's Gaussian falls into the picture, 0 .. 1."""
    points_px, ends_px = np.stack([y, x]), np.array(video_size)[:, None]
    down, across = _normal_between(-points_px / sigma_px, (ends_px - points_px) / sigma_px)
    return down * across


def _working_dtype(out_size: tuple[int, int]) -> type[np.floating]:
    rows, columns = out_size
    return np.float64 if rows * columns <= FLOAT64_CELLS else np.float32


def _all_within(position_px: NDArray[np.float64], length_px: int) -> bool:
    return position_px.size == 0 or bool(position_px.min() >= 0 and position_px.max() <= length_px)


def _check_points(x_px: ArrayLike, y_px: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x = np.atleast_1d(np.asarray(x_px, dtype=np.float64))
    y = np.atleast_1d(np.asarray(y_px, dtype=np.float64))
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"x and y must be one list each, equally long; got shapes {x.shape} and {y.shape}.")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("A fixation point is NaN or infinite. Drop (and account for) missing samples first.")
    return x, y


def _check_sizes(video_size: tuple[int, int], out_size: tuple[int, int], sigma_px: float) -> None:
    if not 0 < sigma_px < math.inf:
        raise ValueError(f"sigma_px must be a positive number of video pixels, got {sigma_px}.")
    for what, size in (("video_size", video_size), ("out_size", out_size)):
        if len(size) != 2 or min(size) <= 0:
            raise ValueError(f"{what} must be (height, width), both positive, got {size}.")


def _check_out(out: NDArray[np.float32] | None, shape: tuple[int, ...]) -> NDArray[np.float32]:
    if out is None:
        return np.empty(shape, np.float32)
    if out.shape != shape or out.dtype != np.float32 or not out.flags.c_contiguous:
        raise ValueError(f"out must be float32 {shape} in one piece, got {out.dtype} {out.shape}.")
    return out


def _check_frames(frame: ArrayLike, n_points: int, n_frames: int) -> NDArray[np.intp]:
    frame = np.atleast_1d(np.asarray(frame))
    if frame.shape != (n_points,):
        raise ValueError(f"Each fixation needs its frame: {n_points} points, frames of shape {frame.shape}.")
    if n_points and not np.issubdtype(frame.dtype, np.integer):
        raise ValueError(f"Frames are integers from 0, got {frame.dtype}.")
    if n_points and (frame.min() < 0 or frame.max() >= n_frames):
        raise ValueError(f"Frames run from {frame.min()} to {frame.max()}, but the video has 0 to {n_frames - 1}.")
    return frame.astype(np.intp)
