"""Timestamped gaze as one sample per video frame, which is what a `Recording` holds.

Conventions
-----------
Time 0 s is the moment the first picture came on; frame k is on screen from k / rate until (k + 1) / rate. Points are
(x, y) in the release's own gaze space. A reading is one line of a tracker's file; its reason is "" for a fixation,
otherwise why it is none, in the words of `Recording`.

A tracker reads more often than pictures change (60 to 2000 Hz against 24 to 60), so several readings fall on one
frame. They become one sample: a fixation at their median where at least half of them are fixations, otherwise none,
for the reason that most of the others give. Coutrot's databases hold the median of a frame's readings too.

Nothing goes unseen. Every frame of the video has a sample ("missing" where no reading falls on it, as on every second
frame of a tracker of half the rate), and readings before the first or after the last picture are samples on frames
below 0 or from `n_frames` on, "beyond-video".
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from pipeline.corpora.base import Recording
from pipeline.errors import GazeError

FIXATION, MISSING, BEYOND_VIDEO = "", "missing", "beyond-video"
ONSET_TOLERANCE_FRAMES = 1e-6  # 2.3 s × 30/s is 68.99999… in floating point, and belongs to frame 69


def per_frame(
    observer: str,
    time_s: ArrayLike,
    x_px: ArrayLike,
    y_px: ArrayLike,
    reason: ArrayLike,
    *,
    rate: Fraction,
    n_frames: int,
) -> Recording:
    """One observer's readings of one stimulus as a recording; see the module's docstring.

    Parameters
    ----------
    observer : str
    time_s : array_like, shape (n,)
        Of each reading, in any order.
    x_px, y_px : array_like, shape (n,)
        NaN where the tracker gave no position: never a fixation, whatever `reason` says.
    reason : array_like of str, shape (n,)
        "" for a fixation.
    rate : Fraction
        Pictures per second; constant.
    n_frames : int
        Pictures of the video.

    Returns
    -------
    recording : Recording
        Sorted by frame, each frame once; positions are NaN where the sample is no fixation.

    Raises
    ------
    GazeError
        Code "gaze-time" if a reading has no time.

    Examples
    --------
    >>> track = per_frame("o1", [0, 0.01, 0.03, 0.05], [1, 3, 9, 5], [2, 2, 2, 2], ["", "", "blink", ""],
    ...                   rate=Fraction(25), n_frames=3)
    >>> track.frame.tolist(), track.x_px.tolist(), track.reason.tolist()
    ([0, 1, 2], [2.0, 5.0, nan], ['', '', 'missing'])
    """
    time, x, y = (np.asarray(values, dtype=np.float64) for values in (time_s, x_px, y_px))
    if not np.isfinite(time).all():
        n_untimed = int(np.count_nonzero(~np.isfinite(time)))
        message = f"{observer}: {n_untimed} of {time.size} readings have no time."
        raise GazeError(message, remedy="Every line of a gaze file needs its time.", code="gaze-time")
    reading_frame = np.floor(time * float(rate) + ONSET_TOLERANCE_FRAMES).astype(np.int32)
    why_not = np.asarray(reason, dtype=np.str_)
    why_not = np.where((why_not == FIXATION) & ~(np.isfinite(x) & np.isfinite(y)), MISSING, why_not)
    frame = np.union1d(np.arange(n_frames, dtype=np.int32), reading_frame)
    place = np.searchsorted(frame, reading_frame)
    is_fixation, given = _majority(place, why_not, len(frame))
    outside = (frame < 0) | (frame >= n_frames)
    x_frame, y_frame = np.full(len(frame), np.nan), np.full(len(frame), np.nan)
    fixated = (why_not == FIXATION) & is_fixation[place]
    for target, values in ((x_frame, x), (y_frame, y)):
        places, medians = _medians(place[fixated], values[fixated])
        target[places] = medians
    sample_reason = np.select([is_fixation & ~outside, is_fixation], [FIXATION, BEYOND_VIDEO], default=given)
    return Recording(observer, frame, x_frame, y_frame, sample_reason)


def _majority(place: np.ndarray, reason: np.ndarray, n_places: int) -> tuple[np.ndarray, np.ndarray]:
    """For each place: are at least half of its readings fixations, and the commonest reason of the others."""
    words, word = np.unique(np.append(reason, [FIXATION, MISSING]), return_inverse=True)
    counts = np.zeros((n_places, len(words)), dtype=np.int64)
    np.add.at(counts, (place, word[:-2]), 1)
    n_readings, fixation = counts.sum(axis=1), int(np.flatnonzero(words == FIXATION)[0])
    n_fixations = counts[:, fixation].copy()
    counts[:, fixation] = 0
    others = np.where(n_readings == n_fixations, MISSING, words[counts.argmax(axis=1)])
    return (n_fixations > 0) & (2 * n_fixations >= n_readings), others


def _medians(place: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The places that occur, sorted, and the median of each one's values."""
    ordered = values[np.lexsort((values, place))]
    places, first, count = np.unique(np.sort(place), return_index=True, return_counts=True)
    low, high = first + (count - 1) // 2, first + count // 2
    return places, (ordered[low] + ordered[high]) / 2
