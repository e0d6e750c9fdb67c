"""One cell of a manifest: from text to a value, or a sentence that says what was expected.

Conventions
-----------
A `Cell` takes the stripped text of a cell and returns its value; it raises ValueError with the second half of a
sentence whose first half is "table, line, column: ". Units are those of the column's name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from pipeline import corpora
from pipeline.errors import did_you_mean
from pipeline.records import CATEGORIES, SPLITS

PATTERN = "{name}"  # in sources.csv: stands for the name of a stimulus
RELEASE = "release"  # scope word of published.csv: the whole raw release, AVE or not

_NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9_.-]+")  # a safe file name
_URL = re.compile(r"(https?://[^/\s]|file:///)\S*")
_CHECKSUM = re.compile(r"sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}|unknown")

Cell = Callable[[str], Any]


def text(cell: str) -> str:
    """Any text, but some."""
    if not cell:
        raise ValueError("is empty; expected text")
    return cell


def maybe(kind: Cell, absent: Any = None) -> Cell:
    """The same kind of cell, or an empty one, which means `absent`."""
    return lambda cell: kind(cell) if cell else absent


def one_of(*words: str) -> Cell:
    """One of a few words."""

    def parse(cell: str) -> str:
        if cell not in words:
            raise ValueError(f"is {cell!r}; expected one of {', '.join(words)}.{hint(cell, words)}")
        return cell

    return parse


def number(kind: type, *, above: float | None = None, at_least: float | None = None) -> Cell:
    """An int or a float, finite and within a bound."""
    bounds = {">": above, ">=": at_least}
    limits = [f"{sign} {bound:g}" for sign, bound in bounds.items() if bound is not None]
    expected = " ".join(["a whole number" if kind is int else "a number", *limits])

    def parse(cell: str) -> Any:
        try:
            value = kind(cell)
        except ValueError:
            value = math.nan
        in_range = (above is None or value > above) and (at_least is None or value >= at_least)
        if not (in_range and math.isfinite(value)):
            raise ValueError(f"is {cell!r}; expected {expected}")
        return value

    return parse


def yes_or_no(cell: str) -> bool:
    """True for yes."""
    return bool(one_of("yes", "no")(cell) == "yes")


def safe_name(cell: str) -> str:
    """A name that is a safe file name everywhere."""
    if not _NAME.fullmatch(cell):
        raise ValueError(f"is {cell!r}; expected a name of letters, digits, '_', '.', '-'")
    return cell


def artifact(cell: str) -> str:
    """A file name in RAW/<corpus>/, perhaps with `{name}` once."""
    if not _NAME.fullmatch(cell.replace(PATTERN, "name", 1)):
        raise ValueError(f"is {cell!r}; expected a file name of letters, digits, '_', '.', '-', perhaps with {PATTERN}")
    return cell


def corpus(cell: str) -> str:
    """A corpus that has an adaptor."""
    known = corpora.names()
    if cell not in known:
        raise ValueError(f"is {cell!r}; expected one of {', '.join(known)}.{hint(cell, known)}")
    return cell


def urls(cell: str) -> tuple[str, ...]:
    """Addresses separated by blanks; none for an empty cell."""
    found = tuple(cell.split())
    for url in found:
        if not _URL.fullmatch(url):
            raise ValueError(f"holds {url!r}; expected http, https or file URLs separated by blanks")
    return found


def checksum(cell: str) -> str:
    """How a file is known."""
    if not _CHECKSUM.fullmatch(cell):
        raise ValueError(
            f"is {cell!r}; expected sha256:<64 hex digits> or md5:<32 hex digits> in lower case, or unknown"
        )
    return cell


def scope(cell: str) -> str:
    """What a published figure speaks about: corpora, splits and categories joined by "/"."""
    words = ("all", RELEASE, *corpora.names(), *SPLITS, *CATEGORIES)
    for word in cell.split("/"):
        if word not in words:
            raise ValueError(f"is {cell!r}; expected words of {', '.join(words)} joined by '/'.{hint(word, words)}")
    return cell


def hint(word: str, known: Sequence[str]) -> str:
    """Name the nearest known word with a blank before it; nothing where none is near."""
    found = did_you_mean(word, known)
    return f" {found}" if found.startswith("Did") else ""
