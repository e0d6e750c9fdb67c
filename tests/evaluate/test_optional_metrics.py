"""AUC-Borji and the earth mover's distance: by hand, by definition, and by the laws they obey."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest

from pipeline.evaluate import optional_metrics
from pipeline.evaluate.metrics import auc_judd
from pipeline.evaluate.optional_metrics import auc_borji, emd
from tests.evaluate.test_metrics import SHAPE, as_often_as_counted, pixels, random_frame, share_won


def maps(seed, shape=(6, 8)):
    rng = np.random.default_rng(seed)
    return [np.where(rng.random(shape) < 0.4, 0, rng.gamma(0.5, size=shape)) for _ in range(3)]


def blob(shape, row, column, spread):
    rows, columns = np.indices(shape) + 0.5
    return np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * spread**2))


def test_the_hand_worked_examples_in_the_docstrings_are_true():
    result = doctest.testmod(optional_metrics)
    assert result.attempted >= 3
    assert result.failed == 0


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8])
@pytest.mark.parametrize("seed", range(4))
def test_auc_borji_is_the_share_of_pairs_that_fixations_win_over_all_pixels(seed, dtype):
    saliency, fixations, _, _ = random_frame(seed, dtype)
    by_pairs = share_won(as_often_as_counted(saliency, fixations), pixels(saliency))
    assert auc_borji(saliency, fixations) == pytest.approx(by_pairs, abs=1e-12)


def test_auc_borji_is_what_drawing_pixels_comes_to():
    """The area for a draw of as many pixels as there are fixations, averaged over many draws."""
    saliency, fixations, _, _ = random_frame(1)
    rng = np.random.default_rng(0)
    fixated = np.array(as_often_as_counted(saliency, fixations))
    drawn = rng.choice(saliency.ravel(), (20_000, fixated.size))[:, None, :]
    areas = ((fixated[:, None] > drawn) + 0.5 * (fixated[:, None] == drawn)).mean((1, 2))
    error = areas.std() / math.sqrt(areas.size)
    assert auc_borji(saliency, fixations) == pytest.approx(areas.mean(), abs=4 * error)
    assert error < 0.001


@pytest.mark.parametrize("seed", range(4))
def test_auc_borji_and_auc_judd_differ_by_what_fixations_find_among_themselves(seed):
    saliency, fixations, _, _ = random_frame(seed)
    hit = fixations > 0
    n, n_hit = hit.size, int(hit.sum())
    expected = ((n - n_hit) * auc_judd(saliency, hit) + n_hit / 2) / n
    assert auc_borji(saliency, hit) == pytest.approx(expected, abs=1e-12)


def test_auc_borji_of_odd_frames():
    saliency, fixations, _, _ = random_frame(0)
    alone, often = np.zeros(SHAPE, dtype=int), np.zeros(SHAPE, dtype=int)
    alone[saliency == saliency.max()] = 1
    often[saliency == saliency.max()] = 5
    assert alone.sum() == 1
    assert auc_borji(saliency, alone) == auc_borji(saliency, often) == 1 - 0.5 / saliency.size
    assert auc_borji(np.ones(SHAPE), fixations) == 0.5
    assert math.isnan(auc_borji(saliency, np.zeros_like(fixations)))
    assert auc_borji(saliency, np.ones_like(fixations)) == 0.5, "everywhere looked at"
    assert auc_borji(-saliency, fixations) == pytest.approx(1 - auc_borji(saliency, fixations))
    with pytest.raises(ValueError, match="integer counts"):
        auc_borji(saliency, fixations / 2)
    with pytest.raises(ValueError, match="NaN"):
        auc_borji(saliency * math.nan, fixations)


def test_emd_of_a_line_by_hand():
    """One mass moves 3 cells; or two move 1 and 2; on 1 × 4 the diagonal is sqrt(17)."""
    diagonal = math.sqrt(17)
    assert emd([[1, 0, 0, 0]], [[0, 0, 0, 1]]) == pytest.approx(3 / diagonal)
    assert emd([[1, 1, 0, 0]], [[0, 0, 1, 1]]) == pytest.approx(2 / diagonal)
    assert emd([[3, 1, 0, 0]], [[1, 1, 1, 1]]) == pytest.approx(5 / 4 / diagonal)
    # Along a line it is the area between the cumulative sums: 1/2, 1/2 - 1/4, 1/2 - 1/2.
    assert emd([[2, 0, 0, 2]], [[0, 1, 1, 2]]) == pytest.approx((1 / 2 + 1 / 4) / diagonal)


def test_emd_in_the_plane_by_hand():
    left, right = np.zeros((4, 5)), np.zeros((4, 5))
    left[0, 0], right[3, 4] = 9, 1
    assert emd(left, right) == pytest.approx(5 / math.sqrt(41)), "three down, four across"
    assert emd([[1, 0], [0, 1]], [[0, 1], [1, 0]]) == pytest.approx(1 / math.sqrt(8)), "not along the diagonals"


@pytest.mark.parametrize("shape", [(6, 8), (8, 6), (1, 9), (15, 18)])
@pytest.mark.parametrize("seed", range(3))
def test_emd_is_a_metric(seed, shape):
    a, b, c = maps(seed, shape)
    assert emd(a, a) == 0.0
    assert emd(a, 7 * a) == pytest.approx(0, abs=1e-12)
    assert 0 < emd(a, b) < 1
    assert emd(a, b) == pytest.approx(emd(b, a), abs=1e-9)
    assert emd(a, c) <= emd(a, b) + emd(b, c) + 1e-9


@pytest.mark.parametrize("turn", [np.fliplr, np.flipud, np.transpose], ids=["left-right", "up-down", "transposed"])
def test_emd_of_mirrored_maps_is_the_same(turn):
    a, b, _ = maps(0)
    assert emd(turn(a), turn(b)) == pytest.approx(emd(a, b), abs=1e-9)


def test_emd_of_what_is_moved_is_the_way_it_was_moved():
    """A Gaussian shifted as a whole by 12 rows and 16 columns, three cells and four: the means are that far apart."""
    there, here = blob((60, 80), 24, 30, 3), blob((60, 80), 36, 46, 3)
    assert emd(here, there) == pytest.approx(0.2, abs=1e-6)


def test_emd_on_a_grid_is_within_a_cell_of_the_whole():
    a, b = blob((16, 20), 4, 5, 2) + 0.01, blob((16, 20), 10, 14, 3)
    whole = emd(a, b)
    for cells in (5, 7, 10, 13):
        assert abs(emd(a, b, cells=cells) - whole) < 0.1 / cells  # a tenth of a cell; the promise is a whole one


def test_emd_does_not_enlarge_and_keeps_the_picture_s_proportions(monkeypatch):
    asked = []
    monkeypatch.setattr(
        optional_metrics, "transport_cost", lambda p, q, places: asked.append((p, len(set(places[:, 0])), len(p)))
    )
    for shape in [(32, 40), (720, 1280), (1280, 720), (3, 4), (1, 400)]:
        emd(np.random.default_rng(0).random(shape), np.ones(shape))
    assert [(rows, n // rows) for _, rows, n in asked] == [(16, 20), (11, 20), (20, 11), (3, 4), (1, 20)]
    assert all(p.sum() == pytest.approx(1, abs=1e-12) for p, *_ in asked), "no mass is lost on the way to the grid"


def test_emd_of_odd_frames():
    a, b, _ = maps(0)
    point = np.zeros_like(a)
    point[2, 3] = 1
    assert math.isnan(emd(a, np.zeros_like(a)))
    assert emd(np.zeros_like(a), b) == emd(np.ones_like(a), b)
    assert emd(a, point) == pytest.approx(emd(a, 4 * point), abs=1e-12)
    rows, columns = np.indices(a.shape)
    to_the_point = np.hypot(rows - 2, columns - 3) / math.hypot(*a.shape)
    assert emd(a, point) == pytest.approx((a * to_the_point).sum() / a.sum(), abs=1e-9), "there is one plan only"


def test_emd_refuses_what_is_no_distribution_and_no_grid():
    a, b, _ = maps(0)
    with pytest.raises(ValueError, match="saliency map stands for a distribution"):
        emd(a - 1, b)
    with pytest.raises(ValueError, match="density map stands for a distribution"):
        emd(a, b - 1)
    with pytest.raises(ValueError, match="shape"):
        emd(a, b.T)
    with pytest.raises(ValueError, match="0 cells"):
        emd(a, b, cells=0)
