"""Made-up ground truth: videos of any size, points where a test wants them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from pipeline.evaluate.truth import Truth


def truth_at(points, size_px=(60, 80), name="a/x", n_frames=4, px_per_dva=6.0):
    """A video whose fixations are (frame, x_px, y_px), each by an observer of its own."""
    points = sorted(points, key=lambda point: point[0])
    frame, x, y = (np.array([point[k] for point in points]) for k in range(3))
    return Truth(
        stimulus=name,
        corpus=name.split("/")[0],
        category="nature",
        split="test",
        n_frames=n_frames,
        rate=Fraction(25),
        size_px=size_px,
        px_per_dva=px_per_dva,
        observers=tuple(f"o{number:03}" for number in range(len(points))),
        frame=frame.astype(np.int32),
        observer=np.arange(len(points), dtype=np.int32),
        x_px=x.astype(np.float32),
        y_px=y.astype(np.float32),
    )


def watched(seed, size_px=(60, 80), name="a/x", n_frames=4, per_frame=12, empty=()):
    """A video that people look at about one place a frame; nobody fixates in the frames `empty`."""
    rng = np.random.default_rng(seed)
    height, width = size_px
    points = []
    for frame in range(n_frames):
        spot = rng.uniform(0.25, 0.75, 2)
        if frame not in empty:
            places = np.clip(rng.normal(spot, 0.08, (per_frame, 2)), 0, 0.999)
            points += [(frame, x * width, y * height) for x, y in places]
    return truth_at(points, size_px, name, n_frames)


def predicted(truth, frame, size=(12, 16), spread_dva=2.0):
    """A map that knows where people look, but not sharply, on a floor as a network leaves it."""
    density = truth.density(frame, size, spread_dva)
    return (density / density.max() + 0.05).astype(np.float32)
