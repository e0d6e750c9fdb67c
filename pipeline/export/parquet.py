"""Shards as Parquet tables, one row per sample, which pandas and Hugging Face `datasets` open.

Conventions
-----------
Columns are the facts, then the arrays as nested lists, the fixations as four lists of equal length
(`fixation_frame`, `fixation_x_px` …), then `frames`: a list of structs of `bytes` and `path`, which `datasets`
shows as pictures because the schema says so in its metadata. Each row is a row group of its own: that keeps
the writer's memory at one sample, and lets a reader take one sample without the rest of the file. Nothing
binary is compressed, because a JPEG does not shrink.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.export.sample import FACTS, FIXATION_DTYPE, Facts, Head, Sample

SUFFIX = ".parquet"
LAYOUT = "one row per sample: a column per fact and per array, fixation_<field>, frames (list of bytes and path)"

_INT32 = ("waveform_rate_hz", "first_frame", "n_lead_in", "n_targets", "rate_num", "rate_den", "width_px", "height_px")
_FACT_TYPES: dict[str, pa.DataType] = {
    **dict.fromkeys(FACTS, pa.string()),
    **dict.fromkeys(_INT32, pa.int32()),
    "px_per_dva": pa.float64(),
    "observers": pa.list_(pa.string()),
    "first_step": pa.int64(),
    "first_sample": pa.int64(),
}
_FIXATION_COLUMNS = {f"fixation_{name}": name for name in FIXATION_DTYPE.names or ()}
_PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def schema(bands: int, map_size: tuple[int, int]) -> pa.Schema:
    """Columns and types of a shard, with the metadata that makes `datasets` see pictures.

    Parameters
    ----------
    bands : int
        Of the log-mel.
    map_size : (rows, columns)
        Of the density maps; a map is one flat list, row after row.
    """
    columns = {
        **_FACT_TYPES,
        "times_s": pa.list_(pa.float64()),
        "example_step": pa.list_(pa.int64()),
        "logmel": pa.list_(pa.list_(pa.float32(), bands)),
        "waveform": pa.list_(pa.float32()),
        "density": pa.list_(pa.list_(pa.float32(), map_size[0] * map_size[1])),
        "density_rows": pa.int32(),
        **{column: pa.list_(pa.from_numpy_dtype(FIXATION_DTYPE[name])) for column, name in _FIXATION_COLUMNS.items()},
        "frames": pa.list_(_PICTURE),
    }
    features = {name: _feature(kind) for name, kind in columns.items()}
    return pa.schema(columns, metadata={"huggingface": json.dumps({"info": {"features": features}})})


def _feature(kind: pa.DataType) -> dict[str, Any]:
    """How `datasets` writes down a column's type; "Sequence" is what its old and new versions both read."""
    if kind == _PICTURE:
        return {"_type": "Image"}
    if pa.types.is_fixed_size_list(kind):
        return {"feature": _feature(kind.value_type), "length": kind.list_size, "_type": "Sequence"}
    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "Sequence"}
    return {"dtype": {"double": "float64", "float": "float32"}.get(str(kind), str(kind)), "_type": "Value"}


class Writer:
    """Append samples to a new Parquet file; use it in a `with` statement."""

    def __init__(self, path: Path):
        self._path = path
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def add(self, sample: Sample) -> dict[str, int]:
        """Write one row; its place in the index says where it is."""
        head = sample.head
        columns = schema(head.logmel.shape[1], head.density.shape[1:])
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, columns, compression="none", use_dictionary=False)
        row = {
            **head.facts.to_json(),
            "times_s": head.times_s,
            "example_step": head.example_step,
            "logmel": list(head.logmel),
            "waveform": head.waveform,
            "density": list(head.density.reshape(len(head.density), -1)),
            "density_rows": head.density.shape[1],
            **{column: head.fixations[name] for column, name in _FIXATION_COLUMNS.items()},
            "frames": [
                {"bytes": bytes(jpeg), "path": f"{head.facts.key}.{number:03d}.jpg"}
                for number, jpeg in enumerate(sample.jpegs)
            ],
        }
        self._writer.write_table(
            pa.table({name: pa.array([row[name]], columns.field(name).type) for name in row}, columns)
        )
        return {}


class Reader:
    """Random access to the rows of one Parquet file."""

    def __init__(self, path: Path):
        self._file = pq.ParquetFile(path, memory_map=True)

    def close(self) -> None:
        """Give the mapped file back."""
        self._file.close()

    def head(self, row: Mapping[str, Any], position: int) -> tuple[Head, pa.Array]:
        """Read one row, the pictures still as an Arrow array of bytes."""
        table = self._file.read_row_group(position, use_threads=False)
        about = {name: table[name][0].as_py() for name in _FACT_TYPES}
        rows = table["density_rows"][0].as_py()
        maps = _matrix(table, "density")
        fixations = np.empty(len(_values(table, "fixation_frame")), FIXATION_DTYPE)
        for column, name in _FIXATION_COLUMNS.items():
            fixations[name] = _values(table, column).to_numpy()
        head = Head(
            Facts.from_json(about),
            times_s=_values(table, "times_s").to_numpy(),
            example_step=_values(table, "example_step").to_numpy(),
            logmel=_matrix(table, "logmel"),
            waveform=_values(table, "waveform").to_numpy(),
            density=maps.reshape(len(maps), rows, -1),
            fixations=fixations,
        )
        return head, _values(table, "frames").field("bytes")

    def jpegs(self, pictures: pa.Array, start: int, stop: int) -> Sequence[memoryview]:
        """The pictures of stored frames start … stop − 1."""
        return [memoryview(pictures[number].as_buffer()).cast("B") for number in range(start, stop)]


def _values(table: pa.Table, column: str) -> pa.Array:
    """The list that stands in the one row of a column."""
    return table[column].chunk(0).flatten()


def _matrix(table: pa.Table, column: str) -> np.ndarray:
    lists = _values(table, column)
    return lists.flatten().to_numpy().reshape(len(lists), lists.type.list_size)
