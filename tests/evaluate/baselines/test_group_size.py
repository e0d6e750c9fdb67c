"""One observer predicted by ever more others."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.evaluate import protocols
from pipeline.evaluate.baselines.group_size import by_group_size, extrapolate
from pipeline.evaluate.baselines.human import leave_one_out
from pipeline.evaluate.protocol.scorer import Scorer
from tests.evaluate.baselines.people import crowd, seen_by

SIZE = (24, 32)
OURS = protocols.get("ours")


def curve_of(videos, sizes, **options):
    return by_group_size(videos, Scorer(OURS, videos), sizes, size=SIZE, **options)


@pytest.fixture(scope="module")
def noisy():
    videos = [crowd(seed, n_observers=20, n_frames=12, spread=0.12, name=f"a/{seed}") for seed in range(3)]
    return curve_of(videos, (1, 2, 4, 8, 16), every=1)


def test_more_observers_predict_one_better(noisy):
    wide = noisy.curve.pivot(index="size", columns="metric", values="mean")
    for metric in ("nss", "auc_judd", "sauc", "cc", "sim"):
        assert wide[metric].is_monotonic_increasing, metric
    assert wide["kld"].is_monotonic_decreasing
    assert (noisy.curve["videos"] == 3).all()


def test_intervals_hold_the_means_and_the_limit_lies_beyond_the_largest_group(noisy):
    assert noisy.curve["mean"].between(noisy.curve["low"], noisy.curve["high"]).all()
    assert noisy.limit["limit"].between(noisy.limit["low"], noisy.limit["high"]).all()
    largest = noisy.curve.query("size == 16").set_index("metric")["mean"]
    limit = noisy.limit.set_index("metric")["limit"]
    assert limit["nss"] > largest["nss"] and limit["kld"] < largest["kld"]
    assert any("extrapolated" in sentence for sentence in noisy.said)


def test_a_group_of_all_others_is_the_one_left_out():
    video = crowd(4, n_observers=5, n_frames=3)
    curve = curve_of([video], (4,), every=1, ones=5).curve.set_index("metric")["mean"]
    rows = leave_one_out([video], Scorer(OURS, [video]), size=SIZE)
    assert curve["nss"] == pytest.approx(np.mean([row["nss"] for row in rows]))
    assert curve["kld"] == pytest.approx(np.mean([row["kld"] for row in rows]))


def test_sizes_that_a_video_does_not_reach_have_no_value_and_say_of_how_many_videos_they_are():
    videos = [crowd(0, n_observers=9, name="a/many"), crowd(1, n_observers=3, name="a/few")]
    result = curve_of(videos, (1, 2, 4, 8), every=1)
    videos_at = result.curve.query("metric == 'nss'").set_index("size")["videos"]
    assert videos_at.to_dict() == {1: 2, 2: 2, 4: 1, 8: 1}
    assert np.isnan(result.by_video[1, 2:]).all() and np.isfinite(result.by_video[1, :2]).all()


def test_a_videos_sizes_are_all_of_the_same_frames():
    few_at_last = [(0, k, 20 + k, 30) for k in range(5)] + [(1, k, 20 + 2 * k, 30) for k in range(5)]
    alone = seen_by(few_at_last, n_frames=3)
    joined = seen_by([*few_at_last, (2, 0, 5, 5), (2, 1, 75, 55)], n_frames=3)
    scorer = Scorer(OURS, [alone])
    a, b = (by_group_size([video], scorer, (1, 4), size=SIZE, every=1) for video in (alone, joined))
    np.testing.assert_array_equal(a.by_video, b.by_video, "two observers in frame 2 cannot be a group of four")


def test_the_same_seed_draws_the_same_groups():
    videos = [crowd(7, n_observers=8)]
    first, again, other = (curve_of(videos, (1, 2), every=1, seed=seed).by_video for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("points", [[(0, 0, 5, 5)], []])
def test_nobody_to_predict_is_said(points):
    result = curve_of([seen_by(points, name="a/alone", n_frames=2)], (1, 2), every=1)
    assert result.curve["mean"].isna().all() and (result.curve["videos"] == 0).all()
    assert result.limit["limit"].isna().all()
    assert "a/alone" in result.said[-1]


def test_the_limit_is_read_off_the_line_through_the_larger_groups():
    sizes = (1, 2, 4, 8, 16)
    curve = np.array([[9.0], [9.0], *([2 - 3 / k] for k in (4, 8, 16))])
    assert extrapolate(sizes, curve) == pytest.approx([2])
    assert extrapolate(sizes, curve, 1) != pytest.approx([2])
    assert np.isnan(extrapolate(sizes, curve, 16)).all(), "through one point goes any line"


@pytest.mark.parametrize(("sizes", "more"), [((2, 1), {}), ((0, 1), {}), ((), {}), ((1,), {"ones": 0})])
def test_sizes_must_rise_from_one(sizes, more):
    with pytest.raises(ValueError, match="expected"):
        curve_of([crowd(0)], sizes, **more)
