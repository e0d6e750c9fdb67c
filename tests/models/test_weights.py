"""Weights files: what is read, what is refused, and the account of what found its place."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pipeline import models
from pipeline.errors import ModelError
from pipeline.models import weights


def dave(**options):
    return models.build("dave", **{"width": 2, **options})


def as_training_scripts_do(path, state, **rest):
    torch.save({"epoch": 3, "arch": "dave", "state_dict": state, "optimizer": {"state": {}}, **rest}, path)


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("form", ["safetensors", "plain", "in a checkpoint", "of an old torch"])
def test_every_published_form_gives_the_same_tensors(tmp_path, form, prefix):
    state = {f"{prefix}a.weight": torch.arange(6.0).view(2, 3), f"{prefix}b.num_batches_tracked": torch.tensor(7)}
    path = tmp_path / ("w.safetensors" if form == "safetensors" else "w.pth.tar")
    if form == "safetensors":
        save_file(state, str(path))
    elif form == "in a checkpoint":
        as_training_scripts_do(path, state)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=form == "plain")
    tensors = weights.read(path)
    assert sorted(tensors) == ["a.weight", "b.num_batches_tracked"]
    assert tensors["a.weight"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert tensors["b.num_batches_tracked"] == 7


class Code:
    """Runs when it is unpickled by somebody who does not look."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("form", ["bare", "in a checkpoint", "of an old torch"])
def test_a_pickle_with_code_is_refused_and_the_code_does_not_run(tmp_path, form):
    path, trace = tmp_path / "model.pth", tmp_path / "trace"
    if form == "bare":
        path.write_bytes(pickle.dumps(Code(trace), protocol=2))
    else:
        content = {"state_dict": {"a": torch.ones(1)}, "best": Code(trace)}
        torch.save(content, path, _use_new_zipfile_serialization=form == "in a checkpoint")
    with pytest.raises(ModelError, match=r"model.pth: refused.*asks for posix.mkdir.*safetensors") as caught:
        weights.read(path)
    assert caught.value.code == "weights-unsafe"
    assert not trace.exists()


def test_a_whole_pickled_model_is_refused(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "model.pth")
    with pytest.raises(ModelError, match=r"asks for torch\.nn\.modules\.linear\.Linear"):
        weights.read(tmp_path / "model.pth")


def halved(path):
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
@pytest.mark.parametrize(
    "spoil", [halved, lambda path: path.write_bytes(b""), lambda path: path.unlink()], ids=["halved", "empty", "absent"]
)
def test_a_file_that_is_not_whole_is_refused_with_its_name(tmp_path, name, spoil):
    path = tmp_path / name
    tensors = {"a": torch.ones(1000)}
    save_file(tensors, str(path)) if name == "w.safetensors" else torch.save(tensors, path)
    spoil(path)
    with pytest.raises(ModelError, match=rf"^{name}: no readable (safetensors|weights) file") as caught:
        weights.read(path)
    assert caught.value.code == "weights-unreadable"


@pytest.mark.parametrize("content", [[torch.ones(1)], {"epoch": 3}, {}], ids=["list", "no tensors", "empty"])
def test_a_file_without_a_state_dict_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(ModelError, match="holds no state dict"):
        weights.read(tmp_path / "w.pth")


def test_the_account_lists_every_kind_once_a_line():
    state = dave().state_dict()
    state["stranger"] = torch.ones(1)
    del state["saliency.bias"]
    state["saliency.weight"] = torch.ones(2, 2)
    fit = weights.compare(state, dave(mep=True))
    assert fit.table().splitlines() == [
        "matched            224",
        "missing              1  saliency.bias",
        "left over            1  stranger",
        "of another shape     1  saliency.weight [2, 2] for [1, 4, 1, 1]",
        "kept                 1  mep.log_density",
    ]
    assert str(fit).startswith("224 tensors matched, 1 missing (saliency.bias), 1 left over (stranger), 1 of another")
    assert not fit.whole


def test_what_matches_is_copied_and_the_rest_stays():
    model, other = dave(), dave(modality="video")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    fit = weights.fill(model, other.state_dict())
    after = model.state_dict()
    assert all(torch.equal(after[name], other.state_dict()[name]) for name in fit.matched)
    assert all(torch.equal(after[name], before[name]) for name in fit.missing)
    assert {name.split(".")[0] for name in fit.missing} == {"audio_branch"}


def test_another_models_weights_are_refused():
    vinet = models.build("vinet", width=8, frames=8)
    with pytest.raises(ModelError, match="Not one tensor fits: 0 tensors matched, 226 missing") as caught:
        weights.fill(dave(), vinet.state_dict())
    assert caught.value.code == "weights-do-not-fit"
