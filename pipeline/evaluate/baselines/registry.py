"""The baselines by name. One more is one file more, and a line in `BASELINES`.

Conventions
-----------
A baseline is fitted on the training split once, then gives a map for every frame of any split. Maps are
non-negative float64 [height, width] of the size that was fitted, and sum to 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UsageError, did_you_mean
from pipeline.evaluate.baselines.fitted import Centre, EyePosition, Uniform
from pipeline.evaluate.truth import Truth


class Baseline(Protocol):
    """Whatever gives maps without learning from them; a training-free model fits nothing and reads the frame."""

    @property
    def name(self) -> str:
        """As in `BASELINES`."""
        ...

    @property
    def said(self) -> str:
        """A sentence for the foot of a table; complete once every map was asked for."""
        ...

    def fit(self, train: Sequence[Truth], size: tuple[int, int]) -> None:
        """Learn from the training split what there is to learn, for maps of this size."""
        ...

    def map(self, truth: Truth, frame: int) -> NDArray[np.float64]:
        """The map of one frame."""
        ...


BASELINES: dict[str, Callable[[], Baseline]] = {
    "uniform": Uniform,
    "centre": Centre,
    "mep": EyePosition,
    "mep-category": lambda: EyePosition("category"),
    "mep-corpus": lambda: EyePosition("corpus"),
}


def names() -> list[str]:
    """The baselines there are."""
    return list(BASELINES)


def get(name: str, also: Sequence[str] = ()) -> Baseline:
    """A baseline by its name, not fitted yet; `also` are names that an error mentions, too.

    Raises
    ------
    UsageError
        If there is none of that name.

    Examples
    --------
    >>> get("mep-category").name
    'mep-category'
    """
    if name not in BASELINES:
        raise UsageError(f"Unknown baseline {name!r}.", remedy=did_you_mean(name, [*BASELINES, *also]))
    return BASELINES[name]()


def fitted(wanted: Iterable[str], train: Sequence[Truth], size: tuple[int, int]) -> list[Baseline]:
    """Baselines by their names, fitted.

    Raises
    ------
    UsageError
        If a name is unknown.
    AveError
        If one needs fixations and the training split has none.
    """
    baselines = [get(name) for name in dict.fromkeys(wanted)]
    for baseline in baselines:
        baseline.fit(train, size)
    return baselines
