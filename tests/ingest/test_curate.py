"""Curation: what is admitted, what is refused and why, and where every sample went."""

from __future__ import annotations

import json
import wave
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import AveError, MediaError
from pipeline.ingest import curate
from pipeline.records import DiemVideo, Geometry, Rejection, StimulusEntry
from pipeline.schemas import FIXATIONS, STIMULI
from pipeline.store.job import Job

RATE_HZ = 8000
PARAMS = {"max_sound_difference_s": 0.5, "silence_dbfs": -60.0}
ENTRY = StimulusEntry(
    corpus="diem",
    name="toy_64x48",
    ave_name="toy_64x48",
    category="nature",
    split="train",
    category_sheet="Nature",
    split_sheet="train",
    audio_presented="yes",
    audio_evidence="the sound was played",
)
GEOMETRY = Geometry("diem", "centred", px_per_dva=4.0, screen_width_px=128, screen_height_px=96)


def write_wav(path: Path, samples: np.ndarray, *, channels: int = 1) -> Path:
    """A 16-bit wav file; `samples` in full scale."""
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, RATE_HZ, 0, "NONE", ""))
        file.writeframes((np.repeat(samples, channels) * 32767).astype("<i2").tobytes())
    return path


def tone(duration_s: float, amplitude: float = 0.1) -> np.ndarray:
    """A 440 Hz tone."""
    return amplitude * np.sin(2 * np.pi * 440 * np.arange(round(duration_s * RATE_HZ)) / RATE_HZ)


def video_json(n_frames: int = 100, **changes: object) -> dict:
    facts = {
        "width_px": 64,
        "height_px": 48,
        "rate": [25, 1],
        "n_frames": n_frames,
        "first_time_s": 0.0,
        "duration_s": n_frames / 25,
        "complaints": [],
        "variable_rate": False,
        "times_s": [frame / 25 for frame in range(n_frames)],
    }
    return facts | changes


