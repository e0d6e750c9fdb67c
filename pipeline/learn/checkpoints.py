"""Weights on disk: safetensors only, and a model gets exactly the tensors it names.

Conventions
-----------
A checkpoint is `weights.safetensors`: names and shapes of the model's state dict, nothing that can run code.
`run.json` beside it holds the settings. Names may carry a leading `module.` (published checkpoints do).
"""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.torch import save as dump
from torch import nn

from pipeline.errors import ModelError
from pipeline.models import build
from pipeline.models.weights import Fit, compare, read


def save(model: nn.Module, path: Path) -> None:
    """Write the model's weights; the same weights give the same bytes."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    draft = path.with_name(f"{path.name}.part")  # a reader never sees half a file
    draft.write_bytes(dump(tensors))
    draft.replace(path)


def load(model: nn.Module, path: Path) -> Fit:
    """Fill `model` from `path`; every tensor has to find its place.

    Raises
    ------
    ModelError
        If the file cannot be read, or is of another model: matched, missing and left-over tensors are listed.
    """
    weights = read(path)
    fit = compare(weights, model)
    if not fit.whole:
        raise ModelError(
            f"{path.name}: not this model's weights: {fit}.",
            remedy="Build the model with the options in the checkpoint's run.json (modality, fusion, width).",
            code="weights-do-not-fit",
        )
    model.load_state_dict(weights, strict=False)  # what is strict was said above; a bias of ours may be absent
    return fit


def open_run(weights: Path, run: Path) -> tuple[nn.Module, dict]:
    """The trained model of a run, in evaluation mode on the CPU, and its `run.json`."""
    record = json.loads(run.read_text(encoding="utf-8"))
    model = build(record["model"]["name"], **record["model"]["options"])
    load(model, weights)
    return model.eval(), record
