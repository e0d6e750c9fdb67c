"""From coordinates on a screen to coordinates in a picture, and from points to count pictures.

Conventions
-----------
Points are (x, y) in pixels, x to the right and y down, from the top left *corner* of the picture:
the middle of the first pixel is (0.5, 0.5). Sizes are (height, width), arrays [row, column].
A point is inside a picture when 0 <= x < width and 0 <= y < height.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.errors import GazeError, did_you_mean
from pipeline.records import Geometry

PLACEMENTS = ("centred", "video")


def screen_to_video(
    x_px: ArrayLike, y_px: ArrayLike, geometry: Geometry, width_px: int, height_px: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Express gaze in pixels of the video instead of pixels of the screen.

    A "centred" video was shown at its own size in the middle of the screen, so both
    coordinates lose half of the margin. The margin follows from the two sizes; it is
    never fitted to the gaze, because where people look is what we want to measure.

    Parameters
    ----------
    x_px, y_px : array_like of float
        Gaze in the space that `geometry.placement` names; NaN stays NaN.
    geometry : Geometry
        How the corpus was shown: "centred" needs the screen's size, "video" is the identity.
    width_px, height_px : int
        The video as shown.

    Returns
    -------
    x, y : ndarray of float64, shapes of the input
        Video pixels; points beside the picture are kept and lie outside [0, width) × [0, height).

    Raises
    ------
    GazeError
        If the placement or the screen is not known, or the video does not fit on the screen.

    Source
    ------
    DIEM: videos at native size, centred on 1280 × 960 (yonidishon/milestones, `run_gazeScale.m`).

    Examples
    --------
    >>> diem = Geometry("diem", "centred", 49.5, screen_width_px=1280, screen_height_px=960)
    >>> x, y = screen_to_video([640, 107], [480, 125], diem, 1066, 710)
    >>> x.tolist(), y.tolist()
    ([533.0, 0.0], [355.0, 0.0])
    """
    left_px, top_px = _margin_px(geometry, width_px, height_px)
    return np.asarray(x_px, dtype=np.float64) - left_px, np.asarray(y_px, dtype=np.float64) - top_px


def _margin_px(geometry: Geometry, width_px: int, height_px: int) -> tuple[float, float]:
    """Screen pixels left of and above the video."""
    row = f"the row '{geometry.corpus}' of manifests/geometry.csv"
    if geometry.placement not in PLACEMENTS:
        raise GazeError(
            f"{geometry.corpus}: unknown placement {geometry.placement!r}.",
            remedy=f"Correct {row}. {did_you_mean(geometry.placement, PLACEMENTS)}",
            code="unknown-placement",
        )
    if geometry.placement == "video":
        return 0.0, 0.0
    if not geometry.screen_width_px or not geometry.screen_height_px:
        raise GazeError(
            f"{geometry.corpus}: a centred video needs the size of the screen, which is not known.",
            remedy=f"Fill screen_width_px and screen_height_px in {row}.",
            code="unknown-screen",
        )
    if width_px > geometry.screen_width_px or height_px > geometry.screen_height_px:
        raise GazeError(
            f"{geometry.corpus}: a video of {width_px} x {height_px} px (width x height) does not fit on the screen "
            f"of {geometry.screen_width_px} x {geometry.screen_height_px} px, yet it was shown at its own size.",
            remedy=f"See whether width and height were exchanged, or correct {row}.",
            code="video-larger-than-screen",
        )
    return (geometry.screen_width_px - width_px) / 2, (geometry.screen_height_px - height_px) / 2


def inside_picture(x_px: ArrayLike, y_px: ArrayLike, width_px: float, height_px: float) -> NDArray[np.bool_]:
    """Which points lie in the picture; NaN lies nowhere.

    Examples
    --------
    >>> inside_picture([0, 9.9, 10, -0.1, float("nan")], [0, 4.9, 4, 2, 2], 10, 5).tolist()
    [True, True, False, False, False]
    """
    x, y = np.asarray(x_px), np.asarray(y_px)
    return (x >= 0) & (x < width_px) & (y >= 0) & (y < height_px)


def fixation_counts(
    x_px: ArrayLike, y_px: ArrayLike, video_size: tuple[int, int], out_size: tuple[int, int]
) -> NDArray[np.int32]:
    """Count the fixations in each cell of a picture of any size.

    The *points* are scaled, not a full-size picture of them, so every fixation is
    counted once at every size and the counts add up to the number of points.

    Parameters
    ----------
    x_px, y_px : array_like, shape (n,)
        Fixation points in video pixels, all inside the picture.
    video_size, out_size : (height, width)
        Of the video and of the count picture.

    Returns
    -------
    counts : ndarray, shape out_size, int32

    Raises
    ------
    ValueError
        If a point is outside the picture (or NaN), or a size is not positive.

    Examples
    --------
    >>> fixation_counts([0.5, 7.9, 7.2], [0.5, 3.9, 2.0], (4, 8), (2, 4)).tolist()
    [[1, 0, 0, 0], [0, 0, 0, 2]]
    """
    (height, width), (rows, columns) = video_size, out_size
    if min(height, width, rows, columns) <= 0:
        raise ValueError(f"Sizes must be positive (height, width), got video {video_size} and output {out_size}.")
    x = np.atleast_1d(np.asarray(x_px, dtype=np.float64))
    y = np.atleast_1d(np.asarray(y_px, dtype=np.float64))
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"x and y must be one list each, equally long; got shapes {x.shape} and {y.shape}.")
    inside = inside_picture(x, y, width, height)
    if not inside.all():
        raise ValueError(
            f"{int((~inside).sum())} of {x.size} points are outside a picture of {width} x {height} px. "
            "Drop (and account for) them with inside_picture first."
        )
    # A point a rounding error before the far edge may scale onto it; it belongs to the last cell.
    column = np.minimum((x * (columns / width)).astype(np.intp), columns - 1)
    row = np.minimum((y * (rows / height)).astype(np.intp), rows - 1)
    counts = np.bincount(row * columns + column, minlength=rows * columns)
    return counts.reshape(rows, columns).astype(np.int32)
