"""`ave baselines`: what every model is set beside, scored on a split of a store's corpus."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from pipeline.commands.scored import (
    HUMAN,
    Done,
    about_of,
    check_not_empty,
    prepared_split,
    protocols_of,
    score_videos,
    tell,
)
from pipeline.corpus import Corpus
from pipeline.errors import UsageError
from pipeline.evaluate import protocols
from pipeline.evaluate.baselines import human, registry
from pipeline.evaluate.baselines.group_size import by_group_size
from pipeline.evaluate.baselines.opening import opening
from pipeline.evaluate.results import write_result
from pipeline.evaluate.score_table import METRICS, OVERALL
from pipeline.evaluate.scoring import ScoreBaseline, Scored, ScoreHuman, scorers_of
from pipeline.evaluate.truth import truths


def baselines(arguments: Namespace) -> int:
    """Score baselines on a split: what every model is set beside."""
    return tell(arguments, score_baselines(arguments))


def score_baselines(arguments: Namespace, **more: Any) -> Done:
    """Score baselines as the options of `ave baselines` say; their tables keep `more`, too."""
    if arguments.every < 1:
        raise UsageError(f"--every {arguments.every}: expected 1 or more.")
    chosen, names = protocols_of(arguments.protocol), arguments.names or [*registry.names(), HUMAN]
    for name in names:
        if name != HUMAN:
            registry.get(name, also=(HUMAN,))  # an unknown one is said at once
    corpus, split = Corpus(arguments.store), arguments.split or "test"
    videos = [truth.stimulus for truth in truths(corpus, split)]
    check_not_empty(videos, split)
    files, lines = [], []
    with prepared_split(arguments, corpus, split, chosen) as shared:
        for name in names:
            kind: Callable[..., Any] = ScoreHuman if name == HUMAN else ScoreBaseline
            jobs = [(stimulus, kind(shared, name, stimulus, arguments.every)) for stimulus in videos]
            videos_scored = score_videos(jobs, arguments.executor, f"scoring {name}")
            about = {**about_of(name, split, chosen, arguments.seed), "every": arguments.every, "baseline": True}
            said = list(dict.fromkeys(sentence for video in videos_scored for sentence in video.said))
            about |= {"said": said, **more}
            if name == HUMAN:
                intervals = _over_splits(videos_scored)
                about |= {"intervals": intervals}
                said += _in_words(intervals)
            lines += said
            files.append(write_result(arguments.store, [row for video in videos_scored for row in video.rows], about))
    if arguments.ceiling:
        lines += _ceiling(corpus, split, chosen[0], arguments.seed)
    return Done(names, split, chosen, files, lines)


def _ceiling(corpus: Corpus, split: str, protocol: str, seed: int) -> list[str]:
    """How well groups of observers predict one other, by their size; and how many look at the centre at first."""
    videos = list(truths(corpus, split))
    (scorer,) = scorers_of([protocol], videos)
    curve = by_group_size(videos, scorer, seed=seed)
    first = opening(videos)
    lines = [f"one observer predicted by k others, {protocol}:"]
    for metric, own in curve.curve.groupby("metric", sort=False):
        limit = curve.limit.set_index("metric").loc[metric, "limit"]
        words = ", ".join(f"{row['mean']:.3f} (k = {row['size']}, {row['videos']} videos)" for row in _rows(own))
        lines.append(f"  {METRICS[str(metric)][0]}: {words}; extrapolated: {limit:.3f}")
    shares = first.shares[first.shares["scope"] == OVERALL]
    near = ", ".join(f"{row['by_video']:.1%} within {row['radius_dva']:g}" for row in _rows(shares))
    return [*lines, *curve.said, f"fixations by their distance from the centre, dva: {near}", *first.said]


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.to_dict("records")
    return rows


def _over_splits(videos: Sequence[Scored]) -> list[dict[str, Any]]:
    """Mean of human infinite over videos, and its interval over the splits of the observers, by protocol and metric."""
    table = pd.DataFrame([row for video in videos for row in video.by_split])
    rows: list[dict[str, Any]] = []
    for protocol, own in table.groupby("protocol", sort=False):
        by_frame = protocols.get(str(protocol)).average == "frame"
        weights = own["frames"] if by_frame else pd.Series(1.0, own.index)
        known = own[list(METRICS)].notna().mul(weights, axis=0).groupby(own["split"]).sum()
        sums = own[list(METRICS)].mul(weights, axis=0).groupby(own["split"]).sum()
        each = (sums / known).reset_index().assign(scope=OVERALL)
        found = human.over_splits(each).dropna(subset=["mean"])
        rows += found.drop(columns="scope").assign(protocol=protocol).to_dict("records")
    return rows


def _in_words(intervals: Sequence[Mapping[str, Any]]) -> list[str]:
    by_protocol: dict[str, list[str]] = {}
    for row in intervals:
        words = f"{METRICS[row['metric']][0]} {row['mean']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
        by_protocol.setdefault(row["protocol"], []).append(words)
    return [
        *(f"human, {protocol}, 95 % over splits: {', '.join(words)}" for protocol, words in by_protocol.items()),
        f"human: {human.INTERVAL}",
    ]
