"""Gaze lands on the picture it was looking at, and every fixation is counted once."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest

from pipeline.errors import GazeError
from pipeline.records import Geometry
from pipeline.signals import gaze

DIEM = Geometry("diem", "centred", 49.5, screen_width_px=1280, screen_height_px=960)
COUTROT = Geometry("coutrot1", "video", 25.0)


def test_the_examples_in_the_docstrings_are_true():
    result = doctest.testmod(gaze)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize(
    ("width_px", "height_px", "left_px", "top_px"),
    [
        (1280, 720, 0, 120),
        (1280, 712, 0, 124),
        (960, 720, 160, 120),
        (720, 576, 280, 192),
        (1152, 864, 64, 48),
        (1066, 710, 107, 125),
        (1279, 959, 0.5, 0.5),
        (1280, 960, 0, 0),
    ],
)
def test_a_centred_video_loses_half_the_margin_on_each_side(width_px, height_px, left_px, top_px):
    x, y = gaze.screen_to_video([left_px, 640.0], [top_px, 480.0], DIEM, width_px, height_px)
    assert x.tolist() == [0.0, width_px / 2]
    assert y.tolist() == [0.0, height_px / 2]


def test_the_screen_centre_is_the_picture_centre_for_single_numbers_too():
    x, y = gaze.screen_to_video(640, 480, DIEM, 1066, 710)
    assert (float(x), float(y)) == (533.0, 355.0)


def test_gaze_in_video_pixels_stays_as_it_is():
    x, y = gaze.screen_to_video([1.25, math.nan], [-3.0, 7.5], COUTROT, 720, 576)
    np.testing.assert_array_equal(x, [1.25, math.nan])
    np.testing.assert_array_equal(y, [-3.0, 7.5])


def test_points_beside_the_picture_and_missing_ones_are_kept_for_the_caller_to_account_for():
    x, y = gaze.screen_to_video([0.0, math.nan, 3270.0], [0.0, 1.0, -3270.0], DIEM, 1066, 710)
    assert x[0] == -107
    assert math.isnan(x[1])
    assert not gaze.inside_picture(x, y, 1066, 710).any()


def test_the_input_is_not_changed():
    x_px = np.array([640.0])
    gaze.screen_to_video(x_px, x_px, DIEM, 1066, 710)
    assert x_px[0] == 640.0


@pytest.mark.parametrize(
    ("geometry", "size", "code", "says"),
    [
        (DIEM, (710, 1066), "video-larger-than-screen", "710 x 1066"),
        (DIEM, (1281, 720), "video-larger-than-screen", "width and height"),
        (Geometry("x", "centred", 30.0), (100, 100), "unknown-screen", "screen_width_px"),
        (Geometry("x", "centered", 30.0), (100, 100), "unknown-placement", "'centred'"),
    ],
    ids=["swapped width and height", "wider than the screen", "screen not known", "misspelt placement"],
)
def test_an_impossible_geometry_is_refused_with_its_reason(geometry, size, code, says):
    with pytest.raises(GazeError) as caught:
        gaze.screen_to_video([0.0], [0.0], geometry, *size)
    assert caught.value.code == code
    assert says in str(caught.value)
    assert "manifests/geometry.csv" in caught.value.remedy


def test_the_near_edges_are_inside_and_the_far_edges_are_not():
    x = [0, 10, 9.99, 5, 5, -1e-9]
    y = [0, 2, 4.99, 5, -1e-9, 2]
    assert gaze.inside_picture(x, y, 10, 5).tolist() == [True, False, True, False, False, False]


@pytest.mark.parametrize("out_size", [(1, 1), (3, 7), (32, 40), (256, 320), (720, 1280), (1000, 2000)])
def test_fixations_add_up_at_every_size(out_size):
    rng = np.random.default_rng(1)
    x, y = rng.uniform(0, 1280, 500), rng.uniform(0, 720, 500)
    counts = gaze.fixation_counts(x, y, (720, 1280), out_size)
    assert counts.dtype == np.int32
    assert counts.shape == out_size
    assert counts.sum() == 500


def test_each_fixation_is_counted_in_the_cell_that_covers_it():
    rng = np.random.default_rng(2)
    x, y = rng.uniform(0, 64, 200), rng.uniform(0, 48, 200)
    expected = np.zeros((5, 7), dtype=int)
    for x_px, y_px in zip(x, y, strict=True):
        expected[int(y_px * 5 / 48), int(x_px * 7 / 64)] += 1
    np.testing.assert_array_equal(gaze.fixation_counts(x, y, (48, 64), (5, 7)), expected)


def test_a_coarse_count_picture_is_the_fine_one_summed_up():
    rng = np.random.default_rng(3)
    x, y = rng.uniform(0, 1280, 300), rng.uniform(0, 720, 300)
    fine = gaze.fixation_counts(x, y, (720, 1280), (720, 1280))
    coarse = gaze.fixation_counts(x, y, (720, 1280), (36, 40))
    np.testing.assert_array_equal(fine.reshape(36, 20, 40, 32).sum(axis=(1, 3)), coarse)


@pytest.mark.parametrize("size", [32, 69, 97, 133, 141, 320])
def test_the_last_point_before_the_far_edge_belongs_to_the_last_cell(size):
    # Scaled to 69 or 133 of 720, and 97 or 141 of 710 px, it would round onto the edge.
    x_px, y_px = np.nextafter(720.0, 0), np.nextafter(710.0, 0)
    counts = gaze.fixation_counts([x_px], [y_px], (710, 720), (size, size))
    assert counts[-1, -1] == 1


def test_no_fixation_gives_a_picture_of_zeros():
    assert gaze.fixation_counts([], [], (4, 4), (2, 3)).tolist() == [[0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("x", "y", "video_size", "out_size", "says"),
    [
        ([4.0], [0.0], (4, 4), (2, 2), "1 of 1 points are outside"),
        ([math.nan], [0.0], (4, 4), (2, 2), "outside"),
        ([1.0], [0.0, 1.0], (4, 4), (2, 2), "equally long"),
        ([1.0], [1.0], (0, 4), (2, 2), "positive"),
        ([1.0], [1.0], (4, 4), (2, -2), "positive"),
    ],
    ids=["outside", "NaN", "lengths differ", "no height", "negative width"],
)
def test_points_that_cannot_be_counted_are_refused(x, y, video_size, out_size, says):
    with pytest.raises(ValueError, match=says):
        gaze.fixation_counts(x, y, video_size, out_size)
