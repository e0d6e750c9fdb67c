"""What a training, an audio pretraining and a prediction may be told.

Conventions
-----------
The defaults are the papers', model by model: `PAPERS` has what 0 stands for. Nothing here imports torch, so a typing
error costs no child process.

Source
------
Tavakoli et al. 2020, sec. IV; Jain et al. 2021, sec. IV.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from pipeline.errors import ModelUsageError, did_you_mean
from pipeline.learn.losses import weights_of

SCHEDULES = ("constant", "cosine")
PRECISIONS = ("fp32", "bf16", "fp16")
PREDICTED_IN = ("fp32", "bf16")  # fp16 needs its losses scaled to be of use, and there are none
DEVICES = ("auto", "cpu", "cuda")
NETWORKS = ("3d", "2d")

_Settings = TypeVar("_Settings", "TrainSettings", "PredictSettings", "PretrainSettings")


class Paper(NamedTuple):
    """What a paper trains with."""

    learning_rate: float
    batch: int


PAPERS = {"dave": Paper(1e-3, 10), "vinet": Paper(1e-4, 8), "avinet": Paper(1e-4, 8)}
_OTHERS = Paper(1e-4, 8)  # a model whose paper has no line of its own


@dataclass(frozen=True)
class TrainSettings:
    """What a run may be told.

    Attributes
    ----------
    model : str
        A name of `pipeline.models`.
    modality, fusion, width
        The model's options of these names; "" and 0 are the model's own defaults.
    options : tuple of str
        Further options as "name=value", e.g. "mep=true", "frames=16".
    epochs : int
        Passes over the training clips. With `routing` each is followed by a pass over the still images.
    steps : int
        Steps of the optimiser in all; 0 is `epochs` passes.
    batch : int
        Clips that a process takes at once; 0 is the paper's.
    accumulate : int
        Batches a step. Batch normalisation sees one batch at a time all the same.
    learning_rate : float
        Of Adam; 0 is the paper's.
    schedule : str
        "constant", or "cosine": the learning rate falls to zero with the last step.
    loss : str
        What is made small, e.g. "kl", "kl + 0.1*cc"; see `pipeline.learn.losses`.
    precision : str
        "fp32"; "bf16" or "fp16" compute the maps in 16 bits where torch knows it to be safe. "fp16" wants a GPU.
    channels_last : bool
        Lay volumes out with the channels last; GPUs in 16 bits want it.
    compile : bool
        Let `torch.compile` make the model faster; it takes a minute first, and a C++ compiler on a CPU.
    deterministic : bool
        On a GPU, prefer operations whose result does not depend on chance.
    seed : int
        Of the first weights, of the clips' order, and of chance in each step.
    every : int
        Train on frames 0, every, 2 every … of each stimulus; neighbours are nearly the same clip.
    mix : int
        Samples of the shards whose clips are mixed with one another, see `pipeline.export.clips.ClipStream`.
    scale : int
        Pictures are averaged over scale × scale pixels before the model sees them, its map is enlarged
        to the target's size. 1 is the paper's; 2 costs a quarter.
    evaluations : int
        How often the val split is looked at; the last time after the last step. 0 is after every epoch.
    val_clips : int
        At most about this many clips of the val split, evenly spread over it.
    parts : int
        Parts of an epoch after each of which a killed run can go on.
    routing : bool
        After each epoch one of still images, in which DAVE's sound and mixing layer rest.
    device : str
        "auto" (a GPU where there is one), "cpu" or "cuda".
    processes : int
        That train together, each on a GPU of its own where there are GPUs.
    threads : int
        CPU threads of each, 0 for every core this process may use.
    loader_workers : int
        Processes that decode clips for each; 0 decodes in the loop.
    """

    model: str = "dave"
    modality: str = ""
    fusion: str = ""
    width: int = 0
    options: tuple[str, ...] = ()
    epochs: int = 10
    steps: int = 0
    batch: int = 0
    accumulate: int = 1
    learning_rate: float = 0.0
    schedule: str = "constant"
    loss: str = "kl"
    precision: str = "fp32"
    channels_last: bool = False
    compile: bool = False
    deterministic: bool = True
    seed: int = 0
    every: int = 1
    mix: int = 8
    scale: int = 1
    evaluations: int = 0
    val_clips: int = 500
    parts: int = 4
    routing: bool = False
    device: str = "auto"
    processes: int = 1
    threads: int = 0
    loader_workers: int = 0

    def __post_init__(self) -> None:
        _at_least(1, self, "epochs", "accumulate", "every", "mix", "scale", "val_clips", "parts", "processes")
        _at_least(0, self, "width", "steps", "batch", "evaluations", "threads", "loader_workers")
        if not self.learning_rate >= 0:
            raise ModelUsageError(
                f"Training setting learning_rate is {self.learning_rate}; expected more than 0.",
                remedy="0 stands for the paper's.",
            )
        for name, known in (("schedule", SCHEDULES), ("precision", PRECISIONS), ("device", DEVICES)):
            _one_of(known, self, name)
        weights_of(self.loss)
        _ = self.model_options
        if self.routing and self.model != "dave":
            raise ModelUsageError(
                f"Routing is DAVE's: model {self.model!r} has no sound and mixing layer to rest.",
                remedy="Train it without routing.",
            )
        if self.routing and self.modality == "audio":
            raise ModelUsageError(
                "Routing shows still images, and modality 'audio' sees nothing.", remedy="Leave it out."
            )
        paper = PAPERS.get(self.model, _OTHERS)
        object.__setattr__(self, "batch", self.batch or paper.batch)
        object.__setattr__(self, "learning_rate", self.learning_rate or paper.learning_rate)

    @property
    def model_options(self) -> dict[str, Any]:
        """What `pipeline.models.build` is given besides the name: only what was asked for.

        Raises
        ------
        ModelError
            If an option is not written as "name=value".
        """
        asked = {name: getattr(self, name) for name in ("modality", "fusion", "width") if getattr(self, name)}
        for word in self.options:
            name, equals, value = word.partition("=")
            if not (name and equals and value):
                raise ModelUsageError(f"Model option {word!r}: expected name=value.", remedy='For example "mep=true".')
            asked[name] = _value(value)
        return asked


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
    precision : str
        "fp32", or "bf16": maps computed in 16 bits where torch knows it to be safe, more than twice as fast on a CPU
        that knows them; a map then moves by about a hundredth of its peak.
    device, threads
        As in `TrainSettings`.
    """

    split: str = "val"
    every: int = 1
    batch: int = 8
    precision: str = "fp32"
    device: str = "auto"
    threads: int = 0

    def __post_init__(self) -> None:
        _at_least(1, self, "every", "batch")
        _one_of(PREDICTED_IN, self, "precision")


