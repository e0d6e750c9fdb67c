"""What a run starts with: weights of a file, of the list, of another model, or ones that must not be opened."""

from __future__ import annotations

import pickle

import pytest
import torch

from pipeline import models
from pipeline.errors import ModelError, ToolError
from pipeline.learn import checkpoints, curves, start
from pipeline.learn.settings import TrainSettings
from pipeline.settings import default_manifests
from pipeline.store.job import Job

SETTINGS = TrainSettings(width=2, modality="video")


def job_with(shards, tmp_path, *weights, **values):
    places = {"weights_folder": str(tmp_path), "manifests": str(default_manifests())}
    return Job("train", "all/dave", tmp_path, {"shards": shards}, {"weights": list(weights), **places, **values}, {})


def test_a_run_can_start_from_a_file_of_ones_own(shards, tmp_path):
    before = models.build("dave", modality="video", width=2)
    checkpoints.save(before, tmp_path / "own.safetensors")
    model, told = start.new_model(SETTINGS, job_with(shards, tmp_path, str(tmp_path / "own.safetensors")))
    assert torch.equal(model.video_branch.conv1.weight, before.video_branch.conv1.weight)
    assert "own.safetensors" in told[0] and "matched" in told[0]


def test_listed_weights_that_are_not_at_hand_are_told_and_training_starts_from_scratch(shards, tmp_path, capsys):
    model, told = start.new_model(TrainSettings(width=2), job_with(shards, tmp_path, "dave-ave"))
    assert told == ["dave-ave: not at hand, from scratch"]
    assert "starts from scratch" in capsys.readouterr().err
    assert model.modality == "av"


class RunsCode:
    def __reduce__(self):
        return (print, ("this must never be printed",))


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda path: checkpoints.save(models.build("vinet", width=8), path), "weights-do-not-fit"),
        (lambda path: path.write_bytes(path.read_bytes()[:5000]), "weights-unreadable"),
        (lambda path: path.write_bytes(pickle.dumps(RunsCode())), "weights-unreadable"),
    ],
    ids=["another model's", "truncated", "a pickle with code"],
)
def test_weights_that_are_no_good_are_one_clear_error(shards, tmp_path, capsys, spoil, code):
    path = tmp_path / "own.safetensors"
    checkpoints.save(models.build("dave", modality="video", width=2), path)
    spoil(path)
    with pytest.raises(ModelError) as caught:
        start.new_model(SETTINGS, job_with(shards, tmp_path, str(path)))
    assert caught.value.code == code
    assert "never be printed" not in capsys.readouterr().out


def test_the_mean_eye_position_is_that_of_the_training_split(shards, tmp_path):
    settings = TrainSettings(width=2, modality="video", options=("mep=true",))
    model, told = start.new_model(settings, job_with(shards, tmp_path))
    density = model.mep.log_density.exp()
    assert density.sum().item() == pytest.approx(1, abs=1e-3)
    assert density.max() > 20 / density.numel()
    assert "training split" in told[0]


def test_run_options_hold_the_models_own_defaults_too():
    model = models.build("dave", **SETTINGS.model_options)
    options = start.all_options(model, SETTINGS)
    assert (options["modality"], options["width"], options["fusion"]) == ("video", 2, "concat")


def test_tensorboard_that_is_not_installed_is_named_with_the_way_to_get_it(shards, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    job = job_with(shards, tmp_path, keep=str(tmp_path), tensorboard=True)
    with pytest.raises(ToolError, match=r"pip install .*tensorboard"):
        curves.Curves(job, 1)
