"""A video whose truth is known: white flashes in a black picture, each with a beep that starts with it.

Conventions
-----------
Flash frame k is shown at `k / rate` after the first picture, and its beep starts at the sample nearest to that
moment. A beep is a rising tone of 50 ms: its matched filter has one sharp peak, so the start is found to the sample
even after a lossy codec.
"""

from __future__ import annotations

import subprocess
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from pipeline.signals import media

SIZE = (48, 64)
BEEP_S = 0.05
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "100", "-pix_fmt", "yuv420p")
MPEG2 = ("-c:v", "mpeg2video", "-b:v", "500k")
VP8 = ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8")

# What each container is filled with unless told otherwise
CODECS = {
    ".mp4": (*X264, "-c:a", "aac"),
    ".mov": (*X264, "-c:a", "pcm_s16le"),
    ".mkv": (*X264, "-c:a", "aac"),
    ".webm": (*VP8, "-c:a", "libopus"),
    ".avi": ("-c:v", "mjpeg", "-c:a", "pcm_s16le"),
    ".ts": (*X264, "-c:a", "aac"),
    ".mpg": (*MPEG2, "-c:a", "mp2"),
}


@dataclass(frozen=True)
class Truth:
    """What a made video holds: its flash frames, and their moments after the first picture, in seconds."""

    n_frames: int
    flash_frames: tuple[int, ...]
    flash_times_s: tuple[Fraction, ...]


def make(
    path: Path,
    rate: Fraction,
    duration_s: float,
    flash_times_s: Sequence[float],
    *,
    codecs: Sequence[str] | None = None,
    picture_late_frames: int = 0,
    sound_late_s: float = 0.0,
    sound_rate_hz: int = 48000,
    channels: int = 1,
) -> Truth:
    """Write a flash-and-beep video.

    Parameters
    ----------
    path : Path
        The suffix names the container.
    rate : Fraction
        Frames per second.
    duration_s : float
        Length of the picture.
    flash_times_s : sequence of float
        After the first picture; each flash falls on the nearest frame.
    codecs : sequence of str, optional
        Options for ffmpeg; `CODECS` of the container where absent.
    picture_late_frames : int
        The picture's first time stamp, in frames.
    sound_late_s : float
        The soundtrack's first time stamp; beeps before it are cut, later ones stay at their moments.
    sound_rate_hz : int
    channels : int
        Equal ones.
    """
    n_frames = round(duration_s * rate)
    frames = tuple(round(time_s * rate) for time_s in flash_times_s)
    truth = Truth(n_frames, frames, tuple(frame / rate for frame in frames))
    wav = path.with_suffix(".beeps.wav")
    picture_late_s = picture_late_frames / rate
    _write_beeps(wav, truth, duration_s + 0.2, float(picture_late_s), sound_late_s, sound_rate_hz, channels)
    height, width = SIZE
    command = [media.ffmpeg_path(), "-y", "-v", "error", "-itsoffset", f"{float(picture_late_s):.9f}"]
    command += [
        "-f",
        "rawvideo",
        "-pix_fmt",
        "gray",
        "-s",
        f"{width}x{height}",
        "-framerate",
        str(rate),
        "-i",
        "pipe:0",
    ]
    command += ["-itsoffset", f"{sound_late_s:.9f}", "-i", str(wav), "-map", "0:v", "-map", "1:a"]
    command += ["-fps_mode", "passthrough", "-threads", "1", *(codecs or CODECS[path.suffix]), str(path)]
    dark, bright = bytes([16]) * (height * width), bytes([235]) * (height * width)
    with subprocess.Popen(command, stdin=subprocess.PIPE) as encoder:
        assert encoder.stdin is not None
        for frame in range(n_frames):
            encoder.stdin.write(bright if frame in frames else dark)
    wav.unlink()
    assert encoder.returncode == 0, f"ffmpeg could not make {path.name}"
    return truth


def beep(rate_hz: int) -> np.ndarray:
    """One beep: 500 to 3000 Hz in 50 ms, float32, peak about 0.5."""
    time_s = np.arange(round(BEEP_S * rate_hz)) / rate_hz
    phase = 2 * np.pi * (500 * time_s + (3000 - 500) / (2 * BEEP_S) * time_s**2)
    return (0.5 * np.hanning(len(time_s)) * np.sin(phase)).astype(np.float32)


def find_beeps(waveform: np.ndarray, rate_hz: int, near_s: Sequence[float], *, within_s: float = 0.45) -> np.ndarray:
    """Seconds at which beeps start, each searched around one expected moment."""
    pattern, found_s = beep(rate_hz), []
    for moment_s in near_s:
        start = max(0, round((float(moment_s) - within_s) * rate_hz))
        part = waveform[start : round((float(moment_s) + within_s) * rate_hz) + len(pattern)]
        found_s.append((start + int(np.argmax(np.correlate(part, pattern, "valid")))) / rate_hz)
    return np.array(found_s)


def beep_minus_flash_s(path: Path) -> np.ndarray:
    """How late each beep of a made video is against its flash, as `read_frames` and `read_soundtrack` tell it."""
    clock_s, bright = [], []
    for time_s, picture in media.read_frames(path, size=SIZE):
        clock_s.append(time_s)
        bright.append(picture.mean() > 128)
    waveform, rate_hz = media.read_soundtrack(path, start_s=clock_s[0])
    flashes_s = [float(clock_s[frame] - clock_s[0]) for frame in np.flatnonzero(bright)]
    return find_beeps(waveform, rate_hz, flashes_s) - flashes_s


def _write_beeps(
    wav: Path, truth: Truth, duration_s: float, picture_late_s: float, sound_late_s: float, rate_hz: int, channels: int
) -> None:
    waveform = np.zeros(round((duration_s + picture_late_s) * rate_hz), np.float32)
    tone = beep(rate_hz)
    for time_s in truth.flash_times_s:
        start = round((float(time_s) + picture_late_s) * rate_hz)
        waveform[start : start + len(tone)] += tone
    pcm = (waveform[round(sound_late_s * rate_hz) :] * 32767).astype("<i2")
    with wave.open(str(wav), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(np.repeat(pcm[:, None], channels, axis=1).tobytes())
