"""Looks at the maps of one stimulus as they pass by, and keeps what is to be said of them.

Conventions
-----------
Sizes are (height, width), frames count from 0. Two numbers are made of each map, its lowest and its highest value.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Sequence

from numpy.typing import NDArray

from pipeline.evaluate.maps.finding import Finding, of_frames

SAME_ASPECT = 0.05  # relative difference of proportions that rounding a size may make; 32 × 40 for 576 × 720 is 0


class Inspection:
    """What there is to say of one stimulus's maps.

    Parameters
    ----------
    stimulus : str
    n_frames : int
        Of the video.
    size_px : (int, int), optional
        Of the video; without it, proportions are nobody's business.
    """

    def __init__(self, stimulus: str, n_frames: int, size_px: tuple[int, int] | None):
        self.stimulus, self._n_frames, self._size_px = stimulus, n_frames, size_px
        self._seen: list[int] = []
        self._expected: Sequence[int] = ()
        self._of_size: dict[tuple[int, int], list[int]] = defaultdict(list)
        self._frames: dict[str, list[int]] = defaultdict(list)
        self._unreadable: list[Finding] = []

    def takes(self, frame: int) -> bool:
        """Whether the frame is one of the video, and this its first map; the reason is noted where it is not."""
        outside = "before" if frame < 0 else "beyond" if frame >= self._n_frames else ""
        kind = "set-aside" if self._seen[-1:] == [frame] else outside
        if kind:
            self._frames[kind].append(frame)
        self._seen.append(frame)
        return not kind

    def look(self, frame: int, saliency: NDArray, in_colour: bool = False) -> None:
        """Note what is remarkable about one map."""
        self._of_size[saliency.shape[:2]].append(frame)
        low, high = float(saliency.min()), float(saliency.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            self._frames["not-finite"].append(frame)
        elif low == high:
            self._frames["constant"].append(frame)
        if low < 0:
            self._frames["negative"].append(frame)
        if in_colour:
            self._frames["colour"].append(frame)

    def cannot_read(self, frame: int | None, why: str) -> None:
        """Note a map, or with None a whole file, that could not be read."""
        self._unreadable.append(Finding("unreadable", self.stimulus, frame, why))

    def close(self, expected: Sequence[int]) -> None:
        """All maps have been looked at: of those expected, the others are missing."""
        self._expected = expected

    def findings(self) -> list[Finding]:
        """Everything noticed so far."""
        missing = sorted(set(self._expected) - set(self._seen))
        noted = {
            "missing": f"no map (of {len(self._expected)} expected)",
            "beyond": f"the last annotated frame is {self._n_frames - 1}",
            "before": "numbered before the first frame",
            "not-finite": "NaN or infinite values",
            "negative": "negative values",
            "constant": "one value everywhere",
            "colour": "in colour, turned to grey",
            "set-aside": "a second map, not read",
        }
        frames = {**self._frames, "missing": missing}
        of_kinds = [of_frames(kind, self.stimulus, frames.get(kind, []), words) for kind, words in noted.items()]
        return [*self._unreadable, *itertools.chain(*of_kinds), *self._sizes()]

    def _sizes(self) -> list[Finding]:
        if not self._of_size:
            return []
        usual = max(self._of_size, key=lambda size: len(self._of_size[size]))
        found = []
        for size, frames in self._of_size.items():
            if size != usual:
                what = f"{_words(size)}, the other maps are {_words(usual)}"
                found += of_frames("mixed-sizes", self.stimulus, frames, what)
            if self._size_px and (kind := misfit(size, self._size_px)):
                what = f"{_words(size)}, the video is {_words(self._size_px)}"
                found += of_frames(kind, self.stimulus, frames, what)
        return found


def misfit(size: tuple[int, int], size_px: tuple[int, int]) -> str:
    """The kind of finding that a map's proportions are, empty where they are the video's to within a pixel's rounding.

    Examples
    --------
    >>> misfit((320, 256), (256, 320)), misfit((480, 640), (720, 1280)), misfit((32, 40), (256, 320))
    ('transposed', 'aspect', '')
    """
    if size_px[0] == 0 or size_px[1] == 0 or _close(size, size_px):
        return ""
    return "transposed" if _close(size[::-1], size_px) else "aspect"


def _close(size: Sequence[int], size_px: Sequence[int]) -> bool:
    return abs(size[0] * size_px[1] / (size[1] * size_px[0]) - 1) <= SAME_ASPECT + 1 / min(size)


def _words(size: tuple[int, int]) -> str:
    return f"{size[0]} × {size[1]} (height × width)"
