"""What a table of runs is made of: mean scores of videos, summed up by scope, with intervals and counts.

Conventions
-----------
Rows are long: one a scope ("all" or a category) and metric. `low` and `high` are the bootstrap interval over videos,
NaN for fewer than two. `frames` and `videos` have a score in this metric; `without_fixations` and `without_map` are the
scope's frames that nobody fixated, and those that were fixated but have no map that could be scored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.evaluate.analysis.bootstrap import LEVEL, RESAMPLES, bootstrap_intervals
from pipeline.evaluate.analysis.pairing import by_frame
from pipeline.evaluate.score_table import OVERALL, scored

COLUMNS = ["metric", "mean", "low", "high", "videos", "frames", "without_fixations", "without_map", "ranked"]


@dataclass(frozen=True)
class Table:
    """A table and what a reader must know of it.

    Attributes
    ----------
    title : str
    rows : DataFrame
        Columns `names`, then `COLUMNS`; `ranked` says whether the row may be the best of its scope.
    names : tuple of str
        Columns that name a row: ("scope", "run") …
    protocol : str
    average : str
        One of `score_table.AVERAGES`.
    intervals : str
        How they were made, in words.
    remarks : tuple of str
        What makes rows hard to compare: other frames, too few videos or observers.
    """

    title: str
    rows: pd.DataFrame
    names: tuple[str, ...]
    protocol: str
    average: str
    intervals: str
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Draws:
    """How intervals are made: `n` resamples of videos, the random stream `seed`, the `level` of the interval."""

    n: int = RESAMPLES
    seed: int = 0
    level: float = LEVEL

    def intervals(self, values: NDArray[np.float64], **more: Any) -> tuple[NDArray[np.float64], ...]:
        """As `bootstrap.bootstrap_intervals`."""
        return bootstrap_intervals(values, n=self.n, seed=self.seed, level=self.level, **more)

    def words(self) -> str:
        """For the head of a table."""
        return f"{100 * self.level:g} % percentile bootstrap over videos, {self.n} resamples, seed {self.seed}"


@dataclass(frozen=True)
class Videos:
    """The videos of one run, as tables of one row a video, index stimulus, sorted.

    Attributes
    ----------
    places : DataFrame
        Columns corpus and category.
    means, frames : DataFrame
        A column a metric: the mean over the video's frames (NaN without any), and over how many frames it is.
    """

    places: pd.DataFrame
    means: pd.DataFrame
    frames: pd.DataFrame

    def of(self, scope: str) -> Videos:
        """Those of one scope."""
        own = self.places["category"] == scope
        return self if scope == OVERALL else Videos(self.places[own], self.means[own], self.frames[own])


def videos_of(scores: pd.DataFrame, metrics: list[str]) -> Videos:
    """Average the scored frames of every video of a run.

    Raises
    ------
    AveError
        If a frame has two rows.
    """
    videos = by_frame(scored(scores)).groupby(level="stimulus")
    return Videos(videos[["corpus", "category"]].first(), videos[metrics].mean(), videos[metrics].count())


def summarise(videos: Videos, scopes: list[str], average: str, draws: Draws) -> pd.DataFrame:
    """Average the videos of each scope: columns scope, metric, mean, low, high, videos, frames.

    Parameters
    ----------
    videos : Videos
    scopes : list of str
        `score_table.OVERALL` and categories.
    average : str
        One of `score_table.AVERAGES`. Per frame, a video counts as often as it has frames; per corpus, each corpus
        alike, and the bootstrap draws videos within each.
    draws : Draws
    """
    return pd.concat([_of_scope(videos.of(scope), scope, average, draws) for scope in scopes])


def _of_scope(own: Videos, scope: str, average: str, draws: Draws) -> pd.DataFrame:
    """One row a metric."""
    values, frames, corpus = own.means.to_numpy(np.float64), own.frames.to_numpy(), own.places["corpus"]
    weights = np.ones(values.shape)
    if average == "frame":
        weights = frames.astype(np.float64)
    elif average == "corpus":
        weights = 1 / own.means.groupby(corpus).transform("count").to_numpy().clip(1)
    strata = corpus.to_numpy(str) if average == "corpus" else None
    mean, low, high = draws.intervals(values, weights=weights, strata=strata)
    known = np.isfinite(values)
    counts: dict[str, Any] = {"videos": known.sum(axis=0), "frames": np.where(known, frames, 0).sum(axis=0)}
    return pd.DataFrame({"scope": scope, "metric": own.means.columns, "mean": mean, "low": low, "high": high, **counts})


def unscored(scores: pd.DataFrame, scopes: list[str]) -> pd.DataFrame:
    """How many frames of each scope have no score: columns scope, without_fixations, without_map."""
    blind = scores["n_fixations"] == 0
    without = pd.DataFrame({"without_fixations": blind, "without_map": ~blind & scores["note"].notna()})
    own = {scope: without if scope == OVERALL else without[scores["category"] == scope] for scope in scopes}
    return pd.DataFrame([{"scope": scope, **part.sum().astype(int)} for scope, part in own.items()])
