"""The pictures of a page: as stored where they fit, else smaller ones, else fewer of them.

Conventions
-----------
Sizes are (height, width). Frames count from 0. Budgets are bytes of the pictures themselves, before base64.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from pipeline.features.frames import decode_jpeg

if TYPE_CHECKING:
    from pipeline.corpus import Stimulus

# Heights and WebP qualities to try, best first. On two real videos they take 3.6, 2.7, 1.9, 1.4 and 1.1 kB a picture
# (1.1 to 0.3 of a cartoon); JPEG takes two to four times as much at the same numbers.
RUNGS = ((256, 70), (256, 45), (192, 45), (144, 45), (144, 30))
WANTED_HZ = 10.0  # pictures a second below which motion is hard to follow: rather smaller pictures than fewer
PROBED = 12  # frames that tell how large a rung's pictures are
MARGIN = 1.05
EFFORT = 3  # of the WebP encoder, 0 to 6: the next two take half as long again for 2 % fewer bytes


@dataclass(frozen=True)
class Pictures:
    """The pictures that a page holds: `frames[i]` is the frame that `images[i]` is of, the first is frame 0."""

    mime: str
    frames: list[int]
    images: list[bytes]
    note: str  # what was left out, in a sentence; empty where nothing was

    @property
    def n_bytes(self) -> int:
        """Bytes of all images."""
        return sum(map(len, self.images))


def choose_pictures(stimulus: Stimulus, budget_bytes: int) -> Pictures:
    """Every picture as stored where that fits, else re-encoded, and every n-th only where that is still too much.

    Parameters
    ----------
    stimulus : Stimulus
        With at least one frame.
    budget_bytes : int
        Not exceeded, save by a single picture that is larger.

    Returns
    -------
    pictures : Pictures
        Frames 0, n, 2 n …; re-encoded ones have the video's own shape, stored ones are stretched.
    """
    stored = [bytes(jpeg) for jpeg in stimulus.jpegs(0, stimulus.n_frames)]
    if sum(map(len, stored)) <= budget_bytes:
        return Pictures("image/jpeg", list(range(len(stored))), stored, "")
    shape = stimulus.width_px / stimulus.height_px
    height, quality, step = _choose_rung(stored, shape, stimulus.duration_s, budget_bytes)
    while True:
        frames = list(range(0, len(stored), step))
        images = [encode_webp(stored[frame], height, shape, quality) for frame in frames]
        if sum(map(len, images)) <= budget_bytes or len(frames) == 1:
            return Pictures("image/webp", frames, images, _in_words(height, shape, quality, step, stimulus.duration_s))
        step += 1  # the probed ones were smaller than most


def encode_webp(jpeg: bytes, height: int, shape: float, quality: int) -> bytes:
    """A stored picture as WebP, unstretched: `height` pixels high, `shape` (width by height) times as wide."""
    picture = Image.fromarray(decode_jpeg(jpeg)).resize(
        (max(1, round(height * shape)), height), Image.Resampling.LANCZOS
    )
    target = io.BytesIO()
    picture.save(target, "WEBP", quality=quality, method=EFFORT)
    return target.getvalue()


def _choose_rung(stored: Sequence[bytes], shape: float, duration_s: float, budget_bytes: int) -> tuple[int, int, int]:
    """Height, quality and step: the first rung that allows `WANTED_HZ`, or the last as often as it fits."""
    probed = stored[:: max(1, len(stored) // PROBED)]
    for height, quality in RUNGS:
        mean_bytes = sum(len(encode_webp(jpeg, height, shape, quality)) for jpeg in probed) / len(probed)
        step = max(1, math.ceil(len(stored) * mean_bytes * MARGIN / max(budget_bytes, 1)))
        if step == 1 or len(stored) / step >= WANTED_HZ * duration_s:
            break
    return height, quality, min(step, len(stored))


def _in_words(height: int, shape: float, quality: int, step: int, duration_s: float) -> str:
    size = f"{round(height * shape)} × {height} px, WebP quality {quality}"
    if step == 1:
        return f"Every frame has its picture, re-encoded to {size}."
    return (
        f"One picture in {step} is kept, re-encoded to {size}; between two of them the earlier one stays, and the page "
        "says whose it is. Fixations, density and sound are those of every frame."
    )
