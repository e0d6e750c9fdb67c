"""Shares at the centre, worked out by hand: a picture of 80 × 60 pixels, its middle at (40, 30), 4 pixels a degree."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.evaluate.baselines.opening import PUBLISHED, from_centre, opening
from tests.evaluate.baselines.people import crowd, seen_by


def at(distances_dva, frame=0, **more):
    """Fixations so far to the right of the middle."""
    points = [(frame, k, 40 + 4 * far, 30) for k, far in enumerate(distances_dva)]
    return seen_by(points, px_per_dva=4.0, **more)


@pytest.fixture(scope="module")
def videos():
    return [
        at([0, 1, 2, 3], name="a/x", n_frames=20),
        at([2], name="a/y", frame=9, n_frames=20),
        at([0.5, 5], name="b/z", n_frames=20),
    ]


def share(result, scope, radius):
    return result.shares.query("scope == @scope and radius_dva == @radius").iloc[0]


def test_distances_are_in_degrees_and_in_both_directions():
    truth = seen_by([(0, 0, 40, 30), (0, 1, 52, 30), (0, 2, 40, 14), (1, 0, 28, 46)], px_per_dva=4.0)
    np.testing.assert_allclose(from_centre(truth), [0, 3, 4, 5])
    np.testing.assert_allclose(from_centre(truth, frames=1), [0, 3, 4])


def test_shares_by_hand(videos):
    result = opening(videos, radii_dva=(1, 2, 5))
    row = share(result, "all", 1)  # 2 of 4, 0 of 1, 1 of 2
    assert (row["by_video"], row["pooled"]) == pytest.approx(((1 / 2 + 0 + 1 / 2) / 3, 3 / 7))
    assert (row["videos"], row["fixations"]) == (3, 7)
    row = share(result, "a", 2)  # 3 of 4, 1 of 1: the rim belongs to the centre
    assert (row["by_video"], row["pooled"]) == pytest.approx((7 / 8, 4 / 5))
    assert share(result, "b", 5)["by_video"] == share(result, "all", 5)["pooled"] == 1
    assert list(dict.fromkeys(result.shares["scope"])) == ["all", "a", "b"]


def test_the_eleventh_frame_is_not_among_the_first_ten(videos):
    late = [*videos, at([0] * 50, name="b/late", frame=10, n_frames=20)]
    result = opening(late, radii_dva=(1, 2, 5))
    assert result.shares.equals(opening(videos, radii_dva=(1, 2, 5)).shares)
    assert any(sentence.startswith("1 videos have no fixation") for sentence in result.said)
    assert opening(late, frames=11).shares["fixations"].max() == 57


def test_the_radius_of_a_share_by_hand(videos):
    reaching = opening(videos, published=0.75).reaching.set_index("scope")
    # in a: distances 0 1 2 2 3; pooled 0.8 of them within 2; by video 1/8 + 1/8 + 1/8 + 1/2 = 0.875 within 2
    assert reaching.loc["a"].tolist() == [2, 2]
    assert opening(videos, published=0.9).reaching.set_index("scope").loc["a"].tolist() == [3, 3]
    assert opening(videos, published=1.0).reaching.set_index("scope").loc["all"].tolist() == [5, 5]
    assert opening(videos, published=0.25).reaching.set_index("scope").loc["a"].tolist() == [1, 1]


def test_at_the_radius_found_the_share_is_the_published_one():
    videos = [crowd(seed, n_observers=10 + 30 * seed, n_frames=12, name=f"a/{seed}") for seed in range(4)]
    for averaging, radius in opening(videos).reaching.iloc[0][["by_video", "pooled"]].items():
        shares = opening(videos, radii_dva=(radius * (1 - 1e-9), radius * (1 + 1e-9))).shares[averaging]
        assert shares[0] < PUBLISHED <= shares[1], averaging


def test_without_any_fixation_there_is_no_share():
    result = opening([seen_by([], n_frames=3)])
    assert result.shares["by_video"].isna().all() and result.reaching.iloc[0][["by_video", "pooled"]].isna().all()


def test_no_frames_are_refused(videos):
    with pytest.raises(ValueError, match="frames is 0"):
        opening(videos, frames=0)
