"""Shards small enough to train on in a test: a bright square somewhere in the picture, and everybody looks at it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import simplejpeg

from pipeline import schemas
from pipeline.export.shards import build_item
from pipeline.signals.density import density_map
from pipeline.store.job import Job

HEIGHT, WIDTH = 256, 320
MAP_SIZE = (32, 40)
SIGMA_PX = 16.0
RATE_HZ = 25
SOUND_RATE_HZ = 22050
BLIND_FRAME = 4  # nobody looks anywhere: a frame without fixations is real
SQUARE_PX = 48

STIMULI = {
    "diem/left": ("train", "social", (60, 90)),
    "diem/right": ("train", "nature", (250, 160)),
    "coutrot1/low": ("val", "social", (240, 190)),
    "coutrot1/high": ("val", "misc", (80, 60)),
    "coutrot1/far": ("val", "social", (280, 110)),
}


def make_shards(
    folder: Path,
    *,
    n_frames: int = 20,
    picture_size: tuple[int, int] = (HEIGHT, WIDTH),
    lead_in_frames: int = 15,
    waveforms: bool = True,
) -> dict[str, Path]:
    """Write the shards of `STIMULI`; returns {"corpus/split": index.json} as the recipe hands it to a job."""
    splits: dict[str, dict[str, Path]] = {}
    for stimulus, (split, category, centre_px) in STIMULI.items():
        made = folder / "stages" / stimulus
        _write_stages(made, stimulus, split, category, centre_px, n_frames, picture_size)
        splits.setdefault(f"{stimulus.split('/')[0]}/{split}", {})[stimulus] = made
    return {
        item: _write_item(folder / "shards" / item, item, stimuli, lead_in_frames, waveforms)
        for item, stimuli in splits.items()
    }


def _write_item(out: Path, item: str, stimuli: dict[str, Path], lead_in_frames: int, waveforms: bool) -> Path:
    out.mkdir(parents=True)
    names = {
        "stimulus": "stimulus.json", "timeline": "timeline.json", "fixations": "fixations.parquet",
        "frames": "frames.arrow", "steps": "steps.npy", "waveform": "waveform.npy", "density": "density.npy",
    }  # fmt: skip
    files = {role: {stimulus: made / name for stimulus, made in stimuli.items()} for role, name in names.items()}
    corpus, split = item.split("/")
    licence = dict.fromkeys(("title", "licence", "terms", "citation", "homepage"), "none") | {"corpus": corpus}
    values = {
        "licence": licence,
        "split": split,
        "settings": {"anchor": "start", "waveform_rate_hz": SOUND_RATE_HZ if waveforms else 0},
    }
    params = {"format": "tensors", "segment_frames": 16, "lead_in_frames": lead_in_frames}
    build_item(Job("shards", f"{item}.tensors", out, files, values, params))
    return out / "index.json"


def _write_stages(
    folder: Path,
    stimulus: str,
    split: str,
    category: str,
    centre_px: tuple[int, int],
    n_frames: int,
    size: tuple[int, int],
) -> None:
    """Every stage's output of one stimulus: three observers on the square, a steady sound."""
    folder.mkdir(parents=True)
    corpus, name = stimulus.split("/")
    times_s = [frame / RATE_HZ for frame in range(n_frames)]
    random = np.random.default_rng(len(stimulus))
    seen = [frame for frame in range(n_frames) if frame != BLIND_FRAME]
    frames = np.repeat(seen, 3).astype(np.int32)
    x_px, y_px = (np.clip(c + 6 * random.standard_normal(frames.size), 0, c + 30) for c in centre_px)
    columns = [["a", "b", "c"] * len(seen), frames, x_px.astype(np.float32), y_px.astype(np.float32)]
    pq.write_table(pa.table(columns, schema=schemas.FIXATIONS), folder / "fixations.parquet")
    density = [
        density_map(
            x_px[frames == k], y_px[frames == k], video_size=(HEIGHT, WIDTH), out_size=MAP_SIZE, sigma_px=SIGMA_PX
        )
        for k in range(n_frames)
    ]
    np.save(folder / "density.npy", np.stack(density).astype(np.float32))
    np.save(folder / "steps.npy", random.normal(-2, 1, (n_frames * 4 + 60, 64)).astype(np.float32))
    sound = 0.1 * random.standard_normal(n_frames * SOUND_RATE_HZ // RATE_HZ)
    np.save(folder / "waveform.npy", sound.astype(np.float32))
    jpegs = [_jpeg(centre_px, size, frame) for frame in range(n_frames)]
    with pa.OSFile(str(folder / "frames.arrow"), "wb") as sink, pa.ipc.new_file(sink, schemas.FRAMES) as writer:
        writer.write_table(pa.table([np.arange(n_frames, dtype=np.int32), times_s, jpegs], schema=schemas.FRAMES))
    clock = {
        "n_frames": n_frames,
        "times_s": times_s,
        "rate": [RATE_HZ, 1],
        "px_per_dva": SIGMA_PX,
        "sound_start_s": 0.0,
    }
    size_px = {"width_px": WIDTH, "height_px": HEIGHT}
    (folder / "timeline.json").write_text(json.dumps({**clock, **size_px}))
    row = {
        "stimulus": stimulus,
        "corpus": corpus,
        "name": name,
        "split": split,
        "category": category,
        "licence": "none",
    }
    rate = {"rate_num": RATE_HZ, "rate_den": 1, "px_per_dva": SIGMA_PX}
    (folder / "stimulus.json").write_text(json.dumps({**row, **size_px, **rate}))


def _jpeg(centre_px: tuple[int, int], size: tuple[int, int], frame: int) -> bytes:
    """A grey picture, a little brighter in each frame, with a white square where people look."""
    picture = np.full((*size, 3), 60 + frame, np.uint8)
    x, y = centre_px[0] * size[1] // WIDTH, centre_px[1] * size[0] // HEIGHT
    half = SQUARE_PX // 2
    picture[max(0, y - half) : y + half, max(0, x - half) : x + half] = 230
    return simplejpeg.encode_jpeg(picture, quality=92, colorspace="RGB")
