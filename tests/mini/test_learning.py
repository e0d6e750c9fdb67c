"""The world to learn from: gaze can be told by who hears and sees, by nobody else."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from pipeline import mini
from pipeline.ingest import manifest
from pipeline.mini import learning
from pipeline.mini.observers import watch
from pipeline.mini.plan import GEOMETRY, STIMULI, Plan
from pipeline.mini.sounds import soundtrack
from pipeline.mini.world import Scene, build_scene
from pipeline.records import CATEGORIES, SPLITS
from pipeline.signals.audio import frame_examples, log_mel

PLANS = learning.stimuli({"train": 9, "test": 6})
by_stimulus = pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.stimulus)


def look(scene: Scene) -> np.ndarray:
    """Where twelve observers look, [n_observers, n_frames, 2]."""
    px_per_dva = GEOMETRY[scene.plan.corpus].px_per_dva
    return watch(scene, np.random.default_rng(5), n_observers=12, px_per_dva=px_per_dva).xy_px


def settled(scene: Scene) -> np.ndarray:
    """Frames at which everybody has had time to find what sounds."""
    since_turn_s = scene.times_s - scene.turn_starts_s[scene.turn(scene.times_s)]
    return (since_turn_s > 0.4) & (scene.times_s > 0.6)


def test_every_corpus_and_category_is_in_every_split():
    cells = {(plan.split, plan.corpus) for plan in learning.stimuli()}
    assert cells == set(itertools.product(SPLITS, ("diem", "coutrot1", "coutrot2")))
    assert {(plan.split, plan.category) for plan in learning.stimuli()} == set(itertools.product(SPLITS, CATEGORIES))


def test_stimuli_are_unlike_one_another():
    plans = learning.stimuli()
    assert len({plan.stimulus for plan in plans}) == len(plans)
    first_px = {tuple(build_scene(plan).positions_px(np.zeros(1))[0].ravel()) for plan in plans}
    assert len(first_px) == len(plans)


@by_stimulus
def test_two_kinds_are_in_the_picture_all_the_time_and_apart(plan: Plan):
    scene = build_scene(plan)
    places_px = scene.positions_px(scene.times_s)
    assert len(set(plan.kinds)) == places_px.shape[1] == 2
    assert places_px.min() > 1.6 * scene.size_px
    assert (np.array([plan.width_px, plan.height_px]) - places_px).min() > 1.6 * scene.size_px
    assert np.hypot(*(places_px[:, 0] - places_px[:, 1]).T).min() > 3 * scene.size_px


@by_stimulus
def test_the_sound_changes_hands_a_few_times(plan: Plan):
    scene = build_scene(plan)
    assert 2 <= len(scene.turn_object) <= 5
    assert (np.diff(scene.turn_object) != 0).all()
    assert set(scene.turn_object) == {0, 1}


def test_one_object_sounds_as_often_as_the_other():
    scenes = [build_scene(plan) for plan in learning.stimuli()]
    share = np.mean(np.concatenate([scene.sounding(scene.times_s) for scene in scenes]))
    assert share == pytest.approx(0.5, abs=0.05)


@by_stimulus
def test_gaze_follows_what_sounds_a_quarter_second_later(plan: Plan):
    scene = build_scene(plan)
    away_px = np.linalg.norm(look(scene)[:, :, None] - scene.positions_px(scene.times_s)[None], axis=-1)
    nearest = away_px.argmin(axis=-1)
    assert np.mean(nearest == scene.sounding(scene.times_s), where=settled(scene)) > 0.98
    since_turn_s = scene.times_s - scene.turn_starts_s[scene.turn(scene.times_s)]
    just_changed = (since_turn_s < 0.19) & (scene.times_s > scene.turn_starts_s[1])
    assert np.mean(nearest == scene.sounding(scene.times_s), where=just_changed) < 0.1


def test_log_mel_tells_the_two_timbres_apart_by_their_nearest_mean():
    examples: dict[str, list[np.ndarray]] = {"train": [], "test": []}
    kinds: dict[str, list[np.ndarray]] = {"train": [], "test": []}
    for plan in PLANS:
        scene = build_scene(plan)
        steps = log_mel(soundtrack(scene)[:, 0], plan.sound_rate_hz)
        whole = scene.times_s[scene.times_s < scene.duration_s - 0.7]  # the example lies in the soundtrack ...
        same = scene.sounding(whole) == scene.sounding(whole + 0.66)  # ... and in one turn
        examples[plan.split].append(frame_examples(steps, whole[same]).mean(axis=1))
        kinds[plan.split].append(scene.sounding(whole[same]))
    heard = {split: np.concatenate(parts) for split, parts in examples.items()}
    kind = {split: np.concatenate(parts) for split, parts in kinds.items()}
    means = np.stack([heard["train"][kind["train"] == one].mean(axis=0) for one in (0, 1)])
    guessed = np.linalg.norm(heard["test"][:, None] - means, axis=-1).argmin(axis=1)
    assert np.mean(guessed == kind["test"]) >= 0.95


def test_over_all_stimuli_objects_are_everywhere():
    scenes = [build_scene(plan) for plan in learning.stimuli()]
    shares = [scene.positions_px(scene.times_s) / (scene.plan.width_px, scene.plan.height_px) for scene in scenes]
    places = np.concatenate([share.reshape(-1, 2) for share in shares])
    counts, *_ = np.histogram2d(*places.T, bins=3, range=[(0.13, 0.87), (0.16, 0.84)])
    assert counts.min() > 0.6 * counts.mean() and counts.max() < 1.5 * counts.mean()


def test_it_is_made_like_the_standard_world_and_kept_apart_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    plans = learning.stimuli({"train": 3})
    made = mini.make(tmp_path, scale=0.01, stimuli=plans)
    tables = manifest.load(made.manifests)
    assert {entry.stimulus for entry in tables.entries()} == {plan.stimulus for plan in plans} == set(made.admitted)
    assert {row.value for row in tables.published if (row.quantity, row.scope) == ("stimuli", "all")} == {3}
    asked = []
    monkeypatch.setattr(mini.releases, "write", lambda into, scenes, *, seed: asked.append(len(scenes)))
    mini.make(tmp_path, scale=0.01, stimuli=plans)
    assert asked == []
    with pytest.raises(FileNotFoundError):  # of what was asked for nothing is written here
        mini.make(tmp_path, scale=0.01, stimuli=STIMULI)
    assert asked == [len(STIMULI)]
