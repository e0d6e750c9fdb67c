"""Densities as the protocols blur them: where the peak is, how wide, in how many levels."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.evaluate.protocol import densities
from tests.evaluate.gaze import truth_at, watched

KINDS = [densities.exact, densities.eight_bit, densities.dhf1k, densities.eight_cycles]


def blurred(kind, truth, size=None):
    return kind(truth, 0, truth.counts(0, size or truth.size_px))


@pytest.mark.parametrize("kind", KINDS)
def test_a_density_is_a_map_that_is_nowhere_negative(kind):
    truth = watched(0, empty=(2,))
    density = blurred(kind, truth)
    assert density.shape == truth.size_px
    assert density.min() >= 0 and density.max() > 0
    assert not kind(truth, 2, truth.counts(2, truth.size_px)).any(), "nobody fixates, so there is none"


@pytest.mark.parametrize("kind", [densities.exact, densities.eight_bit, densities.eight_cycles])
def test_its_peak_is_where_somebody_looked(kind):
    density = blurred(kind, truth_at([(0, 30.5, 20.5)]))
    assert np.unravel_index(density.argmax(), density.shape) == (20, 30)


def test_eight_bits_are_the_exact_density_in_256_levels():
    truth = watched(1)
    exact, coarse = blurred(densities.exact, truth), blurred(densities.eight_bit, truth)
    levels = coarse * 255
    np.testing.assert_allclose(levels, np.rint(levels), atol=1e-9)
    assert coarse.max() == 1
    np.testing.assert_allclose(coarse, exact / exact.max(), atol=0.5 / 255 + 1e-6)


def test_dhf1k_s_peak_lies_two_pixels_right_and_down():
    # A fixation at row 30, column 50, counted from 1, peaks at row 32, column 52.
    density = blurred(densities.dhf1k, truth_at([(0, 49.5, 29.5)], (80, 120)))
    assert np.unravel_index(density.argmax(), density.shape) == (32 - 1, 52 - 1)


def test_dhf1k_s_width_is_thirty_pixels_at_half_the_height_on_any_screen():
    for px_per_dva in (5.0, 50.0):
        density = blurred(densities.dhf1k, truth_at([(0, 60.5, 60.5)], (120, 120), px_per_dva=px_per_dva))
        row = density[62]
        assert row[62 + 15] == pytest.approx(0.5, abs=0.01) == row[62 - 15]


def test_dhf1k_s_fixation_on_the_far_edge_has_its_peak_outside():
    density = blurred(densities.dhf1k, truth_at([(0, 79.9, 59.9)]))
    assert np.unravel_index(density.argmax(), density.shape) == (59, 79)


@pytest.mark.parametrize("size", [(60, 80), (128, 64), (100, 128)])
def test_eight_cycles_is_the_filter_over_the_padded_square(size):
    truth = watched(2, size)
    counts = truth.counts(0, size)
    side = 128
    cycles = np.fft.fftfreq(side, 1 / side)
    gain = np.exp(-(cycles[:, None] ** 2 + cycles**2) * math.log(2) / 64)
    filtered = np.fft.ifft2(np.fft.fft2(counts > 0, (side, side)) * gain).real[: size[0], : size[1]]
    np.testing.assert_allclose(densities.eight_cycles(truth, 0, counts), filtered, atol=1e-12)
    assert gain[0, 8] == pytest.approx(0.5), "eight cycles pass at half their height"


def test_eight_cycles_wrap_around_where_a_side_is_a_power_of_two():
    density = blurred(densities.eight_cycles, truth_at([(0, 0.5, 30.5)], (64, 64)))
    assert density[30, 63] == pytest.approx(density[30, 1])


def test_the_blur_of_eight_cycles_doubles_past_a_power_of_two():
    peaks = [blurred(densities.eight_cycles, truth_at([(0, 9.5, 9.5)], (20, width))).max() for width in (64, 65)]
    assert peaks[0] / peaks[1] == pytest.approx(4, rel=0.01)


@pytest.mark.parametrize("kind", [densities.dhf1k, densities.eight_cycles])
def test_what_is_blurred_from_a_binary_picture_counts_a_pixel_once(kind):
    once, twice = truth_at([(0, 20.5, 20.5)]), truth_at([(0, 20.5, 20.5), (0, 20.6, 20.6)])
    np.testing.assert_array_equal(blurred(kind, once), blurred(kind, twice))


def test_each_says_in_a_line_what_it_is():
    for kind in KINDS:
        assert kind.__doc__.splitlines()[0].startswith("a Gaussian")
