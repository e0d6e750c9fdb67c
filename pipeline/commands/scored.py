"""What `ave score` and `ave baselines` share: a split prepared once, its videos on an executor, and how it is told."""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track

from pipeline.corpus import Corpus
from pipeline.errors import AveError, UsageError
from pipeline.evaluate import protocols
from pipeline.evaluate.analysis.adding_up import check_overall
from pipeline.evaluate.analysis.rendering import to_markdown
from pipeline.evaluate.baselines import still
from pipeline.evaluate.results import FOLDER, Result, results
from pipeline.evaluate.score_table import METRICS, OVERALL, means, read_scores, scored
from pipeline.evaluate.scoring import BASELINE_SIZE, Scored, Split, run
from pipeline.evaluate.tables import leaderboard
from pipeline.evaluate.truth import truths
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


def protocols_of(words: Sequence[str] | None) -> tuple[str, ...]:
    """The protocols that --protocol names, also as a,b; `ours` where it names none. UsageError for an unknown one."""
    chosen = tuple(dict.fromkeys(name for word in words or ["ours"] for name in word.split(",") if name))
    for name in chosen:
        protocols.get(name)
    return chosen


def check_not_empty(videos: Sequence[str], split: str) -> None:
    """Raise UsageError for a split that does not exist, or of which the corpus holds no video."""
    if split not in SPLITS:
        raise UsageError(f"Unknown split {split!r}.", remedy=f"Choose one of: {', '.join(SPLITS)}.")
    if not videos:
        raise UsageError(f"The corpus holds no video of the {split} split.", remedy="Name another: --split.")


@contextmanager
def prepared_split(arguments: Namespace, corpus: Corpus, split: str, chosen: tuple[str, ...]) -> Iterator[Split]:
    """What all jobs need, with the training split's mean eye position in a file of its own."""
    with tempfile.TemporaryDirectory(prefix="ave-score-") as folder:
        file = Path(folder) / "mep.npy"
        with one_blas_thread():
            np.save(file, still.mep_of(truths(corpus, "train"), BASELINE_SIZE))
        yield Split(str(arguments.store), split, chosen, str(file), arguments.seed, tuple(arguments.metric or ()))


def score_videos(jobs: list[tuple[str, Any]], spec: str, title: str) -> list[Scored]:
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


def about_of(name: str, split: str, chosen: tuple[str, ...], seed: int) -> dict[str, Any]:
    """What every score table says of itself."""
    return {"run": name, "split": split, "protocols": list(chosen), "seed": seed}


def tell(arguments: Namespace, done: Done) -> int:
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
