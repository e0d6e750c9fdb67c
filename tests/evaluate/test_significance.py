"""Intervals and tests over videos: by hand, by the laws they obey, and against scipy and populations of known mean."""

from __future__ import annotations

import doctest
import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pipeline.errors import AveError
from pipeline.evaluate.analysis import bootstrap, paired_tests
from pipeline.evaluate.analysis.bootstrap import bootstrap_interval, bootstrap_intervals
from pipeline.evaluate.analysis.paired_tests import holm, paired_permutation, wilcoxon
from pipeline.evaluate.analysis.pairing import NOT_SHARED, on_common_frames
from pipeline.evaluate.score_table import means, scored, video_means
from pipeline.evaluate.significance import ANOVA_REMARK, anova_over_frames, compare
from tests.evaluate.made_scores import random_runs, scores_of


@pytest.mark.parametrize("module", [bootstrap, paired_tests])
def test_the_examples_in_the_docstrings_are_true(module):
    result = doctest.testmod(module)
    assert result.attempted
    assert not result.failed


# --- the bootstrap ---


def test_two_videos_can_only_be_drawn_in_three_ways():
    # Means 0, 0.5, 1 with chances 1/4, 1/2, 1/4: a 40 % interval lies on the middle one, a 60 % interval on the ends.
    assert bootstrap_interval([0.0, 1.0], level=0.4) == bootstrap.Interval(0.5, 0.5, 0.5, 2)
    assert bootstrap_interval([0.0, 1.0], level=0.6) == bootstrap.Interval(0.5, 0.0, 1.0, 2)


def test_it_is_scipys_percentile_interval_up_to_the_draws():
    values = np.random.default_rng(1).gamma(2, size=40)
    ours = bootstrap_interval(values, n=20_000)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", random_state=2, batch=1000)
    assert ours.mean == pytest.approx(values.mean())
    assert [ours.low, ours.high] == pytest.approx(list(theirs.confidence_interval), abs=0.03 * values.std())


def test_the_interval_holds_the_populations_mean_about_as_often_as_it_says():
    random = np.random.default_rng(3)
    intervals = [bootstrap_interval(random.exponential(size=40), n=400, seed=k) for k in range(400)]
    held = np.mean([each.low <= 1 <= each.high for each in intervals])
    assert 0.88 <= held <= 0.97  # a percentile interval of 40 skewed values falls a little short of 0.95


def test_frames_drawn_as_if_independent_would_call_the_mean_far_too_sure():
    random = np.random.default_rng(4)
    frames = random.normal(size=(20, 1)) + random.normal(0, 0.2, size=(20, 200))  # alike within a video
    by_video, by_frame = bootstrap_interval(frames.mean(axis=1), n=2000), bootstrap_interval(frames.ravel(), n=500)
    assert by_video.mean == pytest.approx(by_frame.mean)
    assert by_frame.high - by_frame.low < (by_video.high - by_video.low) / 5


def test_strata_leave_out_the_differences_between_them():
    values, strata = np.array([0.0, 0.1, 10.0, 10.1]), ["a", "a", "b", "b"]
    within = bootstrap_interval(values, strata=strata)
    assert within.mean == pytest.approx(5.05)
    assert within.low == pytest.approx(5.0)  # 0, 0, 10, 10
    assert within.high == pytest.approx(5.1)
    assert bootstrap_interval(values).low < 2.6


def test_columns_share_their_draws_and_a_missing_video_is_in_none():
    values = np.array([[1.0, 1.0, 2.0], [2.0, np.nan, np.nan], [4.0, 4.0, np.nan], [8.0, 8.0, np.nan]])
    mean, low, high = bootstrap_intervals(values, n=500)
    assert mean.tolist() == pytest.approx([15 / 4, 13 / 3, 2])
    assert np.isnan([low[2], high[2]]).all()  # one video tells nothing about another
    alone = bootstrap_interval(values[:, 0], n=500)
    assert (mean[0], low[0], high[0]) == pytest.approx((alone.mean, alone.low, alone.high))
    assert low[1] >= 1
    assert high[1] <= 8


