"""The practice data set: what its README.txt says is so, and it is the same each time."""

from __future__ import annotations

import csv
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pipeline.mini import practice
from pipeline.signals import media


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = Path(tmp_path_factory.mktemp("practice")) / "orbits" / "data"
    practice.make(folder)
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_videos_are_as_their_list_says(data):
    for row in rows(data / "videos.csv"):
        probed = media.probe(data / "videos" / f"{row['video']}.mp4")
        assert (probed.width_px, probed.height_px) == (int(row["width_px"]), int(row["height_px"]))
        assert (probed.rates[0], probed.n_frames) == (Fraction(25), int(row["n_frames"]))
        assert probed.sound_channels == 1


def test_gaze_is_60_readings_a_second_of_8_observers_who_start_in_the_middle_and_follow_the_sounding_object(data):
    truth = json.loads((data / "truth.json").read_text("utf-8"))
    for video in rows(data / "videos.csv"):
        gaze = rows(data / "gaze" / f"{video['video']}.csv")
        assert len({row["observer"] for row in gaze}) == 8
        own = [float(row["time_ms"]) for row in gaze if row["observer"] == "o1"]
        assert own[0] == -100 and np.allclose(np.diff(own), 1000 / 60, atol=0.11)
        assert {row["event"] for row in gaze} == {"fixation", "saccade", "blink"}
        assert all((row["x_px"] == "") == (row["event"] == "blink") for row in gaze)
        seen = [row for row in gaze if row["event"] == "fixation"]
        time_ms, x_px, y_px = (np.array([float(row[name]) for row in seen]) for name in ("time_ms", "x_px", "y_px"))
        before = time_ms < 0
        assert np.hypot(x_px[before].mean() - 960, y_px[before].mean() - 540) < 20
        frame = np.floor(time_ms / 40).astype(int)[~before]
        corner_px = (1920 - int(video["width_px"])) / 2, (1080 - int(video["height_px"])) / 2
        target_px = np.array(truth[video["video"]])[frame] + corner_px
        away_px = np.hypot(x_px[~before] - target_px[:, 0], y_px[~before] - target_px[:, 1])
        assert np.median(away_px) < practice.PX_PER_DVA


def test_the_same_bytes_each_time(data, tmp_path, capsys):
    assert practice.main([str(tmp_path / "again")]) == 0
    assert "3 videos, 8 observers each" in capsys.readouterr().out
    names = sorted(path.relative_to(data) for path in data.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(tmp_path / "again") for path in tmp_path.rglob("*") if path.is_file())
    assert all((data / name).read_bytes() == (tmp_path / "again" / name).read_bytes() for name in names)


def test_a_folder_that_holds_something_is_left_alone(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("mine")
    assert practice.main([str(tmp_path)]) == 2
    assert "holds something already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
