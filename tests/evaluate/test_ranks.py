"""Ranks: against counting, value by value."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from pipeline.evaluate import ranks as module
from pipeline.evaluate.ranks import in_order, ranks, weighted_order


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8, np.int8, np.uint16, np.int32])
def test_they_are_what_counting_gives(dtype):
    rng = np.random.default_rng(0)
    among, values = (rng.integers(0, 120, n).astype(dtype) for n in (500, 40))
    counts = rng.integers(0, 4, 500)
    for (lower, equal), weight in (
        (ranks(values, in_order(among)), np.ones(500, dtype=int)),
        (ranks(values, *weighted_order(among, counts)), counts),
    ):
        assert lower.tolist() == [int(weight[among < value].sum()) for value in values]
        assert equal.tolist() == [int(weight[among == value].sum()) for value in values]


def test_among_nothing_every_rank_is_zero():
    lower, equal = ranks(np.array([1.0]), *weighted_order(np.empty(0), np.empty(0, dtype=np.int64)))
    assert (lower.tolist(), equal.tolist()) == ([0], [0])


def test_the_example_in_the_docstring_is_true():
    assert doctest.testmod(module) == (0, 2)
