"""Pictures of a scene: a still backdrop that tells the category, and the objects on it.

Conventions
-----------
Pictures are uint8 [n, height, width, 3], RGB, in batches so that memory stays flat. An object is drawn the
same way whether it sounds or not: the renderer is never told which one does.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline.mini.plan import Plan
from pipeline.mini.world import Scene, stream

BATCH = 64  # frames rendered at once

COLOUR = {"disc": (244, 132, 38), "square": (52, 196, 232), "triangle": (226, 66, 178)}
PALETTE = {
    "nature": ((34, 92, 44), (98, 148, 70)),
    "social": ((120, 84, 62), (186, 158, 126)),
    "misc": ((58, 62, 78), (104, 112, 132)),
}


def render(scene: Scene, *, seed: int = 1) -> Iterator[np.ndarray]:
    """Draw all frames of a scene, in batches.

    Yields
    ------
    pictures : ndarray, shape (≤ BATCH, height, width, 3), uint8
    """
    still = backdrop(scene.plan, seed=seed)
    positions_px = scene.positions_px(scene.times_s)
    for start in range(0, scene.n_frames, BATCH):
        here_px = positions_px[start : start + BATCH]
        pictures = np.repeat(still[None], len(here_px), axis=0)
        for index, kind in enumerate(scene.plan.kinds):
            _paint(pictures, here_px[:, index], kind, scene.size_px)
        yield pictures


def backdrop(plan: Plan, *, seed: int = 1) -> np.ndarray:
    """What stands behind the objects: foliage (nature), a striped wall (social) or tiles (misc), uint8 [h, w, 3]."""
    random = stream(seed, plan.stimulus, "backdrop")
    y, x = np.mgrid[0 : plan.height_px, 0 : plan.width_px]
    if plan.category == "nature":
        texture = _foliage(random, plan.height_px, plan.width_px)
    elif plan.category == "social":
        texture = 0.5 + 0.5 * np.sin(2 * np.pi * x / random.uniform(24, 40)) * np.where(y % 48 < 44, 1, 0.3)
    else:
        tile = int(random.integers(20, 32))
        texture = ((x // tile + y // tile) % 2).astype(float)
    texture = 0.8 * texture + 0.2 * random.random(texture.shape)
    dark, light = (np.array(colour, dtype=float) for colour in PALETTE[plan.category])
    return (dark + (light - dark) * texture[..., None]).round().astype(np.uint8)


def _foliage(random: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Soft random blobs in 0…1: white noise with its fine detail taken away."""
    spectrum = np.fft.rfft2(random.standard_normal((height, width)))
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    blobs = np.fft.irfft2(spectrum * np.exp(-((frequency / 0.04) ** 2)), s=(height, width))
    low, high = blobs.min(), blobs.max()
    return (blobs - low) / (high - low)


def _paint(pictures: np.ndarray, centre_px: np.ndarray, kind: str, size_px: float) -> None:
    """Draw one object into a batch of pictures, with smooth borders, touching only the patch around it."""
    reach = int(np.ceil(1.6 * size_px)) + 2  # a triangle's tips reach farthest
    corner = np.floor(centre_px).astype(int) - reach
    step = np.arange(2 * reach + 1)
    x = corner[:, 0, None] + step + 0.5 - centre_px[:, 0, None]  # [n, patch]: pixel middles seen from the centre
    y = corner[:, 1, None] + step + 0.5 - centre_px[:, 1, None]
    cover = np.clip(_depth_px(kind, x[:, None, :], y[:, :, None], size_px) + 0.5, 0, 1)[..., None]
    paint = cover * np.array(COLOUR[kind], dtype=float)
    for picture, (left, top), patch, opaque in zip(pictures, corner, paint, cover, strict=True):
        window = picture[top : top + step.size, left : left + step.size]
        window[:] = (patch + (1 - opaque) * window).round()


def _depth_px(kind: str, x: np.ndarray, y: np.ndarray, size_px: float) -> np.ndarray:
    """How deep inside the shape a point lies, in pixels; negative outside. All kinds cover about the same area."""
    if kind == "disc":
        return size_px - np.hypot(x, y)
    if kind == "square":
        return 0.89 * size_px - np.maximum(np.abs(x), np.abs(y))
    half = np.sqrt(3) / 2
    return 0.78 * size_px - np.maximum(y, np.maximum(half * x - 0.5 * y, -half * x - 0.5 * y))
