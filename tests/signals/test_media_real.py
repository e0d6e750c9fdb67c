"""Every real video beside the checkout against the facts measured of it with another ffmpeg."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.features import frames
from pipeline.signals import media

VIDEOS = [
    "animal_dog_1920x1080.mp4",
    "animation_bunny_1280x720.webm",
    "animation_bunny_surround_1280x720.mp4",
    "film_chaplin_640x360.mp4",
    "narrated_animation_480x352.mp4",
    "nature_diver_640x480.mov",
    "table_three_people_1920x1080.mp4",
    "talk_podium_320x240.mp4",
    "talk_screencast_1024x576.avi",
    "talk_screencast_640x480.mpeg",
    "talk_webcam_640x480.mp4",
    "edge/no_audio_city_720x405.mpg",
    "edge/no_duration_1280x720.webm",
    "edge/pcm_u8_160x120.avi",
    "edge/rotated90_three_frames_568x320.mov",
    "edge/short_park_640x480.mp4",
    "edge/silent_track_cockatoo_1280x720.mp4",
    "edge/vfr_rotated180_fire_1280x720.mp4",
]
VARIABLE = {"animal_dog_1920x1080.mp4", "edge/vfr_rotated180_fire_1280x720.mp4"}

# Seconds of silence put where the soundtrack's time stamps leave a hole, as ffprobe lists them
HOLES_S = {"edge/vfr_rotated180_fire_1280x720.mp4": 0.155}
# MPEG and WebM begin their sound at another time than their picture
SOUND_BEFORE_PICTURE_S = {"talk_screencast_640x480.mpeg": 0.0094, "edge/no_duration_1280x720.webm": -0.015}


@pytest.fixture(scope="module")
def facts(shared_data: Path) -> dict[str, Any]:
    """What was measured of every video with ffprobe 5.1."""
    return json.loads((shared_data / "videos" / "FACTS.json").read_text())


def test_every_video_that_is_there_is_in_the_list(facts: dict[str, Any]):
    assert sorted(VIDEOS) == sorted(facts)


@pytest.mark.parametrize("name", VIDEOS)
def test_picture_of(name: str, facts: dict[str, Any], shared_data: Path):
    path, fact = shared_data / "videos" / name, facts[name]["video"]
    with media.read_frames(path, size=(8, 8)) as stream:
        clock_s = [time_s for time_s, _ in stream]
    assert stream.decoded == media.Decoded(fact["frames_decoded"])
    stamps_s = [float(time_s + stream.probe.start_s) for time_s in clock_s]
    assert stamps_s[0] == pytest.approx(fact["first_pts_s"], abs=2e-6)
    assert stamps_s[-1] == pytest.approx(fact["last_pts_s"], abs=2e-6)
    steps_s = np.diff(stamps_s)
    shortest_s, _, longest_s = fact["frame_step_s"]
    assert steps_s.min() == pytest.approx(shortest_s, abs=2e-6)
    assert steps_s.max() == pytest.approx(longest_s, abs=2e-6)
    video = frames.describe(stream.probe, stream.decoded, clock_s)
    turned = fact["rotation"] % 180 != 0
    shown = (fact["height"], fact["width"]) if turned else (fact["width"], fact["height"])
    assert (video["width_px"], video["height_px"]) == shown
    assert video["rotation_deg"] == -fact["rotation"] % 360
    assert video["variable_rate"] is (name in VARIABLE)
    declared_s = stream.probe.video_duration_s or facts[name]["container_duration_s"]
    if declared_s is not None:
        assert video["duration_s"] == pytest.approx(declared_s, abs=1.1 * steps_s.max())


@pytest.mark.parametrize("name", VIDEOS)
def test_sound_of(name: str, facts: dict[str, Any], shared_data: Path):
    """Not a sample is lost, added or moved but for what the container itself says."""
    path, fact = shared_data / "videos" / name, facts[name]["audio"]
    probe = media.probe(path)
    assert probe.has_sound is (fact is not None)
    if fact is None:
        return
    first_s, _ = next(media.read_frames(path, size=(8, 8)))
    waveform, rate_hz = media.read_soundtrack(path, start_s=first_s)
    assert rate_hz == fact["sample_rate"]
    assert probe.sound_channels == fact["channels"]
    expected_s = fact["samples_decoded"] / rate_hz + HOLES_S.get(name, 0.0) - SOUND_BEFORE_PICTURE_S.get(name, 0.0)
    # ffmpeg 9 leaves out samples of the last block that lie after the container's end; older ones keep them
    assert expected_s - 0.035 < len(waveform) / rate_hz < expected_s + 0.001
    if fact["rms_dbfs"] > -100:
        decoded = decode_plainly(path, probe)
        offset_s = lag_s(decoded, waveform, rate_hz)
        expected_offset_s = HOLES_S.get(name, 0.0) - SOUND_BEFORE_PICTURE_S.get(name, 0.0)
        assert offset_s == pytest.approx(expected_offset_s, abs=0.001)


def decode_plainly(path: Path, probe: media.Probe) -> np.ndarray:
    """All samples of the soundtrack one after the other, whatever their time stamps say."""
    mono = (
        f"aresample=rematrix_maxval=1,aformat=sample_fmts=flt:channel_layouts=mono:sample_rates={probe.sound_rate_hz}"
    )
    command = [media.ffmpeg_path(), "-v", "error", "-nostdin", "-i", str(path), "-map", f"0:{probe.sound_index}"]
    done = subprocess.run([*command, "-af", mono, "-f", "f32le", "pipe:1"], capture_output=True, check=True)
    return np.frombuffer(done.stdout, "<f4")


def lag_s(plain: np.ndarray, placed: np.ndarray, rate_hz: int) -> float:
    """How much later a second of sound from the middle of `plain` is in `placed`."""
    middle, half = len(plain) // 2, min(rate_hz, len(plain) // 2) // 2
    pattern = plain[middle - half : middle + half]
    reach = round(0.2 * rate_hz)
    start = max(0, middle - half - reach)
    part = placed[start : middle + half + reach]
    size = 1 << int(np.ceil(np.log2(len(part) + len(pattern))))
    match = np.fft.irfft(np.fft.rfft(part, size) * np.conj(np.fft.rfft(pattern, size)), size)
    return (start + int(np.argmax(match[: len(part) - len(pattern) + 1])) - (middle - half)) / rate_hz
