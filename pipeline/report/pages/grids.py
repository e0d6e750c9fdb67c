"""Tables as blocks: of runs (`evaluate.analysis.summary.Table`), or of any rows.

Conventions
-----------
What is printed is the same in HTML, Markdown and LaTeX; CSV has all digits. A dash stands for no value. A column of
published numbers says so in its heading, in every form.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline.evaluate.analysis import rendering
from pipeline.evaluate.analysis.summary import Table
from pipeline.report.pages.blocks import Cell, Grid

NONE = "–"
PUBLISHED = "published"

Row = tuple[Cell, ...]


@dataclass(frozen=True)
class Column:
    """How a column is printed.

    Attributes
    ----------
    key : str
        Of the rows.
    title : str
    form : str
        As `format` takes it; empty for words, which stand at the left.
    interval : tuple of two keys, optional
        Printed behind the number, in brackets, in the same form.
    published : bool
        Whether the numbers are somebody else's.
    """

    key: str
    title: str
    form: str = ""
    interval: tuple[str, str] | None = None
    published: bool = False

    @property
    def heading(self) -> str:
        """With the mark of a published number."""
        return f"{self.title} ({PUBLISHED})" if self.published else self.title

    def cell(self, row: Any) -> Cell:
        """As printed."""
        text, interval = printed(row[self.key], self.form), ""
        if self.interval and all(pd.notna(row[key]) for key in self.interval):
            low, high = (printed(row[key], self.form) for key in self.interval)
            interval = f"[{low}, {high}]"
        return Cell(text, interval, left=not self.form, published=self.published)


def printed(value: Any, form: str = "") -> str:
    """A value as printed: a dash for none, no sign before zero.

    Examples
    --------
    >>> printed(float("nan"), ".2f"), printed(-0.001, "+.2f"), printed(1234, ",d")
    ('–', '0.00', '1,234')
    """
    if value is None or value == "" or (isinstance(value, float) and pd.isna(value)):
        return NONE
    if not form:
        return str(value)
    text = format(int(value) if form.endswith("d") else float(value), form)
    return text.lstrip("+-") if text.strip("+-0.,") == "" else text


def of_runs(name: str, table: Table, notes: Sequence[str] = (), *, folded: bool = False) -> Grid:
    """A table of runs, as `evaluate.analysis.rendering` prints it; rows of one scope are a group."""
    head = [Cell(title, left=place < len(table.names)) for place, title in enumerate(rendering.titles_of(table))]
    rows = [(line.names[0], _of_line(line)) for line in rendering.lines_of(table)]
    groups = tuple(tuple(row for _, row in group) for _, group in itertools.groupby(rows, key=lambda row: row[0]))
    said = (*rendering.header(table), *notes)
    files = {
        f"{name}.md": rendering.to_markdown(table),
        f"{name}.tex": rendering.to_latex(table),
        f"{name}.csv": rendering.to_csv(table),
    }
    return Grid(name, table.title, tuple(head), groups, said, files, folded, table.names.index("run"))


def _of_line(line: rendering.Line) -> Row:
    cells = [
        Cell(cell.mean, " ".join(part for part in (cell.interval, cell.fewer) if part), cell.is_best)
        for cell in line.cells.values()
    ]
    return (*(Cell(name, left=True) for name in line.names), Cell(str(line.videos)), Cell(str(line.frames)), *cells)


def of_rows(
    name: str,
    title: str,
    rows: pd.DataFrame,
    columns: Sequence[Column],
    notes: Sequence[str] = (),
    *,
    group: str = "",
    folded: bool = False,
    named: str = "",
) -> Grid:
    """Any rows as a table; `group`: the column whose equal neighbours belong together; `named`: what names a row."""
    head = tuple(Cell(column.heading, left=not column.form, published=column.published) for column in columns)
    made = [(row[group] if group else None, tuple(column.cell(row) for column in columns)) for row in _dicts(rows)]
    groups = tuple(tuple(row for _, row in part) for _, part in itertools.groupby(made, key=lambda row: row[0]))
    files = {
        f"{name}.md": _markdown(title, head, groups, notes),
        f"{name}.tex": _latex(title, head, groups, notes),
        f"{name}.csv": str(rows.to_csv(index=False, lineterminator="\n")),
    }
    place = [column.key for column in columns].index(named) if named else 0
    return Grid(name, title, head, groups, tuple(notes), files, folded, place)


def _dicts(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in rows.to_dict("records")]


def _markdown(title: str, head: Row, groups: Sequence[Sequence[Row]], notes: Sequence[str]) -> str:
    text = rendering.escape_markdown
    grid = [_texts(head, text), [":--" if cell.left else "--:" for cell in head]]
    grid += [_texts(row, text) for group in groups for row in group]
    lines = [f"# {text(title)}", "", *(f"* {text(note)}" for note in notes), *([""] if notes else [])]
    return "\n".join([*lines, *(f"| {' | '.join(cells)} |" for cells in grid)]) + "\n"


def _latex(title: str, head: Row, groups: Sequence[Sequence[Row]], notes: Sequence[str]) -> str:
    caption = rendering.escape_latex(" ".join([f"{title}.", *notes]))
    body = [rf"{' & '.join(_texts(row, _tex)) + ' '}\\" for group in groups for row in group]
    ends = itertools.accumulate(len(group) for group in groups)
    for place in sorted(list(ends)[:-1], reverse=True):
        body.insert(place, r"\addlinespace")
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{caption}}}",
            rf"\begin{{tabular}}{{{''.join('l' if cell.left else 'r' for cell in head)}}}",
            r"\toprule",
            " & ".join(_texts(head, rendering.escape_latex)) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _tex(text: str) -> str:
    """Of a number with the minus of a number."""
    escaped = rendering.escape_latex(text)
    return escaped.translate(rendering.LATEX_NUMBERS) if text.lstrip("[-+")[:1].isdigit() else escaped


def _texts(row: Row, escape: Callable[[str], str]) -> list[str]:
    return [escape(cell.words) for cell in row]
