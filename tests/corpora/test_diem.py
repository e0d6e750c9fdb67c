"""DIEM's archives and event files: the real ones of arctic_bears, and small written ones with one fault each."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from pipeline import corpora
from pipeline.corpora.diem import observer_of, picture_size, read_event_file, to_recording
from pipeline.errors import GazeError

NAME = "pond_640x480"
DIEM = corpora.get("diem")


def row(frame, left=(600.0, 400.0, 1000, 1), right=(610.0, 410.0, 1100, 1)) -> str:
    return "\t".join(str(cell) for cell in (frame, *left, *right))


def write(folder: Path, rows: list[str], *, observer: str = "diem1s01", trial: int = 1, end: str = "\r\n") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{observer}.asc_{trial}_{NAME}.txt"
    path.write_bytes("".join(line + end for line in rows).encode())
    return path


def read(*paths: Path) -> corpora.RawGaze:
    return DIEM.read_gaze(paths, NAME)


# -- real gaze --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real_files(shared_data) -> list[Path]:
    return sorted((shared_data / "gaze_diem" / "arctic_bears_1066x710" / "event_data").glob("*.txt"))


@pytest.fixture(scope="module")
def real_gaze(real_files) -> corpora.RawGaze:
    return DIEM.read_gaze(real_files, "arctic_bears_1066x710")


def test_real_gaze_has_49_observers_and_136465_samples(real_gaze):
    assert len(real_gaze.recordings) == 49
    assert sum(len(recording.frame) for recording in real_gaze.recordings) == 136_465
    assert (real_gaze.width_px, real_gaze.height_px, real_gaze.n_frames) == (1066, 710, 2785)
    assert real_gaze.rejections == () and real_gaze.notes == ()


def test_real_observers_are_subjects_1_to_53_of_session_5_without_four(real_gaze):
    absent = {31, 38, 41, 50}
    expected = {f"diem5s{subject:02d}" for subject in range(1, 54) if subject not in absent}
    assert {recording.observer for recording in real_gaze.recordings} == expected


def test_real_reasons_follow_the_events_of_both_eyes(real_gaze):
    reasons = Counter(reason for recording in real_gaze.recordings for reason in recording.reason.tolist())
    # 1545 rows are lost in both eyes; of 11 309 left saccades 10 933 have a right eye that says 1 (data/README.md)
    assert reasons["lost"] == 1_545
    assert reasons["saccade"] == 10_933
    assert reasons["blink"] == 9_696
    assert reasons[""] == 114_291
    assert sum(reasons.values()) == 136_465


def test_real_frames_count_from_0_to_2784(real_gaze):
    for recording in real_gaze.recordings:
        np.testing.assert_array_equal(recording.frame, np.arange(2785))


def test_real_positions_are_the_mean_of_both_eyes_in_screen_px(real_files, real_gaze):
    first = real_gaze.recordings[0]
    (path,) = (path for path in real_files if path.name.startswith(f"{first.observer}."))
    cells = [float(cell) for cell in path.read_text("ascii").splitlines()[99].split("\t")]
    assert first.reason[99] == ""
    assert first.x_px[99] == pytest.approx((cells[1] + cells[5]) / 2)
    assert first.y_px[99] == pytest.approx((cells[2] + cells[6]) / 2)


def test_49_real_files_are_read_in_well_under_a_second(real_files):
    best = min(timed(lambda: DIEM.read_gaze(real_files, "arctic_bears_1066x710")) for _ in range(3))
    assert best < 1.0


def timed(action) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def test_the_real_archive_is_the_case_of_gaze_without_media(shared_data):
    py7zr = pytest.importorskip("py7zr")
    with py7zr.SevenZipFile(shared_data / "gaze_diem" / "arctic_bears_1066x710.7z") as archive:
        paths = [entry.filename for entry in archive.list() if not entry.is_directory]
    with pytest.raises(GazeError, match="49 gaze files but no video; looked for video/arctic_bears") as raised:
        DIEM.locate({"arctic_bears_1066x710": paths}, "arctic_bears_1066x710")
    assert raised.value.code == "media-missing"


# -- finding files ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", f"{NAME}/"], ids=["at the top", "in a folder of the video's name"])
def test_files_are_found(prefix):
    paths = [f"video/{NAME}.mp4", f"audio/{NAME}.wav", f"event_data/diem1s01.asc_1_{NAME}.txt", "readme.txt"]
    located = DIEM.locate({NAME: [prefix + path for path in paths]}, NAME)
    assert located.video == (NAME, f"{prefix}video/{NAME}.mp4")
    assert located.sound == (NAME, f"{prefix}audio/{NAME}.wav")
    assert located.gaze == ((NAME, f"{prefix}event_data/diem1s01.asc_1_{NAME}.txt"),)


def test_the_mp4_is_preferred_and_the_wav_may_be_absent():
    paths = [f"video/{NAME}.avi", f"video/{NAME}.MP4", f"event_data/diem1s01.asc_1_{NAME}.txt"]
    located = DIEM.locate({NAME: paths}, NAME)
    assert located.video[1] == f"video/{NAME}.MP4" and located.sound is None


def test_hidden_files_are_no_gaze_and_a_shortened_video_name_is_no_video():
    paths = [f"video/{NAME[:-1]}.mp4", f"event_data/._diem1s01.asc_1_{NAME}.txt"]
    with pytest.raises(GazeError, match="no gaze file"):
        DIEM.locate({NAME: paths}, NAME)
    with pytest.raises(GazeError, match=r"no video.*found video/pond_640x48\.mp4"):
        DIEM.locate({NAME: [*paths, f"event_data/diem1s01.asc_1_{NAME}.txt"]}, NAME)


# -- names ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file_name", "expected"),
    [
        ("diem5s01.asc_1_arctic_bears_1066x710.txt", ("diem5s01", 1, "arctic_bears_1066x710")),
        ("diem1s1.asc_27_50_people_london_1280x720.txt", ("diem1s01", 27, "50_people_london_1280x720")),
        ("diem3s04b.asc_3_DIY_SOS_1280x712.txt", ("diem3s04b", 3, "DIY_SOS_1280x712")),
        ("diem2s117.asc_3_DIY_SOS_1280x712.txt", ("diem2s117", 3, "DIY_SOS_1280x712")),
    ],
)
def test_a_file_name_says_observer_trial_and_video(file_name, expected):
    assert observer_of(file_name) == expected


@pytest.mark.parametrize("file_name", ["notes.txt", "diem5.asc_1_a_1x1.txt", "diem5s01.asc_x_a_1x1.txt"])
def test_another_file_among_the_gaze_is_an_error(file_name, tmp_path):
    (tmp_path / file_name).write_text(row(1))
    with pytest.raises(GazeError, match="not the name of a DIEM event file"):
        read(tmp_path / file_name)


def test_gaze_of_another_video_is_an_error(tmp_path):
    path = tmp_path / "diem1s01.asc_1_other_640x480.txt"
    path.write_text(row(1))
    with pytest.raises(GazeError, match="gaze of video 'other_640x480' among the files of diem/pond_640x480"):
        read(path)


def test_a_name_without_a_size_is_an_error():
    with pytest.raises(GazeError, match="does not end in _<width>x<height>"):
        picture_size("arctic_bears")


# -- events -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "right", "reason"),
    [
        pytest.param(1, 1, "", id="both eyes fixate"),
        pytest.param(2, 1, "saccade", id="the right eye never says saccade"),
        pytest.param(1, 2, "saccade", id="nor need the left"),
        pytest.param(0, 1, "blink", id="one eye closed"),
        pytest.param(2, 0, "blink", id="blink before saccade"),
        pytest.param(-1, 0, "lost", id="lost before blink"),
        pytest.param(1, 7, "unknown-event", id="an event that is not defined"),
        pytest.param(0, 7, "blink", id="blink before unknown"),
        pytest.param("nan", 1, "unknown-event", id="no event"),
    ],
)
def test_the_reason_is_the_first_that_holds(tmp_path, left, right, reason):
    line = row(1, left=(600.0, 400.0, 1000, left), right=(610.0, 410.0, 1100, right))
    (recording,) = read(write(tmp_path, [line])).recordings
    assert recording.reason.tolist() == [reason]
    assert np.isnan(recording.x_px[0]) == (reason in ("lost", "blink"))


def test_a_wild_value_or_a_zero_in_a_fixation_is_left_to_the_rectangle(tmp_path):
    rows = [row(1, right=(-3270.0, 3270.0, 0, 1)), row(2, left=(0.0, 0.0, 1000, 1))]
    (recording,) = read(write(tmp_path, rows)).recordings
    assert recording.reason.tolist() == ["", ""]
    assert recording.x_px.tolist() == [(600 - 3270) / 2, 305.0]


def test_a_fixation_without_coordinates_is_missing(tmp_path):
    (recording,) = read(write(tmp_path, [row(1, left=("nan", 400.0, 1000, 1))])).recordings
    assert recording.reason.tolist() == ["missing"]


@pytest.mark.parametrize("end", ["\r\n", "\n"], ids=["CRLF", "LF"])
def test_line_ends_do_not_matter(tmp_path, end):
    samples = read_event_file(write(tmp_path, [row(1), row(2)], end=end))
    assert samples.shape == (2, 9)
    assert to_recording("o", samples).frame.tolist() == [0, 1]


# -- several observers ------------------------------------------------------------------------------------------


def test_sessions_and_suffixes_are_observers_of_their_own(tmp_path):
    observers = ["diem1s1", "diem2s01", "diem1s04", "diem1s04b"]
    gaze = read(*(write(tmp_path, [row(1)], observer=observer) for observer in observers))
    assert [recording.observer for recording in gaze.recordings] == ["diem1s01", "diem1s04", "diem1s04b", "diem2s01"]


def test_a_second_file_of_one_observer_is_rejected_and_the_first_trial_kept(tmp_path):
    later = write(tmp_path, [row(1), row(2)], observer="diem1s01", trial=12)
    first = write(tmp_path, [row(1), row(2)], observer="diem1s1", trial=2)
    gaze = read(later, first)
    assert len(gaze.recordings) == 1
    (rejection,) = gaze.rejections
    assert (rejection.level, rejection.subject) == ("recording", f"diem/{NAME}/diem1s01")
    assert (rejection.reason, rejection.count) == ("duplicate-observer", 2)
    assert later.name in rejection.detail and first.name in rejection.detail


def test_a_short_observer_keeps_what_it_has_and_is_noted(tmp_path):
    full = [row(frame) for frame in range(1, 11)]
    gaze = read(
        write(tmp_path, full, observer="diem1s01"),
        write(tmp_path, full, observer="diem1s02"),
        write(tmp_path, full[:4], observer="diem1s03"),
        write(tmp_path, full[7:], observer="diem1s04"),
    )
    assert gaze.n_frames == 10
    assert [len(recording.frame) for recording in gaze.recordings] == [10, 10, 4, 3]
    assert gaze.recordings[3].frame.tolist() == [7, 8, 9]
    assert [(r.subject[-8:], r.reason, r.count) for r in gaze.rejections] == [
        ("diem1s03", "short-recording", 6),
        ("diem1s04", "short-recording", 7),
    ]


def test_one_long_observer_does_not_stretch_the_video(tmp_path):
    rows = [row(frame) for frame in range(1, 13)]
    paths = [write(tmp_path, rows[:10], observer=f"diem1s0{n}") for n in (1, 2)]
    gaze = read(*paths, write(tmp_path, rows, observer="diem1s03"))
    assert gaze.n_frames == 10
    assert gaze.notes == (f"diem/{NAME}/diem1s03: 2 rows more than the 10 of most observers",)


def test_no_files_give_no_recordings():
    gaze = read()
    assert gaze.recordings == () and gaze.n_frames == 0


# -- broken files -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        pytest.param([row(1), row(2).rsplit("\t", 1)[0]], "line 2: 8 columns; expected 9", id="8 columns"),
        pytest.param([row(1) + "\t5"], "line 1: 10 columns; expected 9", id="10 columns"),
        pytest.param([row(1).replace("\t", " ")], "line 1: 1 column; expected 9", id="blanks instead of tabs"),
        pytest.param([row(1), row(2, left=("abc", 1.0, 1, 1))], "line 2: left x is 'abc'; expected a num", id="text"),
        pytest.param([row(1, right=(1.0, "", 1, 1))], "line 1: right y is ''; expected a number", id="empty cell"),
        pytest.param([row(1), "", row(2)], "line 2: 1 column", id="blank line"),
        pytest.param([row(1), row(2), row(4)], "line 3: frame 4 after 2; expected 3", id="gap"),
        pytest.param([row(1), row(1)], "line 2: frame 1 after 1; expected 2", id="frame twice"),
        pytest.param([row(0), row(1)], "line 1: frame '0'; frames are whole numbers that count from 1", id="from 0"),
        pytest.param([row(1.5)], "line 1: frame '1.5'", id="half a frame"),
        pytest.param(["\ufeff" + row(1)], "line 1: frame is", id="byte order mark"),
        pytest.param([], "line 1: the file is empty", id="empty file"),
        pytest.param(["", ""], "line 1: the file is empty", id="blank lines alone"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path, rows, message):
    path = write(tmp_path, rows)
    with pytest.raises(GazeError) as raised:
        read(path)
    assert str(raised.value).startswith(f"{path.name}, {message}")
    assert raised.value.code == "event-file"


def test_binary_rubbish_is_a_clear_error(tmp_path):
    path = write(tmp_path, [])
    path.write_bytes(bytes(range(256)) * 4)
    with pytest.raises(GazeError, match=r"columns?; expected 9"):
        read(path)
