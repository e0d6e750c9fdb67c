"""From a batch of clips to saliency maps, at the size the model promises or the truth has.

Conventions
-----------
Shapes as in `pipeline.models` and `pipeline.export.clips`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from torch.nn import functional

from pipeline.errors import ModelError


def saliency_maps(model: Callable[[Tensor, Tensor], Tensor], video: Tensor, audio: Tensor, scale: int) -> Tensor:
    """The model's maps of a batch of clips, at the size the model promises.

    Parameters
    ----------
    model : nn.Module
        One of `pipeline.models`; anything that is called like one and says what it `wants`.
    video : Tensor, shape (batch, 3, frames, height, width)
        Of the size `model.wants`.
    audio : Tensor, shape (batch, 3, frames, 64, 64) or (batch, samples)
    scale : int
        Pictures are averaged over scale × scale pixels first, and the smaller map is enlarged (bilinear).

    Raises
    ------
    ModelError
        If the pictures have another size than the model wants.
    """
    wants: Any = model.wants  # type: ignore[attr-defined]
    if tuple(video.shape[-2:]) != wants.size:
        raise ModelError(
            f"The shards' pictures are {video.shape[-2]} × {video.shape[-1]} px (height × width); "
            f"this model wants {wants.size[0]} × {wants.size[1]}.",
            remedy=f"Build the frames at that size: --frame-height {wants.size[0]} --frame-width {wants.size[1]}.",
            code="picture-size",
        )
    if scale > 1:
        video = _averaged(video, scale)
    maps = model(video, audio)
    if tuple(maps.shape[-2:]) != wants.map_size:
        maps = functional.interpolate(maps[:, None], size=wants.map_size, mode="bilinear")[:, 0]
    return maps


def fitted(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Maps [batch, height, width] on the grid of the truth: means over its cells, as densities are integrals over them.

    A map that is smaller than the grid is enlarged (bilinear).
    """
    height, width = size
    if maps.shape[-2:] == (height, width):
        return maps
    if maps.shape[-2] < height or maps.shape[-1] < width:
        return functional.interpolate(maps[:, None], size=(height, width), mode="bilinear")[:, 0]
    return functional.adaptive_avg_pool2d(maps, (height, width))


def _averaged(video: Tensor, scale: int) -> Tensor:
    """Clips with scale × scale pixels averaged into one; picture by picture, three times as fast as in 3-D."""
    pictures = video.transpose(1, 2).flatten(0, 1)
    return functional.avg_pool2d(pictures, scale).unflatten(0, video.shape[:1] + video.shape[2:3]).transpose(1, 2)
