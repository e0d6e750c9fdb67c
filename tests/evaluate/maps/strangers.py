"""Submissions as strangers hand them in: small maps whose values say which frame they were made for.

Conventions
-----------
The map of frame k (from 0) is bright at column k only, so that a map read for the wrong frame is found out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIZE = (12, 16)


@dataclass(frozen=True)
class Known:
    """What is asked of a truth."""

    stimulus: str
    n_frames: int = 10
    size_px: tuple[int, int] = (240, 320)


BEARS, CLIP, MEETING = "diem/arctic_bears_1066x710", "coutrot1/clip_1", "coutrot2/clip_1"
MONKEYS = "diem/planet_earth_jungles_monkeys_1280x704"
TRUTHS = tuple(map(Known, (BEARS, MONKEYS, CLIP, "coutrot1/clip_12", MEETING)))


def map_of(frame: int, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """The map of a frame."""
    picture = np.zeros(size, np.uint8)
    picture[3, frame % size[1]] = 15 * (frame + 1)
    return picture


def frame_of(saliency: NDArray) -> int:
    """The frame that a map was made for, from where it is brightest."""
    return int(np.argmax(np.asarray(saliency).max(axis=0)))


def write_map(path: Path, saliency: NDArray) -> None:
    """Write one map; the ending says how."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, saliency)
    else:
        Image.fromarray(saliency).save(path)


def write_maps(folder: Path, pattern: str, frames: Iterable[int] = range(10), first_frame: int = 0) -> None:
    """Write maps named by a pattern with a `%d` of the frame's number."""
    for frame in frames:
        write_map(folder / (pattern % (frame + first_frame)), map_of(frame))


def kinds(findings: Iterable) -> list[str]:
    """What was noticed, without the stimuli that have no maps."""
    return [finding.kind for finding in findings if finding.kind != "no-maps"]
