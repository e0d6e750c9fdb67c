"""What a frame's fixations are held against in the shuffled AUC: fixations made elsewhere.

Conventions
-----------
Count pictures of the size a frame is scored at. Points are moved to the same relative position, never a picture of
them. "Elsewhere" is among the stimuli given, the split that is scored. Pools are added up once; what belongs to the
frame or video in hand is taken off again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from pipeline.evaluate.truth import Truth

OTHER_VIDEOS, SAME_VIDEO, TEN_FRAMES, TEN_VIDEOS, NONE = "other videos", "same video", "ten frames", "ten videos", ""
KINDS = {
    OTHER_VIDEOS: "all fixations of all other videos of the split, each as often as it was made",
    SAME_VIDEO: "every pixel fixated in another frame of the same video and not in this one",
    TEN_FRAMES: "pixels fixated in ten frames drawn from the whole split, this frame and video among them",
    TEN_VIDEOS: "pixels fixated in one drawn frame of each of ten other videos of the split",
    NONE: "none",
}
DRAWN = 10  # as Borji has it, says AUC_shuffled.m

Counts = NDArray[np.int32]


class Negatives:
    """Negatives of one kind for the frames of a split.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    truths : sequence of Truth
        The split.
    """

    def __init__(self, kind: str, truths: Sequence[Truth]):
        self.kind = kind
        self._by_name = {truth.stimulus: truth for truth in truths}
        self._all = list(self._by_name.values())
        self._first_frame = np.cumsum([0, *(truth.n_frames for truth in self._all)])
        self._pools: dict[tuple[int, int], Counts] = {}
        self._frames: dict[str, NDArray[np.int32]] = {}
        self._own: tuple[object, tuple[int, int], Counts] | None = None

    def of(self, truth: Truth, frame: int, fixations: Counts, draw: Generator) -> Counts | None:
        """Negatives of one frame.

        Parameters
        ----------
        truth : Truth
            Its video; need not be one of the split's, and may be some of its observers only.
        frame : int
        fixations : ndarray, shape (height, width)
            The frame's count picture.
        draw : Generator
            For the kinds that draw.

        Returns
        -------
        negatives : ndarray, shape (height, width), or None
            All zeros where there are no other videos; None for the kind that has none.
        """
        size = fixations.shape
        if self.kind == OTHER_VIDEOS:
            own = self._by_name.get(truth.stimulus)
            return self.pool(size) - self._counts(own, size) if own else self.pool(size)
        if self.kind == SAME_VIDEO:
            return np.where(fixations > 0, 0, self._counts(truth, size))
        if self.kind == TEN_FRAMES:
            return self._of_frames(size, draw)
        if self.kind == TEN_VIDEOS:
            return self._of_videos(truth, size, draw)
        return None

    def pool(self, size: tuple[int, int]) -> Counts:
        """Fixations of the whole split at a size, added up once."""
        if size not in self._pools:
            pool = np.zeros(size, np.int32)
            for truth in self._all:
                pool += truth.all_counts(size)
            self._pools[size] = pool
        return self._pools[size]

    def _counts(self, truth: Truth, size: tuple[int, int]) -> Counts:
        """All fixations of one video; the last is kept, because frames come video by video."""
        if self._own is None or self._own[0] is not truth or self._own[1] != size:
            self._own = (truth, size, truth.all_counts(size))
        return self._own[2]

    def _of_frames(self, size: tuple[int, int], draw: Generator) -> Counts:
        """As evaluationFunc.m of DHF1K scales them: x by the ratio of the heights and y by that of the widths."""
        negatives = np.zeros(size, np.int32)
        n_frames = int(self._first_frame[-1])
        for number in draw.choice(n_frames, min(DRAWN, n_frames), replace=False):
            video = int(np.searchsorted(self._first_frame, number, side="right")) - 1
            other = self._all[video]
            row, column = np.nonzero(other.counts(int(number - self._first_frame[video]), other.size_px))
            ratio = np.divide(size, other.size_px)
            column, row = (
                np.floor((pixel + 1) * by + 0.5).astype(int) - 1 for pixel, by in zip((column, row), ratio, strict=True)
            )
            inside = (row >= 0) & (column >= 0) & (row < size[0]) & (column < size[1])
            negatives[row[inside], column[inside]] = 1
        return negatives

    def _of_videos(self, truth: Truth, size: tuple[int, int], draw: Generator) -> Counts:
        negatives = np.zeros(size, np.int32)
        numbers = draw.choice(len(self._all), min(DRAWN + 1, len(self._all)), replace=False)  # one may be this video
        others = [self._all[number] for number in numbers if self._all[number].stimulus != truth.stimulus]
        for other in others[:DRAWN]:
            if other.frame.size:
                negatives |= other.counts(int(draw.choice(self._seen(other))), size) > 0
        return negatives

    def _seen(self, truth: Truth) -> NDArray[np.int32]:
        """Frames of a video that have fixations."""
        if truth.stimulus not in self._frames:
            self._frames[truth.stimulus] = np.unique(truth.frame)
        return self._frames[truth.stimulus]
