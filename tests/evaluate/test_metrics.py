"""The seven scores: by hand, by their formulas written out the slow way, and by the laws they obey."""

from __future__ import annotations

import doctest
import math
from statistics import fmean, pstdev

import numpy as np
import pytest

from pipeline.evaluate import metrics
from pipeline.evaluate.metrics import EPS, auc_judd, cc, information_gain, kld, nss, sauc, sim

SHAPE = (9, 11)


def random_frame(seed, dtype=np.float64):
    """A map with ties and zeros, fixations and negatives with multiplicity, a density."""
    rng = np.random.default_rng(seed)
    saliency = rng.gamma(0.5, size=SHAPE)
    saliency[rng.random(SHAPE) < 0.3] = 0
    if seed % 2:
        saliency = np.round(saliency, 1)
    if np.issubdtype(dtype, np.integer):
        saliency = np.round(saliency / saliency.max() * 255)
    fixations = rng.poisson(0.15, SHAPE)
    negatives = rng.poisson(0.5, SHAPE)
    density = rng.gamma(2, size=SHAPE)
    return saliency.astype(dtype), fixations, negatives, density


def pixels(picture):
    return [value.item() for value in np.asarray(picture).ravel()]


def as_often_as_counted(saliency, counts):
    return [value for value, count in zip(pixels(saliency), pixels(counts), strict=True) for _ in range(count)]


def share_won(winners, losers):
    """Of all pairs the share that the first wins, ties half: the area under the ROC curve, pair by pair."""
    wins = sum(1.0 if a > b else 0.5 if a == b else 0.0 for a in winners for b in losers)
    return wins / (len(winners) * len(losers))


def nss_by_definition(saliency, fixations):
    mean, deviation = fmean(pixels(saliency)), pstdev(pixels(saliency))
    return fmean((value - mean) / deviation for value in as_often_as_counted(saliency, fixations))


def auc_judd_by_definition(saliency, fixations):
    others = [value for value, count in zip(pixels(saliency), pixels(fixations), strict=True) if count == 0]
    return share_won(as_often_as_counted(saliency, fixations), others)


def sauc_by_definition(saliency, fixations, negatives):
    return share_won(as_often_as_counted(saliency, fixations), as_often_as_counted(saliency, negatives))


def distribution(picture):
    total = math.fsum(pixels(picture))
    return [value / total for value in pixels(picture)]


def kld_by_definition(saliency, density):
    pairs = zip(distribution(saliency), distribution(density), strict=True)
    return math.fsum(q * math.log(EPS + q / (p + EPS)) for p, q in pairs)


def sim_by_definition(saliency, density):
    return math.fsum(map(min, distribution(saliency), distribution(density)))


def information_gain_by_definition(saliency, fixations, baseline):
    gains = [
        math.log2(EPS + p) - math.log2(EPS + b)
        for p, b in zip(distribution(saliency), distribution(baseline), strict=True)
    ]
    return fmean(as_often_as_counted(np.array(gains), fixations))


# Each score as a function of (saliency, fixations, negatives, density), to run one law over all of them.
SCORES = {
    "nss": lambda s, f, n, g: nss(s, f),
    "auc_judd": lambda s, f, n, g: auc_judd(s, f),
    "sauc": lambda s, f, n, g: sauc(s, f, n),
    "cc": lambda s, f, n, g: cc(s, g),
    "sim": lambda s, f, n, g: sim(s, g),
    "kld": lambda s, f, n, g: kld(s, g),
    "information_gain": lambda s, f, n, g: information_gain(s, f, g),
}
DEFINITIONS = {
    "nss": lambda s, f, n, g: nss_by_definition(s, f),
    "auc_judd": lambda s, f, n, g: auc_judd_by_definition(s, f),
    "sauc": lambda s, f, n, g: sauc_by_definition(s, f, n),
    "cc": lambda s, f, n, g: np.corrcoef(np.asarray(s, float).ravel(), g.ravel())[0, 1],
    "sim": lambda s, f, n, g: sim_by_definition(s, g),
    "kld": lambda s, f, n, g: kld_by_definition(s, g),
    "information_gain": lambda s, f, n, g: information_gain_by_definition(s, f, g),
}
RANKS = ["auc_judd", "sauc"]
NEED_NON_NEGATIVE = ["sim", "kld", "information_gain"]


