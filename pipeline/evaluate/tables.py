"""Tables of runs: the leaderboard, the centre-bias table, the fusion table.

Conventions
-----------
A table is long: columns that name the row, then `summary.COLUMNS`, as `evaluate.analysis.summary` explains them.
`evaluate.analysis.rendering` writes tables as Markdown, LaTeX and CSV; `evaluate.analysis.adding_up` checks their
overall rows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from pipeline.errors import AveError, did_you_mean
from pipeline.evaluate.analysis.bootstrap import LEVEL, RESAMPLES
from pipeline.evaluate.analysis.pairing import ScoresByRun, by_frame, on_common_frames, protocol_of, sign_of
from pipeline.evaluate.analysis.summary import COLUMNS, Draws, Table, summarise, unscored, videos_of
from pipeline.evaluate.score_table import AVERAGES, METRICS, OVERALL, scored
from pipeline.evaluate.significance import FEW_FIXATIONS

MEP_SUFFIX = "+mep"
WITHOUT, WITH, GAIN = "without", "with", "gain"
FEW_VIDEOS = 6  # with five, even a sign-flip test on which all agree stays above 0.05


def leaderboard(
    scores_by_run: ScoresByRun,
    *,
    metrics: Sequence[str] | None = None,
    average: str = "video",
    references: Collection[str] = (),
    n: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
) -> Table:
    """Every run, overall and per category.

    Parameters
    ----------
    scores_by_run : mapping of run to score table
        The runs keep their order. Each is averaged over its own frames; where these differ the table says so, and
        `pairing.on_common_frames` makes them the same.
    metrics : sequence of str, optional
        All that some run has where absent.
    average : str
        One of `score_table.AVERAGES`. Intervals of "corpus" draw videos within each corpus.
    references : collection of str
        Runs that are shown and never called best: a human ceiling.
    n, seed, level
        Of the bootstrap intervals.

    Raises
    ------
    AveError
        If there is no row, no such metric or average, more than one protocol, or a frame has two rows in a run.
    """
    if average not in AVERAGES:
        raise AveError(f"Unknown average {average!r}.", remedy=did_you_mean(average, AVERAGES), code="unknown-average")
    protocol = protocol_of(scores_by_run)
    chosen, scopes, draws = _metrics(scores_by_run, metrics), _scopes(scores_by_run), Draws(n, seed, level)
    parts = []
    for run, scores in scores_by_run.items():
        rows = summarise(videos_of(scores, chosen), scopes, average, draws).merge(unscored(scores, scopes))
        parts.append(rows.assign(run=run, ranked=run not in references))
    remarks = [*_other_frames(scores_by_run), *_too_few(scores_by_run)]
    return _table("Scores", pd.concat(parts), ("scope", "run"), protocol, average, draws, remarks)


def centre_bias_table(
    scores_by_run: ScoresByRun,
    pairs: Mapping[str, str] | None = None,
    *,
    metrics: Sequence[str] | None = None,
    n: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
) -> Table:
    """Runs without and with the mean eye position (MEP) as a prior, one below the other, and what it gains.

    Parameters
    ----------
    scores_by_run : mapping of run to score table
    pairs : mapping of run without to run with, optional
        Found by name where absent: "dave" and "dave+mep".
    metrics, n, seed, level
        As in `leaderboard`.

    Returns
    -------
    Table
        Rows "without", "with" and "gain" (with less without; mean of the paired differences over videos) of each pair.
        Both runs of a pair are averaged over the frames that both have a score on.

    Raises
    ------
    AveError
        If there is no pair, or one names a run that is not there; or as `leaderboard`.
    """
    found = _pairs(scores_by_run, pairs)
    used = {name: scores_by_run[name] for pair in found.items() for name in pair}
    protocol, chosen, scopes = protocol_of(used), _metrics(used, metrics), _scopes(used)
    draws = Draws(n, seed, level)
    parts = []
    for plain, biased in found.items():
        both = on_common_frames({WITHOUT: used[plain], WITH: used[biased]})
        videos = {label: videos_of(scores, chosen) for label, scores in both.items()}
        gain = videos[WITH].means - videos[WITHOUT].means
        for label, own in {**videos, GAIN: replace(videos[WITH], means=gain)}.items():
            counts = unscored(both[WITH if label == GAIN else label], scopes)
            rows = summarise(own, scopes, "video", draws).merge(counts)
            parts.append(rows.assign(run=plain, mep=label, ranked=label != GAIN))
    remarks = ["Both runs of a pair are averaged over the frames that both have a score on.", *_too_few(used)]
    names = ("scope", "run", "mep")
    return _table("Mean eye position as a prior", pd.concat(parts), names, protocol, "video", draws, remarks)


def fusion_table(
    scores_by_run: ScoresByRun,
    fusions: Mapping[str, str],
    *,
    metrics: Sequence[str] | None = None,
    n: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
) -> Table:
    """Runs by how picture and sound were fused.

    Parameters
    ----------
    scores_by_run : mapping of run to score table
    fusions : mapping of run to fusion
        The runs to show. Fusions stand in the order in which they first come, their runs together.
    metrics, n, seed, level
        As in `leaderboard`.

    Raises
    ------
    AveError
        If a run is not there; or as `leaderboard`.
    """
    _check_there(fusions, scores_by_run)
    order = list(dict.fromkeys(fusions.values()))
    runs = sorted(fusions, key=lambda run: order.index(fusions[run]))
    board = leaderboard({run: scores_by_run[run] for run in runs}, metrics=metrics, n=n, seed=seed, level=level)
    rows = board.rows.assign(fusion=board.rows["run"].map(dict(fusions)))
    names = ("scope", "fusion", "run")
    return replace(board, title="Fusion of picture and sound", rows=rows[[*names, *COLUMNS]], names=names)


def _table(
    title: str,
    rows: pd.DataFrame,
    names: tuple[str, ...],
    protocol: str,
    average: str,
    draws: Draws,
    remarks: Sequence[str],
) -> Table:
    order = {scope: place for place, scope in enumerate(dict.fromkeys(rows["scope"]))}
    by_scope = rows.sort_values("scope", key=lambda scopes: scopes.map(order), kind="stable", ignore_index=True)
    return Table(title, by_scope[[*names, *COLUMNS]], names, protocol, average, draws.words(), tuple(remarks))


def _metrics(scores_by_run: ScoresByRun, asked: Sequence[str] | None) -> list[str]:
    for metric in asked or ():
        sign_of(metric)
    has = [scored(scores)[list(METRICS)].notna().any() for scores in scores_by_run.values()]
    found = [name for name in METRICS if any(own[name] for own in has)]
    if not found:
        raise AveError(
            f"No frame of {', '.join(scores_by_run)} has a score.",
            remedy="Look at the column `note` of the score tables, or at the fixations of these videos.",
            code="nothing-to-score",
        )
    return list(dict.fromkeys(asked)) if asked else found


def _scopes(scores_by_run: ScoresByRun) -> list[str]:
    categories = {name for scores in scores_by_run.values() for name in scores["category"].dropna().unique()}
    return [OVERALL, *sorted(categories)]


def _pairs(scores_by_run: ScoresByRun, pairs: Mapping[str, str] | None) -> Mapping[str, str]:
    if pairs is None:
        names = {name: f"{name}{MEP_SUFFIX}" for name in scores_by_run}
        pairs = {plain: biased for plain, biased in names.items() if biased in scores_by_run}
    if not pairs:
        raise AveError(
            f"No pair without and with the mean eye position among {', '.join(scores_by_run) or 'no run'}.",
            remedy=f"Name the run with it like the other and {MEP_SUFFIX!r}, or give the pairs.",
            code="no-pairs",
        )
    _check_there([name for pair in pairs.items() for name in pair], scores_by_run)
    return pairs


def _check_there(runs: Collection[str], scores_by_run: ScoresByRun) -> None:
    for run in runs:
        if run not in scores_by_run:
            raise AveError(f"No scores of run {run!r}.", remedy=did_you_mean(run, scores_by_run), code="unknown-run")


def _other_frames(scores_by_run: ScoresByRun) -> list[str]:
    frames = [by_frame(scored(scores)).index for scores in scores_by_run.values()]
    if all(own.equals(frames[0]) for own in frames[1:]):
        return []
    return ["The runs were not all scored on the same frames, so part of a difference may be one of frames."]


def _too_few(scores_by_run: ScoresByRun) -> list[str]:
    """What is too small to tell runs apart by: a scope's videos, the fixations of a frame."""
    columns = ["stimulus", "category", "n_fixations"]
    rows = pd.concat([scored(scores)[columns] for scores in scores_by_run.values()], ignore_index=True)
    videos = rows.groupby("category")["stimulus"].nunique()
    few = [f"{name} ({count})" for name, count in videos.items() if count < FEW_VIDEOS]
    remarks = [f"Too few videos for more than a glance: {', '.join(few)}."] if few else []
    fixations = rows["n_fixations"].median()
    if fixations < FEW_FIXATIONS:
        remarks.append(f"Few observers: {fixations:g} fixations in the median frame.")
    return remarks
