"""The three shard formats by name; each is a module with `SUFFIX`, `LAYOUT`, a `Writer` and a `Reader`.

A writer is a context manager with `add(sample) -> dict`, what the index must remember to find the sample again.
A reader has `head(row, position) -> (Head, place)` for the index row of the position-th sample of the file,
`jpegs(place, start, stop)` for the pictures of a run of stored frames, and `close()`.
"""

from __future__ import annotations

from types import ModuleType

from pipeline.errors import UsageError, did_you_mean
from pipeline.export import parquet, tensors, wds

FORMATS: dict[str, ModuleType] = {"wds": wds, "parquet": parquet, "tensors": tensors}


def get(name: str) -> ModuleType:
    """The module of a format; an unknown name is a UsageError with the nearest known one."""
    if name not in FORMATS:
        raise UsageError(f"Unknown shard format {name!r}.", remedy=did_you_mean(name, FORMATS))
    return FORMATS[name]
