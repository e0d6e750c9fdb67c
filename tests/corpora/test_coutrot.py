"""Coutrot's MATLAB files, written here in the layout of the real ones, and in every layout that should be refused."""

from __future__ import annotations

import gzip
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from pipeline import corpora
from pipeline.corpora import coutrot
from pipeline.corpora.coutrot import CoutrotRelease, nominal_rate
from pipeline.errors import GazeError, UsageError

COUTROT1, COUTROT2 = corpora.get("coutrot1"), corpora.get("coutrot2")
N_FRAMES, N_OBSERVERS = 12, 18


def data(n_frames=N_FRAMES, n_observers=N_OBSERVERS, n_rows=2) -> np.ndarray:
    """x = frame + observer / 100, y = 100 + that; so that every sample is known by its place."""
    frame, observer = np.meshgrid(np.arange(n_frames), np.arange(n_observers), indexing="ij")
    x_px = frame + observer / 100
    return np.stack([x_px, 100 + x_px, np.full_like(x_px, 7.0)])[:n_rows]


def clip(array=None, **info) -> dict:
    array = data() if array is None else array
    known = {"fps": 25.0, "nframe": float(array.shape[1]), "vidwidth": 720.0, "vidheight": 576.0}
    return {"data": array, "info": {key: value for key, value in (known | info).items() if value is not None}}


def write(folder: Path, conditions: dict, *, database: int = 1, compress: bool = True) -> Path:
    path = folder / f"coutrot_database{database}.mat"
    savemat(path, {f"Coutrot_Database{database}": conditions}, do_compression=compress)
    return path


def read(path: Path, name: str = "clip_1", release: CoutrotRelease = COUTROT1) -> corpora.RawGaze:
    return release.read_gaze((path,), name)


def reading_fails(path: Path, message: str, code: str) -> None:
    with pytest.raises(GazeError, match=message) as raised:
        read(path)
    assert raised.value.code == code
    assert raised.value.remedy


# -- the layout of the real files -------------------------------------------------------------------------------


def test_each_sample_lands_at_its_frame_and_observer(tmp_path):
    path = write(tmp_path, {"Header": {"a": "text"}, "OriginalSounds": {"clip_1": clip()}})
    gaze = read(path)
    assert (gaze.width_px, gaze.height_px, gaze.rate, gaze.n_frames) == (720, 576, Fraction(25), N_FRAMES)
    assert [recording.observer for recording in gaze.recordings][:2] == ["coutrot1_os_01", "coutrot1_os_02"]
    for number, recording in enumerate(gaze.recordings):
        np.testing.assert_array_equal(recording.frame, np.arange(N_FRAMES))
        np.testing.assert_allclose(recording.x_px, np.arange(N_FRAMES) + number / 100)
        np.testing.assert_allclose(recording.y_px, 100 + recording.x_px)
        assert set(recording.reason) == {""}
    assert gaze.notes == () and gaze.rejections == ()


def test_the_condition_is_addressed_by_name_wherever_it_stands(tmp_path):
    foreign = clip(data() + 1000)
    conditions = {"FacesSounds": {"clip_1": foreign}, "OriginalSounds": {"clip_2": foreign, "clip_1": clip()}}
    assert read(write(tmp_path, conditions)).recordings[0].x_px[0] == 0


def test_database_2_is_read_in_its_audio_visual_condition(tmp_path):
    silent, heard = clip(data(n_observers=20) + 1000), clip(data(n_observers=20))
    path = write(tmp_path, {"Visual": {"clip_1": silent}, "AudioVisual": {"clip_1": heard}}, database=2)
    gaze = read(path, release=COUTROT2)
    assert gaze.recordings[19].observer == "coutrot2_av_20"
    assert gaze.recordings[0].x_px[0] == 0 and gaze.notes == ()


def test_a_third_row_is_not_used(tmp_path):
    path = write(tmp_path, {"OriginalSounds": {"clip_1": clip(data(n_rows=3))}})
    np.testing.assert_allclose(read(path).recordings[3].y_px, 100.03 + np.arange(N_FRAMES))


@pytest.mark.parametrize("compress", [True, False])
def test_compression_does_not_matter(tmp_path, compress):
    path = write(tmp_path, {"OriginalSounds": {"clip_1": clip()}}, compress=compress)
    assert len(read(path).recordings) == N_OBSERVERS


def test_numbers_wrapped_once_more_are_unwrapped(tmp_path):
    cell = np.empty((1, 1), dtype=object)
    cell[0, 0] = np.array([[25.0]])
    path = write(tmp_path, {"OriginalSounds": {"clip_1": clip(fps=cell)}})
    assert read(path).rate == 25


