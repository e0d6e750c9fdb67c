"""The pictures of a stimulus: decoded once, resized, kept as JPEG in one file that is read by the clip.

Conventions
-----------
Times in seconds on *our clock*, whose 0 is the presentation time of the first decoded picture
(`first_time_s` on the container clock, see `pipeline.signals.media`). Pictures are RGB uint8,
[row, col, channel]; sizes are (height, width). Rates are exact fractions.

Why this container
------------------
Reading a clip costs almost the same from every container that keeps a clip's JPEGs together (16 frames: 6.2 ms
from a bare blob with an index, 6.2 from Arrow, 6.5 from MDS, 8.7 from Parquet); what counts is the
JPEG decoder (simplejpeg 6.2 ms, PIL from a folder of files 9.1). So there is no format of our own:
an Arrow IPC file describes itself, opens anywhere, is mapped into memory instead of read, and keeps the JPEGs of a
batch of 64 frames in one contiguous buffer, which makes a clip one contiguous read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import simplejpeg

from pipeline.errors import MediaError, StoreError
from pipeline.schemas import FRAMES
from pipeline.signals import media
from pipeline.signals.pixels import JPEG_PLANES, split_planes
from pipeline.store.job import Job

BATCH_FRAMES = 64

WHOLE_SHARE = 0.9  # a video that ends before this share of what its container declares was cut short ...
LAST_PICTURE_S = 1.0  # ... unless its last picture is meant to stand so long
SLOT_SHARE = 0.25  # how far, in frames, a picture may be from its place in a constant rate: jitter of WebM is 0.1
SKIPPED_SHARE = 0.02  # places of a constant rate that may be empty: AVI files skip one after the first picture


def build_item(job: Job) -> dict[str, Any]:
    """Decode one video into `frames.arrow` and `video.json`.

    Parameters
    ----------
    job : Job
        `files["video"]`; `params` height, width (of the pictures kept) and jpeg_quality.

    Returns
    -------
    facts : dict
        `n_frames`, `bytes` of frames.arrow.

    Raises
    ------
    MediaError
        If the video cannot be decoded whole: the codes of `media.read_frames`, and "truncated".
    """
    path = Path(job.files["video"])
    size = (job.params["height"], job.params["width"])
    target = job.out / "frames.arrow"
    quality = job.params["jpeg_quality"]
    with media.read_frames(path, size, pixels=JPEG_PLANES) as stream:
        clock_s = write_frames(target, ((time_s, encode_planes(planes, size, quality)) for time_s, planes in stream))
        assert stream.decoded is not None
        refuse_truncated(path.name, stream.probe, clock_s)
        video = describe(stream.probe, stream.decoded, clock_s)
    (job.out / "video.json").write_text(json.dumps(video) + "\n", encoding="utf-8")
    return {"n_frames": len(clock_s), "bytes": target.stat().st_size}


def write_frames(target: Path, jpegs: Iterable[tuple[Fraction, bytes]]) -> list[Fraction]:
    """Write pictures as they come, one batch in memory at a time.

    Parameters
    ----------
    target : Path
        Arrow IPC file to write, schema `FRAMES`.
    jpegs : iterable of (Fraction, bytes)
        Time and JPEG of each picture.

    Returns
    -------
    clock_s : list of Fraction
        The times as they came; the file holds them less the first.
    """
    clock_s: list[Fraction] = []
    batch: list[bytes] = []
    with pa.OSFile(str(target), "wb") as sink, pa.ipc.new_file(sink, FRAMES) as writer:
        for time_s, jpeg in jpegs:
            clock_s.append(time_s)
            batch.append(jpeg)
            if len(batch) == BATCH_FRAMES:
                writer.write_batch(_batch(clock_s, batch))
                batch.clear()
        if batch:
            writer.write_batch(_batch(clock_s, batch))
    return clock_s


def encode_planes(planes: np.ndarray, size: tuple[int, int], quality: int) -> bytes:
    """Encode one picture to a JPEG with halved chroma and the exact DCT.

    At quality 92, 36 to 46 dB from decoding and resizing by PIL on ten real clips; full chroma would gain 0 to 3 dB for
    a quarter more bytes. The exact DCT gains 0.6 to 2.8 dB and costs nothing.

    Parameters
    ----------
    planes : ndarray, shape `JPEG_PLANES.shape(size)`, uint8
    size : (height, width)
    quality : int
        1 to 100.
    """
    return simplejpeg.encode_jpeg_yuv_planes(*split_planes(planes, size), quality, fastdct=False)


def _batch(clock_s: Sequence[Fraction], jpegs: list[bytes]) -> pa.RecordBatch:
    stop = len(clock_s)
    start = stop - len(jpegs)
    times_s = [float(time_s - clock_s[0]) for time_s in clock_s[start:]]
    columns = [pa.array(range(start, stop), pa.int32()), pa.array(times_s, pa.float64()), pa.array(jpegs, pa.binary())]
    return pa.record_batch(columns, schema=FRAMES)


def describe(probe: media.Probe, decoded: media.Decoded, clock_s: Sequence[Fraction]) -> dict[str, Any]:
    """What later stages need to know of a video, as JSON.

    Parameters
    ----------
    probe : Probe
    decoded : Decoded
    clock_s : sequence of Fraction
        Container-clock time of each picture.

    Returns
    -------
    video : dict
        `rate` is [numerator, denominator]; `duration_s` reaches from the first picture to one frame after the last.
    """
    times_s = [time_s - clock_s[0] for time_s in clock_s]
    rate, variable = frame_rate(times_s, probe.rates)
    return {
        "width_px": probe.width_px,
        "height_px": probe.height_px,
        "rate": [rate.numerator, rate.denominator],
        "n_frames": decoded.n_frames,
        "first_time_s": float(clock_s[0]),
        "duration_s": float(times_s[-1] + 1 / rate),
        "rotation_deg": probe.rotation_deg,
        "sample_aspect": probe.sample_aspect,
        "codec": probe.codec,
        "complaints": list(decoded.complaints),
        "variable_rate": variable,
        "has_sound": probe.has_sound,
        "sound_rate_hz": probe.sound_rate_hz,
        "sound_channels": probe.sound_channels,
        "times_s": [float(time_s) for time_s in times_s],
    }


def frame_rate(times_s: Sequence[Fraction], claimed: Sequence[Fraction]) -> tuple[Fraction, bool]:
    """The frame rate as an exact fraction, and whether it is variable.

    A rate that the container claims is believed if every picture is near its place in that rate and
    hardly any place is empty; containers' rounding (1 ms in WebM) and a skipped frame are no variable rate. Otherwise
    the rate is the mean of the times.

    Parameters
    ----------
    times_s : sequence of Fraction
        Increasing, the first is 0.
    claimed : sequence of Fraction
        In order of preference.

    Raises
    ------
    MediaError
        Code "frame-times" if there is one picture only and no claim.

    Examples
    --------
    >>> frame_rate([Fraction(k, 25) for k in range(50)], [Fraction(30), Fraction(25)])
    (Fraction(25, 1), False)
    """
    misfits = {rate: misfit for rate in claimed if (misfit := _misfit_ms(times_s, rate)) is not None}
    if misfits:
        return min(misfits, key=lambda rate: misfits[rate]), False
    if len(times_s) < 2:
        raise MediaError(
            "One picture and no frame rate in the container: this is not a video.",
            remedy="Fetch it again, or leave the stimulus out.",
            code="frame-times",
        )
    mean = Fraction(len(times_s) - 1) / times_s[-1]
    return mean.limit_denominator(100_000), True  # error below 1e-10; both halves must fit an int32 column


def _misfit_ms(times_s: Sequence[Fraction], rate: Fraction) -> int | None:
    # whole milliseconds, so that the rounding of time stamps does not choose between 30000/1001 and a mean near it
    place = np.array([float(time_s * rate) for time_s in times_s])
    off = np.abs(place - place.round())
    n_skipped = place[-1].round() + 1 - len(place)
    if off.max() > SLOT_SHARE or (np.diff(place.round()) < 1).any() or n_skipped > SKIPPED_SHARE * len(place):
        return None
    return round(1000 * float(off.max() / rate))


def refuse_truncated(name: str, probe: media.Probe, clock_s: Sequence[Fraction]) -> None:
    """Refuse a video that ends well before its container says it does.

    Raises
    ------
    MediaError
        Code "truncated".
    """
    # ffprobe measures the length of a broken AVI anew, but still tells the number of frames in its header
    counted_s = [float((probe.n_frames or 0) / rate) for rate in probe.rates]
    declared_s = max([probe.video_duration_s or probe.duration_s or 0.0, *counted_s])
    found_s = float(clock_s[-1] - clock_s[0])
    short_of_time = found_s + LAST_PICTURE_S < WHOLE_SHARE * declared_s
    short_of_frames = probe.n_frames is None or len(clock_s) < WHOLE_SHARE * probe.n_frames
    if short_of_time and short_of_frames:
        raise MediaError(
            f"{name}: its pictures end after {found_s:.2f} s ({len(clock_s)} frames); the container declares "
            f"{declared_s:.2f} s ({probe.n_frames or 'an unknown number of'} frames).",
            remedy="The file was cut short: fetch it again and compare its size.",
            code="truncated",
        )


class FrameFile:
    """The pictures of one stimulus, mapped into memory; cheap to open, to copy to a worker and to read by the clip.

    Parameters
    ----------
    path : path
        A `frames.arrow`.

    Raises
    ------
    StoreError
        If it is not one.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        try:
            self._reader = pa.ipc.open_file(pa.memory_map(str(self.path)))
        except (OSError, pa.ArrowInvalid) as error:
            raise StoreError(
                f"{self.path}: not a file of frames ({error}).", remedy="Run `ave verify`, then build again."
            ) from error
        if not self._reader.schema.equals(FRAMES):
            raise StoreError(
                f"{self.path}: holds columns {self._reader.schema.names}, expected {FRAMES.names}.",
                remedy="It was written by another version: build again.",
            )
        batches = [self._reader.get_batch(k) for k in range(self._reader.num_record_batches)]
        self._jpegs = [_views(batch.column("jpeg")) for batch in batches]
        self.times_s = np.concatenate([np.zeros(0), *(batch.column("time_s").to_numpy() for batch in batches)])

    def __reduce__(self) -> tuple[type[FrameFile], tuple[Path]]:
        return FrameFile, (self.path,)  # a map cannot be sent to another process, but its path can

    def __len__(self) -> int:
        return len(self.times_s)

    def jpegs(self, start: int, stop: int) -> list[memoryview]:
        """The JPEGs of frames [start, stop), as views of the mapped file.

        Raises
        ------
        IndexError
            If a frame is not there.
        """
        if not 0 <= start <= stop <= len(self):
            raise IndexError(f"{self.path}: frames [{start}, {stop}) asked for, it has [0, {len(self)})")
        views = []
        for frame in range(start, stop):
            content, bounds = self._jpegs[frame // BATCH_FRAMES]
            place = frame % BATCH_FRAMES
            views.append(content[bounds[place] : bounds[place + 1]])
        return views

    def read(self, start: int, stop: int) -> np.ndarray:
        """Decode frames [start, stop).

        Returns
        -------
        pictures : ndarray, shape (stop - start, height, width, 3), uint8
            RGB. An empty range gives shape (0, 0, 0, 3): without a picture there is no size.
        """
        pictures = [decode_jpeg(jpeg) for jpeg in self.jpegs(start, stop)]
        return np.stack(pictures) if pictures else np.zeros((0, 0, 0, 3), np.uint8)


def _views(column: pa.BinaryArray) -> tuple[memoryview, np.ndarray]:
    # Arrow copies a value that is taken out of a column; the column's own buffers are the mapped file.
    _, bounds, content = column.buffers()
    return memoryview(content).cast("B").toreadonly(), np.frombuffer(bounds, np.int32)


def decode_jpeg(jpeg: bytes | memoryview) -> np.ndarray:
    """Decode one JPEG to RGB uint8 [height, width, 3], with the exact DCT and smooth chroma.

    Every reader of pictures goes through here, so that a store and all its exports give equal tensors.
    """
    return simplejpeg.decode_jpeg(jpeg, "RGB", fastdct=False, fastupsample=False)
