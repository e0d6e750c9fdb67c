"""Contact sheets: one picture per stimulus that lets a person see whether everything belongs together.

Conventions
-----------
A column is a frame. From top to bottom: the frame as shown, with the fixations of that frame, one colour per
observer; its fixation density map laid over it; its log-mel example on the soundtrack's clock, low bands at the
bottom. All log-mel examples of a sheet share one colour scale; each density map has its own.
Read through `pipeline.Corpus` alone: what a sheet shows is what a user gets.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.signals.audio import ANCHORS, BANDS, HOP_S, MEL_MAX_HZ, MEL_MIN_HZ, SILENCE
from pipeline.store.job import Job

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pipeline.corpus import Stimulus

COLUMN_WIDTH_IN, LOGMEL_HEIGHT_IN, HEAD_HEIGHT_IN = 3.1, 1.7, 0.75
MAX_PICTURE_HEIGHT_IN = 2.9  # of portrait video
MIN_WIDTH_IN = 8.5  # room for the head lines
DPI = 100
SMALL_PT, TEXT_PT, TITLE_PT = 9, 10, 14
DENSITY_SIZE = (64, 80)  # finer than the 32 × 40 that models learn, and still quick
TICKS_HZ = (250, 500, 1000, 2000, 4000, 7000)


def build_item(job: Job) -> dict[str, Any]:
    """Stage function: draw the contact sheet of every admitted stimulus of a store.

    Parameters
    ----------
    job : Job
        `values["store"]` names the store whose published corpus is read.

    Returns
    -------
    facts : dict
        `n_sheets`; the sheets are `<corpus>/<name>.png`.
    """
    from pipeline.corpus import Corpus

    corpus = Corpus(job.values["store"])
    stimuli = sorted(corpus.stimuli["stimulus"])
    for stimulus in stimuli:
        contact_sheet(corpus[stimulus], job.out / f"{stimulus}.png")
    return {"n_sheets": len(stimuli)}


def contact_sheet(stimulus: Stimulus, out_png: Path, n_columns: int = 4) -> None:
    """Draw one stimulus's contact sheet into a PNG file.

    Parameters
    ----------
    stimulus : Stimulus
        As `pipeline.Corpus` gives it.
    out_png : Path
        Folders are made where absent. The same stimulus gives the same bytes with the same matplotlib.
    n_columns : int
        Frames to show, spread evenly over the stimulus, > 0.

    Raises
    ------
    ValueError
        If `n_columns` is not positive.
    """
    figure = draw_sheet(stimulus, n_columns)
    out_png.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out_png, dpi=DPI, metadata={"Software": None})


def draw_sheet(stimulus: Stimulus, n_columns: int = 4) -> Figure:
    """Draw one stimulus's contact sheet as a matplotlib figure: three rows of axes, one column a frame.

    Parameters
    ----------
    stimulus : Stimulus
    n_columns : int
        Frames to show, > 0; fewer where the stimulus has fewer.

    Raises
    ------
    ValueError
        If `n_columns` is not positive.
    """
    if n_columns < 1:
        raise ValueError(f"n_columns is {n_columns}; a contact sheet needs at least one.")
    frames = chosen_frames(stimulus.n_frames, n_columns)
    fixations = stimulus.fixations()
    colours = _observer_colours(fixations["observer"])
    examples = {frame: stimulus.logmel(frame, frame + 1)[0] for frame in frames}
    loudest = max(SILENCE + 1, *(float(example.max()) for example in examples.values()))
    figure, axes = _layout(stimulus, len(frames))
    for column, frame in enumerate(frames):
        picture = stimulus.frames(frame, frame + 1)[0]
        here = fixations[fixations["frame"] == frame]
        time_s = float(stimulus.times_s[frame])
        _draw_fixations(axes[0, column], stimulus, picture, here, colours)
        axes[0, column].set_title(f"frame {frame}  ·  {time_s:.2f} s", fontsize=TEXT_PT)
        _draw_density(axes[1, column], stimulus, picture, stimulus.density(frame, size=DENSITY_SIZE))
        begins_s = (round(time_s / HOP_S) - ANCHORS[stimulus.anchor]) * HOP_S
        image = _draw_logmel(axes[2, column], examples[frame], begins_s, loudest)
    _label(figure, axes, image)
    return figure


def chosen_frames(n_frames: int, n_columns: int) -> list[int]:
    """Frames in the middle of equal parts of a stimulus, never one twice.

    Examples
    --------
    >>> chosen_frames(100, 4)
    [12, 37, 62, 87]
    >>> chosen_frames(2, 4)
    [0, 1]
    """
    return sorted({int((column + 0.5) * n_frames / n_columns) for column in range(n_columns)})


def _layout(stimulus: Stimulus, n_columns: int) -> tuple[Figure, np.ndarray]:
    """An empty sheet with its head lines: three rows of axes whose heights fit the picture's shape."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    picture_in = min(COLUMN_WIDTH_IN * stimulus.height_px / stimulus.width_px, MAX_PICTURE_HEIGHT_IN)
    heights = (picture_in, picture_in, LOGMEL_HEIGHT_IN)
    size_in = (max(COLUMN_WIDTH_IN * n_columns + 1.2, MIN_WIDTH_IN), sum(heights) + HEAD_HEIGHT_IN + 0.9)
    below_head = ConstrainedLayoutEngine(rect=(0, 0, 1, 1 - HEAD_HEIGHT_IN / size_in[1]))
    figure = Figure(figsize=size_in, layout=below_head, facecolor="white")
    axes = figure.subplots(3, n_columns, squeeze=False, height_ratios=heights)
    left, top = 0.15 / size_in[0], 1 - 0.12 / size_in[1]
    figure.text(left, top, stimulus.stimulus, fontsize=TITLE_PT, fontweight="bold", va="top")
    figure.text(left, 1 - 0.44 / size_in[1], _describe(stimulus), fontsize=TEXT_PT, va="top", color="0.3")
    return figure, axes


