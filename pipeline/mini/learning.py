"""The world to learn from: as many stimuli as a small network needs, in which only the sound tells where gaze goes.

Conventions
-----------
The stimuli take turns among the three corpora, so that all of their formats and readers are in play, and among the
categories. Two objects of different kinds are in the picture all the time; exactly one sounds, and over a stimulus
the sound changes hands a few times. Objects wander over the whole picture, so that the mean eye position says next to
nothing; who only sees cannot know which of the two is looked at; who only hears knows its kind but not its place.
The kinds of all splits are the same, the places, motions and turns are not. A clip of 16 frames comes with 1.2 s of
sound: turns are so long that most clips hear one timbre only.

Pictures of all corpora are equally many degrees wide and of the same shape: a network that sees them at one size cannot
know how far apart their pixels are, and need not.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.mini.plan import COUTROT_RATE, DIEM_RATE, Plan

KINDS = ("disc", "square")  # the hum and the rattle: bands that do not meet
CATEGORIES = ("nature", "social", "misc")
DURATION_S = 8.0
TURN_S = (2.5, 4.0)
N_STIMULI = {"train": 60, "val": 9, "test": 15}
SIZE_PX = {"diem": (640, 512), "coutrot1": (324, 260), "coutrot2": (324, 260)}  # all 13 degrees wide


def stimuli(n_stimuli: dict[str, int] = N_STIMULI) -> tuple[Plan, ...]:
    """Plans of so many stimuli a split, for `mini.make`.

    Examples
    --------
    >>> [plan.name for plan in stimuli({"train": 3, "test": 1})]
    ['roam_1_640x512', 'clip_1', 'clip_1', 'roam_2_640x512']
    """
    return tuple(_plans(n_stimuli))


def _plans(n_stimuli: dict[str, int]) -> Iterator[Plan]:
    splits = [split for split, count in n_stimuli.items() for _ in range(count)]
    for place, split in enumerate(splits):
        corpus, number = list(SIZE_PX)[place % len(SIZE_PX)], place // len(SIZE_PX) + 1
        width_px, height_px = SIZE_PX[corpus]
        in_diem = corpus == "diem"
        yield Plan(
            corpus=corpus,
            name=f"roam_{number}_{width_px}x{height_px}" if in_diem else f"clip_{number}",
            category=CATEGORIES[number % len(CATEGORIES)],
            split=split,
            duration_s=DURATION_S,
            rate=DIEM_RATE if in_diem else COUTROT_RATE,
            width_px=width_px,
            height_px=height_px,
            kinds=KINDS,
            sound_rate_hz=48000 if in_diem else 44100,
            roams=True,
            turn_s=TURN_S,
            attention=1.0,
        )
