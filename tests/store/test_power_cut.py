"""What a power cut may leave: the order in which things reach the disk, and what a later look makes of the rest.

A system that loses its power keeps what was flushed (fsync) and anything else, or nothing, or a part of the rest; a
rename is kept once its folder was flushed. So everything that a record vouches for, and each folder that holds an entry
of it, must be flushed before the rename that makes it visible.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.store import disk
from pipeline.store.folders import STAGE_RECORD, StageFolder
from pipeline.store.items import RECORD_NAME, ItemTask, execute

FILES = ("deep/down/bottom.txt", "deep/middle.txt", "top.txt")
FOLDERS = ("deep/down", "deep")


def task(folder: Path, fingerprint: str = "new") -> ItemTask:
    """An item whose function writes files into folders of its own."""
    return ItemTask(
        stage="toy",
        item=f"corpus/{folder.name}",
        function="tests.store.toy_stages:write_deep",
        folder=folder,
        fingerprint=fingerprint,
        version=1,
        params={},
        inputs={},
        files={},
        values={"files": FILES},
    )


class Journal:
    """Everything that is flushed or renamed, in order; files and folders are known by their number on the disk."""

    def __init__(self, patch: pytest.MonkeyPatch):
        self.events: list[tuple[str, int]] = []
        self._fsync, self._rename, self._replace = os.fsync, os.rename, os.replace
        patch.setattr(os, "fsync", self.fsync)
        patch.setattr(os, "rename", lambda old, new: self.rename(self._rename, old, new))
        patch.setattr(os, "replace", lambda old, new: self.rename(self._replace, old, new))

    def fsync(self, descriptor: int) -> None:
        self.events.append(("flush", os.fstat(descriptor).st_ino))
        self._fsync(descriptor)

    def rename(self, function, old, new) -> None:
        self.events.append(("rename", os.stat(old).st_ino))
        function(old, new)

    def flushed(self, path: Path) -> int:
        """When a file or folder was last flushed: its place among the events."""
        return max(at for at, event in enumerate(self.events) if event == ("flush", path.stat().st_ino))

    def renamed(self, path: Path) -> int:
        """When a file or folder got its present name."""
        return self.events.index(("rename", path.stat().st_ino))


@pytest.fixture
def journal(monkeypatch) -> Journal:
    return Journal(monkeypatch)


@pytest.mark.parametrize("replaced", [False, True], ids=["a new item", "an item that is made anew"])
def test_everything_an_item_consists_of_is_flushed_before_the_rename_that_makes_it_visible(
    tmp_path: Path, journal: Journal, replaced: bool
):
    if replaced:
        execute(task(tmp_path / "a", "old"))
    journal.events.clear()
    record = execute(task(tmp_path / "a"))
    assert set(record.outputs) == set(FILES)
    item, visible = tmp_path / "a", journal.renamed(tmp_path / "a")
    written = journal.flushed(item / RECORD_NAME)
    for name in (*FILES, *FOLDERS):
        assert journal.flushed(item / name) < written, f"{name} has to be on the disk before the record says so"
    assert written < journal.flushed(item) < visible, "the folder that holds the record, before it is seen"
    assert journal.flushed(tmp_path) > visible, "the rename itself"


def test_a_stage_record_is_flushed_before_it_takes_the_place_of_the_old_one(tmp_path: Path, journal: Journal):
    disk.replace_json(tmp_path / STAGE_RECORD, {"items": {}})
    assert journal.flushed(tmp_path / STAGE_RECORD) < journal.renamed(tmp_path / STAGE_RECORD)


# -- what is found afterwards ---------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A stage folder with two items and a stage record that knows them both."""
    records = [execute(task(tmp_path / name)) for name in ("a", "b")]
    StageFolder(tmp_path).write(records, [], {"stage": "toy"})
    return tmp_path


@pytest.mark.parametrize(
    "left", [None, b"", b'{"item": "corpus/a", "finge', bytes(4096)], ids=["no", "an empty", "a torn", "a zeroed"]
)
def test_with_whatever_record_is_left_the_item_was_never_made_whatever_the_stage_record_says(folder: Path, left):
    record = folder / "a" / RECORD_NAME
    record.unlink() if left is None else record.write_bytes(left)
    assert StageFolder(folder).record("a") is None
    assert StageFolder(folder).record("b") is not None


@pytest.mark.parametrize("left", [b"", b'{"items": {"a": {"item'], ids=["empty", "torn"])
def test_without_a_whole_stage_record_the_items_own_records_are_the_truth(folder: Path, left):
    (folder / STAGE_RECORD).write_bytes(left)
    assert {record.item for record in StageFolder(folder).known_records()} == {"corpus/a", "corpus/b"}


def test_a_stage_record_from_before_the_last_build_is_behind_and_not_believed(folder: Path):
    old = (folder / STAGE_RECORD).read_bytes()
    execute(task(folder / "a", "newer"))
    (folder / STAGE_RECORD).write_bytes(old)
    os.utime(folder / STAGE_RECORD, (1, 1))
    found = StageFolder(folder).record("a")
    assert found is not None
    assert found.fingerprint == "newer"


@pytest.mark.parametrize("name", FILES)
def test_an_output_of_no_length_is_noticed_without_reading_it(folder: Path, name: str):
    (folder / "a" / name).write_bytes(b"")
    record = StageFolder(folder).record("a")
    assert record is not None
    assert record.damage(folder / "a") == f"output {name} has 0 bytes, not {len(name)}"
