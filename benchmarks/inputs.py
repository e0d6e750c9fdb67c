"""What the benchmarks work on: a real 720p video where the shared folder is there, else one that is made."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.mini.encode import write_video
from pipeline.signals import media

SHARED = Path(__file__).parents[2] / "shared" / "data" / "videos" / "animation_bunny_surround_1280x720.mp4"
VIDEO = (720, 1280)
N_FRAMES, RATE = 132, Fraction(25)  # of the shared one, and of the made one


def video(folder: Path) -> tuple[Path, str]:
    """A 720p video of 132 frames, and what the table calls it; made in `folder` if there is no real one."""
    if SHARED.is_file():
        return SHARED, "real 720p"
    path = folder / "made_1280x720.mp4"
    write_video(path, drifting(N_FRAMES), RATE, VIDEO, codec="h264")
    return path, "made 720p"


def drifting(n_frames: int) -> Iterator[NDArray[np.uint8]]:
    """Soft patterns of several sizes that drift over each other, and a little grain."""
    rng = np.random.default_rng(0)
    layers = [np.asarray(Image.fromarray(_patches(rng, size)).resize(VIDEO[::-1]), np.float32) for size in (6, 24, 96)]
    grain = rng.normal(0, 3, (*VIDEO, 1)).astype(np.float32)
    for frame in range(n_frames):
        moved = [np.roll(layer, (frame * k, 3 * frame * k), (0, 1)) for k, layer in enumerate(layers, 1)]
        picture = 0.5 * moved[0] + 0.3 * moved[1] + 0.2 * moved[2] + np.roll(grain, 7 * frame, 1)
        yield np.clip(picture, 0, 255).astype(np.uint8)[None]


def _patches(rng: np.random.Generator, rows: int) -> NDArray[np.uint8]:
    grey, colour = rng.integers(0, 200, (rows, 2 * rows, 1)), rng.integers(0, 56, (rows, 2 * rows, 3))
    return (grey + colour).astype(np.uint8)


def full_pictures(path: Path, n_frames: int = N_FRAMES) -> Iterator[Image.Image]:
    """The first frames of a 720p video, decoded and nothing else."""
    command = [media.ffmpeg_path(), "-v", "error", "-i", str(path), "-frames:v", str(n_frames)]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while content := process.stdout.read(VIDEO[0] * VIDEO[1] * 3):
            yield Image.frombytes("RGB", VIDEO[::-1], content)


def psnr_db(pictures: NDArray, truth: NDArray) -> float:
    """Peak signal-to-noise ratio of 8-bit pictures, all of them together."""
    error = np.square(pictures.astype(np.float64) - truth).mean()
    return float(10 * np.log10(255**2 / error))