def test_the_hand_worked_examples_in_the_docstrings_are_true():
    result = doctest.testmod(metrics)
    assert result.attempted >= 13
    assert result.failed == 0


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.uint8, np.int32])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", SCORES)
def test_it_is_the_formula_worked_out_pixel_by_pixel_and_pair_by_pair(name, seed, dtype):
    frame = random_frame(seed, dtype)
    score = SCORES[name](*frame)
    assert type(score) is float
    assert score == pytest.approx(DEFINITIONS[name](*frame), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", SCORES)
def test_the_size_of_a_block_leaves_no_trace(monkeypatch, name):
    frame = random_frame(1)
    whole = SCORES[name](*frame)
    monkeypatch.setattr("pipeline.evaluate.checks.BLOCK_PIXELS", 7)
    assert SCORES[name](*frame) == pytest.approx(whole, rel=1e-12)
    eight_bit = random_frame(1, np.uint8)
    assert SCORES[name](*eight_bit) == pytest.approx(DEFINITIONS[name](*eight_bit), rel=1e-9)


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("factor", [1e-9, 0.37, 255.0, 1e9])
def test_the_scale_of_the_map_does_not_matter(name, factor):
    saliency, *truth = random_frame(2)
    assert SCORES[name](saliency * factor, *truth) == pytest.approx(SCORES[name](saliency, *truth), rel=1e-9)


@pytest.mark.parametrize("name", ["cc", "sim", "kld", "information_gain"])
def test_the_scale_of_the_ground_truth_or_baseline_does_not_matter(name):
    saliency, fixations, negatives, density = random_frame(2)
    score = SCORES[name](saliency, fixations, negatives, density)
    assert SCORES[name](saliency, fixations, negatives, 1e-3 * density) == pytest.approx(score, rel=1e-9)


@pytest.mark.parametrize("name", ["nss", "cc", *RANKS])
def test_a_pedestal_under_the_map_does_not_matter_where_only_contrast_counts(name):
    saliency, *truth = random_frame(2)
    assert SCORES[name](saliency - 17, *truth) == pytest.approx(SCORES[name](saliency, *truth), rel=1e-9)


def test_a_pedestal_under_the_map_is_another_prediction_for_sim():
    saliency, _, _, density = random_frame(2)
    assert sim(saliency + 1, density) > sim(saliency, density) + 0.01


@pytest.mark.parametrize("name", RANKS)
@pytest.mark.parametrize("bend", [np.exp, np.sqrt, lambda s: s**3, lambda s: np.argsort(np.argsort(np.unique(s)))[
    np.searchsorted(np.unique(s), s)]], ids=["exp", "sqrt", "cube", "ranks"])  # fmt: skip
def test_bending_the_map_does_not_change_its_ranks(name, bend):
    saliency, *truth = random_frame(3)
    assert SCORES[name](bend(saliency), *truth) == SCORES[name](saliency, *truth)


@pytest.mark.parametrize("name", RANKS)
def test_a_map_turned_upside_down_in_value_loses_what_it_won(name):
    saliency, *truth = random_frame(3)
    assert SCORES[name](-saliency, *truth) == pytest.approx(1 - SCORES[name](saliency, *truth), abs=1e-15)


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("turn", [np.fliplr, np.flipud, np.transpose], ids=["left-right", "up-down", "transposed"])
def test_a_mirrored_frame_scores_the_same(name, turn):
    frame = random_frame(2)
    assert SCORES[name](*map(turn, frame)) == pytest.approx(SCORES[name](*frame), rel=1e-12)


@pytest.mark.parametrize("name", ["nss", "auc_judd", "sauc", "information_gain"])
def test_doubling_every_count_changes_nothing_but_making_them_binary_does(name):
    saliency, fixations, negatives, density = random_frame(0)
    assert fixations.max() > 1
    score = SCORES[name](saliency, fixations, negatives, density)
    assert SCORES[name](saliency, 2 * fixations, 3 * negatives, density) == pytest.approx(score, rel=1e-12)
    assert abs(SCORES[name](saliency, fixations > 0, negatives, density) - score) > 1e-4


@pytest.mark.parametrize("seed", range(10))
def test_no_score_leaves_its_bounds(seed):
    saliency, fixations, negatives, density = random_frame(seed)
    assert 0 <= auc_judd(saliency, fixations) <= 1
    assert 0 <= sauc(saliency, fixations, negatives) <= 1
    assert -1 <= cc(saliency, density) <= 1
    assert 0 <= sim(saliency, density) <= 1
    assert kld(saliency, density) >= 0


def test_the_best_map_gets_the_best_score():
    _, fixations, _, density = random_frame(4)
    assert cc(3 * density + 2, density) == pytest.approx(1, abs=1e-12)
    assert cc(-density, density) == pytest.approx(-1, abs=1e-12)
    assert sim(density * 7, density) == pytest.approx(1, abs=1e-12)
    assert kld(density * 7, density) == pytest.approx(0, abs=1e-12)
    assert auc_judd(fixations, fixations) == 1.0
    assert sauc(fixations, fixations, (fixations == 0).astype(int)) == 1.0
    assert information_gain(density * 7, fixations, density) == pytest.approx(0, abs=1e-12)


def test_maps_with_nothing_in_common_score_worst():
    left, right = np.zeros((4, 4)), np.zeros((4, 4))
    left[:, 0] = 1
    right[:, 3] = 1
    assert sim(left, right) == 0
    assert kld(left, right) == pytest.approx(math.log(EPS + 0.25 / EPS))
    assert auc_judd(left, right.astype(int)) == pytest.approx(4 / 12)
    assert information_gain(left, right.astype(int), np.ones((4, 4))) == pytest.approx(math.log2(EPS) + 4)


@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, 1e9, np.float32(0.7)], ids=str)
def test_a_constant_map_says_nothing(value):
    _, fixations, negatives, density = random_frame(0)
    constant = np.full(SHAPE, value)
    assert nss(constant, fixations) == 0.0
    assert cc(constant, density) == 0.0
    assert auc_judd(constant, fixations) == 0.5
    assert sauc(constant, fixations, negatives) == 0.5


