"""Where a killed training goes on: everything that the next step depends on, kept after each part of an epoch.

Conventions
-----------
A training is known by its *identity*: the digest of its settings and of the shards it reads. Below `FOLDER/IDENTITY/`
lies one `point-STEP/` with `weights.safetensors`, `optimiser.safetensors`, `best.safetensors` (once there is a best)
and `state.json`. A point is written aside and renamed, and only then the one before is removed, so a kill at any moment
leaves a whole one. Nothing in it can run code. The clips' order and chance in a step follow from the step's number.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from pipeline.errors import ModelError
from pipeline.learn import checkpoints

POINT = "point-"


class Points:
    """The resume points of one training.

    Parameters
    ----------
    folder : Path or None
        Where all trainings of a store keep theirs; None keeps nothing.
    identity : str
        Of this training.
    """

    def __init__(self, folder: Path | None, identity: str):
        self._folder = folder / identity if folder else None

    def keep(
        self, step: int, model: nn.Module, optimiser: torch.optim.Optimizer, state: Mapping[str, Any], best: Path
    ) -> None:
        """Write a point after `step` steps; `best` is the file of the weights that did best so far, if there is one."""
        if self._folder is None:
            return
        draft = self._folder / f".tmp-{os.getpid()}"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        checkpoints.save(model, draft / "weights.safetensors")
        save_optimiser(optimiser, draft)
        if best.exists():
            shutil.copyfile(best, draft / "best.safetensors")
        (draft / "state.json").write_text(json.dumps({**state, "step": step}), encoding="utf-8")
        before = self._all()
        for file in draft.iterdir():
            _flush(file)
        draft.replace(self._folder / f"{POINT}{step:08d}")
        for point in before:
            shutil.rmtree(point, ignore_errors=True)

    def take_up(self, model: nn.Module, optimiser: torch.optim.Optimizer, best: Path | None) -> dict[str, Any] | None:
        """Fill model and optimiser from the last point, copy its best weights to `best`; its state, None if none is.

        Raises
        ------
        ModelError
            If the point cannot be read; the message says which folder to delete.
        """
        points = self._all()
        if not points:
            return None
        point = points[-1]
        try:
            checkpoints.load(model, point / "weights.safetensors")
            load_optimiser(optimiser, point)
            state = json.loads((point / "state.json").read_text(encoding="utf-8"))
            if best is not None and (point / "best.safetensors").exists():
                shutil.copyfile(point / "best.safetensors", best)
        except (ModelError, OSError, ValueError, SafetensorError) as error:
            raise ModelError(
                f"The training cannot go on from {point}: {error}",
                remedy="Delete that folder; the training then begins anew.",
                code="resume",
            ) from error
        return state

    def _all(self) -> list[Path]:
        return sorted(self._folder.glob(f"{POINT}*")) if self._folder else []


def save_optimiser(optimiser: torch.optim.Optimizer, folder: Path) -> None:
    """Write the optimiser's tensors as `optimiser.safetensors` and its plain numbers as `optimiser.json`."""
    state = optimiser.state_dict()
    tensors = {
        f"{number}.{name}": value.detach().cpu().contiguous()
        for number, values in state["state"].items()
        for name, value in values.items()
    }
    save_file(tensors, str(folder / "optimiser.safetensors"))
    (folder / "optimiser.json").write_text(json.dumps(state["param_groups"]), encoding="utf-8")


def load_optimiser(optimiser: torch.optim.Optimizer, folder: Path) -> None:
    """Fill the optimiser from what `save_optimiser` wrote."""
    state: dict[int, dict[str, Any]] = {}
    for key, value in load_file(str(folder / "optimiser.safetensors")).items():
        number, name = key.split(".", 1)
        state.setdefault(int(number), {})[name] = value
    groups = json.loads((folder / "optimiser.json").read_text(encoding="utf-8"))
    optimiser.load_state_dict({"state": state, "param_groups": groups})


def _flush(file: Path) -> None:
    """Bring a file to the disk before its folder gets its name."""
    with open(file, "rb") as opened:
        os.fsync(opened.fileno())
