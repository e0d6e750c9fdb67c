"""Some observers of a video predict others: their density is scored as if it were a model's map.

Conventions
-----------
A *pair* is (who predicts, who is scored), observers by number, nobody in both. A pair says nothing about a frame in
which either side has no fixation: its scores are NaN there. Frames count from 0.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from pipeline.evaluate.protocol.scorer import Scorer
from pipeline.evaluate.score_table import METRICS
from pipeline.evaluate.truth import Truth

Array = NDArray[np.float64]
Numbers = NDArray[np.int32]
Pair = tuple[Numbers, Numbers]
TOO_FEW = "fewer than two observers, so nobody to predict anybody"


def who(truth: Truth) -> Numbers:
    """Numbers of the observers with a fixation anywhere in the video, rising."""
    return np.unique(truth.observer)


def generator(seed: int, stimulus: str, *what: int) -> Generator:
    """Random numbers of one stimulus and use, alike on every machine and in any order of stimuli."""
    return np.random.default_rng([seed, zlib.crc32(stimulus.encode()), *what])


def map_size(scorer: Scorer, truth: Truth) -> tuple[int, int]:
    """The size a protocol scores at, so that no map is resized; the video's where the protocol names none."""
    size = scorer.protocol.size
    return truth.size_px if isinstance(size, str) else size


def score_frame(
    scorer: Scorer,
    predictors: Truth,
    scored: Truth,
    frame: int,
    *,
    size: tuple[int, int] | None = None,
    sigma_dva: float = 1.0,
) -> list[float]:
    """Score the density of some observers by the fixations of others, in one frame.

    Parameters
    ----------
    scorer : Scorer
        Of the split that the video belongs to.
    predictors, scored : Truth
        The video as either side saw it.
    frame : int
    size : (int, int), optional
        Of the predicted density; that of `map_size` where absent.
    sigma_dva : float
        Of the predicted density, degrees.

    Returns
    -------
    scores : list of float
        In the order of `scorer.metrics`; NaN where there is none.
    """
    if not (predictors.n_fixations(frame) and scored.n_fixations(frame)):
        return [math.nan] * len(scorer.metrics)
    row = scorer.score(scored, frame, predictors.density(frame, size or map_size(scorer, scored), sigma_dva))
    return [math.nan if row[name] is None else row[name] for name in scorer.metrics]


def score_pairs(scorer: Scorer, truth: Truth, pairs: Iterable[Pair], frames: Sequence[int], **density: Any) -> Array:
    """Scores [frame, pair, metric] of a video; `density` is the size and sigma of `score_frame`."""
    scores = []
    for pair in pairs:
        predictors, scored = (truth.of_observers(side.tolist()) for side in pair)
        scores.append([score_frame(scorer, predictors, scored, frame, **density) for frame in frames])
    return np.array(scores).reshape(len(scores), len(frames), len(scorer.metrics)).swapaxes(0, 1)


def mean_over(scores: Array, axis: int | tuple[int, ...]) -> Array:
    """Mean of the numbers there are; NaN where there is none."""
    known = np.isfinite(scores)
    return np.divide(
        np.where(known, scores, 0.0).sum(axis=axis),
        known.sum(axis=axis),
        out=np.full(np.delete(scores.shape, axis), math.nan),
        where=known.any(axis=axis),
    )


def rows_of(scorer: Scorer, truth: Truth, frames: Sequence[int], scores: Array, note: str) -> list[dict[str, Any]]:
    """Rows of the score table.

    Parameters
    ----------
    scores : ndarray, shape (frames, metrics)
        NaN where there is none.
    note : str
        Why a frame with fixations has no score.
    """
    where = {"stimulus": truth.stimulus, "corpus": truth.corpus, "category": truth.category}
    rows = []
    for frame, own in zip(frames, scores, strict=True):
        n_fixations, known = truth.n_fixations(frame), np.isfinite(own)
        numbers = [float(score) if there else None for score, there in zip(own, known, strict=True)]
        rows.append(
            {
                "protocol": scorer.protocol.name,
                **where,
                "frame": int(frame),
                "n_fixations": n_fixations,
                **dict.fromkeys(METRICS),
                **dict(zip(scorer.metrics, numbers, strict=True)),
                "note": note if n_fixations and not known.any() else None,
            }
        )
    return rows
