"""The soundtrack of a stimulus as samples, for models that hear a waveform.

Conventions
-----------
Mono float32, full scale ±1, sample k heard k / rate_hz seconds after the first picture, as the log-mel steps are.
Made only where it is asked for (`waveform_rate_hz` above 0): most models hear log-mel examples.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.signals import audio, media
from pipeline.store.job import Job


def build_item(job: Job) -> dict[str, Any]:
    """Write `waveform.npy` of one stimulus.

    Parameters
    ----------
    job : Job
        `files` sound (a sound file or the video itself) and timeline (JSON: sound_start_s); `params` rate_hz.

    Returns
    -------
    facts : dict
        `n_samples`, and `source_rate_hz` of the soundtrack.

    Raises
    ------
    MediaError
        If the soundtrack cannot be read, or is not sound (`audio.WaveformError`).
    """
    timeline = json.loads(Path(job.files["timeline"]).read_text(encoding="utf-8"))
    soundtrack, source_rate_hz = media.read_soundtrack(job.files["sound"], start_s=timeline["sound_start_s"])
    samples = audio.resample(soundtrack, source_rate_hz, job.params["rate_hz"])
    np.save(job.out / "waveform.npy", samples)
    return {"n_samples": len(samples), "source_rate_hz": source_rate_hz}
