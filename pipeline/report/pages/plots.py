"""The drawings of a report, each with the numbers it draws.

Conventions
-----------
A function takes a table and returns a block; the table goes into the CSV as it is. Bands and bars are bootstrap
intervals over videos unless the caption says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.evaluate.score_table import METRICS, OVERALL
from pipeline.report.pages.blocks import Figure
from pipeline.report.pages.style import INK, QUIET, drawing, figure, look

MAX_BANDS = 8
LEGEND: dict[str, Any] = {"loc": "outside lower center", "ncols": 3, "fontsize": 9, "handlelength": 2.6}


def dots(name: str, rows: pd.DataFrame, runs: Sequence[str], metric: str, caption: str, alt: str) -> Figure:
    """Means with intervals, a line a run, a panel a scope; columns scope, run, mean, low, high."""
    scopes = list(dict.fromkeys(rows["scope"]))
    with drawing(0.9 + len(scopes) * (0.35 + 0.2 * len(runs))) as drawn:
        panels = drawn.subplots(len(scopes), 1, sharex=True, squeeze=False)[:, 0]
        for axes, scope in zip(panels, scopes, strict=True):
            own = rows[rows["scope"] == scope].set_index("run").reindex(runs)
            for place, (low, mean, high) in enumerate(zip(own["low"], own["mean"], own["high"], strict=True)):
                style = look(place)
                axes.plot([low, high], [place, place], color=style["color"], lw=2)
                axes.plot([mean], [place], marker=style["marker"], color=style["color"], ms=6)
            axes.set(
                ylim=(len(runs) - 0.4, -0.6), yticks=range(len(runs)), title="all videos" if scope == OVERALL else scope
            )
            axes.set_yticklabels(runs)
        panels[-1].set_xlabel(f"{METRICS[metric][0]}, mean and 95 % interval")
        return figure(name, caption, alt, drawn, rows)


def over_time(name: str, rows: pd.DataFrame, metric: str, caption: str, alt: str) -> Figure:
    """Mean and band over normalised time; columns run, time, mean, low, high."""
    runs = list(dict.fromkeys(rows["run"]))
    with drawing(3.6) as drawn:
        axes = drawn.subplots()
        for place, run in enumerate(runs):
            own, style = rows[rows["run"] == run], look(place)
            if place < MAX_BANDS:
                axes.fill_between(own["time"], own["low"], own["high"], color=style["color"], alpha=0.13, lw=0)
            axes.plot(own["time"], own["mean"], color=style["color"], linestyle=style["linestyle"], lw=1.4, label=run)
        axes.set(xlim=(0, 1), xlabel="normalised time (0 begin, 1 end of the video)", ylabel=METRICS[metric][0])
        drawn.legend(**LEGEND)
        return figure(name, caption, alt, drawn, rows)


def histogram(name: str, rows: pd.DataFrame, metric: str, caption: str, alt: str) -> Figure:
    """Distribution over frames, a step line a run; columns run, scope, low, high, density. Drawn: all videos."""
    with drawing(3.4) as drawn:
        axes = drawn.subplots()
        for place, (run, own) in enumerate(rows[rows["scope"] == OVERALL].groupby("run", sort=False)):
            style = look(place)
            edges = [*own["low"], own["high"].iloc[-1]]
            axes.stairs(own["density"], edges, color=style["color"], linestyle=style["linestyle"], lw=1.4, label=run)
        axes.set(xlabel=METRICS[metric][0], ylabel="density of frames")
        drawn.legend(**LEGEND)
        return figure(name, caption, alt, drawn, rows)


def maps(name: str, shown: Mapping[str, NDArray], caption: str, alt: str) -> Figure:
    """Maps side by side on one scale: how many times as dense as if gaze were spread evenly."""
    rows = -(-len(shown) // 2)
    relative = {title: cells * cells.size for title, cells in shown.items()}
    highest = max(float(cells.max()) for cells in relative.values())
    with drawing(1.75 * rows + 0.6) as drawn:
        panels = drawn.subplots(rows, 2, squeeze=False).ravel()
        for axes in panels[len(shown) :]:
            axes.set_axis_off()
        for axes, (title, cells) in zip(panels, relative.items(), strict=False):
            image = axes.imshow(cells, vmin=0, vmax=highest, cmap="viridis", interpolation="nearest")
            axes.set(xticks=[], yticks=[], title=title)
            axes.grid(False)
        scale = drawn.colorbar(image, ax=list(panels), orientation="horizontal", fraction=0.06, aspect=40)
        scale.set_label("times as dense as even gaze")
        return figure(name, caption, alt, drawn, _cells(shown))


def _cells(shown: Mapping[str, NDArray]) -> pd.DataFrame:
    """One line a cell: its row, its column, and the density in each map."""
    first = next(iter(shown.values()))
    row, column = (places.ravel() for places in np.indices(first.shape))
    return pd.DataFrame({"row": row, "column": column, **{title: cells.ravel() for title, cells in shown.items()}})


def training(name: str, curves: pd.DataFrame, caption: str, alt: str) -> Figure:
    """Losses above, the validation split's NSS below; columns as `curves.csv` of a run."""
    with drawing(4.4) as drawn:
        above, below = drawn.subplots(2, 1, sharex=True)
        for place, (route, own) in enumerate(curves.dropna(subset=["train_loss"]).groupby("route", sort=False)):
            above.plot(own["step"], own["train_loss"], color=look(place)["color"], lw=1, label=f"training, {route}")
        seen, style = curves.dropna(subset=["val_loss"]), look(1)
        above.plot(seen["step"], seen["val_loss"], color=style["color"], marker="s", lw=1, ls="--", label="validation")
        below.plot(seen["step"], seen["val_nss"], color=style["color"], marker="s", lw=1, ls="--")
        above.set_ylabel("loss")
        below.set(xlabel="step", ylabel="NSS on validation")
        above.legend(fontsize=9)
        return figure(name, caption, alt, drawn, curves)


def sound(name: str, rows: pd.DataFrame, caption: str, alt: str) -> Figure:
    """What the clips' own sound gains against each other sound; columns condition, gain, low, high."""
    with drawing(_height(rows)) as drawn:
        axes = _intervals(drawn, rows, "gain", list(rows["condition"]), "gain of the own sound in NSS, 95 % interval")
        axes.axvline(0, color=INK, lw=0.8)
        return figure(name, caption, alt, drawn, rows)


def share(name: str, rows: pd.DataFrame, caption: str, alt: str) -> Figure:
    """Share of frames on which one run beats another; columns a, b, share, low, high."""
    with drawing(_height(rows)) as drawn:
        pairs = [f"{a} > {b}" for a, b in zip(rows["a"], rows["b"], strict=True)]
        axes = _intervals(drawn, rows, "share", pairs, "share of frames, 95 % interval")
        axes.axvline(0.5, color=QUIET, lw=0.8)
        axes.set_xlim(0, 1)
        return figure(name, caption, alt, drawn, rows)


def _height(rows: pd.DataFrame) -> float:
    return 0.9 + 0.27 * len(rows)


def _intervals(drawn: Any, rows: pd.DataFrame, value: str, names: Sequence[str], title: str) -> Any:
    """A line from low to high for each row and a dot at its value; the first row on top."""
    axes = drawn.subplots()
    style, places = look(0), np.arange(len(rows))
    axes.hlines(places, rows["low"], rows["high"], color=style["color"], lw=2)
    axes.plot(rows[value], places, "o", color=style["color"], ms=6)
    axes.set(ylim=(len(rows) - 0.5, -0.5), yticks=places, xlabel=title)
    axes.set_yticklabels(names)
    return axes
