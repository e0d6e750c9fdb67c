"""Areas under published ROC curves: against the loop over thresholds, and against the mean of many draws."""

from __future__ import annotations

import doctest
import math
from itertools import pairwise

import numpy as np
import pytest

from pipeline.evaluate import metrics
from pipeline.evaluate.protocol import variants_roc
from pipeline.evaluate.protocol.variants import binary
from pipeline.evaluate.protocol.variants_roc import (
    auc_borji_expected,
    auc_borji_matlab,
    auc_judd_expected,
    auc_judd_matlab,
    sauc_expected,
    sauc_matlab,
)

SHAPE = (9, 11)


def random_frame(seed, *, ties):
    """A map, with most of it 0 if there are to be ties; fixations and negatives hit more than once."""
    rng = np.random.default_rng(seed)
    saliency = rng.gamma(0.5, size=SHAPE)
    if ties:
        saliency = np.round(np.maximum(0, saliency - 0.3), 1)
    return saliency, rng.poisson(0.15, SHAPE), rng.poisson(0.4, SHAPE)


def area(points):
    """Under lines through points (false, true)."""
    return math.fsum((x1 - x0) * (y0 + y1) / 2 for (x0, y0), (x1, y1) in pairwise(points))


def judd_by_the_loop(saliency, fixations, counted_from=1):
    """Threshold by threshold, as the published loop goes; ViNet counts from 0."""
    fixated = sorted(saliency[fixations > 0].tolist(), reverse=True)
    n, pixels = len(fixated), saliency.ravel().tolist()
    curve = [(0.0, 0.0)]
    for k, threshold in enumerate(fixated):
        above = sum(value >= threshold for value in pixels)
        curve.append(((above - (k + counted_from)) / (len(pixels) - n), (k + 1) / n))
    return area([*curve, (1.0, 1.0)])


def steps_by_the_loop(fixated, others):
    """Eleven thresholds from the highest; values in 0..1."""
    curve = [(0.0, 0.0)]
    for tenths in range(10, -1, -1):
        curve.append(tuple(np.mean([value >= tenths / 10 for value in values]) for values in (others, fixated)))
    return area([*curve, (1.0, 1.0)])


def stretched(saliency):
    return (saliency - saliency.min()) / (saliency.max() - saliency.min())


def within_the_noise_of(draws, expected):
    """Whether a mean of draws is what is expected: within four standard errors."""
    error = np.std(draws, ddof=1) / math.sqrt(len(draws))
    return abs(np.mean(draws) - expected) < 4 * error


