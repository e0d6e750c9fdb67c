"""Contextual NSS: worked out by hand, the laws that tie the halves to the NSS, and what a table leaves out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.evaluate.contextual import contextual_nss, contextual_rows, contextual_scores, contextual_table, in_boxes
from pipeline.evaluate.metrics import nss
from pipeline.signals.gaze import fixation_counts
from tests.evaluate.gaze import predicted, truth_at, watched

SIZE = (60, 80)
MAP = np.array([[3, 1, 0], [0, 3, 1], [1, 0, 0]])  # mean 1, deviation sqrt(12 / 9)
DEVIATION = math.sqrt(12 / 9)


class Maps:
    """Maps of a run, from memory."""

    def __init__(self, maps):
        self.maps = maps
        self.asked = []

    def read(self, stimulus):
        self.asked.append(stimulus)
        return iter([(frame, saliency) for (name, frame), saliency in self.maps.items() if name == stimulus])


def test_the_two_halves_worked_out_by_hand():
    """Video of 30 x 30 px: each cell of the map is 10 px. Inside the box: 3 and 0; outside: 1."""
    inside, outside = contextual_nss(MAP, [5, 15, 25], [5, 5 + 20, 15], (30, 30), [[0, 0, 20, 30]])
    assert inside == pytest.approx(((3 - 1) + (0 - 1)) / 2 / DEVIATION)
    assert outside == pytest.approx((1 - 1) / DEVIATION)


def test_the_point_decides_and_not_the_cell():
    """Both fixations fall into the cell with 3; the box ends between them."""
    inside, outside = contextual_nss(MAP, [2.0, 7.0], [5.0, 5.0], (30, 30), [[0, 0, 5, 30]])
    assert inside == outside == pytest.approx(2 / DEVIATION)


@pytest.mark.parametrize(("x_px", "within"), [(9.99, False), (10.0, True), (19.99, True), (20.0, False)])
def test_a_box_holds_its_left_edge_and_not_its_right_one(x_px: float, within: bool):
    assert in_boxes(np.array([x_px]), np.array([5.0]), [[10, 0, 10, 10]]).tolist() == [within]
    assert in_boxes(np.array([5.0]), np.array([x_px]), [[0, 10, 10, 10]]).tolist() == [within]


def test_a_half_without_fixations_has_no_number():
    inside, outside = contextual_nss(MAP, [5], [5], (30, 30), [[20, 20, 5, 5]])
    assert math.isnan(inside)
    assert outside == pytest.approx(2 / DEVIATION)


def test_without_boxes_everything_is_outside():
    inside, outside = contextual_nss(MAP, [5, 15], [5, 15], (30, 30), [])
    assert math.isnan(inside)
    assert outside == pytest.approx(2 / DEVIATION)


@pytest.mark.parametrize("seed", range(5))
def test_weighted_by_their_fixations_the_halves_make_the_nss(seed: int):
    rng = np.random.default_rng(seed)
    saliency, boxes = rng.random((7, 9)), [[5, 5, 40, 30], [30, 20, 45, 35]]
    x_px, y_px = rng.uniform(0, 80, 40), rng.uniform(0, 60, 40)
    inside, outside = contextual_nss(saliency, x_px, y_px, SIZE, boxes)
    n_inside = int(in_boxes(x_px, y_px, boxes).sum())
    assert 0 < n_inside < 40
    whole = nss(saliency, fixation_counts(x_px, y_px, SIZE, (7, 9)))
    assert (n_inside * inside + (40 - n_inside) * outside) / 40 == pytest.approx(whole)


def test_against_values_standardised_in_the_open():
    """The same by looking up each fixation in the standardised map."""
    rng = np.random.default_rng(3)
    saliency = rng.random((6, 8))
    x_px, y_px = rng.uniform(0, 80, 30), rng.uniform(0, 60, 30)
    standard = (saliency - saliency.mean()) / saliency.std()
    values = standard[(y_px // 10).astype(int), (x_px // 10).astype(int)]
    within = np.array([20 <= x < 60 and 15 <= y < 45 for x, y in zip(x_px, y_px, strict=True)])
    inside, outside = contextual_nss(saliency, x_px, y_px, SIZE, [[20, 15, 40, 30]])
    assert inside == pytest.approx(values[within].mean())
    assert outside == pytest.approx(values[~within].mean())


def test_scale_and_shift_of_the_map_change_nothing_and_overlapping_boxes_count_once():
    x_px, y_px = [5, 15, 25, 12], [5, 15, 15, 28]
    once = contextual_nss(MAP, x_px, y_px, (30, 30), [[0, 0, 16, 30]])
    assert contextual_nss(7 * MAP + 3, x_px, y_px, (30, 30), [[0, 0, 16, 30]]) == pytest.approx(once)
    assert contextual_nss(MAP, x_px, y_px, (30, 30), [[0, 0, 16, 30], [2, 0, 9, 30]]) == pytest.approx(once)


def test_mirrored_everything_gives_the_same():
    x_px, y_px = np.array([5, 15, 25.5, 12]), np.array([5, 15, 15, 28])
    here = contextual_nss(MAP, x_px, y_px, (30, 30), [[4, 0, 10, 30]])
    assert contextual_nss(MAP[:, ::-1], 30 - x_px, y_px, (30, 30), [[16, 0, 10, 30]]) == pytest.approx(here)


def test_a_constant_map_knows_nothing():
    assert contextual_nss(np.ones((3, 3)), [5, 25], [5, 25], (30, 30), [[0, 0, 10, 10]]) == (0.0, 0.0)


@pytest.mark.parametrize("boxes", [[[0, 0, 10]], [0, 0, 10, 10], [[0, 0, 0, 10]], [[0, math.nan, 10, 10]]])
def test_boxes_that_are_none_are_refused(boxes):
    with pytest.raises(ValueError, match="Boxes are rows of x, y, width, height"):
        contextual_nss(MAP, [5], [5], (30, 30), boxes)


def two_videos():
    """In a/x two annotated frames with a source, in a/y one; the map of each frame is `MAP`, 10 px a cell."""
    x = truth_at([(0, 5, 5), (0, 25, 15), (1, 15, 5), (2, 5, 5)], (30, 30), "a/x", n_frames=4)
    y = truth_at([(1, 15, 15), (1, 15, 16), (1, 5, 25)], (30, 30), "a/y", n_frames=2)
    maps = {(name, frame): MAP for name, n in (("a/x", 4), ("a/y", 2)) for frame in range(n)}
    left = [[0, 0, 10, 30]]
    boxes = {("a/x", 0): left, ("a/x", 1): left, ("a/x", 3): [], ("a/y", 0): left, ("a/y", 1): [[10, 0, 20, 30]]}
    return [x, y], maps, boxes


def test_a_table_averages_over_frames_then_over_videos():
    """a/x: frame 0 has 3 inside and 1 outside, frame 1 only 1 outside. a/y: frame 1 has 3, 3 inside and 1 outside."""
    truths, maps, boxes = two_videos()
    inside, outside = contextual_scores({"made": Maps(maps)}, truths, boxes).to_dict("records")
    assert (inside["run"], inside["where"], outside["where"]) == ("made", "inside", "outside")
    assert inside["mean"] == pytest.approx((2 + 2) / 2 / DEVIATION)
    assert (inside["videos"], inside["frames"]) == (2, 2)
    assert outside["mean"] == pytest.approx(((0 + 0) / 2 + 0) / 2)
    assert (outside["videos"], outside["frames"]) == (2, 3)


def test_videos_weigh_the_same_however_many_frames_they_have():
    still = [truth_at([(frame, 5, 5) for frame in range(n)], (30, 30), name, n) for name, n in (("a/x", 3), ("a/y", 1))]
    maps = {("a/x", frame): MAP for frame in range(3)} | {("a/y", 0): MAP[::-1, ::-1]}
    boxes = {key: [[0, 0, 10, 10]] for key in maps}
    inside = contextual_scores({"made": Maps(maps)}, still, boxes).iloc[0]
    assert inside["mean"] == pytest.approx((2 - 1) / 2 / DEVIATION)


def test_what_is_not_scored_is_counted():
    truths, maps, boxes = two_videos()
    del maps["a/x", 1]
    inside, outside = contextual_scores({"made": Maps(maps)}, truths, boxes).to_dict("records")
    # scored frames: a/x 0 and a/y 1, and a/y 0, where nobody fixates
    assert (inside["frames"], inside["without_fixations"], outside["without_fixations"]) == (2, 1, 1)
    assert (inside["without_map"], inside["without_source"], inside["without_annotation"]) == (1, 1, 1)
    for row in (inside, outside):
        assert row["frames"] + sum(row[name] for name in row if name.startswith("without_")) == 4 + 2


def test_rows_say_why_a_frame_is_not_scored_and_maps_are_not_read_for_nothing():
    truths, maps, boxes = two_videos()
    source = Maps(maps)
    rows = contextual_rows("made", source, truths, {key: found for key, found in boxes.items() if key[0] == "a/x"})
    assert source.asked == ["a/x"]
    first = rows[rows["where"] == "inside"].set_index(["stimulus", "frame"])["note"]
    assert first["a/x"].dropna().to_dict() == {2: "no annotation", 3: "no source on screen"}
    assert set(first["a/y"]) == {"no annotation"}
    assert rows.groupby("where")["n_fixations"].sum().sum() == 4 + 3


def test_nothing_annotated_gives_a_table_without_numbers():
    truths, maps, _ = two_videos()
    table = contextual_table(contextual_rows("made", Maps(maps), truths, {}))
    assert table["mean"].isna().all()
    assert table["without_annotation"].tolist() == [6, 6]


def test_a_map_that_knows_the_source_is_better_inside():
    truth = watched(1, per_frame=30)
    maps = {("a/x", frame): predicted(truth, frame) for frame in range(4)}
    centres = {frame: [float(np.mean(axis)) for axis in truth.points(frame)] for frame in range(4)}
    boxes = {("a/x", frame): [[x - 6, y - 6, 12, 12]] for frame, (x, y) in centres.items()}
    inside, outside = contextual_scores({"made": Maps(maps)}, [truth], boxes)["mean"]
    assert inside > outside > 0
