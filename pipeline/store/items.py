"""One item: run its stage function, publish what it wrote, and remember why.

Conventions
-----------
The record is the commit. A job writes into a temporary sibling of its final folder; its files are hashed,
the record is written beside them, everything is flushed to the disk, and one rename makes it visible.
A folder without a record, or with a `.tmp-` or `.trash-` name, was never finished and is never read.

Some stages own nothing: what they vouch for lies elsewhere (in RAW). Their function returns the fact
`external = {"root": folder, "files": {relative path: [bytes, sha256]}}` and the record points there.
"""

from __future__ import annotations

import errno
import importlib
import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import StoreError
from pipeline.store.disk import fsync_folder, write_durably
from pipeline.store.fingerprint import sha256_of
from pipeline.store.job import Job
from pipeline.store.leftovers import temporary, trash

RECORD_NAME = "record.json"
_FULL = (errno.ENOSPC, errno.EDQUOT)
_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)


@dataclass(frozen=True)
class ItemRecord:
    """What is known about one published item: what made it, and what it consists of.

    `outputs` maps each file, relative to `root` (or to the item's folder when root is None),
    to its size in bytes and its SHA-256. `why` says in words what made it run.
    """

    item: str
    fingerprint: str
    version: int
    params: Mapping[str, Any]
    inputs: Mapping[str, Any]
    outputs: Mapping[str, tuple[int, str]]
    facts: Mapping[str, Any] = field(default_factory=dict)
    root: str | None = None
    seconds: float = 0.0
    why: str = ""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ItemRecord:
        """Rebuild a record from what `to_json` wrote."""
        outputs = {name: (int(size), str(sha)) for name, (size, sha) in data["outputs"].items()}
        return cls(**{**data, "outputs": outputs})

    def to_json(self) -> dict[str, Any]:
        """The record as plain JSON."""
        return asdict(self)

    @property
    def n_bytes(self) -> int:
        """Bytes of all outputs together."""
        return sum(size for size, _ in self.outputs.values())

    def path(self, folder: Path, output: str) -> Path:
        """Where one output lies, given the item's folder."""
        return (Path(self.root) if self.root else folder) / output

    def damage(self, folder: Path) -> str:
        """The first output that is absent or of another size, in words; empty when all are there."""
        for output, (size, _) in self.outputs.items():
            try:
                found = os.stat(self.path(folder, output)).st_size
            except OSError:
                return f"output {output} is gone"
            if found != size:
                return f"output {output} has {found} bytes, not {size}"
        return ""


@dataclass(frozen=True)
class ItemTask:
    """Everything a worker needs to make one item; pickles, and knows no store but the folder it fills."""

    stage: str
    item: str
    function: str
    folder: Path
    fingerprint: str
    version: int
    params: Mapping[str, Any]
    inputs: Mapping[str, Any]
    files: Mapping[str, Any]
    values: Mapping[str, Any]
    digests: Mapping[str, str] = field(default_factory=dict)
    why: str = ""


def resolve(dotted: str) -> Any:
    """The object that "package.module:name" names, imported only now."""
    module, _, name = dotted.partition(":")
    return getattr(importlib.import_module(module), name)


def execute(task: ItemTask) -> ItemRecord:
    """Run one item's stage function and publish the result; raises what the function raises, leaving nothing."""
    started = time.perf_counter()
    out = temporary(task.folder)
    shutil.rmtree(out, ignore_errors=True)
    try:
        out.mkdir(parents=True)
        job = Job(task.stage, task.item, out, task.files, task.values, task.params)
        facts = dict(resolve(task.function)(job) or {})
        external = facts.pop("external", None)
        root, outputs = (external["root"], external["files"]) if external else (None, _measure(out, task.digests))
        record = ItemRecord(
            item=task.item,
            fingerprint=task.fingerprint,
            version=task.version,
            params=dict(task.params),
            inputs=dict(task.inputs),
            outputs={name: (int(size), sha) for name, (size, sha) in sorted(outputs.items())},
            facts=facts,
            root=root,
            seconds=round(time.perf_counter() - started, 3),
            why=task.why,
        )
        write_durably(out / RECORD_NAME, json.dumps(record.to_json(), indent=1, ensure_ascii=False))
        swap_in(out, task.folder)
        return record
    except OSError as error:
        where = f"{task.stage} of {task.item}, writing below {task.folder.parent}"
        raise explained(error, where, task.folder.parent) from error
    finally:
        shutil.rmtree(out, ignore_errors=True)


def read_record(folder: Path) -> ItemRecord | None:
    """The record of a published item, or None where there is none that can be read."""
    try:
        return ItemRecord.from_json(json.loads((folder / RECORD_NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # an unreadable record is an item that was never published


def swap_in(new: Path, final: Path) -> None:
    """Make folder `new` visible as `final`, replacing what was there; a crash leaves the old, the new, or none."""
    old = trash(final)
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        os.rename(final, old)
    os.rename(new, final)
    fsync_folder(final.parent)
    shutil.rmtree(old, ignore_errors=True)


def _measure(out: Path, known: Mapping[str, str]) -> dict[str, tuple[int, str]]:
    """Size and SHA-256 of every file below `out`, each flushed to the disk; hard links to known files are both."""
    known_files = {_identity(os.stat(path)): sha for path, sha in known.items()}
    outputs = {}
    for path in sorted(out.rglob("*")):
        if not path.is_file():
            continue
        facts = path.stat()
        sha = known_files.get(_identity(facts))
        if sha is None:
            with open(path, "rb") as file:
                os.fsync(file.fileno())
            sha = sha256_of(path)
        outputs[path.relative_to(out).as_posix()] = (facts.st_size, sha)
    return outputs


def _identity(facts: os.stat_result) -> tuple[int, int]:
    return facts.st_dev, facts.st_ino


def explained(error: OSError, where: str, folder: Path) -> Exception:
    """Turn the operating system's word for a full or read-only disk below `folder` into ours; pass on other errors."""
    # NumPy reports what a full disk cut off as "8192 requested and 4096 written", without a number
    cut_off = error.errno is None and str(error).endswith(" written")
    if error.errno in _FULL or cut_off:
        existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        free_mib = shutil.disk_usage(existing).free >> 20
        return StoreError(
            f"{where}: the disk is full, or your quota is used up ({free_mib} MiB free on the disk).",
            remedy="Free some space or move the store (--store), then run the same command again: finished items stay.",
            code="disk-full",
        )
    place = Path(str(error.filename or "nowhere"))
    if error.errno in _READ_ONLY and (place.is_relative_to(folder) or folder.is_relative_to(place)):
        return StoreError(
            f"{where}: the store cannot be written ({error.strerror}).",
            remedy="Give yourself write access to the store, or choose another with --store.",
            code="read-only",
        )
    return error
