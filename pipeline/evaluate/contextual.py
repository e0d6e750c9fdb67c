"""Contextual NSS: does a saliency map know where people look at sound sources, and where they look elsewhere?

Conventions
-----------
Points are (x, y) in video pixels, maps [row, column], sizes (height, width). A box is x, y, width, height in video
pixels, (x, y) its upper left corner; it holds the points with x <= point < x + width, and likewise y. Frames count from
0. The map is standardised over the whole picture (mean 0, population deviation 1) for both halves alike: the number of
a half says how far above the picture's mean the map is where people looked *there*, and the two halves, weighted by
their fixations, make the NSS of the frame. The point decides which half it is in, not the map's cell it falls into.

A frame is scored that was annotated, shows a sound source and has a map. Frames without a source are left out of both
halves: outside of nothing is the plain NSS, and would compare other frames inside than outside. What is not scored is
counted. Averages are over the scored frames of a video, then over videos.

Source
------
Comparing inside and outside of annotated sound sources is the idea of Tavakoli, Borji, Rahtu & Kannala 2019 (DAVE,
arXiv 1905.10693, "contextual analysis … over the location of sound source"). We know of no published code of it, so
what is standardised over which part of the picture, and how it is averaged, is ours.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from pipeline.evaluate.metrics import nss
from pipeline.evaluate.truth import Truth
from pipeline.signals.gaze import fixation_counts


class Source(Protocol):
    """Whatever gives maps: a run of ours, a stranger's folder, a baseline."""

    def read(self, stimulus: str) -> Iterator[tuple[int, NDArray]]:
        """Frame and map, one after another, in the order of frames."""
        ...


WHERE = ("inside", "outside")
NO_ANNOTATION, NO_SOURCE, NO_MAP = "no annotation", "no source on screen", "no map"  # why a frame is not scored

Boxes = Mapping[tuple[str, int], ArrayLike]  # (stimulus, frame) -> [n, 4]; n = 0: looked at, no source on screen


def contextual_nss(
    saliency: ArrayLike, x_px: ArrayLike, y_px: ArrayLike, video_size: tuple[int, int], boxes: ArrayLike
) -> tuple[float, float]:
    """NSS of the fixations inside, and of those outside some boxes.

    Parameters
    ----------
    saliency : array_like, shape (height, width)
        Of any size and scale.
    x_px, y_px : array_like, shape (n,)
        Fixations of one frame, video px, inside the picture.
    video_size : (height, width)
    boxes : array_like, shape (m, 4)
        x, y, width, height in video px; they may overlap, a point in several counts once.

    Returns
    -------
    inside, outside : float
        In standard deviations of the map, 0 is chance; NaN for a half without fixations, 0 for a constant map.

    Raises
    ------
    ValueError
        As `metrics.nss` and `fixation_counts`, or if the boxes are not [m, 4].

    Examples
    --------
    The map of `metrics.nss`, mean 1 and deviation 1.1547; in the box one fixation on a 3, outside one on a 3 and
    one on a 1.

    >>> saliency = [[3, 1, 0], [0, 3, 1], [1, 0, 0]]
    >>> inside, outside = contextual_nss(saliency, [0.5, 1.5, 2.5], [0.5, 1.5, 1.5], (3, 3), [[0, 0, 1, 1]])
    >>> round(inside, 6), round(outside, 6)
    (1.732051, 0.866025)
    """
    x, y = np.atleast_1d(np.asarray(x_px, np.float64)), np.atleast_1d(np.asarray(y_px, np.float64))
    size = np.asarray(saliency).shape
    if len(size) != 2:
        raise ValueError(f"The saliency map must be [row, column], got shape {size}.")
    within = in_boxes(x, y, boxes)
    inside, outside = (
        nss(saliency, fixation_counts(x[half], y[half], video_size, (size[0], size[1]))) for half in (within, ~within)
    )
    return inside, outside


def in_boxes(x_px: NDArray, y_px: NDArray, boxes: ArrayLike) -> NDArray[np.bool_]:
    """Whether each point is in at least one box, shape (n,).

    Raises
    ------
    ValueError
        If the boxes are not [m, 4], or one is not finite or has no area.
    """
    corners = np.asarray(boxes, np.float64)
    corners = corners.reshape(0, 4) if corners.size == 0 else corners
    if corners.ndim != 2 or corners.shape[1] != 4 or not (np.isfinite(corners).all() and (corners[:, 2:] > 0).all()):
        raise ValueError(
            f"Boxes are rows of x, y, width, height, finite and with an area; got {np.asarray(boxes).tolist()}."
        )
    left, top, width, height = corners.T[:, :, None]
    across = (left <= x_px) & (x_px < left + width)
    return (across & (top <= y_px) & (y_px < top + height)).any(axis=0)


