"""The examples in the docstrings are true."""

from __future__ import annotations

import doctest

import pytest

from pipeline.evaluate.baselines import group_size, registry, still


@pytest.mark.parametrize("module", [group_size, registry, still], ids=lambda module: module.__name__.split(".")[-1])
def test_the_examples_are_true(module):
    result = doctest.testmod(module)
    assert result.attempted and not result.failed
