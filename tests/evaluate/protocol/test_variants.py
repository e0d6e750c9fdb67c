"""The scores of public codes: by hand, against the exact ones, and where they have no number."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest

from pipeline.evaluate import metrics
from pipeline.evaluate.protocol import variants
from pipeline.evaluate.protocol.variants import (
    binary,
    cc_float32,
    cc_matlab,
    information_gain_matlab,
    kld_float32,
    kld_matlab,
    nss_float32,
    nss_matlab,
    sim_float32,
    sim_matlab,
)

SHAPE = (9, 11)
ONES, ZEROS = np.ones(SHAPE), np.zeros(SHAPE)


def random_frame(seed, shape=SHAPE):
    """A map with zeros, fixations hit more than once, a density that nowhere is 0."""
    rng = np.random.default_rng(seed)
    saliency = rng.gamma(0.5, size=shape)
    saliency[rng.random(shape) < 0.3] = 0
    return saliency, rng.poisson(0.3, shape), rng.gamma(2, size=shape)


def test_the_hand_worked_examples_in_the_docstrings_are_true():
    result = doctest.testmod(variants)
    assert result.attempted >= 10
    assert result.failed == 0


@pytest.mark.parametrize("seed", range(3))
def test_nss_is_the_exact_one_of_the_binary_picture_but_for_n_minus_one(seed):
    saliency, fixations, _ = random_frame(seed)
    n = saliency.size
    exact = metrics.nss(saliency, binary(fixations))
    assert nss_matlab(saliency, fixations) == pytest.approx(exact * math.sqrt((n - 1) / n), rel=1e-12)


def test_n_minus_one_takes_four_ten_thousandths_off_nss_at_the_size_of_dave():
    saliency, fixations, _ = random_frame(0, (32, 40))
    assert nss_matlab(saliency, fixations) / metrics.nss(saliency, binary(fixations)) == pytest.approx(
        1 - 4e-4, abs=2e-5
    )


@pytest.mark.parametrize("code", [nss_matlab, nss_float32])
def test_a_pixel_hit_twice_counts_once(code):
    saliency, fixations, _ = random_frame(1)
    often = fixations.copy()
    often.flat[saliency.argmax()] = 9
    once = binary(often)
    assert code(saliency, often) == code(saliency, once)
    assert metrics.nss(saliency, often) > metrics.nss(saliency, once) + 0.5


@pytest.mark.parametrize("seed", range(3))
def test_cc_is_the_exact_one(seed):
    saliency, _, density = random_frame(seed)
    assert cc_matlab(saliency, density) == pytest.approx(metrics.cc(saliency, density), rel=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_sim_is_the_exact_one_of_the_maps_less_their_minimum(seed):
    saliency, _, density = random_frame(seed)
    saliency += 1
    exact = metrics.sim(saliency - saliency.min(), density - density.min())
    assert sim_matlab(saliency, density) == pytest.approx(exact, rel=1e-12)


def test_a_pedestal_costs_nothing_in_the_published_sim():
    saliency, _, density = random_frame(0)
    density -= density.min()
    raised = saliency + 0.1 * saliency.max()
    assert sim_matlab(raised, density) == pytest.approx(sim_matlab(saliency, density), rel=1e-12)
    assert abs(metrics.sim(raised, density) - metrics.sim(saliency, density)) > 0.02


@pytest.mark.parametrize("seed", range(3))
def test_kld_is_the_exact_one_where_the_map_is_no_special_case(seed):
    saliency, _, density = random_frame(seed)
    assert kld_matlab(saliency, density) == pytest.approx(metrics.kld(saliency, density), rel=1e-12)


def test_an_all_zero_map_is_not_the_uniform_one_in_the_published_kld():
    _, _, density = random_frame(0)
    q = density / density.sum()
    entropy = -float((q * np.log(q)).sum())
    assert kld_matlab(ZEROS, density) == pytest.approx(-math.log(metrics.EPS) - entropy)
    assert kld_matlab(ZEROS, density) > 30 > metrics.kld(ZEROS, density)


def test_where_a_cubic_resize_left_a_map_negative_the_real_part_of_the_logarithm_is_taken():
    p = [0.75, 0.5, -0.25]
    expected = (math.log(1 / 3 / 0.75) + math.log(1 / 3 / 0.5) + math.log(1 / 3 / 0.25)) / 3
    assert kld_matlab([p], [[1, 1, 1]]) == pytest.approx(expected)


def test_information_gain_less_the_minimum_punishes_a_fixation_on_the_lowest_pixel():
    nearly_flat = [[100.0, 101.0, 101.0, 101.0]]
    fixations, uniform = [[1, 0, 0, 0]], [[1.0, 1.0, 1.0, 0.0]]
    assert metrics.information_gain(nearly_flat, fixations, uniform) == pytest.approx(math.log2(300 / 403))
    assert information_gain_matlab(nearly_flat, fixations, uniform) == pytest.approx(
        math.log2(metrics.EPS) + math.log2(3)
    )


@pytest.mark.parametrize(
    ("code", "in_double", "digits"),
    [(nss_float32, nss_matlab, 1e-5), (cc_float32, cc_matlab, 1e-5), (sim_float32, sim_matlab, 1e-5),
     (kld_float32, kld_matlab, 1e-4)],
)  # fmt: skip
@pytest.mark.parametrize("seed", range(3))
def test_single_precision_changes_late_digits_only(code, in_double, digits, seed):
    saliency, fixations, density = random_frame(seed)
    truth = fixations if code is nss_float32 else density
    assert code(saliency, truth) == pytest.approx(in_double(saliency, truth), rel=digits)
    assert code(saliency, truth) != in_double(saliency, truth)


NO_NUMBER = {
    "nss, nobody looked": lambda f: nss_matlab(f[0], ZEROS.astype(int)),
    "nss, constant map": lambda f: nss_matlab(ONES, f[1]),
    "nss in float32, nobody looked": lambda f: nss_float32(f[0], ZEROS.astype(int)),
    "cc, constant map": lambda f: cc_matlab(ONES, f[2]),
    "cc, empty density": lambda f: cc_matlab(f[0], ZEROS),
    "cc in float32, empty density": lambda f: cc_float32(f[0], ZEROS),
    "sim, constant map": lambda f: sim_matlab(ONES, f[2]),
    "sim, constant density": lambda f: sim_matlab(ZEROS, ONES),
    "sim in float32, all-zero map": lambda f: sim_float32(ZEROS, f[2]),
    "sim in float32, empty density": lambda f: sim_float32(f[0], ZEROS),
    "kld in float32, empty density": lambda f: kld_float32(f[0], ZEROS),
    "ig, nobody looked": lambda f: information_gain_matlab(f[0], ZEROS.astype(int), f[2]),
    "ig, constant baseline": lambda f: information_gain_matlab(f[0], f[1], ONES),
}


@pytest.mark.parametrize("case", NO_NUMBER)
def test_where_the_published_code_has_no_number_there_is_none(case):
    assert math.isnan(NO_NUMBER[case](random_frame(0)))


def test_where_the_published_code_has_a_number_for_an_empty_frame_it_is_that_one():
    saliency, _, density = random_frame(0)
    assert sim_matlab(saliency, ZEROS) == 0.0
    assert kld_matlab(saliency, ZEROS) == 0.0
    assert sim_matlab(ZEROS, density) == 0.0


@pytest.mark.parametrize("code", [cc_matlab, sim_matlab, kld_matlab, cc_float32, sim_float32, kld_float32])
def test_what_is_no_map_is_refused(code):
    saliency, _, density = random_frame(0)
    with pytest.raises(ValueError, match="shape"):
        code(saliency, density.T)
    saliency[0, 0] = math.nan
    with pytest.raises(ValueError, match="NaN"):
        code(saliency, density)