def contextual_rows(run: str, maps: Source, truths: Iterable[Truth], boxes: Boxes) -> pd.DataFrame:
    """Contextual NSS of a run, frame by frame.

    Parameters
    ----------
    run : str
        Its name.
    maps : Source
        `maps.read(stimulus)` yields (frame, map).
    truths : iterable of Truth
        The videos to score.
    boxes : mapping of (stimulus, frame) to array_like, shape (n, 4)
        The sound sources of each annotated frame, see `annotate.boxes.source_boxes`.

    Returns
    -------
    DataFrame
        Two rows a frame: run, stimulus, frame, where, n_fixations, nss (NaN where there is no score) and note (null,
        or why the frame is not scored).
    """
    rows = [row for truth in truths for row in _video_rows(maps, truth, boxes)]
    table = pd.DataFrame(rows, columns=["stimulus", "frame", "where", "n_fixations", "nss", "note"])
    table.insert(0, "run", run)
    return table


def contextual_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Average rows of one or several runs: per video, then over videos.

    Parameters
    ----------
    rows : DataFrame
        As `contextual_rows` gives them.

    Returns
    -------
    DataFrame
        Two rows a run, inside before outside: run, where, mean (NaN where nothing is scored), videos and frames that
        are scored, and the counts of frames that are not: without_fixations (in this half), without_map,
        without_source, without_annotation.
    """
    table = [
        _average(run, where, own[own["where"] == where])
        for run, own in rows.groupby("run", sort=False)
        for where in WHERE
    ]
    columns = ["run", "where", "mean", "videos", "frames", *_COUNTED]
    return pd.DataFrame(table, columns=columns)


def contextual_scores(maps: Mapping[str, Source], truths: Iterable[Truth], boxes: Boxes) -> pd.DataFrame:
    """The table of `contextual_table` for several runs at once; `maps` leads from a run's name to its maps."""
    videos = list(truths)
    return contextual_table(
        pd.concat([contextual_rows(run, source, videos, boxes) for run, source in maps.items()], ignore_index=True)
    )


_COUNTED = {
    "without_fixations": None,
    "without_map": NO_MAP,
    "without_source": NO_SOURCE,
    "without_annotation": NO_ANNOTATION,
}


def _average(run: Any, where: str, own: pd.DataFrame) -> dict[str, Any]:
    scored = own[own["nss"].notna()]
    counts = {name: int((own["note"] == note).sum()) for name, note in _COUNTED.items() if note}
    means = scored.groupby("stimulus")["nss"].mean()
    blind = int((own["note"].isna() & own["nss"].isna()).sum())
    head = {"run": run, "where": where, "mean": float(means.mean()) if len(means) else math.nan}
    return {**head, "videos": len(means), "frames": len(scored), "without_fixations": blind, **counts}


def _video_rows(maps: Source, truth: Truth, boxes: Boxes) -> Iterator[tuple[Any, ...]]:
    """Rows of one video; its maps are read once, and not at all where none is needed."""
    sources = {
        frame: found
        for frame in range(truth.n_frames)
        if (found := boxes.get((truth.stimulus, frame))) is not None and np.size(found)
    }
    scores = {}
    for frame, saliency in maps.read(truth.stimulus) if sources else ():
        if frame in sources:
            scores[frame] = contextual_nss(saliency, *truth.points(frame), truth.size_px, sources[frame])
    for frame in range(truth.n_frames):
        note = None if frame in scores else _why_not(truth.stimulus, frame, boxes)
        x_px, y_px = truth.points(frame)
        n_within = int(in_boxes(x_px, y_px, sources.get(frame, ())).sum())
        found = scores.get(frame, (math.nan, math.nan))
        for where, n_fixations, score in zip(WHERE, (n_within, x_px.size - n_within), found, strict=True):
            yield truth.stimulus, frame, where, n_fixations, score, note


def _why_not(stimulus: str, frame: int, boxes: Boxes) -> str:
    if (stimulus, frame) not in boxes:
        return NO_ANNOTATION
    return NO_MAP if np.size(boxes[stimulus, frame]) else NO_SOURCE