def test_an_all_zero_map_stands_for_the_uniform_distribution():
    _, fixations, _, density = random_frame(0)
    zeros, ones = np.zeros(SHAPE), np.ones(SHAPE)
    assert sim(zeros, density) == pytest.approx(sim(ones, density))
    assert kld(zeros, density) == pytest.approx(kld(ones, density))
    assert information_gain(zeros, fixations, density) == pytest.approx(information_gain(ones, fixations, density))
    assert information_gain(density, fixations, zeros) == pytest.approx(information_gain(density, fixations, ones))


def test_a_uniform_density_correlates_with_nothing():
    assert cc(random_frame(0)[0], np.ones(SHAPE)) == 0.0


@pytest.mark.parametrize("name", SCORES)
def test_a_frame_without_fixations_is_not_scored(name):
    saliency, fixations, negatives, density = random_frame(0)
    nowhere = np.zeros_like(fixations)
    empty = np.zeros_like(density) if name != "information_gain" else density
    assert math.isnan(SCORES[name](saliency, nowhere, negatives, empty))
    assert math.isnan(SCORES[name](np.ones(SHAPE), nowhere, negatives, empty)), "not even by a constant map"


def test_without_anything_to_compare_with_there_is_no_area():
    saliency, fixations, _, _ = random_frame(0)
    assert math.isnan(sauc(saliency, fixations, np.zeros_like(fixations)))
    assert math.isnan(auc_judd(saliency, np.ones_like(fixations)))


def test_negatives_on_a_fixated_pixel_are_ties():
    saliency, fixations, _, _ = random_frame(0)
    assert sauc(saliency, fixations, fixations) == 0.5


def test_values_that_differ_in_the_last_digit_are_no_ties():
    saliency = np.full((3, 3), 1.0)
    saliency[1, 1] = np.nextafter(1.0, 2)
    fixations = np.zeros((3, 3), dtype=int)
    fixations[1, 1] = 1
    assert auc_judd(saliency, fixations) == 1.0
    assert auc_judd(saliency.astype(np.float32), fixations) == 0.5


