"""Fingerprints: one short word for everything that an item's bytes depend on.

Conventions
-----------
A fingerprint is the first 32 hex digits of the SHA-256 of canonical JSON. What goes in: stage, version,
significant parameters, item id, and for every input its digest (a file) or its value (a manifest row).
What stays out: code, library versions, paths, clocks, the machine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_BLOCK_BYTES = 1 << 20


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces; NaN is refused because it would never equal itself."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Any) -> str:
    """Thirty-two hex digits that stand for a JSON value.

    Examples
    --------
    >>> digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})
    True
    """
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:32]


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, read in blocks."""
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            hasher.update(block)
    return hasher.hexdigest()


def item_fingerprint(stage: str, version: int, params: Mapping[str, Any], item: str, inputs: Mapping[str, Any]) -> str:
    """Fingerprint of one item of one stage; equal fingerprints mean equal bytes may be expected."""
    return digest({"stage": stage, "version": version, "params": params, "item": item, "inputs": inputs})
