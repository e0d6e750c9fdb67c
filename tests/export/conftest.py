"""A small corpus as the earlier stages leave it: three stimuli, two corpora, pictures of 24 × 40 px."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import simplejpeg

from pipeline import schemas
from pipeline.export.shards import build_item
from pipeline.store.job import Job

FORMATS = ("wds", "parquet", "tensors")
PICTURE_SIZE = (24, 40)
MAP_SIZE = (4, 5)
BANDS = 64
SOUND_RATE_HZ = 8000
LICENCE = {
    "corpus": "diem",
    "title": "A test corpus",
    "licence": "CC0",
    "terms": "none",
    "citation": "Nobody 2026",
    "homepage": "https://example.org",
}


@dataclass(frozen=True)
class Stimulus:
    """Stage outputs of one stimulus, and the same as arrays."""

    row: dict
    files: dict[str, Path]
    times_s: np.ndarray
    jpegs: list[bytes]
    steps: np.ndarray
    waveform: np.ndarray
    density: np.ndarray
    fixations: pa.Table

    @property
    def id(self) -> str:
        return self.row["stimulus"]

    @property
    def n_frames(self) -> int:
        return len(self.times_s)


def make_stimulus(
    folder: Path,
    stimulus: str,
    *,
    split: str = "train",
    category: str = "social",
    n_frames: int,
    n_steps: int,
    rate: tuple[int, int] = (30, 1),
    extra_pictures: int = 0,
    observers: tuple[str, ...] = ("s2", "s10", "s1"),
    seed: int = 0,
) -> Stimulus:
    """Write one stimulus; pictures carry their number in their brightness, fixations skip every seventh frame."""
    rng = np.random.default_rng([seed, n_frames])
    corpus, name = stimulus.split("/")
    folder = folder / corpus / name
    folder.mkdir(parents=True)
    times_s = np.arange(n_frames) * rate[1] / rate[0]
    row = {
        "stimulus": stimulus, "corpus": corpus, "name": name, "split": split, "category": category,
        "rate_num": rate[0], "rate_den": rate[1], "n_frames": n_frames, "duration_s": n_frames * rate[1] / rate[0],
        "width_px": 400, "height_px": 240, "audio_rate_hz": 44100, "audio_channels": 2, "audio_presented": "yes",
        "px_per_dva": 25.5, "n_observers": len(observers), "n_fixations": 0, "licence": "CC0",
    }  # fmt: skip
    timeline = {"n_frames": n_frames, "width_px": 400, "height_px": 240, "rate": rate, "px_per_dva": 25.5}
    jpegs = [_jpeg(rng, k) for k in range(n_frames + extra_pictures)]
    steps = rng.normal(-2, 1, (n_steps, BANDS)).astype(np.float32)
    waveform = np.random.default_rng([seed, 8]).uniform(-1, 1, n_steps * SOUND_RATE_HZ // 100).astype(np.float32)
    density = rng.random((n_frames, *MAP_SIZE)).astype(np.float32)
    density[::7] = 0
    fixations = _fixations(rng, n_frames, observers)
    files = {
        "stimulus": folder / "stimulus.json",
        "timeline": folder / "timeline.json",
        "fixations": folder / "fixations.parquet",
        "frames": folder / "frames.arrow",
        "steps": folder / "steps.npy",
        "waveform": folder / "waveform.npy",
        "density": folder / "density.npy",
    }
    files["stimulus"].write_text(json.dumps({**row, "n_fixations": len(fixations)}))
    files["timeline"].write_text(json.dumps({**timeline, "times_s": times_s.tolist(), "sound_start_s": 0.0}))
    pq.write_table(fixations, files["fixations"])
    np.save(files["steps"], steps)
    np.save(files["waveform"], waveform)
    np.save(files["density"], density)
    _write_frames(files["frames"], jpegs, rate)
    return Stimulus(row, files, times_s, jpegs, steps, waveform, density, fixations)


def _jpeg(rng: np.random.Generator, number: int) -> bytes:
    picture = np.full((*PICTURE_SIZE, 3), number % 256, np.uint8)
    picture[4:12, 4:20] = rng.integers(0, 256, 3)
    return simplejpeg.encode_jpeg(picture, quality=92, colorspace="RGB", colorsubsampling="420")


def _fixations(rng: np.random.Generator, n_frames: int, observers: tuple[str, ...]) -> pa.Table:
    rows = [
        (observer, frame, 400 * rng.random(), 240 * rng.random())
        for frame in range(n_frames)
        if frame % 7
        for observer in sorted(observers)
        if rng.random() < 0.8
    ]
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, schemas.FIXATIONS, strict=True)], schemas.FIXATIONS)


def _write_frames(path: Path, jpegs: list[bytes], rate: tuple[int, int]) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schemas.FRAMES) as writer:
        for start in range(0, len(jpegs), 64):
            numbers = range(start, min(start + 64, len(jpegs)))
            columns = [list(numbers), [k * rate[1] / rate[0] for k in numbers], [jpegs[k] for k in numbers]]
            arrays = [pa.array(c, f.type) for c, f in zip(columns, schemas.FRAMES, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=schemas.FRAMES))


def make_job(out: Path, corpus: str, split: str, stimuli: list[Stimulus], **params: object) -> Job:
    """The job that the recipe would make: an item a split and format."""
    out.mkdir(parents=True, exist_ok=True)
    rate_hz = params.pop("waveform_rate_hz", SOUND_RATE_HZ)
    roles = ["stimulus", "timeline", "fixations", "frames", "steps", "density", *(["waveform"] if rate_hz else [])]
    return Job(
        "shards",
        f"{corpus}/{split}.{params.get('format', 'wds')}",
        out,
        files={role: {stimulus.id: stimulus.files[role] for stimulus in stimuli} for role in roles},
        values={
            "licence": {**LICENCE, "corpus": corpus},
            "split": split,
            "settings": {"sigma_dva": 1.0, "anchor": params.pop("anchor", "start"), "waveform_rate_hz": rate_hz},
        },
        params=params,
    )


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Stimulus]:
    """Three stimuli: one whose sound ends early, one shorter than a clip, one at another rate and in another corpus."""
    folder = tmp_path_factory.mktemp("stages")
    made = [
        make_stimulus(folder, "diem/v1.0_400x240", n_frames=75, n_steps=200, extra_pictures=3, seed=1),
        make_stimulus(folder, "diem/short_400x240", n_frames=9, n_steps=0, category="nature", seed=2),
        make_stimulus(folder, "coutrot1/clip_1", split="val", n_frames=40, n_steps=400, rate=(25, 1), seed=3),
    ]
    return {stimulus.id: stimulus for stimulus in made}


@pytest.fixture(scope="session")
def items(
    world: dict[str, Stimulus], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[tuple[str, str], Path]]:
    """Items by format, then (corpus, split); segments of 20 frames, 3 samples a shard, and one empty split."""
    folder = tmp_path_factory.mktemp("items")
    found: dict[str, dict[tuple[str, str], Path]] = {}
    for name in FORMATS:
        for corpus, split in (("diem", "train"), ("coutrot1", "val"), ("coutrot1", "test")):
            stimuli = [s for s in world.values() if (s.row["corpus"], s.row["split"]) == (corpus, split)]
            out = folder / name / corpus / split
            build_item(make_job(out, corpus, split, stimuli, format=name, segment_frames=20, samples_per_shard=3))
            found.setdefault(name, {})[corpus, split] = out
    return found
