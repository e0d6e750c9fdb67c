"""A density map is the exact integral of its Gaussians, at every size, and nothing else."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest
from scipy import integrate, ndimage

from pipeline.signals import density
from pipeline.signals.density import density_map, density_maps, mean_density

HD = (720, 1280)


def integral_by_definition(x, y, video_size, out_size, sigma_px):
    """Sum over points of the erf differences, cell by cell in float64, then divided by the map's sum."""

    def shares(centre_px, cells, length_px):
        edges = [length_px * k / cells for k in range(cells + 1)]
        below = [0.5 * math.erf((edge - centre_px) / (sigma_px * math.sqrt(2))) for edge in edges]
        return np.diff(below)

    total = np.zeros(out_size)
    for x_px, y_px in zip(x, y, strict=True):
        total += np.outer(shares(y_px, out_size[0], video_size[0]), shares(x_px, out_size[1], video_size[1]))
    return total / total.sum()


def points(n, size=HD, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, size[1], n), rng.uniform(0, size[0], n)


def worst_error(made, true):
    """Largest difference in units of the peak."""
    return float(np.abs(made - true).max() / true.max())


def test_the_examples_in_the_docstrings_are_true():
    result = doctest.testmod(density)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("out_size", [(1, 1), (7, 5), (32, 40), (100, 150), (256, 320), HD], ids=str)
@pytest.mark.parametrize("sigma_px", [0.02, 1.0, 10.0, 49.5, 400.0, 1e5])
def test_every_cell_holds_the_integral_to_a_millionth_of_the_peak(out_size, sigma_px):
    x, y = points(12)
    made = density_map(x, y, video_size=HD, out_size=out_size, sigma_px=sigma_px)
    assert made.dtype == np.float32
    assert made.shape == out_size
    assert worst_error(made, integral_by_definition(x, y, HD, out_size, sigma_px)) <= 1e-6
    assert made.sum(dtype=np.float64) == pytest.approx(1, abs=1e-6)


def test_a_cell_is_the_gaussian_integrated_numerically_over_its_rectangle():
    x_px, y_px, sigma_px = 3.7, 5.2, 2.3

    def gaussian(y, x):
        return math.exp(-((x - x_px) ** 2 + (y - y_px) ** 2) / (2 * sigma_px**2))

    cells = [
        [integrate.dblquad(gaussian, 4 * column, 4 * column + 4, 3 * row, 3 * row + 3)[0] for column in range(3)]
        for row in range(4)
    ]
    made = density_map([x_px], [y_px], video_size=(12, 12), out_size=(4, 3), sigma_px=sigma_px)
    np.testing.assert_allclose(made, np.array(cells) / np.sum(cells), atol=1e-7)


def test_far_from_the_border_it_is_what_a_blur_of_the_full_picture_gives():
    counts = np.zeros((300, 400))
    counts[150, 200] = counts[140, 170] = 1
    blurred = ndimage.gaussian_filter(counts, 15, truncate=8)
    made = density_map([200.5, 170.5], [150.5, 140.5], video_size=(300, 400), out_size=(300, 400), sigma_px=15)
    # The blur takes the Gaussian at pixel centres, we its mean over pixels: 1 / (24 sigma²) of the curvature apart.
    assert worst_error(made, blurred / 2) < 3 / (24 * 15**2)


@pytest.mark.parametrize(
    ("x_px", "y_px", "row", "column"),
    [(0.5, 0.5, 0, 0), (639.5, 359.5, 359, 639), (1279.9, 0.1, 0, 1279), (1280 - 1e-9, 719.5, 719, 1279)],
)
def test_the_peak_lies_on_the_fixated_pixel(x_px, y_px, row, column):
    made = density_map([x_px], [y_px], video_size=HD, out_size=HD, sigma_px=0.7)
    assert np.unravel_index(made.argmax(), HD) == (row, column)


def test_no_fixation_gives_all_zeros():
    assert not density_map([], [], video_size=HD, out_size=(32, 40), sigma_px=49.5).any()


def test_a_coarser_map_is_the_finer_one_summed_over_its_cells():
    x, y = points(60, seed=1)
    fine = density_map(x, y, video_size=HD, out_size=HD, sigma_px=40)
    coarse = density_map(x, y, video_size=HD, out_size=(36, 40), sigma_px=40)
    summed = fine.astype(np.float64).reshape(36, 20, 40, 32).sum(axis=(1, 3))
    assert worst_error(coarse, summed) <= 1e-6


def test_mirrored_fixations_give_the_mirrored_map():
    x, y = points(60, seed=2)
    made = density_map(x, y, video_size=HD, out_size=(256, 320), sigma_px=40)
    across = density_map(1280 - x, y, video_size=HD, out_size=(256, 320), sigma_px=40)
    down = density_map(x, 720 - y, video_size=HD, out_size=(256, 320), sigma_px=40)
    assert worst_error(across[:, ::-1], made) <= 1e-6
    assert worst_error(down[::-1], made) <= 1e-6


