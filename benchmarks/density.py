"""Density maps of a video beside SciPy: fixation pictures blurred at full size, then, where asked, resized by area."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import ndtr

from benchmarks.harness import Asked, Case, Disagreement, Peer, Row, Target, measure
from pipeline.signals.density import density_maps

Points = Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]]  # x and y of each frame's fixations

VIDEO, SIGMA_PX = (720, 1280), 40.0
LARGEST_ERROR = 1e-6  # of the map's peak
# size of the map, fixations, at least so many times SciPy's speed
CASES = [(VIDEO, 60, 150.0), (VIDEO, 220, 45.0), ((256, 320), 60, 1500.0), ((32, 40), 60, None)]


def rows(asked: Asked) -> Iterator[Row]:
    """A row for each size and number of fixations."""
    for size, n_fixations, target in CASES:
        yield from measure("density", case(size, n_fixations, 4 if asked.quick else 16, target), asked.rounds)


def case(size: tuple[int, int], n_fixations: int, n_frames: int, target: float | None) -> Case:
    """Ours and SciPy's maps of the same fixations, which lie in the middle of their pixels: SciPy knows no others."""
    rng = np.random.default_rng(n_fixations)
    frame = np.repeat(np.arange(n_frames), n_fixations)
    y_px, x_px = (rng.integers(0, length, frame.size) + 0.5 for length in VIDEO)
    maps = np.empty((n_frames, *size), np.float32)  # used again, as a build does
    sizes: dict[str, Any] = {"video_size": VIDEO, "out_size": size, "sigma_px": SIGMA_PX}
    ours = partial(density_maps, frame, x_px, y_px, n_frames, **sizes, out=maps)
    points = list(zip(np.split(x_px, n_frames), np.split(y_px, n_frames), strict=True))
    peer = Peer(partial(blurred, points, size), target=None if target is None else Target(target))
    return Case(
        what=f"{size[0]} x {size[1]}, N = {n_fixations}",
        ours=ours,
        peers={"scipy gaussian_filter" + (", area" if size != VIDEO else ""): peer},
        agree=partial(agree, exact(*points[0], size)),
        unit="ms/frame",
        work=n_frames,
    )


def blurred(points: Points, size: tuple[int, int]) -> NDArray[np.float64]:
    """The usual way: count fixations, blur without mirroring at the border, average over cells, divide by the sum."""
    maps = np.empty((len(points), *size))
    for k, (x_px, y_px) in enumerate(points):
        counts = np.zeros(VIDEO)
        np.add.at(counts, (y_px.astype(int), x_px.astype(int)), 1)
        maps[k] = by_area(ndimage.gaussian_filter(counts, SIGMA_PX, mode="constant"), size)
        maps[k] /= maps[k].sum()
    return maps


def by_area(picture: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
    """Mean over the part of a picture that each cell covers, shares of pixels included."""
    if picture.shape == size:
        return picture
    down, across = (overlaps(length, cells) for length, cells in zip(picture.shape, size, strict=True))
    return down @ picture @ across.T


def overlaps(length_px: int, cells: int) -> NDArray[np.float64]:
    """How much of each pixel lies in each cell, [cell, pixel]."""
    edges = np.linspace(0, length_px, cells + 1)
    pixel = np.arange(length_px)
    return np.clip(np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel), 0, 1)


def exact(x_px: NDArray[np.float64], y_px: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
    """The Gaussians' integral over each cell by the error function, in float64, one point at a time."""
    total = np.zeros(size)
    down, across = (np.linspace(0, length, cells + 1) for length, cells in zip(VIDEO, size, strict=True))
    for x, y in zip(x_px, y_px, strict=True):
        total += np.outer(np.diff(ndtr((down - y) / SIGMA_PX)), np.diff(ndtr((across - x) / SIGMA_PX)))
    return total / total.sum()


def agree(truth: NDArray[np.float64], made: Mapping[str, Any]) -> str:
    """Of the first map: ours within 1e-6 of the peak, SciPy, which stops at four sigma, within a thousandth."""
    errors = {name: float(np.abs(maps[0] - truth).max() / truth.max()) for name, maps in made.items()}
    for name, error in errors.items():
        if not error <= (LARGEST_ERROR if name == "ours" else 1e-3):
            raise Disagreement(f"{name} is {error:.1e} of the peak away from the exact integral.")
    return ", ".join(f"{name.split()[0]} off by {error:.0e}" for name, error in errors.items())
