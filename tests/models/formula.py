"""State dicts and inputs that any machine can write down again: numbers from a formula over names and places.

`golden.json` holds what the public code gives for them; see `test_golden.py`.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor


def numbers(shape: Sequence[int], name: str) -> Tensor:
    """Even numbers in -1..1, float64, from whole-number arithmetic alone (the mixing steps of splitmix64)."""
    mixed = np.arange(1, math.prod(shape) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed += np.uint64(zlib.crc32(name.encode()) * 0x5851F42D4C957F2D % 2**64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return torch.from_numpy((mixed >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1).reshape(tuple(shape))


def formula_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of the same names and shapes, scaled so that no layer's output explodes or dies."""
    weights = {}
    for name, old in state.items():
        value = numbers(old.shape, name)
        if name.endswith("running_var") or (name.endswith("weight") and old.ndim == 1):
            value = 1 + 0.5 * value
        elif name.endswith("num_batches_tracked"):
            value = torch.zeros(())
        elif name == "saliency.weight":  # before a ReLU, which should not cut it all away
            value = value.abs() * 0.1
        elif old.ndim > 1:
            value = value * math.sqrt(6 / math.prod(old.shape[1:]))
        else:
            value = value * 0.1
        weights[name] = value.to(old.dtype)
    return weights


def formula_inputs(video: Sequence[int], audio: Sequence[int]) -> tuple[Tensor, Tensor]:
    """A clip and its sound, of these shapes."""
    return 2 * numbers(video, "video").float(), 2 * numbers(audio, "audio").float()


def digest(state: Mapping[str, Tensor]) -> str:
    """What tells whether two state dicts have the same names and shapes."""
    lines = [f"{name} {list(tensor.shape)}" for name, tensor in sorted(state.items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
