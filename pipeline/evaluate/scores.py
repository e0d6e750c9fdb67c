"""The score table: every predicted frame scored, beside what baselines get on the same frames.

Conventions
-----------
Saliency maps, fixation counts and density maps all have the saliency maps' size (32 × 40 for DAVE); scores are
those of `metrics`. `scores.parquet` is long: one row a model and frame. A frame without fixations has n_fixations 0
and no score (null): it is counted, and left out of the averages. Averages are per video, then over videos.

Written: `scores.parquet`; `table.json` and `table.md`, the averages overall and per category, headed by how they
were made.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.errors import AveError
from pipeline.evaluate import baselines
from pipeline.evaluate.metrics import cc, nss
from pipeline.export.reader import ShardSet
from pipeline.signals.gaze import fixation_counts
from pipeline.store.job import Job

AVERAGING = "mean over the scored frames of a video, then over videos: every video weighs the same"
OVERALL = "all"  # scope of a table's overall rows; the others are categories
METRICS = ["nss", "cc"]

SCORES = pa.schema(
    [
        ("stimulus", pa.string()),
        ("corpus", pa.string()),
        ("category", pa.string()),
        ("frame", pa.int32()),
        ("n_fixations", pa.int32()),
        ("model", pa.string()),
        *((name, pa.float64()) for name in METRICS),
    ]
)


@dataclass(frozen=True)
class Truth:
    """Where one stimulus's observers looked, from frame 0 on.

    `counts` are int32, `density` float32, both [frames, height, width].
    """

    stimulus: str
    corpus: str
    category: str
    counts: NDArray[np.int32]
    density: NDArray[np.float32]


def build_item(job: Job) -> dict:
    """Stage function: score a run's maps, and on the same frames the baselines.

    Parameters
    ----------
    job : Job
        `files`: "shards" {"corpus/split": index.json} and "maps", the maps.parquet of a prediction.
        The run's name is the item's: "dave-av" of "all/dave-av".

    Returns
    -------
    dict
        Overall scores per model, and the counts of videos and frames.

    Raises
    ------
    AveError
        If maps and shards do not belong together, no frame has fixations, or there is no training split.
    """
    maps = MapFile(job.files["maps"])
    constant = fit_baselines(_of_split(job.files["shards"], "train"), maps.size)
    rows: list[dict[str, Any]] = []
    without_maps = []
    for truth in read_truth(_of_split(job.files["shards"], maps.about["split"]), maps.size):
        if truth.stimulus not in maps.groups:
            without_maps.append(truth.stimulus)
            continue
        frames, saliency = maps.pop(truth)
        rows += score_frames(truth, frames, saliency, job.name)
        for name, still in constant.items():
            rows += score_frames(truth, frames, np.broadcast_to(still, saliency.shape), name)
    maps.check_all_taken()
    scores = pa.Table.from_pylist(rows, schema=SCORES)
    pq.write_table(scores, job.out / "scores.parquet", compression="zstd")
    table = {**maps.about, "videos_without_maps": without_maps, **summarise(scores.to_pandas())}
    (job.out / "table.json").write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (job.out / "table.md").write_text(to_markdown(table), encoding="utf-8")
    overall = {row["model"]: {name: row[name] for name in METRICS} for row in table["rows"] if row["scope"] == OVERALL}
    return {"overall": overall, "videos": table["videos"], "frames": table["frames"]}


class MapFile:
    """A maps.parquet: its metadata, and each stimulus's maps, to be taken once.

    Attributes
    ----------
    about : dict
        Size, split, every-how-many frames, and the run; see `pipeline.learn.predict`.
    size : (int, int)
        Height and width of the maps.
    groups : dict
        Row group of each stimulus not yet taken.
    """

    def __init__(self, path: Any):
        self._file = pq.ParquetFile(path)
        self.about: dict[str, Any] = json.loads(self._file.schema_arrow.metadata[b"ave"])
        self.size = (self.about["height"], self.about["width"])
        numbers = range(self._file.num_row_groups)
        self.groups = {self._file.read_row_group(n, ["stimulus"])[0][0].as_py(): n for n in numbers}

    def pop(self, truth: Truth) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Frames [n] and maps [n, height, width] of a stimulus; every frame has to exist in the truth."""
        table = self._file.read_row_group(self.groups.pop(truth.stimulus), ["frame", "map"])
        frames = table["frame"].to_numpy()
        if frames.min() < 0 or frames.max() >= len(truth.counts):
            raise AveError(
                f"{truth.stimulus}: maps up to frame {frames.max()}, the shards hold {len(truth.counts)} frames.",
                remedy="The maps are of other shards; predict again.",
                code="maps-of-other-shards",
            )
        return frames, table["map"].combine_chunks().flatten().to_numpy().reshape(-1, *self.size)

    def check_all_taken(self) -> None:
        """Raise if maps are left over: they are of stimuli that the shards do not have."""
        if self.groups:
            raise AveError(
                f"Maps of {', '.join(sorted(self.groups))}: not in the {self.about['split']} shards.",
                remedy="The maps are of other shards; predict again.",
                code="maps-of-other-shards",
            )


