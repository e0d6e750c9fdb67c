"""Raw gaze becomes fixations in video px, every sample is accounted for, and a wrong placement is refused by name."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.io import savemat

from pipeline.corpora import RawGaze, Recording
from pipeline.errors import GazeError
from pipeline.ingest import recordings
from pipeline.ingest.manifest import load
from pipeline.ingest.recordings import check_placement, fixations_of
from pipeline.records import Geometry
from pipeline.schemas import FIXATIONS
from pipeline.store.job import Job

SCREEN = Geometry("diem", "centred", 49.5, screen_width_px=1280, screen_height_px=960)
VIDEO = Geometry("coutrot1", "video", 25.1, screen_width_px=1024, screen_height_px=768)
BEARS = "diem/arctic_bears_1066x710"


def run(folder: Path, item: str, files: tuple[Path, ...], geometry: Geometry) -> tuple[dict, dict]:
    """Run the stage; returns its facts and recordings.json."""
    folder.mkdir(exist_ok=True)
    job = Job("recordings", item, folder, {"gaze": files}, {"geometry": asdict(geometry)})
    facts = recordings.build_item(job)
    return facts, json.loads((folder / "recordings.json").read_text("utf-8"))


def gaze_of(points: np.ndarray, *, width_px: int = 640, height_px: int = 480, first_frame: int = 0) -> RawGaze:
    """Recordings whose samples are all fixations; points [observer, frame, xy]."""
    n_frames = points.shape[1]
    frame = np.arange(first_frame, first_frame + n_frames, dtype=np.int32)
    observers = tuple(
        Recording(f"o{number:02d}", frame, xy[:, 0], xy[:, 1], np.full(n_frames, ""))
        for number, xy in enumerate(points)
    )
    return RawGaze(observers, width_px, height_px, Fraction(30), first_frame + n_frames)


def viewing(centre: tuple[float, float], spread_px: float, n_observers: int = 12, n_frames: int = 200) -> np.ndarray:
    """Observers who start at the middle and then look around it."""
    random = np.random.default_rng(5)
    points = np.array(centre) + random.normal(0, spread_px, (n_observers, n_frames, 2))
    points[:, :3] = np.array(centre) + random.normal(0, 5, (n_observers, 3, 2))
    return points


# -- real gaze --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bears(shared_data, tmp_path_factory) -> tuple[Path, dict, dict]:
    files = tuple((shared_data / "gaze_diem" / "arctic_bears_1066x710" / "event_data").glob("*.txt"))
    geometry = load(Path(__file__).resolve().parents[2] / "manifests").geometry["diem"]
    folder = tmp_path_factory.mktemp("bears")
    return (folder, *run(folder, BEARS, files, geometry))


def test_real_samples_are_all_accounted_for(bears):
    _, facts, report = bears
    rejected = Counter()
    for observer in report["observers"]:
        rejected.update(observer["rejected"])
        assert observer["n_samples"] == observer["n_fixations"] + sum(observer["rejected"].values()) == 2785
    assert rejected == {"saccade": 10_933, "blink": 9_696, "lost": 1_545, "outside-picture": 201}
    assert facts == {"n_observers": 49, "n_samples": 136_465, "n_fixations": 114_090}


def test_real_fixations_are_inside_the_centred_picture_and_viewing_starts_at_the_screen_s_centre(bears):
    check = bears[2]["placement_check"]
    assert check["inside_share"] == pytest.approx(0.9982, abs=5e-5)
    assert check["mean_first_frames_px"] == pytest.approx([639.5, 493.1], abs=0.05)
    assert check["median_first_frames_px"] == pytest.approx([640, 480], abs=20)
    inside_as_video = {reading["name"]: reading["inside_share"] for reading in check["readings"]}["video px"]
    assert inside_as_video == pytest.approx(0.9931, abs=5e-5)
    assert bears[2]["notes"] == []


def test_the_real_table_has_the_published_schema_and_order(bears):
    table = pq.read_table(bears[0] / "fixations.parquet")
    assert table.schema.equals(FIXATIONS)
    frame, observer = table["frame"].to_numpy(), np.array(table["observer"].to_pylist())
    assert np.lexsort((observer, frame)).tolist() == list(range(len(frame)))
    x_px, y_px = table["x_px"].to_numpy(), table["y_px"].to_numpy()
    assert min(x_px.min(), y_px.min()) >= 0 and x_px.max() < 1066 and y_px.max() < 710
    assert frame.min() == 0 and frame.max() == 2784


def test_the_frame_that_nearly_all_observers_lost_has_few_fixations(bears):
    frame = pq.read_table(bears[0] / "fixations.parquet")["frame"].to_numpy()
    counts = np.bincount(frame, minlength=2785)
    assert counts[2037] <= 2  # row 2038 of the files
    assert np.median(counts) == 41


def test_the_same_gaze_gives_the_same_bytes_whatever_the_order_of_files(bears, shared_data, tmp_path):
    files = sorted((shared_data / "gaze_diem" / "arctic_bears_1066x710" / "event_data").glob("*.txt"), reverse=True)
    geometry = load(Path(__file__).resolve().parents[2] / "manifests").geometry["diem"]
    run(tmp_path / "again", BEARS, tuple(files), geometry)
    for name in ("fixations.parquet", "recordings.json"):
        assert (tmp_path / "again" / name).read_bytes() == (bears[0] / name).read_bytes()


def test_real_gaze_that_is_already_in_video_px_is_refused_although_99_percent_are_inside(shared_data, tmp_path):
    offset = (107, 125)
    for path in (shared_data / "gaze_diem" / "arctic_bears_1066x710" / "event_data").glob("*.txt"):
        samples = np.loadtxt(path, delimiter="\t")
        samples[:, [1, 5]] -= offset[0]
        samples[:, [2, 6]] -= offset[1]
        np.savetxt(tmp_path / path.name, samples, fmt="%g", delimiter="\t")
    with pytest.raises(GazeError) as raised:
        run(tmp_path / "out", BEARS, tuple(tmp_path.glob("*.txt")), SCREEN)
    assert raised.value.code == "placement"
    assert "read as video px, 99.8% of the fixations inside" in str(raised.value)
    assert "placement in manifests/geometry.csv" in raised.value.remedy


# -- coordinates ------------------------------------------------------------------------------------------------


def test_a_centred_video_loses_half_the_margin_and_its_edges_are_half_open():
    corners = [(320, 240), (959.9, 719.9), (960, 400), (500, 720), (319.9, 400), (640, 480)]
    table, (account,) = fixations_of(gaze_of(np.array([corners])), SCREEN)
    assert table["frame"].to_pylist() == [0, 1, 5]
    np.testing.assert_allclose(table["x_px"].to_numpy(), [0, 639.9, 320], rtol=1e-6)
    np.testing.assert_allclose(table["y_px"].to_numpy(), [0, 479.9, 240], rtol=1e-6)
    assert account["rejected"] == {"outside-picture": 3}


def test_gaze_in_video_px_is_not_moved():
    table, _ = fixations_of(gaze_of(np.array([[(12.5, 34.25)]])), VIDEO)
    assert (table["x_px"][0].as_py(), table["y_px"][0].as_py()) == (12.5, 34.25)


def test_a_point_that_rounds_onto_the_edge_when_stored_is_outside():
    table, (account,) = fixations_of(gaze_of(np.array([[(639.99999999, 100.0)]])), VIDEO)
    assert table.num_rows == 0 and account["rejected"] == {"outside-picture": 1}


def test_rows_are_sorted_by_frame_then_observer_although_observers_come_unsorted():
    gaze = gaze_of(np.full((3, 4, 2), 50.0))
    shuffled = replace(gaze, recordings=tuple(gaze.recordings[i] for i in (2, 0, 1)))
    table, _ = fixations_of(shuffled, VIDEO)
    assert table["observer"].to_pylist() == ["o00", "o01", "o02"] * 4
    assert table["frame"].to_pylist() == sorted(list(range(4)) * 3)


def test_the_account_keeps_the_release_s_reasons_and_the_span_of_frames():
    recording = Recording(
        "o",
        np.arange(3, 9, dtype=np.int32),
        np.array([10.0, np.nan, 10, 10, 9999, np.nan]),
        np.array([10.0, np.nan, 10, 10, 10, np.nan]),
        np.array(["", "blink", "saccade", "", "", "lost"]),
    )
    table, (account,) = fixations_of(RawGaze((recording,), 640, 480, None, 9), VIDEO)
    assert table["frame"].to_pylist() == [3, 6]
    assert account == {
        "observer": "o",
        "n_samples": 6,
        "n_fixations": 2,
        "rejected": {"blink": 1, "lost": 1, "outside-picture": 1, "saccade": 1},
        "first_frame": 3,
        "last_frame": 8,
    }


# -- placement --------------------------------------------------------------------------------------------------


def test_gaze_as_declared_passes_without_notes():
    check, notes = check_placement(gaze_of(viewing((640, 480), 60)), SCREEN, "diem/pond_640x480")
    assert notes == [] and check["inside_share"] > 0.99 and check["n_first_frames"] == 36
    assert [reading["name"] for reading in check["readings"]] == [
        "screen px, the video centred",
        "video px",
        "width and height of the picture swapped",
    ]


@pytest.mark.parametrize("spread_px", [40, 120], ids=["near the middle", "all over the picture"])
def test_video_px_declared_as_centred_are_refused_by_name(spread_px):
    with pytest.raises(GazeError, match=r"diem/pond: read as screen px.*read as video px, \d+") as raised:
        check_placement(gaze_of(viewing((320, 240), spread_px)), SCREEN, "diem/pond")
    assert raised.value.code == "placement"


def test_screen_px_declared_as_video_are_refused_although_most_are_inside():
    # 720 x 576 on 1024 x 768: the screen's centre is (512, 384), well inside the picture
    gaze = gaze_of(viewing((512, 384), 60), width_px=720, height_px=576)
    table, _ = fixations_of(gaze, VIDEO)
    assert table.num_rows > 0.98 * 12 * 200
    with pytest.raises(GazeError, match="read as screen px, the video centred"):
        check_placement(gaze, VIDEO, "coutrot1/clip_1")


def test_a_picture_whose_sides_are_swapped_is_refused_by_name():
    gaze = gaze_of(viewing((360, 288), 90), width_px=576, height_px=720)
    with pytest.raises(GazeError, match="read as width and height of the picture swapped"):
        check_placement(gaze, VIDEO, "coutrot1/clip_1")


def test_without_a_known_screen_only_the_declared_reading_and_the_swapped_one_are_looked_at():
    unknown = Geometry("coutrot2", "video", 25.1)
    check, notes = check_placement(gaze_of(viewing((500, 400), 30)), unknown, "coutrot2/clip_1")
    assert [reading["name"] for reading in check["readings"]] == ["video px", "width and height of the picture swapped"]
    assert "240 px from the picture's centre" in notes[0]


def test_screen_gaze_of_which_too_much_lies_outside_is_refused_and_the_limit_can_be_lowered():
    points = viewing((640, 480), 60)
    points[:, 50:60] += 2000  # 5 % look away
    with pytest.raises(
        GazeError, match=r"95\.\d+% of 2400 fixations lie inside the picture.*Expected 98\.5%"
    ) as raised:
        check_placement(gaze_of(points), SCREEN, "diem/pond")
    assert raised.value.code == "placement"
    assert "--min-inside-share" in raised.value.remedy
    check, notes = check_placement(gaze_of(points), SCREEN, "diem/pond", min_inside_share=0.9)
    assert check["inside_share"] == pytest.approx(0.95, abs=0.005)
    assert len(notes) == 1 and "95.0" in notes[0] and "98.5% or more is usual" in notes[0]


def test_nobody_inside_under_any_reading_is_noted_not_refused():
    _, notes = check_placement(gaze_of(np.full((6, 20, 2), 5000.0)), SCREEN, "diem/pond")
    assert "0.00% of 120 fixations" in notes[0]


def test_an_opening_of_a_few_samples_decides_nothing():
    points = viewing((320, 240), 5, n_observers=1)  # reads as video px, but 3 samples are no evidence
    points[:, 3:] = (640, 480)
    check, notes = check_placement(gaze_of(points), SCREEN, "diem/pond")
    assert check["n_first_frames"] == 3 and check["readings"][0]["opening_px"] is None and notes == []


def test_a_video_larger_than_its_screen_is_refused():
    with pytest.raises(GazeError, match=r"1400 x 480 px.*does not fit on the screen"):
        check_placement(gaze_of(viewing((640, 480), 60), width_px=1400), SCREEN, "diem/pond")


def test_no_fixation_at_all_leaves_the_check_empty():
    check, notes = check_placement(RawGaze((), 640, 480, None, 0), SCREEN, "diem/pond")
    assert check["mean_first_frames_px"] is None and check["inside_share"] is None and notes == []


# -- the stage --------------------------------------------------------------------------------------------------


def test_a_coutrot_clip_is_written_with_its_rate_and_notes(tmp_path):
    data = np.moveaxis(viewing((360, 288), 60, n_observers=18), (0, 1, 2), (2, 1, 0))
    data[:, 10:15, 3] = np.nan
    info = {"fps": 25.0, "nframe": 190.0, "vidwidth": 720.0, "vidheight": 576.0}
    path = tmp_path / "coutrot_database1.mat"
    savemat(path, {"Coutrot_Database1": {"OriginalSounds": {"clip_1": {"data": data, "info": info}}}})
    facts, report = run(tmp_path / "out", "coutrot1/clip_1", (path,), VIDEO)
    assert report["rate"] == [25, 1] and report["n_frames"] == 190
    assert (report["width_px"], report["height_px"]) == (720, 576)
    assert report["observers"][3]["rejected"] == {"beyond-video": 10, "missing": 5}
    assert facts == {"n_observers": 18, "n_samples": 18 * 200, "n_fixations": 18 * 190 - 5}
    assert "info.nframe says 190" in report["notes"][0]


def test_a_clip_without_its_own_soundtrack_is_an_empty_table_and_a_rejection(tmp_path):
    info = {"fps": 25.0, "nframe": 5.0, "vidwidth": 720.0, "vidheight": 576.0}
    clip = {"data": np.ones((2, 5, 3)), "info": info}
    path = tmp_path / "coutrot_database1.mat"
    savemat(path, {"Coutrot_Database1": {"OriginalSounds": {"clip_2": clip}, "FacesSounds": {"clip_1": clip}}})
    facts, report = run(tmp_path / "out", "coutrot1/clip_1", (path,), VIDEO)
    assert facts == {"n_observers": 0, "n_samples": 0, "n_fixations": 0}
    assert [rejection["reason"] for rejection in report["rejections"]] == ["no-own-soundtrack-condition"]
    assert pq.read_table(tmp_path / "out" / "fixations.parquet").schema.equals(FIXATIONS)
    assert report["width_px"] == 720


def test_a_broken_gaze_file_leaves_nothing_behind(tmp_path):
    path = tmp_path / "diem1s01.asc_1_pond_640x480.txt"
    path.write_text("1\t2\t3\n")
    with pytest.raises(GazeError, match="line 1: 3 columns"):
        run(tmp_path / "out", "diem/pond_640x480", (path,), SCREEN)
    assert list((tmp_path / "out").iterdir()) == []
