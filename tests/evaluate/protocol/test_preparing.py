"""Maps on their way to a score: resized, smoothed and saved as the public codes do it."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.evaluate.protocol import preparing
from pipeline.evaluate.protocol.preparing import RULES, Saving, Smoothing, resize

LINEAR_RULES = [rule for rule in RULES if rule != "lanczos"]


def random_map(shape=(32, 40), seed=0):
    return np.random.default_rng(seed).random(shape)


def test_the_hand_worked_examples_in_the_docstrings_are_true():
    result = doctest.testmod(preparing)
    assert result.attempted >= 2
    assert result.failed == 0


def test_shrinking_by_areas_is_the_mean_of_each_block():
    saliency = random_map((6, 8))
    blocks = saliency.reshape(2, 3, 4, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(resize(saliency, (2, 4), "area"), blocks, rtol=1e-6)


@pytest.mark.parametrize("size", [(7, 9), (31, 13), (1, 1)])
def test_shrinking_by_areas_keeps_the_mean_at_any_ratio(size):
    saliency = random_map()
    assert resize(saliency, size, "area").mean(dtype=float) == pytest.approx(saliency.mean(), rel=1e-6)


@pytest.mark.parametrize(("rule", "size"), [("area", (256, 320)), ("area", (33, 77)), ("bilinear", (256, 320)),
                                            ("bilinear", (20, 11))])  # fmt: skip
def test_straight_lines_between_middles_are_those_of_torch(rule, size):
    saliency = random_map()
    theirs = torch.nn.functional.interpolate(torch.tensor(saliency)[None, None], size, mode="bilinear")[0, 0]
    np.testing.assert_allclose(resize(saliency, size, rule), theirs.numpy(), atol=1e-6)


def test_one_axis_may_shrink_while_the_other_grows():
    saliency = random_map((8, 4))
    both = resize(saliency, (2, 12), "area")
    np.testing.assert_allclose(both, resize(resize(saliency, (2, 4), "area"), (2, 12), "area"), atol=1e-6)


@pytest.mark.parametrize("size", [(20, 25), (64, 100)])
def test_the_cubic_is_pillow_s_away_from_the_edges_which_it_mirrors(size):
    saliency = random_map().astype(np.float32)
    theirs = np.asarray(Image.fromarray(saliency).resize(size[::-1], Image.Resampling.BICUBIC))
    ours = resize(saliency, size, "bicubic")
    np.testing.assert_allclose(ours[8:-8, 8:-8], theirs[8:-8, 8:-8], atol=1e-6)
    assert np.abs(ours - theirs)[0].max() > 1e-3


def test_the_cubic_by_hand():
    # Halved, each middle lies between two pixels and weighs four on either side: (111, 29, -9, -3) / 256.
    halved = resize(np.eye(16)[:, :1].T, (1, 8), "bicubic")[0]
    assert halved[:3] == pytest.approx([(111 + 29) / 256, (-9 - 3) / 256, 0], abs=1e-12), "the first pixel is mirrored"


def test_the_cubic_overshoots_and_the_others_do_not():
    step = np.repeat([[0.0] * 8 + [1.0] * 8], 4, axis=0)
    assert resize(step, (8, 64), "bicubic").min() < -0.01
    for rule in ("area", "bilinear"):
        for size in ((8, 64), (3, 7)):
            resized = resize(step, size, rule)
            assert (resized.min(), resized.max()) == (0, 1)


@pytest.mark.parametrize("rule", ["area", "bilinear"])
@pytest.mark.parametrize("size", [(256, 320), (37, 53), (9, 11)])
def test_equal_neighbours_stay_equal(rule, size):
    plateau = np.full((32, 40), 0.1, np.float32)
    plateau[:16] = 0.7
    values = np.unique(resize(plateau, size, rule))
    assert values.min() == np.float32(0.1) and values.max() == np.float32(0.7)
    assert values.size <= size[0] // 16 + 3, "one value a row at the most, and few rows on the slope"


@pytest.mark.parametrize("rule", LINEAR_RULES)
def test_a_map_that_has_the_size_is_left_alone(rule):
    saliency = random_map()
    assert resize(saliency, (32, 40), rule) is saliency


def test_an_unknown_rule_is_an_error():
    with pytest.raises(KeyError):
        resize(random_map(), (5, 5), "nearest")


@pytest.mark.parametrize(("edge", "padding"), [("reflect", "symmetric"), ("mirror", "reflect")])
def test_smoothing_is_a_cut_gaussian_over_the_padded_map(edge, padding):
    saliency, reach = random_map((10, 12)), 3
    profile = np.exp(-0.5 * (np.arange(-reach, reach + 1) / 1.5) ** 2)
    kernel = np.outer(profile, profile) / profile.sum() ** 2
    padded = np.pad(saliency, reach, mode=padding)
    by_hand = [[(padded[r : r + 7, c : c + 7] * kernel).sum() for c in range(12)] for r in range(10)]
    np.testing.assert_allclose(Smoothing(1.5, reach, edge, first=True).smooth(saliency), by_hand, rtol=1e-12)


def test_a_picture_fills_the_range_and_is_cut_or_rounded():
    saliency = np.array([[-1.0, 0.0, 1.0]])
    assert Saving(cut=True).picture(saliency).tolist() == [[0, 127, 255]]
    assert Saving().picture(np.array([[0.0, 0.3, 1.0]])).tolist() == [[0, 76, 255]]
    assert Saving().picture(np.array([[0.0, 0.299, 1.0]])).tolist() == [[0, 76, 255]]
    assert Saving(cut=True).picture(np.array([[0.0, 0.2999, 1.0]])).tolist() == [[0, 76, 255]]


def test_an_eight_bit_picture_was_saved_already():
    picture = np.array([[3, 100, 200]], np.uint8)
    assert Saving(cut=True, jpeg=75).picture(picture) is picture


def test_a_constant_map_is_saved_as_black():
    assert not Saving().picture(np.full((3, 3), 0.7)).any()


def test_a_jpeg_of_low_quality_is_further_off_than_one_of_high():
    saliency = random_map()
    exact = Saving().picture(saliency).astype(int)
    errors = [np.abs(Saving(jpeg=quality).picture(saliency) - exact).mean() for quality in (75, 100)]
    assert errors[0] > 2 * errors[1]
    assert errors[1] < 1


def test_lanczos_is_pillow_s_on_eight_bits():
    picture = Saving(cut=True).picture(random_map())
    resized = resize(picture, (48, 64), "lanczos")
    assert resized.dtype == np.uint8 and resized.shape == (48, 64)