def test_weights_are_those_of_a_weighted_mean():
    values, weights = np.array([[1.0], [3.0]]), np.array([[3.0], [1.0]])
    mean, low, high = bootstrap_intervals(values, weights=weights)
    assert (mean[0], low[0], high[0]) == (1.5, 1.0, 3.0)


def test_blocks_of_draws_add_up_to_as_many_as_asked(monkeypatch):
    monkeypatch.setattr(bootstrap, "BLOCK_CELLS", 70)
    drawn = np.concatenate(list(bootstrap._draws(10, 23, 0, None)))
    assert drawn.shape == (23, 10)
    assert (drawn.sum(axis=1) == 10).all()


def test_one_video_has_no_interval_and_none_has_no_mean():
    one, none = bootstrap_interval([2.0]), bootstrap_interval([])
    assert one.mean == 2
    assert np.isnan([one.low, one.high, none.mean, none.low, none.high]).all()


@pytest.mark.parametrize(
    ("values", "options"),
    [([1.0, np.nan], {}), ([[1.0]], {}), ([1.0], {"level": 1.0}), ([1.0], {"n": 0}), ([1.0, 2.0], {"strata": ["a"]})],
    ids=["a NaN", "two dimensions", "a level of 1", "no draws", "too few strata"],
)
def test_what_cannot_be_drawn_from_is_refused(values, options):
    with pytest.raises(ValueError, match=r"expected|finite"):
        bootstrap_interval(values, **options)


# --- the tests ---


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        # of the eight sign flips of 1, 2, 4, the sums ±7, ±5, ±3, ±1 come once each
        ([1.0, 2.0, 4.0], 2 / 8),
        ([-1.0, 2.0, 4.0], 4 / 8),
        ([1.0, -2.0, 4.0], 6 / 8),
        ([-1.0, -2.0, 4.0], 8 / 8),
        ([1.0, 1.0, 1.0], 2 / 8),
        ([1.0, 0.0, 1.0], 2 / 4),
        ([0.0, 0.0], 1.0),
        ([5.0], 1.0),
    ],
)
def test_three_videos_have_eight_sign_flips(differences, p):
    assert paired_permutation(differences) == p


def test_it_is_scipys_permutation_test_where_both_are_exact():
    differences = np.random.default_rng(9).normal(0.4, 1, 9)
    theirs = stats.permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert paired_permutation(differences) == pytest.approx(theirs.pvalue)


def test_without_a_video_there_is_no_p():
    assert math.isnan(paired_permutation([]))
    assert math.isnan(wilcoxon([]))


def test_videos_without_a_difference_leave_the_answer_exact():
    assert paired_permutation([1.0, 2.0, 4.0] + [0.0] * 40) == 2 / 8
    assert wilcoxon([1.0, 2.0, 4.0] + [0.0] * 40) == 2 / 8


def test_sums_that_differ_by_rounding_alone_are_one_sum():
    assert paired_permutation([0.1, 0.2, 0.3, -0.3]) == paired_permutation([1.0, 2.0, 3.0, -3.0])


def test_sampled_sign_flips_come_near_the_exact_answer():
    differences = np.random.default_rng(5).normal(0.3, 1, 16)
    exact = paired_permutation(differences)
    sampled = paired_permutation(np.concatenate([differences, [1e-9]]), n=20_000)  # a seventeenth, that tells nothing
    assert 0.05 < exact < 0.5
    assert sampled == pytest.approx(exact, abs=0.015)


def test_p_is_never_zero():
    assert paired_permutation(np.ones(100), n=999) == 1 / 1000


def test_under_no_difference_p_is_even():
    random = np.random.default_rng(6)
    p = np.array([paired_permutation(random.normal(size=20), n=199, seed=k) for k in range(300)])
    assert np.mean(p <= 0.05) == pytest.approx(0.05, abs=0.035)
    assert np.mean(p <= 0.5) == pytest.approx(0.5, abs=0.09)


