"""Score a run: every frame that has a map, video by video, by one protocol or several.

Conventions
-----------
A *source* gives maps: `source.read(stimulus)` yields (frame, map) in the order of frames, one map in memory at a time.
Rows are those of `score_table`. A frame that should have a map and has none gets a row that says so; nothing is left
out silently. Frames count from 0.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from pipeline.evaluate.protocols import get
from pipeline.evaluate.scorer import Scorer
from pipeline.evaluate.truth import Truth

NO_MAP = "no map"


class Source(Protocol):
    """Whatever gives maps: a run of ours, a stranger's folder, a baseline."""

    def read(self, stimulus: str) -> Iterator[tuple[int, NDArray]]:
        """Frame and map, one after another."""
        ...


def scorers_of(
    protocols: Iterable[str], truths: Sequence[Truth], baseline: NDArray | None = None, seed: int = 0
) -> list[Scorer]:
    """A scorer a protocol, prepared for a split.

    Parameters
    ----------
    protocols : iterable of str
        Names, see `protocols`.
    truths : sequence of Truth
        Every video of the split.
    baseline : ndarray, shape (height, width), optional
        For information gain: the mean eye position of the training split.
    seed : int
        Of what a protocol draws.

    Raises
    ------
    UsageError
        If a protocol is unknown.
    """
    return [Scorer(get(name), truths, baseline, seed) for name in dict.fromkeys(protocols)]


def score_video(
    scorers: Sequence[Scorer], truth: Truth, maps: Iterable[tuple[int, NDArray]], expected: Collection[int] = ()
) -> list[dict[str, Any]]:
    """Rows of the score table for one video.

    Parameters
    ----------
    scorers : sequence of Scorer
    truth : Truth
    maps : iterable of (frame, map)
    expected : collection of int
        Frames that should have a map; those that have none get a row with the note `NO_MAP`.

    Raises
    ------
    IndexError
        If a frame lies beyond the video and a protocol refuses that.
    """
    rows, seen = [], set()
    for frame, saliency in maps:
        seen.add(frame)
        rows += [_row(scorer, truth, frame, scorer.score(truth, frame, saliency)) for scorer in scorers]
    for frame in sorted(set(expected) - seen):
        missing = {"n_fixations": truth.n_fixations(frame), "note": NO_MAP}
        rows += [_row(scorer, truth, frame, missing) for scorer in scorers]
    return sorted(rows, key=lambda row: row["frame"])


def _row(scorer: Scorer, truth: Truth, frame: int, scores: dict[str, Any]) -> dict[str, Any]:
    where = {"stimulus": truth.stimulus, "corpus": truth.corpus, "category": truth.category, "frame": frame}
    return {"protocol": scorer.protocol.name, **where, **scores}
