"""What a run starts with: a fresh model, weights it need not learn again, and the places it may write to.

Conventions
-----------
`job.files` may hold "audio", the weights of a pretrained sound stream. `job.values` may hold "weights" (words as
`pipeline.models.pretrained.initialise` takes them) with "weights_folder" and "manifests"; "stills", a folder in SALICON
layout; "keep", a folder that outlives a killed run; "tensorboard", whether files for it are wanted.
"""

from __future__ import annotations

import inspect
import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pipeline import models
from pipeline.errors import ModelError
from pipeline.evaluate.baselines import mean_eye_position
from pipeline.export.reader import ShardSet
from pipeline.learn.settings import TrainSettings
from pipeline.learn.shards import indexes_of
from pipeline.models import pretrained
from pipeline.models.weights import fill, read
from pipeline.store.job import Job

SOUND = "audio_branch"  # DAVE's stream that a pretraining on words may start


def new_model(settings: TrainSettings, job: Job) -> tuple[nn.Module, list[str]]:
    """A model to train, and what it did not have to learn: a line for each source of weights.

    Weights that are listed and not at hand are said to be missing, and their part starts from scratch.
    """
    model = models.build(settings.model, **settings.model_options)
    told: list[str] = []
    listed = pretrained.load(Path(job.values["manifests"])) if job.values.get("weights") else {}
    for asked in job.values.get("weights", ()):
        folder = Path(job.values["weights_folder"])
        loaded = pretrained.initialise(model, settings.model, asked, folder, listed=listed, tell=_tell)
        told.append(str(loaded) if loaded else f"{asked}: not at hand, from scratch")
    if "audio" in job.files:
        told.append(_start_sound(model, settings.model, job.files["audio"]))
    if getattr(model, "mep", None) is not None:
        model.mep.set_density(_mean_density(job))  # type: ignore[union-attr, operator]
        told.append("mep: mean eye position of the training split")
    return model, told


def all_options(model: nn.Module, settings: TrainSettings) -> dict[str, Any]:
    """The options that were asked for and the model's own defaults, so that a later default moves no finished run."""
    defaults = {name: parameter.default for name, parameter in inspect.signature(type(model)).parameters.items()}
    return {**defaults, **settings.model_options}


def put_channels_last(model: nn.Module) -> None:
    """Lay the convolutions' weights out with the channels last, so that what they give is, too.

    `Module.to(memory_format=…)` knows one number of axes at a time, and DAVE has convolutions of both kinds.
    """
    layouts = {4: torch.channels_last, 5: torch.channels_last_3d}
    for parameter in model.parameters():
        if parameter.ndim in layouts:
            parameter.data = parameter.data.contiguous(memory_format=layouts[parameter.ndim])


def compiled(network: nn.Module) -> nn.Module:
    """The network through `torch.compile`.

    Raises
    ------
    ModelError
        If a CPU run finds no C++ compiler, which torch would only say at the first step.
    """
    if not torch.cuda.is_available() and shutil.which("c++") is None and shutil.which("g++") is None:
        raise ModelError(
            "torch.compile wants a C++ compiler on a CPU, and there is none.",
            remedy="Install g++, or train without compile.",
            code="no-compiler",
        )
    made: Any = torch.compile(network)
    return made


def stills_folder(job: Job) -> Path | None:
    """The folder of still images in SALICON layout, if there is one."""
    return Path(job.values["stills"]) if job.values.get("stills") else None


def keep_folder(job: Job) -> Path | None:
    """Where resume points are kept, if anywhere."""
    return Path(job.values["keep"]) if job.values.get("keep") else None


def board_folder(job: Job) -> Path | None:
    """Where TensorBoard's files go, if they are wanted."""
    folder = keep_folder(job)
    return folder / "tensorboard" / job.name if folder and job.values.get("tensorboard") else None


def kept_aside(job: Job, file: Path) -> Path | None:
    """Copy a file of a run that fails to where it survives it."""
    folder = keep_folder(job)
    if folder is None or not file.exists():
        return None
    folder.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copyfile(file, folder / f"{job.name}.{file.name}"))


def _tell(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _start_sound(model: nn.Module, name: str, path: Path) -> str:
    """Fill the sound stream with a pretrained one, all but its classifier, which words need and gaze does not."""
    stream = getattr(model, SOUND, None)
    if stream is None:
        raise ModelError(
            f"Model {name!r} as built has no {SOUND} to start from spoken words.",
            remedy="Take dave with modality av or audio, or train without it.",
            code="weights-do-not-fit",
        )
    weights = {key: tensor for key, tensor in read(path).items() if not key.startswith("fc_new.")}
    fit = fill(stream, weights)
    if fit.left_over or fit.reshaped or any(not key.startswith("fc_new.") for key in fit.missing):
        raise ModelError(
            f"{path.name}: not this model's {SOUND}: {fit}.",
            remedy="Pretrain the 3d network at the model's width.",
            code="weights-do-not-fit",
        )
    return f"{SOUND}: spoken words, {len(fit.matched)} tensors"


def _mean_density(job: Job) -> torch.Tensor:
    shards = ShardSet(indexes_of(job.files["shards"], "train"))
    heads = map(shards.head, range(len(shards)))
    return torch.from_numpy(mean_eye_position((head.facts.stimulus, head.density) for head in heads))