def test_neither_order_nor_a_second_pass_over_the_same_points_matters():
    x, y = points(60, seed=3)
    made = density_map(x, y, video_size=HD, out_size=(32, 40), sigma_px=40)
    backwards = density_map(x[::-1], y[::-1], video_size=HD, out_size=(32, 40), sigma_px=40)
    twice = density_map(np.tile(x, 2), np.tile(y, 2), video_size=HD, out_size=(32, 40), sigma_px=40)
    assert worst_error(backwards, made) <= 1e-6
    assert worst_error(twice, made) <= 1e-6


def test_only_ratios_of_lengths_matter():
    x, y = points(20, seed=4)
    made = density_map(x, y, video_size=HD, out_size=(32, 40), sigma_px=40)
    half = density_map(x / 2, y / 2, video_size=(360, 640), out_size=(32, 40), sigma_px=20)
    assert worst_error(half, made) <= 1e-6


def test_width_and_height_are_not_exchanged():
    made = density_map([100.0], [10.0], video_size=(20, 200), out_size=(2, 4), sigma_px=5)
    assert made[:, 1:3].sum() > 0.99
    assert made[0].sum() == pytest.approx(made[1].sum(), abs=1e-6)


def test_a_point_in_the_corner_is_not_mirrored_at_the_border():
    made = density_map([0.0], [0.0], video_size=(100, 100), out_size=(100, 100), sigma_px=10)
    middle = density_map([100.0], [100.0], video_size=(200, 200), out_size=(200, 200), sigma_px=10)
    assert worst_error(made, 4 * middle[100:, 100:].astype(np.float64)) <= 1e-6


@pytest.mark.parametrize("size", [69, 133, 138])
def test_a_point_on_the_far_edge_or_a_rounding_error_before_it_lies_in_the_last_cell(size):
    for x_px in (720.0, np.nextafter(720.0, 0)):  # the second scales onto the edge at these sizes
        made = density_map([x_px], [0.0], video_size=(720, 720), out_size=(size, size), sigma_px=10)
        opposite = density_map([0.0], [720.0], video_size=(720, 720), out_size=(size, size), sigma_px=10)
        assert worst_error(made, opposite[::-1, ::-1]) <= 1e-6


@pytest.mark.parametrize(
    ("x", "y"),
    [([-30.0, 50.0], [20.0, 20.0]), ([-30.0], [20.0]), ([150.0], [-200.0])],
    ids=["one of two", "alone", "twenty sigma away"],
)
def test_a_point_outside_adds_exactly_what_falls_into_the_picture(x, y):
    def shares(centre_px, cells):
        def gaussian(t):
            return math.exp(-(((t - centre_px) / 10) ** 2) / 2)

        return [integrate.quad(gaussian, 10 * k, 10 * k + 10, epsabs=0)[0] for k in range(cells)]

    made = density_map(x, y, video_size=(100, 120), out_size=(10, 12), sigma_px=10)
    true = np.sum([np.outer(shares(y_px, 10), shares(x_px, 12)) for x_px, y_px in zip(x, y, strict=True)], axis=0)
    assert worst_error(made, true / true.sum()) <= 1e-6


def test_a_point_out_of_reach_of_double_precision_gives_all_zeros():
    assert not density_map([1e4], [50.0], video_size=(100, 120), out_size=(10, 12), sigma_px=10).any()


def test_a_very_small_sigma_counts_points_per_cell():
    x, y = [0.5, 7.9, 7.2, 3.4], [0.5, 3.9, 2.1, 1.2]
    made = density_map(x, y, video_size=(4, 8), out_size=(2, 4), sigma_px=1e-9)
    assert made.tolist() == [[0.25, 0.25, 0, 0], [0, 0, 0, 0.5]]


def test_a_very_large_sigma_gives_the_uniform_map():
    made = density_map([5.0], [3.0], video_size=HD, out_size=(8, 10), sigma_px=1e9)
    np.testing.assert_allclose(made, 1 / 80, rtol=1e-6)


def test_many_points_lose_no_digits(monkeypatch):
    monkeypatch.setattr(density, "BLOCK_POINTS", 100)
    x, y = points(1001, seed=5)
    made = density_map(x, y, video_size=HD, out_size=(150, 200), sigma_px=30)
    assert worst_error(made, integral_by_definition(x, y, HD, (150, 200), 30)) <= 1e-6


@pytest.mark.parametrize("out_size", [(32, 40), (256, 320)], ids=str)
def test_the_profile_gives_what_each_weight_worked_out_alone_gives(monkeypatch, out_size):
    x, y = points(60, seed=6)
    fast = density_map(x, y, video_size=HD, out_size=out_size, sigma_px=40)
    monkeypatch.setattr(density, "LARGEST_PROFILE", 0)
    exact = density_map(x, y, video_size=HD, out_size=out_size, sigma_px=40)
    assert not np.array_equal(fast, exact), "both went the same way"
    assert worst_error(fast, exact) <= 1e-6


