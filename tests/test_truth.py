"""End to end on a world whose truth is known: what is published is what was rendered, heard and looked at.

The truth is `truth.json` of the miniature corpus and the scenes it was written from; nothing of it passes through
the build. Positions are (x, y) in video pixels, lags in frames, shifts in seconds.
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import py7zr
import pyarrow.parquet as pq
import pytest
from scipy.io import loadmat

import pipeline
from pipeline.corpus import Stimulus
from pipeline.mini.plan import STIMULI
from pipeline.mini.releases import CONDITIONS
from pipeline.mini.render import COLOUR
from pipeline.mini.sounds import soundtrack
from pipeline.mini.world import build_scene
from pipeline.signals import audio

ADMITTED = [plan.stimulus for plan in STIMULI if not plan.refused]
LAG_S = 0.5  # after a turn, or the beginning, the last observer has left the middle and has a sample on the new object

every_stimulus = pytest.mark.parametrize("name", ADMITTED)


@pytest.fixture(scope="module")
def corpus(built_store: Path) -> pipeline.Corpus:
    return pipeline.Corpus(built_store)


@pytest.fixture(scope="module")
def truth(mini_world: Path) -> dict[str, dict[str, Any]]:
    return json.loads((mini_world / "truth.json").read_text(encoding="utf-8"))["stimuli"]


@pytest.fixture(scope="module")
def made(mini_world: Path) -> dict[str, Any]:
    """The seed and scale of the world."""
    return json.loads((mini_world / "truth.json").read_text(encoding="utf-8"))["made"]


@pytest.fixture(scope="module")
def rejected(built_store: Path):
    return pq.read_table(built_store / "corpus" / "rejected.parquet").to_pandas()


def settled(sounding: np.ndarray, rate: Fraction) -> np.ndarray:
    """Frames by which everyone who follows the sound is there, bool [n]."""
    turns = np.flatnonzero(np.diff(sounding, prepend=-2))
    since = np.arange(sounding.size) - turns[np.searchsorted(turns, np.arange(sounding.size), side="right") - 1]
    return since >= LAG_S * float(rate)


# -- what is in and what is out ------------------------------------------------------------------------------------


def test_the_table_holds_exactly_the_stimuli_to_admit_in_their_splits_and_categories(corpus, truth):
    table = corpus.stimuli.set_index("stimulus")
    assert [*table.index] == sorted(ADMITTED)
    for name, row in table.iterrows():
        true = truth[name]
        assert (row["split"], row["category"]) == (true["split"], true["category"])
        assert (row["width_px"], row["height_px"]) == (true["width_px"], true["height_px"])
        assert [row["rate_num"], row["rate_den"]] == true["rate"]


def test_the_stimuli_without_sound_are_refused_and_both_reasons_are_told(truth, rejected):
    rows = rejected[rejected["level"] == "stimulus"].set_index("subject")
    assert {name: true["refused"] for name, true in truth.items() if true["refused"]} == {
        "diem/silent_film_320x240": "silent",
        "diem/muted_news_384x288": "shown-without-sound",
    }
    assert rows["reason"].to_dict() == {
        "diem/silent_film_320x240": "silent",
        "diem/muted_news_384x288": "audio-not-presented",
    }
    assert "digital silence" in rows["detail"]["diem/silent_film_320x240"]
    assert "did not hear" in rows["detail"]["diem/muted_news_384x288"]


def test_no_stimulus_is_refused_or_admitted_twice(corpus, rejected):
    refused = rejected[rejected["level"] == "stimulus"]["subject"]
    assert refused.is_unique
    assert not {*refused} & {stimulus.stimulus for stimulus in corpus}


# -- the eyes ------------------------------------------------------------------------------------------------------


def raw_samples(releases: Path, name: str, scratch: Path) -> int:
    """Gaze samples of one stimulus as its release holds them, in the condition with the stimulus's own sound."""
    home, _, clip = name.partition("/")
    if home == "diem":
        with py7zr.SevenZipFile(releases / "diem" / f"{clip}.7z") as archive:
            archive.extractall(scratch)
        return sum(path.read_bytes().count(b"\n") for path in scratch.rglob("event_data/*.txt"))
    database = loadmat(releases / home / f"coutrot_database{home[-1]}.mat", simplify_cells=True)
    condition = database[f"Coutrot_Database{home[-1]}"][CONDITIONS[home][0]]
    return int(np.prod(condition[clip]["data"].shape[1:]))


@every_stimulus
def test_every_raw_sample_is_a_fixation_or_has_a_row_that_says_why_not(name, corpus, rejected, mini_world, tmp_path):
    mine = rejected[rejected["subject"].str.startswith(f"{name}/")]
    samples = mine[mine["level"] == "sample"]["count"].sum()
    nobody = mine[(mine["level"] == "recording") & (mine["reason"] == "no-gaze")]["count"].sum()
    n_fixations = len(corpus[name].fixations())
    assert n_fixations == corpus[name].n_fixations
    assert raw_samples(mini_world / "releases", name, tmp_path) == n_fixations + samples + nobody


