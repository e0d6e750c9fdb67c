"""Pictures and waveforms into media files: mp4 (H.264) as DIEM ships, avi with sound inside as Coutrot's.

Conventions
-----------
Pictures come in batches, uint8 [n, height, width, 3], and are streamed to ffmpeg; sound is float32
[n_samples, n_channels] in −1…1. One thread and no tool names or dates in the file: the same input gives the
same bytes with the same ffmpeg, which is the one `signals.media` resolves.
"""

from __future__ import annotations

import subprocess
import tempfile
import wave
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np

from pipeline.errors import MediaError
from pipeline.signals import media

CODECS = {
    "h264": ("-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p"),
    "mpeg4": ("-c:v", "mpeg4", "-q:v", "3", "-pix_fmt", "yuv420p"),
    "mjpeg": ("-c:v", "mjpeg", "-q:v", "4", "-pix_fmt", "yuvj420p"),
}
SOUND_CODECS = {"pcm": ("-c:a", "pcm_s16le"), "aac": ("-c:a", "aac", "-b:a", "128k")}
SAME_BYTES = (
    "-threads",
    "1",
    "-map_metadata",
    "-1",
    "-fflags",
    "+bitexact",
    "-flags:v",
    "+bitexact",
    "-flags:a",
    "+bitexact",
)


def write_video(
    path: Path,
    pictures: Iterable[np.ndarray],
    rate: Fraction,
    size: tuple[int, int],
    *,
    codec: str,
    sound: Path | None = None,
    sound_codec: str = "pcm",
) -> None:
    """Encode pictures, and a wav beside them where given, into one file.

    Parameters
    ----------
    path : Path
        The suffix names the container.
    pictures : iterable of ndarray, shape (n, height, width, 3), uint8
    rate : Fraction
        Frames per second.
    size : (height, width)
        Both even: the chroma planes have half the size.
    codec : {"h264", "mpeg4", "mjpeg"}
    sound : Path, optional
        A wav to put into the file.
    sound_codec : {"pcm", "aac"}
        16-bit PCM as avi holds it, or AAC as mp4 does.

    Raises
    ------
    MediaError
        If ffmpeg cannot write the file; with its last words.
    """
    height, width = size
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-framerate", str(rate), "-i", "pipe:0")
    heard = () if sound is None else ("-i", str(sound), *SOUND_CODECS[sound_codec])
    command = [media.ffmpeg_path(), "-v", "error", "-y", *raw, *heard, *CODECS[codec], *SAME_BYTES, str(path)]
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=complaints)
        assert process.stdin is not None
        try:
            for batch in pictures:
                process.stdin.write(np.ascontiguousarray(batch).data)
            process.stdin.close()
        except BrokenPipeError:
            pass  # ffmpeg gave up: its exit status and last words say why
        except BaseException:
            process.kill()
            raise
        finally:
            status = process.wait()
        if status:
            complaints.seek(0)
            words = complaints.read().decode(errors="replace").strip()
            raise MediaError(
                f"{path.name}: ffmpeg ended with status {status} while encoding {codec}: {words}",
                remedy="`ave doctor` shows which ffmpeg is used; libx264, mpeg4 and mjpeg are needed.",
            )


def write_wav(path: Path, waveform: np.ndarray, rate_hz: int) -> None:
    """Write 16-bit PCM.

    Parameters
    ----------
    path : Path
    waveform : ndarray, shape (n_samples, n_channels), float32
        In −1…1; what lies beyond is clipped.
    rate_hz : int
    """
    samples = (np.clip(waveform, -1, 1) * 32767).round().astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(waveform.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(samples.tobytes())
