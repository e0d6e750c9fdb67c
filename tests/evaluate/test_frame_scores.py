"""All scores in one call: the numbers of the single functions, each picture looked at once."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest

from pipeline.evaluate import checks, frame_scores, metrics
from pipeline.evaluate.checks import checked_counts, checked_map
from pipeline.evaluate.frame_scores import score_frame
from pipeline.evaluate.score_table import METRICS
from tests.evaluate.test_metrics import SHAPE, random_frame

SEVEN = ["nss", "auc_judd", "sauc", "cc", "sim", "kld", "ig"]


def one_by_one(saliency, fixations, density, negatives, baseline):
    return {
        "nss": metrics.nss(saliency, fixations),
        "auc_judd": metrics.auc_judd(saliency, fixations),
        "sauc": metrics.sauc(saliency, fixations, negatives),
        "cc": metrics.cc(saliency, density),
        "sim": metrics.sim(saliency, density),
        "kld": metrics.kld(saliency, density),
        "ig": metrics.information_gain(saliency, fixations, baseline),
    }


def pictures(seed, dtype=np.float64):
    saliency, fixations, negatives, density = random_frame(seed, dtype)
    baseline = np.random.default_rng(seed).random(SHAPE)
    return saliency, fixations, density, negatives, baseline


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.uint8, np.int32])
@pytest.mark.parametrize("seed", range(4))
def test_they_are_the_single_scores_under_the_names_of_the_score_table(seed, dtype):
    found = score_frame(*pictures(seed, dtype))
    assert found == pytest.approx(one_by_one(*pictures(seed, dtype)), rel=1e-12, abs=1e-12)
    assert list(found) == SEVEN
    assert set(SEVEN) < set(METRICS)
    assert all(type(score) is float for score in found.values())


def test_a_score_without_its_ground_truth_is_absent():
    saliency, fixations, density, negatives, baseline = pictures(0)
    assert list(score_frame(saliency, fixations)) == ["nss", "auc_judd"]
    assert list(score_frame(saliency, fixations, density)) == ["nss", "auc_judd", "cc", "sim", "kld"]
    assert list(score_frame(saliency, fixations, negatives=negatives)) == ["nss", "auc_judd", "sauc"]
    assert list(score_frame(saliency, fixations, baseline=baseline)) == ["nss", "auc_judd", "ig"]


def test_a_map_below_zero_is_scored_where_it_need_be_no_distribution():
    saliency, fixations, density, negatives, _ = pictures(0)
    assert score_frame(saliency - 1, fixations, negatives=negatives) == pytest.approx(
        score_frame(saliency, fixations, negatives=negatives), rel=1e-9
    )
    with pytest.raises(ValueError, match="saliency map stands for a distribution"):
        score_frame(saliency - 1, fixations, density)


def test_an_empty_frame_is_not_scored_and_a_constant_map_says_nothing():
    saliency, fixations, density, negatives, baseline = pictures(0)
    empty = score_frame(saliency, np.zeros_like(fixations), np.zeros_like(density), negatives, baseline)
    assert list(empty) == SEVEN
    assert all(math.isnan(score) for score in empty.values())
    flat = score_frame(np.zeros(SHAPE), fixations, density, negatives, np.ones(SHAPE))
    assert [flat[name] for name in ("nss", "auc_judd", "sauc", "cc", "ig")] == [0.0, 0.5, 0.5, 0.0, 0.0]


def test_pictures_that_were_checked_before_are_not_looked_at_again(monkeypatch):
    saliency, fixations, density, negatives, baseline = pictures(1)
    plain = score_frame(saliency, fixations, density, negatives, baseline)
    looked = []
    map_of = checks._map_of
    monkeypatch.setattr(checks, "_map_of", lambda values, what: looked.append(what) or map_of(values, what))
    others, reference = checked_counts(negatives, "negatives", SHAPE), checked_map(baseline, "baseline", lowest=0)
    looked.clear()
    for _ in range(2):
        assert score_frame(saliency, fixations, density, others, reference) == plain
    assert looked == ["saliency", "density"] * 2


def test_what_was_checked_before_still_has_to_fit():
    saliency, fixations, density, _, _ = pictures(1)
    turned = checked_map(density.T, "density"), checked_counts(fixations.T, "fixations", SHAPE[::-1])
    with pytest.raises(ValueError, match="density picture has shape"):
        metrics.cc(saliency, turned[0])
    with pytest.raises(ValueError, match="fixations picture has shape"):
        metrics.nss(saliency, turned[1])
    with pytest.raises(ValueError, match="must not be negative"):
        metrics.sim(checked_map(saliency - 1, "saliency"), density)


def test_the_example_in_the_docstring_is_true():
    assert doctest.testmod(frame_scores) == (0, 2)
