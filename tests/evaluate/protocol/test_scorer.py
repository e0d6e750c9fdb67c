"""Frames scored by a protocol: what comes out, what is refused, what does not depend on the way there."""

from __future__ import annotations

import math
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.evaluate import metrics, protocols
from pipeline.evaluate.protocol import MAP
from pipeline.evaluate.protocol.scorer import BEYOND_ANNOTATION, NEGATIVE, NOT_ALL, NOT_FINITE, Scorer, _generator
from pipeline.evaluate.protocol.variants_roc import auc_judd_expected
from pipeline.evaluate.score_table import METRICS, means, read_scores, write_scores
from tests.evaluate.gaze import predicted, truth_at, watched

ALL = protocols.names()
PUBLISHED = [name for name in ALL if name != "ours"]
ROW = {"n_fixations", "constant", "note"}


@pytest.fixture(scope="module")
def split():
    return [
        watched(0, (60, 80), "a/x", empty=(2,)),
        watched(1, (90, 60), "a/y"),
        watched(2, (60, 80), "b/z", n_frames=6),
    ]


@pytest.fixture(scope="module")
def baseline(split):
    return sum(truth.all_counts((12, 16)) for truth in split) + 0.1


def scores_of(row):
    return {name: score for name, score in row.items() if name in METRICS}


@pytest.mark.parametrize("name", ALL)
def test_every_protocol_scores_a_frame(name, split, baseline):
    scorer = Scorer(protocols.get(name), split, baseline)
    row = scorer.score(split[0], 1, predicted(split[0], 1))
    assert set(row) == set(protocols.get(name).metrics) | ROW
    assert (row["n_fixations"], row["constant"], row["note"]) == (12, False, None)
    assert all(type(score) is float and math.isfinite(score) for score in scores_of(row).values())
    assert row["nss"] > 1 and row["auc_judd"] > 0.8 and row["cc"] > 0.5, "the map knows where people look"


@pytest.mark.parametrize("name", ALL)
def test_a_map_that_knows_beats_one_that_does_not(name, split, baseline):
    scorer = Scorer(protocols.get(name), split, baseline)
    knows, knows_not = (scores_of(scorer.score(split[0], 1, predicted(split[0], frame))) for frame in (1, 3))
    for metric, score in knows.items():
        more_is_better = METRICS[metric][1]
        assert (score > knows_not[metric]) is more_is_better, metric


def test_ours_is_the_metrics_at_256_by_320(split, baseline):
    truth, saliency, size = split[1], predicted(split[1], 2), (256, 320)

    def by_lines(small):
        return torch.nn.functional.interpolate(torch.tensor(small)[None, None].double(), size, mode="bilinear")[0, 0]

    large, reference = by_lines(saliency).float().numpy(), by_lines(baseline).numpy()
    fixations, density = truth.counts(2, size), truth.density(2, size)
    negatives = split[0].all_counts(size) + split[2].all_counts(size)
    row = Scorer(protocols.get("ours"), split, baseline).score(truth, 2, saliency)
    assert scores_of(row) == pytest.approx({
        "nss": metrics.nss(large, fixations),
        "auc_judd": metrics.auc_judd(large, fixations),
        "sauc": metrics.sauc(large, fixations, negatives),
        "cc": metrics.cc(large, density),
        "sim": metrics.sim(large, density),
        "kld": metrics.kld(large, density),
        "ig": metrics.information_gain(large, fixations, reference),
    }, rel=1e-5)  # fmt: skip


def test_ours_leaves_a_map_of_its_size_alone(split):
    saliency = np.random.default_rng(0).random((256, 320))
    row = Scorer(protocols.get("ours"), split).score(split[0], 0, saliency)
    assert row["nss"] == metrics.nss(saliency, split[0].counts(0, (256, 320)))
    assert row["cc"] == metrics.cc(saliency, split[0].density(0, (256, 320)))


def test_ours_takes_means_when_a_map_is_larger(split):
    saliency = np.random.default_rng(0).random((512, 640))
    small = saliency.reshape(256, 2, 320, 2).mean(axis=(1, 3))
    row = Scorer(protocols.get("ours"), split).score(split[0], 0, saliency)
    assert row["nss"] == pytest.approx(metrics.nss(small, split[0].counts(0, (256, 320))), rel=1e-5)


def test_maps_can_be_scored_at_their_own_size(split):
    own = Scorer(replace(protocols.get("ours"), size=MAP), split)
    saliency = predicted(split[0], 1)
    assert own.score(split[0], 1, saliency)["nss"] == metrics.nss(saliency, split[0].counts(1, saliency.shape))


@pytest.mark.parametrize("name", ALL)
def test_points_at_the_far_edge_are_scored(name):
    far = np.nextafter(np.float32([80, 60]), np.float32(0))
    edge = truth_at([(0, *far), (0, 0, 0), (1, far[0], 0), (1, 40, 30)], n_frames=2)
    others = [watched(seed, name=f"b/{seed}") for seed in range(3)]
    corner = np.zeros((12, 16), np.float32)
    corner[-1, -1] = corner[0, 0] = 1
    row = Scorer(protocols.get(name), [edge, *others]).score(edge, 0, corner)
    assert row["n_fixations"] == 2
    assert row["auc_judd"] > 0.99 and row["nss"] > 3


