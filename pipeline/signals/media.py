"""What is in a video file: its pictures by presentation time, its soundtrack on the same clock.

The only door through which pictures and sound are read. The library ffmpeg-python builds argument lists; the
programs are run here. (The miniature corpus writes its videos with the same program: `mini/encode.py`.)

Conventions
-----------
*Container clock*, in seconds: the file's own time stamps minus the start that ffprobe reports for
the file, which is what ffmpeg's command line calls 0 when it reads all streams. Pictures and sound are both read with
`-copyts` and shifted here by the same number. ffmpeg's own shift would not do: for MPEG streams it looks at
the streams in use only, so a picture-only and a sound-only run of one file have different zeros.
Times are exact (`Fraction`), sizes are (height, width), pictures are uint8 as shown: rotated
as the file asks, sample aspect ratio not applied. Sound is float32, full scale 1.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from pipeline.errors import MediaError, ToolError
from pipeline.signals.child import Child, Limits, LineListener
from pipeline.signals.notes import Log, Stamps
from pipeline.signals.pixels import RGB, Pixels, resize
from pipeline.signals.placing import place_blocks
from pipeline.signals.probing import Probe, file_url, probe
from pipeline.signals.tools import ffmpeg_path, ffprobe_path, tool_versions, version_at_least

__all__ = [
    "Decoded",
    "FrameStream",
    "Limits",
    "Probe",
    "ffmpeg_path",
    "ffprobe_path",
    "probe",
    "read_frames",
    "read_soundtrack",
    "tool_versions",
]


def check_builder(module: ModuleType) -> ModuleType:
    """Return `module` if it is ffmpeg-python; several other packages install a module called `ffmpeg`.

    Raises
    ------
    ToolError
        If it is one of the others.
    """
    if not all(hasattr(module, name) for name in ("get_args", "input", "nodes")):
        raise ToolError(
            f"The Python module `ffmpeg` at {module.__file__} is not ffmpeg-python but another package of that name.",
            remedy="Run `pip uninstall ffmpeg python-ffmpeg typed-ffmpeg`, then `pip install ffmpeg-python==0.2.0`.",
            code="wrong-ffmpeg-module",
        )
    return module


try:
    import ffmpeg
except ImportError as error:
    raise ToolError(
        "The Python package ffmpeg-python is not installed.",
        remedy="Run `pip install -c constraints.txt -e .` in the checkout.",
        code="no-ffmpeg-python",
    ) from error
check_builder(ffmpeg)

NEWER_FFMPEG = "Fetch it again; if it plays elsewhere, set AVE_FFMPEG to a newer ffmpeg."
REWRITE = "Rewrite the file (`ffmpeg -i FILE -c copy NEW`, or re-encode it) and look at where it was cut."


@dataclass(frozen=True)
class Decoded:
    """What became of a file that was decoded to its end: number of pictures, and some of the decoder's complaints."""

    n_frames: int
    complaints: tuple[str, ...] = ()


def read_frames(
    path: str | os.PathLike[str],
    size: tuple[int, int] = (256, 320),
    *,
    pixels: Pixels = RGB,
    threads: int = 1,
    limits: Limits | None = None,
) -> FrameStream:
    """Decode and resize a video in one pass, picture by picture.

    Parameters
    ----------
    path : path
    size : (height, width)
        The picture is stretched to exactly this; its proportions are not kept.
    pixels : Pixels
        `pixels.RGB`, or the planes of a JPEG where the picture is to become one.
    threads : int
        Decoding threads. One is best where several videos are decoded at once.
    limits : Limits, optional
        How long ffmpeg may keep us waiting.

    Returns
    -------
    stream : FrameStream
        Yields (time on the container clock, picture uint8 [height, width, 3], or as `pixels` tells).

    Raises
    ------
    MediaError
        "no-picture" here, besides what `probe` raises. While reading: "no-frames" if nothing decodes,
        "decode-failed" if ffmpeg gives up, "frame-times" if a picture has no time or not a later one than
        the picture before, "stalled", "timeout".
    """
    path = Path(path)
    facts = probe(path)
    if not facts.has_picture:
        raise MediaError(
            f"{path.name}: has no moving picture, only sound.", remedy="Give the video file.", code="no-picture"
        )
    return FrameStream(path, facts, size, pixels, threads, limits)


