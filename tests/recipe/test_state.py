"""In which field an item differs from what made it, in words."""

from __future__ import annotations

import pytest

from pipeline.recipe.state import differences
from pipeline.store.items import ItemRecord

SOURCE = {"artifact": "a.zip", "size_bytes": 10, "checksum": "sha256:41d0aa0f"}
OTHER = {**SOURCE, "artifact": "b.zip"}


def told(old: dict, new: dict) -> list[str]:
    """What is said of an input that was `old` when the item was made."""
    return differences(made({}, {"x": old}), 1, {}, {"x": new})


def made(params: dict, inputs: dict) -> ItemRecord:
    """The record of an item that was made from these, by version 1."""
    return ItemRecord(item="c/a", fingerprint="f", version=1, params=params, inputs=inputs, outputs={})


def test_nothing_is_said_where_nothing_differs():
    assert told(SOURCE, dict(SOURCE)) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("1a", "2b", ["input x 1a → 2b"]),
        (None, "2b", ["input x nothing → 2b"]),
        ("s" * 50, "t" * 50, [f"input x {'s' * 12}… → {'t' * 12}…"]),
        (SOURCE, {**SOURCE, "size_bytes": 11}, ["input x: size_bytes 10 → 11"]),
        ([30, 1], [25, 1], ["input x [30, 1] → [25, 1]"]),
        ([], [1], ["input x [] → [1]"]),
        ([SOURCE], [{**SOURCE, "size_bytes": 11}], ["input x (1 of 1 rows): size_bytes 10 → 11"]),
        ([SOURCE, OTHER], [SOURCE, {**OTHER, "size_bytes": 11}], ["input x (1 of 2 rows): size_bytes 10 → 11"]),
        ([SOURCE, OTHER], [SOURCE], ["input x (2 → 1 rows: 1 gone, 0 new)"]),
        ([], [SOURCE], ["input x (0 → 1 rows: 0 gone, 1 new)"]),
        ([SOURCE, OTHER], [OTHER, SOURCE], ["input x (2 → 2 rows: 0 gone, 0 new)"]),
        ([1, 2, 3], [1, 2, 4], ["input x (3 → 3 rows: 1 gone, 1 new)"]),
    ],
)
def test_what_differs_is_named_with_its_old_and_new_value(old, new, said):
    assert told(old, new) == said


def test_version_parameters_and_inputs_are_told_in_this_order():
    said = differences(made({"sigma": 1.0}, {"x": "1a"}), 2, {"sigma": 1.5}, {"x": "2b"})
    assert said == ["version 1 → 2", "parameter sigma 1.0 → 1.5", "input x 1a → 2b"]
