"""Frames of a stimulus: what is written, how exactly it comes back, and which videos are refused."""

from __future__ import annotations

import hashlib
import itertools
import json
import pickle
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import simplejpeg
from PIL import Image

from pipeline.errors import MediaError, StoreError
from pipeline.features import frames
from pipeline.schemas import FRAMES
from pipeline.signals import media
from pipeline.store.job import Job
from tests.signals import flash_and_beep
from tests.signals.test_media_frames import psnr_db

FULL = {"height": 256, "width": 320, "jpeg_quality": 92}
SMALL = {"height": 24, "width": 32, "jpeg_quality": 92}


def build(video: Path, out: Path, params: dict[str, int]) -> tuple[dict, dict]:
    """Run the stage on one video; its facts and its video.json."""
    out.mkdir()
    facts = frames.build_item(Job("frames", "coutrot1/clip_1", out, {"video": video}, {}, params))
    return facts, json.loads((out / "video.json").read_text())


def steps(rate: Fraction, n_frames: int) -> list[Fraction]:
    """Times of a constant rate."""
    return [frame / rate for frame in range(n_frames)]


def noisy(seed: int, size: tuple[int, int] = (24, 32)) -> np.ndarray:
    """A picture of random grey blocks, as coarse as the blocks of a JPEG."""
    blocks = np.random.default_rng(seed).integers(0, 256, (size[0] // 8, size[1] // 8, 1), dtype=np.uint8)
    return np.repeat(np.repeat(np.repeat(blocks, 8, axis=0), 8, axis=1), 3, axis=2)


class TestStage:
    """build_item on made and real videos."""

    def test_it_writes_every_frame_with_its_time_on_our_clock(self, tmp_path: Path):
        path = tmp_path / "clip.mkv"
        flash_and_beep.make(path, Fraction(25), 6, [0.0, 3.0, 5.96], picture_late_frames=5)
        facts, video = build(path, tmp_path / "out", SMALL)
        stored = frames.FrameFile(tmp_path / "out" / "frames.arrow")
        assert facts == {"n_frames": 150, "bytes": (tmp_path / "out" / "frames.arrow").stat().st_size}
        assert len(stored) == video["n_frames"] == 150
        assert stored.times_s.tolist() == video["times_s"]
        assert stored.times_s == pytest.approx(np.arange(150) / 25, abs=1e-3)
        assert video["times_s"][0] == 0.0
        assert video["first_time_s"] == pytest.approx(0.2, abs=0.03)  # sound starts the file
        brightness = stored.read(0, 150).mean(axis=(1, 2, 3))
        assert np.flatnonzero(brightness > 128).tolist() == [0, 75, 149]

    def test_the_json_holds_what_later_stages_ask_for(self, tmp_path: Path):
        path = tmp_path / "clip.mp4"
        flash_and_beep.make(path, Fraction(30000, 1001), 2, [1.0], sound_rate_hz=44100, channels=2)
        _, video = build(path, tmp_path / "out", SMALL)
        assert video.pop("times_s") == pytest.approx([frame * 1001 / 30000 for frame in range(60)])
        assert video.pop("duration_s") == pytest.approx(60 * 1001 / 30000)
        assert video == {
            "width_px": 64,
            "height_px": 48,
            "rate": [30000, 1001],
            "n_frames": 60,
            "first_time_s": 0.0,
            "rotation_deg": 0,
            "sample_aspect": "1:1",
            "codec": "h264",
            "complaints": [],
            "variable_rate": False,
            "has_sound": True,
            "sound_rate_hz": 44100,
            "sound_channels": 2,
        }

    def test_a_second_run_writes_the_same_bytes(self, tmp_path: Path):
        path = tmp_path / "clip.mp4"
        flash_and_beep.make(path, Fraction(25), 3, [1.0])
        for out in ("first", "second"):
            build(path, tmp_path / out, SMALL)
        for name in ("frames.arrow", "video.json"):
            digests = {hashlib.sha256((tmp_path / out / name).read_bytes()).digest() for out in ("first", "second")}
            assert len(digests) == 1

    def test_a_rotated_real_video_is_kept_as_it_is_shown(self, shared_data: Path, tmp_path: Path):
        path = shared_data / "videos" / "edge" / "rotated90_three_frames_568x320.mov"
        facts, video = build(path, tmp_path / "out", FULL)
        assert facts["n_frames"] == 3
        assert (video["width_px"], video["height_px"], video["rotation_deg"]) == (320, 568, 90)
        assert video["has_sound"] is False
        assert frames.FrameFile(tmp_path / "out" / "frames.arrow").read(0, 3).shape == (3, 256, 320, 3)

    def test_jpeg_loses_little_of_a_real_picture(self, shared_data: Path, tmp_path: Path):
        path = shared_data / "videos" / "edge" / "short_park_640x480.mp4"
        build(path, tmp_path / "out", FULL)
        stored = frames.FrameFile(tmp_path / "out" / "frames.arrow").read(0, 17)
        decoded = np.stack([picture for _, picture in media.read_frames(path)])
        assert 10 * np.log10(255**2 / np.mean((stored.astype(np.float64) - decoded) ** 2)) > 35

    def test_a_stored_picture_is_near_the_whole_one_resized_by_pil(self, shared_data: Path, tmp_path: Path):
        """Within 1 dB of the best that this JPEG quality can do: PIL's own picture, encoded from RGB."""
        path = shared_data / "videos" / "talk_webcam_640x480.mp4"
        build(path, tmp_path / "out", FULL)
        stored = frames.FrameFile(tmp_path / "out" / "frames.arrow").read(0, 41)[::20]
        whole = [picture for _, picture in itertools.islice(media.read_frames(path, (480, 640)), 41)][::20]
        for picture, large in zip(stored, whole, strict=True):
            best = np.asarray(Image.fromarray(large).resize((320, 256), Image.Resampling.BICUBIC))
            encoded = simplejpeg.encode_jpeg(best, FULL["jpeg_quality"], colorsubsampling="420", fastdct=False)
            assert psnr_db(picture, best) > psnr_db(frames.decode_jpeg(encoded), best) - 1 > 38

    def test_lower_quality_takes_fewer_bytes(self, shared_data: Path, tmp_path: Path):
        path = shared_data / "videos" / "edge" / "short_park_640x480.mp4"
        high, _ = build(path, tmp_path / "high", FULL)
        low, _ = build(path, tmp_path / "low", FULL | {"jpeg_quality": 60})
        assert low["bytes"] < 0.6 * high["bytes"]

    def test_a_video_that_was_cut_short_is_refused(self, tmp_path: Path):
        whole, part = tmp_path / "whole.mp4", tmp_path / "part.mp4"
        source = ("-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=4")
        command = [media.ffmpeg_path(), "-v", "error", *source, "-c:v", "libx264", "-movflags", "faststart"]
        subprocess.run([*command, str(whole)], check=True)
        content = whole.read_bytes()
        part.write_bytes(content[: len(content) * 6 // 10])
        with pytest.raises(MediaError, match=r"part\.mp4: its pictures end after .* s .*declares 4\.00 s") as caught:
            build(part, tmp_path / "out", SMALL)
        assert caught.value.code == "truncated"

    def test_memory_holds_one_batch_not_the_video(self, tmp_path: Path):
        """Pictures are asked for one at a time and encoded before the next one."""
        waiting: list[int] = []

        def pictures():
            for frame in range(200):
                waiting.append(frame)
                yield Fraction(frame, 25), simplejpeg.encode_jpeg(noisy(frame))

        target = tmp_path / "frames.arrow"
        clock_s = frames.write_frames(target, pictures())
        assert len(clock_s) == 200
        with pa.memory_map(str(target)) as file:
            reader = pa.ipc.open_file(file)
            assert [reader.get_batch(k).num_rows for k in range(reader.num_record_batches)] == [64, 64, 64, 8]


class TestRate:
    """frame_rate: a fraction, from the container where it agrees with the times."""

    @pytest.mark.parametrize(
        "rate", [Fraction(24), Fraction(30000, 1001), Fraction(60), Fraction(500000, 33333)], ids=str
    )
    def test_a_true_claim_is_believed(self, rate: Fraction):
        assert frames.frame_rate(steps(rate, 300), [rate]) == (rate, False)

    def test_the_nominal_rate_is_preferred_to_a_mean_beside_it(self):
        rate, mean = Fraction(30000, 1001), Fraction(243090000, 8111111)
        assert frames.frame_rate(steps(rate, 5402), [rate, mean]) == (rate, False)

    def test_thirty_is_not_believed_of_a_long_video_at_29_97(self):
        true = Fraction(30000, 1001)
        assert frames.frame_rate(steps(true, 1000), [Fraction(30), true]) == (true, False)

    def test_milliseconds_of_webm_are_no_variable_rate(self):
        rounded = [Fraction(round(1000 * time_s), 1000) for time_s in steps(Fraction(24), 720)]
        assert frames.frame_rate(rounded, [Fraction(24)]) == (Fraction(24), False)

    def test_one_skipped_place_is_no_variable_rate(self):
        times_s = [Fraction(0), *(time_s + Fraction(1, 25) for time_s in steps(Fraction(25), 208)[1:])]
        assert frames.frame_rate(times_s, [Fraction(25)]) == (Fraction(25), False)

    def test_many_skipped_places_give_the_mean_rate(self):
        times_s = [time_s for frame, time_s in enumerate(steps(Fraction(30), 100)) if frame % 5]
        rate, variable = frames.frame_rate([time_s - times_s[0] for time_s in times_s], [Fraction(30)])
        assert variable
        assert rate == Fraction(79) / (times_s[-1] - times_s[0])

    def test_no_claim_gives_the_mean_rate(self):
        assert frames.frame_rate(steps(Fraction(10), 11), []) == (Fraction(10), True)

    def test_both_halves_fit_a_column_of_int32(self):
        times_s = [Fraction(frame * frame * 7919, 90000 * 1001) for frame in range(5000)]
        rate, variable = frames.frame_rate(times_s, [Fraction(90000)])
        assert variable
        assert max(rate.numerator, rate.denominator) < 2**31
        assert float(rate) == pytest.approx(4999 / float(times_s[-1]), rel=1e-9)

    def test_one_picture_has_the_rate_of_its_container_or_none(self):
        assert frames.frame_rate([Fraction(0)], [Fraction(25)]) == (Fraction(25), False)
        with pytest.raises(MediaError, match="not a video"):
            frames.frame_rate([Fraction(0)], [])


class TestTruncation:
    """refuse_truncated: by time and, where the container counts, by frames."""

    @pytest.mark.parametrize(
        ("declared_s", "declared_frames", "n_frames"),
        [(10.0, 250, 249), (None, None, 100), (10.0, 250, 226), (10.0, None, 226), (2.0, 250, 50), (10.0, 100, 100)],
        ids=["whole", "nothing declared", "a few lost", "a few lost, uncounted", "long enough", "last picture held"],
    )
    def test_accepted(self, declared_s: float | None, declared_frames: int | None, n_frames: int):
        probe = media.Probe("x", Fraction(0), None, video_duration_s=declared_s, n_frames=declared_frames)
        frames.refuse_truncated("clip", probe, steps(Fraction(25), n_frames))

    def test_a_broken_avi_is_known_by_its_count_of_frames(self, shared_data: Path, tmp_path: Path):
        content = (shared_data / "videos" / "talk_screencast_1024x576.avi").read_bytes()
        (tmp_path / "part.avi").write_bytes(content[: len(content) // 2])
        with pytest.raises(MediaError, match=r"part\.avi: its pictures end after 4\.\d+ s .*8\.36 s \(209 frames\)"):
            build(tmp_path / "part.avi", tmp_path / "out", SMALL)

    def test_an_avi_that_repeats_pictures_by_empty_chunks_is_whole(self):
        probe = media.Probe("avi", Fraction(0), 10.0, rates=(Fraction(25),), n_frames=250)
        frames.refuse_truncated("clip", probe, steps(Fraction(20), 200))

    @pytest.mark.parametrize("declared_frames", [250, None], ids=["counted", "uncounted"])
    def test_refused(self, declared_frames: int | None):
        probe = media.Probe("x", Fraction(0), 10.0, n_frames=declared_frames)
        with pytest.raises(MediaError, match=r"clip: its pictures end after 3\.96 s \(100 frames\).*fetch it"):
            frames.refuse_truncated("clip", probe, steps(Fraction(25), 100))


class TestFrameFile:
    """Reading back: any range, as JPEG or as pictures."""

    @pytest.fixture
    def stored(self, tmp_path: Path) -> frames.FrameFile:
        """150 pictures, in batches of 64."""
        jpegs = ((Fraction(frame, 25), simplejpeg.encode_jpeg(noisy(frame), 92)) for frame in range(150))
        frames.write_frames(tmp_path / "frames.arrow", jpegs)
        return frames.FrameFile(tmp_path / "frames.arrow")

    @pytest.mark.parametrize(("start", "stop"), [(0, 1), (60, 70), (63, 129), (149, 150), (0, 150)])
    def test_a_range_is_the_same_as_frame_by_frame(self, stored: frames.FrameFile, start: int, stop: int):
        clip = stored.read(start, stop)
        assert clip.shape == (stop - start, 24, 32, 3) and clip.dtype == np.uint8
        one_by_one = np.concatenate([stored.read(frame, frame + 1) for frame in range(start, stop)])
        assert np.array_equal(clip, one_by_one)
        assert np.abs(clip[0].astype(int) - noisy(start)).max() <= 2

    def test_jpegs_are_the_bytes_that_were_encoded_and_are_not_copied(self, stored: frames.FrameFile):
        jpeg = stored.jpegs(70, 71)[0]
        assert isinstance(jpeg, memoryview) and jpeg.readonly
        assert bytes(jpeg) == simplejpeg.encode_jpeg(noisy(70), 92)
        assert simplejpeg.decode_jpeg_header(jpeg)[:2] == (24, 32)

    def test_jpegs_of_a_clip_lie_side_by_side(self, stored: frames.FrameFile):
        views = [np.frombuffer(jpeg, np.uint8) for jpeg in stored.jpegs(64, 80)]
        ends = [view.ctypes.data + view.size for view in views]
        assert [view.ctypes.data for view in views[1:]] == ends[:-1]

    def test_an_empty_range_is_empty(self, stored: frames.FrameFile):
        assert stored.jpegs(10, 10) == []
        assert len(stored.read(10, 10)) == 0

    @pytest.mark.parametrize(("start", "stop"), [(-1, 3), (140, 151), (5, 4)])
    def test_frames_that_are_not_there(self, stored: frames.FrameFile, start: int, stop: int):
        with pytest.raises(IndexError, match=r"it has \[0, 150\)"):
            stored.jpegs(start, stop)

    def test_it_travels_to_another_process(self, stored: frames.FrameFile):
        again = pickle.loads(pickle.dumps(stored))
        assert np.array_equal(again.read(0, 3), stored.read(0, 3))

    def test_no_frames_are_a_file_of_no_frames(self, tmp_path: Path):
        assert frames.write_frames(tmp_path / "none.arrow", []) == []
        assert len(frames.FrameFile(tmp_path / "none.arrow")) == 0

    def test_a_file_that_is_not_arrow(self, tmp_path: Path):
        (tmp_path / "frames.arrow").write_bytes(b"ARROW1 but no more")
        with pytest.raises(StoreError, match=r"frames\.arrow: not a file of frames.*ave verify"):
            frames.FrameFile(tmp_path / "frames.arrow")

    def test_a_file_of_other_columns(self, tmp_path: Path):
        other = pa.schema([("frame", pa.int32()), ("png", pa.binary())])
        with pa.OSFile(str(tmp_path / "frames.arrow"), "wb") as sink, pa.ipc.new_file(sink, other):
            pass
        with pytest.raises(StoreError, match=rf"holds columns \['frame', 'png'\], expected \['{FRAMES.names[0]}'"):
            frames.FrameFile(tmp_path / "frames.arrow")
