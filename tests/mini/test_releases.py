"""The raw releases as files: what the real ones look like, byte by byte where it matters."""

from __future__ import annotations

import re
import wave
import zipfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import py7zr
import pytest
import scipy.io

from pipeline.errors import MediaError
from pipeline.mini import Mini
from pipeline.mini.encode import write_video, write_wav
from pipeline.signals import media

DIEM_NAME = re.compile(r"diem[12]s\d{1,2}b?\.asc_([1-9]|1\d|2[0-7])_(.+)\.txt")


@pytest.fixture(scope="module")
def unpacked(small: Mini, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All archives of the releases, each in a folder of its own."""
    folder = Path(tmp_path_factory.mktemp("unpacked"))
    for archive in small.releases.glob("diem/*.7z"):
        with py7zr.SevenZipFile(archive) as packed:
            packed.extractall(folder / archive.stem)
    for archive in small.releases.glob("*/*.zip"):
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder / archive.parent.name)
    return folder


def clip(small: Mini, corpus: str, condition: str, name: str) -> tuple[np.ndarray, dict[str, float]]:
    """`data` and `info` of one clip, read as MATLAB users do, by name."""
    number = corpus[-1]
    database = scipy.io.loadmat(small.releases / corpus / f"coutrot_database{number}.mat")[f"Coutrot_Database{number}"]
    clips = database[0, 0][condition][0, 0]
    info = clips[name][0, 0]["info"][0, 0]
    assert all(info[field].shape == (1, 1) for field in info.dtype.names)
    return clips[name][0, 0]["data"], {field: info[field][0, 0].item() for field in info.dtype.names}


def test_files_lie_where_raw_wants_them(small: Mini):
    files = {path.relative_to(small.releases).as_posix() for path in small.releases.rglob("*") if path.is_file()}
    assert files == {
        *(f"diem/{scene.plan.name}.7z" for scene in small.scenes if scene.plan.corpus == "diem"),
        "coutrot1/coutrot_database1.mat",
        "coutrot1/ERB3_Stimuli.zip",
        "coutrot2/coutrot_database2.mat",
        "coutrot2/ERB4_Stimuli.zip",
    }


def test_diem_archives_hold_video_audio_and_events_one_of_them_in_a_folder(small: Mini):
    for scene in small.scenes:
        if scene.plan.corpus != "diem":
            continue
        name = scene.plan.name
        with py7zr.SevenZipFile(small.releases / "diem" / f"{name}.7z") as packed:
            members = packed.getnames()
        top = f"{name}/" if scene.plan.has("folder-in-archive") else ""
        events = [member for member in members if member.startswith(f"{top}event_data/")]
        assert set(members) - set(events) == {f"{top}video/{name}.mp4", f"{top}audio/{name}.wav"}
        assert len(events) == 12
        for member in events:
            match = DIEM_NAME.fullmatch(member.rsplit("/", 1)[1])
            assert match and match[2] == name


def test_observer_names_are_padded_unpadded_and_suffixed_over_two_sessions(unpacked: Path):
    names = {path.name.split(".asc")[0] for path in unpacked.glob("frog_pond_480x360/event_data/*.txt")}
    assert {"diem1s1", "diem1s02", "diem1s04b", "diem2s01"} <= names


def test_event_files_are_tab_separated_ascii_with_crlf_and_nine_columns(unpacked: Path):
    paths = sorted(unpacked.glob("**/event_data/*.txt"))
    assert len(paths) == 8 * 12
    cell = r"(0|-?\d+\.\d)"
    eye = rf"{cell}\t{cell}\t(0|\d+\.0)\t(-1|0|1|2)"
    for path in paths:
        text = path.read_bytes().decode("ascii")
        assert text.endswith("\r\n") and text.count("\n") == text.count("\r\n")
        lines = text.removesuffix("\r\n").split("\r\n")
        assert all(re.fullmatch(rf"{number}\t{eye}\t{eye}", line) for number, line in enumerate(lines, start=1))


def test_real_event_files_obey_the_same_pattern(shared_data: Path):
    """The pattern above is that of the real files, not of ours alone."""
    cell = r"(0|-?\d+\.\d)"
    eye = rf"{cell}\t{cell}\t(0|\d+\.0)\t(-1|0|1|2)"
    path = sorted((shared_data / "gaze_diem").glob("*/event_data/*.txt"))[0]
    lines = path.read_bytes().decode("ascii").removesuffix("\r\n").split("\r\n")
    assert all(re.fullmatch(rf"{number}\t{eye}\t{eye}", line) for number, line in enumerate(lines, start=1))


def test_event_files_have_a_row_per_frame_but_for_the_ragged_one(small: Mini, unpacked: Path):
    for scene in small.scenes:
        if scene.plan.corpus != "diem":
            continue
        paths = unpacked.glob(f"{scene.plan.name}/**/event_data/*.txt")
        lengths = [path.read_bytes().count(b"\n") for path in paths]
        expected = scene.n_frames + scene.plan.has("gaze-one-longer")
        assert max(lengths) == expected
        assert sum(length < expected for length in lengths) == scene.plan.has("ragged-observer")


def test_diem_videos_decode_to_the_frames_of_the_truth(small: Mini, unpacked: Path):
    for scene in small.scenes:
        if scene.plan.corpus != "diem":
            continue
        plan = scene.plan
        (path,) = unpacked.glob(f"{plan.name}/**/{plan.name}.mp4")
        facts = media.probe(path)
        assert (facts.width_px, facts.height_px) == (plan.width_px, plan.height_px)
        assert plan.rate in facts.rates
        assert not facts.has_sound, "DIEM's sound is the wav beside the video"
        times_s = [time_s for time_s, _ in media.read_frames(path, (32, 32))]
        np.testing.assert_allclose(np.array(times_s, float) - float(times_s[0]), scene.times_s, atol=1e-3)


def test_coutrot_clips_are_avi_with_sound_inside(small: Mini, unpacked: Path):
    for scene in small.scenes:
        if scene.plan.corpus == "diem":
            continue
        plan = scene.plan
        folder = {"coutrot1": "ERB3_Stimuli", "coutrot2": "ERB4_Stimuli"}[plan.corpus]
        facts = media.probe(unpacked / plan.corpus / folder / f"{plan.name}.avi")
        assert (facts.width_px, facts.height_px, facts.n_frames) == (plan.width_px, plan.height_px, scene.n_frames)
        assert plan.rate in facts.rates and facts.has_sound


def test_coutrot_mat_is_version_5_without_a_date(small: Mini):
    for path in small.releases.glob("*/*.mat"):
        head = path.read_bytes()[:128]
        assert head.startswith(b"MATLAB 5.0 MAT-file") and head[116:128].endswith(b"\x00\x01IM")
        assert not re.search(rb"20\d\d", head)


def test_coutrot1_has_five_conditions_and_a_header(small: Mini):
    database = scipy.io.loadmat(small.releases / "coutrot1/coutrot_database1.mat")["Coutrot_Database1"]
    assert database.shape == (1, 1)
    assert set(database.dtype.names) == {
        "OriginalSounds", "LandscapesSounds", "FacesSounds", "SameCatSounds", "MovObjectsSounds", "Header",
    }  # fmt: skip
    clips = {condition: set(database[0, 0][condition].dtype.names) for condition in database.dtype.names}
    assert clips["OriginalSounds"] == {"clip_1", "clip_2", "clip_3", "clip_4", "clip_42"}
    assert all(
        clips[condition] < clips["OriginalSounds"]
        for condition in clips
        if condition.endswith("sSounds") and condition != "OriginalSounds"
    ), "not every clip is in every condition"


def test_coutrot2_has_sound_and_no_sound_of_every_clip(small: Mini):
    database = scipy.io.loadmat(small.releases / "coutrot2/coutrot_database2.mat")["Coutrot_Database2"]
    for condition in ("AudioVisual", "Visual"):
        assert set(database[0, 0][condition].dtype.names) == {"clip_1", "clip_2", "clip_3"}


def test_coutrot_data_and_info_have_the_documented_shapes(small: Mini):
    for scene in small.scenes:
        plan = scene.plan
        if plan.corpus == "diem":
            continue
        own = {"coutrot1": "OriginalSounds", "coutrot2": "AudioVisual"}[plan.corpus]
        data, info = clip(small, plan.corpus, own, plan.name)
        n_observers = {"coutrot1": 18, "coutrot2": 20}[plan.corpus]
        claimed = scene.n_frames + 4 * plan.has("data-longer")
        assert data.shape == (2 + plan.has("third-row"), claimed - 2 * plan.has("data-shorter"), n_observers)
        assert info == {"fps": 25, "nframe": claimed, "vidwidth": plan.width_px, "vidheight": plan.height_px}


def test_foreign_sound_gives_other_gaze_than_the_own(small: Mini):
    """A reader that takes the wrong condition must be found out by the truth."""
    truth = small.truth()
    near = {}
    for condition in ("AudioVisual", "Visual"):
        distances = []
        for name in ("clip_1", "clip_2", "clip_3"):
            data, _ = clip(small, "coutrot2", condition, name)
            sounding_px = np.array(truth[f"coutrot2/{name}"]["sounding_px"]).T
            distances.append(np.linalg.norm(data[:2] - sounding_px[:, :, None], axis=0)[15:])
        near[condition] = np.mean(np.concatenate(distances) < 25.1)
    assert near["AudioVisual"] > near["Visual"] + 0.25


def test_encoding_says_what_ffmpeg_said(tmp_path: Path):
    odd = np.zeros((2, 15, 15, 3), dtype=np.uint8)
    with pytest.raises(MediaError, match="ffmpeg ended with status"):
        write_video(tmp_path / "odd.mp4", [odd], Fraction(25), (15, 15), codec="h264")


def test_encoding_stops_when_the_pictures_do(tmp_path: Path):
    def pictures() -> Iterator[np.ndarray]:
        yield np.zeros((2, 16, 16, 3), dtype=np.uint8)
        raise RuntimeError("no more paint")

    with pytest.raises(RuntimeError, match="no more paint"):
        write_video(tmp_path / "half.avi", pictures(), Fraction(25), (16, 16), codec="mjpeg")


def test_wav_clips_instead_of_wrapping_round(tmp_path: Path):
    write_wav(tmp_path / "loud.wav", np.array([[2.0], [-2.0], [0.5]], dtype=np.float32), 8000)
    with wave.open(str(tmp_path / "loud.wav")) as file:
        assert file.getparams()[:4] == (1, 2, 8000, 3)
        assert np.frombuffer(file.readframes(3), "<i2").tolist() == [32767, -32767, 16384]
