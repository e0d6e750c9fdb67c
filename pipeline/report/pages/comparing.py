"""The sections that compare runs: paired tests over videos, the papers' test over frames, shares of frames."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Mapping, Sequence

import pandas as pd

from pipeline.errors import AveError
from pipeline.evaluate.analysis.bootstrap import LEVEL
from pipeline.evaluate.analysis.rendering import DECIMALS
from pipeline.evaluate.curves import win_share
from pipeline.evaluate.score_table import METRICS, scored
from pipeline.evaluate.significance import ANOVA_REMARK, anova_over_frames, compare
from pipeline.report.pages import plots
from pipeline.report.pages.blocks import Block, Section
from pipeline.report.pages.data import ReportData
from pipeline.report.pages.grids import Column, of_rows
from pipeline.report.pages.published import WIN_SHARE

TWO_RUNS = "A comparison needs two runs with scores: `ave baselines` gives some, `ave score MAPS` adds more."
MAX_DRAWN = 15
SMALL = "A p of 2.23e-308 stands for any that is smaller still: numbers end there."
_P = ".3g"
SMALLEST_P = sys.float_info.min  # what is smaller comes out as 0, which no p is


def sections(data: ReportData) -> list[Section]:
    """Tests, and shares of frames."""
    return [_tests(data), _wins(data)]


def _tests(data: ReportData) -> Section:
    how = (
        "The unit is the video. The permutation test decides, corrected by Holm over the pairs of its table; beside it "
        "stands Wilcoxon's. The difference is the first run less the second, in brackets its 95 % interval."
    )
    if len(data.results) < 2:
        return Section("tests", "Is the difference significant?", how, missing=TWO_RUNS)
    blocks: list[Block] = []
    if 2 <= len(data.models) < len(data.results):
        models = {run: data.scores[run] for run in data.models}
        blocks.append(_pairs(data, "tests-models", "Models against each other", models))
    blocks.append(_pairs(data, "tests", "Every pair of runs", data.scores))
    blocks.append(_anova(data))
    return Section("tests", "Is the difference significant?", how, tuple(blocks))


def _pairs(data: ReportData, name: str, title: str, runs: Mapping[str, pd.DataFrame]) -> Block:
    rows = compare(runs, data.metric, n=data.draws)
    form = f"+.{DECIMALS[data.metric] + 1}f"
    columns = [
        Column("a", "first"),
        Column("b", "second"),
        Column("videos", "videos", "d"),
        Column("difference", f"difference in {METRICS[data.metric][0]}", form, ("low", "high")),
        Column("p_permutation", "p permutation", _P),
        Column("p_permutation_holm", "p permutation, Holm", _P),
        Column("p_wilcoxon", "p Wilcoxon", _P),
        Column("p_wilcoxon_holm", "p Wilcoxon, Holm", _P),
        Column("verdict", "verdict"),
        Column("remark", "remark"),
    ]
    notes = [f"{len(rows)} pairs; {data.draws} sign flips, or all where there are fewer."]
    return of_rows(name, f"{title}, {METRICS[data.metric][0]}", rows, columns, notes)


def _anova(data: ReportData) -> Block:
    rows = []
    for metric, (title, _) in METRICS.items():
        with_it = {run: table for run, table in data.scores.items() if scored(table)[metric].notna().any()}
        if len(with_it) > 1:
            found = anova_over_frames(with_it, metric)
            p = max(found.p, SMALLEST_P)
            rows.append({"metric": title, "f": found.f, "p": p, "runs": found.runs, "frames": found.frames})
    columns = [
        Column("metric", "metric"),
        Column("f", "F", ".2f"),
        Column("p", "p", _P),
        Column("runs", "runs", "d"),
        Column("frames", "frames", ",d"),
    ]
    table = pd.DataFrame(rows, columns=["metric", "f", "p", "runs", "frames"])
    notes = [ANOVA_REMARK, *([SMALL] if (table["p"] <= SMALLEST_P).any() else [])]
    return of_rows("anova", "The papers' test: analysis of variance over frames", table, columns, notes)


def _wins(data: ReportData) -> Section:
    how = (
        "On what share of frames the first run scores better than the second: per video, then over videos; a tie "
        "counts half. A half means that neither is better more often, however large the differences."
    )
    pairs = _chosen(data)
    rows = []
    for a, b in pairs:
        try:
            won = win_share(data.scores[a], data.scores[b], data.metric, n=data.draws)
        except AveError:
            continue
        share = won.share
        counts = {"videos": share.videos, "frames": won.frames}
        rows.append({"a": a, "b": b, "share": share.mean, "low": share.low, "high": share.high, **counts})
    if not rows:
        return Section("wins", "Frames on which A beats B", how, missing=TWO_RUNS)
    table = pd.DataFrame(rows)
    columns = [
        Column("a", "A"),
        Column("b", "B"),
        Column("share", "A better, share of frames", ".1%", ("low", "high")),
        Column("videos", "videos", "d"),
        Column("frames", "frames", ",d"),
    ]
    title = f"Share of frames on which A is better than B in {METRICS[data.metric][0]}"
    notes = [f"In brackets: {100 * LEVEL:g} % bootstrap interval over videos.", *_printed(data)]
    drawn = table.head(MAX_DRAWN)
    caption = f"{title}; the bar is the interval over videos, the line in the middle is one half."
    alt = f"{caption} First: {drawn['a'][0]} over {drawn['b'][0]} on {drawn['share'][0]:.0%} of frames."
    blocks = (of_rows("wins", title, table, columns, notes), plots.share("wins-shares", drawn, caption, alt))
    return Section("wins", "Frames on which A beats B", how, blocks)


def _chosen(data: ReportData) -> Sequence[tuple[str, str]]:
    """Every pair with a model, its model first; every pair where there is no model."""
    order = [*data.models, *(run for run in data.results if run not in data.models)]
    pairs = itertools.combinations(order, 2)
    return [pair for pair in pairs if not data.models or pair[0] in data.models]


def _printed(data: ReportData) -> list[str]:
    rows = data.published[data.published["metric"] == WIN_SHARE] if len(data.published) else data.published
    return [
        f"Published: {row.model}: {row.value:.2%} ({row.paper}, {row.table}; {row.source})."
        for row in rows.itertuples()
    ]
