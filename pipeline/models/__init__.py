"""The models, by name: each is a function of (video, audio) to a saliency map.

Conventions
-----------
video : float32 [batch, 3, frames, height, width], RGB, normalised as `wants` says; the last frame is the target frame.
audio : in the form that `wants.audio` names. "logmel": float32 [batch, 3, frames, 64, 64], one log-mel example per
    frame (time-major), repeated over three channels. "waveform": float32 [batch, samples], see `Waveform`. "none":
    whatever comes is ignored.
saliency map : float32 [batch, height, width], non-negative, not normalised. Ground truth is never called saliency.
Every model carries `wants`, so that one data path serves them all. This module itself does not import torch.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.errors import ModelUsageError, did_you_mean
from pipeline.signals.waveform import Waveform

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Listed:
    """A model of the registry.

    Attributes
    ----------
    where : str
        "module:class".
    source : str
        The paper, and the public code that it was compared with.
    licence : str
        Terms of the public code and weights; our code is ours.
    variants : tuple of mapping
        Options worth a line in `ave models`, the defaults first.
    """

    where: str
    source: str
    licence: str
    variants: tuple[Mapping[str, Any], ...] = ({},)


_VINET = "Jain et al. 2021, arXiv 2012.06170; samyak0210/ViNet"

REGISTRY = {
    "avinet": Listed(
        "pipeline.models.avinet:AViNet",
        _VINET,
        "code MIT; its weights state no terms",
        ({}, {"fusion": "concat"}),
    ),
    "dave": Listed(
        "pipeline.models.dave:Dave",
        "Tavakoli et al. 2020, arXiv 1905.10693; hrtavakoli/DAVE",
        "neither code nor weights state terms",
        ({}, {"modality": "video"}, {"modality": "audio"}, {"variant": "text"}),
    ),
    "soundnet": Listed(
        "pipeline.models.soundnet:SoundNet",
        "Aytar et al. 2016, arXiv 1610.09001; keunhong/pytorch-soundnet",
        "original code and weights MIT; the port states no terms",
    ),
    "vinet": Listed(
        "pipeline.models.vinet:ViNet",
        _VINET,
        "code MIT; its weights state no terms",
        ({}, {"frames": 8}, {"frames": 16}, {"frames": 48}),
    ),
}


@dataclass(frozen=True)
class Wants:
    """What a model expects to be fed, and the map it gives back.

    Attributes
    ----------
    frames : int
        Frames of a clip, the last one being the target frame; 0 if the model sees no pictures.
    size : (int, int)
        Height and width of a frame in pixels.
    normalisation : str
        Name of the pictures' mean and deviation, a key of `pipeline.export.pictures.NORMALISATIONS`.
    audio : str
        Form of the sound: "logmel" is one 64 × 64 log-mel example per frame, "waveform" is said by `waveform`,
        "none" is no sound at all.
    map_size : (int, int) or None
        Height and width of the saliency map; None if the model gives features and no map.
    waveform : Waveform, optional
        There where `audio` is "waveform".
    """

    frames: int
    size: tuple[int, int]
    normalisation: str
    audio: str
    map_size: tuple[int, int] | None
    waveform: Waveform | None = None


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
        raise ModelUsageError(f"Unknown model {name!r}.", remedy=did_you_mean(name, names()))
    module, _, attribute = REGISTRY[name].where.partition(":")
    model = getattr(importlib.import_module(module), attribute)
    known = list(inspect.signature(model).parameters)
    for option in options:
        if option not in known:
            raise ModelUsageError(f"Unknown option {option!r} of model {name!r}.", remedy=did_you_mean(option, known))
    return model(**options)


def choose(what: str, value: str, choices: tuple[str, ...]) -> str:
    """Return `value` if it is one of `choices`; raise `ModelError` naming them all if not."""
    if value not in choices:
        raise ModelUsageError(f"Unknown {what} {value!r}.", remedy=f"Choose one of: {', '.join(choices)}.")
    return value
