"""What somebody's frame numbers mean: whether they count from 0 or 1, and how many frames apart the maps are.

Conventions
-----------
One answer for a whole submission, from the numbers of all its stimuli. `Run` is what one stimulus's files say.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

UNCLEAR = "say it yourself where that is wrong"


@dataclass(frozen=True)
class Run:
    """The frame numbers of one stimulus's files: lowest, highest, and the video's number of frames."""

    stimulus: str
    low: int
    high: int
    n_frames: int

    def __str__(self) -> str:
        return f"{self.stimulus}: files run from {self.low} to {self.high}, the video has {self.n_frames} frames"


@dataclass(frozen=True)
class Numbering:
    """The number of the first frame, 0 or 1; why; and whether the numbers leave doubts."""

    first_frame: int
    why: str
    doubtful: bool = False


def numbering(runs: Sequence[Run], habit_says: int | None = None, asked: int | None = None) -> Numbering:
    """Whether frame numbers count from 0 or from 1.

    In this order: what was asked for; a file numbered 0; a last file numbered as the video has frames; the habit's
    authors; a lowest number of 1; else 0. Stimuli that contradict each other are outvoted, and that is said.

    Parameters
    ----------
    runs : sequence of Run
        At least one.
    habit_says : int, optional
        What the authors of the naming habit count from.
    asked : int, optional
        What the user says.

    Examples
    --------
    >>> numbering([Run("diem/bees", 1, 150, 150)]).first_frame
    1
    >>> numbering([Run("diem/bees", 5, 145, 150)]).doubtful
    True
    """
    if asked is not None:
        return Numbering(asked, "as asked for")
    zero = [run for run in runs if run.low == 0]
    one = [run for run in runs if run.low > 0 and run.high == run.n_frames]
    if zero or one:
        return _voted(zero, one)
    if habit_says is not None:
        return Numbering(habit_says, f"the authors of this naming count from {habit_says}; {runs[0]}")
    lowest = min(runs, key=lambda run: run.low)
    if lowest.low == 1:
        shifted = all(run.low == 1 and run.high == run.n_frames - 1 for run in runs)
        hint = f"; the first or the last frame is missing everywhere, {UNCLEAR}" if shifted else ""
        return Numbering(1, f"the lowest number is 1 ({lowest}){hint}", shifted)
    return Numbering(0, f"the numbers fit 0 and 1, so 0 was taken ({lowest}); {UNCLEAR}", True)


def _voted(zero: Sequence[Run], one: Sequence[Run]) -> Numbering:
    first_frame = int(len(one) > len(zero))
    winners, losers = (one, zero) if first_frame else (zero, one)
    whole = [run for run in winners if run.high == run.n_frames - 1 + first_frame]
    why = str((whole or winners)[0])
    if not losers:
        return Numbering(first_frame, why)
    against = f"{len(winners)} stimuli say so, {len(losers)} say {1 - first_frame} ({losers[0]})"
    return Numbering(first_frame, f"{why}; {against}", True)


def step(numbers: Iterable[Sequence[int]]) -> int:
    """How many frames apart the maps of a submission typically are; 1 where there is nothing to tell from.

    Parameters
    ----------
    numbers : iterable of sequence of int
        Of each stimulus, sorted.
    """
    gaps: Counter[int] = Counter()
    for own in numbers:
        gaps.update(after - before for before, after in itertools.pairwise(own))
    return min(gap for gap, often in gaps.items() if often == max(gaps.values())) if gaps else 1
