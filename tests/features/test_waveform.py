"""The soundtrack as samples: on the clock of the picture, at the rate that was asked for."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.io import wavfile

from pipeline.errors import MediaError
from pipeline.features import waveform
from pipeline.store.job import Job


@pytest.fixture
def job(tmp_path):
    """A second of silence with one click at 0.75 s of the container, where the picture starts at 0.25 s."""
    sound = np.zeros(48000, np.int16)
    sound[36000:36010] = 20000
    wavfile.write(tmp_path / "sound.wav", 48000, sound)
    (tmp_path / "timeline.json").write_text(json.dumps({"sound_start_s": 0.25, "times_s": [0.0]}))
    (tmp_path / "out").mkdir()
    files = {"sound": tmp_path / "sound.wav", "timeline": tmp_path / "timeline.json"}
    return Job("waveform", "diem/clip", tmp_path / "out", files, {}, {"rate_hz": 22050})


def test_sample_k_is_heard_k_samples_after_the_first_picture(job):
    facts = waveform.build_item(job)
    samples = np.load(job.out / "waveform.npy")
    assert facts == {"n_samples": len(samples), "source_rate_hz": 48000}
    assert samples.dtype == np.float32
    assert len(samples) == pytest.approx(0.75 * 22050, abs=1)
    assert abs(np.abs(samples).argmax() / 22050 - 0.5) < 3e-4
    assert np.abs(samples).max() < 1


def test_a_file_without_sound_is_an_error(job):
    job.files["sound"].write_bytes(b"")
    with pytest.raises(MediaError, match="empty"):
        waveform.build_item(job)
