"""The world itself: what moves where, what sounds when, and that the one does not tell the other."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from pipeline.mini.plan import FEATURES, STIMULI, TURN_S, Plan
from pipeline.mini.render import COLOUR, backdrop, render
from pipeline.mini.world import RADIUS_SHARE, build_scene
from pipeline.records import CATEGORIES, SPLITS

by_stimulus = pytest.mark.parametrize("plan", STIMULI, ids=lambda plan: plan.stimulus)


def test_every_split_has_every_category_among_the_admitted():
    cells = {(plan.split, plan.category) for plan in STIMULI if not plan.refused}
    assert cells == set(itertools.product(SPLITS, CATEGORIES))


def test_every_awkward_feature_occurs_and_no_other():
    assert {feature for plan in STIMULI for feature in plan.features} == set(FEATURES)


def test_unknown_feature_is_an_error_not_a_no():
    with pytest.raises(ValueError, match="sielnt"):
        STIMULI[0].has("sielnt")


def test_three_corpora_with_names_that_clash():
    names = [{plan.name for plan in STIMULI if plan.corpus == corpus} for corpus in ("coutrot1", "coutrot2")]
    assert names[0] & names[1]
    assert len({plan.stimulus for plan in STIMULI}) == len(STIMULI)


def test_sizes_are_even_and_those_in_diem_names_are_true():
    for plan in STIMULI:
        assert plan.width_px % 2 == plan.height_px % 2 == 0
        if plan.corpus == "diem":
            assert plan.name.endswith(f"_{plan.width_px}x{plan.height_px}")


@by_stimulus
def test_durations_are_6_to_12_s_and_never_below_2_s_when_scaled(plan: Plan):
    assert 6 <= build_scene(plan).duration_s <= 12.05
    assert build_scene(plan, scale=0.01).duration_s == pytest.approx(2, abs=0.05)


@by_stimulus
def test_a_seed_is_a_world(plan: Plan):
    once, again, other = (build_scene(plan, seed=seed) for seed in (1, 1, 2))
    times_s = once.times_s
    np.testing.assert_array_equal(once.positions_px(times_s), again.positions_px(times_s))
    np.testing.assert_array_equal(once.turn_starts_s, again.turn_starts_s)
    assert np.abs(once.positions_px(times_s) - other.positions_px(times_s)).max() > 5


@by_stimulus
def test_objects_stay_in_the_picture_and_apart(plan: Plan):
    scene = build_scene(plan)
    places_px = scene.positions_px(scene.times_s)
    assert places_px.shape == (scene.n_frames, len(plan.kinds), 2)
    assert len(set(plan.kinds)) == len(plan.kinds) >= 2
    assert places_px.min() > 1.6 * scene.size_px
    assert (np.array([plan.width_px, plan.height_px]) - places_px).min() > 1.6 * scene.size_px
    for first in range(len(plan.kinds)):
        for second in range(first):
            assert np.hypot(*(places_px[:, first] - places_px[:, second]).T).min() > 2.5 * scene.size_px


@by_stimulus
def test_turns_last_1_to_2_s_and_change_the_object(plan: Plan):
    scene = build_scene(plan)
    lengths_s = np.diff(scene.turn_starts_s)
    assert scene.turn_starts_s[0] == 0
    assert lengths_s.min() >= TURN_S[0] and lengths_s.max() <= TURN_S[1]
    assert scene.duration_s - scene.turn_starts_s[-1] <= TURN_S[1]
    assert (np.diff(scene.turn_object) != 0).all()
    assert set(scene.turn_object) == set(range(len(plan.kinds))), "every object sounds at some time"


def test_sounding_changes_exactly_at_the_turn():
    scene = build_scene(STIMULI[0])
    start_s = scene.turn_starts_s[1]
    before, at = scene.sounding(np.array([np.nextafter(start_s, 0), start_s]))
    assert (before, at) == tuple(scene.turn_object[:2])


@by_stimulus
def test_the_same_picture_whatever_sounds(plan: Plan):
    scene = build_scene(plan, scale=0.2)
    other = replace(scene, turn_object=(scene.turn_object + 1) % len(plan.kinds))
    for batch, other_batch in zip(render(scene), render(other), strict=True):
        np.testing.assert_array_equal(batch, other_batch)


def test_motion_of_sounding_and_silent_objects_is_alike():
    speed, eccentricity = {True: [], False: []}, {True: [], False: []}
    for seed in range(30):
        for plan in STIMULI:
            scene = build_scene(plan, seed=seed)
            unit_px = (plan.width_px, plan.height_px)
            places = scene.positions_px(scene.times_s) / unit_px
            step = np.hypot(*(np.diff(places, axis=0)).transpose(2, 0, 1)) * float(plan.rate)
            sounds = scene.sounding(scene.times_s)[:-1, None] == np.arange(len(plan.kinds))
            away = np.hypot(*(places[:-1] - 0.5).transpose(2, 0, 1))
            for is_sounding in (True, False):
                # one number per stimulus, against its own mean, so that fast stimuli do not weigh more
                speed[is_sounding].append(step[sounds == is_sounding].mean() / step.mean())
                eccentricity[is_sounding].append(away[sounds == is_sounding].mean() / away.mean())
    for statistic in (speed, eccentricity):
        assert np.mean(statistic[True]) == pytest.approx(np.mean(statistic[False]), abs=0.03)


@by_stimulus
def test_objects_are_drawn_where_the_truth_says(plan: Plan):
    scene = build_scene(plan, scale=0.2)
    picture = next(render(scene))[7].astype(float)
    still = backdrop(plan).astype(float)
    y, x = np.mgrid[0 : plan.height_px, 0 : plan.width_px] + 0.5
    candidates = [*(np.array(COLOUR[kind], dtype=float) for kind in plan.kinds), still]
    seen = np.argmin([np.abs(picture - colour).sum(axis=-1) for colour in candidates], axis=0)
    for index, place_px in enumerate(scene.positions_px(scene.times_s[7:8])[0]):
        cover = seen == index
        centre_px = (x[cover].mean(), y[cover].mean())
        np.testing.assert_allclose(centre_px, place_px, atol=0.75)
        assert cover.sum() == pytest.approx(np.pi * scene.size_px**2, rel=0.1), "all kinds are equally large"


def test_size_is_a_share_of_the_smaller_side():
    assert build_scene(STIMULI[0]).size_px == RADIUS_SHARE * 360
