"""The mean eye position as a bias of a model: where people look whatever they see and hear.

Conventions
-----------
Densities are [height, width] and sum to 1. The bias is a log-density that is added to a model's last layer before a
softmax over all cells, so the map that comes out sums to 1.

Source
------
Kümmerer, Wallis, Gatys & Bethge 2017 (DeepGaze II), the prior; Tavakoli et al. 2020, "+MEP".
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.errors import ModelError

LOG_FLOOR = 1e-6  # of the uniform density: a cell where nobody ever looked is unlikely, not impossible


class MeanEyePosition(nn.Module):
    """Adds a log-density to a map and takes the softmax.

    Uniform until `set_density` is called. It is saved with the model as `log_density`; checkpoints without it, which
    all published ones are, load as they do without this layer.
    """

    log_density: Tensor
    not_published = ("log_density",)

    def __init__(self, size: tuple[int, int]):
        super().__init__()
        self.register_buffer("log_density", torch.full(size, -math.log(math.prod(size))))

    def set_density(self, density: Tensor) -> None:
        """Take the mean fixation density of the training split as the bias.

        Parameters
        ----------
        density : Tensor, shape (height, width)
            Non-negative, of the bias's size; divided by its sum here.

        Raises
        ------
        ModelError
            If it has another size, is empty, negative or not finite.
        """
        size = tuple(self.log_density.shape)
        if tuple(density.shape) != size or not torch.isfinite(density).all() or density.min() < 0 or density.sum() <= 0:
            raise ModelError(
                f"The mean eye position is {list(density.shape)} from {float(density.min()):g} to "
                f"{float(density.max()):g}; expected a density of {list(size)}, non-negative and not empty.",
                remedy="Average the density maps of the training split.",
                code="bias",
            )
        share = density.to(self.log_density) / density.sum()
        floored = share + LOG_FLOOR / share.numel()
        self.log_density.copy_((floored / floored.sum()).log())

    def forward(self, logits: Tensor) -> Tensor:
        """Maps [batch, height, width] that sum to 1; a map of another size gets the bias resized (bilinear)."""
        bias = self.log_density[None, None]
        if logits.shape[-2:] != bias.shape[-2:]:
            bias = functional.interpolate(bias, size=logits.shape[-2:], mode="bilinear", antialias=True)
        return (logits + bias[0]).flatten(1).softmax(dim=1).unflatten(1, logits.shape[-2:])

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        if f"{prefix}log_density" in state_dict:
            super()._load_from_state_dict(state_dict, prefix, *rest)
