"""Human infinite: observers who agree, observers who do not, and what the lots may not change."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pipeline.evaluate import baselines, protocols
from pipeline.evaluate.baselines.human import NO_HALF, halves, human_infinite, leave_one_out, over_splits
from pipeline.evaluate.baselines.observers import TOO_FEW, who
from pipeline.evaluate.protocol.scorer import Scorer
from pipeline.evaluate.score_table import means, read_scores, video_means, write_scores
from tests.evaluate.baselines.people import crowd, seen_by

SIZE = (24, 32)
OURS = protocols.get("ours")


@pytest.fixture(scope="module")
def split():
    return [
        crowd(0, name="a/x"),
        crowd(1, name="a/y", category="social", missing=0.2),
        crowd(2, name="b/z", n_frames=3),
    ]


@pytest.fixture(scope="module")
def scorer(split):
    return Scorer(OURS, split)


@pytest.fixture(scope="module")
def human(split, scorer):
    return human_infinite(split, scorer, n_splits=4, size=SIZE)


def agreeing(n_observers=6, n_frames=4, name="a/x", start=0):
    """Everybody looks at one point, another one in each frame."""
    spots = [(15 + 50 * (k % 2), 12 + 35 * (k // 2 % 2)) for k in range(start, start + n_frames)]
    return seen_by([(k, who, x, y) for k, (x, y) in enumerate(spots) for who in range(n_observers)], name=name)


def test_people_who_look_at_one_point_beat_the_mean_eye_position():
    videos = [agreeing(), agreeing(name="a/y", start=1)]
    scorer = Scorer(OURS, videos)
    rows = human_infinite(videos, scorer, n_splits=2, size=SIZE).rows
    mep = baselines.mep_of(videos, SIZE)
    for row in rows:
        still = scorer.score(videos[row["stimulus"] == "a/y"], row["frame"], mep)
        assert row["nss"] > still["nss"] + 1 and row["cc"] > still["cc"] and row["kld"] < still["kld"]


def test_people_who_agree_reach_the_score_of_the_density_itself():
    video = agreeing()
    scorer = Scorer(OURS, [video])
    human = human_infinite([video], scorer, n_splits=3)
    itself = scorer.score(video, 1, video.density(1, (256, 320)))
    row = human.rows[1]
    assert [row[name] for name in ("nss", "cc", "sim", "kld")] == pytest.approx(
        [itself[name] for name in ("nss", "cc", "sim", "kld")], abs=1e-6
    )
    assert row["cc"] == pytest.approx(1) and row["n_fixations"] == 6
    assert (human.intervals["high"] - human.intervals["low"]).max() == pytest.approx(0, abs=1e-9)


def test_a_row_is_the_mean_over_splits_and_directions(split, scorer, human):
    truth, frame, scores = split[0], 2, []
    for number in range(4):
        a, b = (truth.of_observers(part.tolist()) for part in halves(truth, number))
        scores += [scorer.score(two, frame, one.density(frame, SIZE))["nss"] for one, two in ((a, b), (b, a))]
    row = next(row for row in human.rows if (row["stimulus"], row["frame"]) == ("a/x", frame))
    assert row["nss"] == pytest.approx(np.mean(scores))


@pytest.mark.parametrize("n_observers", [2, 7, 12])
def test_halves_share_nobody_leave_nobody_out_and_differ_by_one_at_most(n_observers):
    truth = crowd(3, n_observers=n_observers)
    for number in range(5):
        a, b = halves(truth, number)
        assert sorted([*a, *b]) == who(truth).tolist() and b.size - a.size == n_observers % 2


def test_the_lots_depend_on_seed_split_and_video_alone(split, scorer, human):
    again = human_infinite(split[::-1], scorer, n_splits=4, size=SIZE)
    key = ["stimulus", "frame"]
    assert sorted(again.rows, key=lambda row: [row[k] for k in key]) == sorted(
        human.rows, key=lambda row: [row[k] for k in key]
    )
    parts = [halves(split[0], number, seed)[0].tolist() for seed in (0, 1) for number in (0, 1)]
    assert len({tuple(part) for part in parts}) == 4


def test_the_interval_is_students_over_the_splits_and_holds_the_mean(human):
    nss = human.splits.query("scope == 'all'")["nss"]
    low, high = stats.t.interval(0.95, 3, loc=nss.mean(), scale=stats.sem(nss))
    row = human.intervals.query("scope == 'all' and metric == 'nss'").iloc[0]
    assert row[["mean", "low", "high"]].tolist() == pytest.approx([nss.mean(), low, high])
    assert (human.intervals["low"] < human.intervals["mean"]).all()
    assert (human.intervals["mean"] < human.intervals["high"]).all()
    assert set(human.intervals["scope"]) == {"all", "nature", "social"}


def test_one_split_has_a_mean_and_no_interval(human):
    one = over_splits(human.splits.query("split == 0"))
    assert one["mean"].notna().all() and one[["low", "high"]].isna().all(axis=None)


def test_rows_are_a_score_table(human, tmp_path):
    write_scores(tmp_path / "human.parquet", human.rows, {"run": "human"})
    table, _ = read_scores(tmp_path / "human.parquet")
    assert means(table)["videos"].tolist() == [3, 2, 1]
    assert len(table) == 11 and table["note"].isna().all()
    expected = human.splits.query("scope == 'all'")["cc"].mean()
    assert means(table).loc[0, "cc"] == pytest.approx(expected, abs=0.02)


def test_a_frame_in_which_a_half_has_no_fixation_is_counted_not_scored():
    points = [(0, k, 10 + k, 10) for k in range(4)] + [(1, 2, 30, 30)] + [(3, k, 40, 30 + k) for k in (0, 1)]
    video = seen_by(points, n_frames=4)
    human = human_infinite([video], Scorer(OURS, [video]), n_splits=6, size=SIZE)
    assert [row["note"] for row in human.rows] == [None, NO_HALF, None, None]
    assert [row["n_fixations"] for row in human.rows] == [4, 1, 0, 2]
    assert [row["nss"] is None for row in human.rows] == [False, True, True, False]
    apart = sum(len({0, 1} & set(halves(video, number)[0].tolist())) == 1 for number in range(6))
    assert 0 < apart < 6, "in some splits both observers of frame 3 are in one half"
    assert any(f"{6 + 6 - apart} of 18 frames" in sentence for sentence in human.said)


@pytest.mark.parametrize("points", [[(0, 0, 5, 5), (1, 0, 9, 9)], []])
def test_too_few_observers_are_said_and_not_scored(points, split, scorer):
    alone = seen_by(points, name="a/alone", n_frames=2)
    human = human_infinite([split[0], alone], scorer, n_splits=2, size=SIZE)
    own = [row for row in human.rows if row["stimulus"] == "a/alone"]
    assert [row["note"] for row in own] == [TOO_FEW if points else None] * 2
    assert all(row["nss"] is None for row in own)
    assert ("not scored: a/alone." in human.said[-1]) is bool(points)
    assert human.splits.query("scope == 'all'")["videos"].tolist() == [1, 1]
    assert [row["note"] for row in leave_one_out([alone], scorer, size=SIZE)] == [TOO_FEW if points else None] * 2


def test_nothing_but_videos_of_one_observer_is_no_crash():
    alone = seen_by([(0, 0, 5, 5)])
    human = human_infinite([alone], Scorer(OURS, [alone]), n_splits=2)
    assert human.intervals.empty and human.splits["frames"].eq(0).all()


def test_every_second_frame_is_half_of_them_and_said(split, scorer, human):
    sampled = human_infinite(split, scorer, n_splits=4, size=SIZE, every=2)
    assert sampled.rows == [row for row in human.rows if row["frame"] % 2 == 0]
    assert "human: frames 0, 2, 4 … of each video." in sampled.said


def test_an_observer_is_predicted_by_all_others(split, scorer):
    truth = split[1]
    rows = leave_one_out([truth], scorer, size=SIZE)
    numbers, scores = who(truth), []
    for number in numbers:
        one, others = truth.of_observers([number]), truth.of_observers(set(numbers.tolist()) - {number})
        if one.n_fixations(1):
            scores.append(scorer.score(one, 1, others.density(1, SIZE))["nss"])
    assert len(scores) < numbers.size, "somebody has no fixation there, and is not in the mean"
    assert rows[1]["nss"] == pytest.approx(np.mean(scores))


def test_more_observers_predict_better_than_half_of_them():
    video = crowd(5, n_observers=6, n_frames=30, spread=0.12)
    scorer = Scorer(OURS, [video])
    half = np.mean([row["auc_judd"] for row in human_infinite([video], scorer, n_splits=3, size=SIZE).rows])
    assert np.mean([row["auc_judd"] for row in leave_one_out([video], scorer, size=SIZE)]) > half


@pytest.mark.parametrize("name", ["stavis", "dhf1k"])
def test_published_protocols_score_people_too(name, split):
    human = human_infinite(split[:1], Scorer(protocols.get(name), split), n_splits=2, every=2)
    assert video_means_of(human.rows)["cc"].between(0.2, 1).all()


def video_means_of(rows):
    return video_means(pd.DataFrame(rows))


@pytest.mark.parametrize("wrong", [{"n_splits": 0}, {"every": 0}])
def test_none_of_something_is_refused(wrong, split, scorer):
    with pytest.raises(ValueError, match="expected at least 1"):
        human_infinite(split, scorer, **wrong)
