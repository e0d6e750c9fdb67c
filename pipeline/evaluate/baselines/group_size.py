"""How well k observers predict one more, as k grows: where the ceiling would be with ever more observers.

Conventions
-----------
In each frame that is looked at, a few observers are drawn as the ones to predict, and for each the others are put in a
drawn order; the first k of them are the group of size k, so that a larger group holds the smaller ones. Only observers
with a fixation in the frame take part: k is a number of fixations.

A video takes part in the sizes that at least half of its frames reach, and then with the frames that reach all of
these: along a video's curve nothing changes but k. Between sizes the videos may differ; `videos` counts them.

Source
------
Judd, Durand & Torralba 2012, sec. 3 (a power law of the number of observers); here a + b / k.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray

from pipeline.evaluate.analysis.bootstrap import LEVEL, bootstrap_intervals
from pipeline.evaluate.baselines.human import check_positive
from pipeline.evaluate.baselines.observers import generator, mean_over, score_frame
from pipeline.evaluate.protocol.scorer import Scorer
from pipeline.evaluate.truth import Truth

SIZES = (1, 2, 4, 8, 16, 32)
FIT_FROM = 4  # a + b / k holds for many; one or two observers would bend the line that is laid through all
EXTRAPOLATED = (
    "extrapolated: a + b / k laid through the sizes from {} on of each video, read at 1 / k = 0; it tends to read low"
)
OF_LOT = 0x6C6F74  # keeps these lots apart from those of the halves

Array = NDArray[np.float64]
Score = Callable[[Truth, Truth, int], list[float]]  # of predictors, scored and frame, a number a metric


@dataclass(frozen=True)
class GroupCurve:
    """Scores by group size.

    Attributes
    ----------
    curve : DataFrame
        One row a size and metric: size, metric, mean, low, high, videos. Bootstrap interval over videos.
    limit : DataFrame
        One row a metric: metric, limit, low, high, videos: the mean over videos of each video's own extrapolation to
        infinitely many observers. Nobody measured it, and it reads low: on one DIEM clip (arctic_bears, in quarters)
        the sizes 4 to 16 give an NSS of 3.5 in the limit, where 32 observers already reach 3.54.
    by_video : ndarray, shape (videos, sizes, metrics)
        NaN where a video has no frames with that many observers.
    said : tuple of str
        Sentences for the foot of a table.
    """

    curve: pd.DataFrame
    limit: pd.DataFrame
    by_video: Array
    said: tuple[str, ...]


def by_group_size(
    truths: Iterable[Truth],
    scorer: Scorer,
    sizes: Sequence[int] = SIZES,
    *,
    seed: int = 0,
    every: int = 25,
    ones: int = 4,
    size: tuple[int, int] | None = None,
    sigma_dva: float = 1.0,
    fit_from: int = FIT_FROM,
    level: float = LEVEL,
) -> GroupCurve:
    """Let groups of k observers, drawn from the others, predict one.

    Parameters
    ----------
    truths : iterable of Truth
    scorer : Scorer
        Prepared for their split.
    sizes : sequence of int
        Rising, > 0.
    seed : int
        Of the lots, and of the bootstrap.
    every : int
        Frames 0, every, 2 every … are scored.
    ones : int
        How many observers a frame are predicted, at most.
    size : (int, int), optional
        Of the predicted density; the protocol's where absent.
    sigma_dva : float
        Of the predicted density, degrees.
    fit_from : int
        Smallest size that the extrapolation uses.
    level : float
        0 .. 1, of the intervals.

    Raises
    ------
    ValueError
        If sizes do not rise from 1 or more, or every or ones is below 1.
    """
    check_positive(every=every, ones=ones, sizes=min(sizes, default=0))
    if any(b <= a for a, b in itertools.pairwise(sizes)):
        raise ValueError(f"sizes are {tuple(sizes)}; expected them rising.")
    score = partial(score_frame, scorer, size=size, sigma_dva=sigma_dva)
    shape, curves, few = (len(sizes), len(scorer.metrics)), [], []
    for truth in truths:
        reached = _video_curve(truth, score, sizes, np.arange(0, truth.n_frames, every), ones, seed)
        unreached = [[math.nan] * shape[1]] * (shape[0] - len(reached))
        curves.append(np.array([*reached, *unreached]))
        few += [] if len(reached) else [truth.stimulus]
    by_video = np.array(curves).reshape(-1, *shape)
    limits = np.array([extrapolate(sizes, curve, fit_from) for curve in curves]).reshape(-1, shape[1])
    return GroupCurve(
        _curve_table(by_video, sizes, scorer, seed, level),
        _limit_table(limits, scorer, seed, level),
        by_video,
        (
            f"by group size: frames 0, {every}, {2 * every} … of each video, {ones} observers a frame predicted.",
            f"limit: {EXTRAPOLATED.format(fit_from)}.",
            *(
                [f"by group size: too few frames with {sizes[0] + 1} observers in {', '.join(sorted(few))}."]
                if few
                else []
            ),
        ),
    )


def extrapolate(sizes: Sequence[int], curve: Array, fit_from: int = FIT_FROM) -> Array:
    """Lay a + b / k through the scores of group sizes by least squares; a is the limit of ever larger groups.

    Parameters
    ----------
    sizes : sequence of int
    curve : ndarray, shape (sizes, metrics)
        NaN where there is no score.
    fit_from : int
        Smaller sizes are left out.

    Returns
    -------
    limit : ndarray, shape (metrics,)
        NaN where fewer than two sizes are left.

    Examples
    --------
    >>> extrapolate([4, 8, 16], np.array([[3 - 2 / 4], [3 - 2 / 8], [3 - 2 / 16]])).round(6).tolist()
    [3.0]
    """
    limit = np.full(curve.shape[1], math.nan)
    part, large = 1 / np.asarray(sizes, dtype=np.float64), np.asarray(sizes) >= fit_from
    for k, scores in enumerate(curve.T):
        use = large & np.isfinite(scores)
        if use.sum() > 1:
            limit[k] = np.polynomial.polynomial.polyfit(part[use], scores[use], 1)[0]
    return limit


def _video_curve(
    truth: Truth, score: Score, sizes: Sequence[int], sampled: NDArray[np.intp], ones: int, seed: int
) -> Array:
    """Scores [size, metric] of one video, mean over frames, of as many sizes as it reaches."""
    others = np.array([np.unique(at_frame(truth, frame).observer).size - 1 for frame in sampled.tolist()], np.intp)
    sampled, others = sampled[others > 0], others[others > 0]
    reached = [k for k in sizes if 2 * np.count_nonzero(others >= k) >= others.size > 0]
    if not reached:
        return np.empty((0, 0))
    scores = []
    for frame in sampled[others >= reached[-1]].tolist():
        scores += _frame_curves(truth, score, frame, reached, ones, generator(seed, truth.stimulus, frame, OF_LOT))
    return mean_over(np.array(scores), 0)


def _frame_curves(
    truth: Truth, score: Score, frame: int, sizes: Sequence[int], ones: int, draw: Generator
) -> list[list[list[float]]]:
    """Scores [size, metric] of one frame, once for each observer that is predicted."""
    here, curves = at_frame(truth, frame), []
    numbers = draw.permutation(np.unique(here.observer))
    for one in numbers[:ones]:
        order, scored = draw.permutation(numbers[numbers != one]).tolist(), truth.of_observers([one])
        curves.append([score(here.of_observers(order[:k]), scored, frame) for k in sizes])
    return curves


def at_frame(truth: Truth, frame: int) -> Truth:
    """The same stimulus with the fixations of one frame only."""
    start, stop = np.searchsorted(truth.frame, [frame, frame + 1])
    names = ("frame", "observer", "x_px", "y_px")
    return replace(truth, **{name: getattr(truth, name)[start:stop] for name in names})


def _curve_table(by_video: Array, sizes: Sequence[int], scorer: Scorer, seed: int, level: float) -> pd.DataFrame:
    where = pd.MultiIndex.from_product([sizes, scorer.metrics], names=["size", "metric"]).to_frame(index=False)
    return where.join(_intervals(by_video.reshape(-1, len(where)), seed, level))


def _limit_table(limits: Array, scorer: Scorer, seed: int, level: float) -> pd.DataFrame:
    metrics = pd.DataFrame({"metric": list(scorer.metrics)})
    return metrics.join(_intervals(limits, seed, level).rename(columns={"mean": "limit"}))


def _intervals(values: Array, seed: int, level: float) -> pd.DataFrame:
    """One row a column of `values` [video, column]."""
    mean, low, high = bootstrap_intervals(values, seed=seed, level=level)
    return pd.DataFrame({"mean": mean, "low": low, "high": high, "videos": np.isfinite(values).sum(axis=0)})
