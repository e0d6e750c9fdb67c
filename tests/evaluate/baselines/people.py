"""Made-up videos with the same observers in every frame, as real ones have them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from pipeline.evaluate.truth import Truth


def seen_by(points, name="a/x", category="nature", split="test", size_px=(60, 80), n_frames=None, px_per_dva=6.0):
    """A video whose fixations are (frame, observer number, x_px, y_px)."""
    rows = np.array(sorted(points), dtype=np.float64).reshape(-1, 4)
    observer = rows[:, 1].astype(np.int32)
    return Truth(
        stimulus=name,
        corpus=name.split("/")[0],
        category=category,
        split=split,
        n_frames=int(rows[:, 0].max(initial=-1)) + 1 if n_frames is None else n_frames,
        rate=Fraction(25),
        size_px=size_px,
        px_per_dva=px_per_dva,
        observers=tuple(f"o{number:03}" for number in range(observer.max(initial=-1) + 1)),
        frame=rows[:, 0].astype(np.int32),
        observer=observer,
        x_px=rows[:, 2].astype(np.float32),
        y_px=rows[:, 3].astype(np.float32),
    )


def crowd(seed, n_observers=12, n_frames=4, spread=0.08, missing=0.0, size_px=(60, 80), **more):
    """Observers who look at one spot a frame, scattered about it by a share of the picture; some frames they miss."""
    rng = np.random.default_rng(seed)
    points = []
    for frame in range(n_frames):
        spot = rng.uniform(0.2, 0.8, 2)
        places = np.clip(rng.normal(spot, spread, (n_observers, 2)), 0, 0.999) * size_px
        there = rng.random(n_observers) >= missing
        points += [(frame, k, places[k, 1], places[k, 0]) for k in np.flatnonzero(there)]
    return seen_by(points, size_px=size_px, n_frames=n_frames, **more)
