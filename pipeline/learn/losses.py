"""What training makes small: losses of saliency maps, clip by clip, and weighted sums of them.

Conventions
-----------
Maps and densities are [batch, height, width]; a saliency map is non-negative and is divided by its sum here. A density
sums to 1, or is all zeros where the target frame has no fixations: such clips weigh nothing, their losses are 0.
Fixations are counts per cell. Every loss is smaller for the better map: KL divergence as it is, 1 − CC, 1 − SIM, −NSS.
A sum is written "kl + 0.1*cc". Nothing here imports torch, so a typing error costs no child process.

Source
------
Definitions as in `pipeline.evaluate.metrics`; Tavakoli et al. 2020 and Jain et al. 2021 train on KL.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pipeline.errors import ModelUsageError, did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

# A ReLU head gives exact zeros. With the metric's 2e-16 one such cell under a fixation would outweigh all others'
# gradients together; a uniform map has 8e-4 in every cell.
LOSS_EPS = 1e-6
_VARIANCE_FLOOR = 1e-12  # of a map that sums to 1: a constant map has no deviation to divide by


def kl(saliency: Tensor, density: Tensor, fixations: Tensor | None = None) -> Tensor:
    """KL divergence of fixation density from saliency map, Σ q ln(ε + q / (p + ε)); 0 where they are equal."""
    p, q = _share(saliency), density.flatten(1)
    return (q * (LOSS_EPS + q / (p + LOSS_EPS)).log()).sum(1)


def cc(saliency: Tensor, density: Tensor, fixations: Tensor | None = None) -> Tensor:
    """One minus Pearson's correlation over cells; 1 for a constant map."""
    p, q = (_standard(values) for values in (_share(saliency), density.flatten(1)))
    return (1 - (p * q).mean(1)) * is_scored(density)


def sim(saliency: Tensor, density: Tensor, fixations: Tensor | None = None) -> Tensor:
    """One minus the mass that map and density share, Σ min(p, q)."""
    return (1 - _share(saliency).minimum(density.flatten(1)).sum(1)) * is_scored(density)


def nss(saliency: Tensor, density: Tensor, fixations: Tensor) -> Tensor:
    """Minus the mean standardised value of the map where people looked; 0 for a constant map."""
    counts = fixations.flatten(1).to(saliency.dtype)
    return -(_standard(_share(saliency)) * counts).sum(1) / counts.sum(1).clamp(min=1)


LOSSES: Mapping[str, Callable[..., Any]] = {"kl": kl, "cc": cc, "sim": sim, "nss": nss}


def weights_of(words: str) -> dict[str, float]:
    """Take "kl + 0.1*cc" apart.

    Raises
    ------
    ModelUsageError
        If a loss is unknown or named twice, or a weight is no positive number.

    Examples
    --------
    >>> weights_of("kl + 0.1*cc")
    {'kl': 1.0, 'cc': 0.1}
    """
    weights: dict[str, float] = {}
    for term in re.split(r"(?<![eE])\+", words):  # the plus of 1e+3 parts no terms
        weight, _, name = term.strip().rpartition("*")
        name = name.strip()
        if name not in LOSSES:
            raise ModelUsageError(
                f"Unknown loss {name!r} in {words!r}.", remedy=did_you_mean(name, LOSSES), code="loss"
            )
        if name in weights:
            raise ModelUsageError(
                f"The loss {words!r} names {name} twice.", remedy="Add their weights up.", code="loss"
            )
        weights[name] = _positive(weight, words)
    return weights


def of_clips(weights: Mapping[str, float], saliency: Tensor, density: Tensor, fixations: Tensor) -> Tensor:
    """The weighted loss of each clip, [batch]."""
    terms = [weight * LOSSES[name](saliency, density, fixations) for name, weight in weights.items()]
    return sum(terms[1:], start=terms[0])


def is_scored(density: Tensor) -> Tensor:
    """Which clips have fixations in their target frame: [batch], bool."""
    return density.flatten(1).sum(1) > 0


def _share(saliency: Tensor) -> Tensor:
    p = saliency.flatten(1)
    return p / (p.sum(1, keepdim=True) + LOSS_EPS)


def _standard(values: Tensor) -> Tensor:
    """Zero mean and unit population deviation, row by row; a constant row becomes zeros."""
    centred = values - values.mean(1, keepdim=True)
    return centred / (centred.square().mean(1, keepdim=True) + _VARIANCE_FLOOR).sqrt()


def _positive(weight: str, words: str) -> float:
    try:
        value = float(weight or 1)
    except ValueError:
        value = math.nan
    if not (0 < value < math.inf):
        raise ModelUsageError(
            f"The loss {words!r} has the weight {weight.strip()!r}; expected a number above 0.",
            remedy='Write it as "kl + 0.1*cc".',
            code="loss",
        )
    return value