@pytest.mark.parametrize("test", [paired_permutation, wilcoxon])
@pytest.mark.parametrize("videos", [7, 25, 60])
def test_neither_order_nor_side_nor_unit_matters(test, videos):
    differences = np.random.default_rng(videos).normal(0.2, 1, videos)
    p = test(differences)
    assert 0 < p <= 1
    assert test(differences[::-1]) == p
    assert test(-differences) == p
    assert test(4 * differences) == p


def test_wilcoxon_by_hand():
    # Ranks 1, 2, 3, 4 with the 1 negative: W- = 1, reached by two of sixteen sign flips from below; two-sided 4 / 16.
    assert wilcoxon([-0.5, 1.0, 1.5, 9.0]) == 4 / 16
    # Ranks 1.5, 1.5, 3 (a 0 is left out), one of the tied negative: sums 3, -3 and 6, -6 … flips at least as far as 3.
    signed = [
        sum(s * r for s, r in zip(signs, (1.5, 1.5, 3), strict=True)) for signs in itertools.product((1, -1), repeat=3)
    ]
    assert wilcoxon([-1.0, 1.0, 2.0, 0.0]) == sum(abs(total) >= 3 for total in signed) / 8


@pytest.mark.parametrize("videos", [5, 12, 16, 17, 40, 90])
def test_wilcoxon_is_scipys(videos):
    differences = np.random.default_rng(videos).normal(0.3, 1, videos)
    method = "exact" if videos <= 50 else "approx"
    assert wilcoxon(differences) == pytest.approx(stats.wilcoxon(differences, method=method).pvalue)


def test_wilcoxon_corrects_for_ties_beyond_the_exact_range():
    differences = np.round(np.random.default_rng(7).normal(0.3, 1, 40), 1)
    with_ties = stats.wilcoxon(differences, zero_method="wilcox", method="approx")
    assert wilcoxon(differences) == pytest.approx(with_ties.pvalue)


@pytest.mark.parametrize("test", [paired_permutation, wilcoxon])
def test_a_nan_is_refused(test):
    with pytest.raises(ValueError, match="one finite number a video"):
        test([1.0, np.nan])


def test_holm_by_hand():
    # sorted 0.005, 0.01, 0.03, 0.04: times 4, 3, 2, 1 is 0.02, 0.03, 0.06, 0.04, which may not fall again
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]).tolist() == [1.0, 1.0]
    assert holm([]).tolist() == []


def test_holm_leaves_out_a_test_that_could_not_be_made():
    corrected = holm([0.01, np.nan, 0.04])
    assert corrected[[0, 2]].tolist() == pytest.approx([0.02, 0.04])
    assert np.isnan(corrected[1])


# --- runs compared ---


def test_a_comparison_by_hand():
    a = scores_of({"x/1": [1.0, 3.0], "x/2": [5.0], "x/3": [2.0, None, 9.0], "x/4": [7.0]})
    b = scores_of({"x/1": [0.0, 0.0], "x/2": [1.0], "x/3": [1.0, None, "no map"], "x/5": [1.0]})
    row = compare({"a": a, "b": b}, "nss").iloc[0]
    # differences 2, 4, 1; frame 2 of x/3 has no map in b; x/4 and x/5 are in one run alone
    assert (row["videos"], row["frames"]) == (3, 4)
    assert row["difference"] == pytest.approx(7 / 3)
    assert (row["mean_a"], row["mean_b"]) == pytest.approx((3, 2 / 3))
    assert row["p_permutation"] == row["p_permutation_holm"] == row["p_wilcoxon"] == 2 / 8
    assert 1 <= row["low"] <= row["difference"] <= row["high"] <= 4
    assert (row["frames_of_a_alone"], row["frames_of_b_alone"], row["videos_left_out"]) == (2, 1, 2)
    assert row["verdict"] == "too few videos (3) to tell"


