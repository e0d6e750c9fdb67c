"""Picture and sound on one clock: flash-and-beep videos in every container, rate and offset."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pipeline.signals import media
from pipeline.signals.tools import version_at_least

from . import flash_and_beep
from .flash_and_beep import MPEG2, X264

RATES = [
    Fraction(24),
    Fraction(25),
    Fraction(30000, 1001),
    Fraction(30),
    Fraction(50),
    Fraction(60),
    Fraction(60000, 1001),
]

VORBIS = (*flash_and_beep.VP8, "-c:a", "vorbis", "-ac", "2", "-strict", "-2")
CONTAINERS = {
    "mp4 with AAC": (".mp4", None),
    "mp4 with MP3": (".mp4", (*X264, "-c:a", "libmp3lame")),
    "mov with PCM": (".mov", None),
    "mkv with AAC": (".mkv", None),
    "mkv with MP3": (".mkv", (*X264, "-c:a", "libmp3lame")),
    "webm with Opus": (".webm", None),
    "webm with Vorbis": (".webm", VORBIS),
    "ts with AAC": (".ts", None),
    "ts with MP2": (".ts", (*MPEG2, "-c:a", "mp2")),
    "mpeg with MP2": (".mpg", None),
}
OFFSETS = {  # picture late in frames of 1/25 s, sound late in seconds
    "together": (0, 0.0),
    "sound 0.3 s later": (0, 0.3),
    "picture 0.32 s later": (8, 0.0),
    "both late, sound 50 ms first": (10, 0.35),
}


@pytest.mark.parametrize("rate", RATES, ids=lambda rate: f"{rate} fps")
def test_beep_is_at_its_flash_at_the_end_as_at_the_start(tmp_path: Path, rate: Fraction):
    path = tmp_path / "clip.mp4"
    truth = flash_and_beep.make(path, rate, 20, [0.5, 10, 19.2])
    late_s = flash_and_beep.beep_minus_flash_s(path)
    assert len(late_s) == len(truth.flash_frames)
    assert np.abs(late_s).max() <= 0.001


@pytest.mark.slow
def test_beep_is_at_its_flash_after_ten_minutes_of_ntsc_rate(tmp_path: Path):
    path, rate = tmp_path / "long.mp4", Fraction(30000, 1001)
    truth = flash_and_beep.make(path, rate, 600, [1, 300, 599])
    clock_s = [time_s for time_s, _ in media.read_frames(path, size=(16, 16))]
    waveform, rate_hz = media.read_soundtrack(path, start_s=clock_s[0])
    assert len(clock_s) == truth.n_frames
    flashes_s = [float(clock_s[frame]) for frame in truth.flash_frames]
    assert flashes_s == pytest.approx([float(time_s) for time_s in truth.flash_times_s], abs=1e-4)
    assert np.abs(flash_and_beep.find_beeps(waveform, rate_hz, flashes_s) - flashes_s).max() <= 0.001


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("container", CONTAINERS)
def test_sound_is_on_the_clock_of_the_picture_in(tmp_path: Path, container: str, offset: str):
    if "Opus" in container and not version_at_least(media.ffmpeg_path(), 8, 0):
        pytest.skip("ffmpeg 5.1 writes Opus 7 ms early into WebM; it reads what 8.1 wrote correctly")
    suffix, codecs = CONTAINERS[container]
    late_frames, sound_late_s = OFFSETS[offset]
    path = tmp_path / f"clip{suffix}"
    flash_and_beep.make(
        path,
        Fraction(25),
        2.4,
        [0.6, 1.2, 1.8],
        codecs=codecs,
        picture_late_frames=late_frames,
        sound_late_s=sound_late_s,
    )
    late_s = flash_and_beep.beep_minus_flash_s(path)
    assert len(late_s) == 3
    assert np.abs(late_s).max() < 0.002  # containers that count in milliseconds round twice


@pytest.mark.parametrize("suffix", [".ts", ".mpg"])
def test_mpeg_pictures_do_not_get_a_zero_of_their_own(tmp_path: Path, suffix: str):
    """ffmpeg itself gives a picture-only run of this file another zero than a run of all streams."""
    path = tmp_path / f"clip{suffix}"
    flash_and_beep.make(path, Fraction(25), 1, [0.5], picture_late_frames=10)
    first_s, _ = next(media.read_frames(path))
    assert float(first_s) == pytest.approx(0.4, abs=0.03)  # the sound starts the file, less its encoder's delay


def test_avi_sound_that_the_header_starts_late_is_late(tmp_path: Path):
    path = tmp_path / "clip.avi"
    flash_and_beep.make(path, Fraction(25), 2, [1.0])
    assert np.abs(flash_and_beep.beep_minus_flash_s(path)).max() < 0.001
    header = bytearray(path.read_bytes())
    at = header.index(b"auds") + 28  # the sound's strh: fccType, 6 words, then dwStart in units of blocks
    block_samples = int.from_bytes(header[at - 8 : at - 4], "little")
    assert int.from_bytes(header[at - 4 : at], "little") == 48000 * block_samples
    header[at : at + 4] = (9600).to_bytes(4, "little")
    path.write_bytes(header)
    assert flash_and_beep.beep_minus_flash_s(path) == pytest.approx([0.2], abs=0.001)


def test_a_cut_with_an_edit_list_keeps_beep_and_flash_together(tmp_path: Path):
    whole, cut = tmp_path / "whole.mp4", tmp_path / "cut.mp4"
    flash_and_beep.make(whole, Fraction(25), 3, [1.0, 2.0])
    command = [media.ffmpeg_path(), "-v", "error", "-ss", "0.48", "-i", str(whole), "-c", "copy", str(cut)]
    subprocess.run(command, check=True)
    times_s = [time_s for time_s, _ in media.read_frames(cut)]
    assert times_s[0] == 0
    assert len(times_s) == 75 - 12  # what lies before the cut is in the file but not shown
    assert np.abs(flash_and_beep.beep_minus_flash_s(cut)).max() < 0.002


def test_a_gap_of_64_ms_in_the_sound_does_not_move_what_follows(tmp_path: Path):
    whole, torn = tmp_path / "whole.mkv", tmp_path / "torn.mkv"
    pcm = (*X264, "-c:a", "pcm_s16le")
    flash_and_beep.make(whole, Fraction(25), 3, [0.4, 2.0], codecs=pcm)
    gap = "asetnsamples=1024,aselect=not(between(n\\,40\\,42))"  # three blocks of 1024 samples
    command = [media.ffmpeg_path(), "-v", "error", "-i", str(whole), "-c:v", "copy", "-af", gap, "-c:a", "pcm_s16le"]
    subprocess.run([*command, str(torn)], check=True)
    assert np.abs(flash_and_beep.beep_minus_flash_s(torn)).max() < 0.002
    waveform, _ = media.read_soundtrack(torn)
    assert not waveform[41 * 1024 : 42 * 1024].any()
