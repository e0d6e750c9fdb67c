"""The observers: first the middle, then whatever sounds, a little late; never an object for its looks."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.mini.observers import watch
from pipeline.mini.plan import GEOMETRY, STIMULI, Plan
from pipeline.mini.world import Scene, build_scene

by_stimulus = pytest.mark.parametrize("plan", STIMULI, ids=lambda plan: plan.stimulus)


def look(plan: Plan, *, hear: bool = True, n_observers: int = 24, seed: int = 5) -> tuple[Scene, np.ndarray]:
    """A scene and [n_observers, n_frames, 2] of gaze at it."""
    scene = build_scene(plan)
    gaze = watch(
        scene,
        np.random.default_rng(seed),
        n_observers=n_observers,
        px_per_dva=GEOMETRY[plan.corpus].px_per_dva,
        hear=hear,
    )
    return scene, gaze.xy_px


def distance_dva(scene: Scene, xy_px: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance of each sample from the sounding and from the nearest silent object, [n_observers, n_frames]."""
    places_px = scene.positions_px(scene.times_s)
    away = np.linalg.norm(xy_px[:, :, None] - places_px[None], axis=-1) / GEOMETRY[scene.plan.corpus].px_per_dva
    sounds = scene.sounding(scene.times_s)[:, None] == np.arange(places_px.shape[1])
    silent = np.where(sounds, np.inf, away).min(axis=-1)
    return np.where(sounds, away, 0).sum(axis=-1), silent


@by_stimulus
def test_gaze_starts_in_the_middle(plan: Plan):
    scene, xy_px = look(plan)
    first = scene.times_s < 0.3
    middle_px = np.median(xy_px[:, first], axis=(0, 1))
    np.testing.assert_allclose(middle_px, [plan.width_px / 2, plan.height_px / 2], atol=8)


@by_stimulus
def test_hearing_observers_look_at_what_sounds(plan: Plan):
    scene, xy_px = look(plan)
    sounding, silent = distance_dva(scene, xy_px)
    since_turn_s = scene.times_s - scene.turn_starts_s[scene.turn(scene.times_s)]
    settled = (since_turn_s > 0.4) & (scene.times_s > 0.6)
    assert np.median(sounding[:, settled]) < 0.6
    assert np.mean(sounding[:, settled] < silent[:, settled]) > 0.85
    assert np.mean(sounding[:, settled] < silent[:, settled]) < 1, "not everybody attends all the time"


@by_stimulus
def test_gaze_follows_a_new_sound_after_200_to_300_ms(plan: Plan):
    scene, xy_px = look(plan)
    sounding, silent = distance_dva(scene, xy_px)
    since_turn_s = scene.times_s - scene.turn_starts_s[scene.turn(scene.times_s)]
    later = scene.times_s > scene.turn_starts_s[1]
    early, late = later & (since_turn_s < 0.19), later & (since_turn_s > 0.36)
    assert np.mean(sounding[:, early] < silent[:, early]) < 0.3
    assert np.mean(sounding[:, late] < silent[:, late]) > 0.8


def test_observers_who_hear_nothing_look_at_the_sounding_object_by_chance_only():
    nearer = []
    for plan in STIMULI:
        scene, xy_px = look(plan, hear=False)
        places_px = scene.positions_px(scene.times_s)
        nearest = np.linalg.norm(xy_px[:, :, None] - places_px[None], axis=-1).argmin(axis=-1)
        hit = (nearest == scene.sounding(scene.times_s))[:, scene.times_s > 0.6].mean()
        nearer.append(hit * len(plan.kinds))  # 1 at chance
    assert np.mean(nearer) == pytest.approx(1, abs=0.1)


@by_stimulus
def test_gaze_hardly_ever_leaves_the_picture(plan: Plan):
    _, xy_px = look(plan)
    inside = ((xy_px > 0) & (xy_px < (plan.width_px, plan.height_px))).all(axis=-1)
    assert inside.mean() > 0.995