class Bench:
    """Writes the files one curation reads, runs it, and reads back what it wrote."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.entry, self.geometry = ENTRY, GEOMETRY
        self.diem_video: DiemVideo | None = DiemVideo(ENTRY.name, 64, 48, 100, True)
        self.max_frame_difference: int | None = 2
        self.gaze_frames = 100
        self.gaze_size = (64, 48)
        self.gaze_rate: list[int] | None = [25, 1]
        self.observers = {"ann": {"blink": 3, "lost": 1}, "bob": {"saccade": 2}, "cy": {"outside-picture": 5}}
        self.without_fixations = {"cy"}
        self.rejections: list[dict] = []
        self.video = video_json()
        self.sound = write_wav(folder / "sound.wav", tone(4.0))
        self.sound_is_video = False

    def run(self) -> dict:
        files = {name: self.folder / name for name in ("fixations.parquet", "recordings.json", "video.json")}
        rows = [
            (observer, frame, 10.5, 20.25)
            for frame in range(self.gaze_frames)
            for observer in sorted(set(self.observers) - self.without_fixations)
        ]
        columns = list(zip(*rows, strict=True)) or [[], [], [], []]
        pq.write_table(
            pa.table(dict(zip(FIXATIONS.names, columns, strict=True)), FIXATIONS), files["fixations.parquet"]
        )
        fixations = Counter(observer for observer, *_ in rows)
        recordings = {
            "width_px": self.gaze_size[0],
            "height_px": self.gaze_size[1],
            "rate": self.gaze_rate,
            "n_frames": self.gaze_frames,
            "placement_check": {
                "mean_first_frames_px": [66, 47],
                "median_first_frames_px": [66, 47],
                "inside_share": 0.99,
            },
            "observers": [
                {
                    "observer": observer,
                    "n_samples": fixations[observer] + sum(rejected.values()),
                    "n_fixations": fixations[observer],
                    "rejected": rejected,
                    "first_frame": 0,
                    "last_frame": self.gaze_frames - 1,
                }
                for observer, rejected in self.observers.items()
            ],
            "rejections": self.rejections,
            "notes": [],
        }
        files["recordings.json"].write_text(json.dumps(recordings))
        files["video.json"].write_text(json.dumps(self.video))
        self.recordings = recordings
        self.out = self.folder / f"out{len(list(self.folder.glob('out*')))}"
        self.out.mkdir()
        job = Job(
            "curate",
            self.entry.stimulus,
            self.out,
            files={
                "fixations": files["fixations.parquet"],
                "recordings": files["recordings.json"],
                "video": files["video.json"],
                "sound": self.sound,
            },
            values={
                "entry": asdict(self.entry),
                "geometry": asdict(self.geometry),
                "licence": "CC BY",
                "sound_is_video": self.sound_is_video,
                "max_frame_difference": self.max_frame_difference,
                "diem_video": asdict(self.diem_video) if self.diem_video else None,
            },
            params=PARAMS,
        )
        return curate.build_item(job)

    def json(self, name: str):
        return json.loads((self.out / name).read_text(encoding="utf-8"))

    @property
    def rejected(self) -> dict[tuple[str, str, str], int]:
        return {(row["level"], row["subject"], row["reason"]): row["count"] for row in self.json("rejected.json")}

    def audited(self, quantity: str) -> dict:
        (row,) = [row for row in self.json("audit.json") if row["quantity"] == quantity]
        return row

    def refused_with(self) -> str:
        """Run, check the shape of a refusal, and return its detail."""
        facts = self.run()
        assert not facts["admitted"]
        assert sorted(path.name for path in self.out.iterdir()) == ["audit.json", "rejected.json"]
        (row,) = [row for row in self.json("rejected.json") if row["level"] == "stimulus"]
        assert row["subject"] == self.entry.stimulus
        assert row["reason"] == facts["reason"] == self.audited("admitted")["note"]
        assert row["count"] == self.video["n_frames"]
        return f"{row['reason']}: {row['detail']}"

    def failed_with(self) -> str:
        """Run, expect an error, and return its code and words."""
        with pytest.raises(AveError) as caught:
            self.run()
        return f"{caught.value.code}: {caught.value}"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_an_admitted_stimulus_has_exactly_the_columns_of_the_published_table(bench: Bench):
    assert bench.run() == {"admitted": True, "reason": "", "n_frames": 100}
    row = bench.json("stimulus.json")
    assert list(row) == STIMULI.names
    assert pa.Table.from_pylist([row], STIMULI).num_rows == 1
    expected = {"stimulus": "diem/toy_64x48", "n_frames": 100, "duration_s": 4.0, "n_observers": 2, "n_fixations": 200}
    expected |= {"audio_rate_hz": RATE_HZ, "audio_channels": 1, "audio_presented": "the sound was played"}
    assert {name: row[name] for name in expected} == expected


def test_the_timeline_holds_what_later_stages_need_of_the_video(bench: Bench):
    bench.run()
    timeline = bench.json("timeline.json")
    assert timeline["times_s"] == [frame / 25 for frame in range(100)]
    del timeline["times_s"]
    assert timeline == {
        "n_frames": 100,
        "width_px": 64,
        "height_px": 48,
        "rate": [25, 1],
        "px_per_dva": 4.0,
        "sound_start_s": 0.0,
    }


def samples_and_where_they_went(bench: Bench) -> tuple[int, int]:
    n_samples = sum(observer["n_samples"] for observer in bench.recordings["observers"])
    n_rejected = sum(count for (level, _, _), count in bench.rejected.items() if level == "sample")
    return n_samples, bench.json("stimulus.json")["n_fixations"] + n_rejected


@pytest.mark.parametrize("frame_offset", [-2, 0, 1])
@pytest.mark.parametrize("gaze_frames", [98, 100, 101])
def test_every_sample_is_a_fixation_or_is_rejected(bench: Bench, gaze_frames: int, frame_offset: int):
    bench.gaze_frames = gaze_frames
    bench.entry = StimulusEntry(**{**asdict(ENTRY), "frame_offset": frame_offset})
    bench.max_frame_difference = None
    assert bench.run()["admitted"]
    n_samples, n_accounted = samples_and_where_they_went(bench)
    assert n_samples == n_accounted
    assert bench.json("stimulus.json")["n_fixations"] == pq.read_metadata(bench.out / "fixations.parquet").num_rows


def test_a_sample_that_nobody_accounts_for_stops_the_build(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    original = curate.cut_to_video
    monkeypatch.setattr(curate, "cut_to_video", lambda *given: (original(*given)[0].slice(1), original(*given)[1]))
    with pytest.raises(AssertionError, match=r"211 samples, but 199 fixations and 11 rejected"):
        bench.run()


def test_fixations_beyond_the_video_are_cut_and_counted_per_observer(bench: Bench):
    bench.gaze_frames = 102
    assert bench.run()["n_frames"] == 100
    assert bench.rejected["sample", "diem/toy_64x48/ann", "beyond-video"] == 2
    assert bench.rejected["sample", "diem/toy_64x48/bob", "beyond-video"] == 2
    table = pq.read_table(bench.out / "fixations.parquet")
    assert table.schema.equals(FIXATIONS)
    assert table.column("frame").to_pylist() == [frame for frame in range(100) for _ in range(2)]
    assert bench.audited("gaze_minus_video_frames")["ours"] == 2
    assert bench.audited("gaze_minus_video_frames")["verdict"] == "differs"


def test_gaze_shorter_than_the_video_shortens_the_stimulus(bench: Bench):
    bench.gaze_frames = 99
    assert bench.run()["n_frames"] == 99
    assert len(bench.json("timeline.json")["times_s"]) == 99
    assert bench.json("stimulus.json")["duration_s"] == pytest.approx(99 / 25)


def test_a_frame_offset_moves_gaze_onto_the_video(bench: Bench):
    bench.gaze_frames = 103
    bench.entry = StimulusEntry(**{**asdict(ENTRY), "frame_offset": 3})
    assert bench.run()["n_frames"] == 100
    frame = pq.read_table(bench.out / "fixations.parquet").column("frame").to_numpy()
    assert (frame.min(), frame.max()) == (0, 99)
    assert bench.rejected["sample", "diem/toy_64x48/ann", "beyond-video"] == 3
    assert bench.audited("gaze_minus_video_frames")["verdict"] == "agrees"


def test_a_recording_without_any_fixation_is_no_observer_and_has_a_row(bench: Bench):
    bench.run()
    assert bench.rejected["recording", "diem/toy_64x48/cy", "no-fixations"] == 1
    assert bench.rejected["sample", "diem/toy_64x48/cy", "outside-picture"] == 5


def test_what_the_reader_rejected_is_passed_on(bench: Bench):
    bench.rejections = [
        {
            "level": "recording",
            "subject": "diem/toy_64x48/cy",
            "reason": "unreadable",
            "count": 1,
            "detail": "8 columns",
        }
    ]
    bench.run()
    assert bench.rejected["recording", "diem/toy_64x48/cy", "unreadable"] == 1
    assert ("recording", "diem/toy_64x48/cy", "no-fixations") not in bench.rejected


def test_sound_that_was_not_played_is_refused_before_anything_else(bench: Bench):
    bench.entry = StimulusEntry(**{**asdict(ENTRY), "audio_presented": "no", "audio_evidence": "shown in silence"})
    bench.video["width_px"] = 1
    assert "audio-not-presented: Observers did not hear the sound (shown in silence)." in bench.refused_with()


def test_what_the_reader_refused_stays_refused_by_its_own_reason(bench: Bench):
    detail = "only in the condition Visual"
    row = Rejection("stimulus", ENTRY.stimulus, "no-own-soundtrack-condition", 1, detail)
    bench.rejections = [asdict(row)]
    bench.gaze_frames, bench.gaze_size = 0, (0, 0)
    assert bench.run() == {"admitted": False, "reason": "no-own-soundtrack-condition", "n_frames": 0}
    assert bench.json("rejected.json") == [asdict(row)]


def test_a_picture_of_another_size_than_the_gaze_is_an_error_and_a_swap_is_named(bench: Bench):
    bench.gaze_size = (48, 64)
    said = bench.failed_with()
    assert "size-mismatch: diem/toy_64x48: the video shows 64 x 48 pixels, the gaze was recorded on 48 x 64" in said
    assert "swapped" in said


def test_a_scaled_copy_of_the_video_is_an_error_without_talk_of_a_swap(bench: Bench):
    bench.video |= {"width_px": 32, "height_px": 24}
    said = bench.failed_with()
    assert said.startswith("size-mismatch: diem/toy_64x48: the video shows 32 x 24 pixels")
    assert "swapped" not in said


def test_a_size_that_the_table_of_diem_videos_contradicts_is_an_error(bench: Bench):
    bench.diem_video = DiemVideo(ENTRY.name, 80, 48, 100, True)
    assert "manifests/diem_videos.csv lists 80 x 48" in bench.failed_with()


def test_too_many_frames_apart_is_an_error_with_both_counts_and_the_remedy(bench: Bench):
    bench.gaze_frames = 104
    said = bench.failed_with()
    assert said.startswith("frame-count: diem/toy_64x48: 104 gaze frames, but the video decodes to 100.")
    assert "Expected a difference of at most 2." in said
    assert "frame_offset" in said


def test_gaze_that_shares_no_frame_with_the_picture_is_an_error_whatever_the_limit(bench: Bench):
    bench.gaze_frames, bench.max_frame_difference = 0, None
    assert "frame-count: diem/toy_64x48: 0 gaze frames, but the video decodes to 100" in bench.failed_with()


def test_an_offset_counts_towards_the_frame_difference(bench: Bench):
    bench.entry = StimulusEntry(**{**asdict(ENTRY), "frame_offset": 5})
    assert "95 gaze frames after frame_offset 5, but the video decodes to 100" in bench.failed_with()


def test_without_a_limit_the_smaller_number_of_frames_is_taken_and_audited(bench: Bench):
    bench.gaze_frames, bench.max_frame_difference, bench.diem_video = 84, None, None
    assert bench.run() == {"admitted": True, "reason": "", "n_frames": 84}
    row = bench.audited("gaze_minus_video_frames")
    assert (row["ours"], row["verdict"]) == (-16, "differs")
    assert row["note"] == "gaze 84, picture 100 frames; the smaller number is used"


def test_gaze_without_one_fixation_is_refused(bench: Bench):
    bench.without_fixations = set(bench.observers)
    assert bench.refused_with().startswith("no-fixations: None of 3 recordings")


@pytest.mark.parametrize(
    ("samples", "admitted"),
    [
        pytest.param(np.zeros(4 * RATE_HZ), False, id="digital silence is silent"),
        pytest.param(np.full(4 * RATE_HZ, -1 / 128), False, id="a constant is silent"),
        pytest.param(tone(4.0, amplitude=0.0012), False, id="a tone at -61 dBFS is silent"),
        pytest.param(tone(4.0, amplitude=0.0018), True, id="a tone at -58 dBFS is sound"),
        pytest.param(
            np.pad(tone(0.05), (0, int(3.95 * RATE_HZ))), True, id="one short beep in a silent track is sound"
        ),
    ],
)
def test_silence_is_measured(bench: Bench, samples: np.ndarray, admitted: bool):
    bench.sound = write_wav(bench.folder / "sound.wav", samples)
    facts = bench.run()
    assert facts["admitted"] is admitted
    assert facts["reason"] == ("" if admitted else "silent")


@pytest.mark.parametrize(
    ("duration_s", "verdict"),
    [(3.4, "differs"), (3.6, "agrees"), (4.49, "agrees"), (4.6, "differs")],
)
def test_sound_may_differ_from_the_picture_by_half_a_second_and_is_reported(
    bench: Bench, duration_s: float, verdict: str
):
    bench.sound = write_wav(bench.folder / "sound.wav", tone(duration_s))
    facts = bench.run()
    assert facts["reason"] == ("sound-length" if verdict == "differs" else "")
    row = bench.audited("sound_minus_picture_s")
    assert row["ours"] == pytest.approx(duration_s - 4.0, abs=1e-3)
    assert row["verdict"] == verdict


def test_stereo_is_counted_as_two_channels(bench: Bench):
    write_wav(bench.folder / "sound.wav", tone(4.0), channels=2)
    bench.run()
    assert bench.json("stimulus.json")["audio_channels"] == 2


def test_an_undecodable_soundtrack_is_an_error_and_no_refusal(bench: Bench):
    bench.sound.write_bytes(b"this is no sound")
    with pytest.raises(MediaError) as caught:
        bench.run()
    assert caught.value.code == "not-a-video"


def test_a_video_without_a_soundtrack_is_an_error(bench: Bench, shared_data: Path):
    bench.sound = shared_data / "videos" / "edge" / "no_audio_city_720x405.mpg"
    bench.sound_is_video = True
    said = bench.failed_with()
    assert said.startswith("no-sound: diem/toy_64x48: no_audio_city_720x405.mpg: has no soundtrack.")
    assert "Expected the sound that was heard (the sound was played)." in said


def test_sound_inside_the_video_is_read_from_the_first_picture_on(bench: Bench, shared_data: Path):
    bench.sound = shared_data / "videos" / "talk_podium_320x240.mp4"
    bench.sound_is_video = True
    bench.video |= {"first_time_s": 2.0, "duration_s": 6.7}
    assert bench.run()["admitted"]
    assert bench.json("timeline.json")["sound_start_s"] == 2.0
    assert abs(bench.audited("sound_minus_picture_s")["ours"]) < 0.1


def test_the_same_job_writes_the_same_bytes(bench: Bench):
    bench.run()
    first = {path.name: path.read_bytes() for path in bench.out.iterdir()}
    bench.run()
    assert {path.name: path.read_bytes() for path in bench.out.iterdir()} == first


def test_claims_that_the_measurements_contradict_come_out_of_the_audit(bench: Bench):
    bench.entry = replace(ENTRY, frames_reported=103)
    bench.gaze_rate = [30, 1]
    bench.video["complaints"] = ["error while decoding"]
    bench.run()
    verdicts = {row["quantity"]: row["verdict"] for row in bench.json("audit.json")}
    assert verdicts == {
        "frames_decoded": "differs",
        "gaze_minus_video_frames": "agrees",
        "rate_hz": "differs",
        "gaze_inside_share": "agrees",
        "first_gaze_px": "agrees",
        "sound_minus_picture_s": "agrees",
        "sound_level_dbfs": "not-comparable",
        "decoder_complaints": "differs",
    }
    assert (bench.audited("rate_hz")["published"], bench.audited("rate_hz")["ours"]) == ("30", "25")


def test_gaze_in_video_pixels_is_audited_against_the_middle_of_the_video(bench: Bench):
    bench.geometry = Geometry("coutrot1", "video", px_per_dva=4.0, screen_width_px=128, screen_height_px=96)
    bench.run()
    row = bench.audited("first_gaze_px")
    assert (row["published"], row["ours"], row["verdict"]) == ([32.0, 24.0], [66, 47], "differs")
    assert row["note"] == "+34.0 px right and +23.0 px below the centre"
