"""Scores over time, their distribution, who wins how often, and what to look at: by hand and by their laws."""

from __future__ import annotations

import doctest

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import AveError
from pipeline.evaluate import curves
from pipeline.evaluate.analysis.bootstrap import bootstrap_interval
from pipeline.evaluate.analysis.extremes import best_and_worst
from pipeline.evaluate.curves import distribution, over_time, video_curve, win_share
from pipeline.evaluate.score_table import video_means
from tests.evaluate.made_scores import random_runs, scores_of

NAN = np.nan


def test_the_examples_in_the_docstrings_are_true():
    result = doctest.testmod(curves)
    assert result.attempted
    assert not result.failed


# --- over time ---


@pytest.mark.parametrize(
    ("frames", "values", "n_frames", "bins", "curve"),
    [
        (range(6), [1, 3, 5, 5, 0, 2], 6, 3, [2, 5, 1]),
        (range(2), [1, 3], 2, 6, [1, 1, 1, 3, 3, 3]),
        (range(3), [1, 4, 7], 3, 2, [(1 + 4 / 2) / 1.5, (4 / 2 + 7) / 1.5]),
        (range(4), [1, NAN, 3, 5], 4, 4, [1, NAN, 3, 5]),
        (range(4), [1, NAN, 3, 5], 4, 2, [1, 4]),
        (range(3), [1, 2, 3], 6, 6, [1, 2, 3, NAN, NAN, NAN]),
        ([0, 1, 2, 6, 7], [1, 2, 3, 4, 5], 8, 8, [1, 2, 3, NAN, NAN, NAN, 4, 5]),
        # every fourth frame: they meet halfway, at 2.5 and 6.5 of 10; the third bin is 5 .. 7.5
        ([0, 4, 8], [1, 2, 7], 10, 4, [1, 2, (1.5 * 2 + 1 * 7) / 2.5, 7]),
        # begun at the fourth frame, which stands for all before it; they meet at 5.5
        ([3, 7], [1, 2], 8, 8, [1, 1, 1, 1, 1, 1.5, 2, 2]),
        ([0], [3], 1, 4, [3, 3, 3, 3]),
    ],
    ids=[
        "several frames a bin",
        "several bins a frame",
        "a frame between two bins",
        "a frame without score has a gap",
        "and takes no part in its bin",
        "a run that stops early",
        "a hole between frames",
        "every fourth frame",
        "every fourth frame, but not from the first on",
        "one frame",
    ],
)
def test_a_videos_curve_by_hand(frames, values, n_frames, bins, curve):
    np.testing.assert_allclose(video_curve(list(frames), values, n_frames, bins), curve, rtol=1e-12)


@pytest.mark.parametrize("n_frames", [1, 7, 216, 999, 1000, 1001, 6273])
def test_the_mean_over_time_of_a_wholly_scored_video_is_its_mean_over_frames(n_frames):
    values = np.random.default_rng(n_frames).normal(2, 1, n_frames)
    curve = video_curve(np.arange(n_frames), values, n_frames)
    assert curve.shape == (1000,)
    assert curve.mean() == pytest.approx(values.mean(), rel=1e-9)
    assert curve.min() >= values.min() - 1e-9
    assert curve.max() <= values.max() + 1e-9


def test_a_constant_score_is_constant_over_time():
    curve = video_curve(np.arange(0, 500, 4), np.full(125, 1.7), 500)
    np.testing.assert_allclose(curve, 1.7, rtol=1e-9)


def test_rounding_lends_no_bin_a_slip_of_its_neighbours_frame():
    curve = video_curve(range(5), [0.1, 1.1, NAN, 3.1, 4.1], 5, 245)
    assert np.flatnonzero(np.isnan(curve)).tolist() == list(range(98, 147))


