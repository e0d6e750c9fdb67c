"""Flash and beep through the very stages that fill a store: the beep is in the log-mel example of the flash's frame.

    AVE_FLASH_MINUTES=10 python -m pytest tests/test_flash_and_beep.py -s

Every rate at ten minutes, with the largest errors; otherwise half a minute each, and ten minutes at 30000/1001 only.
Times in seconds after the first picture.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.features import frames, logmel
from pipeline.features.frames import FrameFile
from pipeline.store.job import Job
from tests.signals import flash_and_beep

RATES = [Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(30), Fraction(50), Fraction(60)]
MINUTES = float(os.environ.get("AVE_FLASH_MINUTES", "0.5"))
STEP_S, WINDOW_S = 0.01, 0.025
ALLOWED_S = 0.005  # what rounding to a step may cost; beyond that only the frame that the flash fell on


@dataclass(frozen=True)
class Built:
    """A flash-and-beep video after the stages frames and logmel."""

    truth: flash_and_beep.Truth
    video: dict[str, Any]
    flash_frames: np.ndarray
    examples: np.ndarray  # of the flash frames, [n, 64, 64]
    example_times_s: np.ndarray


def build(folder: Path, rate: Fraction, duration_s: float, *, wrong_rate: Fraction | None = None) -> Built:
    """Make a video with flashes at its start, middle and end, and run both stages on it.

    With `wrong_rate` the frames' times are counted in that rate instead of taken from the video.
    """
    moments_s = [0.0, 1.0, 1.61, duration_s / 2, duration_s - 2.3, duration_s - 1.0]
    video = folder / "clip.mp4"
    truth = flash_and_beep.make(video, rate, duration_s, moments_s)
    out = folder / "frames"
    out.mkdir()
    small = {"height": 16, "width": 20, "jpeg_quality": 92}
    frames.build_item(Job("frames", "diem/clip", out, {"video": video}, {}, small))
    facts = json.loads((out / "video.json").read_text(encoding="utf-8"))
    # What curation writes of a sound that is inside the video: the container's time of the first picture.
    timeline = folder / "timeline.json"
    times_s = facts["times_s"]
    if wrong_rate is not None:
        times_s = [float(frame / wrong_rate) for frame in range(len(times_s))]
    timeline.write_text(json.dumps({"times_s": times_s, "sound_start_s": facts["first_time_s"]}))
    sound = folder / "logmel"
    sound.mkdir()
    files = {"sound": video, "timeline": timeline}
    logmel.build_item(Job("logmel", "diem/clip", sound, files, {}, {"bands": 64, "anchor": "start"}))
    bright = np.flatnonzero([picture.mean() > 128 for picture in pictures(out / "frames.arrow")])
    rows = pq.read_table(sound / "logmel.parquet").take(bright)
    assert rows["frame"].to_pylist() == bright.tolist()
    examples = rows["example"].combine_chunks().flatten().to_numpy().reshape(len(bright), 64, 64)
    return Built(truth, facts, bright, examples, rows["time_s"].to_numpy())


def pictures(path: Path) -> Iterator[np.ndarray]:
    packed = FrameFile(path)
    return (packed.read(frame, frame + 1)[0] for frame in range(len(packed)))


def beep_onsets_s(built: Built) -> np.ndarray:
    """How long after the beginning of each flash frame's example its beep begins, as its features tell.

    The beep sweeps from 500 to 3000 Hz; its energy is centred on its middle. The example is compared with features
    of the beep alone, made with plain NumPy at every shift of 1 ms, so nothing of the pipeline measures itself.
    """
    shifts_s = np.arange(-40, 61) / 1000
    patterns = np.stack([energy_per_step(shift_s) for shift_s in shifts_s])
    power = (np.exp(built.examples) - 0.01).clip(0) ** 2
    loudness = np.sqrt(power.sum(2))[:, :16]  # the next beep is at least 0.6 s away
    norms = np.linalg.norm(patterns, axis=1)
    return shifts_s[np.argmax(loudness @ patterns.T / norms, axis=1)]


def energy_per_step(onset_s: float, rate_hz: int = 16000) -> np.ndarray:
    """Magnitude in each of 16 steps of a beep that begins `onset_s` after the first step does."""
    lead = 4 * 160  # so that an onset before the first step is seen too
    sound = np.zeros(lead + 32 * 160)
    start = lead + round(onset_s * rate_hz)
    tone = flash_and_beep.beep(rate_hz)
    sound[start : start + tone.size] = tone
    window = np.hanning(401)[:400]
    return np.array([np.linalg.norm(window * sound[lead + 160 * step :][:400]) for step in range(16)])


def check(built: Built, rate: Fraction) -> np.ndarray:
    """Assert everything of one video; give the errors of its beeps."""
    assert built.video["n_frames"] == built.truth.n_frames
    assert Fraction(*built.video["rate"]) == rate
    assert not built.video["variable_rate"]
    assert built.flash_frames.tolist() == list(built.truth.flash_frames)
    flashes_s = np.array([float(time_s) for time_s in built.truth.flash_times_s])
    onsets_s = beep_onsets_s(built)
    begins_s = np.rint(built.example_times_s / STEP_S) * STEP_S  # of each example on the soundtrack
    errors_s = begins_s + onsets_s - flashes_s
    assert np.abs(onsets_s).max() <= ALLOWED_S + 0.001, "the beep does not begin where the example does"
    assert np.abs(errors_s).max() <= 0.002, "the beep is not where its flash is"
    covered = (onsets_s >= -WINDOW_S) & (onsets_s <= ALLOWED_S + float(1 / rate))
    assert covered.all(), "the first step of the flash's example does not cover the beep's beginning"
    np.testing.assert_allclose(built.example_times_s, flashes_s, atol=0.0005)
    return errors_s


@pytest.mark.slow
@pytest.mark.parametrize("rate", RATES, ids=lambda rate: f"{rate} fps")
def test_the_beep_is_in_the_example_of_the_flashs_frame_at_the_start_as_at_the_end(tmp_path: Path, rate: Fraction):
    errors_s = check(build(tmp_path, rate, 60 * MINUTES), rate)
    print(f"\n{rate} fps, {MINUTES:g} min: largest error {1000 * np.abs(errors_s).max():.1f} ms")


@pytest.mark.slow
def test_the_beep_is_still_in_its_example_after_ten_minutes_of_ntsc_rate(tmp_path: Path):
    rate = Fraction(30000, 1001)
    check(build(tmp_path, rate, 600), rate)


def test_a_rate_rounded_to_30_is_found_out_within_half_a_minute(tmp_path: Path):
    rate = Fraction(30000, 1001)
    with pytest.raises(AssertionError, match="does not begin where the example does"):
        check(build(tmp_path, rate, 30, wrong_rate=Fraction(30)), rate)


def test_onsets_are_measured_to_a_few_milliseconds():
    """The measure itself, on features of a beep at known places."""
    from pipeline.signals import audio

    for onset_s in (-0.005, 0.0, 0.003, 0.02):
        sound = np.zeros(16000, np.float32)
        start = 1600 + round(onset_s * 16000)
        sound[start : start + 800] = flash_and_beep.beep(16000)
        example = audio.log_mel(sound, 16000)[10:74]
        truth = flash_and_beep.Truth(1, (0,), (Fraction(0),))
        assert beep_onsets_s(Built(truth, {}, np.zeros(1), example[None], np.zeros(1)))[0] == pytest.approx(
            onset_s, abs=0.0015
        )
