"""Clips for a model: read from our shards, beside the loaders of DAVE (small jpgs) and of STAViS and ViNet (720p jpgs).

Both loaders are restated: PIL opens a file, torchvision's `to_tensor` and `normalize` follow, here with its steps and
without its package. They read pictures alone; ours brings the sound, the density and the fixations along.
"""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks import inputs
from benchmarks.harness import Asked, Case, Disagreement, Peer, Row, Target, measure
from pipeline import schemas
from pipeline.export import pictures as decoding
from pipeline.export.clips import ClipDataset, ClipStream
from pipeline.export.shards import build_item
from pipeline.features.frames import encode_planes, write_frames
from pipeline.signals import media
from pipeline.signals.pixels import JPEG_PLANES
from pipeline.store.job import Job

SIZE, FRAMES = (256, 320), 16
OURS_QUALITY, DAVE_QUALITY, FULL_SIZE_QUALITY = 92, 95, 90
MEAN, STD = (torch.tensor(each) / 255 for each in decoding.NORMALISATIONS["kinetics"])
LEAST_DB = 30.0  # of the pictures as decoded and resized: what three JPEGs of different size and quality leave
DAVE, STAVIS = "DAVE's loader (small jpgs)", "STAViS/ViNet's loader (720p jpgs)"


@dataclass(frozen=True)
class Made:
    """One video three times: in shards of ours, as small jpgs and as 720p jpgs; and its pictures without a JPEG."""

    shards: Path
    small: Path
    full: Path
    pictures: NDArray[np.uint8]


def rows(asked: Asked) -> Iterator[Row]:
    """Single clips, then all clips of a video in order."""
    with tempfile.TemporaryDirectory() as folder:
        made = make(Path(folder), 64 if asked.quick else inputs.N_FRAMES)
        n_frames = len(made.pictures)
        yield from measure("clips", single_case(made, range(FRAMES, n_frames, 24)), asked.rounds)
        stream = stream_case(made, n_frames)
        yield from measure("clips", stream, asked.rounds)
        per_frame = decoded_by_stream(made) / n_frames
        target = Target(1.0, limit=True, unit="decodes")
        yield Row("clips", "whole video", "decodes/frame", DAVE, (per_frame,), (FRAMES,), target, "counted")


def make(folder: Path, n_frames: int) -> Made:
    """Write all three; 720p pictures are written at the quality of good jpgs."""
    path, _ = inputs.video(folder)
    small, full = folder / "small", folder / "full"
    for each in (small, full, folder / "shards"):
        each.mkdir()
    resized = []
    for frame, picture in enumerate(inputs.full_pictures(path, n_frames)):
        picture.save(full / f"{frame + 1:07d}.jpg", quality=FULL_SIZE_QUALITY)
        resized.append(np.asarray(picture.resize(SIZE[::-1], Image.Resampling.BICUBIC)))
        Image.fromarray(resized[-1]).save(small / f"{frame + 1:07d}.jpg", quality=DAVE_QUALITY)
    with media.read_frames(path, SIZE, pixels=JPEG_PLANES) as stream:
        jpegs = ((time_s, encode_planes(planes, SIZE, OURS_QUALITY)) for time_s, planes in stream)
        write_frames(folder / "frames.arrow", itertools.islice(jpegs, n_frames))
    write_shards(folder, folder / "shards", n_frames)
    return Made(folder / "shards", small, full, np.stack(resized))


def write_shards(folder: Path, out: Path, n_frames: int, split: str = "train") -> None:
    """Shards of one stimulus whose `frames.arrow` is in `folder`; its sound, density and fixations are made up."""
    rng = np.random.default_rng(0)
    name, fps = "made/video", 25
    height_px, width_px = inputs.VIDEO
    timeline = {"n_frames": n_frames, "times_s": [frame / fps for frame in range(n_frames)], "sound_start_s": 0.0}
    row = {
        "stimulus": name, "corpus": "made", "name": "video", "split": split, "category": "social",
        "rate_num": fps, "rate_den": 1, "width_px": width_px, "height_px": height_px, "px_per_dva": 40.0,
        "licence": "CC0",
    }  # fmt: skip
    files = {role: folder / file for role, file in (("stimulus", "stimulus.json"), ("timeline", "timeline.json"))}
    for role, content in (("stimulus", row), ("timeline", timeline)):
        files[role].write_text(json.dumps(content), encoding="utf-8")
    frame = np.repeat(np.arange(n_frames, dtype=np.int32), 60)  # 60 observers look at every frame
    columns = [[f"{k % 60:02d}" for k in range(len(frame))], frame]
    columns += [(rng.random(len(frame)) * length).astype(np.float32) for length in (width_px, height_px)]
    files["fixations"] = folder / "fixations.parquet"
    pq.write_table(pa.table(columns, schema=schemas.FIXATIONS), files["fixations"])
    density = rng.random((n_frames, 32, 40), np.float32)
    arrays = {"steps": rng.normal(-2, 1, (4 * n_frames + 64, 64)).astype(np.float32), "density": density}
    for role, array in arrays.items():
        files[role] = folder / f"{role}.npy"
        np.save(files[role], array)
    files["frames"] = folder / "frames.arrow"
    licence = dict.fromkeys(("title", "licence", "terms", "citation", "homepage"), "none")
    build_item(
        Job(
            "shards",
            f"made/{split}.wds",
            out,
            files={role: {name: path} for role, path in files.items()},
            values={"licence": {"corpus": "made", **licence}, "split": split, "settings": {"anchor": "start"}},
            params={"format": "wds"},
        )
    )


