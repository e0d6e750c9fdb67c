"""A raw release of any number of short stimuli in DIEM's form, already unpacked, with manifests to match.

Conventions
-----------
Every stimulus has a video (H.264, 64 x 48 pixels, 6 frames at 30/s), a soundtrack (wav, 0.2 s) and the gaze of three
observers, in `RAW/diem/<name>/{video,audio,event_data}/`. No two stimuli have a file of the same bytes. The picture is
encoded once; each copy carries its own name in a `free` box at its end, which the format allows and decoders skip.
"""

from __future__ import annotations

import csv
import math
import struct
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np

from pipeline.mini.encode import write_video, write_wav
from pipeline.settings import default_manifests

WIDTH_PX, HEIGHT_PX, N_FRAMES, RATE = 64, 48, 6, Fraction(30)
SCREEN_PX = (1280, 960)
SOUND_HZ = 16_000
OBSERVERS = 3


def name_of(number: int) -> str:
    """The name of one stimulus; it ends in the picture's size, as DIEM's names do."""
    return f"made{number:06d}_{WIDTH_PX}x{HEIGHT_PX}"


def write_release(raw: Path, n_stimuli: int) -> None:
    """Write `raw/diem` with stimuli 0 to `n_stimuli`."""
    model = raw / "model.mp4"
    raw.mkdir(parents=True)
    write_video(model, [_pictures()], RATE, (HEIGHT_PX, WIDTH_PX), codec="h264")
    video = model.read_bytes()
    model.unlink()
    for number in range(n_stimuli):
        name, home = name_of(number), raw / "diem" / name_of(number)
        for part in ("video", "audio", "event_data"):
            (home / part).mkdir(parents=True)
        own = name.encode()
        (home / "video" / f"{name}.mp4").write_bytes(video + struct.pack(">I", 8 + len(own)) + b"free" + own)
        write_wav(home / "audio" / f"{name}.wav", _tone(number), SOUND_HZ)
        for observer in range(OBSERVERS):
            event_file(raw, number, observer).write_text(_events(number, observer), encoding="ascii", newline="")


def event_file(raw: Path, number: int, observer: int) -> Path:
    """Where one observer's gaze on one stimulus lies."""
    name = name_of(number)
    return raw / "diem" / name / "event_data" / f"diem1s{observer + 1:02d}.asc_1_{name}.txt"


def change_one(raw: Path) -> None:
    """Give the first stimulus's first observer other gaze; called again, the first gaze again."""
    path = event_file(raw, 0, 0)
    gazes = [_events(0, 0).encode(), _events(1, 0).encode()]
    path.write_bytes(gazes[path.read_bytes() == gazes[0]])


def write_manifests(folder: Path, n_stimuli: int) -> None:
    """Write the project's tables with the synthetic stimuli in the place of DIEM's, all in the train split."""
    folder.mkdir(parents=True)
    numbers = range(n_stimuli)
    for table in sorted(default_manifests().glob("*.csv")):
        with open(table, encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row.get("corpus", "diem") == "diem"]
        if table.stem == "stimuli":
            rows = [{**rows[0], "name": name_of(k), "ave_name": name_of(k), "split": "train"} for k in numbers]
            rows = [{**row, "split_sheet": "train", "frames_reported": ""} for row in rows]
        if table.stem == "diem_videos":
            facts = {"width_px": WIDTH_PX, "height_px": HEIGHT_PX, "n_frames": N_FRAMES, "in_ave": "yes", "why_out": ""}
            rows = [{"name": name_of(k), **facts} for k in numbers]
        _write_table(folder / table.name, rows)


def _pictures() -> np.ndarray:
    frame, row, column = np.ogrid[:N_FRAMES, :HEIGHT_PX, :WIDTH_PX]
    grey = (4 * frame + 2 * row + 3 * column) % 200
    return np.repeat(grey[..., None], 3, axis=3).astype(np.uint8)


def _tone(number: int) -> np.ndarray:
    time_s = np.arange(math.ceil(N_FRAMES / RATE * SOUND_HZ)) / SOUND_HZ
    return (0.3 * np.sin(np.pi * (400 + number) * time_s)).astype(np.float32)[:, None]


def _events(number: int, observer: int) -> str:
    """DIEM's nine columns: gaze inside the picture, which stands in the middle of the screen."""
    lines = []
    for frame in range(N_FRAMES):
        x_px = (SCREEN_PX[0] - WIDTH_PX) / 2 + (7 * frame + 5 * observer + number / 100) % WIDTH_PX
        y_px = (SCREEN_PX[1] - HEIGHT_PX) / 2 + (5 * frame + 11 * observer + number / 10) % HEIGHT_PX
        eye = f"{x_px:.2f}\t{y_px:.2f}\t900.0\t1"
        lines.append(f"{frame + 1}\t{eye}\t{eye}\r\n")
    return "".join(lines)


def _write_table(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    rows = list(rows)
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
