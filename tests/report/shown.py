"""A stimulus in memory, with what the page of `ave inspect` reads of a published one and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import pandas as pd
import simplejpeg

from pipeline.signals.audio import SILENCE

VARIABLE_S = (0.0, 0.1, 0.15, 0.4, 0.41, 0.9, 1.0, 1.3)  # no two intervals alike
HOSTILE = ('"><script>alert(1)</script>', "a & b", "</script>", "Ångström'š")


@dataclass(frozen=True)
class Shown:
    """Eight frames at uneven times, each of one grey; four observers, each of whom moves along a line of its own."""

    stimulus: str = "tiny/uneven"
    split: str = "train"
    category: str = "nature"
    width_px: int = 480
    height_px: int = 270
    times_s: np.ndarray = field(default_factory=lambda: np.array(VARIABLE_S))
    rate: Fraction = Fraction(6)
    px_per_dva: float = 40.0
    observers: tuple[str, ...] = HOSTILE
    audio_presented: str = "told <b>so</b>"
    audio_rate_hz: int = 48000
    audio_channels: int = 1
    licence: str = "CC0-1.0"
    anchor: str = "start"
    noise: bool = False

    @property
    def n_frames(self) -> int:
        return self.times_s.size

    @property
    def duration_s(self) -> float:
        return float(self.n_frames / self.rate)

    @property
    def n_observers(self) -> int:
        return len(self.observers)

    @property
    def n_fixations(self) -> int:
        return len(self.fixations())

    @property
    def steps(self) -> np.ndarray:
        steps = np.full((150, 64), SILENCE, np.float32)
        steps[40:42] = 1.0
        return steps

    def fixations(self) -> pd.DataFrame:
        """Everybody in every frame but the last, where nobody looks, and the first observer not in frame 3."""
        rows = [
            (observer, frame, 30.03 + 100 * number + frame, 20.5 + 60 * number)
            for frame in range(self.n_frames - 1)
            for number, observer in enumerate(sorted(self.observers))
            if (number, frame) != (0, 3)
        ]
        return pd.DataFrame(rows, columns=["observer", "frame", "x_px", "y_px"])

    def jpegs(self, start: int, stop: int) -> list[memoryview]:
        return [memoryview(simplejpeg.encode_jpeg(self._picture(frame), 92, "RGB")) for frame in range(start, stop)]

    def _picture(self, frame: int) -> np.ndarray:
        if self.noise:
            return np.random.default_rng(frame).integers(0, 256, (256, 320, 3), np.uint8)
        return np.full((256, 320, 3), 20 * frame, np.uint8)
