"""The batched scores are the NumPy ones, frame by frame, and refuse what those refuse."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest
import torch

from pipeline.evaluate import checks, metrics, metrics_torch

SHAPE = (9, 11)
DTYPES = [np.float64, np.float32, np.float16, np.uint8, np.uint16, np.int32]
# Each score's ground truth, as places in what `batch` returns.
TRUTH = {
    "nss": [1],
    "auc_judd": [1],
    "sauc": [1, 2],
    "cc": [3],
    "sim": [3],
    "kld": [3],
    "information_gain": [1, 4],
}


def batch(dtype=np.float64, seed=0):
    """Maps, fixations, negatives, densities, baselines, [frame, row, column]; each frame is odd in another way."""
    rng = np.random.default_rng(seed)
    n = 10
    saliency = rng.gamma(0.5, size=(n, *SHAPE))
    saliency[rng.random(saliency.shape) < 0.3] = 0
    saliency *= 200 / saliency.max()
    saliency[1] = np.round(saliency[1] / 50)  # ties everywhere
    saliency[2] = 7  # constant
    saliency[3] = 0  # constant, and no distribution
    fixations, negatives = rng.poisson(0.15, saliency.shape), rng.poisson(0.5, saliency.shape)
    density, baseline = rng.gamma(2, size=saliency.shape), rng.gamma(2, size=saliency.shape)
    fixations[4] = density[4] = 0  # an empty frame
    fixations[5] = 0
    fixations[5, 3, 4] = 1  # one fixation
    fixations[6] = 0
    fixations[6, 0, 0] = 4  # several on one pixel
    negatives[7] = 0
    fixations[8] = 2  # no pixel without one
    density[9] = baseline[9] = 1
    return saliency.astype(dtype), fixations, negatives, density, baseline


def both(name, given, device="cpu"):
    """Scores by torch and by NumPy, [frame] each."""
    truth = [given[place] for place in TRUTH[name]]
    by_torch = getattr(metrics_torch, name)(*(torch.from_numpy(each).to(device) for each in (given[0], *truth)))
    assert by_torch.dtype == torch.float64 and by_torch.device.type == device
    by_numpy = [getattr(metrics, name)(*frame) for frame in zip(given[0], *truth, strict=True)]
    return by_torch.cpu().numpy(), np.array(by_numpy)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", TRUTH)
def test_a_batch_scores_as_its_frames_do(name, dtype):
    by_torch, by_numpy = both(name, batch(dtype))
    np.testing.assert_allclose(by_torch, by_numpy, rtol=1e-9, atol=1e-12)
    assert np.isnan(by_torch[4]), "the empty frame"
    assert np.isfinite(by_torch[[0, 1, 2, 3, 5, 6, 9]]).all()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_a_batch_scores_the_same_on_a_gpu():
    for dtype in (np.float64, np.float32, np.float16, np.uint8):
        for name in TRUTH:
            by_torch, by_numpy = both(name, batch(dtype), "cuda")
            np.testing.assert_allclose(by_torch, by_numpy, rtol=1e-9, atol=1e-12, err_msg=f"{name} of {dtype}")


def test_constant_maps_and_missing_negatives_are_what_the_conventions_say():
    given = batch()
    scores = {name: both(name, given)[0] for name in TRUTH}
    for name, worth in {"nss": 0.0, "cc": 0.0, "auc_judd": 0.5, "sauc": 0.5}.items():
        assert scores[name][2] == scores[name][3] == worth
    assert scores["cc"][9] == 0.0
    assert math.isnan(scores["sauc"][7]) and math.isnan(scores["auc_judd"][8])


@pytest.mark.parametrize("name", TRUTH)
@pytest.mark.parametrize("factor", [1e-300, 1e-160, 1e200])
def test_scales_whose_squares_leave_float64_do_not_matter(name, factor):
    given = batch()
    by_torch, _ = both(name, given)
    scaled, by_numpy = both(name, (given[0] * factor, *given[1:]))
    np.testing.assert_allclose(scaled, by_torch, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(by_numpy, by_torch, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("name", "place"), [("sauc", 2), ("information_gain", 4)])
def test_negatives_and_baseline_may_be_one_for_all_frames(name, place):
    saliency, fixations, *_ = given = batch()
    score, shared = getattr(metrics_torch, name), torch.from_numpy(given[place][0])
    frames = torch.from_numpy(saliency), torch.from_numpy(fixations)
    torch.testing.assert_close(score(*frames, shared), score(*frames, shared.expand(10, -1, -1)), equal_nan=True)


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int16, torch.int32, torch.uint16])
def test_counts_may_be_of_any_integer_dtype(dtype):
    saliency, fixations = (torch.from_numpy(each) for each in batch()[:2])
    hits = (fixations > 0).long()
    given = hits.to(dtype)
    torch.testing.assert_close(
        metrics_torch.auc_judd(saliency, given), metrics_torch.auc_judd(saliency, hits), equal_nan=True
    )
    torch.testing.assert_close(metrics_torch.nss(saliency, given), metrics_torch.nss(saliency, hits), equal_nan=True)


def test_bfloat16_and_maps_under_training_are_read():
    saliency, fixations, *_ = (torch.from_numpy(each) for each in batch())
    coarse = saliency.bfloat16()
    torch.testing.assert_close(
        metrics_torch.auc_judd(coarse, fixations), metrics_torch.auc_judd(coarse.float(), fixations), equal_nan=True
    )
    learned = saliency.clone().requires_grad_()
    assert not metrics_torch.auc_judd(learned, fixations).requires_grad
    assert not metrics_torch.nss(learned, fixations).requires_grad


def test_sums_are_in_float64_whatever_the_maps():
    rng = np.random.default_rng(0)
    saliency = (1e4 + rng.random((2, 100, 128))).astype(np.float32)
    fixations, density = rng.poisson(0.01, saliency.shape), rng.random(saliency.shape).astype(np.float32)
    for name, truth in {"nss": fixations, "cc": density, "kld": density}.items():
        by_torch = getattr(metrics_torch, name)(torch.from_numpy(saliency), torch.from_numpy(truth))
        by_numpy = [getattr(metrics, name)(*frame) for frame in zip(saliency, truth, strict=True)]
        np.testing.assert_allclose(by_torch.numpy(), by_numpy, rtol=1e-9)


@pytest.mark.parametrize("name", TRUTH)
def test_the_tensors_given_are_not_changed(name):
    given = batch()
    copies = [each.copy() for each in given]
    both(name, given)
    for each, copy in zip(given, copies, strict=True):
        np.testing.assert_array_equal(each, copy)


BAD = {
    "a map that is not finite": (0, lambda s: np.where(s == s.max(), np.nan, s), TRUTH, "holds 1 values that are NaN"),
    "a map with infinity": (0, lambda s: np.where(s == s.max(), np.inf, s), TRUTH, "NaN or infinite"),
    "a map of booleans": (0, lambda s: s > 0, TRUTH, "real numbers"),
    "a map of one frame": (0, lambda s: s[0], TRUTH, r"\[frame, row, column\]"),
    "no frame": (0, lambda s: s[:0], TRUTH, "not empty"),
    "a negative map": (
        0,
        lambda s: s - 1,
        ["sim", "kld", "information_gain"],
        "saliency map stands for a distribution",
    ),
    "fixations that are no counts": (1, lambda f: f / 2, ["nss", "auc_judd", "sauc", "information_gain"], "integer"),
    "negative counts": (1, lambda f: f - 1, ["nss", "auc_judd", "sauc", "information_gain"], "minimum is -1"),
    "fixations of another size": (1, lambda f: f[:, 1:], ["nss", "auc_judd", "sauc"], r"shape \(10, 8, 11\)"),
    "fixations of one frame": (1, lambda f: f[0], ["nss", "auc_judd", "sauc"], r"shape \(9, 11\)"),
    "negatives that are no counts": (2, lambda n: n / 2, ["sauc"], "negatives must be a picture of integer counts"),
    "a negative density": (3, lambda g: g - 1, ["cc", "sim", "kld"], "density map stands for a distribution"),
    "a density that is not finite": (3, lambda g: g / 0, ["cc", "sim", "kld"], "NaN"),
    "a baseline of another size": (4, lambda b: b[0, 1:], ["information_gain"], r"shape \(8, 11\)"),
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_bad_input_is_refused(bad):
    place, spoil, names, says = BAD[bad]
    given = list(batch())
    given[place] = spoil(given[place])
    for name in names:
        tensors = [torch.from_numpy(np.ascontiguousarray(given[place])) for place in (0, *TRUTH[name])]
        with pytest.raises(ValueError, match=says):
            getattr(metrics_torch, name)(*tensors)


def test_tensors_on_different_devices_are_refused():
    with pytest.raises(ValueError, match="is on meta, the saliency map on cpu"):
        metrics_torch.cc(torch.ones(1, 3, 3), torch.ones(1, 3, 3, device="meta"))


def test_what_is_modest_is_so_for_both():
    assert checks.MODEST[0] > 1e-154 and checks.MODEST[1] < 1e150, "a square and a sum of a million stay in float64"


def test_the_example_in_the_docstring_is_true():
    assert doctest.testmod(metrics_torch).failed == 0
