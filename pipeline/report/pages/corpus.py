"""The sections about the corpus: the audit, what was rejected, screens, mean eye positions, openings, samples."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from pipeline.evaluate.baselines.opening import FRAMES, PUBLISHED
from pipeline.records import SPLITS
from pipeline.report.pages import plots
from pipeline.report.pages.blocks import Block, Section
from pipeline.report.pages.data import ReportData
from pipeline.report.pages.grids import Column, of_rows
from pipeline.report.pages.pictures import gallery

NO_CORPUS = "No corpus is published in this store: `ave build` makes one, `ave demo` a small one without a download."


def sections(data: ReportData) -> list[Section]:
    """Corpus, audit, rejected, eye positions, openings, samples."""
    return [_contents(data), _audit(data), _rejected(data), _mep(data), _opening(data), _samples(data)]


def _contents(data: ReportData) -> Section:
    how = "How many videos, minutes, observers and fixations there are, whose gaze it is, and how it was recorded."
    if data.stimuli.empty:
        return Section("corpus", "Corpus: videos, gaze, screens", how, missing=NO_CORPUS)
    table = data.stimuli.assign(minutes=data.stimuli["duration_s"] / 60)
    groups = table.groupby(["corpus", "split", "category"])
    sums = groups[["n_frames", "minutes", "n_fixations"]].sum()
    seen = groups["n_observers"].agg(["min", "mean", "max"]).add_prefix("observers_")
    rows = groups.size().rename("stimuli").to_frame().join(sums).join(seen).reset_index()
    columns = [
        Column("corpus", "corpus"),
        Column("split", "split"),
        Column("category", "category"),
        Column("stimuli", "stimuli", "d"),
        Column("minutes", "minutes", ".2f"),
        Column("n_frames", "frames", ",d"),
        Column("observers_mean", "observers, mean [least, most]", ".0f", ("observers_min", "observers_max")),
        Column("n_fixations", "fixations", ",d"),
    ]
    blocks: list[Block] = [of_rows("corpus", "What the corpus holds", rows, columns, group="corpus"), _list(data)]
    if len(data.geometry):
        blocks.append(_geometry(data))
    return Section("corpus", "Corpus: videos, gaze, screens", how, tuple(blocks))


def _list(data: ReportData) -> Block:
    keys = {"stimulus": "stimulus", "split": "split", "category": "category", "audio_presented": "sound was heard"}
    numbers = [
        Column("n_frames", "frames", ",d"),
        Column("n_observers", "observers", "d"),
        Column("n_fixations", "fixations", ",d"),
        Column("px_per_dva", "px per degree", ".1f"),
    ]
    columns = [*(Column(key, title) for key, title in keys.items()), *numbers]
    rows = data.stimuli[data.stimuli["split"] == data.split]
    return of_rows("stimuli", f"Videos of the {data.split} split", rows, columns, folded=len(rows) > 12)


def _geometry(data: ReportData) -> Block:
    columns = [
        Column("corpus", "corpus"),
        Column("screen_width_px", "screen width, px", ",d"),
        Column("screen_height_px", "screen height, px", ",d"),
        Column("screen_width_cm", "width, cm", ".2f"),
        Column("screen_height_cm", "height, cm", ".2f"),
        Column("distance_cm", "distance, cm", ".0f"),
        Column("px_per_dva", "px per degree", ".1f", ("px_per_dva_low", "px_per_dva_high")),
        Column("placement", "placement"),
        Column("confidence", "confidence"),
        Column("source", "source"),
    ]
    sigma = data.settings.get("sigma_dva")
    notes = [f"A fixation is a Gaussian of σ = {sigma:g} degree in the density maps."] if sigma else []
    return of_rows("geometry", "Screen, distance and pixels per degree", data.geometry, columns, notes)


def _audit(data: ReportData) -> Section:
    how = (
        "Figures that others print, marked as published, beside what was counted here. “differs” is explained by its "
        "note; most known differences are errors in print."
    )
    if not data.audit:
        return Section("audit", "Audit of the corpus", how, missing=NO_CORPUS)
    rows = pd.DataFrame([{**row, **{key: _plain(row.get(key)) for key in ("published", "ours")}} for row in data.audit])
    single = rows["scope"].map(is_of_one)
    columns = [
        Column("quantity", "quantity"),
        Column("scope", "scope"),
        Column("published", "figure", published=True),
        Column("ours", "ours"),
        Column("verdict", "verdict"),
        Column("note", "note"),
        Column("source", "source"),
    ]
    rows = rows[[column.key for column in columns]]
    blocks: list[Block] = [of_rows("audit", "Published figures beside ours", rows[~single], columns)]
    if single.any():
        title = "What is claimed about single videos"
        blocks.append(of_rows("audit-stimuli", title, rows[single], columns, folded=True))
    return Section("audit", "Audit of the corpus", how, tuple(blocks))


def is_of_one(scope: str) -> bool:
    """Whether a scope of the audit is a stimulus.

    Examples
    --------
    >>> [is_of_one(scope) for scope in ("all", "train/nature", "diem/test", "release/diem", "diem/one_show_1280x712")]
    [False, False, False, False, True]
    """
    before, _, after = scope.partition("/")
    return bool(after) and before not in (*SPLITS, "release") and after not in SPLITS


def _plain(value: Any) -> str:
    """A figure of an audit as words: numbers, pairs of numbers, nothing."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value)


