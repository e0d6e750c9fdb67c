"""Markdown that a person reads and a program can compare: tables, cells, numbers.

Conventions
-----------
Numbers have their thousands apart and no more digits than there are; a bar inside a cell does not end it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table; columns of numbers stand right.

    Examples
    --------
    >>> print(table(("split", "stimuli"), [("train", 93)]))
    | split | stimuli |
    | :-- | --: |
    | train | 93 |
    """
    rows = [tuple(row) for row in rows]
    numeric = [bool(rows) and all(isinstance(row[k], (int, float)) for row in rows) for k in range(len(header))]
    lines = [header, ["--:" if right else ":--" for right in numeric], *([cell(one) for one in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(value: Any) -> str:
    """One cell's text; None is an empty cell."""
    if value is None:
        return ""
    text = number(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def cells(line: str) -> list[str]:
    """The cells of a table's line, as `table` wrote them.

    Examples
    --------
    >>> cells("| train | 1,234 |")
    ['train', '1,234']
    """
    return line.removeprefix("| ").removesuffix(" |").split(" | ")


def number(value: float) -> str:
    """Thousands apart.

    Examples
    --------
    >>> number(1234567), number(1.5)
    ('1,234,567', '1.5')
    """
    return f"{value:,}"
