"""Maps from a video: its pictures, one after another, as grey maps at their own size.

Conventions
-----------
The first picture is frame 0, and every picture is one frame, whatever its time: the maps' clock is the frame number.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from numpy.typing import NDArray

from pipeline.evaluate.maps.read import to_grey
from pipeline.signals import media


def read_video(path: Path) -> Iterator[tuple[NDArray, bool]]:
    """Each picture of a video as a map uint8 [row, column], and whether it was in colour.

    Raises
    ------
    MediaError
        If it cannot be decoded to its end: see `media.read_frames`.
    """
    facts = media.probe(path)
    with media.read_frames(path, (facts.height_px, facts.width_px)) as stream:
        for _, picture in stream:
            yield to_grey(picture)