@pytest.mark.parametrize("out_size", [(32, 40), (144, 256)], ids=str)
@pytest.mark.parametrize("block_weights", [1, 1 << 18], ids=["frame by frame", "in blocks"])
def test_the_maps_of_a_video_are_the_maps_of_its_frames(monkeypatch, out_size, block_weights):
    monkeypatch.setattr(density, "BLOCK_WEIGHTS", block_weights)
    rng = np.random.default_rng(7)
    frame = rng.choice([1, 2, 2, 2, 5, 9], 300)  # in no order; frames 0, 3, 4, 6–8, 10 and 11 are empty
    x, y = points(300, seed=7)
    made = density_maps(frame, x, y, 12, video_size=HD, out_size=out_size, sigma_px=40)
    assert made.dtype == np.float32
    assert made.shape == (12, *out_size)
    for k in range(12):
        alone = density_map(x[frame == k], y[frame == k], video_size=HD, out_size=out_size, sigma_px=40)
        np.testing.assert_allclose(made[k], alone, atol=1e-6 * alone.max())
        assert made[k].sum(dtype=np.float64) == pytest.approx(1.0 if (frame == k).any() else 0.0, abs=1e-6)


def test_a_video_without_fixations_or_without_frames_is_no_special_case():
    assert not density_maps([], [], [], 3, video_size=HD, out_size=(2, 2), sigma_px=40).any()
    assert density_maps([], [], [], 0, video_size=HD, out_size=(2, 2), sigma_px=40).shape == (0, 2, 2)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"sigma_px": 0.0}, "sigma_px"),
        ({"sigma_px": -1.0}, "sigma_px"),
        ({"sigma_px": math.nan}, "sigma_px"),
        ({"sigma_px": math.inf}, "sigma_px"),
        ({"video_size": (0, 4)}, "video_size"),
        ({"out_size": (4, -1)}, "out_size"),
        ({"out_size": (4, 4, 3)}, "out_size"),
        ({"x_px": [math.nan]}, "NaN"),
        ({"y_px": [math.inf]}, "infinite"),
        ({"x_px": [1.0, 2.0]}, "equally long"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_what_has_no_density_is_refused(change, says):
    arguments = {"x_px": [1.0], "y_px": [1.0], "video_size": (4, 4), "out_size": (2, 2), "sigma_px": 1.0} | change
    with pytest.raises(ValueError, match=says):
        density_map(**arguments)
    with pytest.raises(ValueError, match=says):
        density_maps([0] * len(arguments["x_px"]), n_frames=1, **arguments)


@pytest.mark.parametrize(
    ("frame", "says"), [([3], "0 to 2"), ([-1], "0 to 2"), ([0.0], "integers"), ([0, 1], "Each fixation")]
)
def test_a_fixation_on_a_frame_that_is_not_there_is_refused(frame, says):
    with pytest.raises(ValueError, match=says):
        density_maps(frame, [1.0], [1.0], 3, video_size=(4, 4), out_size=(2, 2), sigma_px=1.0)


@pytest.mark.parametrize("out_size", [(7, 9), (140, 200)])
def test_the_mean_of_a_video_is_the_mean_of_its_maps(out_size):
    rng = np.random.default_rng(4)
    n = 2500  # more than a block of points
    frame, x, y = rng.integers(0, 40, n) * 2, rng.uniform(-20, 110, n), rng.uniform(0, 60, n)
    picture = {"video_size": (60, 80), "out_size": out_size, "sigma_px": 5.0}
    maps = density_maps(frame, x, y, 79, **picture)
    expected = maps[maps.any(axis=(1, 2))].mean(axis=0, dtype=np.float64)
    mean = mean_density(frame, x, y, **picture)
    np.testing.assert_allclose(mean, expected, rtol=0, atol=1e-6 * expected.max())
    assert not mean_density([], [], [], **picture).any()


def test_maps_written_into_memory_that_was_used_before_are_the_same():
    sizes = {"video_size": (48, 64), "out_size": (12, 16), "sigma_px": 4.0}
    points = [2, 0, 2], [10.0, 20.0, 63.5], [5.0, 47.0, 0.0]
    memory = np.full((4, 12, 16), 7.0, np.float32)
    maps = density_maps(*points, 4, **sizes, out=memory)
    assert maps is memory
    np.testing.assert_array_equal(maps, density_maps(*points, 4, **sizes))
    assert maps[1].sum() == 0


@pytest.mark.parametrize(
    "out", [np.empty((3, 12, 16), np.float32), np.empty((4, 12, 16)), np.empty((4, 16, 12), np.float32).swapaxes(1, 2)]
)
def test_memory_that_does_not_fit_is_refused(out):
    with pytest.raises(ValueError, match="out must be float32"):
        density_maps([0], [1.0], [1.0], 4, video_size=(48, 64), out_size=(12, 16), sigma_px=4.0, out=out)