@dataclass(frozen=True)
class PretrainSettings:
    """How to learn spoken words, so that DAVE's sound stream need not start from nothing.

    Attributes
    ----------
    network : str
        "3d" (DAVE's sound stream) or "2d" (the paper's comparison); see `pipeline.learn.spoken`.
    width : int
        Channels after the first convolution; 0 is the papers' 64.
    epochs : int
        Passes over the training words; the one that did best on the held-out validation speakers is kept.
    batch, learning_rate, seed, device, threads
        As in `TrainSettings`; the papers name none for this, so these are DAVE's.
    """

    network: str = "3d"
    width: int = 0
    epochs: int = 10
    batch: int = 10
    learning_rate: float = 1e-3
    seed: int = 0
    device: str = "auto"
    threads: int = 0

    def __post_init__(self) -> None:
        _one_of(NETWORKS, self, "network")
        _one_of(DEVICES, self, "device")
        _at_least(1, self, "epochs", "batch")
        _at_least(0, self, "width")
        if not self.learning_rate > 0:
            raise ModelUsageError(f"Setting learning_rate is {self.learning_rate}; expected more than 0.")


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
            raise ModelUsageError(f"Unknown setting {name!r}.", remedy=did_you_mean(name, known))
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in params.items()
    }
    return kind(**values)


def _value(text: str) -> Any:
    """A number, a truth value, a list as a tuple, or the word itself."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return tuple(value) if isinstance(value, list) else value


def _one_of(known: tuple[str, ...], settings: Any, name: str) -> None:
    value = getattr(settings, name)
    if value not in known:
        raise ModelUsageError(f"Unknown {name} {value!r}.", remedy=did_you_mean(str(value), known))


def _at_least(least: int, settings: Any, *names: str) -> None:
    for name in names:
        value = getattr(settings, name)
        if value < least:
            raise ModelUsageError(f"Setting {name} is {value}; expected at least {least}.")