class FrameStream:
    """The pictures of one video in order of presentation: an iterator, and a context manager that stops ffmpeg.

    ffmpeg starts when the first picture is asked for, and is killed when the stream is closed or forgotten.

    Attributes
    ----------
    probe : Probe
    decoded : Decoded or None
        None until the last picture has been read.
    """

    def __init__(
        self, path: Path, facts: Probe, size: tuple[int, int], pixels: Pixels, threads: int, limits: Limits | None
    ):
        self._child: Child | None = None  # first: `__del__` looks at it even where the next lines fail
        self.probe = facts
        self.decoded: Decoded | None = None
        self._path, self._size, self._pixels = path, size, pixels
        self._threads, self._limits = threads, limits or Limits()
        self._program = ffmpeg_path()
        # one picture out for each picture in, whatever its time; the option's name before 5.1 was vsync
        self._passthrough = "fps_mode" if version_at_least(self._program, 5, 1) else "vsync"
        self._log = Log(path)
        self._stamps = Stamps(facts.time_base)
        self._n_frames = 0
        self._last_s: Fraction | None = None
        self._closed = False

    def __iter__(self) -> FrameStream:
        return self

    def __next__(self) -> tuple[Fraction, np.ndarray]:
        if self._closed:
            raise StopIteration
        try:
            picture = self._read_picture()
            if picture is not None:
                return self._next_time_s(), picture
            self._end()
        except BaseException:
            self.close()
            raise
        self.close()
        raise StopIteration

    def __enter__(self) -> FrameStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Stop decoding; ffmpeg is killed if it still runs."""
        self._closed = True
        if self._child is not None:
            self._child.kill()

    def _read_picture(self) -> np.ndarray | None:
        if self._child is None:
            self._child = self._start()
        picture = np.empty(self._pixels.shape(self._size), np.uint8)
        n_read = self._child.read_into(picture.reshape(-1).data)
        if 0 < n_read < picture.nbytes:
            self._child.finish()
            raise _decode_error(self._path, self._log, f"stopped inside picture {self._n_frames}")
        return picture if n_read else None

    def _start(self) -> Child:
        ours, theirs = os.pipe()
        self._note_taker = LineListener(os.fdopen(ours, "rb", 0), self._stamps.note)
        command = self._build_command(theirs)
        return Child(command, self._path.name, on_line=self._log.hear, limits=self._limits, inherit=theirs)

    def _build_command(self, notes: int) -> list[str]:
        picture = ffmpeg.input(file_url(self._path), threads=self._threads)[str(self.probe.video_index)]
        picture = resize(picture, self._size, self._pixels, self.probe.matrix)
        picture = picture.filter("settb", str(self.probe.time_base))
        # "print" writes a line with the time stamp of each picture that has the key, hence "add"
        picture = picture.filter("metadata", "add", key="picture", value=1)
        picture = picture.filter("metadata", "print", key="picture", file=f"pipe:{notes}", direct=1)
        # ticks so fine that no two pictures fall on one; the default, one tick a frame, makes the muxer complain
        exact = {self._passthrough: "passthrough", "enc_time_base": "1:1000000"}
        raw = picture.output("pipe:1", format="rawvideo", pix_fmt=self._pixels.pix_fmt, **exact)
        return _command(self._program, raw, "error")

    def _next_time_s(self) -> Fraction:
        stamp_s = self._stamps.next_s(self._limits.stall_s)
        if stamp_s is None:
            raise self._clock_error(f"picture {self._n_frames} has no presentation time")
        time_s, last_s = stamp_s - self.probe.start_s, self._last_s
        if last_s is not None and time_s <= last_s:
            raise self._clock_error(f"picture {self._n_frames} is at {float(time_s):.6f} s after {float(last_s):.6f} s")
        self._last_s = time_s
        self._n_frames += 1
        return time_s

    def _end(self) -> None:
        assert self._child is not None
        if self._child.finish() != 0:
            raise _decode_error(self._path, self._log, f"gave up after {self._n_frames} pictures")
        if self._n_frames == 0:
            raise MediaError(
                f"{self._path.name}: not one picture could be decoded. {self._log.summary()}",
                remedy=NEWER_FFMPEG,
                code="no-frames",
            )
        self._note_taker.join(self._limits.stall_s)
        if self._stamps.left_over():
            raise self._clock_error(f"more time stamps than the {self._n_frames} pictures")
        self.decoded = Decoded(self._n_frames, self._log.complaints())

    def _clock_error(self, what: str) -> MediaError:
        return MediaError(
            f"{self._path.name}: {what}. Expected each picture to have a time of its own, later than the one before.",
            remedy=REWRITE,
            code="frame-times",
        )


def _decode_error(path: Path, log: Log, what: str) -> MediaError:
    return MediaError(
        f"{path.name}: ffmpeg {what}. {log.summary()}",
        remedy=NEWER_FFMPEG,
        code="decode-failed",
    )


def read_soundtrack(
    path: str | os.PathLike[str], *, start_s: float | Fraction = 0.0, limits: Limits | None = None
) -> tuple[np.ndarray, int]:
    """Read a file's soundtrack as one channel at its own sampling rate, placed on the container clock.

    Sound before `start_s` is cut, a track that starts later is preceded by silence, and a gap in its time
    stamps is filled with silence, so that sample n was heard at `start_s + n / rate_hz` to within 5 ms.
    Two channels are averaged; of more, ffmpeg's usual downmix is taken, scaled so that it cannot clip.

    Parameters
    ----------
    path : path
        A video, or a sound file.
    start_s : float or Fraction
        Container-clock time of sample 0.
    limits : Limits, optional
        How long ffmpeg may keep us waiting.

    Returns
    -------
    waveform : ndarray, shape (n,), float32
        Full scale is 1.
    rate_hz : int

    Raises
    ------
    MediaError
        "no-sound" if there is no soundtrack or nothing of it can be decoded, "sound-times" if its time stamps
        make no sense, "decode-failed", "stalled", "timeout", besides what `probe` raises.
    """
    path = Path(path)
    facts = probe(path)
    if not facts.has_sound:
        raise MediaError(
            f"{path.name}: has no soundtrack.",
            remedy="Give the sound in a file of its own, or leave the stimulus out.",
            code="no-sound",
        )
    log = Log(path)
    with Child(_sound_command(path, facts), path.name, on_line=log.hear, limits=limits) as child:
        content = child.read_all()
        if child.finish() != 0:
            raise _decode_error(path, log, f"gave up after {len(content) // 4} samples of sound")
    samples = np.frombuffer(content, "<f4")
    first = round((facts.start_s + Fraction(start_s)) * facts.sound_rate_hz)
    return _place(path, samples, log, first, facts.sound_rate_hz), facts.sound_rate_hz


def _place(path: Path, samples: np.ndarray, log: Log, first: int, rate_hz: int) -> np.ndarray:
    starts, lengths = np.array(log.blocks, np.int64).reshape(-1, 2).T
    try:
        if lengths.sum() != len(samples):
            raise ValueError(f"time stamps for {lengths.sum()} samples, but {len(samples)} samples")
        waveform = place_blocks(samples, starts, lengths, first=first, rate_hz=rate_hz)
    except ValueError as error:
        raise MediaError(
            f"{path.name}: its soundtrack cannot be placed in time: {error}. {log.summary()}",
            remedy=REWRITE,
            code="sound-times",
        ) from error
    if not len(waveform):
        raise MediaError(
            f"{path.name}: its soundtrack holds nothing that is heard after the start. {log.summary()}",
            remedy="Fetch it again, or leave the stimulus out.",
            code="no-sound",
        )
    return waveform


def _sound_command(path: Path, facts: Probe) -> list[str]:
    sound = ffmpeg.input(file_url(path), threads=1)[str(facts.sound_index)]
    # rematrix_maxval: ffmpeg would add two channels as 0.71 (L + R), 3 dB louder than their mean
    sound = sound.filter("aresample", facts.sound_rate_hz, rematrix_maxval=1)
    sound = sound.filter("aformat", sample_fmts="flt", channel_layouts="mono").filter("ashowinfo")
    return _command(ffmpeg_path(), sound.output("pipe:1", format="f32le", acodec="pcm_f32le"), "info")


def _command(program: str, output: Any, loglevel: str) -> list[str]:
    quiet = ["-nostdin", "-hide_banner", "-nostats", "-loglevel", f"repeat+level+{loglevel}"]
    one_thread = ["-filter_threads", "1", "-filter_complex_threads", "1"]
    arguments: Sequence[str] = ffmpeg.get_args(output)
    return [program, *quiet, *one_thread, "-copyts", *arguments]