def _describe(stimulus: Stimulus) -> str:
    """One line of what a reader wants to know first."""
    rate = stimulus.rate
    rate_text = str(rate.numerator) if rate.denominator == 1 else f"{rate.numerator}/{rate.denominator}"
    return "  ·  ".join(
        [
            stimulus.split,
            stimulus.category,
            f"{stimulus.n_observers} observers",
            f"{stimulus.n_frames} frames at {rate_text}/s, {stimulus.duration_s:.1f} s",
            f"{stimulus.width_px} × {stimulus.height_px} px",
            f"{stimulus.px_per_dva:g} px per degree",
        ]
    )


def _observer_colours(observers: Any) -> dict[str, Any]:
    """A colour for every observer of the stimulus, the same in all its frames."""
    import matplotlib

    names = sorted(observers.unique())
    hues = matplotlib.colormaps["hsv"](np.linspace(0, 1, len(names), endpoint=False))
    return dict(zip(names, hues, strict=True))


def _draw_picture(axes: Axes, stimulus: Stimulus, picture: np.ndarray, **how: Any) -> None:
    """Show a stored frame in the video's own shape, with video pixels as coordinates."""
    axes.imshow(picture, extent=(0, stimulus.width_px, stimulus.height_px, 0), interpolation="bilinear", **how)
    axes.set(xlim=(0, stimulus.width_px), ylim=(stimulus.height_px, 0), xticks=[], yticks=[])


def _draw_fixations(
    axes: Axes, stimulus: Stimulus, picture: np.ndarray, fixations: Any, colours: dict[str, Any]
) -> None:
    """The frame and, on it, where each observer looked."""
    _draw_picture(axes, stimulus, picture)
    chosen = [colours[observer] for observer in fixations["observer"]]
    axes.scatter(fixations["x_px"], fixations["y_px"], s=26, c=chosen, edgecolors="black", linewidths=0.8)
    axes.set_xlabel(f"{len(fixations)} fixations" if len(fixations) else "no fixations", fontsize=SMALL_PT)


def _draw_density(axes: Axes, stimulus: Stimulus, picture: np.ndarray, density: np.ndarray) -> None:
    """The frame in grey, dimmed, and the density laid over it, opaque where it is highest."""
    grey = picture.mean(axis=-1)
    _draw_picture(axes, stimulus, grey, cmap="gray", vmin=0, vmax=400)
    peak = float(density.max())
    if peak > 0:
        share = density / peak
        extent = (0, stimulus.width_px, stimulus.height_px, 0)
        axes.imshow(share, extent=extent, cmap="inferno", alpha=share**0.6, interpolation="bilinear", vmin=0, vmax=1)


def _draw_logmel(axes: Axes, example: np.ndarray, begins_s: float, loudest: float) -> Any:
    """A log-mel example, time to the right and bands upwards; returns the image, for the scale beside it."""
    n_steps, n_bands = example.shape
    extent = (begins_s, begins_s + n_steps * HOP_S, 0, n_bands)
    image = axes.imshow(
        example.T, extent=extent, origin="lower", aspect="auto", cmap="magma", vmin=SILENCE, vmax=loudest
    )
    axes.set_yticks([band_of(hz, n_bands) for hz in TICKS_HZ], [f"{hz / 1000:g}" for hz in TICKS_HZ])
    axes.set_xticks(begins_s + 0.2 * np.arange(4))
    axes.xaxis.set_major_formatter("{x:.2f}")
    axes.tick_params(labelsize=SMALL_PT)
    axes.set_xlabel("time on the soundtrack, s", fontsize=SMALL_PT)
    return image


def band_of(frequency_hz: float, n_bands: int = BANDS) -> float:
    """Where a frequency lies on an axis of mel bands, band i being drawn from i to i + 1.

    Band centres are evenly spaced on the HTK mel scale, the ends of the scale half a band outside.

    Examples
    --------
    >>> band_of(125), band_of(7500)
    (-0.5, 64.5)
    """
    low, here, high = (math.log10(1 + hz / 700) for hz in (MEL_MIN_HZ, frequency_hz, MEL_MAX_HZ))
    return (n_bands + 1) * (here - low) / (high - low) - 0.5


def _label(figure: Figure, axes: np.ndarray, image: Any) -> None:
    """Say at the left what each row is, and at the right what the log-mel colours mean."""
    for row, text in enumerate(("fixations", "fixation density", "log-mel, kHz")):
        axes[row, 0].set_ylabel(text, fontsize=TEXT_PT)
    for others in axes[2, 1:]:
        others.set_yticklabels([])
    figure.align_ylabels(axes[:, 0])
    scale = figure.colorbar(image, ax=list(axes[2]), pad=0.01, aspect=12)
    scale.ax.tick_params(labelsize=SMALL_PT)
    scale.set_label("log(mel + 0.01)", fontsize=SMALL_PT)
