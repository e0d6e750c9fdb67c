"""Where people look when a video begins: the share of fixations near the middle of the picture.

Conventions
-----------
Near is within a radius in degrees of visual angle, of the middle of the video's picture; the rim belongs to it. Shares
are 0 .. 1. The opening is the first frames of a video, whoever fixates in them; a video without a fixation there is
counted, not averaged.

Source
------
Tavakoli et al. 2020 print that 78.97 % of the fixations of the first ten frames are at the centre, and no definition
of "at the centre" that we know of. So the table has many radii, and the radius that would give that figure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.evaluate.baselines.human import check_positive
from pipeline.evaluate.score_table import OVERALL
from pipeline.evaluate.truth import Truth

FRAMES = 10
PUBLISHED = 0.7897  # Tavakoli et al. 2020
RADII_DVA = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Opening:
    """Shares of fixations at the centre.

    Attributes
    ----------
    shares : DataFrame
        One row a scope ("all", then the corpora, sorted) and radius: scope, radius_dva, by_video (mean over the
        fixations of a video, then over videos), pooled (over all fixations alike), videos, fixations.
    reaching : DataFrame
        One row a scope: scope, by_video, pooled: the smallest radius in dva at which the share is the published one.
    said : tuple of str
        Sentences for the foot of a table.
    """

    shares: pd.DataFrame
    reaching: pd.DataFrame
    said: tuple[str, ...]


def opening(
    truths: Iterable[Truth],
    *,
    frames: int = FRAMES,
    radii_dva: Sequence[float] = RADII_DVA,
    published: float = PUBLISHED,
) -> Opening:
    """Share of fixations at the centre in the first frames.

    Parameters
    ----------
    truths : iterable of Truth
    frames : int
        > 0.
    radii_dva : sequence of float
        What counts as the centre, degrees.
    published : float
        0 .. 1, the share whose radius is looked for.

    Raises
    ------
    ValueError
        If frames is below 1.
    """
    check_positive(frames=frames)
    scopes: dict[str, list[Array]] = {OVERALL: []}
    empty = 0
    for truth in truths:
        far = from_centre(truth, frames)
        empty += not far.size
        for scope in (OVERALL, truth.corpus) if far.size else ():
            scopes.setdefault(scope, []).append(far)
    names = [OVERALL, *sorted(set(scopes) - {OVERALL})]
    said = [f"Fixations of the first {frames} frames; the centre is the middle of the picture."]
    said += [f"{empty} videos have no fixation there and are in no average."] if empty else []
    return Opening(
        pd.DataFrame([row for name in names for row in _shares(name, scopes[name], radii_dva)]),
        pd.DataFrame([{"scope": name, **_reaching(scopes[name], published)} for name in names]),
        (*said, f"The radius at which the share is {published:.2%} is read off the fixations; no source states one."),
    )


def from_centre(truth: Truth, frames: int = FRAMES) -> Array:
    """Distance in dva of each fixation of the first frames from the middle of the picture."""
    first = slice(0, int(np.searchsorted(truth.frame, frames)))
    height, width = truth.size_px
    x, y = (place[first].astype(np.float64) for place in (truth.x_px, truth.y_px))
    return np.hypot(x - width / 2, y - height / 2) / truth.px_per_dva


def _shares(scope: str, videos: Sequence[Array], radii_dva: Sequence[float]) -> list[dict[str, Any]]:
    rows = []
    for radius in radii_dva:
        inside = np.array([np.count_nonzero(far <= radius) for far in videos], dtype=np.float64)
        every = np.array([far.size for far in videos], dtype=np.float64)
        rows.append(
            {
                "scope": scope,
                "radius_dva": radius,
                "by_video": (inside / every).mean() if videos else np.nan,
                "pooled": inside.sum() / every.sum() if videos else np.nan,
                "videos": len(videos),
                "fixations": int(every.sum()),
            }
        )
    return rows


def _reaching(videos: Sequence[Array], share: float) -> dict[str, float]:
    """Smallest radius that holds a share of the fixations, by either way to average; NaN without fixations."""
    if not videos:
        return {"by_video": np.nan, "pooled": np.nan}
    far = np.concatenate(videos)
    order = np.argsort(far)
    weights = {
        "by_video": np.concatenate([np.full(own.size, 1 / own.size / len(videos)) for own in videos]),
        "pooled": np.full(far.size, 1 / far.size),
    }
    found = {}
    for name, weight in weights.items():
        held = np.cumsum(weight[order])
        found[name] = float(far[order][min(int(np.searchsorted(held, share - 1e-9)), far.size - 1)])
    return found