@every_stimulus
def test_fixations_are_video_pixels_inside_the_picture_on_the_object_that_sounds(name, corpus, truth):
    stimulus, true = corpus[name], truth[name]
    points = stimulus.fixations()
    assert points["frame"].between(0, stimulus.n_frames - 1).all()
    assert points["x_px"].between(0, true["width_px"]).all()
    assert points["y_px"].between(0, true["height_px"]).all()
    here = points[settled(np.array(true["sounding"]), stimulus.rate)[points["frame"]]]
    away_px = here[["x_px", "y_px"]].to_numpy() - np.array(true["sounding_px"])[here["frame"]]
    assert np.median(np.hypot(*away_px.T)) < 0.5 * stimulus.px_per_dva


@pytest.mark.parametrize("home", ["diem", "coutrot1", "coutrot2"])
def test_gaze_is_on_the_frame_it_belongs_to(home, corpus, truth):
    """Eyes on a moving object lead or trail it by the frames that a table is off, on average over the corpus."""
    moved = covered = 0.0
    for stimulus in (stimulus for stimulus in corpus if stimulus.corpus == home):
        true, points = truth[stimulus.stimulus], stimulus.fixations()
        place_px = np.array(true["sounding_px"])
        speed_px = np.gradient(place_px, axis=0)
        usable = settled(np.array(true["sounding"]), stimulus.rate) & (np.hypot(*speed_px.T) < 10)  # no jumps
        here = points[usable[points["frame"]]]
        ahead_px = here[["x_px", "y_px"]].to_numpy() - place_px[here["frame"]]
        followed = np.hypot(*ahead_px.T) < stimulus.px_per_dva
        moved += (ahead_px * speed_px[here["frame"]])[followed].sum()
        covered += (speed_px[here["frame"]] ** 2)[followed].sum()
    assert abs(moved / covered) < 0.5


@every_stimulus
def test_the_density_peak_is_on_the_object_that_sounds_and_not_on_a_silent_one(name, corpus, truth, built_store):
    stimulus, true = corpus[name], truth[name]
    maps = np.load(built_store / "corpus" / "density" / f"{name}.npy")
    sounding = np.array(true["sounding"])[: stimulus.n_frames]
    frames = np.flatnonzero(settled(sounding, stimulus.rate) & (maps.sum((1, 2)) > 0))
    assert frames.size >= 20
    row, column = np.unravel_index(maps[frames].reshape(frames.size, -1).argmax(1), maps.shape[1:])
    x_px = (column + 0.5) * stimulus.width_px / maps.shape[2]
    y_px = (row + 0.5) * stimulus.height_px / maps.shape[1]
    objects_px = np.array(true["objects_px"])[frames]
    away_dva = np.hypot(*(objects_px - np.stack([x_px, y_px], 1)[:, None]).T).T / stimulus.px_per_dva
    sounds = np.eye(objects_px.shape[1], dtype=bool)[sounding[frames]]
    assert np.median(away_dva[sounds]) < 1
    assert np.median(np.where(sounds, np.inf, away_dva).min(1)) > 2
    assert (away_dva.argmin(1) == sounding[frames]).mean() > 0.95


# -- the pictures --------------------------------------------------------------------------------------------------


@every_stimulus
def test_each_frame_shows_the_objects_where_they_were_at_that_frame(name, corpus, truth):
    stimulus, true = corpus[name], truth[name]
    frames = np.arange(2, stimulus.n_frames - 2, 6)
    seen_px = np.array([[centre_px(stimulus, frame, kind) for kind in true["kinds"]] for frame in frames])
    places_px = np.array(true["objects_px"])
    away_px = {lag: np.hypot(*(seen_px - places_px[frames + lag]).T).mean() for lag in (-2, -1, 0, 1, 2)}
    assert away_px[0] < 0.4
    assert min(away_px, key=lambda lag: away_px[lag]) == 0


def centre_px(stimulus: Stimulus, frame: int, kind: str) -> tuple[float, float]:
    """Where an object's colour is in a published picture, in video pixels."""
    picture = stimulus.frames(frame, frame + 1)[0]
    row, column = np.nonzero(np.abs(picture.astype(int) - COLOUR[kind]).max(2) < 40)
    height, width, _ = picture.shape
    return (column.mean() + 0.5) * stimulus.width_px / width, (row.mean() + 0.5) * stimulus.height_px / height


# -- the sound -----------------------------------------------------------------------------------------------------


