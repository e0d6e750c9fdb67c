"""Tensors from a file into a model: read without running code, matched by name and shape, told what found its place.

Conventions
-----------
A weights file is safetensors, or what `torch.save` wrote of a state dict (alone, or under the key `state_dict` as
training scripts keep it). Names may carry a leading `module.`, which `nn.DataParallel` puts there; it is taken off.
A pickle is opened with `weights_only=True` and never otherwise: tensors and plain values come out, nothing runs.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from pipeline.errors import ModelError

NAMED = 4  # tensors a message names of each kind; the counts are always given
INSIDE = ("state_dict", "model_state_dict", "model")  # keys under which training scripts keep the state dict


@dataclass(frozen=True)
class Fit:
    """How the tensors of a file map onto a model's: names, sorted.

    Attributes
    ----------
    matched : tuple of str
        In both, of the same shape.
    missing, left_over : tuple of str
        Only in the model; only in the file.
    reshaped : tuple of (name, shape in the file, shape in the model)
        In both, of different shapes.
    kept : tuple of str
        Tensors of ours that no published checkpoint has (a bias), which therefore stay as they are.
    """

    matched: tuple[str, ...]
    missing: tuple[str, ...]
    left_over: tuple[str, ...]
    reshaped: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]
    kept: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Does every tensor find its place?"""
        return not (self.missing or self.left_over or self.reshaped)

    def rows(self) -> list[tuple[str, int, str]]:
        """(what, how many, the first names) of each kind, what matched first; `kept` only where there are some."""
        shapes = [f"{name} {list(theirs)} for {list(ours)}" for name, theirs, ours in self.reshaped]
        kinds = {"missing": self.missing, "left over": self.left_over, "of another shape": shapes}
        named = [(what, len(found), _first(found)) for what, found in kinds.items()]
        kept = [("kept", len(self.kept), _first(self.kept))] if self.kept else []
        return [("matched", len(self.matched), ""), *named, *kept]

    def table(self) -> str:
        """One line a kind."""
        return "\n".join(f"{what:<16}{count:>6}  {names}".rstrip() for what, count, names in self.rows())

    def __str__(self) -> str:
        (_, matched, _), *others = self.rows()
        told = [f"{count} {what}" + (f" ({names})" if names else "") for what, count, names in others]
        return ", ".join([f"{matched} tensors matched", *told])


def read(path: Path) -> dict[str, Tensor]:
    """Tensors of a weights file on the CPU, without a leading `module.` in their names.

    Raises
    ------
    ModelError
        If the file is absent, truncated, holds code, or holds no state dict.
    """
    tensors = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    return {name.removeprefix("module."): tensor for name, tensor in tensors.items()}


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
    absent = wanted.keys() - weights.keys()
    ours_alone = absent & _not_published(model)
    return Fit(
        matched=tuple(name for name in shared if name not in unlike),
        missing=tuple(sorted(absent - ours_alone)),
        left_over=tuple(sorted(weights.keys() - wanted.keys())),
        reshaped=tuple(reshaped),
        kept=tuple(sorted(ours_alone)),
    )


def fill(model: nn.Module, weights: Mapping[str, Tensor]) -> Fit:
    """Copy the tensors that match into the model and leave the rest of it alone.

    Raises
    ------
    ModelError
        If not one tensor matches: such weights are another model's.
    """
    fit = compare(weights, model)
    if not fit.matched:
        raise ModelError(
            f"Not one tensor fits: {fit}.",
            remedy="These are another model's weights; `ave models` says which weights are for which model.",
            code="weights-do-not-fit",
        )
    model.load_state_dict({name: weights[name] for name in fit.matched}, strict=False)
    return fit


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(str(path))
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"{path.name}: no readable safetensors file ({error}).",
            remedy="Get or write the file again.",
            code="weights-unreadable",
        ) from error


def _read_pickle(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path.name}: refused, because it holds more than tensors and plain values ({_asked_for(error)}).",
            remedy="If you trust its origin, open it where it can do no harm and save its tensors as safetensors.",
            code="weights-unsafe",
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{path.name}: no readable weights file ({_first_sentence(error)}).",
            remedy="Get the file again; it may have been cut short.",
            code="weights-unreadable",
        ) from error
    state = _state_dict_in(content)
    if state is None:
        raise ModelError(
            f"{path.name}: holds no state dict (found {type(content).__name__}).",
            remedy=f"Expected names and tensors, alone or under one of {', '.join(INSIDE)}.",
            code="weights-unreadable",
        )
    return state


def _state_dict_in(content: Any) -> dict[str, Tensor] | None:
    """The names and tensors that a checkpoint holds; None if there are none."""
    if not isinstance(content, Mapping):
        return None
    if content and all(isinstance(value, Tensor) for value in content.values()):
        return dict(content)
    return next((found for key in INSIDE if (found := _state_dict_in(content.get(key))) is not None), None)


def _not_published(model: nn.Module) -> set[str]:
    """Names of the tensors that modules declare as ours alone (`not_published`)."""
    return {
        f"{prefix}.{name}".lstrip(".")
        for prefix, module in model.named_modules()
        for name in getattr(module, "not_published", ())
    }


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")


def _first_sentence(error: Exception) -> str:
    return str(error).strip().split("\n")[0].split(". ")[0].rstrip(".") or type(error).__name__


def _asked_for(error: Exception) -> str:
    """What the file wanted to be run, out of torch's long refusal."""
    asked = re.search(r"GLOBAL (\S+)", str(error))
    return f"it asks for {asked[1]}" if asked else "it is no pickle of tensors"
