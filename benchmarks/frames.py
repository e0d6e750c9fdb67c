"""Pictures of a video: decoded, resized and stored in one pass, beside full-size files that PIL resizes afterwards."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks import inputs
from benchmarks.harness import LIMIT, Asked, Case, Disagreement, Peer, Row, Target, measure, with_children
from pipeline.features.frames import FrameFile, encode_planes, write_frames
from pipeline.signals import media
from pipeline.signals.pixels import JPEG_PLANES

SIZE = (256, 320)
JPEG_QUALITY = 92
COMPARED_EVERY = 12  # frames
LEAST_DB = (
    39.0  # of a picture as resized; what JPEG then takes depends on the picture, 36 dB are left of the real one's
)
LEAST_STORED_DB = 30.0  # of a picture that went through a JPEG, ours when small, theirs at full size
ALONE = "decoding alone"


def rows(asked: Asked) -> Iterator[Row]:
    """One video, one thread each; the programs' processor seconds count."""
    with tempfile.TemporaryDirectory() as folder:
        path, what = inputs.video(Path(folder))
        yield from measure("frames", case(path, what, Path(folder)), asked.rounds)


def case(path: Path, what: str, folder: Path) -> Case:
    """What each returns is every twelfth picture."""
    full = inputs.full_pictures(path)
    pictures = [np.asarray(picture.resize(SIZE[::-1], Image.Resampling.BICUBIC)) for picture in full]
    peers = {
        "full-size jpg, PIL": Peer(partial(by_full_size_files, path, folder), Target(4.5)),
        ALONE: Peer(partial(decode_alone, path), LIMIT),
    }
    return Case(
        what=f"decode, resize, store {what} at {SIZE[0]} x {SIZE[1]}",
        ours=partial(in_one_pass, path, folder),
        peers=peers,
        agree=partial(agree, path, np.stack(pictures[::COMPARED_EVERY])),
        unit="ms/frame",
        work=len(pictures),
        clock=with_children,
    )


def in_one_pass(path: Path, folder: Path) -> FrameFile:
    """Ours, as a build does it."""
    target = folder / "frames.arrow"
    with media.read_frames(path, SIZE, pixels=JPEG_PLANES) as stream:
        write_frames(target, ((time_s, encode_planes(planes, SIZE, JPEG_QUALITY)) for time_s, planes in stream))
    return FrameFile(target)


def by_full_size_files(path: Path, folder: Path) -> list[Image.Image]:
    """The way of STAViS's release: ffmpeg writes every frame as it is, PIL reads and resizes it where it is wanted."""
    with tempfile.TemporaryDirectory(dir=folder) as files:
        command = ["-threads", "1", "-i", str(path), "-threads", "1", f"{files}/img_%05d.jpg"]
        subprocess.run([media.ffmpeg_path(), "-v", "error", *command], check=True)
        resized = []
        for file in sorted(Path(files).iterdir()):
            with Image.open(file) as picture:
                resized.append(picture.convert("RGB").resize(SIZE[::-1], Image.Resampling.BICUBIC))
    return resized


def decode_alone(path: Path) -> None:
    """ffmpeg throws every picture away."""
    command = ["-threads", "1", "-i", str(path), "-map", "0:v", "-f", "null", "-"]
    subprocess.run([media.ffmpeg_path(), "-v", "error", *command], check=True)


def agree(path: Path, truth: NDArray[np.uint8], made: Mapping[str, Any]) -> str:
    """Our resizing at least 39 dB from decoding and resizing by PIL; both sides' JPEGs in sight of it."""
    with media.read_frames(path, SIZE) as stream:
        resized = np.stack([picture for _, picture in stream][::COMPARED_EVERY])
    ours = made["ours"]
    stored = np.stack([ours.read(frame, frame + 1)[0] for frame in range(0, len(ours), COMPARED_EVERY)])
    files = np.stack([np.asarray(picture) for picture in made["full-size jpg, PIL"][::COMPARED_EVERY]])
    told = []
    for name, pictures, least_db in (
        ("ours", resized, LEAST_DB),
        ("with its JPEG", stored, LEAST_STORED_DB),
        ("theirs", files, LEAST_STORED_DB),
    ):
        if pictures.shape != truth.shape:
            raise Disagreement(f"pictures {name}: shape {pictures.shape}, expected {truth.shape}.")
        found_db = inputs.psnr_db(pictures, truth)
        if not found_db >= least_db:
            raise Disagreement(f"pictures {name}: {found_db:.1f} dB from decoding and PIL, expected {least_db:g}.")
        told.append(f"{name} {found_db:.1f} dB")
    return ", ".join(told)
