"""From JPEG bytes to the normalised float pictures of a clip.

Conventions
-----------
Pictures are [frame, row, col, channel], RGB. A clip keeps this memory order all the way, because it is what the
decoder writes and what a 3-D convolution in channels-last layout reads: turning it takes about as long as decoding.
Normalised means (value / 255 − mean) / std per channel; without a normalisation, value / 255.
Pixel values become floats by one multiply and one subtract over rows of 3 × width numbers with the channel
constants tiled along them, which the processor does in wide vectors: 1.8 ms per clip of 16 × 256 × 320, against
4–10 ms for a look-up table in NumPy (measured in November 2026 on one core).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from pipeline.errors import UsageError, did_you_mean
from pipeline.export.reader import ShardSet

# Means and deviations on the scale 0 … 255, RGB.
NORMALISATIONS = {
    # DAVE and the 3D-ResNets: Kinetics pictures.
    "kinetics": ((110.63666788, 103.16065604, 96.29023126), (38.7568578, 37.88248729, 40.02898126)),
    # ViNet and torchvision: ImageNet's 0.485 0.456 0.406 and 0.229 0.224 0.225.
    "imagenet": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
}


class Normaliser:
    """Turn uint8 pictures into float32 ones.

    Parameters
    ----------
    name : str or None
        A key of `NORMALISATIONS`; None scales to 0 … 1.
    """

    def __init__(self, name: str | None):
        if name is not None and name not in NORMALISATIONS:
            raise UsageError(f"Unknown normalisation {name!r}.", remedy=did_you_mean(name, NORMALISATIONS))
        mean, std = NORMALISATIONS[name] if name is not None else ((0.0,) * 3, (255.0,) * 3)
        self._scale = (1 / np.array(std)).astype(np.float32)
        self._shift = (np.array(mean) / np.array(std)).astype(np.float32)

    def __call__(self, pictures: NDArray[np.uint8], rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Pick pictures by number (one may come several times) and normalise them into new memory."""
        _, height, width, channels = pictures.shape
        scale, shift = np.tile(self._scale, width), np.tile(self._shift, width)
        clip = np.empty((len(rows), height, width, channels), np.float32)
        for number, row in enumerate(rows):  # picture by picture stays in the cache
            if number and row == rows[number - 1]:
                clip[number] = clip[number - 1]
                continue
            wide = clip[number].reshape(height, width * channels)
            np.multiply(pictures[row].reshape(height, width * channels), scale, out=wide)
            wide -= shift
        return clip


def decode(jpegs: Sequence[memoryview], out: NDArray[np.uint8]) -> None:
    """Decode pictures into `out`, shape (n, height, width, 3).

    Pixel for pixel what `features.frames.decode_jpeg` gives, without its copies.

    Raises
    ------
    ValueError
        If one is not a JPEG, or of another size than `out`.
    """
    for number, jpeg in enumerate(jpegs):
        simplejpeg.decode_jpeg(jpeg, "RGB", fastdct=False, fastupsample=False, buffer=_sized(out, number, jpeg))


def new_pictures(jpeg: memoryview, n: int) -> NDArray[np.uint8]:
    """Room for n pictures of this JPEG's size."""
    height, width = simplejpeg.decode_jpeg_header(jpeg)[:2]
    return np.empty((n, height, width, 3), np.uint8)


def _sized(out: NDArray[np.uint8], number: int, jpeg: memoryview) -> NDArray[np.uint8]:
    size = simplejpeg.decode_jpeg_header(jpeg)[:2]
    if size != out.shape[1:3]:  # the decoder would fill part of a larger buffer without a word
        raise ValueError(
            f"a picture is {size[0]} x {size[1]} px (height x width), the others {out.shape[1]} x {out.shape[2]}"
        )
    return out[number]


class SegmentPictures:
    """The pictures of one sample, each decoded when it is first asked for and never again.

    Parameters
    ----------
    shards : ShardSet
    number : int
        The sample's number in the set.
    before : SegmentPictures, optional
        The sample before it, whose last pictures are the first of this one if both are of one stimulus.
    """

    def __init__(self, shards: ShardSet, number: int, before: SegmentPictures | None = None):
        self._shards, self._number = shards, number
        self._pictures: NDArray[np.uint8] | None = None
        self._facts = shards.head(number).facts
        self._decoded = np.zeros(shards.head(number).n_stored, bool)
        if before is not None:
            self._take_over(before)

    def get(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Stored frames start … stop − 1 as a view, shape (stop − start, height, width, 3)."""
        missing = start + np.flatnonzero(~self._decoded[start:stop])
        if len(missing):
            first, last = int(missing[0]), int(missing[-1]) + 1
            jpegs = self._shards.jpegs(self._number, first, last)
            if self._pictures is None:
                self._pictures = new_pictures(jpegs[0], len(self._decoded))
            decode(jpegs, self._pictures[first:last])
            self._decoded[first:last] = True
        assert self._pictures is not None  # the first call always finds something missing
        return self._pictures[start:stop]

    def _take_over(self, before: SegmentPictures) -> None:
        """Copy what the sample before has decoded of this one's lead-in."""
        if before._pictures is None or before._facts.stimulus != self._facts.stimulus:
            return
        first, first_before = (facts.first_frame - facts.n_lead_in for facts in (self._facts, before._facts))
        offset = first - first_before
        shared = len(before._decoded) - offset
        if 0 < shared <= len(self._decoded) and offset >= 0:
            self._pictures = np.empty((len(self._decoded), *before._pictures.shape[1:]), np.uint8)
            self._pictures[:shared] = before._pictures[offset:]
            self._decoded[:shared] = before._decoded[offset:]
