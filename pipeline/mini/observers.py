"""Observers of a scene: where they truly look.

Conventions
-----------
Gaze is float64 [n_observers, n_frames, 2], (x, y) in video pixels, one sample per frame; nothing is missing
here (what a tracker makes of it is `tracker`'s part). All spreads are visual angles, turned into pixels by
the corpus's px_per_dva.

An observer rests in the middle of the picture, then follows the object that sounds, a little late; now and then
a turn is missed and another object watched. Observers who cannot hear follow objects by chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.mini.plan import TURN_S
from pipeline.mini.world import Scene

SETTLE_S = (0.3, 0.5)  # in the middle at first: the centre bias of every free viewing
LAG_S = (0.2, 0.3)  # of a saccade after a sound begins
BIAS_DVA = 0.15  # calibration error, constant for an observer
AIM_DVA = 0.25  # where within the object a fixation lands, new every `AIM_FRAMES`
AIM_FRAMES = 9
TREMOR_DVA = 0.05  # from sample to sample


@dataclass(frozen=True)
class Gaze:
    """All observers of one showing.

    Attributes
    ----------
    xy_px : ndarray, shape (n_observers, n_frames, 2), float64
        Video px.
    moving : ndarray, shape (n_observers, n_frames), bool
        The eye is between two places: a saccade.
    """

    xy_px: np.ndarray
    moving: np.ndarray


def watch(scene: Scene, random: np.random.Generator, *, n_observers: int, px_per_dva: float, hear: bool = True) -> Gaze:
    """Let observers watch a scene.

    Parameters
    ----------
    scene : Scene
    random : Generator
        Draws the observers; the same stream gives the same observers.
    n_observers : int
    px_per_dva : float
        Video pixels per degree.
    hear : bool
        False where the soundtrack is not this scene's, or is off.
    """
    attended = np.stack([_attend(scene, random, hear=hear) for _ in range(n_observers)])
    middle_px = np.array([scene.plan.width_px, scene.plan.height_px]) / 2
    places_px = np.concatenate(
        [scene.positions_px(scene.times_s), np.broadcast_to(middle_px, (scene.n_frames, 1, 2))], axis=1
    )
    target_px = places_px[np.arange(scene.n_frames), attended]
    moving = np.zeros(attended.shape, dtype=bool)
    moving[:, 1:] = attended[:, 1:] != attended[:, :-1]
    previous_px = np.concatenate([target_px[:, :1], target_px[:, :-1]], axis=1)
    on_the_way_px = (previous_px + target_px) / 2
    spread_dva = _spread_dva(random, *attended.shape)
    return Gaze(np.where(moving[..., None], on_the_way_px, target_px) + px_per_dva * spread_dva, moving)


def _attend(scene: Scene, random: np.random.Generator, *, hear: bool) -> np.ndarray:
    """Which object one observer watches at each frame, int [n_frames]; the number of objects stands for the centre."""
    n_objects = len(scene.paths)
    if hear:
        chosen = scene.turn_object.copy()
        missed = random.random(chosen.size) > scene.plan.attention
        chosen[missed] = (chosen[missed] + random.integers(1, n_objects, size=missed.sum())) % n_objects
        watched = chosen[scene.turn(scene.times_s - random.uniform(*LAG_S))]
    else:
        starts_s = np.cumsum(random.uniform(*TURN_S, size=int(scene.duration_s / TURN_S[0]) + 1))
        chosen = random.integers(n_objects, size=starts_s.size + 1)
        watched = chosen[np.searchsorted(starts_s, scene.times_s)]
    return np.where(scene.times_s < random.uniform(*SETTLE_S), n_objects, watched)


def _spread_dva(random: np.random.Generator, n_observers: int, n_frames: int) -> np.ndarray:
    """How far gaze lies from its target: calibration, aim and tremor together, [n_observers, n_frames, 2]."""
    bias = BIAS_DVA * random.standard_normal((n_observers, 1, 2))
    aims = AIM_DVA * random.standard_normal((n_observers, n_frames // AIM_FRAMES + 1, 2))
    tremor = TREMOR_DVA * random.standard_normal((n_observers, n_frames, 2))
    return bias + np.repeat(aims, AIM_FRAMES, axis=1)[:, :n_frames] + tremor
