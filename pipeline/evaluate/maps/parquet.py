"""Maps from Parquet: ours as `pipeline.learn.predict` writes them, or anybody's with the same columns.

Conventions
-----------
Columns: `stimulus` (string), `frame` (whole number), `map`: a list of numbers row by row, or a list of rows. A flat
list needs its size: columns `height` and `width`, or the schema's metadata, JSON under the key `ave` with `height` and
`width`. Rows may stand in any order; where a stimulus's stand in the order of frames, few are in memory at a time.
"""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.errors import AveError
from pipeline.evaluate.maps.read import plain

ROWS = 64  # read at a time
NEEDED = ("stimulus", "frame", "map")


@dataclass(frozen=True)
class Rows:
    """Where the maps of one name stand: their numbers in the order of rows, and the row groups that hold them."""

    frames: list[int] = field(default_factory=list)
    groups: list[tuple[Path, int]] = field(default_factory=list)


def index(paths: Sequence[Path]) -> tuple[dict[str, Rows], dict[str, Any]]:
    """Which names have maps of which frames in some files, and what our own metadata say of them.

    Returns
    -------
    rows : dict
        {name in the file: Rows}.
    about : dict
        The metadata of the first file; empty where it is not one of ours.

    Raises
    ------
    AveError
        Code "not-maps" where a file is no Parquet or lacks a column.
    """
    found: dict[str, Rows] = defaultdict(Rows)
    for path in paths:
        file = _open(path)
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, list(NEEDED[:2]))
            for name, frame in zip(table["stimulus"].to_pylist(), table["frame"].to_pylist(), strict=True):
                if name is None or frame is None:
                    raise AveError(
                        f"{path}: a row without stimulus or frame.", remedy="Write it again.", code="not-maps"
                    )
                rows = found[name]
                rows.frames.append(int(frame))
                if (path, group) not in rows.groups[-1:]:
                    rows.groups.append((path, group))
    return dict(found), _about(_open(paths[0]))


def read(name: str, rows: Rows) -> Iterator[tuple[int, NDArray | AveError]]:
    """The number and the map of each row of one name, in the order of numbers; for a map that is none, the reason."""
    in_order = all(before < after for before, after in itertools.pairwise(rows.frames))
    found = _in_file_order(name, rows)
    return found if in_order else iter(sorted(found, key=lambda row: row[0]))


def _in_file_order(name: str, rows: Rows) -> Iterator[tuple[int, NDArray | AveError]]:
    for path, group in rows.groups:
        file = _open(path)
        size = _size(_about(file))
        columns = [column for column in (*NEEDED, "height", "width") if column in file.schema_arrow.names]
        for batch in file.iter_batches(ROWS, [group], columns):
            own = batch.filter(pc.equal(batch["stimulus"], name))
            for row in range(own.num_rows):
                own_size = size
                if "height" in columns and "width" in columns:
                    own_size = (own["height"][row].as_py(), own["width"][row].as_py())
                frame = int(own["frame"][row].as_py())
                yield frame, _map(own["map"][row], own_size, f"{path.name}: {name}, frame {frame}")


def _map(cells: Any, size: tuple[int, int] | None, where: str) -> NDArray | AveError:
    try:
        values = cells.values
        if values is None:
            raise ValueError("there is no map in this row")
        if pa.types.is_nested(values.type):
            rows = [row.values.to_numpy(zero_copy_only=False) for row in values]
            return plain(np.stack(rows))
        flat = values.to_numpy(zero_copy_only=False)
        if size is None:
            raise ValueError("a flat list without its size: add columns height and width")
        return plain(flat.reshape(size))
    except (ValueError, AttributeError, TypeError) as error:
        return AveError(f"{where}: {error}", remedy="Write the file again.", code="unreadable-map")


def _open(path: Path) -> pq.ParquetFile:
    try:
        state = path.stat()
        file = pq.ParquetFile(path, metadata=_footer(path, state.st_mtime_ns, state.st_size))
    except (OSError, pa.ArrowInvalid) as error:
        raise AveError(f"{path}: not a Parquet file ({error}).", remedy="Write it again.", code="not-maps") from error
    lacking = [column for column in NEEDED if column not in file.schema_arrow.names]
    if lacking:
        raise AveError(
            f"{path}: no column {', '.join(lacking)}; it has {', '.join(file.schema_arrow.names)}.",
            remedy=f"Maps have the columns {', '.join(NEEDED)} (and height, width where map is a flat list).",
            code="not-maps",
        )
    return file


@lru_cache(maxsize=4)
def _footer(path: Path, _changed_ns: int, _size: int) -> pq.FileMetaData:
    """Where everything stands in a file. Read once: it grows with the number of stimuli, and each of them asks."""
    return pq.read_metadata(path)


def _about(file: pq.ParquetFile) -> dict[str, Any]:
    return json.loads((file.schema_arrow.metadata or {}).get(b"ave", b"{}"))


def _size(about: dict[str, Any]) -> tuple[int, int] | None:
    return (about["height"], about["width"]) if {"height", "width"} <= set(about) else None