def test_each_video_weighs_the_same_in_each_bin():
    scores = scores_of({"x/short": [1.0, 2.0], "x/long": [5.0, 7.0, None, 9.0]})
    table = over_time(scores, bins=4, n=200)
    assert table["time"].tolist() == [0.125, 0.375, 0.625, 0.875]
    assert table["mean"].tolist() == pytest.approx([3, 4, 2, 5.5])
    assert table["videos"].tolist() == [2, 2, 1, 2]
    assert np.isnan(table["low"][2])  # one video has no band
    assert (table["low"][0], table["high"][0]) == (1, 5)


def test_the_band_is_the_bootstrap_interval_of_the_videos():
    scores = random_runs()["a"]
    band, alone = over_time(scores, bins=1, n=800).iloc[0], bootstrap_interval(video_means(scores)["nss"], n=800)
    assert (band["mean"], band["low"], band["high"]) == pytest.approx((alone.mean, alone.low, alone.high))


def test_the_length_of_a_video_is_given_or_taken_from_its_last_row():
    scores = scores_of({"x/1": [1.0, 2.0, None]})
    assert over_time(scores, bins=3)["mean"].tolist()[:2] == [1, 2]
    np.testing.assert_allclose(over_time(scores, bins=6, n_frames={"x/1": 6})["mean"][:3], [1, 2, NAN])


def test_the_order_of_rows_changes_no_curve():
    scores = random_runs()["a"]
    pd.testing.assert_frame_equal(over_time(scores.sample(frac=1, random_state=1), n=50), over_time(scores, n=50))


@pytest.mark.parametrize("n_frames", [{"x/1": 2}, {}], ids=["too short", "absent"])
def test_a_length_that_does_not_fit_is_refused(n_frames):
    with pytest.raises(AveError, match="x/1: scores up to frame 2"):
        over_time(scores_of({"x/1": [1.0, 2.0, 3.0]}), n_frames=n_frames)


# --- distribution ---


def test_a_distribution_by_hand():
    scores = scores_of({"diem.nature/1": [0.0, 0.5, None, 1.0], "diem.social/2": [2.0, 5.0, "no map"]})
    table = distribution(scores, "nss", [0, 1, 3]).set_index(["scope", "low"])
    assert table["frames"].to_dict() == {
        ("all", 0): 2, ("all", 1): 2, ("nature", 0): 2, ("nature", 1): 1, ("social", 0): 0, ("social", 1): 1,
    }  # fmt: skip
    assert table.loc["all", "density"].tolist() == pytest.approx([2 / 5, 2 / 5 / 2])
    assert table.loc["nature", "density"].tolist() == pytest.approx([2 / 3, 1 / 3 / 2])
    assert table.loc["social", "outside"].tolist() == [1, 1]


def test_a_density_fills_its_area_less_what_lies_outside():
    scores = random_runs()["a"]
    table = distribution(scores, "nss")
    area = (table["density"] * (table["high"] - table["low"])).groupby(table["scope"]).sum()
    assert area.tolist() == pytest.approx([1, 1, 1, 1])
    narrow = distribution(scores, "nss", [0.5, 1.0])
    whole = (narrow["frames"] + narrow["outside"]).tolist()
    assert whole == table.groupby("scope", sort=False)["frames"].sum().tolist()


@pytest.mark.parametrize("edges", [[1.0], [1.0, 1.0], [2.0, 1.0]])
def test_edges_that_do_not_rise_are_refused(edges):
    with pytest.raises(AveError, match="must rise"):
        distribution(scores_of({"x/1": [1.0]}), "nss", edges)


# --- who wins ---


def test_a_win_share_by_hand():
    a = scores_of({"x/1": [2.0, 2.0, 2.0, 2.0], "x/2": [1.0, 9.0], "x/3": [1.0]})
    b = scores_of({"x/1": [1.0, 2.0, 3.0, 1.0], "x/2": [0.0, "no map"], "x/4": [1.0]})
    won = win_share(a, b, "nss")
    assert won.share.mean == pytest.approx(((1 + 0.5 + 0 + 1) / 4 + 1) / 2)  # per video, then over videos
    assert (won.share.low, won.share.high) == (0.625, 1)
    assert (won.frames, won.share.videos) == (5, 2)
    assert (won.frames_of_a_alone, won.frames_of_b_alone, won.videos_left_out) == (2, 1, 2)


