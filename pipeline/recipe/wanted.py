"""What an item is made from, before anybody asks whether it has to be made.

A stage's `Wiring` says which items it has and what one of them is made from. It is asked item by item, when one is
looked at and again when it is run, so that what thousands of items are made from is never in memory at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import AveError
from pipeline.store.fingerprint import canonical
from pipeline.store.job import EachFile


@dataclass
class Wanted:
    """What one item is made from; `inputs` is the hashed side, `files` and `values` are what the job gets.

    `digests` gives the known SHA-256 of input files by path: an output that links to one is not hashed again, and a
    job far from its store is brought all of them but the `linked` ones, whose bytes it never reads.
    """

    inputs: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Any] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    linked: tuple[str, ...] = ()

    def file(self, key: str, found: tuple[Path, str]) -> None:
        """One input file with its digest."""
        self.files[key], self.inputs[key] = found
        self.also_read([found])

    def also_read(self, found: Iterable[tuple[Path, str]]) -> None:
        """Files that the job reads beside those it is told of."""
        self.digests.update({str(path): sha for path, sha in found})

    def file_each(self, key: str, files: EachFile) -> None:
        """One input file for each of many stimuli, in the folders of their items."""
        self.files[key] = files
        self.inputs[key] = {stimulus: sha[:16] for stimulus, sha in files.digests.items()}

    def few_files(self, key: str, found: Mapping[str, tuple[Path, str]]) -> None:
        """One input file for each of a few owners, with its digest."""
        self.files[key] = {owner: path for owner, (path, _) in found.items()}
        self.inputs[key] = {owner: sha[:16] for owner, (_, sha) in found.items()}
        self.also_read(found.values())

    def row(self, key: str, record: Any, *, hashed: bool = True) -> None:
        """A row of a manifest, as the frozen record that it was read into."""
        self.value(key, vars(record), hashed=hashed)

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


Item = Wanted | Waiting | AveError | None  # None: not an item under these settings, or not any more


@dataclass(frozen=True)
class Wiring:
    """Names of the items that a stage of a corpus may have, and what one of them is made from.

    `sealable`: both depend on nothing but settings, manifests, RAW and what earlier stages published (see `seal`);
    what looks into any other folder is not.
    """

    names: Callable[[Any, str], Iterable[str]]
    wire: Callable[[Any, str, str], Item]
    sealable: bool = False
