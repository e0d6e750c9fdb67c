"""Scores frames by a protocol: prepared once per split, then frame by frame, in any order and any process.

Conventions
-----------
A row has the protocol's metrics (None where there is no number), `n_fixations`, `constant` (whether the map says
nothing) and `note` (None, or why the map could not be scored). Frames of one video after another are quickest. The
same seed, stimulus, frame and map give the same row, whatever was scored before.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from pipeline.evaluate.checks import checked_map
from pipeline.evaluate.protocol import MAP, REFUSED, VIDEO, ZERO, Protocol
from pipeline.evaluate.protocol.measures import Frame
from pipeline.evaluate.protocol.negatives import Negatives
from pipeline.evaluate.protocol.preparing import resize
from pipeline.evaluate.protocol.variants import binary
from pipeline.evaluate.truth import Truth

NOT_FINITE = "the map holds NaN or infinite values"
NEGATIVE = "the map holds negative values"
BEYOND_ANNOTATION = "the frame lies beyond the annotation"
NOT_ALL = "no number in one metric, which leaves the frame out of all"


class Scorer:
    """Scores saliency maps of one split by one protocol.

    Parameters
    ----------
    protocol : Protocol
    truths : sequence of Truth
        Every video of the split, also those without maps: they are where negatives come from.
    baseline : array_like, shape (height, width), optional
        Non-negative map of any size for information gain, resized by means and straight lines. Without it there is
        no information gain.
    seed : int
        Of everything that the protocol draws.

    Raises
    ------
    ValueError
        If the baseline is not a finite, non-negative map.
    """

    def __init__(self, protocol: Protocol, truths: Sequence[Truth], baseline: ArrayLike | None = None, seed: int = 0):
        self.protocol = protocol
        self.metrics = {name: score for name, score in protocol.metrics.items() if name != "ig" or baseline is not None}
        self._seed = seed
        self._negatives = Negatives(protocol.negatives, truths)
        self._baselines: dict[tuple[int, ...], NDArray] = {}
        if baseline is not None:
            checked = checked_map(baseline, "baseline", lowest=0)
            self._baselines[()] = np.asarray(baseline, dtype=np.float64).reshape(checked.shape)

    def score(self, truth: Truth, frame: int, saliency: ArrayLike) -> dict[str, Any]:
        """Score the map of one frame.

        Parameters
        ----------
        truth : Truth
            The frame's video; may be some of its observers only, negatives are the split's all the same.
        frame : int
            From 0.
        saliency : array_like, shape (height, width)
            Of any size and scale.

        Returns
        -------
        dict
            {metric: float or None}, "n_fixations", "constant", "note".

        Raises
        ------
        IndexError
            If the stimulus has no such frame and the protocol refuses that.
        ValueError
            If the map is not [row, column] of real numbers.
        """
        row: dict[str, Any] = {**dict.fromkeys(self.metrics), "n_fixations": 0, "constant": False, "note": None}
        if frame >= truth.n_frames and self.protocol.beyond != REFUSED:
            zero = self.protocol.beyond == ZERO
            return {**row, **dict.fromkeys(self.metrics, 0.0)} if zero else {**row, "note": BEYOND_ANNOTATION}
        row["n_fixations"] = truth.n_fixations(frame)
        row["note"] = self._objection(values := np.asarray(saliency))
        if row["note"]:
            return row
        row["constant"] = bool(values.min() == values.max())
        if row["n_fixations"] == 0:
            return {**row, **{name: score for name, score in self.protocol.empty.items() if name in self.metrics}}
        return {**row, **self._scores(truth, frame, values)}

    def prepare(self, truth: Truth, saliency: NDArray) -> NDArray:
        """The map as the protocol's metrics see it; all NaN where the protocol cannot stretch it."""
        protocol, values = self.protocol, saliency
        size = self._size(truth, values)
        if protocol.saved:
            values = protocol.saved.picture(values)
            if protocol.resize == "lanczos":
                values = resize(values, size, "lanczos")
            values = values / 255
        if protocol.stretched:
            if values.max() <= 0:
                return np.full(size, math.nan)
            values = (values - values.min()) / np.ptp(values) if np.ptp(values) else np.full_like(values, 0.5, float)
        if values.min() == values.max():  # rounding must not give a constant map an order
            return np.full(size, values.flat[0])
        if protocol.smoothing and protocol.smoothing.first:
            values = protocol.smoothing.smooth(values)
        values = resize(values, size, protocol.resize)
        if protocol.smoothing and not protocol.smoothing.first:
            values = protocol.smoothing.smooth(values)
        return values

    def _scores(self, truth: Truth, frame: int, saliency: NDArray) -> dict[str, Any]:
        prepared = self.prepare(truth, saliency)
        if np.isnan(prepared).all():
            return {}
        ready = self._frame(truth, frame, prepared)
        scores = {name: score(ready) for name, score in self.metrics.items()}
        numbers = {name: None if math.isnan(score) else score for name, score in scores.items()}
        if self.protocol.all_or_none and None in numbers.values():
            return {"note": NOT_ALL}
        return numbers

    def _frame(self, truth: Truth, frame: int, saliency: NDArray) -> Frame:
        size = saliency.shape
        counts = truth.counts(frame, size)
        fixations = binary(counts) if self.protocol.binary else counts
        draw = partial(_generator, self._seed, truth.stimulus, frame)
        return Frame(
            saliency=saliency,
            fixations=fixations,
            negatives=self._negatives.of(truth, frame, fixations, draw("negatives")),
            density=self.protocol.density(truth, frame, counts),
            baseline=self._baseline(size),
            draw=draw,
        )

    def _size(self, truth: Truth, saliency: NDArray) -> tuple[int, int]:
        size = self.protocol.size
        if isinstance(size, str):
            return {VIDEO: truth.size_px, MAP: saliency.shape}[size]
        return size

    def _baseline(self, size: tuple[int, int]) -> NDArray | None:
        if not self._baselines:
            return None
        if size not in self._baselines:
            self._baselines[size] = resize(self._baselines[()], size, "area")
        return self._baselines[size]

    def _objection(self, saliency: NDArray) -> str | None:
        """Why a map cannot be scored; what is no map at all is an error."""
        if np.issubdtype(saliency.dtype, np.floating) and not np.isfinite(saliency).all():
            return NOT_FINITE
        lowest = checked_map(saliency, "saliency").low
        return NEGATIVE if self.protocol.non_negative and lowest < 0 else None


def _generator(seed: int, stimulus: str, frame: int, what: str) -> Generator:
    """Random numbers of one frame and use, alike on every machine and in any order of frames."""
    return np.random.default_rng([seed, zlib.crc32(stimulus.encode()), frame, zlib.crc32(what.encode())])
