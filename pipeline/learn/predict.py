"""Saliency maps of a split by a trained model.

Conventions
-----------
`maps.parquet`: one row a predicted frame, one row group a stimulus, in the order of the shards: `stimulus`, `frame`
(from 0) and `map` (height × width float32, row by row; non-negative, not normalised). The schema's metadata hold,
as JSON under the key `ave`: `height`, `width`, `split`, `every` and `run` (model, settings, the step whose weights
these are, and why training stopped early if it did). Every picture is decoded once, however much clips overlap.
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
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader

from pipeline.errors import ModelError
from pipeline.export.clips import ClipStream, collate
from pipeline.learn import checkpoints
from pipeline.learn.device import device_of, use_threads
from pipeline.learn.settings import PredictSettings, from_params
from pipeline.learn.train import indexes_of
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
    stream = ClipStream(
        indexes_of(job.files["shards"], settings.split),
        frames=wants.frames,
        normalise=wants.normalisation,
        stride=settings.every,
    )
    about = {"height": wants.map_size[0], "width": wants.map_size[1], "split": settings.split, "every": settings.every}
    schema = maps_schema({**about, "run": {name: run[name] for name in TOLD}})
    n_frames = n_stimuli = 0
    with pq.ParquetWriter(job.out / "maps.parquet", schema, compression="zstd") as writer:
        predicted = predict(model, stream, settings, run["settings"]["scale"])
        for stimulus, rows in itertools.groupby(predicted, key=lambda row: row[0]):
            _, frames, maps = zip(*rows, strict=True)
            columns = [[stimulus] * len(frames), frames, _as_lists(np.stack(maps))]
            writer.write_table(pa.table(columns, schema=schema), row_group_size=len(frames))
            n_frames, n_stimuli = n_frames + len(frames), n_stimuli + 1
    return {"frames": n_frames, "stimuli": n_stimuli}


def predict(
    model: nn.Module, clips: ClipStream, settings: PredictSettings, scale: int
) -> Iterator[tuple[str, int, NDArray[np.float32]]]:
    """Yield (stimulus, frame, map [height, width]) of every clip, in the order of `clips`.

    Raises
    ------
    ModelError
        If a map is not finite: such weights are no good, and no score should be made of them.
    """
    use_threads(settings.threads)
    device = device_of(settings.device)
    model = model.to(device).eval()
    for batch in DataLoader(clips, batch_size=settings.batch, collate_fn=collate):
        with torch.inference_mode():
            maps = saliency_maps(model, batch["video"].to(device), batch["audio"].to(device), scale).cpu()
        for stimulus, frame, saliency in zip(batch["stimulus"], batch["frame"].tolist(), maps.numpy(), strict=True):
            if not np.isfinite(saliency).all():
                raise ModelError(
                    f"{stimulus}: the saliency map of frame {frame} is not finite.",
                    remedy="Train again, with a lower learning rate.",
                    code="map-not-finite",
                )
            yield stimulus, frame, saliency


def saliency_maps(model: nn.Module, video: Tensor, audio: Tensor, scale: int) -> Tensor:
    """The model's maps of a batch of clips, at the size the model promises.

    Parameters
    ----------
    model : nn.Module
        One of `pipeline.models`.
    video : Tensor, shape (batch, 3, frames, height, width)
        Of the size `model.wants`.
    audio : Tensor, shape (batch, 3, frames, 64, 64)
    scale : int
        Pictures are averaged over scale × scale pixels first, and the smaller map is enlarged (bilinear).

    Raises
    ------
    ModelError
        If the pictures have another size than the model wants.
    """
    wants: Any = model.wants
    if tuple(video.shape[-2:]) != wants.size:
        raise ModelError(
            f"The shards' pictures are {video.shape[-2]} × {video.shape[-1]} px (height × width); "
            f"this model wants {wants.size[0]} × {wants.size[1]}.",
            remedy="Build the frames at that size (frame_height, frame_width).",
            code="picture-size",
        )
    if scale > 1:
        video = _averaged(video, scale)
    maps = model(video, audio)
    if tuple(maps.shape[-2:]) != wants.map_size:
        maps = functional.interpolate(maps[:, None], size=wants.map_size, mode="bilinear")[:, 0]
    return maps


def _averaged(video: Tensor, scale: int) -> Tensor:
    """Clips with scale × scale pixels averaged into one; picture by picture, three times as fast as in 3-D."""
    pictures = video.transpose(1, 2).flatten(0, 1)
    return functional.avg_pool2d(pictures, scale).unflatten(0, video.shape[:1] + video.shape[2:3]).transpose(1, 2)


def maps_schema(about: dict[str, Any]) -> pa.Schema:
    """Columns of maps.parquet, with `about` in the metadata; `about["height"]` × `about["width"]` cells a map."""
    cells = pa.list_(pa.float32(), about["height"] * about["width"])
    fields = [("stimulus", pa.string()), ("frame", pa.int32()), ("map", cells)]
    return pa.schema(fields, metadata={"ave": json.dumps(about, sort_keys=True)})


def _as_lists(maps: NDArray[np.float32]) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(maps.ravel()), maps[0].size)
