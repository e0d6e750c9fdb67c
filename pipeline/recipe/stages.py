"""The table of stages: what each is called, which function makes an item, which settings change its bytes.

Conventions
-----------
`version` is bumped by hand when a stage's meaning changes; a golden-digest test says when that was forgotten.
`params` maps the name a stage function knows to the settings field. A stage's variant folder is named by its
own parameters, readably, and by six hex digits over all parameters that bear on it, upstream ones included unless
the stage is `steady`: variants live side by side, and going back to an earlier one costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.errors import UsageError, did_you_mean
from pipeline.settings import Settings
from pipeline.store.fingerprint import digest

POOLED = "all"  # the "corpus" of stages that take every corpus at once
OF_ARTIFACTS = ("fetch", "unpack")  # stages whose items are what must lie in RAW, not stimuli


@dataclass(frozen=True)
class Stage:
    """One stage of the way.

    `after` names the stages whose outputs it reads. `pooled` stages have one item set over all corpora.
    `place` is where in the store a pooled stage's single item is published, instead of below stages/.
    `steady`: no parameter of an earlier stage reaches the bytes it reads (a picture's JPEG quality does not move
    its time), so its variants are told apart by its own parameters, and theirs make nothing of it anew.
    `asked_by` names the settings field without which (zero) the stage is left out.
    `libraries` (and programs) may reach its bytes: an item's record says in which versions, and nothing runs for them.
    """

    name: str
    version: int
    function: str
    after: tuple[str, ...] = ()
    params: Mapping[str, str] = field(default_factory=dict)
    label: str = "plain"
    pooled: bool = False
    place: str = ""
    steady: bool = False
    asked_by: str = ""
    libraries: tuple[str, ...] = ()

    @property
    def lock(self) -> str:
        """Which lock a pooled stage works under: the tables are written by one build of a store at a time."""
        return POOLED if self.place else f"{POOLED}.{self.name}"

    def job_params(self, settings: Settings) -> dict[str, Any]:
        """The significant parameters as the stage function gets them."""
        values = settings.to_json()
        return {name: values[source] for name, source in self.params.items()}

    def variant(self, settings: Settings) -> str:
        """Folder name of this stage under these settings, e.g. `sigma=1.0dva-32x40-3fa2b1`."""
        bearing = {stage.name: stage.job_params(settings) for stage in ([self] if self.steady else upstream(self.name))}
        return f"{self.label.format(**settings.to_json())}-{digest(bearing)[:6]}"


_LEARN = {
    **{name: name for name in ("model", "modality", "fusion", "batch", "learning_rate", "seed", "val_clips")},
    "width": "model_width",
    "options": "model_options",
    "loader_workers": "loader_workers",
    **{name: f"train_{name}" for name in ("epochs", "steps", "accumulate", "schedule", "loss", "precision", "routing")},
    **{name: f"train_{name}" for name in ("channels_last", "compile", "deterministic", "device", "processes")},
    **{name: f"train_{name}" for name in ("every", "scale", "mix", "evaluations", "parts", "threads")},
}

_TABLE = (
    Stage("fetch", 1, "pipeline.ingest.fetch:build_item"),
    Stage("unpack", 1, "pipeline.ingest.unpack:build_item", ("fetch",)),
    Stage(
        "recordings",
        1,
        "pipeline.ingest.recordings:build_item",
        ("unpack",),
        {"min_inside_share": "min_inside_share"},
        "inside={min_inside_share}",
        libraries=("numpy", "scipy", "pyarrow"),
    ),
    Stage(
        "frames",
        2,
        "pipeline.features.frames:build_item",
        ("unpack",),
        {"height": "frame_height", "width": "frame_width", "jpeg_quality": "jpeg_quality"},
        "{frame_height}x{frame_width}-q{jpeg_quality}",
        libraries=("ffmpeg", "numpy", "simplejpeg", "pyarrow"),
    ),
    Stage(
        "curate",
        1,
        "pipeline.ingest.curate:build_item",
        ("unpack", "recordings", "frames"),
        {"max_sound_difference_s": "max_sound_difference_s", "silence_dbfs": "silence_dbfs"},
        "sound={max_sound_difference_s}s",
        steady=True,
        libraries=("ffmpeg", "numpy", "pyarrow"),
    ),
    Stage(
        "logmel",
        1,
        "pipeline.features.logmel:build_item",
        ("unpack", "curate"),
        {"bands": "mel_bands", "anchor": "anchor"},
        "{mel_bands}bands-{anchor}",
        steady=True,
        libraries=("ffmpeg", "numpy", "soxr", "pyarrow"),
    ),
    Stage(
        "waveform",
        1,
        "pipeline.features.waveform:build_item",
        ("unpack", "curate"),
        {"rate_hz": "waveform_rate_hz"},
        "{waveform_rate_hz}Hz",
        steady=True,
        asked_by="waveform_rate_hz",
        libraries=("ffmpeg", "numpy", "soxr"),
    ),
    Stage(
        "density",
        1,
        "pipeline.features.density:build_item",
        ("curate",),
        {"sigma_dva": "sigma_dva", "height": "density_height", "width": "density_width"},
        "sigma={sigma_dva}dva-{density_height}x{density_width}",
        steady=True,
        libraries=("numpy", "scipy"),
    ),
    Stage(
        "publish",
        1,
        "pipeline.ingest.publish:build_item",
        ("curate", "frames", "logmel", "density"),
        pooled=True,
        place="corpus",
        libraries=("pyarrow",),
    ),
    Stage("card", 2, "pipeline.report.cards:build_item", ("publish",), pooled=True, place="cards"),
    Stage(
        "shards",
        2,
        "pipeline.export.shards:build_item",
        ("curate", "frames", "logmel", "waveform", "density"),
        {name: name for name in ("segment_frames", "lead_in_frames", "samples_per_shard")},
        "{segment_frames}+{lead_in_frames}frames",
        libraries=("numpy", "pyarrow"),
    ),
    Stage(
        "pretrain",
        1,
        "pipeline.learn.pretrain:build_item",
        (),
        {"network": "pretrain_network", "epochs": "pretrain_epochs", "width": "model_width", "seed": "seed"},
        "{pretrain_network}",
        pooled=True,
        libraries=("numpy", "scipy", "torch", "safetensors"),
    ),
    Stage(
        "train",
        2,
        "pipeline.learn.train:build_item",
        ("shards", "pretrain"),
        _LEARN,
        "{model}-w{model_width}",
        pooled=True,
        libraries=("numpy", "torch", "simplejpeg", "safetensors"),
    ),
    Stage(
        "predict",
        2,
        "pipeline.learn.predict:build_item",
        ("shards", "train"),
        {"every": "predict_every", "split": "predict_split", "precision": "predict_precision"},
        "{predict_split}",
        pooled=True,
        libraries=("numpy", "torch", "simplejpeg", "pyarrow"),
    ),
    Stage(
        "score",
        2,
        "pipeline.evaluate.scores:build_item",
        ("shards", "predict"),
        {"protocols": "score_protocols"},
        "{predict_split}",
        pooled=True,
        libraries=("numpy", "scipy", "pyarrow"),
    ),
    Stage(
        "audit",
        1,
        "pipeline.learn.audit:build_item",
        ("shards", "train"),
        {"every": "audit_every", "split": "audit_split"},
        "{audit_split}",
        pooled=True,
        libraries=("numpy", "scipy", "torch", "simplejpeg", "pyarrow"),
    ),
    Stage(
        "report",
        1,
        "pipeline.report.figures:build_item",
        ("publish",),
        pooled=True,
        place="report",
        libraries=("numpy", "matplotlib"),
    ),
)

STAGES: Mapping[str, Stage] = {stage.name: stage for stage in _TABLE}

_GOAL_STAGES = {"corpus": "card"}  # every other goal has the name of its last stage


def get(name: str) -> Stage:
    """The stage called `name`; an unknown one is a UsageError with the nearest known name."""
    try:
        return STAGES[name]
    except KeyError:
        raise UsageError(f"Unknown stage {name!r}.", remedy=did_you_mean(name, STAGES)) from None


def upstream(name: str) -> list[Stage]:
    """The stage and everything it depends on, in the table's order."""
    needed = {name}
    for stage in reversed(_TABLE):
        if stage.name in needed:
            needed.update(stage.after)
    return [stage for stage in _TABLE if stage.name in needed]


def downstream(name: str) -> list[Stage]:
    """The stage and everything that depends on it, in the table's order."""
    touched = {name}
    for stage in _TABLE:
        if touched & set(stage.after):
            touched.add(stage.name)
    return [stage for stage in _TABLE if stage.name in touched]


def of_one_stimulus(stage: Stage) -> bool:
    """Whether an item of this stage needs nothing but one stimulus and its sources."""
    return any(stage in upstream(last) for last in ("logmel", "waveform", "density"))


def wanted_for(settings: Settings) -> Iterator[Stage]:
    """Every stage that the goals need under these settings, in an order in which they can run."""
    needed = {stage.name for goal in settings.goals for stage in upstream(_GOAL_STAGES.get(goal, goal))}
    return (stage for stage in _TABLE if stage.name in needed and is_asked_for(stage, settings))


def is_asked_for(stage: Stage, settings: Settings) -> bool:
    """Whether a stage has anything to do under these settings."""
    return not stage.asked_by or bool(getattr(settings, stage.asked_by))
