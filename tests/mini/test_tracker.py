"""The tracker's defects: those of the real files, where a reader must not be misled."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.mini.observers import watch
from pipeline.mini.plan import GEOMETRY, STIMULI, Plan
from pipeline.mini.tracker import WILD, coutrot_data, diem_rows
from pipeline.mini.world import build_scene


def plan_with(feature: str) -> Plan:
    """The first stimulus that has this awkwardness."""
    return next(plan for plan in STIMULI if plan.has(feature))


def rows_of(plan: Plan, n_observers: int = 12) -> list[np.ndarray]:
    scene = build_scene(plan)
    random = np.random.default_rng(3)
    gaze = watch(scene, random, n_observers=n_observers, px_per_dva=GEOMETRY["diem"].px_per_dva)
    return diem_rows(plan, gaze, random)


def data_of(plan: Plan) -> np.ndarray:
    scene = build_scene(plan)
    random = np.random.default_rng(3)
    gaze = watch(scene, random, n_observers=18, px_per_dva=GEOMETRY[plan.corpus].px_per_dva)
    return coutrot_data(plan, gaze, random, n_columns=scene.n_frames)


DIEM = [plan for plan in STIMULI if plan.corpus == "diem"]
by_diem_stimulus = pytest.mark.parametrize("plan", DIEM, ids=lambda plan: plan.name)


@by_diem_stimulus
def test_events_are_the_published_codes_and_the_right_eye_never_says_2(plan: Plan):
    rows = np.vstack(rows_of(plan))
    assert {0, 1, 2} <= set(rows[:, 4]) <= {-1, 0, 1, 2}
    assert {0, 1} <= set(rows[:, 8]) <= {-1, 0, 1}
    in_saccade = rows[:, 4] == 2
    assert np.mean(rows[in_saccade, 8] == 1) > 0.85, "the right eye claims a fixation through most saccades"


@by_diem_stimulus
def test_blinks_hold_zeros_mostly_and_old_or_wild_numbers_else(plan: Plan):
    rows = np.vstack(rows_of(plan, n_observers=40))
    left_closed = rows[rows[:, 4] == 0]
    stale = (left_closed[:, 1:3] != 0).any(axis=1)
    assert 0.1 < stale.mean() < 0.4
    assert np.mean((rows[:, 4] <= 0) | (rows[:, 8] <= 0)) < 0.12


def test_wild_numbers_occur_in_blinks():
    rows = np.vstack([row for plan in DIEM for row in rows_of(plan)])
    wild = (np.abs(rows[:, [1, 2, 5, 6]]) == WILD).any(axis=1)
    assert wild.sum() >= 3


@by_diem_stimulus
def test_some_fixations_lie_beyond_the_screen_but_under_1_percent(plan: Plan):
    rows = np.vstack(rows_of(plan))
    fixating = rows[(rows[:, 4] == 1) & (rows[:, 8] == 1)]
    x_px, y_px = (fixating[:, 1] + fixating[:, 5]) / 2, (fixating[:, 2] + fixating[:, 6]) / 2
    beyond = (x_px < 0) | (x_px >= 1280) | (y_px < 0) | (y_px >= 960)
    assert 3 <= beyond.sum() < 0.01 * len(fixating)


@by_diem_stimulus
def test_fixations_are_in_the_centred_picture_not_at_the_top_left(plan: Plan):
    rows = np.vstack(rows_of(plan))
    fixating = rows[(rows[:, 4] == 1) & (rows[:, 8] == 1)]
    x_px = (fixating[:, 1] + fixating[:, 5]) / 2 - (1280 - plan.width_px) / 2
    y_px = (fixating[:, 2] + fixating[:, 6]) / 2 - (960 - plan.height_px) / 2
    inside = (x_px >= 0) & (x_px < plan.width_px) & (y_px >= 0) & (y_px < plan.height_px)
    assert inside.mean() >= 0.985
    first = fixating[fixating[:, 0] <= 3]
    mean_px = (first[:, [1, 2]].mean(axis=0) + first[:, [5, 6]].mean(axis=0)) / 2
    assert np.hypot(*(mean_px - (640, 480))) < 20


def test_lost_frames_strike_all_observers_but_one():
    plan = plan_with("lost-frames")
    lost = np.stack([table[:, 4] == -1 for table in rows_of(plan)])
    struck = lost.any(axis=0)
    assert struck.sum() == 3
    assert (lost[:, struck].sum(axis=0) == len(lost) - 1).all()


def test_lost_samples_are_zero_in_both_eyes():
    rows = np.vstack(rows_of(plan_with("lost-frames")))
    lost = rows[rows[:, 4] == -1]
    assert len(lost) and not lost[:, [1, 2, 3, 5, 6, 7]].any() and (lost[:, 8] == -1).all()


def test_a_fixation_may_have_a_wild_right_eye():
    rows = np.vstack(rows_of(plan_with("wild-fixation")))
    assert ((rows[:, 4] == 1) & (rows[:, 8] == 1) & (rows[:, 5] == -WILD)).sum() == 1


def test_a_fixation_may_have_a_coordinate_of_zero():
    rows = np.vstack(rows_of(plan_with("zero-fixation")))
    zero = (rows[:, 4] == 1) & (rows[:, 8] == 1) & (rows[:, 1] == 0)
    assert zero.sum() == 1
    np.testing.assert_array_equal((rows[zero][0, [1, 2]] + rows[zero][0, [5, 6]]) / 2, (640, 480))


def test_one_observer_stops_early():
    lengths = [len(table) for table in rows_of(plan_with("ragged-observer"))]
    assert sorted(set(lengths))[0] < 0.5 * max(lengths) and lengths.count(max(lengths)) == len(lengths) - 1


def test_frames_count_from_1_and_may_go_one_beyond_the_video():
    plan = plan_with("gaze-one-longer")
    n_frames = build_scene(plan).n_frames
    for table in rows_of(plan):
        np.testing.assert_array_equal(table[:, 0], np.arange(1, n_frames + 2))


def test_coutrot_data_is_coordinate_by_frame_by_observer_with_gaps():
    plan = next(plan for plan in STIMULI if plan.corpus == "coutrot1" and plan.has("name-clash"))
    data = data_of(plan)
    assert data.shape[1:] == (build_scene(plan).n_frames, 18)
    missing = np.isnan(data[:2])
    np.testing.assert_array_equal(missing[0], missing[1])
    assert 0.005 < missing[0].mean() < 0.1
    outside = (data[0] < 0) | (data[0] >= plan.width_px)
    assert 1 <= outside.sum() < 0.015 * outside.size


def test_coutrot_third_row_numbers_the_observers():
    data = data_of(plan_with("third-row"))
    assert data.shape[0] == 3
    np.testing.assert_array_equal(data[2, 5], np.arange(1, 19))


def test_coutrot_empty_observer_has_no_sample():
    data = data_of(plan_with("empty-observer"))
    assert np.isnan(data[:2, :, -1]).all() and np.isfinite(data[:2, :, :-1]).any(axis=(0, 1)).all()
