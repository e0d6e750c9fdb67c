"""One stage of one corpus on the disk: its items, what is known of them in one read, and what failed.

Layout
------
    STORE/stages/<stage>/<variant>/<corpus>/<name>/       an item's files and its record.json
    STORE/stages/<stage>/<variant>/<corpus>/_STAGE.json   a summary of every item, one a line
    STORE/stages/<stage>/<variant>/<corpus>/_SEAL.json    under what everything was found fresh (`recipe.seal`)
    STORE/stages/<stage>/<variant>/<corpus>/_FAILURES.json  items that failed last time, and why
    STORE/stages/<stage>/<variant>/<corpus>/.failures/2of16.json   the same of one part of a build

`_STAGE.json` is a cache that makes a no-op build one read a stage. The items' own records are the truth:
after a kill the cache is behind, and the records that are newer than it, or not in it, are read one by one.
Its lines stay text until somebody asks for one, because 10,000 items taken apart are ten times as large.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.store.disk import (
    Files,
    changed_ns,
    make_folder,
    names_in,
    read_json,
    read_text,
    remove,
    replace_json,
    replace_text,
)
from pipeline.store.items import RECORD_NAME, ItemRecord, ItemSummary, damage, read_record

STAGE_RECORD = "_STAGE.json"
SEAL_RECORD = "_SEAL.json"
FAILURES_RECORD = "_FAILURES.json"
FAILURES_OF_PARTS = ".failures"
_BEGINS, _ENDS = '"items": {', "}}"  # how the first line of a stage record ends, and the last; between them the items
_JSON = json.JSONDecoder()


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
        self._look_again()

    def _look_again(self) -> None:
        self._files = Files(self.path)
        self._outside: dict[str, Files] = {}
        self._rows: dict[str, str] | None = None
        self._head: dict[str, Any] = {}
        self._recorded: list[str] = []
        self._newer: set[str] = set()
        self._made_with: dict[str, str] = {}
        self._last: ItemSummary | None = None  # asked for several times in a row when something is made from it
        self._digest = ""

    # -- items -------------------------------------------------------------------------------------------------

    def item_folder(self, name: str) -> Path:
        """Where the item called `name` (inside its corpus) is published."""
        return self.path if self.single else self.path / name

    def names(self) -> list[str]:
        """Names of all items that have ever been published here, sorted."""
        return [] if self.single else [name for name in self._files.folders() if not name.startswith(".")]

    def record(self, name: str) -> ItemRecord | None:
        """The item's own record, None when it was never finished; does not look at the outputs."""
        return read_record(self.item_folder(name))

    def known_records(self) -> list[ItemRecord]:
        """Every item's own record, fresh or not: what earlier builds took and wrote."""
        return [record for name in self._known() if (record := self.record(name)) is not None]

    def holds(self, name: str) -> bool:
        """Whether an item was ever finished."""
        return name in self._known()

    def summary(self, name: str) -> ItemSummary | None:
        """What is known of an item without reading its own record; None when it was never finished."""
        row = self._known().get(name)
        if row is None:
            return None
        if self._last is None or self._last.name != name:
            self._last = ItemSummary.from_json(json.loads(row))
        return self._last

    def summaries(self) -> Iterator[ItemSummary]:
        """What is known of every item, fresh or not."""
        return (ItemSummary.from_json(json.loads(row)) for row in self._known().values())

    def damage(self, name: str) -> str:
        """What is wrong with an item's outputs, in words; empty when all are there, of the recorded size."""
        row = json.loads(self._known()[name])
        self._made_with[name] = sys.intern(row["made_with"])  # the same few words in thousands of items
        files, inside = self._files, "" if self.single else f"{name}/"
        if row["root"]:
            if row["root"] not in self._outside:
                self._outside[row["root"]] = Files(Path(row["root"]))
            files, inside = self._outside[row["root"]], ""
        return row["damaged"] or damage(row["outputs"], lambda output: files.size(inside + output))

    def made_with(self, name: str) -> str:
        """In which versions of libraries an item was made, as its record says."""
        if name not in self._made_with:
            self._made_with[name] = sys.intern(json.loads(self._known()[name])["made_with"])
        return self._made_with[name]

    def add(self, record: ItemSummary) -> None:
        """Take in the record of an item that has just been published; `write` then puts it into the stage record."""
        self._take_in(self._known(), record)
        self._files = Files(self.path)

    # -- the stage record --------------------------------------------------------------------------------------

    @property
    def digest(self) -> str:
        """Stands for every byte of the stage record as it lies on the disk; empty where there is none."""
        self._known()
        return self._digest

    @property
    def newer(self) -> set[str]:
        """Items that the stage record on the disk does not hold as they are now."""
        self._known()
        return self._newer

    def recorded(self) -> list[str]:
        """Items that the stage record on the disk lists, those whose folders are gone among them."""
        self._known()
        return self._recorded

    def write(
        self, records: Iterable[ItemRecord], failures: Iterable[Failure], head: Mapping[str, Any], part: str = ""
    ) -> None:
        """Write the stage record (merged over what it held) and the failures, each in one rename.

        A `part` of a build ("2of16") writes its failures only: the others are at work in the same folder, and a
        stage record written by one of them would hide what the others have made since.
        """
        make_folder(self.path.parent)
        for record in records:
            self.add(record)
        if not part:
            self.write_rows(head)
        file = self._beside(FAILURES_OF_PARTS) / f"{part}.json" if part else self._beside(FAILURES_RECORD)
        rows = [asdict(failure) for failure in failures]
        if rows or changed_ns(file) is not None:
            replace_json(file, rows)
        if not part:
            for name in names_in(self._beside(FAILURES_OF_PARTS)):
                remove(self._beside(FAILURES_OF_PARTS) / name)
        self._files = Files(self.path)

    def write_rows(self, head: Mapping[str, Any]) -> None:
        """Write the stage record alone: everything that is known of the items now."""
        rows = self._known()
        lines = ",\n".join(f"{json.dumps(name, ensure_ascii=False)}: {rows[name]}" for name in sorted(rows))
        begin = json.dumps({**head, "items": {}}, ensure_ascii=False).removesuffix(_ENDS)
        text = f"{begin}\n{lines}\n{_ENDS}\n"
        replace_text(self._beside(STAGE_RECORD), text)
        self._head, self._recorded, self._newer, self._digest = dict(head), list(rows), set(), _digest(text)

    def forget(self, names: Iterable[str]) -> None:
        """Take items out of the stage record; their folders are left to whoever removed their records."""
        gone, rows = set(names), self._known()
        if gone and self._digest:
            # With what was finished since it was written: items older than the new record are not looked for again.
            self._rows = {name: row for name, row in rows.items() if name not in gone}
            self.write_rows(self._head)
        self._look_again()

    def _known(self) -> dict[str, str]:
        """A line of JSON for each item, from the stage record and from the records that it does not hold."""
        if self._rows is None:
            written_ns = self._written_ns()  # asked first: whatever comes after it is newer
            text = read_text(self._beside(STAGE_RECORD)) or ""
            self._head, self._rows = _taken_apart(text)
            self._digest, self._recorded = _digest(text) if text else "", list(self._rows)
            files = {name: f"{name}/{RECORD_NAME}" for name in self.names()}
            if self.single:
                files = {next(iter(self._recorded), ""): RECORD_NAME}
            for name, file in files.items():
                changed = self._files.changed_ns(file)
                if changed is None or changed >= written_ns or name not in self._rows:
                    held = self._rows.pop(name, "")
                    record = None if changed is None else self.record(name)
                    if record is None:  # never finished, or being replaced just now
                        continue
                    if _row(record) == held:  # an object store's whole seconds make it look newer
                        self._rows[name] = held
                    else:
                        self._take_in(self._rows, record)
        return self._rows

    def _written_ns(self) -> int:
        """When the stage record was written; 0 where there is none."""
        found = changed_ns(self._beside(STAGE_RECORD)) if self.single else self._files.changed_ns(STAGE_RECORD)
        return found or 0

    def _take_in(self, rows: dict[str, str], record: ItemSummary) -> None:
        rows[record.name] = _row(record)
        self._newer.add(record.name)
        self._made_with.pop(record.name, None)
        self._last = None

    # -- what lies beside the items ----------------------------------------------------------------------------

    def other_variants(self) -> list[StageFolder]:
        """The same stage and corpus as made with other parameters, the one written last first."""
        if self.single:
            return []
        home = self.path.parent.parent
        others = [home / variant / self.path.name for variant in names_in(home) if variant != self.path.parent.name]
        written = [(changed_ns(path / STAGE_RECORD) or 0, path) for path in others]
        written.sort(key=lambda row: row[0], reverse=True)
        return [StageFolder(path) for changed, path in written if changed or path.is_dir()]

    def failures(self) -> dict[str, Failure]:
        """Items that failed when they were last tried, by name."""
        files = [self._beside(FAILURES_RECORD)]
        if not self.single:
            parts = [f"{FAILURES_OF_PARTS}/{name}" for name in self._files.names_in(FAILURES_OF_PARTS)]
            files = [self.path / name for name in (FAILURES_RECORD, *parts) if self._files.size(name) is not None]
        found = [row for file in files for row in read_json(file) or []]
        return {row["item"].split("/", 1)[1]: Failure(**row) for row in found}

    def seal(self) -> dict[str, Any]:
        """What `write_seal` wrote last; empty where there is none."""
        return read_json(self._beside(SEAL_RECORD)) or {}

    def write_seal(self, seal: Mapping[str, Any]) -> None:
        """Keep under what the items were found fresh, in one rename."""
        replace_json(self._beside(SEAL_RECORD), seal)

    def _beside(self, name: str) -> Path:
        return self.path.parent / f".{self.path.name}{name}" if self.single else self.path / name


def _row(record: ItemSummary) -> str:
    """One line that stands for an item."""
    return json.dumps(record.summary().to_json(), ensure_ascii=False)


def _taken_apart(text: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Head and lines of a stage record; nothing of one that is torn or laid out otherwise: it is only a cache."""
    first, *lines = text.split("\n")
    if not first.endswith(_BEGINS) or lines[-2:] != [_ENDS, ""]:
        return {}, {}
    head = json.loads(first + _ENDS)
    del head["items"]
    rows = {}
    for line in filter(None, lines[:-2]):
        name, end = _JSON.raw_decode(line)
        rows[name] = line[end:].removeprefix(": ").removesuffix(",")
    return head, rows


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
