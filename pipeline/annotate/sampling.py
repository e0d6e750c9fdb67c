"""Which frames an annotator sees: drawn at random, the same for the same seed.

Conventions
-----------
Frames count from 0. Every set of frames of a video that are far enough apart is equally likely. Each video has a draw
of its own, from the seed and its name: another corpus, or another split, changes none of the frames of this one.
Draws use `random.random` alone, whose numbers Python keeps from version to version.
"""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Iterable

from pipeline.corpus import Corpus, Stimulus
from pipeline.errors import UsageError, did_you_mean


def sample_frames(
    stimuli: Iterable[Stimulus], *, per_video: int = 3, apart_s: float = 1.0, seed: int = 0
) -> list[tuple[str, int]]:
    """Draw frames of every video.

    Parameters
    ----------
    stimuli : iterable of Stimulus
    per_video : int
        Frames a video, > 0; fewer where a video is too short for so many.
    apart_s : float
        The least distance of two frames of one video, seconds, >= 0.
    seed : int

    Returns
    -------
    list of (stimulus, frame)
        In the order in which to look at them: a frame of every video, the videos in random order, then a second of
        every video and so on. Whoever stops early has seen as many videos as could be.

    Raises
    ------
    UsageError
        If `per_video` or `apart_s` is out of its range.
    """
    if per_video < 1 or not 0 <= apart_s < math.inf:
        raise UsageError(
            f"{per_video} frames a video, {apart_s:g} s apart, cannot be drawn.",
            remedy="Ask for one frame or more, at a distance of 0 s or more.",
        )
    drawn = []
    for stimulus in stimuli:
        apart = max(1, math.ceil(apart_s * stimulus.rate))
        place = random.Random(f"{seed}/order/{stimulus.stimulus}").random()
        frames = draw_apart(stimulus.n_frames, per_video, apart, random.Random(f"{seed}/{stimulus.stimulus}"))
        drawn += [(turn, place, stimulus.stimulus, frame) for turn, frame in enumerate(frames)]
    return [(name, frame) for _, _, name, frame in sorted(drawn)]


def draw_apart(n_frames: int, wanted: int, apart: int, draw: random.Random) -> list[int]:
    """Draw frames that are at least `apart` (>= 1) frames from each other, in random order.

    Squeezed together by `apart − 1` between neighbours, the sets to choose from are all subsets of fewer frames: one of
    those is drawn, then spread again. As many as fit, where `wanted` do not.

    Examples
    --------
    Of five frames three can be two apart in one way only.

    >>> sorted(draw_apart(5, 3, 2, random.Random(0)))
    [0, 2, 4]
    """
    count = min(wanted, max(0, (n_frames - 1) // apart + 1))
    free = n_frames - (count - 1) * (apart - 1)
    slots: dict[int, None] = {}  # in the order drawn
    while len(slots) < count:
        slots[int(draw.random() * free)] = None
    spread = {slot: slot + number * (apart - 1) for number, slot in enumerate(sorted(slots))}
    return [spread[slot] for slot in slots]


def chosen_stimuli(corpus: Corpus, split: str | None = None, corpora: Collection[str] | None = None) -> list[Stimulus]:
    """The stimuli of one split, of some corpora, or of both; all of them without a filter.

    Raises
    ------
    UsageError
        If the published corpus has no such split or corpus, or nothing is left.
    """
    table = corpus.stimuli
    for what, names in (("split", [split] if split else []), ("corpus", corpora or [])):
        for name in names:
            if name not in (known := sorted(table[what].unique())):
                raise UsageError(f"The published corpus has no {what} {name!r}.", remedy=did_you_mean(name, known))
    chosen = [
        stimulus
        for stimulus in corpus
        if split in (None, stimulus.split) and (not corpora or stimulus.corpus in corpora)
    ]
    if not chosen:
        raise UsageError(
            f"No stimulus of {', '.join(corpora or [])} is in the split {split!r}.",
            remedy="Leave out --split or --corpus.",
        )
    return chosen
