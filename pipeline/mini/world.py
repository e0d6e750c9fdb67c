"""A world whose truth is known: objects that move, of which one sounds at a time.

Conventions
-----------
Positions are (x, y) in video pixels, the middle of the first pixel is (0.5, 0.5). Time 0 s is the first frame.
Where things are and what sounds are drawn from separate streams of random numbers, so that the picture alone
says nothing about the sound: the same scene with another `hearing` stream renders to the same pixels.
"""

from __future__ import annotations

import itertools
import zlib
from dataclasses import dataclass

import numpy as np

from pipeline.mini.plan import MIN_DURATION_S, Plan

ORBIT_SHARE = 0.30  # of the picture's width and height: keeps objects apart and clear of the borders
RADIUS_SHARE = 0.10  # of the picture's smaller side
REACH, BORDER_PX = 1.6, 4  # how far an object is drawn from its centre, in radii, and what is left beyond it
ROAM_SPEED_SHARE = (0.05, 0.12)  # of the picture's smaller side, per second
APART = 3.2  # least distance between the centres of objects that roam, in radii


def stream(seed: int, *words: str) -> np.random.Generator:
    """A generator of its own for every purpose, so that adding one purpose changes no other."""
    return np.random.default_rng([seed, zlib.crc32("/".join(words).encode())])


@dataclass(frozen=True)
class Orbit:
    """An object's path: once around the picture's centre with a slow wobble, a closed formula of time.

    Attributes
    ----------
    centre_px, radius_px : ndarray, shape (2,)
        Middle and half-axes (x, y) of the ellipse.
    phase_rad, turn_hz : float
        Angle at 0 s, and turns per second; the sign is the direction.
    wobble_rad, wobble_hz, wobble_phase_rad : float
        Size, rate and phase of the hesitation along the path.
    """

    centre_px: np.ndarray
    radius_px: np.ndarray
    phase_rad: float
    turn_hz: float
    wobble_rad: float
    wobble_hz: float
    wobble_phase_rad: float

    def position_px(self, times_s: np.ndarray) -> np.ndarray:
        """Centre of the object at each time, float64 [n, 2]."""
        wobble = self.wobble_rad * np.sin(2 * np.pi * self.wobble_hz * times_s + self.wobble_phase_rad)
        angle = self.phase_rad + 2 * np.pi * self.turn_hz * times_s + wobble
        return self.centre_px + self.radius_px * np.stack([np.cos(angle), np.sin(angle)], axis=-1)


@dataclass(frozen=True)
class Wander:
    """An object's path: straight on at one speed, thrown back by borders; over time every place is equally likely.

    Attributes
    ----------
    low_px, high_px : ndarray, shape (2,)
        Corners (x, y) of the rectangle that the centre keeps to.
    first_px : ndarray, shape (2,)
        Place at 0 s.
    velocity_px_s : ndarray, shape (2,)
        Pixels per second at 0 s.
    """

    low_px: np.ndarray
    high_px: np.ndarray
    first_px: np.ndarray
    velocity_px_s: np.ndarray

    def position_px(self, times_s: np.ndarray) -> np.ndarray:
        """Centre of the object at each time, float64 [n, 2]."""
        span_px = self.high_px - self.low_px
        gone_px = (self.first_px - self.low_px + self.velocity_px_s * times_s[:, None]) % (2 * span_px)
        return self.low_px + span_px - np.abs(gone_px - span_px)


@dataclass(frozen=True)
class Scene:
    """One stimulus as it truly is, before anything is rendered, recorded or watched.

    Attributes
    ----------
    plan : Plan
    n_frames : int
    paths : tuple of Orbit or Wander
        One per object, in the order of `plan.kinds`.
    size_px : float
        Half the width of every object.
    turn_starts_s : ndarray, shape (n_turns,)
        When each turn begins, the first at 0 s.
    turn_object : ndarray, shape (n_turns,), int
        Which object sounds during the turn.
    """

    plan: Plan
    n_frames: int
    paths: tuple[Orbit | Wander, ...]
    size_px: float
    turn_starts_s: np.ndarray
    turn_object: np.ndarray

    @property
    def times_s(self) -> np.ndarray:
        """Presentation time of every frame, float64 [n_frames]."""
        return np.arange(self.n_frames) * self.plan.rate.denominator / self.plan.rate.numerator

    @property
    def duration_s(self) -> float:
        """From the first frame to the end of the last."""
        return self.n_frames * self.plan.rate.denominator / self.plan.rate.numerator

    def positions_px(self, times_s: np.ndarray) -> np.ndarray:
        """Centres of all objects, float64 [n_times, n_objects, 2]."""
        return np.stack([path.position_px(times_s) for path in self.paths], axis=1)

    def turn(self, times_s: np.ndarray) -> np.ndarray:
        """Index of the turn that each time falls in; times before 0 s belong to the first turn."""
        return np.maximum(np.searchsorted(self.turn_starts_s, times_s, side="right") - 1, 0)

    def sounding(self, times_s: np.ndarray) -> np.ndarray:
        """Index of the object that sounds at each time, int [n_times]."""
        return self.turn_object[self.turn(times_s)]


