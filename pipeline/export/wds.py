"""Shards as tar files in webdataset's layout, which any tar program opens too.

Conventions
-----------
The members of a sample stand together, the small ones first: `<key>.json` (facts, and the size of every JPEG),
one `<key>.<array>.npy` per array, then `<key>.000.jpg`, `<key>.001.jpg` … in order of time. Headers carry no
clock, owner or machine, so equal samples make equal bytes. Because a tar header is one block of 512 bytes and
members are padded to blocks, the sizes in the JSON say where each picture lies, and a clip is one contiguous read.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.export.sample import ARRAYS, Facts, Head, Sample

SUFFIX = ".tar"
LAYOUT = "members <key>.json (facts), <key>.<array>.npy, <key>.<stored frame, 3 digits>.jpg"


class Writer:
    """Append samples to a new tar file; use it in a `with` statement."""

    def __init__(self, path: Path):
        self._tar = tarfile.open(path, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115 - closed in __exit__

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._tar.close()

    def add(self, sample: Sample) -> dict[str, int]:
        """Write one sample; returns where it is: first byte, and bytes before its first JPEG's header."""
        head, offset = sample.head, self._tar.offset
        about = {**head.facts.to_json(), "jpeg_bytes": [len(jpeg) for jpeg in sample.jpegs]}
        self._member(f"{head.facts.key}.json", json.dumps(about, ensure_ascii=False).encode())
        for name, array in head.arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, array, allow_pickle=False)
            self._member(f"{head.facts.key}.{name}.npy", buffer.getvalue())
        head_bytes = self._tar.offset - offset
        for number, jpeg in enumerate(sample.jpegs):
            self._member(f"{head.facts.key}.{number:03d}.jpg", jpeg)
        return {"offset": offset, "head_bytes": head_bytes}

    def _member(self, name: str, data: bytes | memoryview) -> None:
        header = tarfile.TarInfo(name)  # its defaults are mode 0644, time 0, owner 0 without a name
        header.size = len(data)
        self._tar.addfile(header, io.BytesIO(data))


class Reader:
    """Random access to the samples of one tar file, without any scan of it."""

    def __init__(self, path: Path):
        self._file = os.open(path, os.O_RDONLY)
        self._close = weakref.finalize(self, os.close, self._file)  # sets of clips are dropped, not closed

    def close(self) -> None:
        """Give the file descriptor back, once."""
        self._close()

    def head(self, row: Mapping[str, Any], position: int) -> tuple[Head, list[tuple[int, int]]]:
        """Read all of a sample but its pictures, and where in the file each picture starts and stops."""
        members = dict(_members(os.pread(self._file, row["head_bytes"], row["offset"])))
        about = json.loads(bytes(members[f"{row['key']}.json"]))
        arrays = {name: _load_npy(members[f"{row['key']}.{name}.npy"]) for name in ARRAYS}
        places, at = [], row["offset"] + row["head_bytes"]
        for size in about["jpeg_bytes"]:
            places.append((at + tarfile.BLOCKSIZE, at + tarfile.BLOCKSIZE + size))
            at += tarfile.BLOCKSIZE + _padded(size)
        return Head(Facts.from_json(about), **arrays), places

    def jpegs(self, places: list[tuple[int, int]], start: int, stop: int) -> Sequence[memoryview]:
        """The pictures of stored frames start … stop − 1, in one read."""
        begin, end = places[start][0], places[stop - 1][1]
        block = memoryview(os.pread(self._file, end - begin, begin))
        return [block[first - begin : last - begin] for first, last in places[start:stop]]


def _members(block: bytes) -> Iterator[tuple[str, memoryview]]:
    """Walk over whole members: name and data of each."""
    view, at = memoryview(block), 0
    while at < len(block):
        header = tarfile.TarInfo.frombuf(block[at : at + tarfile.BLOCKSIZE], "utf-8", "strict")
        start = at + tarfile.BLOCKSIZE
        yield header.name, view[start : start + header.size]
        at = start + _padded(header.size)


def _padded(size: int) -> int:
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def _load_npy(data: memoryview) -> np.ndarray:
    return np.load(io.BytesIO(data), allow_pickle=False)
