"""The score stage: a run's maps scored, and beside them, on the same frames, the maps that never change.

Conventions
-----------
Written: `<run>.parquet`, `mep.parquet`, `centre.parquet`, `uniform.parquet`, score tables as `score_table` has them;
`table.md`, `table.tex` and `table.csv`, the averages overall and per category. Scores are those of the protocols asked
for. A frame without fixations is counted, and in no average.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.errors import AveError
from pipeline.evaluate.analysis.adding_up import check_overall
from pipeline.evaluate.analysis.rendering import to_csv, to_latex, to_markdown
from pipeline.evaluate.baselines import mep_of, registry
from pipeline.evaluate.score_table import METRICS, OVERALL, means, read_scores, scored, write_scores
from pipeline.evaluate.scoring import BASELINE_SIZE, score_video, scorers_of
from pipeline.evaluate.tables import leaderboard
from pipeline.evaluate.truth import Truth, truths_of_shards
from pipeline.export.reader import ShardSet
from pipeline.store.job import Job

STILL = ("mep", "centre", "uniform")


def build_item(job: Job) -> dict:
    """Stage function: score a run's maps, and on the same frames the baselines.

    Parameters
    ----------
    job : Job
        `files`: "shards" {"corpus/split": index.json} and "maps", the maps.parquet of a prediction.
        `params`: "protocols", names of scoring protocols, the first of which makes the tables.
        The run's name is the item's: "dave-av" of "all/dave-av".

    Returns
    -------
    dict
        Overall scores per run, and the counts of videos and frames.

    Raises
    ------
    AveError
        If maps and shards do not belong together, no frame has fixations, or there is no training split.
    """
    maps, protocols = MapFile(job.files["maps"]), tuple(job.params["protocols"])
    truths = list(truths_of_shards(of_split(job.files["shards"], maps.about["split"])))
    maps.check(truths)
    mep, still = fit_baselines(job.files["shards"])
    scorers = scorers_of(protocols, truths, mep)
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in (job.name, *still)}
    for truth in truths:
        expected = range(0, truth.n_frames, maps.about["every"])
        rows[job.name] += score_video(scorers, truth, maps.read(truth.stimulus), expected)
        for name, baseline in still.items():
            rows[name] += score_video(scorers, truth, [(frame, baseline.map(truth, frame)) for frame in expected])
    for name, own in rows.items():
        about = {"run": name, "split": maps.about["split"], "every": maps.about["every"], "protocols": protocols}
        write_scores(job.out / f"{name}.parquet", own, about | ({"maps": maps.about} if name == job.name else {}))
    return _write_table(job, maps, list(rows), protocols[0])


def _write_table(job: Job, maps: MapFile, runs: list[str], protocol: str) -> dict[str, Any]:
    tables = {run: read_scores(job.out / f"{run}.parquet")[0] for run in runs}
    scores = {run: table[table["protocol"] == protocol] for run, table in tables.items()}
    own = scores[job.name]
    if scored(own).empty:
        raise AveError(
            f"None of the {len(own)} frames of {job.name} has fixations and a map, so there is nothing to score.",
            remedy="Predict more frames, or look at the fixations of these videos.",
            code="nothing-to-score",
        )
    table = leaderboard(scores)
    check_overall(table)
    table = replace(table, title=f"Scores on the {maps.about['split']} split", remarks=(*_said(maps), *table.remarks))
    for name, render in (("table.md", to_markdown), ("table.tex", to_latex), ("table.csv", to_csv)):
        (job.out / name).write_text(render(table), encoding="utf-8")
    overall = {run: means(rows).set_index("scope").loc[OVERALL, list(METRICS)] for run, rows in scores.items()}
    counted = scored(own)
    return {
        "overall": {run: {name: float(value) for name, value in row.dropna().items()} for run, row in overall.items()},
        "videos": int(counted["stimulus"].nunique()),
        "frames": {"scored": len(counted), "without_fixations": int((own["n_fixations"] == 0).sum())},
    }


def _said(maps: MapFile) -> Iterator[str]:
    """What a reader must know of the run whose maps these are."""
    about, run = maps.about, maps.about["run"]
    if about["every"] > 1:
        yield f"Frames 0, {about['every']}, {2 * about['every']} … of each video."
    yield f"Weights of step {run['best']['step']}, the best on val (loss {run['best']['val_loss']:.3f})."
    if about["split"] == "val":
        yield "These are the videos that the weights were chosen on; they flatter the model a little."
    if run["stopped"]:
        yield f"Training stopped early: the loss of step {run['stopped']['step']} was {run['stopped']['loss']}."


class MapFile:
    """A maps.parquet as `pipeline.learn.predict` writes it.

    Attributes
    ----------
    about : dict
        Size, split, every-how-many frames, and the run.
    """

    def __init__(self, path: Any):
        self._file = pq.ParquetFile(path)
        self.about: dict[str, Any] = json.loads(self._file.schema_arrow.metadata[b"ave"])
        self._size = (self.about["height"], self.about["width"])
        numbers = range(self._file.num_row_groups)
        self._groups = {self._file.read_row_group(n, ["stimulus"])[0][0].as_py(): n for n in numbers}

    def read(self, stimulus: str) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Frame and map [height, width], one after another; nothing where the stimulus has none."""
        if stimulus in self._groups:
            table = self._file.read_row_group(self._groups[stimulus], ["frame", "map"])
            maps = table["map"].combine_chunks().flatten().to_numpy().reshape(-1, *self._size)
            yield from zip(table["frame"].to_pylist(), maps, strict=True)

    def check(self, truths: list[Truth]) -> None:
        """Refuse maps of stimuli and frames that the truth does not have.

        Raises
        ------
        AveError
            Code "maps-of-other-shards".
        """
        n_frames = {truth.stimulus: truth.n_frames for truth in truths}
        strangers = sorted(set(self._groups) - set(n_frames))
        wrong = [f"{', '.join(strangers)}: not in the {self.about['split']} shards"] if strangers else []
        for stimulus in set(self._groups) & set(n_frames):
            last = max(self._file.read_row_group(self._groups[stimulus], ["frame"])["frame"].to_pylist())
            if last >= n_frames[stimulus]:
                wrong.append(f"{stimulus}: up to frame {last}, the shards hold {n_frames[stimulus]} frames")
        if wrong:
            raise AveError(
                f"Maps of {'; '.join(wrong)}.",
                remedy="The maps are of other shards; predict again.",
                code="maps-of-other-shards",
            )


def fit_baselines(shards: Mapping[str, Any]) -> tuple[NDArray[np.float64], dict[str, registry.Baseline]]:
    """The mean eye position of the train shards, for information gain, and the baselines that never change."""
    train = list(truths_of_shards(of_split(shards, "train")))
    found = registry.fitted(STILL, train, BASELINE_SIZE)
    return mep_of(train, BASELINE_SIZE), dict(zip(STILL, found, strict=True))


def of_split(shards: Mapping[str, Any], split: str) -> ShardSet:
    """All samples of one split out of {"corpus/split": index.json}."""
    return ShardSet([path for name, path in sorted(shards.items()) if name.split("/")[1] == split])
