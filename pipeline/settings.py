"""What was asked of a store: one flat, typed record, kept as STORE/settings.toml.

A store remembers its settings, so `ave plan`, `status`, `why` and a bare `ave build` speak about what was
last asked of it. An option that is given replaces the remembered one; an unknown key in the file is an error
that names the nearest known one. Defaults reproduce the papers.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError, did_you_mean

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SETTINGS_NAME = "settings.toml"
GOALS = ("corpus", "shards", "pretrain", "train", "predict", "score", "audit", "report")
_NEED_SHARDS = {"shards", "train", "predict", "score", "audit"}
FORMATS = ("wds", "parquet", "tensors")
_CHOICES = {"goals": GOALS, "formats": FORMATS, "anchor": ("start", "centre", "end")}
_CHOICES |= {"modality": ("", "av", "video", "audio"), "pretrain_network": ("3d", "2d")}
_CHOICES |= {"predict_precision": ("fp32", "bf16")}
_CHOICES |= dict.fromkeys(("predict_split", "audit_split"), ("train", "val", "test"))

# A small model, trained for a minute or two on two cores: what `ave demo` asks for.
QUICK_TRAINING: Mapping[str, Any] = {
    "modality": "av", "model_width": 8, "train_steps": 60, "batch": 8, "seed": 1, "train_every": 3, "train_mix": 32,
    "train_scale": 2, "train_evaluations": 4, "val_clips": 24, "predict_every": 5, "audit_every": 5,
}  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """Everything a build depends on beside the raw bytes and the manifests.

    Empty `corpora` means every corpus of the manifests; empty `only` means every stimulus. A relative `raw` or
    `manifests` lies in the store (and moves with it); one given as an option is made absolute.
    """

    # what to build, from what
    raw: str = "raw"
    manifests: str = ""
    corpora: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    accept: tuple[str, ...] = ()
    partial: bool = False
    official_150: bool = False
    goals: tuple[str, ...] = ("corpus",)
    tolerance: float = 0.0
    # pictures
    frame_height: int = 256
    frame_width: int = 320
    jpeg_quality: int = 92
    # admission
    min_inside_share: float = 0.985
    max_sound_difference_s: float = 0.5
    silence_dbfs: float = -60.0
    # sound
    mel_bands: int = 64
    anchor: str = "start"
    waveform_rate_hz: int = 0  # of the soundtracks as samples in the shards; 0 leaves them out
    # density
    sigma_dva: float = 1.0
    density_height: int = 32
    density_width: int = 40
    # shards
    formats: tuple[str, ...] = ()
    segment_frames: int = 64
    lead_in_frames: int = 15
    samples_per_shard: int = 64
    # training; 0 and "" stand for the paper's value or the model's own, see `pipeline.learn.settings`
    model: str = "dave"
    modality: str = ""
    fusion: str = ""
    model_width: int = 0
    model_options: tuple[str, ...] = ()
    train_epochs: int = 10
    train_steps: int = 0
    batch: int = 0
    train_accumulate: int = 1
    learning_rate: float = 0.0
    train_schedule: str = "constant"
    train_loss: str = "kl"
    train_precision: str = "fp32"
    train_channels_last: bool = False
    train_compile: bool = False
    train_deterministic: bool = True
    seed: int = 0
    train_every: int = 1
    train_mix: int = 8
    train_scale: int = 1
    train_evaluations: int = 0
    val_clips: int = 500
    train_parts: int = 4
    train_routing: bool = False
    train_stills: str = ""
    train_weights: tuple[str, ...] = ()
    train_device: str = "auto"
    train_processes: int = 1
    train_threads: int = 0
    loader_workers: int = 0
    tensorboard: bool = False
    # spoken words, and whether training starts DAVE's sound stream from them
    speech_commands: str = ""
    pretrain_network: str = "3d"
    pretrain_epochs: int = 10
    pretrained_audio: bool = False
    # prediction and scores
    predict_split: str = "val"
    predict_every: int = 1
    predict_precision: str = "fp32"
    audit_split: str = "val"
    audit_every: int = 1
    score_protocols: tuple[str, ...] = ("ours",)  # see `pipeline.evaluate.protocols`
    # what `--executor slurm` asks the queue for; nothing of it reaches a byte of the store
    slurm_jobs: int = 0
    slurm_cores: int = 0
    slurm_memory: str = ""
    slurm_walltime: str = ""
    slurm_queue: str = ""
    slurm_account: str = ""
    slurm_interface: str = ""
    slurm_directives: tuple[str, ...] = ()
    slurm_prologue: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, known in _CHOICES.items():
            given = getattr(self, name)
            for word in given if isinstance(given, tuple) else (given,):
                if word not in known:
                    raise UsageError(f"Unknown {name} {word!r}.", remedy=did_you_mean(word, known))
        if _NEED_SHARDS & set(self.goals) and not self.formats:
            raise UsageError("Shards are among the goals, but no format.", remedy=f"Choose from: {', '.join(FORMATS)}.")
        for name in _POSITIVE:
            if getattr(self, name) <= 0:
                raise UsageError(f"{name} is {getattr(self, name)}, expected a number above 0.")
        for name in _NOT_NEGATIVE:
            if getattr(self, name) < 0:
                raise UsageError(f"{name} is {getattr(self, name)}, expected 0 or more.")
        for name in ("slurm_jobs", "slurm_cores"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name} is {getattr(self, name)}, expected a number above 0.")
        if self.jpeg_quality > 100:
            raise UsageError(f"jpeg_quality is {self.jpeg_quality}, expected 1 to 100.")
        if not 0 <= self.tolerance < 1:
            raise UsageError(f"tolerance is {self.tolerance}, expected a fraction of items from 0 to below 1.")

    def with_given(self, given: Mapping[str, Any]) -> Settings:
        """The same settings with every option replaced that was given (is not None).

        Accepted terms add up: accepting one corpus takes no other one back.
        """
        typed = _typed({key: value for key, value in given.items() if value is not None}, "options")
        if "accept" in typed:
            typed["accept"] = tuple(dict.fromkeys((*self.accept, *typed["accept"])))
        return replace(self, **typed)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, tuples as lists."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    def asked(self) -> dict[str, Any]:
        """What differs from the defaults, as plain JSON."""
        plain = Settings().to_json()
        return {key: value for key, value in self.to_json().items() if value != plain[key]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], where: str = "settings") -> Settings:
        """Check and convert a mapping.

        Raises
        ------
        UsageError
            If a key is unknown or a value has another type than the default's.
        """
        return cls(**_typed(data, where))


_POSITIVE = (
    *(
        "frame_height",
        "frame_width",
        "jpeg_quality",
        "min_inside_share",
        "max_sound_difference_s",
        "mel_bands",
        "sigma_dva",
    ),
    *("density_height", "density_width", "segment_frames", "samples_per_shard"),
    *("train_epochs", "train_accumulate", "train_every", "train_mix", "train_scale", "val_clips", "train_parts"),
    *("train_processes", "pretrain_epochs", "predict_every", "audit_every"),
)
_NOT_NEGATIVE = (
    *(
        "waveform_rate_hz",
        "model_width",
        "train_steps",
        "batch",
        "learning_rate",
        "train_evaluations",
        "train_threads",
        "loader_workers",
    ),
)


def load(store: Path) -> Settings | None:
    """The settings a store remembers; None where nothing was ever asked of it."""
    path = store / SETTINGS_NAME
    try:
        return Settings.from_json(tomllib.loads(path.read_text(encoding="utf-8")), str(path))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except tomllib.TOMLDecodeError as error:
        remedy = "Mend the line, or delete the file to start over."
        raise UsageError(f"{path}: not TOML ({error}).", remedy=remedy) from error


def save(settings: Settings, store: Path) -> None:
    """Write STORE/settings.toml, in one rename, unless it says the same already."""
    path = store / SETTINGS_NAME
    text = "# What was last asked of this store. An option on the command line replaces its line here.\n" + "".join(
        f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in settings.to_json().items()
    )
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    if not isinstance(path, Path):  # on an object store a put is whole or not at all
        path.write_text(text)
        return
    draft = path.with_name(f".tmp-{SETTINGS_NAME}-{socket.gethostname()}-{os.getpid()}")  # as `store.leftovers` sweeps
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)


def default_manifests() -> Path:
    """The manifests reviewed with this code: beside the package in a checkout or an installation."""
    return Path(__file__).resolve().parent.parent / "manifests"


def _typed(data: Mapping[str, Any], where: str) -> dict[str, Any]:
    known = {field.name: getattr(Settings, field.name) for field in fields(Settings)}
    problems: list[str] = []
    typed: dict[str, Any] = {}
    for key, value in data.items():
        if key not in known:
            problems.append(f"{where}: unknown key {key!r}. {did_you_mean(key, known)}")
            continue
        default = known[key]
        if isinstance(default, tuple) and isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value):
            typed[key] = tuple(value)
        elif isinstance(default, float) and isinstance(value, (int, float)) and not isinstance(value, bool):
            typed[key] = float(value)
        elif type(value) is type(default):
            typed[key] = value
        else:
            problems.append(f"{where}: {key} = {value!r}, expected {_type_word(default)}.")
    if problems:
        raise UsageError("\n".join(problems))
    return typed


def _type_word(default: Any) -> str:
    words = {tuple: "a list of words", bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    return f"{words[type(default)]} such as {json.dumps(default)}"
