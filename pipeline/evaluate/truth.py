"""Where people looked: the ground truth of one stimulus, at any size, for any part of its observers.

Conventions
-----------
Points are (x, y) in video pixels, arrays [row, col], sizes (height, width). Frames count from 0. Observers are
numbers into `observers`. Points are scaled, never a picture of them: counts add up to the points at every size.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.corpus import Corpus, Stimulus
from pipeline.export.reader import ShardSet
from pipeline.signals.density import density_map, mean_density
from pipeline.signals.gaze import fixation_counts


@dataclass(frozen=True)
class Truth:
    """Fixations of one stimulus, sorted by frame then observer.

    Attributes
    ----------
    stimulus, corpus, category, split : str
        As in `stimuli.parquet`.
    n_frames : int
    rate : Fraction
        Frames per second.
    size_px : (int, int)
        Height and width of the video.
    px_per_dva : float
        Video pixels per degree.
    observers : tuple of str
        Their ids, sorted.
    frame, observer : ndarray, shape (n,), int32
    x_px, y_px : ndarray, shape (n,), float32
    """

    stimulus: str
    corpus: str
    category: str
    split: str
    n_frames: int
    rate: Fraction
    size_px: tuple[int, int]
    px_per_dva: float
    observers: tuple[str, ...]
    frame: NDArray[np.int32]
    observer: NDArray[np.int32]
    x_px: NDArray[np.float32]
    y_px: NDArray[np.float32]

    def points(self, frame: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """x and y of the fixations of one frame.

        Raises
        ------
        IndexError
            If the stimulus has no such frame.
        """
        if not 0 <= frame < self.n_frames:
            raise IndexError(f"{self.stimulus}: frame {frame} asked for, it has [0, {self.n_frames})")
        here = slice(*self._starts[frame : frame + 2])
        return self.x_px[here], self.y_px[here]

    def n_fixations(self, frame: int) -> int:
        """How many fixations a frame has."""
        return self.points(frame)[0].size

    def counts(self, frame: int, size: tuple[int, int]) -> NDArray[np.int32]:
        """Fixation count picture of one frame at a size."""
        return fixation_counts(*self.points(frame), self.size_px, size)

    def all_counts(self, size: tuple[int, int]) -> NDArray[np.int32]:
        """Fixation count picture of all frames together."""
        return fixation_counts(self.x_px, self.y_px, self.size_px, size)

    def density(self, frame: int, size: tuple[int, int], sigma_dva: float = 1.0) -> NDArray[np.float32]:
        """Fixation density map of one frame at a size; sums to 1, or is all zeros where nobody fixates."""
        sigma_px = self.px_per_dva * sigma_dva
        return density_map(*self.points(frame), video_size=self.size_px, out_size=size, sigma_px=sigma_px)

    def mean_density(self, size: tuple[int, int], sigma_dva: float = 1.0) -> NDArray[np.float64]:
        """Mean of the density maps over all frames with fixations; all zeros where there is none. Read only.

        It is kept, one map a size, because every baseline that is fitted asks for it.
        """
        if (size, sigma_dva) not in self._means:
            points, sigma_px = (self.frame, self.x_px, self.y_px), self.px_per_dva * sigma_dva
            mean = mean_density(*points, video_size=self.size_px, out_size=size, sigma_px=sigma_px)
            mean.flags.writeable = False
            self._means[size, sigma_dva] = mean
        return self._means[size, sigma_dva]

    def of_observers(self, numbers: Collection[int]) -> Truth:
        """The same stimulus as only these observers saw it; their numbers and names stay."""
        own = np.isin(self.observer, np.fromiter(numbers, np.int32))
        return replace(
            self, frame=self.frame[own], observer=self.observer[own], x_px=self.x_px[own], y_px=self.y_px[own]
        )

    @cached_property
    def _starts(self) -> NDArray[np.intp]:
        return np.searchsorted(self.frame, np.arange(self.n_frames + 1))

    @cached_property
    def _means(self) -> dict[tuple[tuple[int, int], float], NDArray[np.float64]]:
        return {}


def truth_of(stimulus: Stimulus) -> Truth:
    """The ground truth of a published stimulus."""
    table = stimulus.fixations()
    ids, observer = np.unique(table["observer"].to_numpy(dtype=str), return_inverse=True)
    return Truth(
        stimulus=stimulus.stimulus,
        corpus=stimulus.corpus,
        category=stimulus.category,
        split=stimulus.split,
        n_frames=stimulus.n_frames,
        rate=stimulus.rate,
        size_px=(stimulus.height_px, stimulus.width_px),
        px_per_dva=stimulus.px_per_dva,
        observers=tuple(ids.tolist()),
        frame=table["frame"].to_numpy(np.int32),
        observer=observer.astype(np.int32),
        x_px=table["x_px"].to_numpy(np.float32),
        y_px=table["y_px"].to_numpy(np.float32),
    )


def truths(corpus: Corpus, split: str | None = None) -> Iterator[Truth]:
    """The ground truth of every stimulus, or of one split, in the order of `stimuli.parquet`."""
    return (truth_of(stimulus) for stimulus in corpus if split in (None, stimulus.split))


def truths_of_shards(shards: ShardSet) -> Iterator[Truth]:
    """The ground truth of every stimulus of some shards, in their order: the same as from the published tables."""
    for stimulus, numbers in itertools.groupby(
        range(len(shards)), lambda number: shards.entries[number].row["stimulus"]
    ):
        heads = [shards.head(number) for number in numbers]
        facts, points = heads[0].facts, np.concatenate([head.fixations for head in heads])
        yield Truth(
            stimulus=stimulus,
            corpus=facts.corpus,
            category=facts.category,
            split=facts.split,
            n_frames=sum(head.facts.n_targets for head in heads),
            rate=Fraction(facts.rate_num, facts.rate_den),
            size_px=(facts.height_px, facts.width_px),
            px_per_dva=facts.px_per_dva,
            observers=facts.observers,
            **{name: np.ascontiguousarray(points[name]) for name in ("frame", "observer", "x_px", "y_px")},
        )
