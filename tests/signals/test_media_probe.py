"""What a file says about itself, and the one clear error for a file that is no video."""

from __future__ import annotations

import json
import subprocess
import wave
from fractions import Fraction
from pathlib import Path

import pytest

from pipeline.errors import MediaError
from pipeline.signals import media, probing

from . import flash_and_beep


def ffmpeg(*arguments: str | Path) -> None:
    """Run the ffmpeg under test."""
    subprocess.run([media.ffmpeg_path(), "-y", "-v", "error", "-nostdin", *map(str, arguments)], check=True)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of 64 × 48 at 25 fps with stereo AAC; the index at the end of the file, as cameras write it."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    flash_and_beep.make(path, Fraction(25), 2, [0.4, 1.6], channels=2)
    return path


def pretend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, **told: object) -> Path:
    """Make ffprobe answer `told` about any file."""
    fake = tmp_path / "ffprobe"
    fake.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(told)}\nEND\n")
    fake.chmod(0o755)
    monkeypatch.setenv("AVE_FFPROBE", str(fake))
    (tmp_path / "some.mp4").write_bytes(b"bytes")
    return tmp_path / "some.mp4"


def refusal(path: Path) -> MediaError:
    """The error that a file meets when its pictures are asked for."""
    with pytest.raises(MediaError) as caught:
        list(media.read_frames(path))
    assert path.name in str(caught.value)
    assert caught.value.remedy
    return caught.value


def test_a_video_with_sound(clip: Path):
    facts = media.probe(clip)
    assert facts.has_picture and facts.has_sound
    assert (facts.width_px, facts.height_px, facts.rotation_deg, facts.sample_aspect) == (64, 48, 0, "1:1")
    assert facts.codec == "h264"
    assert facts.rates[0] == 25
    assert facts.n_frames == 50
    assert facts.video_duration_s == pytest.approx(2.0)
    assert (facts.sound_codec, facts.sound_rate_hz, facts.sound_channels) == ("aac", 48000, 2)


def test_a_wav_alone_has_sound_and_no_picture(tmp_path: Path):
    path = tmp_path / "tone.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 22050, 0, "NONE", ""))
        file.writeframes(bytes(4 * 2205))
    facts = media.probe(path)
    assert not facts.has_picture
    assert (facts.sound_rate_hz, facts.sound_channels, facts.start_s) == (22050, 2, 0)
    assert refusal(path).code == "no-picture"


def test_a_cover_picture_is_not_the_video(clip: Path, tmp_path: Path):
    cover, covered = tmp_path / "cover.jpg", tmp_path / "covered.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=320x240", "-frames:v", "1", cover)
    streams = ("-map", "1", "-map", "0", "-c", "copy", "-disposition:v:0", "attached_pic")
    ffmpeg("-i", clip, "-i", cover, *streams, covered)
    facts = media.probe(covered)
    assert (facts.width_px, facts.height_px) == (64, 48)
    assert len(list(media.read_frames(covered))) == 50


def test_song_with_a_cover_has_no_moving_picture(clip: Path, tmp_path: Path):
    cover, song = tmp_path / "cover.jpg", tmp_path / "song.m4a"
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=320x240", "-frames:v", "1", cover)
    ffmpeg("-i", clip, "-i", cover, "-map", "0:a", "-map", "1", "-c", "copy", "-disposition:v:0", "attached_pic", song)
    assert not media.probe(song).has_picture


def test_of_several_streams_the_largest_picture_and_the_default_sound_are_meant(clip: Path, tmp_path: Path):
    both = tmp_path / "both.mkv"
    sources = ("-f", "lavfi", "-i", "testsrc=size=96x96:rate=10:duration=1", "-f", "lavfi", "-i", "sine=duration=1")
    streams = (
        "-map",
        "0:v",
        "-map",
        "0:a",
        "-map",
        "1",
        "-map",
        "2",
        "-c:v",
        "ffv1",
        "-c:a",
        "flac",
        "-ar:a:1",
        "16000",
    )
    ffmpeg("-i", clip, *sources, *streams, "-disposition:a:0", "0", "-disposition:a:1", "default", both)
    facts = media.probe(both)
    assert (facts.width_px, facts.height_px) == (96, 96)
    assert facts.sound_rate_hz == 16000
    assert len(list(media.read_frames(both))) == 10
    assert media.read_soundtrack(both)[1] == 16000


@pytest.mark.parametrize(("turn", "shown"), [(90, (48, 64)), (180, (64, 48)), (270, (48, 64))])
def test_the_size_is_that_of_the_picture_as_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, turn: int, shown: tuple[int, int]
):
    stream = {"codec_type": "video", "index": 0, "width": 64, "height": 48, "time_base": "1/25"}
    stream["side_data_list"] = [{"side_data_type": "Display Matrix", "rotation": -turn}]
    facts = media.probe(pretend(monkeypatch, tmp_path, streams=[stream], format={"format_name": "mov"}))
    assert facts.rotation_deg == turn
    assert (facts.width_px, facts.height_px) == shown


def test_what_a_file_does_not_say_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    stream = {"codec_type": "video", "index": 3, "time_base": "1/1000", "width": 8, "height": 6}
    stream |= {"r_frame_rate": "0/0", "avg_frame_rate": "0/0", "nb_frames": "N/A", "sample_aspect_ratio": "0:1"}
    facts = media.probe(pretend(monkeypatch, tmp_path, streams=[stream], format={"format_name": "matroska"}))
    said = {"video_index": 3, "time_base": Fraction(1, 1000), "width_px": 8, "height_px": 6}
    assert facts == media.Probe("matroska", Fraction(0), None, **said)


def test_names_that_look_like_protocols_and_options_are_only_names(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    for name in ("concat:a|b.mp4", "-y.mp4", "clip %03d [a],b.mp4"):
        Path(name).write_bytes(clip.read_bytes())
        assert len(list(media.read_frames(Path(name)))) == 50
        assert len(media.read_soundtrack(Path(name))[0]) > 90000


def test_a_file_that_is_not_there(tmp_path: Path):
    assert refusal(tmp_path / "gone.mp4").code == "missing-file"


def test_a_file_of_no_bytes(tmp_path: Path):
    (tmp_path / "empty.mp4").touch()
    assert refusal(tmp_path / "empty.mp4").code == "empty-file"


@pytest.mark.parametrize("name", ["page.mp4", "notes.txt"])
def test_text_is_not_a_video(tmp_path: Path, name: str):
    """ffmpeg itself plays a .txt as moving text."""
    (tmp_path / name).write_text("<html>404: the video has moved</html>\n" * 50)
    assert refusal(tmp_path / name).code == "not-a-video"


def test_a_still_picture_is_not_a_video(tmp_path: Path):
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=32x32", "-frames:v", "1", tmp_path / "still.jpg")
    assert refusal(tmp_path / "still.jpg").code == "not-a-video"


def test_a_download_that_was_cut_short_before_the_index(clip: Path, tmp_path: Path):
    part = tmp_path / "part.mp4"
    part.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    error = refusal(part)
    assert error.code == "not-a-video"
    assert "moov atom not found" in str(error)
    assert "0x" not in str(error)
    assert str(tmp_path) not in error.message


def test_a_hanging_ffprobe_is_given_up(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    fake = tmp_path / "ffprobe"
    fake.write_text("#!/bin/sh\nsleep 60\n")
    fake.chmod(0o755)
    monkeypatch.setenv("AVE_FFPROBE", str(fake))
    monkeypatch.setattr(probing, "PROBE_LIMITS", media.Limits(stall_s=0.3))
    assert refusal(clip).code == "stalled"
