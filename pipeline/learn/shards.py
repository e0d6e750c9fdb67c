"""The shards that a training or a prediction reads, and what of them a model cannot be given.

Conventions
-----------
Shards come as {"corpus/split": index.json}, as the recipe hands them to a job.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import ModelError
from pipeline.export.clips import ClipStream
from pipeline.learn.settings import TrainSettings


def indexes_of(shards: Mapping[str, Path], split: str) -> list[Path]:
    """The indexes of one split, by corpus.

    Raises
    ------
    ModelError
        If no corpus has the split.
    """
    indexes = [path for name, path in sorted(shards.items()) if name.split("/")[1] == split]
    if not indexes:
        found = ", ".join(sorted(shards)) or "none at all"
        raise ModelError(
            f"There are no {split} shards; found: {found}.",
            remedy=f"Build stimuli of the {split} split; manifests/stimuli.csv says which they are.",
            code="empty-split",
        )
    return indexes


def read_by_training(name: str) -> bool:
    """Whether training opens these shards ("corpus/split"); never those of the test split."""
    return name.split("/")[1] in ("train", "val")


def open_clips(
    shards: Mapping[str, Path],
    split: str,
    settings: TrainSettings,
    wants: Any,
    frames: int | None = None,
    **order: Any,
) -> ClipStream:
    """Clips of one split in the form a model wants (`frames` alone may differ); at least one.

    Raises
    ------
    ModelError
        If the split is empty, or the shards cannot give what the model wants.
    """
    check_form(settings.model, wants)
    form = form_of(wants) | ({"frames": frames} if frames else {})
    clips = ClipStream(indexes_of(shards, split), seed=settings.seed, mix=settings.mix, **form, **order)
    if not len(clips):
        raise ModelError(
            f"The {split} shards hold no clip at all.",
            remedy="`ave status` and rejected.parquet say what became of the split's stimuli.",
            code="empty-split",
        )
    return clips


def form_of(wants: Any) -> dict[str, Any]:
    """What `ClipStream` is told so that clips come as a model wants them."""
    return {"frames": wants.frames, "normalise": wants.normalisation, "waveform": wants.waveform}


def check_form(model: str, wants: Any) -> None:
    """Refuse models that give no map.

    Raises
    ------
    ModelError
        Saying which models can be had.
    """
    if wants.map_size is None:
        raise ModelError(
            f"Model {model!r} gives features and no saliency map, so it cannot be trained or asked for maps on shards.",
            remedy="`ave models` says what each model gives.",
            code="model-form",
        )


def val_stride(shards: Mapping[str, Path], settings: TrainSettings) -> int:
    """Every how many frames to look at the val split, so that about `val_clips` clips come of it."""
    indexes = [json.loads(path.read_text(encoding="utf-8")) for path in indexes_of(shards, "val")]
    n_frames = sum(index["totals"]["target_frames"] for index in indexes)
    return max(settings.every, math.ceil(n_frames / settings.val_clips))