def test_one_observer_or_one_frame_survives_matlab_dropping_axes(tmp_path):
    one_observer, one_frame = data(n_observers=1)[:, :, 0], data(n_frames=1)
    path = write(tmp_path, {"OriginalSounds": {"clip_1": clip(one_observer), "clip_2": clip(one_frame)}})
    (recording,) = read(path).recordings
    assert recording.x_px.tolist() == list(range(N_FRAMES))
    gaze = read(path, "clip_2")
    assert len(gaze.recordings) == N_OBSERVERS and gaze.n_frames == 1


def test_whole_number_gaze_is_read_as_numbers(tmp_path):
    path = write(tmp_path, {"OriginalSounds": {"clip_1": clip(data().astype(np.int16))}})
    assert read(path).recordings[0].x_px.dtype == np.float64


# -- what is missing, too long, or not there --------------------------------------------------------------------


def test_nan_is_missing_in_either_coordinate(tmp_path):
    array = data()
    array[0, 3, 0] = array[1, 5, 0] = np.nan
    reason = read(write(tmp_path, {"OriginalSounds": {"clip_1": clip(array)}})).recordings[0].reason
    assert np.flatnonzero(reason == "missing").tolist() == [3, 5]


def test_a_column_of_nan_is_no_observer(tmp_path):
    array = data()
    array[:, :, 4] = np.nan
    gaze = read(write(tmp_path, {"OriginalSounds": {"clip_1": clip(array)}}))
    assert "coutrot1_os_05" not in {recording.observer for recording in gaze.recordings}
    assert gaze.recordings[4].observer == "coutrot1_os_06"
    (rejection,) = gaze.rejections
    assert (rejection.level, rejection.subject) == ("recording", "coutrot1/clip_1/coutrot1_os_05")
    assert (rejection.reason, rejection.count) == ("no-gaze", N_FRAMES)
    assert gaze.notes == ("coutrot1/clip_1: 17 observers; the papers report 18",)


def test_more_gaze_than_info_says_is_cut_and_each_sample_accounted_for(tmp_path):
    gaze = read(write(tmp_path, {"OriginalSounds": {"clip_1": clip(nframe=10.0)}}))
    assert gaze.n_frames == 10
    assert gaze.recordings[0].reason.tolist() == [""] * 10 + ["beyond-video"] * 2
    assert gaze.notes == ("coutrot1/clip_1: data has 12 frames and info.nframe says 10; the smaller is used",)


def test_less_gaze_than_info_says_is_noted(tmp_path):
    gaze = read(write(tmp_path, {"OriginalSounds": {"clip_1": clip(nframe=16.0)}}))
    assert gaze.n_frames == 12 and "data has 12 frames and info.nframe says 16" in gaze.notes[0]


def test_info_without_rate_or_count_claims_nothing(tmp_path):
    empty = np.zeros((0, 0))
    gaze = read(write(tmp_path, {"OriginalSounds": {"clip_1": clip(fps=None, nframe=empty)}}))
    assert gaze.rate is None and gaze.n_frames == N_FRAMES and gaze.notes == ()


@pytest.mark.parametrize(
    ("conditions", "size", "detail"),
    [
        ({"FacesSounds": {"clip_1": clip()}}, (720, 576), "it is only in FacesSounds"),
        ({"FacesSounds": {"clip_3": clip()}}, (0, 0), "it is in no condition"),
    ],
    ids=["in another condition", "nowhere"],
)
def test_a_clip_without_its_own_soundtrack_is_rejected_not_replaced(tmp_path, conditions, size, detail):
    path = write(tmp_path, {"Header": "text", "OriginalSounds": {"clip_2": clip()}, **conditions})
    gaze = read(path)
    assert gaze.recordings == () and (gaze.width_px, gaze.height_px) == size
    (rejection,) = gaze.rejections
    assert (rejection.level, rejection.subject) == ("stimulus", "coutrot1/clip_1")
    assert rejection.reason == "no-own-soundtrack-condition" and detail in rejection.detail


@pytest.mark.parametrize("condition", ["Visual", "FacesSounds", "AudioVisuall"])
def test_a_condition_without_the_own_sound_cannot_be_asked_for(condition):
    with pytest.raises(UsageError, match=f"condition '{condition}'.*not shown with the clip's own soundtrack"):
        CoutrotRelease(
            "coutrot2",
            variable="Coutrot_Database2",
            condition=condition,
            mat="x.mat",
            stimuli="x",
            observer_prefix="x",
            expected_observers=20,
        )


# -- files that are something else ------------------------------------------------------------------------------


def test_text_is_not_matlab(tmp_path):
    path = tmp_path / "coutrot_database1.mat"
    path.write_text("<!doctype html><html>Not found</html>")
    reading_fails(path, "not a MATLAB v5 file; it starts with b'<!doctype html>", "mat-file")


def test_an_empty_file_is_not_matlab(tmp_path):
    path = tmp_path / "coutrot_database1.mat"
    path.touch()
    reading_fails(path, "not a MATLAB v5 file", "mat-file")