def test_sums_are_in_float64_whatever_the_map():
    rng = np.random.default_rng(0)
    saliency = (1e4 + rng.random((256, 320))).astype(np.float32)
    fixations = rng.poisson(0.001, saliency.shape)
    density = rng.random(saliency.shape).astype(np.float32)
    exact = saliency.astype(np.float64)
    assert nss(saliency, fixations) == pytest.approx(nss(exact, fixations), rel=1e-12)
    assert cc(saliency, density) == pytest.approx(np.corrcoef(exact.ravel(), density.ravel())[0, 1], rel=1e-9)
    assert nss(saliency, fixations) == pytest.approx(
        np.average((exact - exact.mean()) / exact.std(), weights=fixations), rel=1e-9
    )


@pytest.mark.parametrize("name", SCORES)
def test_the_pictures_given_are_not_changed(name):
    frame = random_frame(2)
    copies = [picture.copy() for picture in frame]
    SCORES[name](*frame)
    for picture, copy in zip(frame, copies, strict=True):
        np.testing.assert_array_equal(picture, copy)


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf], ids=str)
def test_a_map_that_is_not_finite_is_refused(name, value):
    saliency, *truth = random_frame(2)
    saliency[3, 4] = value
    with pytest.raises(ValueError, match="saliency map holds 1 values that are NaN or infinite"):
        SCORES[name](saliency, *truth)


@pytest.mark.parametrize("name", SCORES)
def test_shapes_that_differ_are_refused(name):
    saliency, *truth = random_frame(2)
    with pytest.raises(ValueError, match=r"shape \(9, 11\).*\(11, 9\)"):
        SCORES[name](saliency.T, *truth)


@pytest.mark.parametrize("name", ["nss", "auc_judd", "sauc", "information_gain"])
def test_fixations_that_are_no_counts_are_refused(name):
    saliency, fixations, negatives, density = random_frame(2)
    with pytest.raises(ValueError, match="fixations must be a picture of integer counts, got float64"):
        SCORES[name](saliency, fixations.astype(float), negatives, density)
    with pytest.raises(ValueError, match="cannot be negative; the minimum is -"):
        SCORES[name](saliency, fixations - 1, negatives, density)


def test_negatives_that_are_no_counts_are_refused():
    saliency, fixations, negatives, _ = random_frame(2)
    with pytest.raises(ValueError, match="negatives must be a picture of integer counts"):
        sauc(saliency, fixations, negatives / 2)
    with pytest.raises(ValueError, match="negatives picture has shape"):
        sauc(saliency, fixations, negatives[1:])


@pytest.mark.parametrize("name", NEED_NON_NEGATIVE)
def test_a_negative_map_is_no_distribution(name):
    saliency, *truth = random_frame(2)
    with pytest.raises(ValueError, match="saliency map stands for a distribution"):
        SCORES[name](saliency - 1, *truth)


@pytest.mark.parametrize("name", ["cc", "sim", "kld", "information_gain"])
def test_a_density_or_baseline_that_is_negative_or_not_finite_is_refused(name):
    saliency, fixations, negatives, density = random_frame(2)
    density[0, 0] = -1e-9
    with pytest.raises(ValueError, match="must not be negative"):
        SCORES[name](saliency, fixations, negatives, density)
    density[0, 0] = math.nan
    with pytest.raises(ValueError, match="NaN"):
        SCORES[name](saliency, fixations, negatives, density)


@pytest.mark.parametrize(
    ("saliency", "says"),
    [(np.ones(9), "row, column"), (np.ones((3, 3), complex), "real numbers"), (np.ones((0, 3)), "empty"),
     (np.array([["a", "b"]]), "real numbers")],
    ids=["flat", "complex", "empty", "text"],
)  # fmt: skip
def test_what_is_no_map_is_refused(saliency, says):
    with pytest.raises(ValueError, match=says):
        nss(saliency, np.ones((3, 3), dtype=int))
