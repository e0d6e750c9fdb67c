"""What a page is put together from: tables, figures, pictures and words, each with its files.

Conventions
-----------
A block knows what it looks like on the page and which files lie beside the page, by name and content. Texts are plain;
the templates escape them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

MOST_ROWS = 400  # of a table on the page; its files have all
SHORT = 30  # characters of a cell that stays on one line


@dataclass(frozen=True)
class Cell:
    """One cell: text, perhaps an interval, whether it is the best of its group, and whether it stands at the left."""

    text: str
    interval: str = ""
    is_best: bool = False
    left: bool = False
    published: bool = False

    @property
    def words(self) -> str:
        """All of it."""
        return f"{self.text} {self.interval}".strip()

    @property
    def is_short(self) -> bool:
        """Whether it need not be broken into lines."""
        return len(self.text) <= SHORT


@dataclass(frozen=True)
class Grid:
    """A table.

    Attributes
    ----------
    name : str
        Of its files, without ending.
    title : str
        Its caption.
    head : tuple of Cell
    groups : tuple of tuple of rows
        Rows that belong together; a row is a tuple of Cell.
    notes : tuple of str
        How it was made.
    files : mapping of file name to text
        md, tex and csv.
    folded : bool
        Whether it is shown only when asked for.
    named : int
        The column that names a row: it stays in sight while the others are scrolled.
    """

    kind: ClassVar[str] = "grid"
    name: str
    title: str
    head: tuple[Cell, ...]
    groups: tuple[tuple[tuple[Cell, ...], ...], ...]
    notes: tuple[str, ...]
    files: Mapping[str, str]
    folded: bool = False
    named: int = 0

    @property
    def n_rows(self) -> int:
        """Of all groups."""
        return sum(len(group) for group in self.groups)

    @property
    def shown(self) -> tuple[tuple[tuple[Cell, ...], ...], ...]:
        """The groups as far as the page has room for them."""
        left, kept = MOST_ROWS, []
        for group in self.groups:
            kept.append(group[:left])
            left -= len(kept[-1])
        return tuple(group for group in kept if group)

    @property
    def cut(self) -> str:
        """What is said of rows that are not on the page; empty where all are."""
        return f"The first {MOST_ROWS} of {self.n_rows:,} rows; the files have all." if self.n_rows > MOST_ROWS else ""


@dataclass(frozen=True)
class Figure:
    """A drawing: SVG for light and for dark, and a CSV of what it draws. `alt` says what is to be seen."""

    kind: ClassVar[str] = "figure"
    name: str
    caption: str
    alt: str
    size_px: tuple[int, int]
    files: Mapping[str, str]

    @property
    def light(self) -> str:
        """File name of the light drawing."""
        return f"{self.name}.svg"

    @property
    def dark(self) -> str:
        """File name of the dark drawing."""
        return f"{self.name}-dark.svg"


@dataclass(frozen=True)
class Picture:
    """A photograph or map in its own file."""

    file: str
    alt: str
    caption: str
    size_px: tuple[int, int]


@dataclass(frozen=True)
class Gallery:
    """Pictures in a row, with a caption for all and a CSV of what they show."""

    kind: ClassVar[str] = "gallery"
    name: str
    caption: str
    pictures: tuple[Picture, ...]
    files: Mapping[str, str | bytes]


@dataclass(frozen=True)
class Words:
    """Sentences; the first may be set apart."""

    kind: ClassVar[str] = "words"
    lines: tuple[str, ...]
    strong: str = ""
    files: Mapping[str, str] = field(default_factory=dict)


Block = Grid | Figure | Gallery | Words


@dataclass(frozen=True)
class Section:
    """A part of the page: how to read it, what stands in it, or which command makes what is missing."""

    id: str
    title: str
    how: str
    blocks: tuple[Block, ...] = ()
    missing: str = ""
