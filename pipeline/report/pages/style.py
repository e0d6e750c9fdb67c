"""One style for every drawing, and the same drawing for a dark page.

Conventions
-----------
Colours are drawn from `LIGHT`; the dark drawing is the light one with each colour replaced by its neighbour in `DARK`,
so both show the same. Runs differ in dash and marker, too. Text stays text. The same data give the same bytes with the
same matplotlib. Drawings are small, so that their text can be read at 360 px.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pandas as pd

from pipeline.report.pages.blocks import Figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

INK, QUIET, RULE = "#1c2331", "#515c6e", "#d3d8e1"
SERIES = ("#0b5cad", "#b4460c", "#17743a", "#7c34a6", "#806000", "#b81f5c", "#0a727c", "#5a5f6a")
LIGHT = (INK, QUIET, RULE, *SERIES)
DARK = (
    *("#e8ebf1", "#aeb7c6", "#414b5c"),
    *("#74b3ff", "#ff9d62", "#6bd08c", "#cf9bf2", "#e2c04a", "#ff8ab4", "#57d0da", "#b9bec9"),
)
DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)))
MARKERS = "osD^vPX*"
WIDTH_IN = 5.0
PX_PER_IN = 96

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "ave",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "path.simplify_threshold": 0.5,
}


@contextmanager
def drawing(height_in: float, width_in: float = WIDTH_IN) -> Iterator[Drawing]:
    """An empty drawing in the shared style; what is drawn on it belongs into the `with`."""
    import matplotlib
    from matplotlib.figure import Figure as Drawing

    with matplotlib.rc_context(_STYLE):
        yield Drawing(figsize=(width_in, height_in), layout="constrained")


def look(number: int) -> dict[str, Any]:
    """Colour, dash and marker of the run with this number; they begin again after eight."""
    place = number % len(SERIES)
    return {"color": SERIES[place], "linestyle": DASHES[place], "marker": MARKERS[place]}


def figure(name: str, caption: str, alt: str, drawn: Drawing, numbers: pd.DataFrame) -> Figure:
    """A block of a drawing and the numbers behind it; call it inside the `with` of `drawing`."""
    light = svg_of(drawn)
    files = {f"{name}.svg": light, f"{name}-dark.svg": in_the_dark(light)}
    files[f"{name}.csv"] = str(numbers.to_csv(index=False, lineterminator="\n"))
    width, height = (round(float(length) * PX_PER_IN) for length in drawn.get_size_inches())
    return Figure(name, caption, alt, (width, height), files)


def svg_of(drawn: Drawing) -> str:
    """The drawing as SVG, without day or program."""
    out = io.StringIO()
    drawn.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = re.sub(
        r"(\d\.\d{2})\d+", r"\1", out.getvalue()
    )  # a hundredth of a point is enough, and a third of the bytes
    return text.replace("'DejaVu Sans', 'Bitstream Vera Sans',", "")


def in_the_dark(svg: str) -> str:
    """The same for a dark page."""
    pairs = dict(zip(LIGHT, DARK, strict=True))
    return re.sub("|".join(pairs), lambda found: pairs[found[0]], svg)
