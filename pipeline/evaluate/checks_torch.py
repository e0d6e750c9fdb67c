"""A batch of frames, checked, and the steps that its scores have in common: `checks` and `ranks` in torch.

Conventions
-----------
Pictures come as [frame, row, column] and are kept flat, [frame, pixel]; one picture for all frames is [1, pixel].
Values keep their dtype until they are summed, in float64. A complaint is a ValueError, in the words of `checks`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import pad

from pipeline.evaluate.checks import MODEST
from pipeline.evaluate.ranks import in_order as sorted_by_numpy

# What torch cannot sort or search, or what NumPy's scores read otherwise.
READ_AS = {
    torch.float16: torch.float32,
    torch.bfloat16: torch.float32,
    torch.uint16: torch.int32,
    torch.uint32: torch.int64,
    torch.bool: torch.uint8,
}


def checked_maps(
    values: Tensor, what: str, like: Tensor | None = None, *, lowest: float = -math.inf, shared: bool = False
) -> Tensor:
    """Accept maps as [n, pixel], or [1, pixel] where one map is `shared` by all frames, or say what is wrong.

    Raises
    ------
    ValueError
        If they are not [frame, row, column], empty, not real, of another shape or device than `like`, not finite, or
        below `lowest`.
    """
    maps = values.detach()
    if like is None and (maps.ndim != 3 or maps.numel() == 0):
        raise ValueError(f"The {what} maps must be [frame, row, column] and not empty, got shape {tuple(maps.shape)}.")
    maps = _beside(maps, what, values if like is None else like, shared)
    if maps.dtype == torch.bool or maps.is_complex():
        raise ValueError(f"The {what} map must hold real numbers, got {maps.dtype}.")
    maps = maps.to(READ_AS.get(maps.dtype, maps.dtype))
    low, high = maps.aminmax()
    if not (torch.isfinite(low) and torch.isfinite(high)):  # a NaN anywhere makes both NaN
        raise ValueError(f"The {what} map holds {int((~torch.isfinite(maps)).sum())} values that are NaN or infinite.")
    if low < lowest:
        raise ValueError(
            f"The {what} map stands for a distribution here and must not be negative, but its minimum is "
            f"{low.item():g}. Shift or clip it first, and say so with the scores."
        )
    return _modest(maps) if maps.dtype == torch.float64 else maps


def checked_counts(values: Tensor, what: str, like: Tensor, *, shared: bool = False) -> Tensor:
    """Accept count pictures as integers [n, pixel], or [1, pixel] where one is `shared`, or say what is wrong.

    Raises
    ------
    ValueError
        If they are not integer, of another shape or device than the maps, or negative somewhere.
    """
    if values.is_floating_point() or values.is_complex():
        raise ValueError(
            f"The {what} must be a picture of integer counts, got {values.dtype}. Count points with "
            "pipeline.signals.gaze.fixation_counts; a blurred map is a density, not fixations."
        )
    counts = _beside(values, what, like, shared)
    counts = counts.to(READ_AS.get(counts.dtype, counts.dtype))
    if (lowest := int(counts.min())) < 0:
        raise ValueError(f"The {what} are counts and cannot be negative; the minimum is {lowest}.")
    return counts


def is_constant(maps: Tensor) -> Tensor:
    """Which maps have one value everywhere: [n], bool. Not by the deviation, whose last digit may differ from 0."""
    return maps.amin(1) == maps.amax(1)  # aminmax along rows is forty times as slow


def centred(maps: Tensor) -> Tensor:
    """Each map less its mean, float64."""
    return maps - maps.sum(1, keepdim=True, dtype=torch.float64) / maps.shape[1]


def shares(maps: Tensor, pixels: Tensor | None = None) -> Tensor:
    """Pixels of these maps (all, or [n, k]) as shares of their sums, float64; those of an all-zero map share alike."""
    total = maps.sum(1, keepdim=True, dtype=torch.float64)
    share = (maps if pixels is None else pixels) * (1 / total)
    return share.masked_fill_(total == 0, 1 / maps.shape[1])


def picked(maps: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Values of the pixels that were hit and how often each was, [n, most pixels hit in a frame]; padded by 0 and 0."""
    frames = max(len(maps), len(counts))
    maps, counts = maps.expand(frames, -1), counts.expand(frames, -1)
    frame, pixel = counts.nonzero(as_tuple=True)
    n_pixels = (counts > 0).sum(1)
    column = torch.arange(len(frame), device=frame.device) - (n_pixels.cumsum(0) - n_pixels)[frame]
    size = frames, max(1, int(n_pixels.max()))
    values, hits = maps.new_zeros(size), counts.new_zeros(size, dtype=torch.int64)
    values[frame, column] = maps[frame, pixel]
    hits[frame, column] = counts[frame, pixel].long()
    return values, hits


def in_order(maps: Tensor) -> Tensor:
    """Each map's values, sorted. On a CPU by NumPy, which takes a tenth of torch's time."""
    if maps.device.type == "cpu":
        return torch.from_numpy(sorted_by_numpy(maps.numpy()))
    return maps.sort(dim=1).values


def weighted_order(values: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Values [n, k] sorted, each of which counts `counts` times, and the weights [n, k + 1] that `ranks` wants."""
    ordered, order = values.sort(dim=1)
    return ordered, pad(counts.gather(1, order).cumsum(1), (1, 0))


def ranks(values: Tensor, ordered: Tensor, weight: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """For each value [n, k] how many of its frame's `ordered` [n, m] are lower, and how many equal: `ranks.ranks`."""
    below = torch.searchsorted(ordered, values)
    upto = torch.searchsorted(ordered, values, right=True)
    if weight is not None:
        below, upto = weight.gather(1, below), weight.gather(1, upto)
    return below, upto - below


def scored(score: Tensor, truth: Tensor) -> Tensor:
    """The score, and NaN for frames whose ground truth [n, pixel] is all zeros."""
    return torch.where(truth.amax(1) > 0, score, math.nan)


def _beside(picture: Tensor, what: str, like: Tensor, shared: bool) -> Tensor:
    """Flat, [n, pixel] or [1, pixel], once shape and device are those of the saliency maps."""
    expected = tuple(like.shape[1:] if shared and picture.ndim == 2 else like.shape)
    if tuple(picture.shape) != expected:
        raise ValueError(
            f"The {what} picture has shape {tuple(picture.shape)}, but the saliency map has {expected}. "
            "Bring both to one size first; of the two, points scale without loss (fixation_counts)."
        )
    if picture.device != like.device:
        raise ValueError(f"The {what} picture is on {picture.device}, the saliency map on {like.device}. Move one.")
    return picture.reshape(-1, like[0].numel())


def _modest(maps: Tensor) -> Tensor:
    """Maps so large or small that squares overflow or vanish, brought to about 1 by a power of two; see `checks`."""
    largest = maps.abs().amax(1, keepdim=True)
    outside = (largest > 0) & ~((largest > MODEST[0]) & (largest < MODEST[1]))
    if not outside.any():
        return maps
    half = torch.where(outside, torch.exp2(-(largest.frexp().exponent // 2).double()), 1.0)  # 2^1074 is infinite
    return maps * half * half
