"""Readings on frames: by hand, then laws on random readings."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.corpora.tracks import per_frame
from pipeline.errors import GazeError


def track(time_s, x_px, reason=None, *, rate=Fraction(25), n_frames=3, y_px=None):
    reason = [""] * len(time_s) if reason is None else reason
    return per_frame("o1", time_s, x_px, x_px if y_px is None else y_px, reason, rate=rate, n_frames=n_frames)


def test_readings_of_one_frame_become_their_median():
    found = track([0.00, 0.01, 0.02, 0.04, 0.05, 0.08], [1, 9, 2, 4, 6, 7], y_px=[1, 2, 3, 4, 5, 6])
    assert found.frame.tolist() == [0, 1, 2] and found.frame.dtype == np.int32
    assert found.x_px.tolist() == [2, 5, 7]
    assert found.y_px.tolist() == [2, 4.5, 6]
    assert found.reason.tolist() == ["", "", ""]


def test_a_reading_at_the_very_onset_of_a_frame_belongs_to_it_at_every_rate():
    for rate in (Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(30), Fraction(60)):
        frames = np.arange(3000)
        found = track(frames * (rate.denominator / rate.numerator), frames, rate=rate, n_frames=3000)
        np.testing.assert_array_equal(found.x_px, frames)


def test_a_frame_is_a_fixation_where_at_least_half_of_its_readings_are():
    half = track([0, 0.01, 0.02, 0.03], [1, 3, 100, 200], ["", "", "blink", "saccade"], n_frames=1)
    assert (half.reason.tolist(), half.x_px.tolist()) == ([""], [2])  # by the fixations alone
    fewer = track([0, 0.01, 0.02], [1, 100, 200], ["", "blink", "saccade"], n_frames=1)
    assert fewer.reason.tolist() == ["blink"] and np.isnan(fewer.x_px).all()


def test_what_is_no_fixation_has_the_reason_that_most_of_the_others_give():
    found = track([0, 0.01, 0.02, 0.03], [1, 2, 3, 4], ["saccade", "blink", "blink", ""], n_frames=1)
    assert found.reason.tolist() == ["blink"]


def test_a_fixation_without_a_position_is_missing():
    found = track([0, 0.01, 0.04], [np.nan, np.nan, 5], n_frames=2)
    assert found.reason.tolist() == ["missing", ""]


def test_a_frame_without_readings_is_missing_as_under_a_slow_tracker():
    found = track([0.0, 0.08, 0.16], [1, 2, 3], n_frames=6)
    assert found.reason.tolist() == ["", "missing", "", "missing", "", "missing"]
    assert found.frame.tolist() == list(range(6))


def test_readings_before_and_after_the_video_are_samples_beyond_it():
    found = track([-0.05, -0.01, 0.0, 0.04, 0.13], [1, 2, 3, 4, 5], ["", "", "", "blink", ""], n_frames=2)
    assert found.frame.tolist() == [-2, -1, 0, 1, 3]
    assert found.reason.tolist() == ["beyond-video", "beyond-video", "", "blink", "beyond-video"]


def test_nobody_watching_is_missing_throughout():
    assert track([], [], n_frames=2).reason.tolist() == ["missing", "missing"]


def test_a_reading_without_a_time_is_an_error():
    with pytest.raises(GazeError, match="o1: 1 of 2 readings have no time") as raised:
        track([0, np.nan], [1, 2])
    assert raised.value.code == "gaze-time"


readings = st.lists(
    st.tuples(st.floats(-0.2, 1.0), st.floats(0, 100), st.sampled_from(["", "", "blink", "lost"])), max_size=40
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(readings, st.randoms(use_true_random=False))
def test_the_order_of_readings_means_nothing_and_a_position_lies_among_those_of_its_frame(rows, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    one, other = (
        track(*([row[k] for row in given_rows] for k in range(3)), n_frames=20) for given_rows in (rows, shuffled)
    )
    for name in ("frame", "x_px", "reason"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert set(range(20)) <= set(one.frame.tolist())
    for frame, x_px, reason in zip(one.frame, one.x_px, one.reason, strict=True):
        fixated = [x for t, x, why in rows if why == "" and np.floor(t * 25 + 1e-6) == frame]
        assert reason != "" or min(fixated) <= x_px <= max(fixated)
