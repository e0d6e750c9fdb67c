"""The whole soundtrack as log-mel features in one small picture.

Conventions
-----------
Time to the right, low bands at the bottom. Step k of the features is drawn from k × 10 ms to (k + 1) × 10 ms.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.signals.audio import HOP_S, SILENCE

MOST_COLUMNS = 3000  # 30 s at 10 ms; of what is longer several steps share a column
PALETTE = "magma"


@dataclass(frozen=True)
class Spectrogram:
    """A PNG picture, a column `column_s` seconds wide, reaching to `duration_s`; `note` where steps share columns."""

    png: bytes
    column_s: float
    duration_s: float
    note: str


def draw_spectrogram(steps: NDArray[np.float32], duration_s: float) -> Spectrogram:
    """Draw log-mel steps over the length of the pictures.

    Parameters
    ----------
    steps : ndarray, shape (T, bands), float32
    duration_s : float
        Length of the pictures, > 0: what is longer is cut, beyond the sound there is silence.

    Returns
    -------
    spectrogram : Spectrogram
        One colour scale, from silence to the loudest step. A column is the loudest of its steps.
    """
    n_steps = max(1, math.ceil(duration_s / HOP_S))
    shared = math.ceil(n_steps / MOST_COLUMNS)
    n_columns = math.ceil(n_steps / shared)
    features = np.full((n_columns * shared, steps.shape[1]), SILENCE, np.float32)
    kept = steps[:n_steps]
    features[: len(kept)] = kept
    columns = features.reshape(n_columns, shared, -1).max(axis=1)
    loudest = max(SILENCE + 1, float(columns.max()))
    share = (columns.T[::-1] - SILENCE) / (loudest - SILENCE)
    picture = Image.fromarray(np.rint(255 * share.clip(0, 1)).astype(np.uint8), "P")
    picture.putpalette(palette(PALETTE))
    target = io.BytesIO()
    picture.save(target, "PNG", optimize=True)
    column_s = shared * HOP_S
    note = f"A column of the log-mel picture is the loudest of {shared} steps of 10 ms." if shared > 1 else ""
    return Spectrogram(target.getvalue(), column_s, n_columns * column_s, note)


def palette(name: str) -> bytes:
    """256 colours of a matplotlib colour map, RGB, from the lowest to the highest."""
    return np.asarray(matplotlib.colormaps[name](np.arange(256), bytes=True))[:, :3].tobytes()
