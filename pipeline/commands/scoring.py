"""`ave score` and `ave baselines`: anybody's maps, or a baseline's, scored on a split of a store's corpus."""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track

from pipeline.annotate.boxes import Extent, read_boxes, source_boxes
from pipeline.commands.asked import remembered_settings
from pipeline.corpus import Corpus
from pipeline.errors import AveError, UsageError
from pipeline.evaluate import protocols
from pipeline.evaluate.analysis.adding_up import check_overall
from pipeline.evaluate.analysis.rendering import to_markdown
from pipeline.evaluate.baselines import human, registry, still
from pipeline.evaluate.baselines.group_size import by_group_size
from pipeline.evaluate.baselines.opening import opening
from pipeline.evaluate.contextual import contextual_scores
from pipeline.evaluate.maps import Maps, open_maps, summary
from pipeline.evaluate.results import FOLDER, Result, check_name, results, write_result
from pipeline.evaluate.score_table import METRICS, OVERALL, means, read_scores, scored
from pipeline.evaluate.scoring import (
    BASELINE_SIZE,
    ScoreBaseline,
    Scored,
    ScoreHuman,
    ScoreMaps,
    Split,
    run,
    scorers_of,
)
from pipeline.evaluate.tables import leaderboard
from pipeline.evaluate.truth import truths
from pipeline.recipe.build import Build
from pipeline.recipe.learning import run_names
from pipeline.recipe.stages import POOLED
from pipeline.records import SPLITS
from pipeline.store import executors
from pipeline.store.threads import one_blas_thread

HUMAN = "human"


@dataclass(frozen=True)
class Done:
    """What was scored just now: runs, split, protocols, their score tables, and what there is to say of it."""

    runs: list[str]
    split: str
    protocols: tuple[str, ...]
    files: list[Path]
    lines: list[str]


def score(arguments: Namespace) -> int:
    """Score a folder of maps, or the maps that the run last trained predicted; print table and findings."""
    return _told(arguments, score_maps(arguments))


def baselines(arguments: Namespace) -> int:
    """Score baselines on a split: what every model is set beside."""
    return _told(arguments, score_baselines(arguments))


def score_maps(arguments: Namespace, **more: Any) -> Done:
    """Score maps as the options of `ave score` say; the table keeps `more` among what it says of itself."""
    chosen = _protocols(arguments.protocol)
    path, name = (Path(arguments.maps), "") if arguments.maps else _own_maps(arguments.store)
    name = arguments.run or name or path.resolve().name.split(".")[0]
    corpus = Corpus(arguments.store)
    boxes = _boxes(arguments.annotations, corpus) if arguments.annotations else None
    split, maps = _opened(path, corpus, arguments)
    check_name(arguments.store, name, split, maps.about.get("run"))
    videos = [truth.stimulus for truth in truths(corpus, split)]
    with _shared(arguments, corpus, split, chosen) as shared:
        jobs = [(stimulus, ScoreMaps(shared, maps.only(stimulus), stimulus)) for stimulus in videos]
        videos_scored = _scored(jobs, arguments.executor, f"scoring {name}")
    rows = [row for video in videos_scored for row in video.rows]
    findings = [*maps.found, *(finding for video in videos_scored for finding in video.findings)]
    about = {**_about(name, split, chosen, arguments.seed), "maps": maps.about, "every": maps.about["every"], **more}
    about["findings"] = [{"kind": one.kind, "count": one.count, "words": str(one)} for one in findings]
    file = write_result(arguments.store, rows, about)
    counted = f"number {maps.about['first_frame']} is frame 0, and frames below count from 0"
    read = f"{maps.about['format']}; {maps.about['habit']}; {maps.about['first_frame_why']}: {counted}"
    lines = [read, *summary(findings)]
    if boxes is not None:
        lines += _of_boxes(contextual_scores({name: maps}, truths(corpus, split), boxes))
    return Done([name], split, chosen, [file], lines)


def score_baselines(arguments: Namespace, **more: Any) -> Done:
    """Score baselines as the options of `ave baselines` say; their tables keep `more`, too."""
    if arguments.every < 1:
        raise UsageError(f"--every {arguments.every}: expected 1 or more.")
    chosen, names = _protocols(arguments.protocol), arguments.names or [*registry.names(), HUMAN]
    for name in names:
        if name != HUMAN:
            registry.get(name, also=(HUMAN,))  # an unknown one is said at once
    corpus, split = Corpus(arguments.store), arguments.split or "test"
    videos = [truth.stimulus for truth in truths(corpus, split)]
    _check_not_empty(videos, split)
    files, lines = [], []
    with _shared(arguments, corpus, split, chosen) as shared:
        for name in names:
            kind: Callable[..., Any] = ScoreHuman if name == HUMAN else ScoreBaseline
            jobs = [(stimulus, kind(shared, name, stimulus, arguments.every)) for stimulus in videos]
            videos_scored = _scored(jobs, arguments.executor, f"scoring {name}")
            about = {**_about(name, split, chosen, arguments.seed), "every": arguments.every, "baseline": True}
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


def _boxes(file: Path, corpus: Corpus) -> Mapping[tuple[str, int], Any]:
    """Boxes of sources that sound, by stimulus and frame."""
    return source_boxes(read_boxes(file, {s.stimulus: Extent(s.n_frames, s.height_px, s.width_px) for s in corpus}))


def _of_boxes(table: pd.DataFrame) -> list[str]:
    """NSS inside and outside annotated boxes, a line each, and what was not scored."""
    lines = [
        f"NSS {row['where']} the boxes of what sounds: {row['mean']:.3f} "
        f"({row['videos']} videos, {row['frames']} frames)"
        for row in table.to_dict("records")
    ]
    left = table.iloc[0]
    counts = ("without_annotation", "without_source", "without_map")
    return [*lines, "not in it: " + ", ".join(f"{left[name]} frames {name.replace('_', ' ')}" for name in counts)]