@pytest.mark.parametrize("metric", ["nss", "kld", "emd"])
def test_what_one_wins_the_other_loses(metric):
    runs = random_runs(metric=metric)
    there, back = (win_share(runs[x], runs[y], metric, n=500) for x, y in ("ac", "ca"))
    assert there.share.mean + back.share.mean == pytest.approx(1)
    assert there.share.low + back.share.high == pytest.approx(1)
    assert (there.share.mean < 0.5) == (metric == "nss")  # c has the higher scores
    assert win_share(runs["a"], runs["a"], metric, n=100).share.mean == 0.5


# --- what to look at ---


def test_the_best_and_worst_videos_and_sequences_by_hand():
    scores = scores_of(
        {"x/even": [2.0] * 6, "x/rising": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], "x/low": [1.0, 1.0, None, 0.0, 0.5, 1.0]}
    )
    table = best_and_worst(scores, "nss", 2, rows=2).set_index(["what", "which", "rank"])
    assert table["stimulus"].to_dict() == {
        ("video", "best", 1): "x/rising",
        ("video", "best", 2): "x/even",
        ("video", "worst", 1): "x/low",
        ("video", "worst", 2): "x/even",
        ("sequence", "best", 1): "x/rising",
        ("sequence", "best", 2): "x/even",
        ("sequence", "worst", 1): "x/low",
        ("sequence", "worst", 2): "x/rising",
    }
    assert set(table["category"]) == {"x"}
    columns = ["first_frame", "last_frame", "mean", "frames"]
    assert table.loc[("video", "worst", 1), columns].tolist() == [0, 5, 0.7, 5]
    assert table.loc[("sequence", "best", 1), columns].tolist() == [4, 5, 4.5, 2]
    assert table.loc[("sequence", "worst", 1), columns].tolist() == [2, 3, 0.0, 1]  # half of it is scored
    assert table.loc[("sequence", "worst", 2), columns].tolist() == [0, 1, 0.5, 2]


def test_the_lowest_divergence_is_the_best():
    scores = scores_of({"x/1": [1.0, 0.5, 1.5], "x/2": [2.0], "x/3": [2.0, 3.0, 4.0]}, "kld")
    table = best_and_worst(scores, "kld", 1, rows=1).set_index(["what", "which"])
    assert table.loc[("sequence", "best"), "mean"] == 0.5
    assert table.loc[("sequence", "worst"), "mean"] == 4
    assert table.loc[("video", "best"), "stimulus"] == "x/1"
    assert table.loc[("video", "worst"), "stimulus"] == "x/3"


def test_a_sequence_has_no_hole_and_counts_the_frames_that_were_looked_at():
    scores = scores_of({"x/1": [0.0, 0.0, 9.0, 9.0, 8.0]}, step=4)
    found = best_and_worst(scores, "nss", 1, rows=2).set_index(["what", "which"]).loc[("sequence", "best")]
    assert (found["first_frame"], found["last_frame"]) == (8, 12)
    holed = scores[scores["frame"] != 12]
    found = best_and_worst(holed, "nss", 1, rows=2).set_index(["what", "which"]).loc[("sequence", "best")]
    assert (found["first_frame"], found["last_frame"], found["mean"]) == (4, 8, 4.5)


def test_sequences_that_are_mostly_unscored_are_not_shown():
    scores = scores_of({"x/1": [1.0, "no map", "no map", "no map", 2.0, 2.0, 2.0], "x/none": [None, None]})
    table = best_and_worst(scores, "nss", 5, rows=3).set_index(["what", "which"])
    assert table.loc[("sequence", "worst"), "first_frame"] == 3  # of three, one without a map
    assert set(table["stimulus"]) == {"x/1"}


def test_k_and_the_length_are_positive():
    for wrong in ({"k": 0}, {"rows": 0}):
        with pytest.raises(ValueError, match="positive"):
            best_and_worst(scores_of({"x/1": [1.0]}), "nss", **wrong)
