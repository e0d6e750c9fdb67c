"""One minute of 720p, H.264 at 2.4 Mb/s and 30 frames/s: real pictures where they are at hand, drawn ones elsewhere.

Real pictures are the shared videos beside the checkout, each stretched to 720p, one after the other. A bit rate near
that of the corpora's own videos matters: it decides what decoding costs, and that is what a build is held against.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline.mini.encode import write_video
from pipeline.signals import media

WIDTH_PX, HEIGHT_PX, RATE, N_FRAMES = 1280, 720, 30, 1800
BIT_RATE = "2400k"
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "videos"
SCENES = (
    "animation_bunny_1280x720.webm",
    "animation_bunny_surround_1280x720.mp4",
    "edge/silent_track_cockatoo_1280x720.mp4",
    "animal_dog_1920x1080.mp4",
    "table_three_people_1920x1080.mp4",
    "talk_screencast_1024x576.avi",
)


def write_reel(path: Path) -> str:
    """Write the minute; returns what its pictures are, in a few words."""
    if not SHARED.is_dir():
        write_video(path, _drawn(), media.Fraction(RATE), (HEIGHT_PX, WIDTH_PX), codec="h264")
        return "drawn pictures (the shared videos are not here)"
    inputs = [word for scene in SCENES for word in ("-i", str(SHARED / scene))]
    form = f"scale={WIDTH_PX}:{HEIGHT_PX},fps={RATE},setsar=1,format=yuv420p"
    scaled = "".join(f"[{k}:v:0]{form}[v{k}];" for k in range(len(SCENES)))
    joined = "".join(f"[v{k}]" for k in range(len(SCENES))) + f"concat=n={len(SCENES)}:v=1:a=0[all]"
    encoded = ["-frames:v", str(N_FRAMES), "-c:v", "libx264", "-b:v", BIT_RATE, str(path)]
    quiet = [media.ffmpeg_path(), "-nostdin", "-v", "error", "-y"]
    subprocess.run([*quiet, *inputs, "-filter_complex", scaled + joined, "-map", "[all]", *encoded], check=True)
    return "real pictures"


def _drawn() -> Iterator[np.ndarray]:
    """A disc that wanders over a texture that drifts: something for motion search to do."""
    rng = np.random.default_rng(0)
    texture = rng.integers(60, 180, (HEIGHT_PX // 8, WIDTH_PX // 8, 3)).repeat(8, 0).repeat(8, 1).astype(np.uint8)
    row, column = np.ogrid[:HEIGHT_PX, :WIDTH_PX]
    for frame in range(N_FRAMES):
        picture = np.roll(texture, (frame, 2 * frame), (0, 1))
        x, y = WIDTH_PX * (0.5 + 0.4 * np.sin(frame / 40)), HEIGHT_PX * (0.5 + 0.4 * np.cos(frame / 55))
        picture[(row - y) ** 2 + (column - x) ** 2 < 80**2] = (230, 60, 40)
        yield picture[None]