def _protocols(words: Sequence[str] | None) -> tuple[str, ...]:
    chosen = tuple(dict.fromkeys(name for word in words or ["ours"] for name in word.split(",") if name))
    for name in chosen:
        protocols.get(name)
    return chosen


def _own_maps(store: Path) -> tuple[Path, str]:
    """The maps that the run last trained predicted, and its name."""
    built = Build(remembered_settings(store), store)
    (name,) = run_names(built, POOLED)
    if built.fresh("predict", POOLED, name) is None:
        raise UsageError(
            f"No maps given, and the run {name} has predicted none with what is there now.",
            remedy=f"`ave predict --store {store}` makes them; or name a folder: ave score MAPS.",
        )
    return built.folder("predict", POOLED).item_folder(name) / "maps.parquet", name


def _opened(path: Path, corpus: Corpus, arguments: Namespace) -> tuple[str, Maps]:
    """The split that maps are of, and the maps: the one asked for, the one a run of ours says, else the test split."""
    everything = open_maps(path, list(truths(corpus)), arguments.first_frame)
    of_run = everything.about.get("run", {}).get("split")
    asked = arguments.split or str(of_run or "test")
    if of_run and asked in SPLITS and asked != of_run:
        raise UsageError(
            f"These maps are of the {of_run} split, not of {asked}.",
            remedy=f"`ave predict --split {asked}` makes others; or score these: --split {of_run}.",
        )
    known = list(truths(corpus, asked))
    _check_not_empty([truth.stimulus for truth in known], asked)
    return asked, open_maps(path, known, arguments.first_frame)


def _check_not_empty(videos: Sequence[str], split: str) -> None:
    if split not in SPLITS:
        raise UsageError(f"Unknown split {split!r}.", remedy=f"Choose one of: {', '.join(SPLITS)}.")
    if not videos:
        raise UsageError(f"The corpus holds no video of the {split} split.", remedy="Name another: --split.")


@contextmanager
def _shared(arguments: Namespace, corpus: Corpus, split: str, chosen: tuple[str, ...]) -> Iterator[Split]:
    """What all jobs need, with the training split's mean eye position in a file of its own."""
    with tempfile.TemporaryDirectory(prefix="ave-score-") as folder:
        file = Path(folder) / "mep.npy"
        with one_blas_thread():
            np.save(file, still.mep_of(truths(corpus, "train"), BASELINE_SIZE))
        yield Split(str(arguments.store), split, chosen, str(file), arguments.seed, tuple(arguments.metric or ()))


def _scored(jobs: list[tuple[str, Any]], spec: str, title: str) -> list[Scored]:
    """All videos, in the order of the jobs."""
    executor, found = executors.make(spec), {}
    try:
        outcomes: Iterable[Any] = executor.imap(run, jobs)
        if sys.stderr.isatty():
            outcomes = track(outcomes, title, len(jobs), console=Console(stderr=True))
        for key, outcome, error in outcomes:
            if error is not None:
                raise error if isinstance(error, AveError) else AveError(f"{key}: {error}", code="scoring-failed")
            found[key] = outcome
    finally:
        executor.close()
    return [found[key] for key, _ in jobs]


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


def _about(name: str, split: str, chosen: tuple[str, ...], seed: int) -> dict[str, Any]:
    return {"run": name, "split": split, "protocols": list(chosen), "seed": seed}


def _told(arguments: Namespace, done: Done) -> int:
    """Print what was noticed, and a table a protocol: these runs beside every other of the split."""
    files, lines, chosen = done.files, done.lines, done.protocols
    nothing = all(scored(read_scores(file)[0]).empty for file in files)
    if arguments.json:
        print(json.dumps({"files": [str(file) for file in files], "findings": lines, **_as_json(files)}, indent=1))
        return int(nothing)
    for line in lines:
        print(line)
    if nothing:
        print(f"nothing could be scored; what became of each frame: {files[0]}", file=sys.stderr)
        return 1
    for name in chosen:
        print(f"\n{_page(arguments.store, done.runs, done.split, name)}")
    for before, after in itertools.pairwise(chosen):
        print(f"\nWhy {before} and {after} differ:")
        for sentence in protocols.why_they_differ(protocols.get(before), protocols.get(after)):
            print(f"* {sentence}")
    print("\n" + "\n".join(str(file) for file in files))
    return 0


def _page(store: Path, own: Sequence[str], split: str, protocol: str) -> str:
    """The leaderboard of a split by one protocol, the runs just scored first."""
    found: Mapping[str, Result] = results(store / FOLDER, split, protocol)
    order = [*own, *(name for name in found if name not in own)]
    tables = {name: found[name].scores for name in order if name in found}
    table = leaderboard(tables, average=protocols.get(protocol).average, references=(HUMAN,))
    check_overall(table)
    return to_markdown(replace(table, title=f"Scores on the {split} split"))


def _as_json(files: Iterable[Path]) -> dict[str, Any]:
    """Overall means by run and protocol."""
    overall: dict[str, dict[str, Any]] = {}
    for file in files:
        table, about = read_scores(file)
        for protocol, rows in table.groupby("protocol"):
            row = means(rows, protocols.get(str(protocol)).average).set_index("scope").loc[OVERALL]
            numbers = {name: float(row[name]) for name in METRICS if pd.notna(row[name])}
            counts = {"videos": int(row["videos"]), "frames": int(row["frames"])}
            overall.setdefault(about["run"], {})[str(protocol)] = {**numbers, **counts}
    return {"overall": overall}