def fit_baselines(train: ShardSet, size: tuple[int, int]) -> dict[str, NDArray[np.float64]]:
    """The maps that never change: mean eye position and centre Gaussian of the training split, and uniform."""
    heads = map(train.head, range(len(train)))
    mep = baselines.mean_eye_position((head.facts.stimulus, head.density) for head in heads)
    if mep.shape != size:
        raise AveError(
            f"The shards' density maps are {mep.shape[0]} × {mep.shape[1]}, the saliency maps {size[0]} × {size[1]}.",
            remedy="Build the density maps at the model's size (density_height, density_width).",
            code="map-size",
        )
    centre = baselines.centre_gaussian(size, baselines.spread_about_centre(mep))
    return {"mep": mep, "centre": centre, "uniform": baselines.uniform(size)}


def read_truth(shards: ShardSet, size: tuple[int, int]) -> Iterator[Truth]:
    """Fixation counts and densities of one stimulus after another, in the order of the shards."""
    for _, numbers in itertools.groupby(range(len(shards)), key=lambda number: shards.entries[number].row["stimulus"]):
        heads = [shards.head(number) for number in numbers]
        facts = heads[0].facts
        counts = [
            fixation_counts(points["x_px"], points["y_px"], (facts.height_px, facts.width_px), size)
            for head in heads
            for points in map(head.points, range(head.facts.n_targets))
        ]
        density = np.concatenate([head.density for head in heads])
        yield Truth(facts.stimulus, facts.corpus, facts.category, np.stack(counts), density)


def score_frames(truth: Truth, frames: NDArray, maps: NDArray, model: str) -> Iterator[dict[str, Any]]:
    """One row of the score table for each frame [n] and its map [n, height, width]."""
    for frame, saliency in zip(frames.tolist(), maps, strict=True):
        counts = truth.counts[frame]
        n_fixations = int(counts.sum())
        yield {
            "stimulus": truth.stimulus,
            "corpus": truth.corpus,
            "category": truth.category,
            "frame": frame,
            "n_fixations": n_fixations,
            "model": model,
            "nss": nss(saliency, counts) if n_fixations else None,
            "cc": cc(saliency, truth.density[frame]) if n_fixations else None,
        }


def summarise(scores: pd.DataFrame) -> dict[str, Any]:
    """Average a score table per video, then over videos, overall and per category.

    Parameters
    ----------
    scores : DataFrame
        Columns as `SCORES`. The models keep their order.

    Returns
    -------
    dict
        `averaging` in words; `videos` scored; `frames` {"scored", "without_fixations"} per model; `rows`, each with
        `model`, `scope` ("all" or a category), `videos` and the scores.

    Raises
    ------
    AveError
        If no frame has fixations.
    """
    scored = scores[scores["n_fixations"] > 0]
    if scored.empty:
        raise AveError(
            f"None of the {len(scores)} rows has fixations, so there is nothing to score.",
            remedy="Predict more frames, or look at the fixations of these videos.",
            code="nothing-to-score",
        )
    videos = scored.groupby(["model", "category", "stimulus"], sort=False)[METRICS].mean().reset_index()
    scopes = {OVERALL: videos, **dict(iter(videos.groupby("category")))}
    rows = [
        {"model": model, "scope": scope, "videos": len(own), **own[METRICS].mean().to_dict()}
        for scope, within in scopes.items()
        for model, own in within.groupby("model", sort=False)
    ]
    n_models = scores["model"].nunique()
    counts = {"scored": len(scored) // n_models, "without_fixations": (len(scores) - len(scored)) // n_models}
    return {"averaging": AVERAGING, "videos": int(videos["stimulus"].nunique()), "frames": counts, "rows": rows}


def to_markdown(table: Mapping[str, Any]) -> str:
    """The table as a page: how it was made, then the models down and the scopes across."""
    frames, best, stopped = table["frames"], table["run"]["best"], table["run"]["stopped"]
    lines = [
        f"# Scores on the {table['split']} split",
        "",
        f"* Averaging: {table['averaging']}.",
        f"* {table['videos']} videos, frames 0, {table['every']}, {2 * table['every']} …: {frames['scored']} scored, "
        f"{frames['without_fixations']} without fixations (counted here, in no average).",
        f"* Maps, fixation counts and densities at {table['height']} × {table['width']}.",
        f"* Weights of step {best['step']}, the best on val (loss {best['val_loss']:.3f}).",
    ]
    if table["split"] == "val":
        lines.append("* These are the videos that the weights were chosen on; they flatter the model a little.")
    if stopped:
        lines.append(f"* Training stopped early: the loss of step {stopped['step']} was {stopped['loss']}.")
    if table["videos_without_maps"]:
        lines.append(f"* Not scored, for want of maps: {', '.join(table['videos_without_maps'])}.")
    return "\n".join([*lines, "", *_grid(table["rows"])]) + "\n"


def _grid(rows: list[dict[str, Any]]) -> list[str]:
    """Markdown rows, one a model, with a column for each metric and scope."""
    cells = {(row["model"], row["scope"]): row for row in rows}
    models, scopes = (list(dict.fromkeys(row[key] for row in rows)) for key in ("model", "scope"))
    columns = list(itertools.product(METRICS, scopes))
    head = [f"{metric.upper()} {scope} ({cells[models[0], scope]['videos']})" for metric, scope in columns]
    grid = [["model", *head], ["---", *["---:"] * len(head)]]
    grid += [[model, *(f"{cells[model, scope][metric]:.3f}" for metric, scope in columns)] for model in models]
    return [f"| {' | '.join(row)} |" for row in grid]


def _of_split(shards: Mapping[str, Any], split: str) -> ShardSet:
    """All samples of one split out of {"corpus/split": index.json}."""
    return ShardSet([path for name, path in sorted(shards.items()) if name.split("/")[1] == split])
