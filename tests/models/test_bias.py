"""The mean eye position as a bias: a prior before the softmax, saved with the model, missing from published weights."""

from __future__ import annotations

import pytest
import torch

from pipeline import models
from pipeline.errors import ModelError
from pipeline.learn import checkpoints
from pipeline.models import weights
from pipeline.models.bias import LOG_FLOOR, MeanEyePosition


def dave(**options):
    return models.build("dave", **{"width": 2, **options}).eval()


def density(height=32, width=40):
    """Everybody looks at the upper left quarter."""
    looked = torch.zeros(height, width)
    looked[: height // 2, : width // 2] = 3.0
    return looked


def test_without_a_density_the_map_is_the_softmax_of_what_came():
    logits = torch.randn(2, 32, 40)
    assert torch.allclose(MeanEyePosition((32, 40))(logits), logits.flatten(1).softmax(1).view_as(logits))


def test_of_a_flat_map_the_density_itself_is_left():
    bias = MeanEyePosition((32, 40))
    bias.set_density(density())
    given = bias(torch.zeros(1, 32, 40))[0]
    assert torch.allclose(given, density() / density().sum(), atol=LOG_FLOOR)
    assert given[31, 39] > 0, "nobody looked there, which makes it unlikely and not impossible"


def test_a_smaller_map_gets_the_density_resized():
    bias = MeanEyePosition((32, 40))
    bias.set_density(density())
    given = bias(torch.zeros(3, 16, 20))
    assert given.shape == (3, 16, 20)
    assert torch.allclose(given.sum((1, 2)), torch.ones(3))
    assert given[:, :7, :9].sum() > 0.75 * 3
    assert given[:, 9:].sum() < 1e-3


@pytest.mark.parametrize(
    "wrong",
    [density(16, 20), torch.zeros(32, 40), -density(), density() / 0],
    ids=["another size", "empty", "negative", "not finite"],
)
def test_what_is_no_density_is_refused(wrong):
    with pytest.raises(ModelError, match=r"expected a density of \[32, 40\]"):
        MeanEyePosition((32, 40)).set_density(wrong)


def test_with_the_bias_maps_sum_to_one_and_follow_the_density():
    model, video, audio = dave(mep=True), torch.randn(2, 3, 16, 256, 320), torch.randn(2, 3, 16, 64, 64)
    model.mep.set_density(density())
    with torch.no_grad():
        maps = model(video, audio)
    assert torch.allclose(maps.sum((1, 2)), torch.ones(2))
    assert maps[:, :16, :20].sum() > 1.99


def test_the_bias_is_saved_with_the_model(tmp_path):
    before, after = dave(mep=True), dave(mep=True)
    before.mep.set_density(density())
    checkpoints.save(before, tmp_path / "weights.safetensors")
    fit = checkpoints.load(after, tmp_path / "weights.safetensors")
    assert "mep.log_density" in fit.matched
    assert torch.equal(before.mep.log_density, after.mep.log_density)


def test_a_checkpoint_without_the_bias_loads_into_a_model_with_it(tmp_path):
    published, model = dave(), dave(mep=True)
    model.mep.set_density(density())
    kept = model.mep.log_density.clone()
    checkpoints.save(published, tmp_path / "weights.safetensors")
    fit = checkpoints.load(model, tmp_path / "weights.safetensors")
    assert fit.whole
    assert fit.kept == ("mep.log_density",)
    assert torch.equal(model.mep.log_density, kept)
    assert torch.equal(model.saliency.weight, published.saliency.weight)
    model.load_state_dict(published.state_dict(), strict=True)


def test_a_checkpoint_with_the_bias_does_not_load_into_a_model_without():
    fit = weights.compare(dave(mep=True).state_dict(), dave())
    assert fit.left_over == ("mep.log_density",)
    assert not fit.whole
