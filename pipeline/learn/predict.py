"""Saliency maps of a split by a trained model.

Conventions
-----------
`maps.parquet`: one row a predicted frame, one row group a stimulus, in the order of the shards: `stimulus`, `frame`
(from 0) and `map` (height × width float32, row by row; non-negative, not normalised). The schema's metadata hold,
as JSON under the key `ave`: `height`, `width`, `split`, `every`, `run` (model, settings, the step whose weights
these are, and why training stopped early if it did), and `precision` if it is not fp32. Every picture is decoded once,
however much clips overlap. Clips come with the channels last in memory (`collate`), and the volumes of a model follow:
a sixth faster on a CPU than in the usual layout. Laying out the weights so, too, gains nothing.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

from pipeline.errors import ModelError
from pipeline.export.clips import Clip, ClipStream, collate
from pipeline.learn import checkpoints
from pipeline.learn.device import device_of, use_threads
from pipeline.learn.maps import fitted, saliency_maps
from pipeline.learn.settings import PredictSettings, from_params
from pipeline.learn.shards import check_form, form_of, indexes_of
from pipeline.store.job import Job

TOLD = ("model", "settings", "best", "stopped")  # of run.json, handed on with the maps


def build_item(job: Job) -> dict:
    """Stage function: predict a split with a run's weights.

    Parameters
    ----------
    job : Job
        `files`: "shards" {"corpus/split": index.json}, "weights" and "run" of a training.
        `params`: those of `PredictSettings`.

    Returns
    -------
    dict
        Numbers of frames and of stimuli.

    Raises
    ------
    ModelError
        If the weights are not the run's model's, a map is not finite, or the split is empty.
    """
    settings = from_params(PredictSettings, job.params)
    model, run = checkpoints.open_run(job.files["weights"], job.files["run"])
    wants: Any = model.wants
    check_form(run["model"]["name"], wants)
    stream = ClipStream(indexes_of(job.files["shards"], settings.split), stride=settings.every, **form_of(wants))
    if not len(stream):
        raise ModelError(
            f"The {settings.split} shards hold no clip at all.",
            remedy="`ave status` and rejected.parquet say what became of the split's stimuli.",
            code="empty-split",
        )
    height, width = stream.shards.head(0).density.shape[1:]
    about = {"height": height, "width": width, "split": settings.split, "every": settings.every}
    if settings.precision != "fp32":
        about["precision"] = settings.precision
    schema = maps_schema({**about, "run": {name: run[name] for name in TOLD}})
    n_frames = n_stimuli = 0
    with pq.ParquetWriter(job.out / "maps.parquet", schema, compression="zstd") as writer:
        predicted = predict(model, stream, settings, run["settings"]["scale"], (height, width))
        for stimulus, rows in itertools.groupby(predicted, key=lambda row: row[0]):
            _, frames, maps = zip(*rows, strict=True)
            columns = [[stimulus] * len(frames), frames, _as_lists(np.stack(maps))]
            writer.write_table(pa.table(columns, schema=schema), row_group_size=len(frames))
            n_frames, n_stimuli = n_frames + len(frames), n_stimuli + 1
    return {"frames": n_frames, "stimuli": n_stimuli}


def predict(
    model: nn.Module, clips: IterableDataset[Clip], settings: PredictSettings, scale: int, size: tuple[int, int]
) -> Iterator[tuple[str, int, NDArray[np.float32]]]:
    """Yield (stimulus, frame, map [height, width]) of every clip at a `size`, in the order of `clips`.

    Raises
    ------
    ModelError
        If a map is not finite: such weights are no good, and no score should be made of them.
    """
    use_threads(settings.threads)
    device = device_of(settings.device)
    model = model.to(device).eval()
    for batch in DataLoader(clips, batch_size=settings.batch, collate_fn=collate):
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=settings.precision == "bf16"):
            maps = saliency_maps(model, batch["video"].to(device), batch["audio"].to(device), scale)
            maps = fitted(maps.float(), size).cpu()
        for stimulus, frame, saliency in zip(batch["stimulus"], batch["frame"].tolist(), maps.numpy(), strict=True):
            if not np.isfinite(saliency).all():
                raise ModelError(
                    f"{stimulus}: the saliency map of frame {frame} is not finite.",
                    remedy="Train again, with a lower learning rate.",
                    code="map-not-finite",
                )
            yield stimulus, frame, saliency


def maps_schema(about: dict[str, Any]) -> pa.Schema:
    """Columns of maps.parquet, with `about` in the metadata; `about["height"]` × `about["width"]` cells a map."""
    cells = pa.list_(pa.float32(), about["height"] * about["width"])
    fields = [("stimulus", pa.string()), ("frame", pa.int32()), ("map", cells)]
    return pa.schema(fields, metadata={"ave": json.dumps(about, sort_keys=True)})


def _as_lists(maps: NDArray[np.float32]) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(maps.ravel()), maps[0].size)
