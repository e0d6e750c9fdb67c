"""What an item is made from, before anybody asks whether it has to be made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import AveError
from pipeline.store.fingerprint import canonical


@dataclass
class Wanted:
    """What one item is made from; `inputs` is the hashed side, `files` and `values` are what the job gets.

    `digests` gives the known SHA-256 of input files by path: an output that links to one is not hashed again.
    """

    inputs: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Any] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)

    def file(self, key: str, found: tuple[Path, str]) -> None:
        """One input file with its digest."""
        self.files[key], self.inputs[key] = found

    def file_each(self, key: str, found: Mapping[str, tuple[Path, str]]) -> None:
        """One input file for each of several stimuli."""
        self.files[key] = {name: path for name, (path, _) in found.items()}
        self.digests.update({str(path): sha for path, sha in found.values()})
        self.inputs[key] = {name: sha[:16] for name, (_, sha) in found.items()}

    def value(self, key: str, value: Any, *, hashed: bool = True) -> None:
        """A manifest row or another small fact, in the form it has after a way through JSON."""
        value = json.loads(canonical(value))
        self.values[key] = value
        if hashed:
            self.inputs[key] = value


@dataclass(frozen=True)
class Waiting:
    """An item whose inputs are not there yet; `failed` when they will not be there in this build."""

    on: str
    failed: bool = False


Items = dict[str, Wanted | Waiting | AveError]
