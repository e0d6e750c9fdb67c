"""The score table: every predicted frame scored, beside what baselines get on the same frames.

Conventions
-----------
Maps, fixation counts and density maps all have the maps' size (32 × 40 for DAVE). Definitions are those of
`metrics`. `scores.parquet` is long: one row a frame and a model. A frame without fixations has n_fixations 0 and no
score (null): it is counted and left out of the averages. Every average is per video, then over videos.

Written: `scores.parquet`; `table.json` and `table.md`, the averages overall and per category, whose first lines say
how they were made.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.errors import AveError
from pipeline.evaluate import baselines
from pipeline.evaluate.metrics import cc, nss
from pipeline.export.reader import ShardSet
from pipeline.signals.gaze import fixation_counts
from pipeline.store.job import Job

AVERAGING = "mean over the scored frames of a video, then over videos; every video weighs the same"
OVERALL = "all"  # the scope of a table's overall row
METRICS = ("nss", "cc")

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
    """What is known about one stimulus of the scored split.

    `counts` are int32 [frames, height, width], `density` float32 of the same shape; both from frame 0 on.
    """

    stimulus: str
    corpus: str
    category: str
    counts: NDArray[np.int32]
    density: NDArray[np.float32]


def build_item(job: Job) -> dict:
    """Stage function: score a run's maps, the mean eye position, the centre Gaussian and the uniform map.

    Parameters
    ----------
    job : Job
        `files`: "shards" {"corpus/split": index.json} and "maps" (maps.parquet of a prediction).
        The run is called by the item's name, e.g. "dave-av" of "all/dave-av".

    Returns
    -------
    dict
        Overall scores per model, and counts of videos and frames.

    Raises
    ------
    AveError
        If maps and shards do not belong together, or there is nothing to fit the baselines on.
    """
    maps = pq.ParquetFile(job.files["maps"])
    about = json.loads(maps.schema_arrow.metadata[b"ave"])
    size = (about["rows"], about["columns"])
    constant = fit_baselines(_of_split(job.files["shards"], "train"), size)
    truths = {truth.stimulus: truth for truth in read_truth(_of_split(job.files["shards"], about["split"]), size)}
    rows: dict[str, list] = {name: [] for name in SCORES.names}
    for stimulus, frames, saliency in read_maps(maps, size):
        truth = _truth_of(stimulus, frames, truths)
        for model, shown in ((job.name, saliency), *((name, [still] * len(frames)) for name, still in constant.items())):
            for row in score_frames(truth, frames, shown, model):
                for name, value in row.items():
                    rows[name].append(value)
    scores = pa.table(rows, schema=SCORES)
    pq.write_table(scores, job.out / "scores.parquet", compression="zstd")
    table = summarise(scores, about, asked=len(truths))
    (job.out / "table.json").write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (job.out / "table.md").write_text(to_markdown(table), encoding="utf-8")
    overall = {row["model"]: {name: row[name] for name in METRICS} for row in table["rows"] if row["scope"] == OVERALL}
    return {"overall": overall, "videos": table["videos"], "frames": table["frames"]}
