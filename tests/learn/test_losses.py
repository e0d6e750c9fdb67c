"""The losses: worked out by hand, the same numbers as the metrics, and finite where maps are not nice."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pipeline.errors import ModelError
from pipeline.evaluate import metrics
from pipeline.learn import losses

LN2 = math.log(2)
COUNTS = torch.zeros(1, 4, 4, dtype=torch.int32)


def test_kl_of_a_small_map_worked_out_by_hand():
    density = torch.tensor([[[0.5, 0.5], [0.0, 0.0]]])
    flat = torch.full((1, 2, 2), 3.0)  # p = 1/4: Σ 1/2 ln(1/2 ÷ 1/4) twice
    assert losses.kl(flat, density).item() == pytest.approx(LN2, abs=1e-4)
    assert losses.kl(7 * density, density).item() == pytest.approx(0, abs=1e-4)


def test_every_loss_is_the_metric_of_its_name_turned_so_that_less_is_better():
    random = np.random.default_rng(4)
    saliency, counts = random.random((8, 10)), random.poisson(0.2, (8, 10))
    density = random.random((8, 10))
    density /= density.sum()
    as_tensors = [torch.from_numpy(array)[None] for array in (saliency, density, counts)]
    found = {name: loss(*as_tensors).item() for name, loss in losses.LOSSES.items()}
    assert found["kl"] == pytest.approx(metrics.kld(saliency, density), abs=1e-3)  # their ε differ
    assert found["cc"] == pytest.approx(1 - metrics.cc(saliency, density), abs=1e-5)
    assert found["sim"] == pytest.approx(1 - metrics.sim(saliency, density), abs=1e-5)
    assert found["nss"] == pytest.approx(-metrics.nss(saliency, counts), abs=1e-5)


@pytest.mark.parametrize("name", losses.LOSSES)
def test_a_clip_without_fixations_weighs_nothing(name):
    assert losses.LOSSES[name](torch.rand(1, 4, 4), torch.zeros(1, 4, 4), COUNTS).item() == 0


@pytest.mark.parametrize("name", losses.LOSSES)
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_constant_map_gives_a_finite_loss_and_gradient(name, value):
    maps = torch.full((1, 4, 4), value, requires_grad=True)
    density, counts = torch.zeros(1, 4, 4), COUNTS.clone()
    density[0, 1, 1] = counts[0, 1, 1] = 1
    loss = losses.LOSSES[name](torch.relu(maps + 1e-9), density, counts)
    loss.sum().backward()
    assert math.isfinite(loss.item())
    assert torch.isfinite(maps.grad).all()


def test_a_weighted_sum_is_the_sum_of_its_parts():
    maps, density, counts = torch.rand(2, 4, 4), torch.rand(2, 4, 4), COUNTS.repeat(2, 1, 1)
    density /= density.sum((1, 2), keepdim=True)
    both = losses.of_clips(losses.weights_of("kl + 0.1*cc"), maps, density, counts)
    torch.testing.assert_close(both, losses.kl(maps, density) + 0.1 * losses.cc(maps, density))


@pytest.mark.parametrize(
    ("words", "weights"),
    [("kl", {"kl": 1.0}), ("kl+0.1*cc", {"kl": 1, "cc": 0.1}), (" 2 * nss + 1e+1*sim", {"nss": 2, "sim": 10})],
)
def test_words_become_weights(words, weights):
    assert losses.weights_of(words) == weights


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("", "Unknown loss ''"),
        ("kl - cc", "Unknown loss 'kl - cc'"),
        ("kl + kl", "names kl twice"),
        ("-1*kl", "expected a number above 0"),
        ("much*kl", "weight 'much'"),
    ],
)
def test_a_loss_that_cannot_be_is_refused(words, complaint):
    with pytest.raises(ModelError, match=complaint):
        losses.weights_of(words)
