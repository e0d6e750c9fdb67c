"""Pictures by presentation time: pixels, times, and what happens when decoding goes wrong."""

from __future__ import annotations

import itertools
import os
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import MediaError
from pipeline.signals import media
from pipeline.signals.pixels import JPEG_PLANES, RGB, split_planes

from . import flash_and_beep


def shown(frame: int, ticks: int | str) -> str:
    """What the filter metadata notes of one picture."""
    return f"frame:{frame:<4d} pts:{ticks!s:<7} pts_time:0\npicture=1"


def ffmpeg(*arguments: str | Path) -> None:
    """Run the ffmpeg under test."""
    subprocess.run([media.ffmpeg_path(), "-y", "-v", "error", "-nostdin", *map(str, arguments)], check=True)


def psnr_db(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio of two uint8 pictures."""
    return float(10 * np.log10(255**2 / np.mean((a.astype(np.float64) - b) ** 2)))


@pytest.fixture
def pretend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Read from an ffmpeg that says some lines, delivers some bytes and ends with some status."""

    def stream(notes: list[str], n_bytes: int, status: int = 0, says: str = "") -> media.FrameStream:
        noted = "\n".join(notes)
        fake = tmp_path / "ffmpeg"
        fake.write_text(
            '#!/bin/sh\n[ "$1" = -version ] && echo "ffmpeg version 8.1 C" && exit 0\n'
            "pipe=$(echo \"$*\" | sed 's/.*pipe[^0-9]*\\([0-9]*\\):key.*/\\1/')\n"
            f"cat >/dev/fd/$pipe <<'END'\n{noted}\nEND\necho '{says}' >&2\nhead -c {n_bytes} /dev/zero\nexit {status}\n"
        )
        fake.chmod(0o755)
        monkeypatch.setenv("AVE_FFMPEG", str(fake))
        facts = media.Probe("mp4", Fraction(1, 2), 1.0, video_index=0, time_base=Fraction(1, 50))
        return media.FrameStream(tmp_path / "clip.mp4", facts, (4, 5), RGB, 1, media.Limits(stall_s=1))

    return stream


def test_pictures_come_with_exact_times_in_the_size_asked_for(tmp_path: Path):
    path, rate = tmp_path / "clip.mkv", Fraction(25)
    flash_and_beep.make(path, rate, 2, [1.0])
    stream = media.read_frames(path, size=(30, 50))
    times_s, pictures = zip(*stream, strict=True)
    assert [time_s - times_s[0] for time_s in times_s] == [frame / rate for frame in range(50)]
    assert all(isinstance(time_s, Fraction) for time_s in times_s)
    assert pictures[0].shape == (30, 50, 3) and pictures[0].dtype == np.uint8
    assert stream.decoded == media.Decoded(50)
    pictures[0][:] = 255  # a picture belongs to the caller
    assert pictures[1].max() < 128


@pytest.mark.parametrize("threads", [1, 3])
def test_the_number_of_threads_changes_nothing(tmp_path: Path, threads: int):
    path = tmp_path / "clip.mp4"
    flash_and_beep.make(path, Fraction(30), 1, [0.5])
    frames = list(media.read_frames(path, size=(24, 32), threads=threads))
    assert [frame for frame, (_, picture) in enumerate(frames) if picture.mean() > 128] == [15]


def test_resizing_agrees_with_pil_bicubic(shared_data: Path):
    """One pass at 256 × 320 against the whole picture and PIL: at least 39 dB at every frame looked at."""
    path = shared_data / "videos" / "talk_webcam_640x480.mp4"
    small = itertools.islice(media.read_frames(path), 60)
    large = itertools.islice(media.read_frames(path, size=(480, 640)), 60)
    worst_db = min(
        psnr_db(picture, np.asarray(Image.fromarray(whole).resize((320, 256), Image.Resampling.BICUBIC)))
        for (_, picture), (_, whole) in list(zip(small, large, strict=True))[::10]
    )
    assert worst_db >= 39


@pytest.mark.parametrize(("turn", "bright_corner"), [(0, (0, 0)), (90, (0, 1)), (180, (1, 1)), (270, (1, 0))])
def test_pictures_are_turned_as_the_file_asks(tmp_path: Path, turn: int, bright_corner: tuple[int, int]):
    stored, turned = tmp_path / "stored.mp4", tmp_path / "turned.mp4"
    corner = "geq=lum='if(lt(X,32)*lt(Y,24),235,16)':cb=128:cr=128"
    ffmpeg("-f", "lavfi", "-i", f"color=size=64x48:rate=10:duration=0.5,{corner}", "-c:v", "libx264", stored)
    content = stored.read_bytes()
    at = content.index(b"tkhd") + 4 + 40  # the 3 × 3 matrix of the track header, version 0; fixed point 16.16
    one = 1 << 16
    cos, sin = {0: (one, 0), 90: (0, one), 180: (-one, 0), 270: (0, -one)}[turn]
    rows = [cos, sin, 0, -sin, cos, 0, 0, 0, 1 << 30]
    matrix = b"".join(value.to_bytes(4, "big", signed=True) for value in rows)
    turned.write_bytes(content[:at] + matrix + content[at + 36 :])
    facts = media.probe(turned)
    assert facts.rotation_deg == turn
    _, picture = next(media.read_frames(turned, size=(40, 40)))
    quarters = picture.reshape(2, 20, 2, 20, 3).mean(axis=(1, 3, 4))
    assert np.unravel_index(quarters.argmax(), (2, 2)) == bright_corner
    assert (facts.width_px, facts.height_px) == ((48, 64) if turn in (90, 270) else (64, 48))


# What files hold, and what ffmpeg is told of it: their own planes, planes of another matrix, range or density, and RGB.
TAGGED = {
    "as most files": ("yuv420p", ()),
    "BT.601, said": ("yuv420p", ("-colorspace", "smpte170m", "-color_range", "tv")),
    "BT.709": ("yuv420p", ("-colorspace", "bt709", "-color_range", "tv")),
    "full range": ("yuvj420p", ("-color_range", "pc")),
    "chroma for each pixel": ("yuv444p", ()),
    "ten bits": ("yuv420p10le", ()),
    "RGB": ("bgr0", ()),
    "grey": ("gray", ()),
}


@pytest.mark.parametrize("tag", TAGGED)
@pytest.mark.parametrize("size", [(80, 140), (81, 141)], ids=str)
def test_planes_are_the_same_colours_as_rgb(tmp_path: Path, tag: str, size: tuple[int, int]):
    path = tmp_path / "bars.mkv"
    pix_fmt, colours = TAGGED[tag]
    source = ("-f", "lavfi", "-i", "smptebars=size=240x160:rate=10:duration=0.2")
    ffmpeg(*source, *colours, "-c:v", "ffv1", "-pix_fmt", pix_fmt, path)
    _, rgb = next(media.read_frames(path, size))
    _, planes = next(media.read_frames(path, size, pixels=JPEG_PLANES))
    y, cb, cr = (plane.astype(np.float64) for plane in split_planes(planes, size))
    assert cb.shape == cr.shape == ((size[0] + 1) // 2, (size[1] + 1) // 2)
    whole = [np.repeat(np.repeat(plane, 2, 0), 2, 1)[: size[0], : size[1]] - 128 for plane in (cb, cr)]
    seen = np.stack([y + 1.402 * whole[1], y - 0.344136 * whole[0] - 0.714136 * whole[1], y + 1.772 * whole[0]], axis=2)
    bars = np.s_[24, (np.arange(7) * size[1] / 7 + size[1] / 14).astype(int)]  # the middle of each
    assert np.abs(np.clip(seen, 0, 255) - rgb)[bars].max() <= 2.5
    assert np.ptp(rgb[bars].astype(int)) > 150


def test_odd_sizes_lose_no_row(tmp_path: Path):
    path = tmp_path / "odd.mkv"
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=75x41:rate=10:duration=0.3", "-c:v", "ffv1", "-pix_fmt", "yuv420p", path)
    assert (media.probe(path).width_px, media.probe(path).height_px) == (75, 41)
    _, picture = next(media.read_frames(path, size=(41, 75)))
    assert picture[-1].std() > 5 and picture[:, -1].std() > 5


def test_variable_rate_keeps_every_picture_at_its_own_time(tmp_path: Path):
    path = tmp_path / "variable.mkv"
    spread = "setpts='(N*N+N)*0.02/TB'"
    source = ("-f", "lavfi", "-i", f"testsrc=size=32x32:rate=25:duration=0.4,{spread}")
    ffmpeg(*source, "-fps_mode", "passthrough", "-enc_time_base", "1:1000", "-c:v", "ffv1", path)
    times_s = [float(time_s) for time_s, _ in media.read_frames(path, size=(8, 8))]
    assert times_s == pytest.approx([(n * n + n) * 0.02 for n in range(10)], abs=0.0011)


def test_damage_in_the_middle_is_kept_as_a_complaint(tmp_path: Path):
    """The same words on every machine: no addresses, no folders, and never more than a few."""
    path, broken = tmp_path / "clip.mp4", tmp_path / "broken.mp4"
    source = ("-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=2")
    ffmpeg(*source, "-c:v", "libx264", "-preset", "ultrafast", path)
    content = bytearray(path.read_bytes())
    start = content.index(b"mdat") + len(content) // 3
    noise = np.random.default_rng(1).integers(0, 256, 4000, dtype=np.uint8).tobytes()
    content[start : start + len(noise)] = noise
    broken.write_bytes(content)
    stream = media.read_frames(broken, size=(8, 8))
    n_frames = sum(1 for _ in stream)
    assert stream.decoded is not None
    assert n_frames > 20
    assert 1 <= len(stream.decoded.complaints) <= 20
    assert not any("0x" in said or os.sep in said for said in stream.decoded.complaints)
    again = media.read_frames(broken, size=(8, 8))
    list(again)
    assert again.decoded == stream.decoded


def test_times_are_shifted_to_the_container_clock(pretend):
    stream = pretend([shown(0, 25), shown(1, 27)], 2 * 60)
    assert [time_s for time_s, _ in stream] == [Fraction(0), Fraction(1, 25)]


def test_an_ffmpeg_that_fails_after_some_pictures_is_an_error(pretend):
    stream = pretend([shown(0, 25)], 60, status=187, says="[h264 @ 0x2] [error] out of luck")
    next(stream)
    with pytest.raises(
        MediaError, match=r"clip\.mp4: ffmpeg gave up after 1 pictures.*h264: out of luck.*Fetch it again"
    ):
        next(stream)
    assert stream.decoded is None


def test_an_ffmpeg_that_stops_inside_a_picture_is_an_error(pretend):
    stream = pretend([shown(0, 25)], 61)
    with pytest.raises(MediaError, match="stopped inside picture 1") as caught:
        list(stream)
    assert caught.value.code == "decode-failed"


def test_a_file_that_decodes_to_nothing_is_an_error(pretend):
    with pytest.raises(MediaError, match=r"not one picture.*mov: no key frame") as caught:
        list(pretend([], 0, says="[mov @ 0x2] [error] no key frame"))
    assert caught.value.code == "no-frames"


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        ([shown(0, 25), shown(1, "NOPTS")], "picture 1 has no presentation time"),
        ([shown(0, 25), shown(1, 25)], "picture 1 is at 0.000000 s after 0.000000 s"),
        ([shown(0, 30), shown(1, 25)], "picture 1 is at 0.000000 s after 0.100000 s"),
        ([shown(0, 25), shown(1, 26), shown(2, 27)], "more time stamps than the 2 pictures"),
    ],
    ids=["missing", "equal", "backwards", "too many"],
)
def test_times_that_do_not_belong_to_pictures_are_an_error(pretend, lines: list[str], what: str):
    with pytest.raises(MediaError, match=what) as caught:
        list(pretend(lines, 2 * 60))
    assert caught.value.code == "frame-times"


def test_a_picture_without_a_note_of_its_time_is_an_error(pretend):
    stream = pretend([shown(0, 25)], 2 * 60)
    with pytest.raises(MediaError, match="picture 1 has no presentation time"):
        list(stream)


@pytest.mark.parametrize("how", ["closed", "forgotten"])
def test_ffmpeg_ends_when_its_stream_is(tmp_path: Path, how: str):
    path = tmp_path / "clip.mp4"
    flash_and_beep.make(path, Fraction(30), 10, [0.5])
    stream: media.FrameStream | None = media.read_frames(path)
    assert stream is not None
    next(stream)
    process = stream._child._process
    assert process.poll() is None
    if how == "closed":
        stream.close()
        assert list(stream) == []
        assert stream.decoded is None
    else:
        stream = None
    assert process.returncode is not None
