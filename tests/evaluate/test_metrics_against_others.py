"""The scores against independent implementations: SciPy, scikit-learn, and pysaliency and POT where installed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import rel_entr

from pipeline.evaluate.metrics import auc_judd, cc, information_gain, kld, nss, sauc, sim
from pipeline.evaluate.optional_metrics import auc_borji, emd

SEEDS = range(5)


def frame(seed, shape=(24, 30)):
    """A map with ties at zero, as a ReLU head gives; fixations and negatives with multiplicity; a density."""
    rng = np.random.default_rng(seed)
    saliency = np.maximum(rng.normal(size=shape), 0).round(2)
    return saliency, rng.poisson(0.1, shape), rng.poisson(0.4, shape), rng.gamma(1, size=shape)


def values(saliency, counts):
    return np.repeat(saliency.ravel(), counts.ravel())


@pytest.mark.parametrize("seed", SEEDS)
def test_auc_is_the_mann_whitney_statistic_of_scipy(seed):
    saliency, fixations, negatives, _ = frame(seed)
    fixated = values(saliency, fixations)
    against = {
        auc_judd(saliency, fixations): saliency[fixations == 0],
        sauc(saliency, fixations, negatives): values(saliency, negatives),
        auc_borji(saliency, fixations): saliency.ravel(),
    }
    for score, others in against.items():
        u = stats.mannwhitneyu(fixated, others).statistic
        assert score == pytest.approx(u / (fixated.size * others.size), abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_auc_is_the_area_under_the_roc_curve_of_scikit_learn(seed):
    roc_auc_score = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed").roc_auc_score
    saliency, fixations, negatives, _ = frame(seed)
    weights = np.where(fixations > 0, fixations, 1)
    area = roc_auc_score(fixations.ravel() > 0, saliency.ravel(), sample_weight=weights.ravel())
    assert auc_judd(saliency, fixations) == pytest.approx(area, abs=1e-9)
    fixated, others = values(saliency, fixations), values(saliency, negatives)
    area = roc_auc_score(np.repeat([1, 0], [fixated.size, others.size]), np.concatenate([fixated, others]))
    assert sauc(saliency, fixations, negatives) == pytest.approx(area, abs=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_scores_of_scipy_are_ours(seed):
    saliency, fixations, _, density = frame(seed)
    assert nss(saliency, fixations) == pytest.approx(values(stats.zscore(saliency, axis=None), fixations).mean())
    assert cc(saliency, density) == pytest.approx(stats.pearsonr(saliency.ravel(), density.ravel()).statistic)
    p, q = (saliency + 0.1) / (saliency + 0.1).sum(), density / density.sum()  # no zeros: eps weighs nothing
    assert kld(p, q) == pytest.approx(stats.entropy(q.ravel(), p.ravel()), rel=1e-9)
    assert kld(p, q) == pytest.approx(rel_entr(q, p).sum(), rel=1e-9)
    assert sim(p, q) == pytest.approx(1 - np.abs(p - q).sum() / 2)  # mass in common, by the total variation
    gain = stats.entropy(fixations.ravel(), q.ravel(), base=2) - stats.entropy(fixations.ravel(), p.ravel(), base=2)
    assert information_gain(p, fixations, q) == pytest.approx(gain, rel=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_emd_is_the_wasserstein_distance_of_scipy(seed):
    rng = np.random.default_rng(seed)
    left, right = rng.random((1, 17)), rng.random((1, 17))
    line = np.arange(17)
    on_a_line = stats.wasserstein_distance(line, line, left[0], right[0])
    assert emd(left, right) * math.hypot(1, 17) == pytest.approx(on_a_line, abs=1e-9)
    if not hasattr(stats, "wasserstein_distance_nd"):
        pytest.skip("SciPy has no wasserstein_distance_nd before 1.13; the line above was checked")
    left, right = rng.random((4, 5)), rng.random((4, 5))
    places = np.stack(np.indices((4, 5)), axis=-1).reshape(-1, 2)
    in_the_plane = stats.wasserstein_distance_nd(places, places, left.ravel(), right.ravel())
    assert emd(left, right) * math.hypot(4, 5) == pytest.approx(in_the_plane, abs=1e-7)


def test_emd_is_that_of_pot():
    ot = pytest.importorskip("ot", reason="POT is not installed")
    for seed in SEEDS:
        saliency, _, _, density = frame(seed, shape=(12, 20))
        p, q = saliency / saliency.sum(), density / density.sum()
        places = np.stack(np.indices(p.shape), axis=-1).reshape(-1, 2) / math.hypot(*p.shape)
        cost = np.linalg.norm(places[:, None] - places, axis=-1)
        assert emd(saliency, density) == pytest.approx(ot.emd2(p.ravel(), q.ravel(), cost), abs=1e-9)


def test_the_scores_of_pysaliency_are_ours():
    others = pytest.importorskip("pysaliency.metrics", reason="pysaliency is not installed", exc_type=ImportError)
    per_positive = pytest.importorskip("pysaliency.roc", exc_type=ImportError).general_rocs_per_positive
    for seed in SEEDS:
        saliency, fixations, negatives, density = frame(seed)
        rows, columns = np.nonzero(fixations)
        again = np.repeat(np.arange(rows.size), fixations[rows, columns])
        assert nss(saliency, fixations) == pytest.approx(others.NSS(saliency, columns[again], rows[again]).mean())
        assert cc(saliency, density) == pytest.approx(others.CC(saliency, density))
        assert sim(saliency, density) == pytest.approx(others.SIM(saliency, density))
        above_zero = saliency + 0.1  # under zeros the fifth digit of eps shows, and theirs has no more
        assert kld(above_zero, density) == pytest.approx(others.MIT_KLDiv(above_zero, density), abs=1e-9)
        fixated = values(saliency, fixations)
        against = {
            auc_judd(saliency, fixations): saliency[fixations == 0],
            sauc(saliency, fixations, negatives): values(saliency, negatives),
            auc_borji(saliency, fixations): saliency.ravel(),
        }
        for score, negative_values in against.items():
            assert score == pytest.approx(per_positive(fixated, negative_values).mean(), abs=1e-9)
