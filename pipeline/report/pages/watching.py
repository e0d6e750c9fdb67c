"""The sections that look into the scores: over time, their distribution, the best and worst videos and sequences."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.evaluate.analysis.extremes import SEQUENCE_ROWS, best_and_worst
from pipeline.evaluate.analysis.rendering import DECIMALS
from pipeline.evaluate.curves import BINS, distribution, over_time
from pipeline.evaluate.score_table import METRICS, scored
from pipeline.report.pages import plots
from pipeline.report.pages.blocks import Section
from pipeline.report.pages.data import ReportData
from pipeline.report.pages.grids import Column, of_rows
from pipeline.report.pages.scores import NO_SCORES

MAX_DRAWN = 8
BAND_DRAWS = 1000
HISTOGRAM_BINS = 50


def sections(data: ReportData) -> list[Section]:
    """Over time, distribution, extremes."""
    return [_over_time(data), _distribution(data), _extremes(data)]


def _drawn(data: ReportData) -> list[str]:
    """Runs to draw, models first; no more than can be told apart."""
    order = [*data.models, *(run for run in data.results if run not in data.models)]
    return [run for run in order if scored(data.scores[run])[data.metric].notna().any()][:MAX_DRAWN]


def _over_time(data: ReportData) -> Section:
    title = METRICS[data.metric][0]
    how = (
        f"Every video is stretched to the same length and cut into {BINS} bins; a curve is the mean over videos, its "
        "band the 95 % interval over them. Curves often begin high: people look at the middle when a video begins."
    )
    runs = _drawn(data)
    if not runs:
        return Section("time", f"{title} over time", how, missing=NO_SCORES)
    draws = min(BAND_DRAWS, data.draws)
    parts = [
        over_time(data.scores[run], data.metric, n_frames=_lengths(data, run), n=draws).assign(run=run) for run in runs
    ]
    rows = pd.concat(parts, ignore_index=True)
    caption = f"{title} over normalised time, {BINS} bins, mean over videos and 95 % band."
    thirds = {run: rows[rows["run"] == run]["mean"].to_numpy() for run in runs[:1]}
    first = ", ".join(
        f"{run} begins at {np.nanmean(values[: BINS // 10]):.2f} and ends at {np.nanmean(values[-BINS // 10 :]):.2f}"
        for run, values in thirds.items()
        if np.isfinite(values[: BINS // 10]).any() and np.isfinite(values[-BINS // 10 :]).any()
    )
    figure = plots.over_time("over-time", rows, data.metric, caption, f"{caption} {first}.")
    return Section("time", f"{title} over time", how, (figure,))


def _lengths(data: ReportData, run: str) -> dict[str, int]:
    """Frames of each video that a run has scores of, also of one that is not in the corpus (any more)."""
    needed = data.scores[run].groupby("stimulus")["frame"].max() + 1
    return {str(name): max(int(last), data.n_frames.get(str(name), 0)) for name, last in needed.items()}


def _distribution(data: ReportData) -> Section:
    title = METRICS[data.metric][0]
    how = (
        "How the scores of single frames are spread. A long video has more frames and so more weight here; a mean "
        "hides the frames on which a run fails, this does not. The CSV has the categories, too."
    )
    runs = _drawn(data)
    if not runs:
        return Section("distribution", f"Distribution of {title}", how, missing=NO_SCORES)
    every = np.concatenate([scored(data.scores[run])[data.metric].dropna() for run in runs])
    edges = np.histogram_bin_edges(every, HISTOGRAM_BINS)
    parts = [distribution(data.scores[run], data.metric, edges).assign(run=run) for run in runs]
    caption = f"Distribution of {title} over frames, {HISTOGRAM_BINS} bins, overall."
    alt = f"{caption} Half of the frames of {runs[0]} score above {_median(data, runs[0]):.2f}."
    figure = plots.histogram("distribution", pd.concat(parts, ignore_index=True), data.metric, caption, alt)
    return Section("distribution", f"Distribution of {title}", how, (figure,))


def _median(data: ReportData, run: str) -> float:
    return float(scored(data.scores[run])[data.metric].median())


def _extremes(data: ReportData) -> Section:
    title = METRICS[data.metric][0]
    how = (
        f"Videos, and sequences of up to {SEQUENCE_ROWS} scored frames, with the best and the worst mean {title}: look "
        "at them before you believe a mean."
    )
    runs = data.models or list(data.results)
    parts = [best_and_worst(data.scores[run], data.metric, 3).assign(run=run) for run in runs]
    rows = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    if rows.empty:
        return Section("extremes", "Best and worst", how, missing=NO_SCORES)
    columns = [
        Column("run", "run"),
        Column("what", "what"),
        Column("which", "which"),
        Column("rank", "rank", "d"),
        Column("stimulus", "stimulus"),
        Column("category", "category"),
        Column("first_frame", "first frame", "d"),
        Column("last_frame", "last frame", "d"),
        Column("mean", f"mean {title}", f".{DECIMALS[data.metric]}f"),
        Column("frames", "frames scored", "d"),
    ]
    rows = rows[[column.key for column in columns]]
    grid = of_rows(
        "extremes", f"Best and worst videos and sequences, {title}", rows, columns, group="run", named="stimulus"
    )
    return Section("extremes", "Best and worst", how, (grid,))
