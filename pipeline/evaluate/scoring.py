"""Score a run: every frame that has a map, video by video, by one protocol or several.

Conventions
-----------
Rows are those of `score_table`. A frame that should have a map and has none gets a row that says so; nothing is left
out silently. Frames count from 0. A video is a job: `ScoreMaps`, `ScoreBaseline` and `ScoreHuman` travel to a worker
and are run there by `run`; what a whole split shares is prepared once a process.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.corpus import Corpus
from pipeline.evaluate.baselines import registry
from pipeline.evaluate.baselines.human import human_infinite
from pipeline.evaluate.maps import Finding, Maps
from pipeline.evaluate.protocol import REFUSED
from pipeline.evaluate.protocol.scorer import Scorer
from pipeline.evaluate.protocols import get
from pipeline.evaluate.score_table import OVERALL
from pipeline.evaluate.truth import Truth, truths
from pipeline.store.threads import one_blas_thread

NO_MAP = "no map"
BASELINE_SIZE = (256, 320)  # height and width of the maps that baselines give


@dataclass(frozen=True)
class Split:
    """What all jobs of a scoring share.

    Attributes
    ----------
    store : str
        Whose corpus is scored.
    split : str
        "train", "val" or "test".
    protocols : tuple of str
    mep_file : str
        The mean eye position of the training split as .npy, for information gain.
    seed : int
        Of what a protocol draws.
    metrics : tuple of str
        Further ones: "auc_borji", "emd".
    """

    store: str
    split: str
    protocols: tuple[str, ...]
    mep_file: str
    seed: int = 0
    metrics: tuple[str, ...] = ()


@dataclass(frozen=True)
class ScoreMaps:
    """One video of somebody's maps."""

    split: Split
    maps: Maps
    stimulus: str


@dataclass(frozen=True)
class ScoreBaseline:
    """One video by a baseline, on frames 0, every, 2 every …"""

    split: Split
    name: str
    stimulus: str
    every: int


@dataclass(frozen=True)
class ScoreHuman:
    """One video by halves of its observers, on frames 0, every, 2 every …"""

    split: Split
    name: str
    stimulus: str
    every: int


@dataclass(frozen=True)
class Scored:
    """One video: its rows, what was noticed about its maps, and of human infinite the means of each split.

    `by_split` has one row a protocol and split: protocol, split, frames and the metrics.
    """

    rows: list[dict[str, Any]]
    findings: list[Finding] = field(default_factory=list)
    said: tuple[str, ...] = ()
    by_split: list[dict[str, Any]] = field(default_factory=list)


def run(job: ScoreMaps | ScoreBaseline | ScoreHuman) -> Scored:
    """Score one video, with one BLAS thread: the same digits wherever it is done."""
    with one_blas_thread():
        return _run(job)


def _run(job: ScoreMaps | ScoreBaseline | ScoreHuman) -> Scored:
    by_name, scorers = prepared(job.split)
    truth = by_name[job.stimulus]
    if isinstance(job, ScoreHuman):
        return _score_human(job, truth, scorers)
    if isinstance(job, ScoreBaseline):
        frames = range(0, truth.n_frames, job.every)
        baseline = _fitted(job.split, job.name)
        rows = score_video(scorers, truth, ((frame, baseline.map(truth, frame)) for frame in frames))
        return Scored(rows, said=(baseline.said,))
    if job.stimulus not in job.maps.stimuli:
        return Scored(score_video(scorers, truth, (), range(0, truth.n_frames, job.maps.about["every"])))
    beyond = any(scorer.protocol.beyond != REFUSED for scorer in scorers)
    rows = score_video(scorers, truth, job.maps.read(job.stimulus, beyond), job.maps.expected(job.stimulus))
    return Scored(rows, job.maps.findings(job.stimulus))


def _score_human(job: ScoreHuman, truth: Truth, scorers: Sequence[Scorer]) -> Scored:
    rows, said, by_split = [], [], []
    for scorer in scorers:
        name = {"protocol": scorer.protocol.name}
        found = human_infinite([truth], scorer, seed=job.split.seed, every=job.every)
        rows += [name | row for row in found.rows]
        said += [sentence for sentence in found.said if sentence not in said]
        overall = found.splits[found.splits["scope"] == OVERALL]
        by_split += [name | row for row in overall.to_dict("records")]
    return Scored(rows, said=tuple(said), by_split=by_split)


@lru_cache(maxsize=1)
def prepared(split: Split) -> tuple[dict[str, Truth], list[Scorer]]:
    """The truth of each video of a split, and a scorer a protocol."""
    found = {truth.stimulus: truth for truth in truths(Corpus(split.store), split.split)}
    return found, scorers_of(split.protocols, list(found.values()), np.load(split.mep_file), split.seed, split.metrics)


@lru_cache(maxsize=8)
def _fitted(split: Split, name: str) -> registry.Baseline:
    (baseline,) = registry.fitted([name], list(truths(Corpus(split.store), "train")), BASELINE_SIZE)
    return baseline


def scorers_of(
    protocols: Iterable[str],
    truths: Sequence[Truth],
    baseline: NDArray | None = None,
    seed: int = 0,
    metrics: Sequence[str] = (),
) -> list[Scorer]:
    """A scorer a protocol, prepared for a split.

    Parameters
    ----------
    protocols : iterable of str
        Names, see `protocols`.
    truths : sequence of Truth
        Every video of the split.
    baseline : ndarray, shape (height, width), optional
        For information gain: the mean eye position of the training split.
    seed : int
        Of what a protocol draws.
    metrics : sequence of str
        Further ones: "auc_borji", "emd".

    Raises
    ------
    UsageError
        If a protocol or a further metric is unknown.
    """
    return [Scorer(get(name).with_metrics(metrics), truths, baseline, seed) for name in dict.fromkeys(protocols)]


def score_video(
    scorers: Sequence[Scorer], truth: Truth, maps: Iterable[tuple[int, NDArray]], expected: Collection[int] = ()
) -> list[dict[str, Any]]:
    """Rows of the score table for one video, sorted by frame.

    Parameters
    ----------
    scorers : sequence of Scorer
    truth : Truth
    maps : iterable of (frame, map)
        A frame beyond the video is given to those protocols only that say what becomes of it.
    expected : collection of int
        Frames that should have a map; those that have none get a row with the note `NO_MAP`.
    """
    rows, seen = [], set()
    for frame, saliency in maps:
        seen.add(frame)
        for scorer in scorers:
            if frame < truth.n_frames or scorer.protocol.beyond != REFUSED:
                rows.append(_row(scorer, truth, frame, scorer.score(truth, frame, saliency)))
    for frame in sorted(set(expected) - seen):
        missing = {"n_fixations": truth.n_fixations(frame), "note": NO_MAP}
        rows += [_row(scorer, truth, frame, missing) for scorer in scorers]
    return sorted(rows, key=lambda row: row["frame"])


def _row(scorer: Scorer, truth: Truth, frame: int, scores: dict[str, Any]) -> dict[str, Any]:
    where = {"stimulus": truth.stimulus, "corpus": truth.corpus, "category": truth.category, "frame": frame}
    return {"protocol": scorer.protocol.name, **where, **scores}
