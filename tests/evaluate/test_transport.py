"""Transport plans: the best of all, whatever the masses."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from pipeline.evaluate import transport
from pipeline.evaluate.transport import transport_cost


@pytest.mark.parametrize("seed", range(5))
def test_of_equal_masses_it_is_the_best_assignment(seed):
    """Forty masses from one half of the places to the other: the Hungarian method knows the answer."""
    places = np.random.default_rng(seed).random((80, 2))
    p, q = np.repeat([1 / 40, 0], 40), np.repeat([0, 1 / 40], 40)
    distance = np.linalg.norm(places[:40, None] - places[None, 40:], axis=-1)
    rows, columns = linear_sum_assignment(distance)
    assert transport_cost(p, q, places) == pytest.approx(distance[rows, columns].mean(), abs=1e-12)


def test_of_a_few_masses_it_is_the_best_of_all_assignments():
    places = np.random.default_rng(9).random((8, 2))
    p, q = np.repeat([0.25, 0], 4), np.repeat([0, 0.25], 4)
    ways = itertools.permutations(range(4))
    best = min(sum(np.linalg.norm(places[i] - places[4 + j]) for i, j in enumerate(way)) for way in ways)
    assert transport_cost(p, q, places) == pytest.approx(best / 4, abs=1e-12)


@pytest.mark.parametrize("start", [1, 2, 1000])
def test_the_pairs_that_it_starts_with_leave_no_trace(monkeypatch, start):
    rng = np.random.default_rng(3)
    p, q, places = rng.dirichlet(np.ones(60)), rng.dirichlet(np.ones(60)), rng.random((60, 2))
    usual = transport_cost(p, q, places)
    monkeypatch.setattr(transport, "START", start)
    monkeypatch.setattr(transport, "JOIN", 1)
    assert transport_cost(p, q, places) == pytest.approx(usual, abs=1e-12)


@pytest.mark.parametrize("seed", [56, 451, 594, *range(10)])
def test_masses_thirty_powers_of_ten_apart_are_carried(seed):
    """The presolver of HiGHS took the first three for programmes without a solution."""
    rng = np.random.default_rng(seed)
    p, q = 10.0 ** rng.uniform(-30, 0, (2, 12))
    p, q, places = p / p.sum(), q / q.sum(), rng.random((12, 2))
    cost = transport_cost(p, q, places)
    assert 0 <= cost <= np.sqrt(2)
    assert cost == pytest.approx(transport_cost(q, p, places), abs=1e-9)


def test_the_last_digits_of_a_division_cost_nothing():
    p = np.full(10, 0.1)
    assert transport_cost(p, p * (1 + 1e-16), np.arange(10.0)[:, None]) == 0.0
    q = np.full(10, 0.1)
    q[0] -= 3e-9
    q[9] += 3e-9
    assert transport_cost(p, q, np.arange(10.0)[:, None]) == pytest.approx(2.7e-8, rel=1e-6)
