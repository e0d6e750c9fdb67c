"""What happens to a saliency map on its way to its score: written as an 8-bit picture, smoothed, resized.

Conventions
-----------
Maps are [row, column], sizes (height, width). Pixels are squares: the middle of the first is at half
a pixel, and a resize keeps the picture's corners in place. Everything acts on rows and columns one after the other.

Source
------
MATLAB's documentation of imresize (bicubic, antialiased); OpenCV's of resize (INTER_LINEAR); Pillow does the Lanczos.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.sparse import csr_array

RULES = {  # how a map is brought to another size
    "area": "means over areas when shrinking, straight lines between the pixels' middles when enlarging",
    "bicubic": "cubic as MATLAB's imresize, widened when shrinking, overshooting at edges",
    "bilinear": "straight lines between the pixels' middles as OpenCV's resize, which skips pixels when shrinking",
    "lanczos": "Pillow's Lanczos on 8-bit pictures",
}


@dataclass(frozen=True)
class Saving:
    """How a map becomes a picture: stretched so that its range fills 0..255.

    Attributes
    ----------
    cut : bool
        Cut to whole numbers (as `astype(uint8)` does), not rounded.
    jpeg : int, optional
        Quality of the JPEG file; without it the picture is kept as it is (PNG).
    """

    cut: bool = False
    jpeg: int | None = None

    def __str__(self) -> str:
        whole = "cut" if self.cut else "rounded"
        file = f"JPEG of quality {self.jpeg}" if self.jpeg else "PNG"
        return f"stretched to 0..255, {whole} to 8 bits, kept as {file}"

    def picture(self, saliency: NDArray) -> NDArray[np.uint8]:
        """The 8-bit picture; one that is 8-bit already was written by somebody else and stays. A constant map is 0."""
        if saliency.dtype == np.uint8:
            return saliency
        low, high = float(saliency.min()), float(saliency.max())
        if low == high:
            return np.zeros(saliency.shape, np.uint8)
        levels = (saliency.astype(np.float64) - low) * (255 / (high - low))
        picture = (levels if self.cut else np.rint(levels)).clip(0, 255).astype(np.uint8)
        return _through_jpeg(picture, self.jpeg) if self.jpeg else picture


@dataclass(frozen=True)
class Smoothing:
    """A Gaussian over the saliency map, cut off some pixels away.

    Attributes
    ----------
    sigma_px : float
        In pixels of the map, or of the size it is scored at.
    reach_px : int
        Half the kernel's width, less a half.
    edge : str
        "reflect" where the edge pixel is repeated (MATLAB's symmetric), "mirror" where it is not (OpenCV's default).
    first : bool
        Before the map is resized, or after.
    """

    sigma_px: float
    reach_px: int
    edge: str
    first: bool

    def __str__(self) -> str:
        when = "its own pixels, before it is resized" if self.first else "pixels of the final size"
        return f"a Gaussian of sigma {self.sigma_px:g} in {when}"

    def smooth(self, saliency: NDArray) -> NDArray[np.float64]:
        """The smoothed map; its sum stays but for the edges' share."""
        return gaussian_filter(saliency.astype(np.float64), self.sigma_px, mode=self.edge, radius=self.reach_px)


def resize(saliency: ArrayLike, size: tuple[int, int], rule: str) -> NDArray:
    """Bring a map to a size.

    Parameters
    ----------
    saliency : array_like, shape (height, width)
        For "lanczos" 8-bit.
    size : (height, width)
    rule : str
        One of `RULES`.

    Returns
    -------
    resized : ndarray, shape size
        The map itself if it has that size. "area" and "bilinear" give float32, in which equal neighbours stay equal,
        and stay between the map's lowest and highest value; "bicubic" gives float64 and may leave them.

    Raises
    ------
    KeyError
        If there is no such rule.

    Examples
    --------
    >>> resize([[0, 2, 4, 4]], (1, 2), "area").tolist()
    [[1.0, 4.0]]
    >>> resize([[0, 4]], (1, 4), "area").tolist()
    [[0.0, 1.0, 3.0, 4.0]]
    """
    values = np.asarray(saliency)
    if values.shape == tuple(size):
        return values
    if rule == "lanczos":
        shape = (size[1], size[0])
        return np.asarray(Image.fromarray(values).resize(shape, Image.Resampling.LANCZOS))
    down, across = (_weights(have, want, rule) for have, want in zip(values.shape, size, strict=True))
    resized = (across @ (down @ values.astype(np.float64)).T).T
    return np.ascontiguousarray(resized, dtype=np.float64 if rule == "bicubic" else np.float32)


def _through_jpeg(picture: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


@lru_cache(maxsize=64)
def _weights(have: int, want: int, rule: str) -> csr_array:
    """Weights [want, have] that resize one axis; every row adds up to 1."""
    if rule == "area" and want < have:
        return _overlaps(have, want)
    kernel, half = _KERNELS[rule]
    scale = have / want
    wide = max(1.0, scale) if rule == "bicubic" else 1.0
    middle = (np.arange(want) + 0.5) * scale - 0.5
    reach = math.ceil(half * wide)
    source = np.floor(middle).astype(int)[:, None] + np.arange(-reach, reach + 2)
    weights = kernel(np.abs(source - middle[:, None]) / wide)
    weights /= weights.sum(axis=1, keepdims=True)
    source %= 2 * have  # beyond an edge the picture goes on mirrored, the edge pixel repeated
    source = np.minimum(source, 2 * have - 1 - source)
    row = np.broadcast_to(np.arange(want)[:, None], source.shape)
    return csr_array((weights.ravel(), (row.ravel(), source.ravel())), shape=(want, have))


def _overlaps(have: int, want: int) -> csr_array:
    """Share of each of `want` cells that each of `have` smaller ones fills."""
    edges = np.arange(want + 1) * (have / want)
    cell = np.arange(have)
    overlap = np.minimum(edges[1:, None], cell + 1) - np.maximum(edges[:-1, None], cell)
    return csr_array(overlap.clip(0) * (want / have))


def _line(away: NDArray[np.float64]) -> NDArray[np.float64]:
    return (1 - away).clip(0)


def _cubic(away: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys 1981 with a = -1/2."""
    near = (1.5 * away - 2.5) * away**2 + 1
    far = ((-0.5 * away + 2.5) * away - 4) * away + 2
    return np.where(away <= 1, near, np.where(away < 2, far, 0.0))


_KERNELS: dict[str, tuple[Callable[[NDArray], NDArray], int]] = {
    "area": (_line, 1),
    "bilinear": (_line, 1),
    "bicubic": (_cubic, 2),
}