def test_all_pairs_are_corrected_together():
    table = compare(random_runs(), "nss", n=2000)
    assert list(zip(table["a"], table["b"], strict=True)) == [("a", "b"), ("a", "c"), ("b", "c")]
    for test in ("p_permutation", "p_wilcoxon"):
        assert table[f"{test}_holm"].tolist() == holm(table[test]).tolist()
    runs = random_runs()
    first, last = (video_means(runs[run])["nss"] for run in "ac")
    assert table["difference"][1] == pytest.approx((first - last).mean())
    assert table["p_wilcoxon"][1] == pytest.approx(stats.wilcoxon(first, last, method="exact").pvalue)
    assert table["verdict"][1] == "c is better"


def test_less_is_better_where_the_metric_says_so():
    table = compare(random_runs(metric="kld"), "kld", n=200)
    assert table["difference"][1] < 0
    assert table["verdict"][1] == "a is better"


def test_the_same_comparison_from_the_other_side():
    runs = random_runs(videos=20)
    there, back = (compare({x: runs[x], y: runs[y]}, "nss", n=500).iloc[0] for x, y in ("ab", "ba"))
    assert (there["a"], there["b"]) == (back["b"], back["a"])
    assert there["difference"] == pytest.approx(-back["difference"])
    assert (there["low"], there["high"]) == pytest.approx((-back["high"], -back["low"]))
    for same in ("p_permutation", "p_wilcoxon", "verdict", "videos", "frames"):
        assert there[same] == back[same]


def test_the_order_of_rows_and_videos_changes_nothing():
    runs = random_runs(videos=20)
    mixed = {run: scores.sample(frac=1, random_state=8) for run, scores in runs.items()}
    pd.testing.assert_frame_equal(compare(mixed, "nss", n=300), compare(runs, "nss", n=300))


def test_a_run_is_not_better_than_itself():
    run = random_runs()["a"]
    row = compare({"a": run, "twin": run}, "nss", n=200).iloc[0]
    assert (row["difference"], row["low"], row["high"]) == (0, 0, 0)
    assert row["p_permutation"] == row["p_wilcoxon"] == 1
    assert row["verdict"] == "no difference shown"


@pytest.mark.parametrize(
    ("videos", "runs", "verdict"),
    [(5, 2, "too few videos (5) to tell"), (6, 2, "b is better"), (6, 3, "too few videos (6) to tell")],
)
def test_too_few_is_where_even_videos_that_all_agree_could_not_show_it(videos, runs, verdict):
    # 2 of 2^5 sign flips is 0.0625; 2 of 2^6 is 0.031, and three times that among three pairs
    made = {name: scores_of({f"x/{k}": [k + shift] for k in range(videos)}) for shift, name in enumerate("abc"[:runs])}
    assert compare(made, "nss")["verdict"][0] == verdict


def test_runs_without_a_shared_video_are_told_apart_by_nothing():
    row = compare({"a": scores_of({"x/1": [1.0]}), "b": scores_of({"x/2": [1.0]})}, "nss").iloc[0]
    assert row["verdict"] == "too few videos (0) to tell"
    assert np.isnan([row["difference"], row["p_permutation"], row["p_wilcoxon_holm"]]).all()


def test_few_observers_and_other_fixations_are_remarked():
    few = {"x/1": [1.0, 2.0], "x/2": [3.0]}
    table = compare({"a": scores_of(few, n_fixations=4), "b": scores_of(few, n_fixations=5)}, "nss")
    assert table["remark"][0] == (
        "few observers: 4 fixations in the median frame; 3 frames scored against different fixations"
    )
    assert compare({"a": scores_of(few), "b": scores_of(few)}, "nss")["remark"][0] == ""


