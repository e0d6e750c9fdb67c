"""What an eye tracker makes of a gaze: blinks, lost frames, saccade codes, wild numbers.

Conventions
-----------
`diem_rows` gives DIEM's nine columns per sample (frame from 1, then x, y, pupil and event of the left and of the
right eye) in screen pixels; `coutrot_data` gives [x/y(/extra), frame, observer] in video pixels with NaN where
nothing was measured. Rates of the defects follow what was counted in 49 real DIEM files, rounded.
The first `QUIET_FRAMES` are left alone: whether gaze starts in the middle is how geometry is checked.
"""

from __future__ import annotations

import numpy as np

from pipeline.mini.observers import Gaze
from pipeline.mini.plan import GEOMETRY, Plan

LOST, BLINK, FIXATION, SACCADE = -1, 0, 1, 2
QUIET_FRAMES = 8
BLINKS_PER_FRAME = 1 / 110
BLINK_FRAMES = (3, 7)
STALE_SHARE = 0.23  # of blink rows that hold old or wild numbers instead of zeros
WILD = 3270.0  # what this tracker writes for numbers it cannot hold
OFF_SCREEN = ((-63.2, 401.7), (1402.9, 512.4), (655.0, -120.5))  # fixations beyond the screen occur in real files
LEFT_X, LEFT_Y, LEFT_PUPIL, LEFT_EVENT, RIGHT_X, RIGHT_Y, RIGHT_PUPIL, RIGHT_EVENT = range(1, 9)
LEFT, RIGHT = slice(LEFT_X, RIGHT_X), slice(RIGHT_X, RIGHT_EVENT + 1)


def diem_rows(plan: Plan, gaze: Gaze, random: np.random.Generator) -> list[np.ndarray]:
    """One table of nine columns per observer, float64 [n_rows, 9].

    Parameters
    ----------
    plan : Plan
        `features` says which of the rarer defects this stimulus has.
    gaze : Gaze
        In video px, one sample per frame.
    random : Generator
    """
    tables = [_both_eyes(plan, xy_px, moving, random) for xy_px, moving in zip(gaze.xy_px, gaze.moving, strict=True)]
    n_frames = len(tables[0])
    if plan.has("lost-frames"):
        for start, length in ((n_frames // 3, 1), (2 * n_frames // 3, 2)):
            for table in tables[1:]:  # one observer is left, as in the worst real frames
                table[start : start + length, LEFT_X:] = (0, 0, 0, LOST) * 2
    for number, xy_px in enumerate(OFF_SCREEN):
        table = tables[number % len(tables)]
        row = n_frames // 4 + 4 * number
        table[row, LEFT] = table[row, RIGHT] = (*xy_px, 1500, FIXATION)
    if plan.has("wild-fixation"):
        tables[-1][n_frames // 2 - 5, LEFT_EVENT] = FIXATION
        tables[-1][n_frames // 2 - 5, RIGHT] = (-WILD, -WILD, 1500, FIXATION)
    if plan.has("zero-fixation"):
        width_px, height_px = _screen_px()  # mean of both eyes: the middle of the screen, a fixation like any other
        tables[-1][n_frames // 2 - 9, LEFT] = (0.0, height_px / 2, 1500, FIXATION)
        tables[-1][n_frames // 2 - 9, RIGHT] = (width_px, height_px / 2, 1500, FIXATION)
    if plan.has("ragged-observer"):
        tables[2] = tables[2][: 2 * n_frames // 5]
    if plan.has("gaze-one-longer"):
        tables = [np.vstack([table, [n_frames + 1, *table[-1, 1:]]]) for table in tables]
    return tables


def _screen_px() -> tuple[int, int]:
    """Width and height of DIEM's screen."""
    geometry = GEOMETRY["diem"]
    assert geometry.screen_width_px and geometry.screen_height_px
    return geometry.screen_width_px, geometry.screen_height_px


def _both_eyes(plan: Plan, xy_px: np.ndarray, moving: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """One observer's table before the rarer defects: two eyes that differ, saccade codes, blinks."""
    n_frames = len(xy_px)
    offset_px = (np.array(_screen_px()) - (plan.width_px, plan.height_px)) / 2
    between_px = np.array([random.normal(8, 10), random.normal(0, 10)])  # the eyes never quite agree
    table = np.zeros((n_frames, 9))
    table[:, 0] = np.arange(1, n_frames + 1)
    for eye, sign in ((LEFT, 0.5), (RIGHT, -0.5)):
        place_px = xy_px + offset_px + sign * between_px + random.normal(0, 1, size=(n_frames, 2))
        pupil = random.uniform(900, 1900) + np.cumsum(random.normal(0, 3, size=n_frames))
        event = np.where(moving & (eye == LEFT), SACCADE, FIXATION)  # the right eye never says 2
        table[:, eye] = np.column_stack([place_px.round(1), pupil.round(), event])
    half_closed = moving & (random.random(n_frames) < 0.02)
    table[half_closed, RIGHT] = (0, 0, 0, BLINK)
    _blink(table, random)
    return table


def _blink(table: np.ndarray, random: np.random.Generator) -> None:
    """Close the eyes now and then; the left one a frame before the right one."""
    for start in _blink_starts(len(table), random):
        length = int(random.integers(*BLINK_FRAMES))
        for row in range(start, min(start + length, len(table))):
            for eye in (LEFT, RIGHT):
                if eye == RIGHT and row == start:
                    continue
                stale = random.random() < STALE_SHARE
                wild = stale and random.random() < 0.3
                numbers = (WILD, -WILD, 300) if wild else (*table[row, eye][:2], 276)
                table[row, eye] = (*(numbers if stale else (0, 0, 0)), BLINK)


def _blink_starts(n_frames: int, random: np.random.Generator) -> np.ndarray:
    """Frames at which one observer's blinks begin."""
    starts = np.flatnonzero(random.random(n_frames) < BLINKS_PER_FRAME)
    return starts[starts >= QUIET_FRAMES]


def coutrot_data(plan: Plan, gaze: Gaze, random: np.random.Generator, *, n_columns: int) -> np.ndarray:
    """The `data` array of one Coutrot clip and condition, float64 [2 or 3, n_columns, n_observers].

    Parameters
    ----------
    plan : Plan
    gaze : Gaze
        In video px, one sample per frame.
    random : Generator
    n_columns : int
        Samples to write: what lies beyond the gaze is NaN.
    """
    n_observers, n_frames, _ = gaze.xy_px.shape
    data = np.full((2, n_columns, n_observers), np.nan)
    kept = min(n_frames, n_columns)
    data[:, :kept] = gaze.xy_px[:, :kept].transpose(2, 1, 0).round(2)
    for observer in range(n_observers):
        for start in _blink_starts(kept, random):
            data[:, start : start + int(random.integers(*BLINK_FRAMES)), observer] = np.nan
    data[:, kept // 2, 0] = (-14.5, plan.height_px / 2)  # looked past the picture's edge
    if plan.has("empty-observer"):
        data[:, :, -1] = np.nan
    if plan.has("third-row"):
        numbers = np.broadcast_to(np.arange(1.0, n_observers + 1), (1, n_columns, n_observers))
        data = np.concatenate([data, numbers])
    return data
