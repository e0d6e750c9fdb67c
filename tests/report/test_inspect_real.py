"""Pages of real videos, as long as the longest of the corpora: below the limit, and what it costs is said."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import simplejpeg

from pipeline.report.inspect import LIMIT_BYTES, inspect_page
from pipeline.signals.media import read_frames, read_soundtrack
from tests.report.shown import Shown

N_FRAMES = 4000  # at 30 a second somewhat more than the longest of DIEM
SHARE = 16  # of the frames and of the limit: all of them would take ten seconds and show the same
FIXED_BYTES = 50_000  # markup, scripts and what a page may say: they do not grow with the frames


@dataclass(frozen=True)
class Filmed(Shown):
    """The frames of a video, over and over, as a stimulus of 1280 × 720 px."""

    pictures: Sequence[bytes] = field(default=(), repr=False)
    width_px: int = 1280
    height_px: int = 720

    def jpegs(self, start: int, stop: int) -> list[memoryview]:
        return [memoryview(self.pictures[frame % len(self.pictures)]) for frame in range(start, stop)]


@pytest.mark.parametrize("name", ["animation_bunny_surround_1280x720.mp4", "animal_dog_1920x1080.mp4"])
def test_a_page_of_four_thousand_frames_would_stay_below_the_limit(shared_data: Path, name: str) -> None:
    n_frames, limit = N_FRAMES // SHARE, LIMIT_BYTES // SHARE + FIXED_BYTES
    with read_frames(shared_data / "videos" / name) as stream:
        pictures = [
            simplejpeg.encode_jpeg(np.ascontiguousarray(picture), 92, "RGB")
            for _, (_, picture) in zip(range(n_frames), stream, strict=False)
        ]
    samples, rate_hz = read_soundtrack(shared_data / "videos" / name)
    shown = Filmed(times_s=np.arange(n_frames) / 30, rate=Fraction(30), pictures=pictures)
    heard = (np.resize(samples, n_frames * rate_hz // 30), rate_hz)
    page = inspect_page(shown, sound=heard, limit_bytes=limit)  # type: ignore[arg-type]
    assert page.n_bytes < limit
    kept = re.search(r"One picture in (\d+) is kept", page.left_out[0])
    assert kept is None or int(kept[1]) <= 8, kept[0]  # some four pictures a second of the busiest
    assert any("kHz" in note for note in page.left_out)
