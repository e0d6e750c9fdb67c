"""Laws of the seven scores on frames that hypothesis makes up: tiny, full of ties, often odd."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.evaluate.frame_scores import score_frame
from pipeline.evaluate.metrics import EPS, auc_judd, cc, information_gain, kld, nss, sauc, sim
from pipeline.evaluate.optional_metrics import auc_borji, emd
from tests.evaluate.test_metrics import as_often_as_counted, share_won

SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 5))
LAW = settings(derandomize=True, deadline=None, max_examples=60)


@st.composite
def frames(draw):
    """Saliency, fixations, density, negatives, baseline; whole numbers, so that ties are common."""
    shape = draw(SHAPES)
    saliency, density, baseline = (draw(arrays(np.int32, shape, elements=st.integers(0, 5))) for _ in range(3))
    fixations, negatives = (draw(arrays(np.int32, shape, elements=st.sampled_from([0, 0, 0, 1, 3]))) for _ in range(2))
    return saliency, fixations, density, negatives, baseline


def same(found, expected):
    return found == pytest.approx(expected, rel=1e-9, abs=1e-12, nan_ok=True)


@LAW
@given(frames())
def test_every_score_keeps_its_bounds_or_is_nan_where_the_docstring_says(frame):
    saliency, fixations, density, negatives, _ = frame
    scores, n, hits = score_frame(*frame), saliency.size, fixations.sum()
    assert math.isnan(scores["nss"]) == math.isnan(scores["ig"]) == (hits == 0)
    assert math.isnan(scores["auc_judd"]) == (hits == 0 or (fixations > 0).all())
    assert math.isnan(scores["sauc"]) == (hits == 0 or negatives.sum() == 0)
    for name in ("cc", "sim", "kld"):
        assert math.isnan(scores[name]) == (density.max() == 0)
    bounds = {
        "nss": math.sqrt(n - 1) + 1e-9,
        "auc_judd": (0, 1),
        "sauc": (0, 1),
        "cc": (-1, 1),
        "sim": (0, 1),
        "kld": (-n * EPS, -math.log(EPS) + 1e-9),
        "ig": -math.log2(EPS) + 1e-9,
    }
    for name, bound in bounds.items():
        low, high = bound if isinstance(bound, tuple) else (-bound, bound)
        assert math.isnan(scores[name]) or low <= scores[name] <= high, name


@LAW
@given(frames(), st.integers(-40, 40), st.sampled_from([0.25, 3, 1e6]))
def test_a_positive_affine_map_of_the_saliency_changes_no_rank_no_nss_and_no_cc(frame, pedestal, factor):
    saliency, fixations, density, negatives, _ = frame
    bent = saliency * factor + pedestal
    assert same(nss(bent, fixations), nss(saliency, fixations))
    assert same(cc(bent, density), cc(saliency, density))
    assert same(cc(-bent, density), -cc(saliency, density))
    for score in (auc_judd, auc_borji):
        assert same(score(bent, fixations), score(saliency, fixations))
    assert same(sauc(bent, fixations, negatives), sauc(saliency, fixations, negatives))


@LAW
@given(frames())
def test_areas_are_the_share_of_pairs_won_and_turn_round_with_the_map(frame):
    saliency, fixations, _, negatives, _ = frame
    assume(fixations.sum() > 0)
    fixated = as_often_as_counted(saliency, fixations)
    against = {
        auc_judd: as_often_as_counted(saliency, (fixations == 0).astype(int)),
        lambda s, f: sauc(s, f, negatives): as_often_as_counted(saliency, negatives),
        auc_borji: saliency.ravel().tolist(),
    }
    for score, others in against.items():
        if others:
            assert same(score(saliency, fixations), share_won(fixated, others))
            assert same(score(saliency, fixations) + score(-saliency, fixations), 1)
            assert same(score(np.exp(saliency), fixations), score(saliency, fixations))


@LAW
@given(frames(), st.integers(2, 5))
def test_scores_at_fixations_are_means_over_fixations(frame, times):
    """Of two pictures added up they are the mean, weighted by fixations; AUC-Judd's negatives change, so not it."""
    saliency, fixations, _, negatives, baseline = frame
    more = np.roll(fixations, 1)
    assume(fixations.sum() > 0)
    for score in (
        nss,
        lambda s, f: sauc(s, f, negatives),
        lambda s, f: information_gain(s, f, baseline),
        auc_borji,
    ):
        assert same(score(saliency, times * fixations), score(saliency, fixations))
        together = (times * score(saliency, fixations) + score(saliency, more)) / (times + 1)
        assert same(score(saliency, times * fixations + more), together)
    assert same(auc_judd(saliency, times * fixations), auc_judd(saliency, fixations))


@LAW
@given(frames())
def test_one_fixation_scores_as_several_on_its_pixel(frame):
    saliency, _, _, negatives, baseline = frame
    once, often = np.zeros_like(saliency), np.zeros_like(saliency)
    once.flat[saliency.size // 2], often.flat[saliency.size // 2] = 1, 7
    for score in (nss, auc_judd, auc_borji):
        assert same(score(saliency, once), score(saliency, often))
    assert same(sauc(saliency, once, negatives), sauc(saliency, often, 7 * negatives))
    assert same(information_gain(saliency, once, baseline), information_gain(saliency, often, baseline))


@LAW
@given(frames())
def test_cc_sim_and_emd_do_not_care_which_of_two_maps_is_which(frame):
    saliency, _, density, _, _ = frame
    assume(saliency.max() > 0 and density.max() > 0)
    assert same(cc(saliency, density), cc(density, saliency))
    assert same(sim(saliency, density), sim(density, saliency))
    assert emd(saliency, density) == pytest.approx(emd(density, saliency), abs=1e-9)


@LAW
@given(frames())
def test_the_density_itself_is_the_best_map_and_the_baseline_gains_nothing(frame):
    saliency, fixations, density, _, baseline = frame
    assume(density.max() > 0 and fixations.sum() > 0)
    assert kld(3 * density, density) == pytest.approx(0, abs=1e-12)
    assert kld(saliency, density) >= kld(density, density) - density.size * EPS
    assert same(sim(3 * density, density), 1)
    assert emd(density, density) == 0
    assert same(cc(3 * density + 1, density), float(density.min() < density.max()))
    assert same(information_gain(3 * baseline, fixations, baseline), 0)
    assert same(information_gain(saliency, fixations, baseline), -information_gain(baseline, fixations, saliency))


@LAW
@given(frames())
def test_mirrored_input_gives_the_same_scores(frame):
    scores = score_frame(*frame)
    for turn in (np.fliplr, np.flipud, np.transpose):
        assert same(score_frame(*map(turn, frame)), scores)


@LAW
@given(frames(), st.sampled_from([1e-300, 1e-160, 1e200]))
def test_scales_whose_squares_leave_float64_do_not_matter(frame, factor):
    saliency, fixations, density, negatives, baseline = frame
    scaled = score_frame(saliency * factor, fixations, density * factor, negatives, baseline * factor)
    assert same(scaled, score_frame(*frame))
