"""Baselines that never look at the picture: the same map for every frame of a video.

Conventions
-----------
As in `registry`. Inside the training split a mean eye position leaves out the video whose map it gives; otherwise the
video would help to predict itself.

Source
------
Tavakoli et al. 2020, sec. IV (mean eye position, "MEP"); Judd, Durand & Torralba 2012 (the centre map).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import AveError
from pipeline.evaluate.baselines.still import centre_gaussian, mep_of, no_fixations, spread_about_centre, uniform
from pipeline.evaluate.truth import Truth

Map = NDArray[np.float64]


class Uniform:
    """Every cell alike."""

    name = "uniform"
    said = "uniform: every cell alike."

    def fit(self, train: Sequence[Truth], size: tuple[int, int]) -> None:
        """Only the size counts."""
        self._map = uniform(size)

    def map(self, truth: Truth, frame: int) -> Map:
        """The same for all."""
        return self._map


class Centre:
    """A Gaussian in the middle, as wide and as high as the training split's mean eye position."""

    name = "centre"
    _spread = (float("nan"), float("nan"))

    @property
    def said(self) -> str:
        """With the two standard deviations."""
        rows, columns = self._spread
        return (
            f"centre: a Gaussian in the middle, fitted on train (standard deviation {rows:.3f} of the height, "
            f"{columns:.3f} of the width); videos of train are not left out."
        )

    def fit(self, train: Sequence[Truth], size: tuple[int, int]) -> None:
        """Take the spread of the mean eye position about the middle.

        Raises
        ------
        AveError
            If no frame of the split has a fixation.
        """
        self._spread = spread_about_centre(mep_of(train, size))
        self._map = centre_gaussian(size, self._spread)

    def map(self, truth: Truth, frame: int) -> Map:
        """The same for all."""
        return self._map


@dataclass
class _Group:
    """Sum of the mean maps of some videos, and how many they are."""

    total: Map
    videos: int = 0

    def add(self, own: Map) -> None:
        self.total = self.total + own
        self.videos += 1

    def without(self, own: Map | None) -> Map | None:
        """Mean over the videos, `own` left out; None where no other is left."""
        if self.videos - (own is not None) < 1:
            return None
        rest = self.total if own is None else np.maximum(self.total - own, 0)  # a rounding error may be negative
        return rest / rest.sum()


class EyePosition:
    """Mean eye position of the training split, or of its videos of the same category or corpus.

    Parameters
    ----------
    by : str
        "category", "corpus", or "" for all videos together.
    """

    def __init__(self, by: str = ""):
        self.by = by
        self.name = f"mep-{by}" if by else "mep"
        self._own: dict[str, Map] = {}
        self._groups: dict[str, _Group] = {}
        self._fallen: set[str] = set()

    @property
    def said(self) -> str:
        """What was averaged, over how many videos, and which groups had to do with the mean of all."""
        what = "mean eye position of the training split, per frame, then per video, then over"
        sentence = f"{self.name}: {what} {len(self._own)} videos; a video of train is left out of its own map."
        if self.by:
            sizes = ", ".join(f"{name} {self._groups[name].videos}" for name in sorted(self._groups))
            sentence = sentence[:-1] + f"; videos of the same {self.by} only ({sizes})."
        if self._fallen:
            found = ", ".join(sorted(self._fallen))
            sentence += f" No other video of {self.by} {found} is in train, so the mean of all stands there."
        return sentence

    def fit(self, train: Sequence[Truth], size: tuple[int, int]) -> None:
        """Average the training split.

        Raises
        ------
        AveError
            If no frame of the split has a fixation.
        """
        self._own, self._groups, self._fallen = {}, {}, set()
        self._all = _Group(np.zeros(size))
        for truth in train:
            own = truth.mean_density(size)
            if own.any():
                self._own[truth.stimulus] = own
                self._all.add(own)
                self._groups.setdefault(self._group(truth), _Group(np.zeros(size))).add(own)
        if not self._own:
            raise no_fixations()
        self._last: tuple[tuple[str, str], Map] | None = None

    def map(self, truth: Truth, frame: int) -> Map:
        """The same for all frames of a video.

        Raises
        ------
        AveError
            If the video is the only one of train that has fixations.
        """
        key = (truth.stimulus, self._group(truth))
        if self._last is None or self._last[0] != key:
            self._last = (key, self._mean(truth))
        return self._last[1]

    def _group(self, truth: Truth) -> str:
        return getattr(truth, self.by) if self.by else ""

    def _mean(self, truth: Truth) -> Map:
        own, group = self._own.get(truth.stimulus), self._groups.get(self._group(truth))
        mean = group.without(own) if group else None
        if mean is None and self.by:
            self._fallen.add(self._group(truth))
            mean = self._all.without(own)
        if mean is None:
            raise AveError(
                f"{truth.stimulus} is the only video of train with fixations; left out of its own mean eye position, "
                "it leaves nothing to average.",
                remedy="Score another split, or build more videos of train.",
                code="no-training-fixations",
            )
        return mean
