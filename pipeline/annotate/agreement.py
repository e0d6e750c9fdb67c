"""How far two annotators agree: the overlap of what they boxed, frame by frame.

Conventions
-----------
Annotations as in `boxes`. What counts is the area that a frame's boxes cover together: how somebody divides a source
into boxes makes no difference, and area that two boxes share counts once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.annotate.boxes import Box, source_boxes

if TYPE_CHECKING:
    import pandas as pd


def agreement(
    one: Mapping[tuple[str, int], Collection[Box]],
    other: Mapping[tuple[str, int], Collection[Box]],
    sounding: Collection[str] = ("yes",),
) -> pd.DataFrame:
    """Overlap of two annotators in each frame that both looked at.

    Parameters
    ----------
    one, other : mapping of (stimulus, frame) to boxes
    sounding : collection of str
        Boxes in these states count.

    Returns
    -------
    DataFrame
        stimulus, frame, boxes_one, boxes_other, iou (0 .. 1), sorted.
    """
    import pandas as pd

    boxes = source_boxes(one, sounding), source_boxes(other, sounding)
    rows = [
        (*key, len(boxes[0][key]), len(boxes[1][key]), intersection_over_union(boxes[0][key], boxes[1][key]))
        for key in sorted(boxes[0].keys() & boxes[1].keys())
    ]
    return pd.DataFrame(rows, columns=["stimulus", "frame", "boxes_one", "boxes_other", "iou"])


def intersection_over_union(one: ArrayLike, other: ArrayLike) -> float:
    """Area that both sets of boxes cover, divided by the area that at least one covers.

    Parameters
    ----------
    one, other : array_like, shape (n, 4)
        x, y, width, height; n may be 0.

    Returns
    -------
    iou : float
        0 .. 1; 1 where neither covers anything: both say that there is no source.

    Examples
    --------
    Two squares of 2 px, shifted by 1 px: they share 2 of 6.

    >>> round(intersection_over_union([[0, 0, 2, 2]], [[1, 0, 2, 2]]), 6)
    0.333333
    """
    sets = [np.asarray(boxes, np.float64).reshape(-1, 4) for boxes in (one, other)]
    everything = np.concatenate(sets)
    x = np.unique(np.concatenate([everything[:, 0], everything[:, 0] + everything[:, 2]]))
    y = np.unique(np.concatenate([everything[:, 1], everything[:, 1] + everything[:, 3]]))
    first, second = (_covered(boxes, x, y) for boxes in sets)
    area = np.outer(np.diff(y), np.diff(x))
    union = float(area[first | second].sum())
    return float(area[first & second].sum()) / union if union else 1.0


def _covered(boxes: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which cells [row, column] of the grid of all edges a set of boxes covers."""
    covered = np.zeros((max(y.size - 1, 0), max(x.size - 1, 0)), bool)
    for left, top, width, height in boxes:
        rows = slice(*np.searchsorted(y, (top, top + height)))
        covered[rows, slice(*np.searchsorted(x, (left, left + width)))] = True
    return covered
