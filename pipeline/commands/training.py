"""`ave train`, `ave pretrain`, `ave predict`: the learning stages of a store."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline import settings as settings_file
from pipeline.commands.asked import remembered_settings
from pipeline.commands.making import make
from pipeline.errors import UsageError
from pipeline.learn.settings import PretrainSettings, TrainSettings, from_params
from pipeline.options import AUDIT, PREDICTION, PRETRAINING, TRAINING, Option, given_settings
from pipeline.recipe.build import Build
from pipeline.recipe.learning import pretrain_names, run_names
from pipeline.recipe.stages import POOLED, STAGES
from pipeline.recipe.versions import renewable
from pipeline.settings import Settings

# What belongs to one model: the settings of another one begin without it.
_OF_A_MODEL = (
    "modality",
    "fusion",
    "model_width",
    "model_options",
    "batch",
    "learning_rate",
    "train_routing",
    "train_scale",
)

_FORM = ("frame_height", "frame_width", "lead_in_frames", "waveform_rate_hz")  # of shards, as a model wants it


def train(arguments: Namespace) -> int:
    """Train a model on the store's shards, after making what it needs."""
    settings = _fitted(_asked(arguments, TRAINING, "train"), arguments)
    if settings.pretrained_audio and not settings.speech_commands:
        raise UsageError("--pretrained-audio: there are no recordings.", remedy="Name their folder: --words DIR.")
    status = make(arguments.store, settings, arguments.executor, renew=renewable(arguments.renew))
    built = Build(settings, arguments.store)
    (name,) = run_names(built, POOLED)
    record = built.fresh("train", POOLED, name)
    if record is not None:
        print(_of_run(name, record.facts))
        print(f"weights, run.json and curves: {built.folder('train', POOLED).item_folder(name)}")
    return status


def _fitted(settings: Settings, arguments: Namespace) -> Settings:
    """The settings with the form of the shards that the model wants; an option that was given stays as given."""
    from pipeline.learn.form import needed  # torch

    asked = from_params(TrainSettings, STAGES["train"].job_params(settings))  # what is wrong is said before a build
    changed = needed(asked, {name: getattr(settings, name) for name in _FORM})
    given = given_settings(vars(arguments))
    changed = {name: value for name, value in changed.items() if name not in given}
    if changed:
        words = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in changed.items())
        print(f"{settings.model}: its shards are made with {words}, which this store remembers", file=sys.stderr)
        if "frame_height" in changed or "frame_width" in changed:
            print(
                "the pictures of STORE/corpus change with them; training another model brings others", file=sys.stderr
            )
    return settings.with_given(changed)


def pretrain(arguments: Namespace) -> int:
    """Let a network learn spoken words; `ave train --pretrained-audio` starts from them."""
    settings = _asked(arguments, PRETRAINING, "pretrain")
    from_params(PretrainSettings, STAGES["pretrain"].job_params(settings))
    if not settings.speech_commands:
        raise UsageError("There are no recordings.", remedy="Name a folder of Speech Commands: --words DIR.")
    status = make(arguments.store, settings, arguments.executor)
    built = Build(settings, arguments.store)
    (name,) = pretrain_names(built, POOLED)
    record = built.fresh("pretrain", POOLED, name)
    if record is not None:
        facts = record.facts
        print(
            f"{name}: {facts['accuracy']:.1%} of {facts['recordings']['test']} recordings of speakers held out; "
            f"nearest mean {facts['nearest_mean']:.1%}, chance {facts['chance']:.1%}; "
            f"learnt from {facts['recordings']['train']}"
        )
        print(f"weights and run.json: {built.folder('pretrain', POOLED).item_folder(name)}")
    return status


def predict(arguments: Namespace) -> int:
    """Write the saliency maps of a split by the run that was trained last."""
    settings = _asked(arguments, PREDICTION, "predict")
    name = _trained_run(settings, arguments)
    status = make(arguments.store, settings, arguments.executor)
    built = Build(settings, arguments.store)
    record = built.fresh("predict", POOLED, name)
    if record is not None:
        maps = built.folder("predict", POOLED).item_folder(name) / "maps.parquet"
        facts = record.facts
        print(f"{maps}: {facts['frames']} maps of {facts['stimuli']} stimuli of the {settings.predict_split} split")
    return status


def audit(arguments: Namespace) -> int:
    """Let the run that was trained last hear other sounds than the clips' own: does it make a difference?"""
    settings = _asked(arguments, AUDIT, "audit")
    name = _trained_run(settings, arguments)
    only = replace(settings, goals=("train", "audit"))
    kept = tuple(goal for goal in settings.goals if goal != "audit")  # another training is not audited unasked
    try:
        status = make(arguments.store, only, arguments.executor)
    finally:  # also of an audit that was stopped
        settings_file.save(replace(settings, goals=kept), arguments.store)
    built = Build(only, arguments.store)
    if built.fresh("audit", POOLED, name) is not None:
        page = built.folder("audit", POOLED).item_folder(name) / "audit.md"
        print(f"{page.read_text(encoding='utf-8')}\n{page}")
    return status


def _trained_run(settings: Settings, arguments: Namespace) -> str:
    """Name of the run that these settings train.

    Raises
    ------
    UsageError
        If it is not trained with what is there now.
    """
    trained = Build(settings, arguments.store)
    (name,) = run_names(trained, POOLED)
    state = trained.state("train", POOLED)
    if name not in state.fresh:
        why = state.reason
        raise UsageError(
            f"The run {name} is not trained, or not with what is there now ({why}).",
            remedy=f"`ave train --store {arguments.store}` trains it; `ave why train all/{name}` says more.",
        )
    return name


def _asked(arguments: Namespace, options: Sequence[Option], goal: str) -> Settings:
    """The remembered settings with the options given and the goal added."""
    remembered = remembered_settings(arguments.store)
    given = {**given_settings(vars(arguments)), **given_settings(vars(arguments), options)}
    if given.get("model", remembered.model) != remembered.model:
        plain = Settings()
        remembered = replace(remembered, **{name: getattr(plain, name) for name in _OF_A_MODEL})
    goals = tuple(dict.fromkeys((*remembered.goals, goal)))
    more: dict[str, Any] = {"goals": goals, "formats": remembered.formats or settings_file.FORMATS[:1]}
    return remembered.with_given({**given, **more})


def _of_run(name: str, facts: Mapping[str, Any]) -> str:
    """How a training went, in a line; a second one where it was stopped."""
    best = facts["best"]
    scores = ", ".join(f"{metric.upper()} {best['metrics'][metric]:.3f}" for metric in ("nss", "cc", "sim", "kl"))
    line = f"{name}: {facts['parameters']:,} parameters, {facts['steps_done']} steps on {facts['device']}; "
    line += f"best on val after step {best['step']}: {scores}"
    if facts["stopped"]:
        line += f"\n{name}: stopped at step {facts['stopped']['step']}, where the loss was {facts['stopped']['loss']}; "
        line += "the batch is kept beside the weights"
    return line
