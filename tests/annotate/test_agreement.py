"""Two annotators: overlap worked out by hand, and against a count of small cells."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.annotate.agreement import agreement, intersection_over_union
from pipeline.annotate.boxes import Box


@pytest.mark.parametrize(
    ("one", "other", "iou"),
    [
        ([[0, 0, 4, 4]], [[0, 0, 4, 4]], 1),
        ([[0, 0, 4, 4]], [[4, 0, 4, 4]], 0),
        ([[0, 0, 4, 4]], [[2, 2, 4, 4]], 4 / 28),
        ([[0, 0, 4, 4]], [[0, 0, 2, 4], [2, 0, 2, 4]], 1),
        ([[0, 0, 4, 4], [1, 1, 2, 2]], [[0, 0, 4, 2]], 0.5),
        ([], [[0, 0, 4, 4]], 0),
        ([], [], 1),
    ],
    ids=["same", "beside", "corner", "the same in two parts", "overlapping boxes", "only one", "neither"],
)
def test_overlap_by_hand(one, other, iou: float):
    assert intersection_over_union(one, other) == pytest.approx(iou)
    assert intersection_over_union(other, one) == pytest.approx(iou)


@pytest.mark.parametrize("seed", range(4))
def test_overlap_is_what_counting_pixels_gives(seed: int):
    rng = np.random.default_rng(seed)
    sets, covered = [], []
    for count in (3, 4):
        corners = rng.integers(0, 15, (count, 2))
        sets.append(np.hstack([corners, rng.integers(1, 10, (count, 2))]))
        picture = np.zeros((30, 30), bool)
        for x, y, width, height in sets[-1]:
            picture[y : y + height, x : x + width] = True
        covered.append(picture)
    expected = (covered[0] & covered[1]).sum() / (covered[0] | covered[1]).sum()
    assert intersection_over_union(*sets) == pytest.approx(expected)


def test_only_frames_that_both_looked_at_are_compared():
    box, moved, silent = Box(0, 0, 4, 4), Box(2, 2, 4, 4, "dog", "yes"), Box(0, 0, 9, 9, "", "no")
    one = {("a/y", 1): (box,), ("a/x", 3): (box, silent), ("a/x", 4): (box,), ("a/x", 5): ()}
    other = {("a/x", 3): (moved,), ("a/x", 5): (silent,), ("a/y", 1): (box,), ("a/y", 2): (box,)}
    table = agreement(one, other)
    assert table[["stimulus", "frame"]].to_records(index=False).tolist() == [("a/x", 3), ("a/x", 5), ("a/y", 1)]
    assert table["iou"].tolist() == pytest.approx([4 / 28, 1, 1])
    assert table[["boxes_one", "boxes_other"]].to_numpy().tolist() == [[1, 1], [0, 0], [1, 1]]