def build_scene(plan: Plan, *, seed: int = 1, scale: float = 1.0) -> Scene:
    """Draw one stimulus's scene.

    Parameters
    ----------
    plan : Plan
    seed : int
        The same seed gives the same scene.
    scale : float
        Multiplies the duration, which never falls below `MIN_DURATION_S`.
    """
    n_frames = round(max(plan.duration_s * scale, MIN_DURATION_S) * plan.rate)
    duration_s = float(n_frames / plan.rate)
    hearing, motion = stream(seed, plan.stimulus, "hearing"), stream(seed, plan.stimulus, "motion")
    starts_s, objects = _draw_turns(hearing, duration_s, len(plan.kinds), plan.turn_s)
    return Scene(
        plan=plan,
        n_frames=n_frames,
        paths=_draw_wanders(motion, plan, duration_s) if plan.roams else _draw_orbits(motion, plan),
        size_px=_radius_px(plan),
        turn_starts_s=starts_s,
        turn_object=objects,
    )


def _draw_orbits(random: np.random.Generator, plan: Plan) -> tuple[Orbit, ...]:
    """One path per object: the same speed for all, evenly spread around the centre, so that none stands out."""
    frame_px = np.array([plan.width_px, plan.height_px], dtype=float)
    turn_hz = random.choice([-1, 1]) * random.uniform(0.08, 0.14)
    first_rad = random.uniform(0, 2 * np.pi)
    order = random.permutation(len(plan.kinds))
    return tuple(
        Orbit(
            centre_px=frame_px / 2,
            radius_px=frame_px * ORBIT_SHARE * random.uniform(0.9, 1.05),
            phase_rad=first_rad + 2 * np.pi * place / len(plan.kinds),
            turn_hz=turn_hz,
            wobble_rad=random.uniform(0.15, 0.3),
            wobble_hz=random.uniform(0.2, 0.4),
            wobble_phase_rad=random.uniform(0, 2 * np.pi),
        )
        for place in order
    )


def _draw_wanders(random: np.random.Generator, plan: Plan, duration_s: float) -> tuple[Wander, ...]:
    """One path per object, from any place in any direction; drawn again until no two objects ever come close."""
    margin_px = REACH * _radius_px(plan) + BORDER_PX
    low_px = np.full(2, margin_px)
    high_px = np.array([plan.width_px, plan.height_px]) - margin_px
    times_s = np.arange(0, duration_s, 0.1)
    while True:
        paths = tuple(_draw_wander(random, plan, low_px, high_px) for _ in plan.kinds)
        places_px = [path.position_px(times_s) for path in paths]
        gaps_px = [np.hypot(*(one - other).T).min() for one, other in itertools.combinations(places_px, 2)]
        if min(gaps_px) > APART * _radius_px(plan):
            return paths


def _draw_wander(random: np.random.Generator, plan: Plan, low_px: np.ndarray, high_px: np.ndarray) -> Wander:
    speed_px_s = random.uniform(*ROAM_SPEED_SHARE) * min(plan.width_px, plan.height_px)
    direction_rad = random.uniform(0, 2 * np.pi)
    velocity_px_s = speed_px_s * np.array([np.cos(direction_rad), np.sin(direction_rad)])
    return Wander(low_px, high_px, random.uniform(low_px, high_px), velocity_px_s)


def _radius_px(plan: Plan) -> float:
    """Half the width of every object."""
    return RADIUS_SHARE * min(plan.width_px, plan.height_px)


def _draw_turns(
    random: np.random.Generator, duration_s: float, n_objects: int, turn_s: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """When each turn starts and which object sounds in it; never the same one twice running."""
    starts_s, objects = [0.0], [int(random.integers(n_objects))]
    while (start_s := starts_s[-1] + random.uniform(*turn_s)) < duration_s:
        starts_s.append(start_s)
        objects.append((objects[-1] + int(random.integers(1, n_objects))) % n_objects)
    return np.array(starts_s), np.array(objects)
