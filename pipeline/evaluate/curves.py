"""Scores over time, their distribution, and how often one run beats another.

Conventions
-----------
Normalised time runs from 0 to 1 over each video: frame k of n lies at (k + 0.5) / n. Where videos are averaged, each
weighs the same, and the band is the bootstrap interval over videos (`evaluate.analysis.bootstrap`). Score tables have
the columns of `score_table.SCORES`, one protocol each. A frame that is not scored lends its place to nobody.

Source
------
Tavakoli et al. 2020, for the share of frames on which one model beats another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from pipeline.errors import AveError
from pipeline.evaluate.analysis.bootstrap import LEVEL, RESAMPLES, Interval, bootstrap_interval, bootstrap_intervals
from pipeline.evaluate.analysis.pairing import by_frame, protocol_of, sign_of, together
from pipeline.evaluate.score_table import OVERALL, scored

BINS = 1000
BAND_RESAMPLES = 1000  # a band is drawn, not read to three digits
HISTOGRAM_BINS = 50

Array = NDArray[np.float64]


def over_time(
    scores: pd.DataFrame,
    metric: str = "nss",
    *,
    bins: int = BINS,
    n_frames: Mapping[str, int] | None = None,
    n: int = BAND_RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Mean score over normalised time, with a band over videos.

    Parameters
    ----------
    scores : DataFrame
        Of all categories, or of the one wanted.
    metric : str
    bins : int
        Parts of normalised time, > 0.
    n_frames : mapping of stimulus to int, optional
        Length of each video; one more than its last row's frame where absent.
    n, seed, level
        Of the bootstrap.

    Returns
    -------
    DataFrame
        One row a bin: bin, time (its middle, 0 .. 1), mean, low, high, and videos, how many have a score in it. Each
        video's own curve is that of `video_curve`.

    Raises
    ------
    AveError
        If the length of a video is not given, or smaller than its frames; or as `pairing`.
    """
    sign_of(metric)
    protocol_of({"run": scores})
    table = by_frame(scores)
    table = table.assign(value=scored(table)[metric]).reset_index()
    curves = [
        video_curve(own["frame"], own["value"], _length(str(stimulus), own["frame"], n_frames), bins)
        for stimulus, own in table.groupby("stimulus")
    ]
    matrix = np.stack(curves)
    mean, low, high = bootstrap_intervals(matrix, n=n, seed=seed, level=level)
    middles = (np.arange(bins) + 0.5) / bins
    videos = np.isfinite(matrix).sum(axis=0)
    columns = {"bin": np.arange(bins), "time": middles, "mean": mean, "low": low, "high": high, "videos": videos}
    return pd.DataFrame(columns)


def video_curve(frame: ArrayLike, value: ArrayLike, n_frames: int, bins: int = BINS) -> Array:
    """One video's scores over normalised time.

    A score stands for the time of its frame, one of n_frames equal parts; where only every so many frames were looked
    at, for as many around it, so that neighbours meet halfway, and the first and last reach to the ends. A bin holds
    the mean of what lies in it, by length of time. So a bin of a long video averages several frames, several bins of a
    short one hold the same frame, nothing is invented in a hole, and the mean over the bins of a wholly scored video is
    its mean over frames.

    Parameters
    ----------
    frame : array_like, shape (rows,), integer
        Frames that were looked at, rising.
    value : array_like, shape (rows,)
        Their scores; NaN where there is none.
    n_frames, bins : int

    Returns
    -------
    curve : ndarray, shape (bins,)
        NaN where no scored frame lies.

    Examples
    --------
    Two frames in four bins, and in three: the middle one holds half of each.

    >>> video_curve([0, 1], [1.0, 3.0], 2, 4).tolist()
    [1.0, 1.0, 3.0, 3.0]
    >>> [round(mean, 6) for mean in video_curve([0, 1], [1.0, 3.0], 2, 3).tolist()]
    [1.0, 2.0, 3.0]
    """
    frames, values = np.asarray(frame, dtype=np.int64), np.asarray(value, dtype=np.float64)
    begins, ends = _spans(frames, n_frames)
    known = np.isfinite(values)
    lengths = np.where(known, ends - begins, 0.0)
    edges = np.arange(bins + 1) * n_frames / bins  # in this order an edge that is a whole number is exactly that
    knots = np.stack([begins, ends], axis=1).ravel()
    covered, area = (
        np.diff(np.interp(edges, knots, _running(part))) for part in (lengths, lengths * np.where(known, values, 0.0))
    )
    curve = np.full(bins, np.nan)
    inside = covered > 0
    curve[inside] = area[inside] / covered[inside]
    return curve


