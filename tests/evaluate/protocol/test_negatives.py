"""What a frame is held against: nothing of its own, at the same relative position, added up once."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.evaluate.protocol.negatives import (
    KINDS,
    NONE,
    OTHER_VIDEOS,
    SAME_VIDEO,
    TEN_FRAMES,
    TEN_VIDEOS,
    Negatives,
)
from tests.evaluate.gaze import truth_at, watched

SIZE = (30, 40)


@pytest.fixture
def split():
    return [watched(0, (60, 80), "a/x"), watched(1, (90, 60), "a/y"), watched(2, (60, 80), "b/z", empty=(0,))]


def negatives(kind, split, truth, frame=0, size=SIZE, seed=0):
    return Negatives(kind, split).of(truth, frame, truth.counts(frame, size), np.random.default_rng(seed))


def test_other_videos_are_all_fixations_of_all_but_this_one(split):
    for truth in split:
        expected = sum(other.all_counts(SIZE) for other in split if other is not truth)
        np.testing.assert_array_equal(negatives(OTHER_VIDEOS, split, truth), expected)


def test_the_pool_is_added_up_once_and_not_changed_by_use(split):
    pool = Negatives(OTHER_VIDEOS, split)
    before = pool.pool(SIZE).copy()
    for truth in split:
        pool.of(truth, 0, truth.counts(0, SIZE), np.random.default_rng(0))
    assert pool.pool(SIZE) is pool.pool(SIZE)
    np.testing.assert_array_equal(pool.pool(SIZE), before)


def test_half_of_the_observers_is_still_the_same_video(split):
    half = split[0].of_observers(range(0, len(split[0].observers), 2))
    np.testing.assert_array_equal(
        negatives(OTHER_VIDEOS, split, half), split[1].all_counts(SIZE) + split[2].all_counts(SIZE)
    )


def test_a_video_of_another_split_has_all_of_this_one_for_negatives(split):
    stranger = watched(5, name="c/new")
    np.testing.assert_array_equal(
        negatives(OTHER_VIDEOS, split, stranger), sum(truth.all_counts(SIZE) for truth in split)
    )


def test_a_split_of_one_video_has_no_other_videos(split):
    for kind in (OTHER_VIDEOS, TEN_VIDEOS):
        assert not negatives(kind, split[:1], split[0]).any()


def test_the_same_video_s_negatives_are_its_pixels_less_the_frame_s_own(split):
    truth = split[0]
    fixations = truth.counts(1, SIZE)
    found = negatives(SAME_VIDEO, split, truth, 1)
    assert not found[fixations > 0].any()
    elsewhere = (truth.all_counts(SIZE) > 0) & (fixations == 0)
    np.testing.assert_array_equal(found > 0, elsewhere)


def test_frames_of_one_video_after_another_do_not_mix_their_counts(split):
    pool = Negatives(SAME_VIDEO, split)
    draw = np.random.default_rng(0)
    first = pool.of(split[0], 0, split[0].counts(0, SIZE), draw)
    pool.of(split[1], 0, split[1].counts(0, SIZE), draw)
    np.testing.assert_array_equal(pool.of(split[0], 0, split[0].counts(0, SIZE), draw), first)


def test_ten_frames_may_be_of_the_video_itself():
    alone = watched(0, name="a/x", n_frames=6)
    np.testing.assert_array_equal(
        negatives(TEN_FRAMES, [alone], alone, size=alone.size_px) > 0, alone.all_counts(alone.size_px) > 0
    )


def test_ten_frames_are_not_all():
    alone = watched(0, name="a/x", n_frames=40)
    found = negatives(TEN_FRAMES, [alone], alone, size=alone.size_px)
    frames_in = [((alone.counts(frame, alone.size_px) > 0) <= (found > 0)).all() for frame in range(40)]
    assert sum(frames_in) == 10


def test_ten_frames_are_scaled_by_the_wrong_ratio_where_videos_differ_in_shape():
    # One pixel, row 10 and column 20 counted from 1, of 40 × 80; the picture has 80 × 80.
    truth = truth_at([(0, 19.5, 9.5)], (40, 80), n_frames=1)
    found = negatives(TEN_FRAMES, [truth], truth, size=(80, 80))
    assert np.argwhere(found).tolist() == [[10 - 1, 40 - 1]], "the column doubled, where the row should have"
    same_shape = negatives(TEN_FRAMES, [truth], truth, size=(80, 160))
    assert np.argwhere(same_shape).tolist() == [[20 - 1, 40 - 1]]


def test_ten_frames_scaled_out_of_the_picture_are_dropped():
    truth = truth_at([(0, 79.5, 9.5)], (40, 80), n_frames=1)
    assert not negatives(TEN_FRAMES, [truth], truth, size=(80, 80)).any()


def test_ten_videos_are_ten_others_with_a_frame_each():
    split = [truth_at([(0, 0.5, 0.5), (1, 1.5, 0.5)], name="a/own", n_frames=2)]
    split += [truth_at([(0, 5.5 + k, 9.5), (2, 5.5 + k, 29.5)], name=f"a/{k}", n_frames=3) for k in range(14)]
    size = split[0].size_px
    for seed in range(5):
        found = negatives(TEN_VIDEOS, split, split[0], size=size, seed=seed)
        rows, columns = np.nonzero(found)
        assert len(set(columns)) == len(columns) == 10, "one frame of each, and never an empty one"
        assert set(rows) <= {9, 29} and columns.min() >= 5


def test_every_other_video_is_drawn_as_often_as_any():
    split = [truth_at([(0, 0.5 + k, 0.5)], name=f"a/{k:02}", n_frames=1) for k in range(15)]
    pool, size = Negatives(TEN_VIDEOS, split), split[0].size_px
    times = sum(
        pool.of(split[3], 0, split[3].counts(0, size), np.random.default_rng(seed))[0, :15] for seed in range(300)
    )
    assert times[3] == 0
    others = np.delete(times, 3)
    assert others.sum() == 3000
    assert np.abs(others - 3000 / 14).max() < 4 * np.sqrt(300 * (10 / 14) * (4 / 14))


@pytest.mark.parametrize("kind", [TEN_FRAMES, TEN_VIDEOS])
def test_the_same_draw_gives_the_same_negatives(kind):
    split = [watched(seed, name=f"a/{seed}", n_frames=9) for seed in range(12)]
    first, again, other = (negatives(kind, split, split[0], seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_points_at_the_far_edge_stay_in_the_picture():
    edge = truth_at([(0, np.nextafter(np.float32(80), np.float32(0)), np.nextafter(np.float32(60), np.float32(0)))])
    other = watched(0, name="a/other")
    for kind in (OTHER_VIDEOS, TEN_FRAMES, TEN_VIDEOS):
        for size in (SIZE, (60, 80)):
            assert negatives(kind, [edge, other], other, size=size)[-1, -1] == 1
    assert negatives(OTHER_VIDEOS, [edge, other], other, size=(256, 320))[-1, -1] == 1


def test_a_kind_without_negatives_has_none(split):
    assert negatives(NONE, split, split[0]) is None
    assert set(KINDS) == {OTHER_VIDEOS, SAME_VIDEO, TEN_FRAMES, TEN_VIDEOS, NONE}
