"""The two pictures of a moment: the frame as it is stored, and the log-mel example that belongs to it.

Conventions
-----------
A stored frame may be squeezed (256 × 320 whatever the video's shape): it is sent as it is, and the page stretches it to
the shape of the video. The log-mel picture has time to the right and low bands at the bottom; black is silence, the
brightest colour the loudest that was found in the stimulus.
"""

from __future__ import annotations

import io

import numpy as np
import simplejpeg
from PIL import Image

from pipeline.corpus import Stimulus
from pipeline.signals.audio import SILENCE

QUALITY = 92  # of the JPEG; the stored one has the same
MOMENTS = 32  # of a stimulus, looked at to find out how loud it gets


def frame_jpeg(stimulus: Stimulus, frame: int) -> bytes:
    """One frame as a JPEG of the stored size."""
    picture = stimulus.frames(frame, frame + 1)[0]
    return simplejpeg.encode_jpeg(np.ascontiguousarray(picture), QUALITY, "RGB", "444", fastdct=False)


def logmel_png(stimulus: Stimulus, frame: int) -> bytes:
    """The frame's log-mel example as a PNG, a pixel for each step and band."""
    import matplotlib

    example = stimulus.logmel(frame, frame + 1)[0]
    loudest = max(SILENCE + 1, _loudest(stimulus), float(example.max()))
    share = (example.T[::-1] - SILENCE) / (loudest - SILENCE)
    colours = matplotlib.colormaps["magma"](share.clip(0, 1), bytes=True)[..., :3]
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(colours)).save(file, "PNG")
    return file.getvalue()


def _loudest(stimulus: Stimulus) -> float:
    """The highest value in examples spread evenly over a stimulus."""
    moments = np.unique(np.linspace(0, stimulus.n_frames - 1, MOMENTS).astype(int))
    return max(float(stimulus.logmel(frame, frame + 1).max()) for frame in moments.tolist())
