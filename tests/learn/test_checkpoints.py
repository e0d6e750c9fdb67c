"""Checkpoints: there and back, published prefixes, and files that are not this model's weights."""

from __future__ import annotations

import pickle

import pytest
import torch
from safetensors.torch import save_file

from pipeline import models
from pipeline.errors import ModelError
from pipeline.learn import checkpoints
from pipeline.models import weights


def dave(**options):
    return models.build("dave", **{"width": 2, **options})


def test_weights_come_back_bit_by_bit(tmp_path):
    before, after, path = dave(), dave(), tmp_path / "weights.safetensors"
    checkpoints.save(before, path)
    assert checkpoints.load(after, path).whole
    assert all(
        torch.equal(a, b) for a, b in zip(before.state_dict().values(), after.state_dict().values(), strict=True)
    )
    assert [file.name for file in tmp_path.iterdir()] == ["weights.safetensors"]


def test_the_prefix_of_published_checkpoints_is_taken_off(tmp_path):
    model, path = dave(), tmp_path / "model.safetensors"
    save_file({f"module.{name}": tensor.contiguous() for name, tensor in model.state_dict().items()}, str(path))
    assert checkpoints.load(dave(), path).whole


def test_weights_of_another_modality_are_listed_as_missing(tmp_path):
    path = tmp_path / "weights.safetensors"
    checkpoints.save(dave(modality="video"), path)
    fit = weights.compare(weights.read(path), dave())
    assert all(name.startswith("audio_branch.") for name in fit.missing)
    assert [name for name, _, _ in fit.reshaped] == ["combinedEmbedding.weight"]
    assert not fit.left_over
    assert len(fit.matched) + len(fit.missing) + len(fit.reshaped) == len(dave().state_dict())
    with pytest.raises(
        ModelError, match=r"104 missing \(audio_branch\..*combinedEmbedding.weight \[16, 16, 1, 1\] for"
    ):
        checkpoints.load(dave(), path)


def test_weights_of_a_larger_modality_are_listed_as_left_over(tmp_path):
    path = tmp_path / "weights.safetensors"
    checkpoints.save(dave(), path)
    with pytest.raises(ModelError, match=r"0 missing, 104 left over \(video_branch\.") as caught:
        checkpoints.load(dave(modality="audio"), path)
    assert caught.value.code == "weights-do-not-fit"


def test_a_failed_load_leaves_the_model_as_it_was(tmp_path):
    path, model = tmp_path / "weights.safetensors", dave()
    checkpoints.save(dave(width=3), path)
    before = model.saliency.weight.clone()
    with pytest.raises(ModelError):
        checkpoints.load(model, path)
    assert torch.equal(before, model.saliency.weight)


def truncated(path):
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def pickled(path):
    path.write_bytes(pickle.dumps({"state_dict": {}}))


@pytest.mark.parametrize(
    "spoil", [truncated, pickled, lambda path: path.unlink()], ids=["truncated", "pickle", "absent"]
)
def test_a_file_that_is_not_safetensors_is_refused(tmp_path, spoil):
    path = tmp_path / "weights.safetensors"
    checkpoints.save(dave(), path)
    spoil(path)
    with pytest.raises(ModelError, match=r"weights.safetensors: no readable safetensors") as caught:
        weights.read(path)
    assert caught.value.code == "weights-unreadable"
