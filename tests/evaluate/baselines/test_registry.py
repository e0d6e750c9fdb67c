"""Baselines by name: whom a mean eye position is made of, and whom it leaves out."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import AveError, UsageError
from pipeline.evaluate import baselines
from pipeline.evaluate.baselines import registry
from tests.evaluate.baselines.people import crowd, seen_by

SIZE = (12, 16)


@pytest.fixture(scope="module")
def train():
    return [
        crowd(0, name="a/one", category="nature", n_frames=5),
        crowd(1, name="a/two", category="social", n_frames=2),
        crowd(2, name="b/three", category="nature", size_px=(90, 60)),
        crowd(3, name="b/four", category="misc"),
    ]


def mean_of(*videos):
    """By the slow way: every frame's map, then the videos."""
    means = [np.mean([video.density(frame, SIZE) for frame in range(video.n_frames)], axis=0) for video in videos]
    return np.mean(means, axis=0, dtype=np.float64)


def fitted(name, train):
    return registry.fitted([name], train, SIZE)[0]


@pytest.mark.parametrize("name", registry.names())
def test_every_baseline_gives_a_distribution_of_the_fitted_size_and_says_what_it_is(name, train):
    one = fitted(name, train)
    for truth in (train[0], crowd(9, name="c/test", category="social")):
        saliency = one.map(truth, 1)
        assert saliency.shape == SIZE and saliency.dtype == np.float64 and saliency.min() >= 0
        assert saliency.sum() == pytest.approx(1)
    assert one.name == name and one.said.startswith(f"{name}: ") and one.said.endswith(".")


def test_the_mean_eye_position_of_a_test_video_is_that_of_the_whole_training_split(train):
    mep = fitted("mep", train).map(crowd(9, name="c/test"), 0)
    np.testing.assert_allclose(mep, mean_of(*train), atol=1e-6)
    np.testing.assert_allclose(mep, baselines.mep_of(train, SIZE), atol=1e-12)


def test_inside_train_a_video_is_left_out_of_its_own_map(train):
    mep = fitted("mep", train)
    for k, truth in enumerate(train):
        rest = train[:k] + train[k + 1 :]
        np.testing.assert_allclose(mep.map(truth, 0), mean_of(*rest), atol=1e-6)


def test_left_out_is_the_whole_video_also_for_some_of_its_observers(train):
    mep = fitted("mep", train)
    np.testing.assert_array_equal(mep.map(train[0].of_observers([0, 1]), 0), mep.map(train[0], 0))


@pytest.mark.parametrize(("name", "own"), [("mep-category", [0, 2]), ("mep-corpus", [0, 1])])
def test_a_groups_mean_is_of_its_videos_alone(name, own, train):
    mep = fitted(name, train)
    stranger = crowd(9, name="a/test", category="nature")
    np.testing.assert_allclose(mep.map(stranger, 0), mean_of(*(train[k] for k in own)), atol=1e-6)
    np.testing.assert_allclose(mep.map(train[0], 0), mean_of(train[own[1]]), atol=1e-6)
    assert "No other video" not in mep.said


def test_a_category_that_train_lacks_gets_the_mean_of_all_and_the_table_says_so(train):
    mep = fitted("mep-category", train)
    np.testing.assert_allclose(mep.map(crowd(9, category="sport"), 0), mean_of(*train), atol=1e-6)
    assert "category sport is in train, so the mean of all stands there" in mep.said


def test_the_only_video_of_its_category_in_train_gets_the_mean_of_all_others(train):
    mep = fitted("mep-category", train)
    np.testing.assert_allclose(mep.map(train[3], 0), mean_of(*train[:3]), atol=1e-6)
    assert "misc" in mep.said.split("No other")[1]


def test_videos_that_nobody_looks_at_do_not_count(train):
    with_empty = [*train, seen_by([], name="a/empty", n_frames=3)]
    np.testing.assert_allclose(baselines.mep_of(with_empty, SIZE), baselines.mep_of(train, SIZE), atol=1e-12)
    assert "over 4 videos" in fitted("mep", with_empty).said


def test_the_only_video_of_train_cannot_be_left_out(train):
    mep = fitted("mep", train[:1])
    mep.map(train[1], 0)
    with pytest.raises(AveError, match="a/one is the only video of train") as caught:
        mep.map(train[0], 0)
    assert caught.value.remedy


@pytest.mark.parametrize("name", ["centre", "mep", "mep-corpus"])
def test_a_training_split_without_fixations_is_an_error(name):
    with pytest.raises(AveError, match="no frame with fixations"):
        fitted(name, [seen_by([], n_frames=3)])


def test_the_centre_has_the_spread_of_the_mean_eye_position(train):
    centre = fitted("centre", train)
    spread = baselines.spread_about_centre(baselines.mep_of(train, SIZE))
    np.testing.assert_allclose(centre.map(train[0], 0), baselines.centre_gaussian(SIZE, spread))
    assert f"{spread[0]:.3f} of the height" in centre.said


def test_a_misspelt_baseline_names_the_nearest():
    with pytest.raises(UsageError) as caught:
        registry.get("mep-categry")
    assert "mep-category" in caught.value.remedy
