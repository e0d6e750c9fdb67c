"""A table of runs as a Markdown page, a LaTeX table or a CSV file: three times the same numbers.

Conventions
-----------
Markdown and LaTeX have a line a run and a column a metric: mean [low, high], with the decimals of `DECIMALS`; the best
means of a scope, as printed, are bold. A dash stands for no score. CSV is long, one line a number, with all digits, and
no bold: it holds what the others round. Every form says the protocol, the averaging rule and what was counted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from pipeline.evaluate.analysis.pairing import sign_of
from pipeline.evaluate.analysis.summary import Table
from pipeline.evaluate.score_table import AVERAGES, METRICS, OVERALL

DECIMALS = {"nss": 2, "auc_judd": 3, "sauc": 3, "cc": 3, "sim": 3, "kld": 2, "ig": 2, "auc_borji": 3, "emd": 2}
TITLES = {"mep": "MEP"}  # of columns that name a row; the others are their own title
COUNTS = ("videos", "frames")

_MATHS = ("sigma", "varepsilon", "Sigma", "pm", "mp", "leq", "geq", "approx", "rightarrow")
LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "–": "--",
    "×": r"$\times$",
    "−": "$-$",
    **{mark: f"$\\{name}$" for mark, name in zip("σεΣ±∓≤≥≈→", _MATHS, strict=True)},
    **{mark: f"\\{mark}" for mark in "{}$&#%_"},
}
LATEX_NUMBERS = str.maketrans({"-": "$-$", "–": "--"})  # a minus, not a hyphen
MARKDOWN = re.compile(r"[\\|*`<\[\]]|(?<![^\W_])_|_(?![^\W_])")  # an underscore inside a word is one already


@dataclass(frozen=True)
class Line:
    """One line of a table: what names it, how many videos and frames it is of, and the cell of each metric."""

    names: tuple[str, ...]
    videos: int
    frames: int
    cells: dict[str, Cell]


@dataclass(frozen=True)
class Cell:
    """A mean as printed, its interval ("" where there is none), and what distinguishes it."""

    mean: str
    interval: str
    is_best: bool
    fewer: str  # "n = 7" where this metric has a score in fewer videos than its line

    def words(self, strong: str) -> str:
        """All of it; `strong` is what the best mean is set in."""
        mean = strong.format(self.mean) if self.is_best else self.mean
        return " ".join(part for part in (mean, self.interval, self.fewer) if part)


def to_markdown(table: Table) -> str:
    """A page: title, how the table was made, and the table.

    Returns
    -------
    page : str
        Ends with a line feed. Names are escaped, so that a bar or a star in one changes nothing.
    """
    titles, lines = titles_of(table), list(lines_of(table))
    grid = [titles, [":--" for _ in table.names] + ["--:" for _ in titles[len(table.names) :]]]
    for line in lines:
        names = [escape_markdown(name) for name in line.names]
        cells = [cell.words("**{}**") for cell in line.cells.values()]
        grid.append([*names, str(line.videos), str(line.frames), *cells])
    head = [f"# {escape_markdown(table.title)}", "", *(f"* {escape_markdown(said)}" for said in header(table))]
    return "\n".join([*head, "", *(f"| {' | '.join(row)} |" for row in grid)]) + "\n"


def to_latex(table: Table) -> str:
    """A floating table for a document that uses the package booktabs, caption and all.

    Returns
    -------
    source : str
        Ends with a line feed. Names are escaped.
    """
    titles, lines = titles_of(table), list(lines_of(table))
    columns = "l" * len(table.names) + "r" * (len(titles) - len(table.names))
    body, scope = [], lines[0].names[0] if lines else ""
    for line in lines:
        if line.names[0] != scope:
            body.append(r"\addlinespace")
        scope = line.names[0]
        names = [escape_latex(name) for name in line.names]
        cells = [cell.words(r"\textbf{{{}}}").translate(LATEX_NUMBERS) for cell in line.cells.values()]
        body.append(" & ".join([*names, str(line.videos), str(line.frames), *cells]) + r" \\")
    caption = " ".join([f"{table.title}.", *header(table)])
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escape_latex(caption)}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            " & ".join(map(escape_latex, titles)) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def to_csv(table: Table) -> str:
    """Comma-separated values, one line a number: what names it, then protocol, averaging rule, mean, interval, counts.

    Returns
    -------
    text : str
        A heading line, then the rows, each ended by a line feed. An empty cell stands for no score.
    """
    rows = table.rows.drop(columns="ranked")
    rows.insert(len(table.names), "protocol", table.protocol)
    rows.insert(len(table.names) + 1, "average", table.average)
    return str(rows.to_csv(index=False, lineterminator="\n"))


def header(table: Table) -> list[str]:
    """Sentences that say how a table was made and what was counted."""
    return [
        f"Protocol: {table.protocol}.",
        f"Average: {AVERAGES[table.average]}.",
        f"In brackets: {table.intervals}.",
        *_counted(table),
        "Bold: the best of its scope. ↑: more is better, ↓: less is better.",
        *table.remarks,
    ]


def _counted(table: Table) -> Iterator[str]:
    """What was scored and what was not; lines with the same counts share a sentence."""
    rows = table.rows[table.rows["scope"] == OVERALL]
    labels = rows[[name for name in table.names if name != "scope"]].astype(str).agg(" ".join, axis=1)
    kinds = ["without_fixations", "without_map"]
    counts = rows.assign(label=labels).groupby("label", sort=False)[[*COUNTS, *kinds]].max()
    for (videos, frames, blind, mapless), same in counts.groupby([*COUNTS, *kinds], sort=False):
        whose = "" if len(same) == len(counts) else f"{', '.join(same.index)}: "
        yield (
            f"{whose}{videos} videos; frames: {frames} scored, {blind} without fixations, {mapless} without a map "
            "(counted here, in no average)."
        )


def titles_of(table: Table) -> list[str]:
    """The headings of a printed table: what names a row, the counts, the metrics with an arrow to the better side."""
    arrows = {metric: "↑" if sign_of(metric) > 0 else "↓" for metric in METRICS}
    metrics = [f"{METRICS[metric][0]} {arrows[metric]}" for metric in dict.fromkeys(table.rows["metric"])]
    return [*(TITLES.get(name, name) for name in table.names), *COUNTS, *metrics]


def lines_of(table: Table) -> Iterator[Line]:
    """The rows of a table, one a run, in their order."""
    rows = table.rows.assign(printed=list(map(_number, table.rows["mean"], table.rows["metric"])))
    best = _best(rows)
    for names, own in rows.groupby(list(table.names), sort=False):
        videos, frames = int(own["videos"].max()), int(own["frames"].max())
        cells = {
            row.metric: Cell(
                mean=row.printed,
                interval=_interval(row.low, row.high, row.metric),
                is_best=bool(row.ranked) and row.printed == best.get((row.scope, row.metric)),
                fewer="" if row.videos in (0, videos) else f"(n = {row.videos})",
            )
            for row in own.itertuples()
        }
        yield Line(tuple(map(str, names)), videos, frames, cells)


def _best(rows: pd.DataFrame) -> dict[tuple[str, str], str]:
    """The best printed mean of each scope and metric, where there is more than one to choose from."""
    found = {}
    ranked = rows[rows["ranked"] & rows["mean"].notna()]
    for (scope, metric), own in ranked.groupby(["scope", "metric"]):
        if len(own) > 1:
            found[scope, metric] = own.loc[(sign_of(metric) * own["mean"]).idxmax(), "printed"]
    return found


def _number(value: float, metric: str) -> str:
    """With the metric's decimals; a dash for none, and never a minus before nothing but zeros."""
    if math.isnan(value):
        return "–"
    text = f"{value:.{DECIMALS[metric]}f}"
    return text.lstrip("-") if float(text) == 0 else text


def _interval(low: float, high: float, metric: str) -> str:
    return "" if math.isnan(low) else f"[{_number(low, metric)}, {_number(high, metric)}]"


def escape_markdown(text: str) -> str:
    """Text for a cell of a Markdown table: on one line, with its marks escaped."""
    return MARKDOWN.sub(r"\\\g<0>", " ".join(text.split()))


def escape_latex(text: str) -> str:
    """Text for a LaTeX document: on one line, with its marks escaped."""
    return "".join(LATEX.get(mark, mark) for mark in " ".join(text.split()))
