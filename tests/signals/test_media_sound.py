"""The soundtrack as one channel at its own rate: level, downmix, start, and files without one."""

from __future__ import annotations

import wave
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import MediaError
from pipeline.signals import media

from . import flash_and_beep


def write_wav(path: Path, channels: list[np.ndarray], rate_hz: int, width: int = 2) -> Path:
    """Write channels of samples between -1 and 1 as PCM of `width` bytes."""
    sound = np.stack(channels, axis=1)
    pcm = np.round(sound * 127 + 128).astype(np.uint8) if width == 1 else np.round(sound * 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams((len(channels), width, rate_hz, 0, "NONE", ""))
        file.writeframes(pcm.tobytes())
    return path


def tone(rate_hz: int, amplitude: float = 0.5, hz: float = 440.0, duration_s: float = 0.5) -> np.ndarray:
    """A sine."""
    return amplitude * np.sin(2 * np.pi * hz * np.arange(round(duration_s * rate_hz)) / rate_hz)


@pytest.mark.parametrize(("rate_hz", "width"), [(44100, 2), (11024, 1), (8000, 2), (48000, 2)])
def test_mono_comes_back_sample_by_sample_at_its_own_rate(tmp_path: Path, rate_hz: int, width: int):
    expected = tone(rate_hz)
    waveform, found_hz = media.read_soundtrack(write_wav(tmp_path / "a.wav", [expected], rate_hz, width))
    assert found_hz == rate_hz
    assert waveform.dtype == np.float32 and waveform.shape == expected.shape
    assert np.abs(waveform - expected).max() < (0.009 if width == 1 else 1e-4)


def test_two_channels_are_averaged(tmp_path: Path):
    left, right = tone(16000, 0.9), tone(16000, 0.3, hz=1000)
    waveform, _ = media.read_soundtrack(write_wav(tmp_path / "a.wav", [left, right], 16000))
    assert np.abs(waveform - (left + right) / 2).max() < 1e-4


def test_six_channels_are_mixed_without_clipping(tmp_path: Path):
    """Six channels at full scale stay at full scale; the centre counts most, the bass channel not at all."""
    loud = [np.ones(4800)] * 6
    waveform, _ = media.read_soundtrack(write_wav(tmp_path / "loud.wav", loud, 48000))
    assert waveform.max() == pytest.approx(1.0, abs=1e-3)
    silence, voice = np.zeros(4800), np.ones(4800)
    levels = {}
    for name, channel in {"left": 0, "centre": 2, "bass": 3, "back": 4}.items():
        channels = [voice if index == channel else silence for index in range(6)]
        levels[name] = media.read_soundtrack(write_wav(tmp_path / f"{name}.wav", channels, 48000))[0].mean()
    assert levels["centre"] > levels["left"] > levels["back"] > levels["bass"] == 0


def test_the_start_cuts_and_pads(tmp_path: Path):
    expected = tone(8000, duration_s=1.0)
    path = write_wav(tmp_path / "a.wav", [expected], 8000)
    whole, _ = media.read_soundtrack(path)
    cut, _ = media.read_soundtrack(path, start_s=Fraction(1, 4))
    padded, _ = media.read_soundtrack(path, start_s=-0.5)
    assert np.array_equal(cut, whole[2000:])
    assert not padded[:4000].any() and np.array_equal(padded[4000:], whole)


def test_a_start_after_the_end_leaves_no_sound(tmp_path: Path):
    path = write_wav(tmp_path / "a.wav", [tone(8000)], 8000)
    with pytest.raises(MediaError, match="nothing that is heard") as caught:
        media.read_soundtrack(path, start_s=2.0)
    assert caught.value.code == "no-sound"


def test_a_video_without_sound_says_so(tmp_path: Path):
    path = tmp_path / "mute.mp4"
    flash_and_beep.make(path, Fraction(25), 1, [0.5], codecs=(*flash_and_beep.X264, "-an"))
    assert not media.probe(path).has_sound
    with pytest.raises(MediaError, match=r"mute\.mp4: has no soundtrack") as caught:
        media.read_soundtrack(path)
    assert caught.value.code == "no-sound"
    assert len(list(media.read_frames(path, size=(8, 8)))) == 25


def test_a_decoder_that_gives_up_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = write_wav(tmp_path / "a.wav", [tone(8000)], 8000)
    fake = tmp_path / "ffmpeg"
    fake.write_text("#!/bin/sh\necho '[aac @ 0x2] [error] channel element 2.3 is not allocated' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("AVE_FFMPEG", str(fake))
    with pytest.raises(MediaError, match=r"a\.wav: ffmpeg gave up after 0 samples.*channel element") as caught:
        media.read_soundtrack(path)
    assert caught.value.code == "decode-failed"


@pytest.mark.parametrize(
    ("stamps", "what"),
    [([("0", 100)], "100 samples, but 200"), ([("0", 100), ("9999999", 100)], "time stamps jump")],
    ids=["too few", "a gap of 20 minutes"],
)
def test_sound_that_cannot_be_placed_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stamps: list[tuple[str, int]], what: str
):
    path = write_wav(tmp_path / "a.wav", [tone(8000)], 8000)
    lines = [
        f"[Parsed_ashowinfo_2 @ 0x1] [info] n:{n} pts:{pts} pts_time:0 rate:8000 nb_samples:{size} checksum:0"
        for n, (pts, size) in enumerate(stamps)
    ]
    fake = tmp_path / "ffmpeg"
    fake.write_text("#!/bin/sh\ncat >&2 <<'END'\n" + "\n".join(lines) + "\nEND\nhead -c 800 /dev/zero\n")
    fake.chmod(0o755)
    monkeypatch.setenv("AVE_FFMPEG", str(fake))
    with pytest.raises(MediaError, match=what) as caught:
        media.read_soundtrack(path)
    assert caught.value.code == "sound-times"
