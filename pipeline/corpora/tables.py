"""Tables of a raw release (CSV, TSV) as columns of numbers and words, or the line and column that is wrong.

Conventions
-----------
UTF-8 with one header row; columns are asked for by name and type, the others are not read. A number that is missing
(an empty cell, "NaN", "." as EyeLink writes it) is NaN in a column of floats and an error in one of whole numbers.
Lines count from 1, which is the header.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import GazeError, did_you_mean

NO_NUMBER = ("", ".", "-", "NaN", "nan", "NA")

_CELL = re.compile(r"column #(?P<column>\d+): Row #(?P<line>\d+): (?P<what>.*)", flags=re.DOTALL)


def read_table(path: Path, columns: Mapping[str, type], *, delimiter: str = ",") -> dict[str, np.ndarray]:
    """Read some columns of a table.

    Parameters
    ----------
    path : Path
    columns : mapping of str to {float, int, str}
        What is read, and as what.
    delimiter : str
        "," for CSV, a tab for TSV.

    Returns
    -------
    table : dict of str to ndarray, shape (n_rows,)
        float64, int64 or str, by column, in the order asked for.

    Raises
    ------
    GazeError
        Code "gaze-table", with file, line and column, if the file is no such table, a column is missing or a cell is
        not of its type.
    """
    import pyarrow
    from pyarrow import csv as arrow_csv

    header = _header(path, delimiter)
    if not header:
        raise _broken(path, ": the file is empty", columns)
    for name in columns:
        if name not in header:
            found = f"it has {', '.join(header)}. {did_you_mean(name, header)}"
            raise _broken(path, f", line 1: no column {name!r}; {found}", columns)
    types = {float: pyarrow.float64(), int: pyarrow.int64(), str: pyarrow.string()}
    try:
        table = arrow_csv.read_csv(
            path,
            read_options=arrow_csv.ReadOptions(use_threads=False),  # only then errors name the row
            parse_options=arrow_csv.ParseOptions(delimiter=delimiter),
            convert_options=arrow_csv.ConvertOptions(
                column_types={name: types[kind] for name, kind in columns.items()},
                include_columns=list(columns),
                null_values=NO_NUMBER,
                strings_can_be_null=False,
            ),
        )
    except pyarrow.ArrowInvalid as error:
        raise _broken(path, _where(str(error), header), columns) from error
    for name, kind in columns.items():
        if kind is int and table.column(name).null_count:
            line = table.column(name).to_pylist().index(None) + 2
            raise _broken(path, f", line {line}, {name}: empty; expected a whole number", columns)
    return {name: np.asarray(table.column(name).to_pylist(), dtype=kind) for name, kind in columns.items()}


def read_row(path: Path, key: str, value: str, columns: Mapping[str, type], *, delimiter: str = ",") -> dict[str, Any]:
    """The one row of a table in which column `key` says `value`, e.g. what a list of videos says about one.

    Raises
    ------
    GazeError
        As `read_table` does; also if there is no such row, or more than one.
    """
    table = read_table(path, {key: str, **columns}, delimiter=delimiter)
    rows = np.flatnonzero(table[key] == value)
    if len(rows) != 1:
        there = f"{len(rows)} rows" if len(rows) else f"no row; {did_you_mean(value, table[key].tolist())}"
        raise _broken(path, f": where {key} is {value!r}, {there}", columns)
    return {name: table[name][rows[0]].item() for name in columns}


def split_by(table: Mapping[str, np.ndarray], column: str) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """One table for each word of a column, sorted by word, e.g. one for each observer."""
    for word in np.unique(table[column]):
        chosen = table[column] == word
        yield str(word), {name: values[chosen] for name, values in table.items()}


def _header(path: Path, delimiter: str) -> list[str]:
    with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
        return next(csv.reader(file, delimiter=delimiter), [])


def _where(complaint: str, header: list[str]) -> str:
    """Arrow's complaint with the column's name in place of its number."""
    cell = _CELL.search(complaint)
    if cell is None:
        return f": {complaint}"
    return f", line {cell['line']}, {header[int(cell['column'])]}: {cell['what']}"


def _broken(path: Path, what: str, columns: Mapping[str, type]) -> GazeError:
    expected = ", ".join(f"{name} ({kind.__name__})" for name, kind in columns.items())
    return GazeError(
        f"{path.name}{what}.",
        remedy=f"Expected a UTF-8 table with the columns {expected}. Get the file again, or mend its reader.",
        code="gaze-table",
    )
