"""Sample frames as pictures: the frame with its fixations, the truth and each prediction laid over it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.evaluate.score_table import METRICS
from pipeline.report.pages.blocks import Gallery, Picture
from pipeline.report.pages.data import Sample

JPEG_QUALITY = 80
MARK_PX, RIM_PX = 3.0, 5.0  # radius of a fixation's disc, and of the dark rim around it
TRUTH = "truth"


def gallery(sample: Sample, metric: str) -> Gallery:
    """The pictures of one frame, their caption, and a table of what they show."""
    name = f"sample-{_safe(sample.stimulus)}-{sample.frame}"
    pictures, files, rows = [], {}, []
    for number, (panel, words, pixels) in enumerate(_panels(sample, metric)):
        file = f"{name}-{number}-{_safe(panel)}.jpg"
        files[file] = _jpeg(pixels)
        alt = f"{sample.stimulus}, frame {sample.frame}, {words}"
        pictures.append(Picture(file, alt, words, (pixels.shape[1], pixels.shape[0])))
        score = sample.scores.get(panel, np.nan)
        facts = {"stimulus": sample.stimulus, "frame": sample.frame, "fixations": len(sample.points)}
        rows.append({**facts, "panel": panel, metric: score, "file": file})
    caption = f"{sample.stimulus}, frame {sample.frame}: {sample.why}."
    numbers = str(pd.DataFrame(rows).to_csv(index=False, lineterminator="\n"))
    return Gallery(name, caption, tuple(pictures), {**files, f"{name}.csv": numbers})


def _panels(sample: Sample, metric: str) -> Iterator[tuple[str, str, NDArray[np.uint8]]]:
    """Name, words and pixels of each picture."""
    yield "frame", f"{len(sample.points)} fixations", marked(sample.picture, sample.points)
    yield TRUTH, f"{TRUTH}: fixation density", overlaid(sample.picture, sample.density)
    for run, saliency in sample.maps.items():
        score = sample.scores.get(run)
        words = run if score is None or np.isnan(score) else f"{run}: {METRICS[metric][0]} {score:.2f}"
        yield run, words, overlaid(sample.picture, saliency)


def marked(picture: NDArray, points: NDArray) -> NDArray[np.uint8]:
    """The frame with a light disc and a dark rim at each fixation.

    Parameters
    ----------
    picture : ndarray, shape (height, width, 3), uint8
    points : ndarray, shape (n, 2)
        (x, y) in shares of the picture.
    """
    height, width = picture.shape[:2]
    rows, columns = np.indices((height, width)) + 0.5
    out = picture.copy()
    distances = [np.hypot(columns - x * width, rows - y * height) for x, y in points]
    for limit, colour in ((RIM_PX, (0, 0, 0)), (MARK_PX, (255, 238, 80))):
        for distance in distances:
            out[distance <= limit] = colour
    return out


def overlaid(picture: NDArray, density: NDArray) -> NDArray[np.uint8]:
    """The frame in dim grey, and a map over it, opaque where it is highest.

    Parameters
    ----------
    picture : ndarray, shape (height, width, 3), uint8
    density : ndarray, shape (h, w)
        Not negative; all zeros show nothing.
    """
    import matplotlib
    from PIL import Image

    height, width = picture.shape[:2]
    grey = np.repeat(picture.mean(axis=2, keepdims=True) * 0.6, 3, axis=2)
    peak = float(density.max())
    if peak <= 0:
        return grey.astype(np.uint8)
    large = Image.fromarray((density / peak).astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR)
    share = np.asarray(large)[..., None].clip(0, 1)
    colours = matplotlib.colormaps["inferno"](share[..., 0])[..., :3] * 255
    weight = share**0.6
    return (grey * (1 - weight) + colours * weight).round().astype(np.uint8)


def _safe(name: str) -> str:
    """A name as part of a file name."""
    return re.sub(r"[^\w.-]+", "-", name, flags=re.ASCII)


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()
