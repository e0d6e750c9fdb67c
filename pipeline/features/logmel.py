"""The log-mel features of a stimulus: of the whole soundtrack, and of each frame.

Conventions
-----------
Times in seconds on our clock, whose 0 is the first picture; the soundtrack is read from that moment
on, so its sample 0 and step 0 are at 0 s too. Examples are time-major, 64 steps of 10 ms.

`steps.npy` holds every step once (2 MB for two minutes); examples overlap by 95 %, so readers inside
this project cut them from it with `audio.frame_examples`. `logmel.parquet` holds the same examples
written out, one row per frame, for everybody else; zstd finds the overlap again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import schemas
from pipeline.signals import audio, media
from pipeline.store.job import Job

ROW_GROUP_FRAMES = 128  # 2 MB of examples: what a writer holds and a reader must decode to get at one frame


def build_item(job: Job) -> dict[str, Any]:
    """Write `steps.npy` and `logmel.parquet` of one stimulus.

    Parameters
    ----------
    job : Job
        `files` sound (a sound file or the video itself) and timeline (JSON: times_s, sound_start_s);
        `params` bands and anchor.

    Returns
    -------
    facts : dict
        `n_frames`, `n_steps`, and `padded_frames`: examples that reach beyond the soundtrack into silence.

    Raises
    ------
    MediaError
        If the soundtrack cannot be read, or is not sound (`audio.WaveformError`).
    """
    timeline = json.loads(Path(job.files["timeline"]).read_text(encoding="utf-8"))
    times_s = np.array(timeline["times_s"], dtype=np.float64)
    waveform, rate_hz = media.read_soundtrack(job.files["sound"], start_s=timeline["sound_start_s"])
    steps = audio.log_mel(waveform, rate_hz, bands=job.params["bands"])
    np.save(job.out / "steps.npy", steps)
    write_examples(job.out / "logmel.parquet", steps, times_s, job.params["anchor"])
    first = audio.first_steps(times_s, job.params["anchor"])
    padded = (first < 0) | (first + audio.EXAMPLE_STEPS > len(steps))
    return {"n_frames": times_s.size, "n_steps": len(steps), "padded_frames": int(padded.sum())}


def write_examples(target: Path, steps: np.ndarray, times_s: np.ndarray, anchor: str) -> None:
    """Write each frame's example as a row, a row group in memory at a time.

    Parameters
    ----------
    target : Path
        Parquet file to write, schema `schemas.logmel(bands)`.
    steps : ndarray, shape (T, bands), float32
        Log-mel features of the whole soundtrack.
    times_s : ndarray, shape (n,), float64
        Presentation times of the frames.
    anchor : str
        See `audio.frame_examples`.
    """
    bands = steps.shape[1]
    # The anchor rides in the file, so that a reader that cuts examples from the steps cuts the same ones.
    schema = schemas.logmel(bands, audio.EXAMPLE_STEPS).with_metadata({"anchor": anchor})
    # Statistics and a dictionary of numbers that hardly repeat would cost time and space for nothing.
    with pq.ParquetWriter(
        target, schema, compression="zstd", use_dictionary=False, write_statistics=["frame", "time_s"]
    ) as writer:
        for start in range(0, times_s.size, ROW_GROUP_FRAMES):
            here = times_s[start : start + ROW_GROUP_FRAMES]
            examples = audio.frame_examples(steps, here, anchor=anchor)
            flat = pa.FixedSizeListArray.from_arrays(pa.array(examples.ravel()), audio.EXAMPLE_STEPS * bands)
            frame = pa.array(np.arange(start, start + here.size, dtype=np.int32))
            writer.write_batch(pa.record_batch([frame, pa.array(here), flat], schema=schema))
