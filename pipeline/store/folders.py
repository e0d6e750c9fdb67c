"""One stage of one corpus on the disk: its item records, its failures, and the record that sums them up.

Layout
------
    STORE/stages/<stage>/<variant>/<corpus>/<name>/       an item's files and its record.json
    STORE/stages/<stage>/<variant>/<corpus>/_STAGE.json   all item records in one read, with provenance
    STORE/stages/<stage>/<variant>/<corpus>/_FAILURES.json  items that failed last time, and why

`_STAGE.json` is a cache that makes a no-op build one read a stage. The items' own records are the truth:
after a kill the cache is behind, and the records that are newer than it are read one by one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.store.disk import changed_ns, read_json, replace_json
from pipeline.store.items import RECORD_NAME, ItemRecord, read_record

STAGE_RECORD = "_STAGE.json"
FAILURES_RECORD = "_FAILURES.json"


@dataclass(frozen=True)
class Failure:
    """Why an item could not be made, in the words that the failure table shows."""

    stage: str
    item: str
    fingerprint: str
    code: str
    message: str
    remedy: str
    log: str = ""


class StageFolder:
    """Records of one (stage, variant, corpus) below `path`.

    With `single`, the folder itself is the one item (STORE/corpus): its record lies in it.
    """

    def __init__(self, path: Path, *, single: bool = False):
        self.path = path
        self.single = single
        self._cache: dict[str, ItemRecord] | None = None

    def item_folder(self, name: str) -> Path:
        """Where the item called `name` (inside its corpus) is published."""
        return self.path if self.single else self.path / name

    def record(self, name: str) -> ItemRecord | None:
        """The item's record, None when it was never finished; does not look at the outputs."""
        return read_record(self.path) if self.single else self._records().get(name)

    def names(self) -> list[str]:
        """Names of all items that have ever been published here, sorted."""
        if self.single or not self.path.is_dir():
            return []
        folders = (entry.name for entry in os.scandir(self.path) if entry.is_dir())
        return sorted(name for name in folders if not name.startswith("."))

    def known_records(self) -> list[ItemRecord]:
        """Every item's record, fresh or not: what earlier builds took and wrote."""
        alone = read_record(self.path) if self.single else None
        return [alone] if alone else list(self._records().values())

    def other_variants(self) -> list[StageFolder]:
        """The same stage and corpus as made with other parameters, the one written last first."""
        if self.single:
            return []
        found = [path for path in self.path.parent.parent.glob(f"*/{self.path.name}") if path != self.path]
        found.sort(key=lambda path: changed_ns(path / STAGE_RECORD) or 0, reverse=True)
        return [StageFolder(path) for path in found]

    def failures(self) -> dict[str, Failure]:
        """Items that failed when they were last tried, by name."""
        found = read_json(self._beside(FAILURES_RECORD)) or []
        return {row["item"].split("/", 1)[1]: Failure(**row) for row in found}

    def write(self, records: Iterable[ItemRecord], failures: Iterable[Failure], head: Mapping[str, Any]) -> None:
        """Write the stage record (merged over what it held) and the failures, each in one rename."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        merged = {**self._records(), **{record.item.split("/", 1)[1]: record for record in records}}
        if not self.single:
            items = {name: record.to_json() for name, record in sorted(merged.items())}
            replace_json(self._beside(STAGE_RECORD), {**head, "items": items})
            self._cache = merged
        rows = [asdict(failure) for failure in failures]
        if rows or self._beside(FAILURES_RECORD).exists():
            replace_json(self._beside(FAILURES_RECORD), rows)

    def forget(self, names: Iterable[str]) -> None:
        """Take items out of the stage record; their folders are left to whoever removed their records."""
        gone = set(names)
        head = read_json(self._beside(STAGE_RECORD))
        if gone and head is not None:
            head["items"] = {name: row for name, row in head["items"].items() if name not in gone}
            replace_json(self._beside(STAGE_RECORD), head)
        self._cache = None

    def provenance(self) -> dict[str, Any]:
        """Library versions that the stage last ran with."""
        return (read_json(self._beside(STAGE_RECORD)) or {}).get("provenance", {})

    def _records(self) -> dict[str, ItemRecord]:
        if self._cache is None:
            items = ({} if self.single else read_json(self._beside(STAGE_RECORD)) or {}).get("items", {})
            self._cache = {name: ItemRecord.from_json(row) for name, row in items.items()} | self._newer_records()
        return self._cache

    def _newer_records(self) -> dict[str, ItemRecord]:
        """Records of the items that were finished after the stage record was written: a killed build leaves such."""
        written_ns = changed_ns(self._beside(STAGE_RECORD)) or 0
        newer = [name for name in self.names() if (changed_ns(self.path / name / RECORD_NAME) or -1) >= written_ns]
        found = {name: read_record(self.path / name) for name in newer}
        return {name: record for name, record in found.items() if record is not None}

    def _beside(self, name: str) -> Path:
        return self.path.parent / f".{self.path.name}{name}" if self.single else self.path / name
