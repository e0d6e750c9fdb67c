"""Weights on disk: safetensors only, and a model gets exactly the tensors it names.

Conventions
-----------
A checkpoint is `weights.safetensors`: names and shapes of the model's state dict, nothing that can run code.
`run.json` beside it holds the settings. Names may carry a leading `module.` (published checkpoints do).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as dump
from torch import Tensor, nn

from pipeline.errors import ModelError
from pipeline.models import build

NAMED = 4  # tensors an error message names of each kind; the counts are always given


@dataclass(frozen=True)
class Fit:
    """How a checkpoint's tensors map onto a model's: names, sorted.

    `reshaped` holds (name, shape in the checkpoint, shape in the model).
    """

    matched: tuple[str, ...]
    missing: tuple[str, ...]
    left_over: tuple[str, ...]
    reshaped: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]

    @property
    def whole(self) -> bool:
        """Does every tensor find its place?"""
        return not (self.missing or self.left_over or self.reshaped)

    def __str__(self) -> str:
        shapes = [f"{name} {list(theirs)} for {list(ours)}" for name, theirs, ours in self.reshaped]
        parts = [f"{len(self.matched)} tensors matched"]
        for what, found in (
            ("missing", self.missing), ("left over", self.left_over), ("of another shape", shapes)
        ):  # fmt: skip
            named = f" ({', '.join(found[:NAMED])}{', …' if len(found) > NAMED else ''})" if found else ""
            parts.append(f"{len(found)} {what}{named}")
        return ", ".join(parts)


def compare(weights: Mapping[str, Tensor], model: nn.Module) -> Fit:
    """Match tensors with the model's by name, then by shape."""
    wanted = model.state_dict()
    shared = sorted(weights.keys() & wanted.keys())
    reshaped = [
        (name, tuple(weights[name].shape), tuple(wanted[name].shape))
        for name in shared
        if weights[name].shape != wanted[name].shape
    ]
    unlike = {name for name, _, _ in reshaped}
    return Fit(
        matched=tuple(name for name in shared if name not in unlike),
        missing=tuple(sorted(wanted.keys() - weights.keys())),
        left_over=tuple(sorted(weights.keys() - wanted.keys())),
        reshaped=tuple(reshaped),
    )


def save(model: nn.Module, path: Path) -> None:
    """Write the model's weights; the same weights give the same bytes."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    draft = path.with_name(f"{path.name}.part")  # a reader never sees half a file
    draft.write_bytes(dump(tensors))
    draft.replace(path)


def read(path: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file on the CPU, without a leading `module.` in their names.

    Raises
    ------
    ModelError
        If the file is absent, truncated, or not safetensors at all.
    """
    try:
        tensors = load_file(str(path))
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"{path.name}: no readable safetensors file ({error}).",
            remedy="Train again, or convert the checkpoint; pickled checkpoints can run code and are not opened.",
            code="weights-unreadable",
        ) from error
    return {name.removeprefix("module."): tensor for name, tensor in tensors.items()}


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
    model.load_state_dict(weights)
    return fit


def open_run(weights: Path, run: Path) -> tuple[nn.Module, dict]:
    """The trained model of a run, in evaluation mode on the CPU, and its `run.json`."""
    record = json.loads(run.read_text(encoding="utf-8"))
    model = build(record["model"]["name"], **record["model"]["options"])
    load(model, weights)
    return model.eval(), record