def distribution(scores: pd.DataFrame, metric: str, edges: ArrayLike | None = None) -> pd.DataFrame:
    """How the scores of frames are spread, overall and per category.

    Parameters
    ----------
    scores : DataFrame
    metric : str
    edges : array_like, shape (k + 1,), optional
        Of the bins, rising; a bin holds its lower edge, the last one both. 50 equal bins over all scores where absent.

    Returns
    -------
    DataFrame
        One row a scope ("all", then the categories) and bin: scope, low, high, density, frames, outside. `density`
        times the bin's width is its share of all the scope's frames, so long videos weigh more. `outside` counts the
        scope's frames that lie in no bin, the same in all its rows.

    Raises
    ------
    AveError
        If there is no such metric, or the edges do not rise.
    """
    sign_of(metric)
    rows = scored(scores).dropna(subset=[metric])
    steps = np.histogram_bin_edges(rows[metric], HISTOGRAM_BINS) if edges is None else np.asarray(edges, np.float64)
    if steps.ndim != 1 or steps.size < 2 or not (np.diff(steps) > 0).all():
        raise AveError("The edges of a distribution must rise, two at least.", remedy="Sort them.", code="bad-edges")
    scopes = {OVERALL: rows, **dict(iter(rows.groupby("category")))}
    parts = [_histogram(scope, own[metric].to_numpy(), steps) for scope, own in scopes.items()]
    return pd.concat(parts, ignore_index=True)


@dataclass(frozen=True)
class WinShare:
    """On what share of frames one run beats another.

    Attributes
    ----------
    share : Interval
        0 .. 1, mean over videos of the share of their frames; a tie counts half.
    frames : int
        Frames that have a score in both.
    frames_of_a_alone, frames_of_b_alone, videos_left_out : int
        What was left out because only one run has a score there.
    """

    share: Interval
    frames: int
    frames_of_a_alone: int
    frames_of_b_alone: int
    videos_left_out: int


def win_share(
    a: pd.DataFrame, b: pd.DataFrame, metric: str, *, n: int = RESAMPLES, seed: int = 0, level: float = LEVEL
) -> WinShare:
    """Share of frames on which run a is better than run b: per video, then over videos.

    Parameters
    ----------
    a, b : DataFrame
        Score tables.
    metric : str
        Where less is better (KLD, EMD), the smaller score wins.
    n, seed, level
        Of the bootstrap interval over videos.

    Raises
    ------
    AveError
        As `pairing.together`.
    """
    pair = together({"a": a, "b": b}, metric).pair("a", "b")
    lead = sign_of(metric) * (pair.values["a"] - pair.values["b"])
    won = (0.5 * (1 + np.sign(lead))).groupby(level="stimulus").mean()
    return WinShare(bootstrap_interval(won, n=n, seed=seed, level=level), len(lead), **pair.left_out)


def typical_step(frames: NDArray[np.int64]) -> int:
    """Of how many frames one was looked at: the smallest distance of two; 1 where there is one alone."""
    return int(np.diff(frames).min()) if frames.size > 1 else 1


def _spans(frames: NDArray[np.int64], n_frames: int) -> tuple[Array, Array]:
    """Where the time of each frame begins and ends, in frames; none overlaps another."""
    step = typical_step(frames)
    middles: Array = frames.astype(np.float64) + 0.5
    begins, ends = middles - step / 2, middles + step / 2
    if frames[0] < step:
        begins[0] = 0.0
    if frames[-1] + step >= n_frames:
        ends[-1] = float(n_frames)
    return begins, ends


def _running(parts: Array) -> Array:
    """Sum up to the beginning and up to the end of each part, in turns."""
    total = np.cumsum(parts)
    return np.stack([total - parts, total], axis=1).ravel()


def _length(stimulus: str, frames: pd.Series, n_frames: Mapping[str, int] | None) -> int:
    needed = int(frames.max()) + 1
    if n_frames is None:
        return needed
    if n_frames.get(stimulus, 0) < needed:
        raise AveError(
            f"{stimulus}: scores up to frame {needed - 1}, but its length is given as {n_frames.get(stimulus)}.",
            remedy="Take n_frames from stimuli.parquet of the store that the scores were made from.",
            code="bad-length",
        )
    return n_frames[stimulus]


def _histogram(scope: str, values: Array, edges: Array) -> pd.DataFrame:
    counts, _ = np.histogram(values, edges)
    density = counts / (max(1, values.size) * np.diff(edges))
    columns = {"low": edges[:-1], "high": edges[1:], "density": density, "frames": counts}
    return pd.DataFrame({"scope": scope, **columns, "outside": values.size - counts.sum()})