EMPTY = {"stavis": {"sim": 0.0}, "vinet": {"sim": 0.0}, "dhf1k": {"sim": 0.0}, "dave": {"sim": 0.0},
         "mit": {"sim": 0.0, "kld": 0.0}, "ours": {}, "vinet-py": {}}  # fmt: skip


@pytest.mark.parametrize("name", ALL)
def test_a_frame_without_fixations_has_the_scores_that_the_published_code_gives_it(name, split, baseline):
    row = Scorer(protocols.get(name), split, baseline).score(split[0], 2, predicted(split[0], 1))
    assert (row["n_fixations"], row["note"]) == (0, None)
    assert {metric: score for metric, score in scores_of(row).items() if score is not None} == EMPTY[name]


@pytest.mark.parametrize("name", ALL)
def test_what_is_scored_on_an_empty_frame_is_what_the_variants_say(name, split):
    """The table of scores on empty frames against the code that would compute them."""
    protocol, truth = protocols.get(name), split[0]
    scorer = Scorer(protocol, split)
    ready = scorer._frame(truth, 2, scorer.prepare(truth, predicted(truth, 1)))
    scores = {metric: measure(ready) for metric, measure in scorer.metrics.items()}
    expected = {metric: score for metric, score in protocol.empty.items() if metric in scores}
    assert {metric: score for metric, score in scores.items() if not math.isnan(score)} == expected


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_map_that_is_not_finite_is_noted(name, value, split):
    broken = predicted(split[0], 1)
    broken[3, 4] = value
    row = Scorer(protocols.get(name), split).score(split[0], 1, broken)
    assert (row["note"], row["n_fixations"]) == (NOT_FINITE, 12)
    assert not any(scores_of(row).values())


def test_a_map_with_negative_values_is_noted_by_ours_and_stretched_by_others(split):
    logarithm = np.log(predicted(split[0], 1))
    assert logarithm.min() < 0
    assert Scorer(protocols.get("ours"), split).score(split[0], 1, logarithm)["note"] == NEGATIVE
    for name in PUBLISHED:
        row = Scorer(protocols.get(name), split).score(split[0], 1, logarithm)
        assert row["note"] is None and row["sim"] is not None


@pytest.mark.parametrize("shape", [(3,), (2, 3, 4), (0, 3)])
def test_what_is_no_map_is_an_error(shape, split):
    with pytest.raises(ValueError, match="row, column"):
        Scorer(protocols.get("ours"), split).score(split[0], 1, np.ones(shape))


@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3])
def test_a_constant_map_scores_at_chance_in_ours_and_can_be_found(value, split):
    row = Scorer(protocols.get("ours"), split).score(split[1], 0, np.full((32, 40), value))
    assert row["constant"] and row["note"] is None
    assert (row["auc_judd"], row["sauc"], row["nss"], row["cc"]) == (0.5, 0.5, 0.0, 0.0)


def test_a_constant_map_has_hardly_a_score_in_the_published_codes(split):
    constant = np.full((12, 16), 0.3)

    def found(name):
        row = Scorer(protocols.get(name).expected(), split).score(split[1], 0, constant)
        assert row["constant"]
        return {metric: score for metric, score in scores_of(row).items() if score is not None}, row["note"]

    assert found("stavis") == ({}, None), "stretched, an all-zero picture is not a number"
    judd = auc_judd_expected(np.zeros(split[1].size_px), split[1].counts(0, split[1].size_px))
    for name in ("vinet", "dhf1k"):
        assert found(name) == ({"auc_judd": judd, "sim": 0.0}, None)
    assert judd > 0.5
    assert found("vinet-py") == ({}, NOT_ALL)


@pytest.mark.parametrize("level", [77, 100, 143])
@pytest.mark.parametrize("name", ["vinet", "dhf1k", "mit"])
def test_resizing_gives_a_constant_picture_no_order(name, level, split):
    grey = np.full((13, 17), level, np.uint8)
    row = Scorer(protocols.get(name), split).score(split[1], 0, grey)
    assert row["constant"]
    assert not any(row[metric] for metric in ("nss", "cc", "sim", "sauc"))


def test_draws_differ_from_stimulus_to_stimulus_frame_to_frame_and_use_to_use():
    first = [
        _generator(*what).random()
        for what in [(0, "a/x", 1, "sauc"), (1, "a/x", 1, "sauc"), (0, "a/y", 1, "sauc"), (0, "a/x", 2, "sauc"),
                     (0, "a/x", 1, "auc_judd")]
    ]  # fmt: skip
    assert len(set(first)) == 5
    assert _generator(0, "a/x", 1, "sauc").random() == first[0]


