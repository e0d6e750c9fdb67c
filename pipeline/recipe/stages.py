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


@dataclass(frozen=True)
class Stage:
    """One stage of the way.

    `after` names the stages whose outputs it reads. `pooled` stages have one item set over all corpora.
    `place` is where in the store a pooled stage's single item is published, instead of below stages/.
    `steady`: no parameter of an earlier stage reaches the bytes it reads (a picture's JPEG quality does not move
    its time), so its variants are told apart by its own parameters, and theirs make nothing of it anew.
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
    "steps": "train_steps",
    "every": "train_every",
    "scale": "train_scale",
    "mix": "train_mix",
    "evaluations": "train_evaluations",
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
    ),
    Stage(
        "frames",
        1,
        "pipeline.features.frames:build_item",
        ("unpack",),
        {"height": "frame_height", "width": "frame_width", "jpeg_quality": "jpeg_quality"},
        "{frame_height}x{frame_width}-q{jpeg_quality}",
    ),
    Stage(
        "curate",
        1,
        "pipeline.ingest.curate:build_item",
        ("unpack", "recordings", "frames"),
        {"max_sound_difference_s": "max_sound_difference_s", "silence_dbfs": "silence_dbfs"},
        "sound={max_sound_difference_s}s",
        steady=True,
    ),
    Stage(
        "logmel",
        1,
        "pipeline.features.logmel:build_item",
        ("unpack", "curate"),
        {"bands": "mel_bands", "anchor": "anchor"},
        "{mel_bands}bands-{anchor}",
        steady=True,
    ),
    Stage(
        "density",
        1,
        "pipeline.features.density:build_item",
        ("curate",),
        {"sigma_dva": "sigma_dva", "height": "density_height", "width": "density_width"},
        "sigma={sigma_dva}dva-{density_height}x{density_width}",
        steady=True,
    ),
    Stage(
        "publish",
        1,
        "pipeline.ingest.publish:build_item",
        ("curate", "frames", "logmel", "density"),
        pooled=True,
        place="corpus",
    ),
    Stage("card", 1, "pipeline.report.cards:build_item", ("publish",), pooled=True, place="cards"),
    Stage(
        "shards",
        1,
        "pipeline.export.shards:build_item",
        ("curate", "frames", "logmel", "density"),
        {name: name for name in ("segment_frames", "lead_in_frames", "samples_per_shard")},
        "{segment_frames}+{lead_in_frames}frames",
    ),
    Stage("train", 1, "pipeline.learn.train:build_item", ("shards",), _LEARN, "{model}-w{model_width}", pooled=True),
    Stage(
        "predict",
        1,
        "pipeline.learn.predict:build_item",
        ("shards", "train"),
        {"every": "predict_every"},
        "val",
        pooled=True,
    ),
    Stage("score", 1, "pipeline.evaluate.scores:build_item", ("shards", "predict"), {}, "val", pooled=True),
    Stage(
        "report",
        1,
        "pipeline.report.figures:build_item",
        ("publish",),
        pooled=True,
        place="report",
    ),
)

STAGES: Mapping[str, Stage] = {stage.name: stage for stage in _TABLE}

_GOAL_STAGES = {"corpus": ("card",), "shards": ("shards",), "score": ("score",), "report": ("report",)}


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


def wanted_for(goals: tuple[str, ...]) -> Iterator[Stage]:
    """Every stage that the goals need, in an order in which they can run."""
    needed = {stage.name for goal in goals for last in _GOAL_STAGES[goal] for stage in upstream(last)}
    return (stage for stage in _TABLE if stage.name in needed)