@pytest.mark.parametrize("user_block", [0, 512], ids=["bare HDF5", "as MATLAB writes it"])
def test_v7_3_is_named_with_its_remedy(tmp_path, user_block):
    path = tmp_path / "coutrot_database1.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(user_block)[:user_block] + b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(GazeError, match=r"MATLAB v7\.3 \(HDF5\)") as raised:
        read(path)
    assert "-v7" in raised.value.remedy


@pytest.mark.parametrize("share", [0.05, 0.5, 0.99])
@pytest.mark.parametrize("compress", [True, False])
def test_a_truncated_file_is_a_clear_error(tmp_path, share, compress):
    path = write(tmp_path, {"OriginalSounds": {"clip_1": clip()}}, compress=compress)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(GazeError):
        read(path)


def test_a_packed_file_is_not_matlab(tmp_path):
    path = write(tmp_path, {"OriginalSounds": {"clip_1": clip()}})
    path.write_bytes(gzip.compress(path.read_bytes()))
    reading_fails(path, "not a MATLAB v5 file", "mat-file")


def test_another_database_is_named(tmp_path):
    path = tmp_path / "coutrot_database1.mat"
    savemat(path, {"Coutrot_Database2": {"AudioVisual": {}}, "other": 1.0})
    reading_fails(path, "no variable Coutrot_Database1; it holds Coutrot_Database2, other", "mat-layout")


def test_a_missing_condition_is_named_with_those_that_are_there(tmp_path):
    path = write(tmp_path, {"Header": {"a": "b"}, "FacesSounds": {"clip_1": clip()}})
    reading_fails(path, "no field 'OriginalSounds'; it has Header, FacesSounds", "mat-layout")


@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        pytest.param({"data": data()}, "no field 'info'", id="no info"),
        pytest.param({"info": {"fps": 25.0}}, "no field 'data'", id="no data"),
        pytest.param(clip(np.zeros((4, 12, 18))), r"shape \(4, 12, 18\); expected", id="four rows"),
        pytest.param(clip(np.zeros((2, 0, 18))), "expected numbers of shape", id="no frames"),
        pytest.param({**clip(), "data": "text"}, "expected numbers of shape", id="text for data"),
        pytest.param(clip(vidwidth=None), "info has no vidwidth", id="no width"),
        pytest.param(clip(vidheight=-5.0), "vidheight is .*expected one positive number", id="negative height"),
        pytest.param(clip(fps=np.array([25.0, 30.0])), "fps is .*expected one positive number", id="two rates"),
    ],
)
def test_a_broken_layout_names_the_field(tmp_path, spoilt, message):
    path = write(tmp_path, {"OriginalSounds": {"clip_1": spoilt}})
    reading_fails(path, message, "mat-layout")


# -- the rest ---------------------------------------------------------------------------------------------------


def test_a_file_is_loaded_once_and_again_when_it_changes(tmp_path):
    path = write(tmp_path, {"OriginalSounds": {"clip_1": clip(), "clip_2": clip()}})
    coutrot._load.cache_clear()
    read(path), read(path, "clip_2")
    assert coutrot._load.cache_info().misses == 1
    write(tmp_path, {"OriginalSounds": {"clip_1": clip(data() + 1)}})
    os.utime(path, ns=(1, 1))
    assert read(path).recordings[0].x_px[0] == 1


@pytest.mark.parametrize(
    ("fps", "rate"),
    [
        (25, Fraction(25)),
        (24.99975, Fraction(25)),
        (29.97, Fraction(30000, 1001)),
        (29.97002997, Fraction(30000, 1001)),
        (23.976, Fraction(24000, 1001)),
        (12.5, Fraction(25, 2)),
    ],
)
def test_a_decimal_rate_is_the_fraction_it_stands_for(fps, rate):
    assert nominal_rate(fps) == rate


def test_clips_are_found_at_any_depth_whatever_the_case_the_own_container_first():
    mat, clips = COUTROT1.artifacts_of("clip_1")
    paths = {
        mat: ["coutrot_database1.mat"],
        clips: [
            "a/b/Clip_1.AVI",
            "clip_1.mp4",
            "clip_10.avi",
            "ERB3_Stimuli/xclip_1.avi",
            "__MACOSX/clip_1.avi",
            "a/._clip_1.avi",
            "clip_1.txt",
        ],
    }
    located = COUTROT1.locate(paths, "clip_1")
    assert located.video == ("ERB3_Stimuli", "a/b/Clip_1.AVI")
    assert located.sound is None and located.gaze == (("coutrot_database1.mat", "coutrot_database1.mat"),)


def test_an_mp4_copy_is_accepted():
    paths = {"coutrot_database2.mat": ["coutrot_database2.mat"], "ERB4_Stimuli": ["ERB4_Stimuli/clip_3.mp4"]}
    assert COUTROT2.locate(paths, "clip_3").video == ("ERB4_Stimuli", "ERB4_Stimuli/clip_3.mp4")
