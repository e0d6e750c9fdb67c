"""The sections of mean scores: leaderboard, categories, published numbers, centre bias, fusion, protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from pipeline.errors import AveError
from pipeline.evaluate import protocols
from pipeline.evaluate.analysis.adding_up import check_overall
from pipeline.evaluate.analysis.pairing import sign_of
from pipeline.evaluate.analysis.rendering import DECIMALS
from pipeline.evaluate.analysis.summary import Table
from pipeline.evaluate.score_table import METRICS, OVERALL
from pipeline.evaluate.tables import centre_bias_table, fusion_table, leaderboard
from pipeline.report.pages import plots
from pipeline.report.pages.blocks import Block, Section, Words
from pipeline.report.pages.data import HUMAN, ReportData
from pipeline.report.pages.grids import Column, of_rows, of_runs
from pipeline.report.pages.published import WIN_SHARE

NO_SCORES = (
    "No scores yet: `ave baselines` scores what every model has to beat, and `ave score` the maps of a run "
    "(`ave predict` makes those of the run last trained)."
)
ALONE = "The human ceiling is shown and never called best."


def board_of(data: ReportData) -> Table:
    """The leaderboard with all its scopes; its overall rows follow from the categories, or it is refused."""
    references = [run for run in data.scores if run == HUMAN]
    board = leaderboard(data.scores, average=data.rules.average, references=references, n=data.draws)
    check_overall(board)
    return board


def sections(data: ReportData) -> list[Section]:
    """Leaderboard, per category, published numbers, centre bias, fusion, protocol."""
    board = board_of(data) if data.results else None
    return [
        _overall(data, board),
        _per_category(data, board),
        _published(data),
        _centre_bias(data),
        _fusion(data),
        _protocol(data),
    ]


def _overall(data: ReportData, board: Table | None) -> Section:
    how = (
        "A line is a run: a model, somebody's maps, or a baseline. In brackets is the 95 % interval over videos: where "
        "two overlap widely, look at the tests before you call one better. Models come before baselines; bold is the "
        "best but for human infinite, which is no model but what observers themselves reach."
    )
    if board is None:
        return Section("leaderboard", "Leaderboard", how, missing=NO_SCORES)
    rows = board.rows[board.rows["scope"] == OVERALL]
    title = f"Scores on the {data.split} split, protocol {data.protocol}"
    notes = [ALONE, *_said(data)]
    blocks: list[Block] = [of_runs("leaderboard", replace(board, rows=rows, title=title), notes)]
    shown = rows[rows["metric"] == data.metric]
    blocks.append(_dots(data, "leaderboard-dots", shown, "over all videos"))
    return Section("leaderboard", "Leaderboard", how, tuple(blocks))


def _said(data: ReportData) -> list[str]:
    """What was noticed while the runs were scored."""
    lines = [str(sentence) for result in data.results.values() for sentence in result.about.get("said", ())]
    lines += [
        f"{run}: {found['kind']}, {found['count']} times: {found['words']}."
        for run, result in data.results.items()
        for found in result.about.get("findings", ())
    ]
    return lines


def _per_category(data: ReportData, board: Table | None) -> Section:
    how = (
        "The same runs on the videos of each category. A category has few videos: its intervals are wider than the "
        "overall ones. The overall row follows from these, weighted as the protocol averages; that was checked."
    )
    if board is None:
        return Section("categories", "Per category", how, missing=NO_SCORES)
    rows = board.rows[board.rows["scope"] != OVERALL]
    grid = of_runs("categories", replace(board, rows=rows, title="Scores per category"))
    shown = rows[rows["metric"] == data.metric]
    figure = _dots(data, "categories-dots", shown, "in each category")
    return Section("categories", "Per category", how, (grid, figure))


def _dots(data: ReportData, name: str, rows: pd.DataFrame, where: str) -> Any:
    runs, title = list(data.results), METRICS[data.metric][0]
    caption = f"Mean {title} of every run {where}, with the 95 % bootstrap interval over videos."
    best = rows.loc[(sign_of(data.metric) * rows["mean"]).idxmax()] if rows["mean"].notna().any() else None
    alt = caption if best is None else f"{caption} Highest: {best['run']} with {best['mean']:.2f} ({best['scope']})."
    return plots.dots(name, rows, runs, data.metric, caption, alt)


def _published(data: ReportData) -> Section:
    how = (
        "What papers print, beside what we measure. The columns marked as published were scored by the papers' own "
        "code on the papers' own splits: they say what order of number to expect, and decide nothing."
    )
    scores = data.published[data.published["metric"] != WIN_SHARE] if len(data.published) else data.published
    if not len(scores):
        return Section(
            "published",
            "Published beside ours",
            how,
            missing="No published score is known: fill in manifests/published_scores.csv, then run `ave report` again.",
        )
    rows, metrics = _beside(data, scores)
    columns = [
        Column("model", "model"),
        Column("dataset", "data"),
        Column("run", "our run"),
        Column("videos", "videos"),
    ]
    for metric in metrics:
        title, form = METRICS[metric][0], f".{DECIMALS[metric]}f"
        arrow = "↑" if sign_of(metric) > 0 else "↓"
        columns.append(Column(f"{metric}_ours", f"{title} {arrow} ours", form, (f"{metric}_low", f"{metric}_high")))
        columns.append(Column(f"{metric}_published", f"{title} {arrow}", "g", published=True))
    columns += [Column("split", "split", published=True), Column("paper", "paper"), Column("table", "where")]
    notes = [
        f"Ours: {data.split} split, protocol {data.protocol}, on the videos of the same release where we have it; a "
        "dash where no run of that model is scored here.",
        *dict.fromkeys(f"{row.model} on {row.dataset}: {row.source}." for row in scores.itertuples()),
    ]
    return Section(
        "published",
        "Published beside ours",
        how,
        (of_rows("published", "Published beside ours", rows, columns, notes),),
    )


def _beside(data: ReportData, scores: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """One row a published model and data set (and run of ours): both numbers of each metric, side by side."""
    metrics = [metric for metric in METRICS if metric in set(scores["metric"])]
    keys = ["paper", "table", "dataset", "split", "model", "run"]
    rows: list[dict[str, Any]] = []
    for key, own in scores.groupby(keys, sort=False):
        facts = dict(zip(keys, key, strict=True))
        given = {f"{row.metric}_published": row.value for row in own.itertuples()}
        ours = _ours(data, str(facts["dataset"]), str(facts["run"]), metrics) or [{"run": ""}]
        rows += [{**facts, **given, **mine} for mine in ours]
    order = [f"{metric}_{part}" for metric in metrics for part in ("ours", "low", "high", "published")]
    return pd.DataFrame(rows).reindex(columns=[*keys, "videos", *order]), metrics


def _ours(data: ReportData, dataset: str, begins: str, metrics: Sequence[str]) -> list[dict[str, Any]]:
    """Our runs of a model, on the videos of a data set: "ave" is all of them, a corpus its own."""
    found = []
    for run in data.models:
        own = data.scores[run]
        own = own if dataset == "ave" else own[own["corpus"] == dataset]
        if not begins or run.split("-")[0] != begins.split("-")[0] or own.empty:
            continue
        try:
            board = leaderboard({run: own}, average=data.rules.average, n=data.draws)
        except AveError:  # nothing scored on these videos
            continue
        overall = board.rows[board.rows["scope"] == OVERALL].set_index("metric").reindex(metrics)
        row: dict[str, Any] = {"run": run, "videos": str(int(overall["videos"].max()))}
        for metric, means in overall.iterrows():
            row |= {f"{metric}_ours": means["mean"], f"{metric}_low": means["low"], f"{metric}_high": means["high"]}
        found.append(row)
    return found


def _centre_bias(data: ReportData) -> Section:
    how = (
        "People look at the middle. A model without and with the training split's mean eye position (MEP) as a prior: "
        "what is gained by knowing the middle is no merit of the model."
    )
    missing = (
        "No run is scored both without and with MEP: score the maps of a run with it under the other's name and +mep, "
        "`ave score MAPS --run dave-av+mep`."
    )
    try:
        table = centre_bias_table(data.scores, n=data.draws)
    except AveError:
        return Section("centre-bias", "Centre bias", how, missing=missing)
    return Section("centre-bias", "Centre bias", how, (of_runs("centre-bias", table),))


def _fusion(data: ReportData) -> Section:
    how = "Runs by how picture and sound come together in them. Only the runs that say so in their maps are shown."
    fusions = {run: fusion for run in data.models if (fusion := _fusion_of(data.results[run].about))}
    if not fusions:
        missing = (
            "No scored run says how it fuses: `ave train --fusion concat` (or sum, product, bilinear), then "
            "`ave predict` and `ave score`, for each."
        )
        return Section("fusion", "Fusion", how, missing=missing)
    table = fusion_table(data.scores, fusions, n=data.draws)
    return Section("fusion", "Fusion", how, (of_runs("fusion", table),))


def _fusion_of(about: Any) -> str:
    model = about.get("maps", {}).get("run", {}).get("run", {}).get("model", {})
    return str(model.get("options", {}).get("fusion") or "")


def _protocol(data: ReportData) -> Section:
    how = "A score is a number of one protocol: what is done to a map before it is scored, and by which code."
    rules = data.rules
    rows = pd.DataFrame([{"what": title, "rule": words} for title, words in rules.words().items()])
    grid = of_rows(
        "protocol", f"Protocol {rules.name}: {rules.source}", rows, [Column("what", "what"), Column("rule", "rule")]
    )
    blocks: list[Block] = [grid, Words(tuple(rules.says), strong="Peculiarities")]
    for other in protocols.names():
        sentences = protocols.why_they_differ(rules, protocols.get(other))
        differs = pd.DataFrame({"difference": sentences})
        if other != rules.name.removesuffix("-expected") and sentences:
            title = f"Why {rules.name} and {other} differ"
            blocks.append(
                of_rows(f"protocol-{other}", title, differs, [Column("difference", "difference")], folded=True)
            )
    return Section("protocol", "Protocol", how, tuple(blocks))