def single_case(made: Made, targets: Sequence[int]) -> Case:
    """Clips here and there in the video."""
    dataset = ClipDataset(made.shards, frames=FRAMES)
    return Case(
        what=f"a clip of {FRAMES} x {SIZE[0]} x {SIZE[1]}, normalised",
        ours=partial(each_of, lambda target: dataset[target]["video"], targets),
        peers={
            DAVE: Peer(partial(each_of, partial(by_loader, made.small, None), targets), Target(1.9)),
            STAVIS: Peer(partial(each_of, partial(by_loader, made.full, SIZE), targets), Target(15.0)),
        },
        agree=partial(agree, made, targets),
        unit="ms/clip",
        work=len(targets),
    )


def stream_case(made: Made, n_frames: int) -> Case:
    """The clip of every frame, in order, as a prediction wants them."""
    stream = ClipStream(made.shards, frames=FRAMES)
    checked = [0, n_frames // 2, n_frames - 1]

    def ours() -> list[torch.Tensor]:
        return [clip["video"] for clip in stream if clip["frame"] in checked]

    def theirs() -> list[torch.Tensor]:
        clips = enumerate(map(partial(by_loader, made.small, None), range(n_frames)))
        return [video for frame, video in clips if frame in checked]

    return Case(
        what=f"whole video, the clips of {n_frames} frames",
        ours=ours,
        peers={DAVE: Peer(theirs)},
        agree=partial(agree, made, checked),
        unit="ms/frame",
        work=n_frames,
    )


def each_of(read: Callable[[int], torch.Tensor], targets: Sequence[int]) -> list[torch.Tensor]:
    """The clips of these target frames."""
    return [read(target) for target in targets]


def by_loader(folder: Path, size: tuple[int, int] | None, target: int) -> torch.Tensor:
    """Clip [3, 16, height, width] that ends at a frame, from a folder of jpgs, resized where a size is given."""
    pictures = []
    for frame in range(target - FRAMES + 1, target + 1):
        with open(folder / f"{max(frame, 0) + 1:07d}.jpg", "rb") as file, Image.open(file) as opened:
            picture = opened.convert("RGB")
        if size is not None:
            picture = picture.resize(size[::-1])
        values = torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()
        scaled = values.to(torch.float32).div(255)
        pictures.append(scaled.clone().sub_(MEAN[:, None, None]).div_(STD[:, None, None]))
    return torch.stack(pictures).permute(1, 0, 2, 3)


def agree(made: Made, targets: Sequence[int], found: Mapping[str, Any]) -> str:
    """Everybody's pictures, scaled back to 0 … 255, in sight of those that went through no JPEG."""
    told = []
    for name, clips in found.items():
        decibels = []
        for target, clip in zip(targets, clips, strict=True):
            frames = np.maximum(np.arange(target - FRAMES + 1, target + 1), 0)
            truth = made.pictures[frames].transpose(3, 0, 1, 2)
            values = 255 * (clip * STD[:, None, None, None] + MEAN[:, None, None, None]).numpy()
            if values.shape != truth.shape:
                raise Disagreement(f"{name}: a clip of shape {values.shape}, expected {truth.shape}.")
            decibels.append(inputs.psnr_db(values, truth))
        if not min(decibels) >= LEAST_DB:
            raise Disagreement(f"{name}: {min(decibels):.1f} dB from the pictures, expected {LEAST_DB:g}.")
        told.append(f"{name.split()[0]} {min(decibels):.1f} dB")
    return ", ".join(told)


def decoded_by_stream(made: Made) -> int:
    """How many pictures a pass of the stream over the video decodes."""
    with mock.patch.object(decoding, "decode", wraps=decoding.decode) as decode:
        for _ in ClipStream(made.shards, frames=FRAMES):
            pass
    return sum(len(call.args[0]) for call in decode.call_args_list)