def test_the_hand_worked_examples_in_the_docstrings_are_true():
    result = doctest.testmod(variants_roc)
    assert result.attempted >= 3
    assert result.failed == 0


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_judd_is_the_loop_over_thresholds(seed, ties):
    saliency, fixations, _ = random_frame(seed, ties=ties)
    assert auc_judd_matlab(saliency, fixations) == pytest.approx(judd_by_the_loop(saliency, fixations), abs=1e-12)
    one_too_many = auc_judd_matlab(saliency, fixations, off_by_one=True)
    assert one_too_many == pytest.approx(judd_by_the_loop(saliency, fixations, counted_from=0), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_lines_add_half_the_false_positives_at_the_lowest_fixation(seed):
    saliency, fixations, _ = random_frame(seed, ties=False)
    fixated, others = saliency[fixations > 0], saliency[fixations == 0]
    gain = (others > fixated.min()).mean() / (2 * fixated.size)
    exact = metrics.auc_judd(saliency, binary(fixations))
    assert auc_judd_matlab(saliency, fixations) == pytest.approx(exact + gain, abs=1e-12)
    assert auc_judd_expected(saliency, fixations) == pytest.approx(exact + gain, abs=1e-12)


def test_fewer_observers_gain_more_by_the_lines():
    rng = np.random.default_rng(0)
    saliency = rng.random((32, 40))
    gains = []
    for n in (3, 30):
        fixations = np.zeros(saliency.size, int)
        fixations[rng.choice(saliency.size, n, replace=False)] = 1
        fixations = fixations.reshape(saliency.shape)
        gains.append(auc_judd_matlab(saliency, fixations) - metrics.auc_judd(saliency, fixations))
    assert gains[0] > 3 * gains[1] > 0


def test_vinet_s_count_from_zero_costs_eight_ten_thousandths_at_the_size_of_dave():
    rng = np.random.default_rng(1)
    saliency, fixations = rng.random((32, 40)), (rng.random((32, 40)) < 0.03).astype(int)
    loss = auc_judd_matlab(saliency, fixations) - auc_judd_matlab(saliency, fixations, off_by_one=True)
    assert loss == pytest.approx(8e-4, abs=5e-5)
    assert auc_judd_expected(saliency, fixations) - auc_judd_expected(saliency, fixations, off_by_one=True) == (
        pytest.approx(loss, abs=1e-12)
    )


@pytest.mark.parametrize("off_by_one", [False, True])
def test_the_mean_over_jitters_is_worked_out_without_jitter(off_by_one):
    saliency, fixations, _ = random_frame(2, ties=True)
    assert (saliency[fixations > 0] == 0).sum() > 1, "fixations tied at the lowest value"
    draws = [
        auc_judd_matlab(saliency, fixations, jitter=np.random.default_rng(seed), off_by_one=off_by_one)
        for seed in range(300)
    ]
    assert np.std(draws) > 0.003
    assert within_the_noise_of(draws, auc_judd_expected(saliency, fixations, off_by_one=off_by_one))
    assert auc_judd_matlab(saliency, fixations) < np.mean(draws) - 0.01, "ties that stay are false positives"


@pytest.mark.parametrize("n", [1, 2, 7])
def test_a_constant_map_scores_above_chance_after_jitter(n):
    fixations = np.zeros(SHAPE, int)
    fixations.ravel()[:n] = 1
    expected = auc_judd_expected(np.ones(SHAPE), fixations)
    assert expected == pytest.approx(0.5 + 1 / (2 * n + 2))
    draws = [auc_judd_matlab(np.ones(SHAPE), fixations, jitter=np.random.default_rng(seed)) for seed in range(300)]
    assert within_the_noise_of(draws, expected)


def test_jitter_scrambles_a_map_of_values_as_small_as_itself():
    rng = np.random.default_rng(3)
    saliency = rng.random((40, 50))
    fixations = (saliency > 0.97).astype(int)
    drawn = [auc_judd_matlab(saliency * scale, fixations, jitter=np.random.default_rng(0)) for scale in (1, 1e-6, 1e-8)]
    assert drawn[0] > 0.999
    assert drawn[0] - 1e-3 > drawn[1] > drawn[2] + 0.2
    assert auc_judd_expected(saliency * 1e-8, fixations) > 0.999


@pytest.mark.parametrize("seed", range(3))
def test_all_negatives_at_once_give_the_loop_over_eleven_thresholds(seed):
    saliency, fixations, negatives = random_frame(seed, ties=False)
    values = stretched(saliency)
    by_loop = steps_by_the_loop(values[fixations > 0], values[negatives > 0])
    assert sauc_expected(saliency, fixations, negatives) == pytest.approx(by_loop, abs=1e-12)
    everywhere = steps_by_the_loop(values[fixations > 0], values.ravel())
    assert auc_borji_expected(saliency, fixations) == pytest.approx(everywhere, abs=1e-12)


def test_eleven_thresholds_are_not_the_area_by_ranks():
    saliency, fixations, negatives = random_frame(0, ties=False)
    differences = [
        sauc_expected(saliency**bend, fixations, negatives)
        - metrics.sauc(saliency, binary(fixations), binary(negatives))
        for bend in (0.3, 1, 3)
    ]
    assert max(map(abs, differences)) > 0.01
    assert np.ptp(differences) > 0.01, "bending the map, which leaves its ranks, moves the score"


def test_the_mean_over_splits_is_worked_out_without_splits():
    saliency, fixations, negatives = random_frame(1, ties=True)
    fixations = fixations * (
        np.random.default_rng(0).random(SHAPE) < 0.4
    )  # fewer than the negatives, so that draws vary
    expected = sauc_expected(saliency, fixations, negatives)
    draws = [sauc_matlab(saliency, fixations, negatives, np.random.default_rng(seed), splits=10) for seed in range(100)]
    assert np.std(draws) > 0.005
    assert within_the_noise_of(draws, expected)
    draws = [auc_borji_matlab(saliency, fixations, np.random.default_rng(seed), splits=10) for seed in range(100)]
    assert within_the_noise_of(draws, auc_borji_expected(saliency, fixations))


def test_a_hundred_splits_scatter_less_than_ten():
    saliency, fixations, negatives = random_frame(1, ties=False)
    spread = [
        np.std([sauc_matlab(saliency, fixations, negatives, np.random.default_rng(s), splits) for s in range(20)])
        for splits in (10, 100)
    ]
    assert spread[1] < spread[0]


def test_where_there_are_fewer_negatives_than_fixations_all_take_part_in_every_split():
    saliency, fixations, _ = random_frame(0, ties=False)
    negatives = np.zeros(SHAPE, int)
    negatives.flat[[saliency.argmin(), saliency.argmax()]] = 1
    drawn = sauc_matlab(saliency, fixations, negatives, np.random.default_rng(0), splits=25)
    assert drawn == pytest.approx(sauc_expected(saliency, fixations, negatives), abs=1e-12)


def test_the_same_seed_gives_the_same_score_and_another_one_another():
    saliency, fixations, negatives = random_frame(1, ties=True)
    codes = [
        lambda seed: auc_judd_matlab(saliency, fixations, jitter=np.random.default_rng(seed)),
        lambda seed: sauc_matlab(saliency, fixations, negatives, np.random.default_rng(seed)),
        lambda seed: auc_borji_matlab(saliency, fixations, np.random.default_rng(seed)),
    ]
    for code in codes:
        assert code(5) == code(5) != code(6)


def test_a_pixel_hit_twice_counts_once():
    saliency, fixations, negatives = random_frame(1, ties=True)
    assert fixations.max() > 1 and negatives.max() > 1
    assert auc_judd_matlab(saliency, fixations) == auc_judd_matlab(saliency, binary(fixations))
    assert auc_judd_expected(saliency, fixations) == auc_judd_expected(saliency, binary(fixations))
    assert sauc_expected(saliency, fixations, negatives) == sauc_expected(
        saliency, binary(fixations), binary(negatives)
    )


def test_where_the_published_code_has_no_number_there_is_none():
    saliency, fixations, negatives = random_frame(0, ties=False)
    nowhere, everywhere, constant = np.zeros(SHAPE, int), np.ones(SHAPE, int), np.ones(SHAPE)
    one = nowhere.copy()
    one[2, 3] = 4
    draw = np.random.default_rng(0)
    for score in (
        auc_judd_matlab(saliency, nowhere),
        auc_judd_matlab(saliency, everywhere),
        auc_judd_matlab(constant, fixations),
        auc_judd_expected(saliency, nowhere),
        auc_judd_expected(saliency, everywhere),
        sauc_matlab(saliency, nowhere, negatives, draw),
        sauc_matlab(saliency, fixations, nowhere, draw),
        sauc_matlab(constant, fixations, negatives, draw),
        sauc_expected(saliency, fixations, nowhere),
        sauc_expected(constant, fixations, negatives),
        auc_borji_matlab(saliency, one, draw),
        auc_borji_expected(saliency, one),
        auc_borji_expected(constant, fixations),
    ):
        assert math.isnan(score)


def test_the_map_given_is_not_changed():
    saliency, fixations, negatives = random_frame(0, ties=True)
    copy = saliency.copy()
    auc_judd_matlab(saliency, fixations, jitter=np.random.default_rng(0))
    sauc_matlab(saliency, fixations, negatives, np.random.default_rng(0), splits=2)
    np.testing.assert_array_equal(saliency, copy)
