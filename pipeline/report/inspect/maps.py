"""A model's maps for a page: coarse, 8 bits, at most a few hundred of them.

Conventions
-----------
Maps are [row, column] over the whole picture; sizes are (height, width). Frames count from 0. Of a map only its shape
is kept: 0 is its lowest value, 255 its highest.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIZE = (32, 40)  # what the models of this project give; deflated, a map takes some 700 bytes
MOST_MAPS = 600


@dataclass(frozen=True)
class PackedMaps:
    """Maps in one zlib stream, row by row, map after map: `frames[i]` is the frame of the i-th."""

    name: str
    frames: list[int]
    packed: bytes
    note: str


def pack_maps(name: str, maps: Iterable[tuple[int, NDArray]], n_frames: int) -> PackedMaps:
    """Pack a model's maps of one stimulus.

    Parameters
    ----------
    name : str
        What to call them on the page.
    maps : iterable of (int, ndarray of shape (h, w))
        Frame and map, in the order of frames; any size and scale. What is not finite counts as 0.
    n_frames : int
        Of the stimulus.

    Returns
    -------
    packed : PackedMaps
        At most `MOST_MAPS`, evenly chosen by frame; a map of one value only is all 0.
    """
    every = -(-n_frames // MOST_MAPS)
    kept = {frame: coarse(saliency) for frame, saliency in maps if frame % every == 0}
    note = f"The maps of {name} are drawn at {SIZE[1]} × {SIZE[0]} cells, each from its lowest to its highest value"
    note += f", one for each {every} frames at most." if every > 1 else "."
    return PackedMaps(name, list(kept), zlib.compress(b"".join(kept.values()), 9), note)


def coarse(saliency: NDArray) -> bytes:
    """A map as bytes: the mean over each cell, from 0 at the lowest to 255 at the highest."""
    picture = Image.fromarray(np.nan_to_num(np.asarray(saliency, np.float32), posinf=0, neginf=0))
    cells = np.asarray(picture.resize(SIZE[::-1], Image.Resampling.BOX))
    low, high = float(cells.min()), float(cells.max())
    return np.rint((cells - low) * (255 / (high - low) if high > low else 0)).astype(np.uint8).tobytes()