@every_stimulus
def test_each_log_mel_example_is_the_sound_of_its_frames_moment_to_5_ms(name, corpus, made, built_store):
    """Every example is compared with the world's own soundtrack, cut at the frame's true time and up to 20 ms off."""
    plan = next(plan for plan in STIMULI if plan.stimulus == name)
    world = soundtrack(build_scene(plan, seed=made["seed"], scale=made["scale"]), seed=made["seed"]).mean(1)
    sound = np.pad(audio.resample(world, plan.sound_rate_hz), (16000, 0))
    table = pq.read_table(built_store / "corpus" / "logmel" / f"{name}.parquet")
    last_s = (sound.size - 16000) / 16000 - 0.7  # of the examples that end before the sound, however shifted
    shifts_s = []
    for frame in range(0, corpus[name].n_frames, 5):
        true_s = float(frame / plan.rate)
        assert table["time_s"][frame].as_py() == pytest.approx(true_s, abs=0.0005)  # a container's millisecond
        if true_s < last_s:
            example = np.array(table["example"][frame].values).reshape(64, 64)
            shifts_s.append(best_shift_s(example, sound, 1 + true_s))
    assert len(shifts_s) >= 6
    assert np.abs(shifts_s).max() <= 0.005 + 1e-9
    assert abs(np.mean(shifts_s)) < 0.002  # rounding to a step, not lateness


def best_shift_s(example: np.ndarray, sound: np.ndarray, start_s: float) -> float:
    """By how much later than `start_s` the sound must be cut to give this example, to a millisecond."""
    shifts_s = np.arange(-20, 21) / 1000
    cuts = [sound[round((start_s + shift_s) * 16000) :][: 63 * 160 + 400] for shift_s in shifts_s]
    misfits = [np.abs(audio.log_mel(cut, 16000) - example).mean() for cut in cuts]
    return float(shifts_s[int(np.argmin(misfits))])


LOW_MEL, HIGH_MEL = (2595 * np.log10(1 + edge_hz / 700) for edge_hz in (125, 7500))
MIDDLE_HZ = 700 * (10 ** (np.linspace(LOW_MEL, HIGH_MEL, 66)[1:-1] / 2595) - 1)  # of the 64 mel bands
BANDS = {  # in which only this timbre is loud
    "disc": MIDDLE_HZ < 850,
    "triangle": (MIDDLE_HZ > 1500) & (MIDDLE_HZ < 2600),
    "square": (MIDDLE_HZ > 3600) & (MIDDLE_HZ < 6500),
}
LOUD = 1.5  # magnitude: a foreign timbre stays below 1.1, the one that sounds reaches 10 and more


def foreign_s(name: str, true: dict[str, Any], store: Path, shift_s: float = 0.0) -> float:
    """Seconds of published sound in which an object is heard that does not sound at that moment, by truth.json."""
    table = pq.read_table(store / "corpus" / "logmel" / f"{name}.parquet")
    rate, sounding = Fraction(*true["rate"]), np.array(true["sounding"])
    margin_s = 0.005 + float(1 / rate) + 0.005 + 0.0125  # rounding, a frame, half a fade, half an analysis window
    n_foreign = 0
    for time_s, example in zip(table["time_s"].to_numpy(), table["example"].to_numpy(), strict=True):
        middle_s = time_s + shift_s + 0.0125  # of the example's first step
        near = np.clip(np.array([middle_s - margin_s, middle_s + margin_s]) * float(rate), 0, sounding.size - 1)
        true_now = {true["kinds"][index] for index in sounding[int(near[0]) : int(near[1]) + 1]}
        magnitude = np.exp(example[:64])
        n_foreign += any(magnitude[BANDS[kind]].max() > LOUD for kind in {*BANDS} - true_now)
    return float(n_foreign / rate)


@every_stimulus
def test_no_object_is_heard_before_its_turn_or_after_it(name, truth, built_store):
    assert foreign_s(name, truth[name], built_store) == 0


def test_a_shift_of_three_frames_would_have_been_heard(truth, built_store):
    for shift_s in (-0.1, 0.1):
        assert sum(foreign_s(name, truth[name], built_store, shift_s) for name in ADMITTED) > 0.2


# -- the reader ----------------------------------------------------------------------------------------------------


@every_stimulus
def test_the_reader_gives_what_the_tables_say(name, corpus, built_store):
    stimulus, tables = corpus[name], built_store / "corpus"
    n_frames = stimulus.n_frames
    pictures = stimulus.frames(n_frames - 3, n_frames)
    assert (pictures.shape, pictures.dtype) == ((3, 256, 320, 3), np.uint8)
    written = pq.read_table(tables / "logmel" / f"{name}.parquet")["example"].combine_chunks().flatten().to_numpy()
    np.testing.assert_array_equal(stimulus.logmel(0, n_frames), written.reshape(n_frames, 64, 64))
    maps = np.load(tables / "density" / f"{name}.npy")
    assert maps.shape == (n_frames, 32, 40)
    fixated = np.isin(np.arange(n_frames), stimulus.fixations()["frame"])
    np.testing.assert_allclose(maps.sum((1, 2), dtype=float), fixated, atol=1e-5)
    for frame in (0, n_frames // 2, n_frames - 1):
        np.testing.assert_allclose(stimulus.density(frame), maps[frame], atol=1e-6)
