"""Scoring a split of the size of AVE's test split: 29 videos, about 50,000 frames, all seven metrics.

    python -m benchmarks.scoring [--videos 29] [--frames 1724] [--observers 60] [--executor pool:2] [--protocol ours]

A published corpus with made-up gaze and a run's maps of 32 × 40 are written, then `ave score` is run as a process of
its own. Limit beside: the seven metrics alone, on prepared frames of the same kind, in one thread.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.whole import ave
from pipeline import schemas
from pipeline.evaluate.frame_scores import score_frame
from pipeline.learn.predict import maps_schema
from pipeline.signals.density import density_map
from pipeline.signals.gaze import fixation_counts
from pipeline.store.threads import one_blas_thread

VIDEO_PX, MAP_SIZE, SCORED_SIZE = (720, 1280), (32, 40), (256, 320)
RATE, PX_PER_DVA = (30, 1), 49.5
FOR_LIMIT = 200  # frames that the metrics alone are timed on


def main() -> None:
    """Write the corpus and the maps, score them, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("videos", 29), ("frames", 1724), ("observers", 60)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--executor", default="pool:2")
    parser.add_argument("--protocol", default="ours")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ave-scoring-") as folder:
        store = Path(folder)
        write_corpus(store / "corpus", arguments.videos, arguments.frames, arguments.observers)
        write_maps(store / "maps.parquet", arguments.videos, arguments.frames)
        words = ("--store", str(store), "--protocol", arguments.protocol, "--executor", arguments.executor)
        run = ave("score", str(store / "maps.parquet"), *words)
    n_frames = arguments.videos * arguments.frames
    with one_blas_thread():
        limit_ms = metrics_alone_ms(arguments.observers)
    kind = f"{arguments.observers} fixations a frame, {arguments.protocol}, {arguments.executor}"
    print(f"{arguments.videos} videos, {n_frames:,} frames, {kind}")
    print(f"  ave score: {run.seconds:.0f} s, {1000 * run.seconds / n_frames:.2f} ms a frame")
    print(f"  memory: main {run.main_mb:.0f} MB, largest worker {run.worker_mb:.0f} MB")
    print(f"  seven metrics alone, one thread: {limit_ms:.2f} ms a frame, {limit_ms * n_frames / 1000:.0f} s")


def write_corpus(folder: Path, videos: int, frames: int, observers: int) -> None:
    """What `ave score` reads of a published corpus: the table of stimuli and the fixation tables."""
    random = np.random.default_rng(0)
    rows = []
    for number in range(videos + 2):
        split, name = "test" if number < videos else "train", f"made{number:02d}_1280x720"
        x, y = _gaze(random, frames, observers)
        columns = [
            [f"o{k:02d}" for k in range(observers)] * frames,
            np.repeat(np.arange(frames, dtype=np.int32), observers),
            x.ravel(),
            y.ravel(),
        ]
        file = folder / "fixations" / "diem" / f"{name}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns, schema=schemas.FIXATIONS), file)
        rows.append(_stimulus(name, split, number, frames, observers))
    rows.sort(key=lambda row: row["stimulus"])
    pq.write_table(pa.Table.from_pylist(rows, schema=schemas.STIMULI), folder / "stimuli.parquet")


def _stimulus(name: str, split: str, number: int, frames: int, observers: int) -> dict:
    sizes = {"width_px": VIDEO_PX[1], "height_px": VIDEO_PX[0], "px_per_dva": PX_PER_DVA}
    counts = {"n_frames": frames, "n_observers": observers, "n_fixations": frames * observers}
    sound = {"audio_rate_hz": 44100, "audio_channels": 2, "audio_presented": "made up"}
    where = {"stimulus": f"diem/{name}", "corpus": "diem", "name": name, "split": split}
    category = ("nature", "social", "misc")[number % 3]
    rate = {"rate_num": RATE[0], "rate_den": RATE[1], "duration_s": frames * RATE[1] / RATE[0]}
    return {**where, "category": category, **rate, **sizes, **counts, **sound, "licence": "none"}


def _gaze(random: np.random.Generator, frames: int, observers: int) -> tuple[np.ndarray, np.ndarray]:
    """Everybody about a point that wanders, [frames, observers]."""
    height, width = VIDEO_PX
    t = np.linspace(0, 12 * np.pi, frames)[:, None]
    x = width * (0.5 + 0.3 * np.sin(t)) + 90 * random.standard_normal((frames, observers))
    y = height * (0.5 + 0.3 * np.cos(0.7 * t)) + 70 * random.standard_normal((frames, observers))
    return np.clip(x, 0, width - 1).astype(np.float32), np.clip(y, 0, height - 1).astype(np.float32)


def write_maps(path: Path, videos: int, frames: int) -> None:
    """A run's maps of every test frame: smooth, without ties."""
    random = np.random.default_rng(1)
    schema = maps_schema({"height": MAP_SIZE[0], "width": MAP_SIZE[1], "split": "test", "every": 1, "run": {}})
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for number in range(videos):
            maps = random.random((frames, MAP_SIZE[0] * MAP_SIZE[1]), dtype=np.float32) ** 4
            cells = pa.FixedSizeListArray.from_arrays(pa.array(maps.ravel()), maps.shape[1])
            columns = [[f"diem/made{number:02d}_1280x720"] * frames, np.arange(frames, dtype=np.int32), cells]
            writer.write_table(pa.table(columns, schema=schema), row_group_size=frames)


def metrics_alone_ms(observers: int) -> float:
    """Milliseconds a frame for all seven metrics at the size that `ours` scores."""
    random = np.random.default_rng(2)
    x, y = _gaze(random, FOR_LIMIT, observers)
    counts = [fixation_counts(a, b, VIDEO_PX, SCORED_SIZE) for a, b in zip(x, y, strict=True)]
    density = density_map(x[0], y[0], video_size=VIDEO_PX, out_size=SCORED_SIZE, sigma_px=PX_PER_DVA)
    saliency, negatives = random.random(SCORED_SIZE, dtype=np.float32), sum(counts)
    started = time.process_time()
    for own in counts:
        score_frame(saliency, own, density, negatives, density)
    return 1000 * (time.process_time() - started) / FOR_LIMIT


if __name__ == "__main__":
    main()
