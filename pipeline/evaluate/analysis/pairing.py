"""Which frames several runs can be compared on: those that have a score in every one of them.

Conventions
-----------
`scores_by_run` maps the name of a run to its score table: columns as `score_table.SCORES`, one protocol each, the same
in all. A frame is known by (stimulus, frame). What is left out is counted, and the counts go with every result.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.errors import AveError, did_you_mean
from pipeline.evaluate.score_table import METRICS, scored

FRAME = ["stimulus", "frame"]
NOT_SHARED = "no score in another run that this one is set beside"

ScoresByRun = Mapping[str, pd.DataFrame]


def sign_of(metric: str) -> int:
    """1 where more is better, -1 where less is.

    Raises
    ------
    AveError
        If there is no such metric.
    """
    if metric not in METRICS:
        raise AveError(f"Unknown metric {metric!r}.", remedy=did_you_mean(metric, METRICS), code="unknown-metric")
    return 1 if METRICS[metric][1] else -1


def protocol_of(scores_by_run: ScoresByRun) -> str:
    """The one protocol that all these runs were scored by.

    Raises
    ------
    AveError
        If there is no row at all, or more than one protocol.
    """
    found = {str(name) for scores in scores_by_run.values() for name in scores["protocol"].dropna().unique()}
    if not found:
        raise AveError(
            f"The score tables of {', '.join(scores_by_run) or 'no run'} hold no row.",
            remedy="Score the runs first: `ave score --help`.",
            code="nothing-to-score",
        )
    if len(found) > 1:
        raise AveError(
            f"Scores of {len(found)} protocols ({', '.join(sorted(found))}) cannot stand in one comparison.",
            remedy="Keep the rows of one protocol: scores[scores['protocol'] == …].",
            code="several-protocols",
        )
    return found.pop()


def by_frame(scores: pd.DataFrame) -> pd.DataFrame:
    """The rows indexed by (stimulus, frame), and sorted by it.

    Raises
    ------
    AveError
        If a frame has two rows.
    """
    table = scores.set_index(FRAME).sort_index()
    if not table.index.is_unique:
        stimulus, frame = table.index[table.index.duplicated()][0]
        raise AveError(
            f"{stimulus}: frame {frame} has two rows in one score table.",
            remedy="Keep one protocol and one run per table.",
            code="frame-twice",
        )
    return table


@dataclass(frozen=True)
class Together:
    """Several runs side by side.

    Attributes
    ----------
    values, fixations : DataFrame
        Scores, and the fixations that they were made against: index (stimulus, frame), sorted; a column a run; NaN
        where the run has no score.
    """

    values: pd.DataFrame
    fixations: pd.DataFrame

    def pair(self, a: str, b: str) -> Pair:
        """Two runs on the frames that have a score in both."""
        values = self.values[[a, b]]
        known = values.notna().to_numpy()
        both = values[known.all(axis=1)]
        seen = self.fixations.loc[both.index, [a, b]]
        tried = values.index[known.any(axis=1)].get_level_values("stimulus").nunique()
        return Pair(
            values=both,
            fixations=float(seen[a].median()),
            frames_seen_otherwise=int((seen[a] != seen[b]).sum()),
            left_out={
                "frames_of_a_alone": int((known[:, 0] & ~known[:, 1]).sum()),
                "frames_of_b_alone": int((known[:, 1] & ~known[:, 0]).sum()),
                "videos_left_out": tried - both.index.get_level_values("stimulus").nunique(),
            },
        )


@dataclass(frozen=True)
class Pair:
    """Two runs on the frames that have a score in both.

    Attributes
    ----------
    values : DataFrame
        Index (stimulus, frame), two columns, the first run's first.
    fixations : float
        In the median of these frames; NaN where there is none.
    frames_seen_otherwise : int
        Frames whose number of fixations is not the same in both: scored against another truth.
    left_out : dict
        `frames_of_a_alone`, `frames_of_b_alone`: scored in one run alone. `videos_left_out`: without a shared frame.
    """

    values: pd.DataFrame
    fixations: float
    frames_seen_otherwise: int
    left_out: dict[str, int]

    def differences(self) -> NDArray[np.float64]:
        """First run less second, per frame, then per video; a number a video, sorted by its name."""
        videos = self.values.groupby(level="stimulus").mean().to_numpy(np.float64)
        return videos[:, 0] - videos[:, 1]


def together(scores_by_run: ScoresByRun, metric: str) -> Together:
    """Put runs side by side, frame by frame.

    Raises
    ------
    AveError
        If there is no such metric, a frame has two rows in a run, or the runs were scored by different protocols.
    """
    sign_of(metric)
    protocol_of(scores_by_run)
    runs = {name: by_frame(scored(scores)).dropna(subset=[metric]) for name, scores in scores_by_run.items()}
    columns = {what: {name: own[what] for name, own in runs.items()} for what in (metric, "n_fixations")}
    values, fixations = (pd.concat(columns[what], axis=1).sort_index() for what in columns)
    return Together(values.rename_axis(FRAME), fixations.rename_axis(FRAME))


def on_common_frames(scores_by_run: ScoresByRun) -> dict[str, pd.DataFrame]:
    """The same tables, so that every average of them is over the same frames.

    Returns
    -------
    dict of DataFrame
        A frame that is not scored in every run gets a note (`NOT_SHARED`) and counts as one without a map. A metric
        that some run lacks in a frame is null there in all of them; one that a run lacks everywhere concerns only it.

    Raises
    ------
    AveError
        If a frame has two rows in a run.
    """
    tables = {name: by_frame(scores) for name, scores in scores_by_run.items()}
    own = [scored(table) for table in tables.values()]
    shared = functools.reduce(lambda these, other: these.intersection(other.index), own[1:], own[0].index)
    known = np.logical_and.reduce([_known(table, shared) for table in own])
    cut = {name: _cut(table, shared, known) for name, table in tables.items()}
    return {name: table[list(scores_by_run[name].columns)] for name, table in cut.items()}


def _known(table: pd.DataFrame, shared: Any) -> NDArray[np.bool_]:
    """Which of the shared frames [frame, metric] have a score, of the metrics that the run has at all."""
    known = table[list(METRICS)].notna().to_numpy()
    return known[table.index.get_indexer(shared)] | ~known.any(axis=0)


def _cut(table: pd.DataFrame, shared: Any, known: NDArray[np.bool_]) -> pd.DataFrame:
    places = table.index.get_indexer(shared)
    is_shared = np.zeros(len(table), dtype=bool)
    keep = np.zeros((len(table), len(METRICS)), dtype=bool)
    is_shared[places], keep[places] = True, known
    lost = ~is_shared & table["note"].isna().to_numpy() & (table["n_fixations"] > 0).to_numpy()
    notes = table["note"].astype(object).mask(lost, NOT_SHARED)
    return table.assign(**table[list(METRICS)].where(keep), note=notes).reset_index()
