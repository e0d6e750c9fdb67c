"""The models, by name: each is a function of (video, audio) to a saliency map.

Conventions
-----------
video : float32 [batch, 3, frames, height, width], RGB, normalised as `wants` says; the last frame is the target frame.
audio : float32 [batch, 3, frames, 64, 64], one log-mel example per frame (time-major), repeated over three channels.
saliency map : float32 [batch, height, width], non-negative, not normalised. Ground truth is never called saliency.
Every model carries `wants`, so that one data path serves them all. This module itself does not import torch.
"""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.errors import ModelError, did_you_mean

if TYPE_CHECKING:
    from torch import nn

REGISTRY = {"dave": "pipeline.models.dave:Dave"}


@dataclass(frozen=True)
class Wants:
    """What a model expects to be fed, and the map it gives back.

    Attributes
    ----------
    frames : int
        Frames of a clip, the last one being the target frame.
    size : (int, int)
        Height and width of a frame in pixels.
    normalisation : str
        Name of the pictures' mean and deviation, a key of `pipeline.export.pictures.NORMALISATIONS`.
    audio : str
        Form of the sound: "logmel" is one 64 × 64 log-mel example per frame.
    map_size : (int, int)
        Height and width of the saliency map.
    """

    frames: int
    size: tuple[int, int]
    normalisation: str
    audio: str
    map_size: tuple[int, int]


def names() -> list[str]:
    """Names that `build` knows, sorted."""
    return sorted(REGISTRY)


def build(name: str, **options: Any) -> nn.Module:
    """Make a model with fresh random weights (from torch's current seed).

    Parameters
    ----------
    name : str
        One of `names()`.
    **options
        The model's own options, e.g. `modality="av"`, `fusion="concat"`, `width=64`.

    Raises
    ------
    ModelError
        If the name, an option or an option's value is unknown; the nearest known word is named.

    Examples
    --------
    >>> build("dave", modality="video", width=4).wants.map_size
    (32, 40)
    """
    if name not in REGISTRY:
        raise ModelError(f"Unknown model {name!r}.", remedy=did_you_mean(name, names()))
    module, _, attribute = REGISTRY[name].partition(":")
    model = getattr(importlib.import_module(module), attribute)
    known = list(inspect.signature(model).parameters)
    for option in options:
        if option not in known:
            raise ModelError(f"Unknown option {option!r} of model {name!r}.", remedy=did_you_mean(option, known))
    return model(**options)


def choose(what: str, value: str, choices: tuple[str, ...]) -> str:
    """Return `value` if it is one of `choices`; raise `ModelError` naming them all if not."""
    if value not in choices:
        raise ModelError(f"Unknown {what} {value!r}.", remedy=f"Choose one of: {', '.join(choices)}.")
    return value
