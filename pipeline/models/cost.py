"""What a model costs: parameters, and multiply-accumulates for one clip of the size it wants.

Conventions
-----------
Counted on torch's meta device, which knows shapes and computes nothing, so the largest model takes a second. One
multiply-accumulate (MAC) is one product added to a sum; torch counts two operations for it. Convolutions, linear and
bilinear layers and attention are counted; normalisations, activations, pooling and resizing are not, as is customary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from pipeline.models import Wants, build
from pipeline.models.inputs import example


@dataclass(frozen=True)
class Cost:
    """Figures of one model.

    Attributes
    ----------
    parameters, trainable : int
        All; those that training changes.
    macs : int
        Multiply-accumulates of one clip.
    wants : Wants
        What the clip was.
    """

    parameters: int
    trainable: int
    macs: int
    wants: Wants


def cost(name: str, **options: Any) -> Cost:
    """Count a model that `pipeline.models.build` would make.

    Raises
    ------
    ModelError
        As `build` does.

    Examples
    --------
    >>> cost("dave", width=1, modality="video").parameters
    13622
    """
    with torch.device("meta"):
        model = build(name, **options).eval()
    wants: Any = model.wants
    video, audio = example(wants, device="meta")
    counter = FlopCounterMode(display=False, custom_mapping={torch.ops.aten._trilinear: _bilinear_flops})
    with counter:
        model(video, audio) if wants.frames else model(audio)
    trainable = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Cost(parameters, trainable, counter.get_total_flops() // 2, wants)


def _bilinear_flops(rows: Sequence[int], weight: Sequence[int], *_: Any, **__: Any) -> int:
    """Operations of a bilinear layer, which torch does not count: two per row and weight. The arguments are shapes."""
    return 2 * rows[0] * math.prod(weight)
