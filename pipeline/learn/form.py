"""What the shards have to hold for a model: settings of a build that follow from what the model wants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from pipeline import models
from pipeline.errors import ModelError
from pipeline.learn.settings import TrainSettings
from pipeline.learn.shards import check_form

CELL_PX = 32  # one cell of the deepest features, in all models


def needed(settings: TrainSettings, remembered: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a build that have to change so that its shards serve a model.

    Parameters
    ----------
    settings : TrainSettings
        Which model, with which options; its weights are not made.
    remembered : mapping
        The settings of the build as they are: `frame_height`, `frame_width`, `lead_in_frames`, `waveform_rate_hz`.

    Returns
    -------
    dict
        Only what differs. A longer lead-in than is needed stays, and so do waveforms that the model does not hear.

    Raises
    ------
    ModelError
        If the model or an option is unknown, it gives no map, or its pictures cannot be averaged so.
    """
    with torch.device("meta"):
        wants: Any = models.build(settings.model, **settings.model_options).wants
    check_form(settings.model, wants)
    height, width = wants.size
    if wants.frames and settings.scale > 1 and any(px % (CELL_PX * settings.scale) for px in wants.size):
        raise ModelError(
            f"{settings.model}: pictures of {height} × {width} px, averaged over {settings.scale} × {settings.scale}, "
            f"have sides that {CELL_PX} px do not divide.",
            remedy="Train with --scale 1.",
            code="scale",
        )
    form = dict(remembered)
    if wants.frames:
        form["frame_height"], form["frame_width"] = wants.size
        form["lead_in_frames"] = max(form["lead_in_frames"], wants.frames - 1)
    if wants.waveform is not None:
        form["waveform_rate_hz"] = wants.waveform.rate_hz
    return {name: value for name, value in form.items() if value != remembered[name]}