def test_the_papers_anova_carries_its_remark():
    a, b = {"x/1": [1.0, 2.0, 3.0, 8.0]}, {"x/1": [2.0, 3.0, 4.0, "no map"]}
    found = anova_over_frames({"a": scores_of(a), "b": scores_of(b)}, "nss")
    # three frames each, means 2 and 3: between 3 * (0.25 + 0.25) = 1.5 on 1, within 2 + 2 on 4
    assert found.f == pytest.approx(1.5 / (4 / 4))
    assert found.p == pytest.approx(stats.f.sf(1.5, 1, 4))
    assert (found.runs, found.frames) == (2, 3)
    assert found.remark == ANOVA_REMARK
    assert "not independent" in found.remark


def test_anova_over_frames_is_sure_of_what_the_videos_do_not_show():
    # The difference is one video's alone, but that one has thousands of frames.
    long, rest = np.tile([0.9, 1.1], 2000), {f"x/{k}": [1.0] for k in range(7)}
    runs = {run: scores_of({"x/long": (long + lead).tolist(), **rest}) for run, lead in (("a", 0.0), ("b", 0.5))}
    assert anova_over_frames(runs, "nss").p < 1e-9
    row = compare(runs, "nss", n=200).iloc[0]
    assert row["verdict"] == "no difference shown"
    assert row["p_permutation"] == 1


def test_an_anova_of_constant_scores_is_nan():
    same = scores_of({"x/1": [1.0, 1.0]})
    assert math.isnan(anova_over_frames({"a": same, "b": same}, "nss").f)


def test_on_common_frames_every_average_is_of_the_same_frames():
    a = scores_of({"x/1": [1.0, 3.0, None], "x/2": [5.0, "no map"]}).assign(cc=[0.1, 0.2, np.nan, 0.3, np.nan])
    b = scores_of({"x/1": [2.0, "no map", None], "x/2": [6.0, 7.0]}).assign(cc=[np.nan, np.nan, np.nan, 0.4, 0.5])
    both = on_common_frames({"a": a, "b": b})
    assert list(both["a"].columns) == list(a.columns)
    for run, nss in (("a", (1 + 5) / 2), ("b", (2 + 6) / 2)):
        frames = list(scored(both[run])[["stimulus", "frame"]].itertuples(index=False, name=None))
        assert frames == [("x/1", 0), ("x/2", 0)]
        assert means(both[run])["nss"][0] == nss
        assert scored(both[run])["cc"].isna().tolist() == [True, False]
    notes = both["a"]["note"].tolist()
    assert (notes[1], notes[4]) == (NOT_SHARED, "no map")
    assert pd.isna([notes[0], notes[2]]).all()  # scored in both, and without fixations in both
    assert len(both["a"]) == len(a)


def test_a_metric_that_one_run_lacks_altogether_stays_in_the_others():
    a, b = scores_of({"x/1": [1.0]}).assign(cc=0.5), scores_of({"x/1": [2.0]})
    assert on_common_frames({"a": a, "b": b})["a"]["cc"].tolist() == [0.5]


@pytest.mark.parametrize(
    ("runs", "metric", "words"),
    [
        ({"a": scores_of({"x/1": [1.0]})}, "nss", "at least two runs"),
        ({"a": scores_of({"x/1": [1.0]}), "b": scores_of({"x/1": [1.0]})}, "nsss", "Did you mean 'nss'"),
        ({"a": scores_of({}), "b": scores_of({})}, "nss", "hold no row"),
        ({"a": scores_of({"x/1": [1.0]}), "b": scores_of({"x/1": [1.0]}, protocol="dave")}, "nss", "2 protocols"),
        (dict.fromkeys("ab", pd.concat([scores_of({"x/1": [1.0]})] * 2)), "nss", "x/1: frame 0 has two rows"),
    ],
    ids=["one run", "no such metric", "no row", "two protocols", "a frame twice"],
)
def test_what_cannot_be_compared_is_refused(runs, metric, words):
    with pytest.raises(AveError, match=words):
        compare(runs, metric)