def test_a_map_beyond_the_annotation_is_an_error_left_out_or_scored_zero(split):
    saliency = predicted(split[0], 1)
    with pytest.raises(IndexError, match="frame 4 asked for"):
        Scorer(protocols.get("ours"), split).score(split[0], 4, saliency)
    stavis = Scorer(protocols.get("stavis"), split).score(split[0], 4, saliency)
    assert stavis["note"] == BEYOND_ANNOTATION and not any(scores_of(stavis).values())
    vinet = Scorer(protocols.get("vinet"), split).score(split[0], 4, saliency)
    assert vinet["note"] is None and set(scores_of(vinet).values()) == {0.0}
    for name in ALL:
        with pytest.raises(IndexError):
            Scorer(protocols.get(name), split).score(split[0], -1, saliency)


@pytest.mark.parametrize("name", ALL)
def test_a_row_depends_on_seed_and_frame_but_not_on_what_was_scored_before(name, baseline):
    split = [watched(seed, name=f"a/{seed}", n_frames=20) for seed in range(3)]
    saliency = np.random.default_rng(0).random((12, 16))
    saliency[6:] = 0  # half of the map is tied, and people look there too
    first, again, other = (Scorer(protocols.get(name), split, baseline, seed=seed) for seed in (3, 3, 4))
    row = first.score(split[0], 1, saliency)
    again.score(split[2], 5, saliency)
    again.score(split[0], 0, saliency)
    assert again.score(split[0], 1, saliency) == row
    assert (other.score(split[0], 1, saliency) != row) is protocols.get(name).draws


@pytest.mark.parametrize("name", ["stavis", "vinet", "vinet-py", "dave"])
def test_the_expected_protocol_has_no_seed_and_lies_amid_the_draws(name, split):
    saliency = np.maximum(0, predicted(split[2], 1) - 0.3)  # a floor of ties
    rows = [Scorer(protocols.get(name), split, seed=seed).score(split[2], 1, saliency) for seed in range(12)]
    expected = [
        Scorer(protocols.get(f"{name}-expected"), split, seed=seed).score(split[2], 1, saliency) for seed in (0, 1)
    ]
    assert expected[0] == expected[1]
    for metric, score in scores_of(expected[0]).items():
        drawn = [row[metric] for row in rows]
        assert abs(np.mean(drawn) - score) <= 5 * np.std(drawn) / math.sqrt(len(drawn)) + 1e-9, metric


def test_a_scorer_can_be_sent_to_another_process(split, baseline):
    for name in ALL:
        scorer = Scorer(protocols.get(name), split, baseline)
        row = scorer.score(split[0], 1, predicted(split[0], 1))
        assert pickle.loads(pickle.dumps(scorer)).score(split[0], 1, predicted(split[0], 1)) == row


def test_without_a_baseline_there_is_no_information_gain(split):
    assert "ig" not in Scorer(protocols.get("ours"), split).score(split[0], 1, predicted(split[0], 1))


def test_a_baseline_may_have_any_size_but_must_be_a_distribution(split):
    saliency = predicted(split[0], 1)
    gains = [
        Scorer(protocols.get("ours"), split, np.ones(size)).score(split[0], 1, saliency)["ig"]
        for size in ((256, 320), (3, 5), (300, 300))
    ]
    assert gains == pytest.approx([gains[0]] * 3, rel=1e-5)
    assert gains[0] > 1
    with pytest.raises(ValueError, match="baseline"):
        Scorer(protocols.get("ours"), split, -np.ones((3, 5)))


def test_a_split_of_one_video_has_no_shuffled_auc_in_ours(split):
    row = Scorer(protocols.get("ours"), split[:1]).score(split[0], 1, predicted(split[0], 1))
    assert row["sauc"] is None and row["note"] is None and row["nss"] > 1


def test_rows_go_into_the_score_table_and_empty_frames_pull_down_the_published_sim(split, tmp_path):
    def table(name):
        scorer = Scorer(protocols.get(name), split)
        facts = {"protocol": name, "stimulus": "a/x", "corpus": "a", "category": "nature"}
        rows = [
            {**facts, "frame": frame, **scorer.score(split[0], frame, predicted(split[0], frame % 2))}
            for frame in range(4)
        ]
        write_scores(tmp_path / "run.parquet", rows, {})
        scores, _ = read_scores(tmp_path / "run.parquet")
        return scores, means(scores, protocols.get(name).average).iloc[0]

    scores, mean = table("ours")
    assert mean["frames"] == 3
    assert mean["sim"] == pytest.approx(scores["sim"].sum() / 3)
    scores, mean = table("stavis")
    assert mean["sim"] == pytest.approx(scores["sim"].sum() / 4)
    assert mean["nss"] == pytest.approx(scores["nss"].sum() / 3)


@pytest.mark.parametrize("value", [7, 255])
def test_a_constant_picture_has_no_sim_in_stavis_whose_code_stretches_it_to_a_half(value, split):
    row = Scorer(protocols.get("stavis").expected(), split).score(split[1], 0, np.full((12, 16), value, np.uint8))
    assert row["sim"] is None and row["constant"]
