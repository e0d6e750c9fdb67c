"""Is one model better than another? Every pair of runs over videos, and the papers' test over frames with its remark.

Conventions
-----------
The unit is the video: frames of one video are alike, and each video gives one difference, the mean over the frames that
have a score in both runs. Differences are first run less second, in the metric's own unit, also where less is better.
What decides is the permutation test, corrected over all pairs; Wilcoxon's stands beside it.
"""

from __future__ import annotations

import itertools
import math
import warnings
from dataclasses import dataclass
from typing import Any

import pandas as pd
from scipy import stats

from pipeline.errors import AveError
from pipeline.evaluate.analysis.bootstrap import LEVEL, RESAMPLES, bootstrap_interval
from pipeline.evaluate.analysis.paired_tests import holm, paired_permutation, wilcoxon
from pipeline.evaluate.analysis.pairing import Pair, ScoresByRun, sign_of, together

ALPHA = 0.05
FEW_FIXATIONS = 10  # in the median frame: below, another ten observers may well have looked elsewhere

TESTS = ("p_permutation", "p_wilcoxon")
COMPARED = [
    "a",
    "b",
    "metric",
    "videos",
    "frames",
    "mean_a",
    "mean_b",
    "difference",
    "low",
    "high",
    *TESTS,
    *(f"{test}_holm" for test in TESTS),
    "verdict",
    "remark",
    "frames_of_a_alone",
    "frames_of_b_alone",
    "videos_left_out",
]

ANOVA_REMARK = (
    "Frames of one video are not independent of each other, so this p is far too small. It is here because papers "
    "print it; what decides are the tests over videos."
)


@dataclass(frozen=True)
class Anova:
    """One-way analysis of variance over frames, and why not to rely on it."""

    f: float
    p: float
    runs: int
    frames: int
    remark: str = ANOVA_REMARK


def anova_over_frames(scores_by_run: ScoresByRun, metric: str) -> Anova:
    """The papers' test: do the runs' mean scores over frames differ at all?

    Parameters
    ----------
    scores_by_run : mapping of run to score table
        At least two. Only frames that have a score in all of them are taken.
    metric : str

    Returns
    -------
    Anova
        F and p are NaN where there are fewer than two frames, or every score is the same.

    Raises
    ------
    AveError
        If there are fewer than two runs, or as `pairing.together`.

    Source
    ------
    Fisher 1925; `scipy.stats.f_oneway`.
    """
    _at_least_two(scores_by_run)
    values = together(scores_by_run, metric).values.dropna()
    f = p = math.nan
    if len(values) > 1:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # all scores alike: F is 0 / 0
            f, p = (float(number) for number in stats.f_oneway(*(values[run].to_numpy() for run in values)))
    return Anova(f, p, runs=values.shape[1], frames=len(values))


def compare(
    scores_by_run: ScoresByRun,
    metric: str,
    *,
    n: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
    alpha: float = ALPHA,
) -> pd.DataFrame:
    """Every pair of runs, tested over videos and corrected for the number of pairs.

    Parameters
    ----------
    scores_by_run : mapping of run to score table
        At least two.
    metric : str
    n, seed, level
        Of the bootstrap interval and of the permutation test.
    alpha : float
        Corrected p of the permutation test up to which one run is called better.

    Returns
    -------
    DataFrame
        One row a pair, columns `COMPARED`. `difference` is the mean over videos of a less b, from `low` to `high`.
        `verdict`: "<run> is better"; "too few videos (n) to tell" where even videos that all agree could not reach
        `alpha` among so many pairs; else "no difference shown". `remark` says when frames have few fixations, or were
        scored against different ones. The last three columns count what was left out because only one run has it.

    Raises
    ------
    AveError
        As `anova_over_frames`.
    """
    _at_least_two(scores_by_run)
    runs = together(scores_by_run, metric)
    rows = [
        {"a": a, "b": b, "metric": metric, **_test(runs.pair(a, b), n=n, seed=seed, level=level)}
        for a, b in itertools.combinations(scores_by_run, 2)
    ]
    table = pd.DataFrame(rows, columns=COMPARED)
    for test in TESTS:
        table[f"{test}_holm"] = holm(table[test])
    table["verdict"] = [_verdict(row, sign_of(metric), len(rows), alpha) for row in table.to_dict("records")]
    return table


def _test(pair: Pair, *, n: int, seed: int, level: float) -> dict[str, Any]:
    differences = pair.differences()
    interval = bootstrap_interval(differences, n=n, seed=seed, level=level)
    mean_a, mean_b = pair.values.groupby(level="stimulus").mean().mean()
    return {
        "videos": interval.videos,
        "frames": len(pair.values),
        "mean_a": mean_a,
        "mean_b": mean_b,
        "difference": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "p_permutation": paired_permutation(differences, n=n, seed=seed),
        "p_wilcoxon": wilcoxon(differences),
        "remark": _remark(pair),
        **pair.left_out,
    }


def _verdict(row: dict[str, Any], sign: int, pairs: int, alpha: float) -> str:
    if row["p_permutation_holm"] <= alpha:
        return f"{row['a'] if sign * row['difference'] > 0 else row['b']} is better"
    smallest_p = 2.0 ** (1 - row["videos"])  # all videos agree: two sign flips of 2^videos are as far from 0
    if smallest_p * pairs > alpha:
        return f"too few videos ({row['videos']}) to tell"
    return "no difference shown"


def _remark(pair: Pair) -> str:
    remarks = []
    if pair.fixations < FEW_FIXATIONS:
        remarks.append(f"few observers: {pair.fixations:g} fixations in the median frame")
    if pair.frames_seen_otherwise:
        remarks.append(f"{pair.frames_seen_otherwise} frames scored against different fixations")
    return "; ".join(remarks)


def _at_least_two(scores_by_run: ScoresByRun) -> None:
    if len(scores_by_run) < 2:
        raise AveError(
            f"A comparison needs at least two runs, got {len(scores_by_run)}.",
            remedy="Score a second run, or a baseline.",
            code="one-run",
        )
