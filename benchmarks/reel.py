"""720p at 30 frames/s, H.264 at 2.4 Mb/s: real pictures where they are at hand, drawn ones elsewhere.

Real pictures are the shared videos beside the checkout, each stretched to 720p, one after the other: a minute in all. A
bit rate near that of the corpora's own videos matters: it decides what decoding costs, which a build is held against.
"""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path

from benchmarks import inputs
from pipeline.mini.encode import write_video
from pipeline.signals import media

RATE, BIT_RATE = 30, "2400k"
SCENES = (
    "animation_bunny_1280x720.webm",
    "animation_bunny_surround_1280x720.mp4",
    "edge/silent_track_cockatoo_1280x720.mp4",
    "animal_dog_1920x1080.mp4",
    "table_three_people_1920x1080.mp4",
    "talk_screencast_1024x576.avi",
)


def write_reel(path: Path, seconds: int) -> str:
    """Write up to a minute; returns what its pictures are, in a word or two."""
    height, width = inputs.VIDEO
    n_frames = seconds * RATE
    shared = inputs.SHARED.parent
    if not shared.is_dir():
        write_video(path, inputs.drifting(n_frames), Fraction(RATE), inputs.VIDEO, codec="h264")
        return "drawn"
    sources = [word for scene in SCENES for word in ("-i", str(shared / scene))]
    form = f"scale={width}:{height},fps={RATE},setsar=1,format=yuv420p"
    scaled = "".join(f"[{k}:v:0]{form}[v{k}];" for k in range(len(SCENES)))
    joined = "".join(f"[v{k}]" for k in range(len(SCENES))) + f"concat=n={len(SCENES)}:v=1:a=0[all]"
    encoded = ["-frames:v", str(n_frames), "-c:v", "libx264", "-b:v", BIT_RATE, str(path)]
    quiet = [media.ffmpeg_path(), "-nostdin", "-v", "error", "-y"]
    subprocess.run([*quiet, *sources, "-filter_complex", scaled + joined, "-map", "[all]", *encoded], check=True)
    return "real"