def _rejected(data: ReportData) -> Section:
    how = "Nothing is dropped without a reason. Grouped by level and reason; corpus/rejected.parquet has each row."
    if data.stimuli.empty:
        return Section("rejected", "What was rejected, and why", how, missing=NO_CORPUS)
    table = data.rejected
    groups = table.groupby(["level", "reason"])
    rows = groups.agg(rows=("count", "size"), count=("count", "sum"), detail=("detail", _only)).reset_index()
    columns = [
        Column("level", "level"),
        Column("reason", "reason"),
        Column("rows", "rows", ",d"),
        Column("count", "count", ",d"),
        Column("detail", "detail"),
    ]
    blocks: list[Block] = [of_rows("rejected", "Rejected, by reason", rows, columns)]
    whole = table[~table["level"].isin(["recording", "sample"])]
    if len(whole):
        single = [Column("subject", "subject"), columns[1], Column("count", "count", ",d"), columns[4]]
        blocks.append(of_rows("rejected-stimuli", "Videos and sources that are not in", whole, single))
    return Section("rejected", "What was rejected, and why", how, tuple(blocks))


def _only(details: pd.Series) -> str:
    return str(details.iloc[0]) if details.nunique() == 1 else "differs from row to row"


def _mep(data: ReportData) -> Section:
    how = (
        "Where people look on average in the training split: the map that knows nothing of the video, and what a model "
        "has to beat. Per frame, then per video, then over videos; 1 is as dense as gaze spread evenly."
    )
    if not data.mep:
        return Section("mep", "Mean eye positions", how, missing=NO_CORPUS)
    caption = f"Mean eye position of the training split: {', '.join(data.mep)}. One colour scale for all."
    every = next(iter(data.mep.values()))
    row, column = divmod(int(every.argmax()), every.shape[1])
    down, right = (row + 0.5) / every.shape[0], (column + 0.5) / every.shape[1]
    alt = f"{caption} Overall the densest cell lies at {right:.0%} of the width and {down:.0%} of the height."
    return Section("mep", "Mean eye positions", how, (plots.maps("mep", data.mep, caption, alt),))


def _opening(data: ReportData) -> Section:
    how = (
        f"The share of the fixations of the first {FRAMES} frames that lie near the middle. One paper prints "
        f"{PUBLISHED:.2%} and no radius: so here are many radii."
    )
    found = data.opening
    if found is None or found.shares.empty:
        return Section("opening", "Where people look when a video begins", how, missing=NO_CORPUS)
    rows = found.shares.merge(
        found.reaching.add_prefix("radius_of_published_").rename(columns={"radius_of_published_scope": "scope"})
    )
    rows = rows.assign(published=PUBLISHED)
    columns = [
        Column("scope", "scope"),
        Column("radius_dva", "radius, degrees", ".1f"),
        Column("by_video", "share, mean over videos", ".1%"),
        Column("pooled", "share, all fixations alike", ".1%"),
        Column("published", "share at an unstated radius", ".2%", published=True),
        Column("radius_of_published_by_video", "radius that gives it, degrees", ".2f"),
        Column("videos", "videos", "d"),
        Column("fixations", "fixations", ",d"),
    ]
    title = "Fixations near the middle when a video begins"
    grid = of_rows("opening", title, rows, columns, found.said, group="scope", folded=True)
    return Section("opening", "Where people look when a video begins", how, (grid,))


def _samples(data: ReportData) -> Section:
    how = (
        "A row is one frame: as shown with a mark for each fixation; the truth, which is the fixation density; then "
        "what each run predicted. Bright is dense; every map has its own scale."
    )
    if not data.samples:
        return Section("samples", "Sample frames", how, missing=NO_CORPUS)
    return Section("samples", "Sample frames", how, tuple(gallery(sample, data.metric) for sample in data.samples))
