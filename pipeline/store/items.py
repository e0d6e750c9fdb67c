"""One item: run its stage function, publish what it wrote, and remember why.

Conventions
-----------
The record is the commit: how a job's files and then their record reach the store, see `workplace`.
A folder without a record, or with a `.tmp-` or `.trash-` name, was never finished and is never read.

Some stages own nothing: what they vouch for lies elsewhere (in RAW). Their function returns the fact
`external = {"root": folder, "files": {relative path: [bytes, sha256]}}` and the record points there.
"""

from __future__ import annotations

import errno
import importlib
import json
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pipeline.errors import StoreError
from pipeline.store.disk import Files, read_json
from pipeline.store.job import Job, of_each_file
from pipeline.store.places import is_remote, scratch_folder
from pipeline.store.provenance import made_with
from pipeline.store.threads import one_blas_thread
from pipeline.store.workplace import RECORD_NAME, swap_in, workplace

__all__ = [
    "RECORD_NAME",
    "ItemRecord",
    "ItemSummary",
    "ItemTask",
    "execute",
    "explained",
    "read_record",
    "resolve",
    "swap_in",
]

_FULL = (errno.ENOSPC, errno.EDQUOT)
_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)

Summary = TypeVar("Summary", bound="ItemSummary")


@dataclass(frozen=True, kw_only=True)
class ItemSummary:
    """What later stages need to know of a published item: what it consists of, and by which fingerprint it was made.

    `outputs` maps each file, relative to `root` (or to the item's folder when root is None),
    to its size in bytes and its SHA-256. `made_with` says in which versions of the libraries and programs that may
    reach its bytes it was made, `damaged` what `ave verify` found wrong with it since.
    """

    item: str
    fingerprint: str
    outputs: Mapping[str, tuple[int, str]]
    facts: Mapping[str, Any] = field(default_factory=dict)
    root: str | None = None
    seconds: float = 0.0
    made_with: str = ""
    damaged: str = ""

    @classmethod
    def from_json(cls: type[Summary], data: Mapping[str, Any]) -> Summary:
        """Rebuild what `to_json` wrote."""
        outputs = {name: (int(size), str(sha)) for name, (size, sha) in data["outputs"].items()}
        made_with = sys.intern(data.get("made_with", ""))  # the same few words in thousands of records
        return cls(**{**data, "outputs": outputs, "made_with": made_with})

    def to_json(self) -> dict[str, Any]:
        """As plain JSON; not a copy, so not to be changed."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @property
    def name(self) -> str:
        """The item's name inside its corpus."""
        return self.item.split("/", 1)[1]

    @property
    def n_bytes(self) -> int:
        """Bytes of all outputs together."""
        return sum(size for size, _ in self.outputs.values())

    def path(self, folder: Path, output: str) -> Path:
        """Where one output lies, given the item's folder."""
        return (Path(self.root) if self.root else folder) / output

    def summary(self) -> ItemSummary:
        """What is known without what made it."""
        return ItemSummary(**{name: getattr(self, name) for name in ItemSummary.__dataclass_fields__})

    def damage(self, folder: Path) -> str:
        """What is wrong with the outputs, in words: one is absent or of another size; empty when all are there."""
        return self.damaged or damage(self.outputs, Files(Path(self.root) if self.root else folder).size)


@dataclass(frozen=True, kw_only=True)
class ItemRecord(ItemSummary):
    """What is known about one published item, with what made it; `why` says in words what made it run."""

    version: int
    params: Mapping[str, Any]
    inputs: Mapping[str, Any]
    why: str = ""


def damage(outputs: Mapping[str, Sequence[Any]], size_of: Callable[[str], int | None]) -> str:
    """The first output that is absent or of another size than recorded, in words; empty if none is."""
    for output, (size, _) in outputs.items():
        found = size_of(output)
        if found != size:
            return f"output {output} is gone" if found is None else f"output {output} has {found} bytes, not {size}"
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
    linked: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    why: str = ""


def resolve(dotted: str) -> Any:
    """The object that "package.module:name" names, imported only now."""
    module, _, name = dotted.partition(":")
    return getattr(importlib.import_module(module), name)


def execute(task: ItemTask) -> ItemRecord:
    """Run one item's stage function and publish the result; raises what the function raises, leaving nothing."""
    started = time.perf_counter()
    try:
        digests = {**task.digests, **of_each_file(task.files)}
        with closing(workplace(task.folder)) as place:
            files = place.inputs(task.files, digests, task.linked)
            job = Job(task.stage, task.item, place.out, files, task.values, task.params)
            function = resolve(task.function)  # its imports load the libraries that are held to one thread
            with one_blas_thread():
                facts = dict(function(job) or {})
            external = facts.pop("external", None)
            own = place.deliver(digests)
            root, outputs = (external["root"], external["files"]) if external else (None, own)
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
                made_with=made_with(task.libraries),
            )
            place.commit(json.dumps(record.to_json(), indent=1, ensure_ascii=False))
            return record
    except OSError as error:
        where = f"{task.stage} of {task.item}, writing below {task.folder.parent}"
        raise explained(error, where, task.folder.parent) from error


def read_record(folder: Path) -> ItemRecord | None:
    """The record of a published item, or None where there is none that can be read."""
    try:
        return ItemRecord.from_json(read_json(folder / RECORD_NAME))
    except (ValueError, KeyError, TypeError):
        return None  # an unreadable record is an item that was never published


def explained(error: OSError, where: str, folder: Path) -> Exception:
    """Turn the operating system's word for a full or read-only disk below `folder` into ours; pass on other errors.

    What is made for a store on S3 lies below the scratch folder of this machine.
    """
    remote, folder = is_remote(folder), scratch_folder() if is_remote(folder) else folder
    # NumPy reports what a full disk cut off as "8192 requested and 4096 written", without a number
    cut_off = error.errno is None and str(error).endswith(" written")
    if error.errno in _FULL or cut_off:
        existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        free_mib = shutil.disk_usage(existing).free >> 20
        elsewhere = "make items on another disk (AVE_CACHE)" if remote else "move the store (--store)"
        return StoreError(
            f"{where}: the disk is full, or your quota is used up ({free_mib} MiB free on the disk).",
            remedy=f"Free some space or {elsewhere}, then run the same command again: finished items stay.",
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
