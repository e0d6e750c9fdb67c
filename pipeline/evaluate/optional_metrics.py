"""Two more scores that the field asks for now and then: AUC-Borji and the earth mover's distance.

Conventions
-----------
As in `metrics`: maps are [row, column], fixations integer count pictures, NaN a frame without fixations, everything in
float64. A constant map says nothing (AUC 0.5), and as a distribution it is the uniform one.

Source
------
Borji, Tavakoli, Sihite & Itti 2013; Rubner, Tomasi & Guibas 2000; Bylinskii et al. 2019 for both.
"""

from __future__ import annotations

import math

import numpy as np

from pipeline.evaluate.checks import CountsLike, Map, MapLike, checked_counts, checked_map
from pipeline.evaluate.ranks import ranks
from pipeline.evaluate.transport import transport_cost

CELLS = 20  # along the longer side: 0.1 s a frame; 32 take ten times as long and change the third digit


def auc_borji(saliency: MapLike, fixations: CountsLike) -> float:
    """Area under the ROC curve of fixations against all pixels alike, as if drawn without end.

    Of all pairs (fixation, pixel) the share in which the fixation's value is the higher one; ties
    count half. The fixated pixels are among the pixels, unlike in `metrics.auc_judd`.

    The public code draws as many pixels as there are fixations, a hundred times over, reads both at
    thresholds 0.1 of the map's range apart, joins the points by lines and takes the mean. This is what the
    rank area of such draws is on average, without the noise of drawing and without the thresholds, under
    which values less than a step apart are ties. The public code takes a pixel as fixated or not and gives
    NaN for a single fixation; here counts count, and one fixation is scored.

    Parameters
    ----------
    saliency : array_like, shape (height, width)
    fixations : array_like, shape (height, width), integer
        Fixations per pixel.

    Returns
    -------
    score : float
        Between 0 and 1, never quite: a fixation ties with its own pixel. 0.5 is chance and a constant
        map. NaN without fixations. One fixation: the share of all pixels below it, its own half; several
        on one pixel: the same.

    Raises
    ------
    ValueError
        If the shapes differ, the map is not finite, or the fixations are not counts.

    Source
    ------
    Borji, Tavakoli, Sihite & Itti 2013, "Analysis of scores, datasets, and models in visual saliency
    prediction"; Mann & Whitney 1947 for the area.

    Examples
    --------
    Of the nine values 3, 1, 0, 0, 3, 1, 1, 0, 0 the fixated 3 (twice) beats 7 and ties 2, the fixated 1
    beats 4 and ties 3: (8 + 8 + 5.5) / 27.

    >>> saliency = [[3, 1, 0], [0, 3, 1], [1, 0, 0]]
    >>> round(auc_borji(saliency, [[2, 0, 0], [0, 0, 1], [0, 0, 0]]), 6)
    0.796296
    """
    predicted = checked_map(saliency, "saliency")
    hits = checked_counts(fixations, "fixations", predicted.shape)
    if hits.total == 0:
        return math.nan
    lower, equal = ranks(predicted.pixels[hits.pixel], predicted.order)
    return int(np.dot(hits.count, 2 * lower + equal)) / (2 * hits.total * predicted.pixels.size)


def emd(saliency: MapLike, density: MapLike, *, cells: int = CELLS) -> float:
    """Earth mover's distance: how far the map's mass has to be carried, on average, to become the density.

    min Σ f[i, j] d[i, j] over all plans f ≥ 0 that carry p = s / Σs into q = g / Σg, with d the straight
    line between the middles of two cells, in shares of the picture's diagonal. Exact on its grid: a linear
    programme, solved with a proof (`transport`). Shrinking to the grid moves no mass by more than half a
    cell's diagonal, so the score is within one cell's diagonal (0.05 for 20 cells) of the full-size one;
    for maps blurred by a degree the difference is in the third digit.

    The public code shrinks to a 32nd of the size and measures in such cells: multiply by the diagonal in
    cells to compare.

    Parameters
    ----------
    saliency : array_like, shape (height, width)
        Non-negative.
    density : array_like, shape (height, width)
        Fixation density, non-negative.
    cells : int
        Cells along the grid's longer side, ≥ 1; the shorter one keeps the picture's proportions, rounded.
        Maps are shrunk by area to it and never enlarged. The time grows with its fifth or sixth power.

    Returns
    -------
    score : float
        0 .. 1, 0 is perfect; a metric of distributions (symmetric, triangle inequality). NaN if the density
        is all zeros (an empty frame). A constant map is the uniform distribution. One fixation, or several on
        one pixel, give the same density up to its scale, and the same score.

    Raises
    ------
    ValueError
        If the shapes differ, a map is not finite or negative somewhere, or `cells` is below 1.

    Source
    ------
    Rubner, Tomasi & Guibas 2000, "The earth mover's distance as a metric for image retrieval"; Judd, Durand &
    Torralba 2012 and Bylinskii et al. 2019 for saliency maps.

    Examples
    --------
    Half the mass moves by two cells and half by one, on a picture of 1 × 3 with a diagonal of sqrt(10).

    >>> round(emd([[1, 1, 0]], [[0, 0, 2]]) * math.sqrt(10), 6)
    1.5
    """
    predicted = checked_map(saliency, "saliency", lowest=0)
    truth = checked_map(density, "density", predicted.shape, lowest=0)
    if cells < 1:
        raise ValueError(f"The grid has {cells} cells along its longer side, expected at least 1.")
    if truth.high == 0:
        return math.nan
    height, width = predicted.shape
    shrink = min(1.0, cells / max(height, width))
    size = max(1, round(height * shrink)), max(1, round(width * shrink))
    p, q = (_on_grid(each, size) for each in (predicted, truth))
    rows, columns = (
        (np.arange(count) + 0.5) * (length / count) for count, length in zip(size, predicted.shape, strict=True)
    )
    places = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2) / math.hypot(height, width)
    return transport_cost(p, q, places)


def _on_grid(whole: Map, size: tuple[int, int]) -> np.ndarray:
    """The map as shares of its sum, added up over the cells of a grid: a pixel on an edge is divided by area."""
    rows, columns = (_overlaps(length, count) for length, count in zip(whole.shape, size, strict=True))
    return (rows @ whole.share(whole.pixels).reshape(whole.shape) @ columns.T).ravel()


def _overlaps(length: int, count: int) -> np.ndarray:
    """What share of each of `length` pixels lies in each of `count` cells: [count, length]."""
    edges, starts = np.linspace(0, length, count + 1)[:, None], np.arange(length)
    return np.clip(np.minimum(edges[1:], starts + 1) - np.maximum(edges[:-1], starts), 0, None)
