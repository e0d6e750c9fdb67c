"""Shards as safetensors files: plain arrays that are mapped, never unpickled.

Conventions
-----------
A sample's arrays are `<key>/<array>`, its fixations `<key>/fixation_<field>`, its pictures one run of bytes
`<key>/jpeg` with `<key>/jpeg_offsets` (int64, one more than pictures); `__metadata__` holds the facts of every
key as JSON. The format's header comes first and must know every size, so the data of a shard grows in a file
beside it and is put behind the header at the end: memory stays at one sample. Every sample takes a multiple
of 8 bytes (the run of JPEGs ends in zeros where needed), so each array lies on a multiple of its item size.
"""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from pipeline.export.sample import ARRAYS, FIXATION_DTYPE, Facts, Head, Sample

SUFFIX = ".safetensors"
LAYOUT = (
    "tensors <key>/<array>, <key>/fixation_<field>, <key>/jpeg and <key>/jpeg_offsets; facts as JSON in __metadata__"
)

_ALIGNMENT_BYTES = 8
_TYPE_NAMES = {"float64": "F64", "int64": "I64", "float32": "F32", "int32": "I32", "uint8": "U8"}
_PLAIN_ARRAYS = tuple(name for name in ARRAYS if name != "fixations")


class Writer:
    """Append samples to a new safetensors file; use it in a `with` statement."""

    def __init__(self, path: Path):
        self._path = path
        self._data_path = path.with_name(f".{path.name}.data")
        self._data = open(self._data_path, "wb")  # noqa: SIM115 - closed in __exit__
        self._tensors: dict[str, Any] = {}
        self._facts: dict[str, str] = {}

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        self._data.close()
        if failed is None:
            self._join()
        self._data_path.unlink()

    def add(self, sample: Sample) -> dict[str, int]:
        """Write one sample; its key says where it is."""
        head = sample.head
        key = head.facts.key
        self._facts[key] = json.dumps(head.facts.to_json(), ensure_ascii=False)
        offsets = np.cumsum([0, *(len(jpeg) for jpeg in sample.jpegs)], dtype=np.int64)
        self._tensor(f"{key}/jpeg_offsets", offsets)
        for name in _PLAIN_ARRAYS:
            self._tensor(f"{key}/{name}", getattr(head, name))
        for name in FIXATION_DTYPE.names or ():
            self._tensor(f"{key}/fixation_{name}", head.fixations[name])
        run = b"".join(sample.jpegs)
        padding = -(self._data.tell() + len(run)) % _ALIGNMENT_BYTES
        self._tensor(f"{key}/jpeg", np.frombuffer(run + bytes(padding), np.uint8))
        return {}

    def _tensor(self, name: str, array: np.ndarray) -> None:
        start = self._data.tell()
        self._data.write(np.ascontiguousarray(array).data)
        offsets = [start, self._data.tell()]
        self._tensors[name] = {
            "dtype": _TYPE_NAMES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": offsets,
        }

    def _join(self) -> None:
        """Put the header, padded with blanks as the format asks, before the data."""
        header = json.dumps({"__metadata__": self._facts, **self._tensors}, separators=(",", ":")).encode()
        header += b" " * (-len(header) % _ALIGNMENT_BYTES)
        with open(self._path, "wb") as file, open(self._data_path, "rb") as data:
            file.write(struct.pack("<Q", len(header)) + header)
            shutil.copyfileobj(data, file, 1 << 20)


class Reader:
    """Random access to the tensors of one safetensors file."""

    def __init__(self, path: Path):
        self._file = safe_open(path, framework="numpy")
        self._facts = self._file.metadata() or {}

    def close(self) -> None:
        """Let go of the mapped file."""
        del self._file

    def head(self, row: Mapping[str, Any], position: int) -> tuple[Head, tuple[str, list[int]]]:
        """Read all of a sample but its pictures, and where those are."""
        key = row["key"]
        arrays = {name: self._file.get_tensor(f"{key}/{name}") for name in _PLAIN_ARRAYS}
        columns = {name: self._file.get_tensor(f"{key}/fixation_{name}") for name in FIXATION_DTYPE.names or ()}
        fixations = np.empty(len(columns["frame"]), FIXATION_DTYPE)
        for name, column in columns.items():
            fixations[name] = column
        facts = Facts.from_json(json.loads(self._facts[key]))
        return Head(facts, fixations=fixations, **arrays), (key, self._file.get_tensor(f"{key}/jpeg_offsets").tolist())

    def jpegs(self, place: tuple[str, list[int]], start: int, stop: int) -> Sequence[memoryview]:
        """The pictures of stored frames start … stop − 1, in one read."""
        key, offsets = place
        run = memoryview(self._file.get_slice(f"{key}/jpeg")[offsets[start] : offsets[stop]])
        begin = offsets[start]
        return [run[offsets[number] - begin : offsets[number + 1] - begin] for number in range(start, stop)]
