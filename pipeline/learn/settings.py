"""What a training and a prediction may be told.

Conventions
-----------
The defaults of training are the paper's where it names one: Adam, learning rate 1e-3, batch 10, 10 epochs.
Nothing here imports torch, so a typing error costs no child process.

Source
------
Tavakoli et al. 2020, sec. IV.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pipeline.errors import ModelError, did_you_mean

SCHEDULES = ("constant", "cosine")

_Settings = TypeVar("_Settings", "TrainSettings", "PredictSettings")


@dataclass(frozen=True)
class TrainSettings:
    """What a run may be told; the defaults are the paper's where it names one.

    Attributes
    ----------
    model, modality, fusion, width, shortcut_gradient
        The model's name and options, see `pipeline.models.dave`.
    steps : int or None
        Batches in all; None is `epochs` times the training clips.
    batch : int
        Clips a step.
    schedule : str
        "constant", or "cosine": the learning rate falls to zero with the last step.
    every : int
        Train on frames 0, every, 2 every … of each stimulus; neighbours are nearly the same clip.
    mix : int
        Samples of the shards whose clips are mixed with one another, see `pipeline.export.clips.ClipStream`.
    scale : int
        Pictures are averaged over scale × scale pixels before the model sees them, its map is enlarged
        to the target's size. 1 is the paper's; 2 costs a quarter.
    evaluations : int
        How often the val split is looked at; the last time after the last step.
    val_clips : int
        At most this many clips of the val split, evenly spread over it.
    device : str
        "auto" (a GPU where there is one), "cpu" or "cuda".
    threads : int
        CPU threads, 0 for every core this process may use.
    loader_workers : int
        Processes that decode clips; 0 decodes in the loop.
    """

    model: str = "dave"
    modality: str = "av"
    fusion: str = "concat"
    width: int = 64
    shortcut_gradient: bool = True
    epochs: int = 10
    steps: int | None = None
    batch: int = 10
    learning_rate: float = 1e-3
    schedule: str = "constant"
    seed: int = 0
    every: int = 1
    mix: int = 8
    scale: int = 1
    evaluations: int = 10
    val_clips: int = 500
    device: str = "auto"
    threads: int = 0
    loader_workers: int = 0

    def __post_init__(self) -> None:
        _at_least_one(self, "width", "epochs", "steps", "batch", "every", "mix", "scale", "evaluations", "val_clips")
        if not self.learning_rate > 0:
            raise ModelError(f"Training setting learning_rate is {self.learning_rate}; expected more than 0.")
        if self.schedule not in SCHEDULES:
            raise ModelError(f"Unknown schedule {self.schedule!r}.", remedy=did_you_mean(self.schedule, SCHEDULES))

    @property
    def model_options(self) -> dict[str, Any]:
        """What `pipeline.models.build` is given besides the name."""
        return {name: getattr(self, name) for name in ("modality", "fusion", "width", "shortcut_gradient")}


@dataclass(frozen=True)
class PredictSettings:
    """Which frames to predict, and on what.

    Attributes
    ----------
    split : str
        "train", "val" or "test".
    every : int
        Predict frames 0, every, 2 every … of each stimulus.
    batch : int
        Clips at once.
    device, threads
        As in `TrainSettings`.
    """

    split: str = "val"
    every: int = 1
    batch: int = 8
    device: str = "auto"
    threads: int = 0

    def __post_init__(self) -> None:
        _at_least_one(self, "every", "batch")


def from_params(kind: type[_Settings], params: Mapping[str, Any]) -> _Settings:
    """Settings out of a job's parameters.

    Raises
    ------
    ModelError
        If a name is unknown (the nearest known one is named) or a value impossible.
    """
    known = [field.name for field in dataclasses.fields(kind)]
    for name in params:
        if name not in known:
            raise ModelError(f"Unknown setting {name!r}.", remedy=did_you_mean(name, known))
    return kind(**params)


def _at_least_one(settings: Any, *names: str) -> None:
    for name in names:
        value = getattr(settings, name)
        if value is not None and value < 1:
            raise ModelError(f"Setting {name} is {value}; expected at least 1.")
