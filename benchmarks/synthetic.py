"""A raw release of any number of stimuli in DIEM's form, already unpacked, with manifests to match.

Conventions
-----------
Every stimulus has a video, a soundtrack (wav) and the gaze of its observers, in
`RAW/diem/<name>/{video,audio,event_data}/`. No two stimuli have a file of the same bytes: the video is one file, and
each copy carries its own name in a `free` box at its end, which the format allows and decoders skip.
`SMALL` is the form that overheads are measured with: 64 x 48 pixels, 6 frames at 30/s, three observers.
"""

from __future__ import annotations

import csv
import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from pipeline.mini.encode import write_video, write_wav
from pipeline.settings import default_manifests

RATE = Fraction(30)
SOUND_HZ = 16_000
SPLITS = ("train", "train", "train", "val", "test")


@dataclass(frozen=True)
class Form:
    """What every stimulus of a release looks like; sizes in pixels, (width, height)."""

    video_px: tuple[int, int]
    screen_px: tuple[int, int]
    n_frames: int
    observers: int
    sound_hz: int = SOUND_HZ

    def name(self, number: int) -> str:
        """The name of one stimulus; it ends in the picture's size, as DIEM's names do."""
        return f"made{number:06d}_{self.video_px[0]}x{self.video_px[1]}"


SMALL = Form((64, 48), (1280, 960), n_frames=6, observers=3)


def write_release(raw: Path, n_stimuli: int, form: Form = SMALL, video: Path | None = None) -> None:
    """Write `raw/diem` with stimuli 0 to `n_stimuli`; `video` is an mp4 of that form, drawn here where None."""
    raw.mkdir(parents=True)
    if video is None:
        video = raw / "model.mp4"
        write_video(video, [_pictures(form)], RATE, form.video_px[::-1], codec="h264")
    content = video.read_bytes()
    (raw / "model.mp4").unlink(missing_ok=True)
    for number in range(n_stimuli):
        name, home = form.name(number), raw / "diem" / form.name(number)
        for part in ("video", "audio", "event_data"):
            (home / part).mkdir(parents=True)
        own = name.encode()
        (home / "video" / f"{name}.mp4").write_bytes(content + struct.pack(">I", 8 + len(own)) + b"free" + own)
        write_wav(home / "audio" / f"{name}.wav", _tone(number, form), form.sound_hz)
        for observer in range(form.observers):
            path = event_file(raw, number, observer, form)
            path.write_text(_events(number, observer, form), encoding="ascii", newline="")


def event_file(raw: Path, number: int, observer: int, form: Form = SMALL) -> Path:
    """Where one observer's gaze on one stimulus lies."""
    name = form.name(number)
    return raw / "diem" / name / "event_data" / f"diem1s{observer + 1:02d}.asc_1_{name}.txt"


def change_one(raw: Path, form: Form = SMALL) -> None:
    """Give the first stimulus's first observer other gaze; called again, the first gaze again."""
    path = event_file(raw, 0, 0, form)
    gazes = [_events(0, 0, form).encode(), _events(1, 0, form).encode()]
    path.write_bytes(gazes[path.read_bytes() == gazes[0]])


def write_manifests(folder: Path, n_stimuli: int, form: Form = SMALL) -> None:
    """Write the project's tables with the synthetic stimuli in the place of DIEM's, a fifth each in val and in test."""
    folder.mkdir(parents=True)
    numbers = range(n_stimuli)
    for table in sorted(default_manifests().glob("*.csv")):
        with open(table, encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row.get("corpus", "diem") == "diem"]
        if table.stem == "stimuli":
            about = [{"name": form.name(k), "ave_name": form.name(k), "split": SPLITS[k % 5]} for k in numbers]
            rows = [{**rows[0], **own, "split_sheet": own["split"], "frames_reported": ""} for own in about]
        if table.stem == "diem_videos":
            size = dict(zip(("width_px", "height_px"), form.video_px, strict=True))
            facts = {**size, "n_frames": form.n_frames, "in_ave": "yes", "why_out": ""}
            rows = [{"name": form.name(k), **facts} for k in numbers]
        _write_table(folder / table.name, rows)


def _pictures(form: Form) -> np.ndarray:
    width, height = form.video_px
    frame, row, column = np.ogrid[: form.n_frames, :height, :width]
    grey = (4 * frame + 2 * row + 3 * column) % 200
    return np.repeat(grey[..., None], 3, axis=3).astype(np.uint8)


def _tone(number: int, form: Form) -> np.ndarray:
    time_s = np.arange(math.ceil(form.n_frames / RATE * form.sound_hz)) / form.sound_hz
    return (0.3 * np.sin(np.pi * (400 + number) * time_s)).astype(np.float32)[:, None]


def _events(number: int, observer: int, form: Form) -> str:
    """DIEM's nine columns: gaze inside the picture, which stands in the middle of the screen."""
    (width, height), (screen_width, screen_height) = form.video_px, form.screen_px
    lines = []
    for frame in range(form.n_frames):
        x_px = (screen_width - width) / 2 + (7 * frame + 5 * observer + number / 100) % width
        y_px = (screen_height - height) / 2 + (5 * frame + 11 * observer + number / 10) % height
        eye = f"{x_px:.2f}\t{y_px:.2f}\t900.0\t1"
        lines.append(f"{frame + 1}\t{eye}\t{eye}\r\n")
    return "".join(lines)


def _write_table(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    rows = list(rows)
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
