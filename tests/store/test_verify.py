"""Hashing again what was published: what differs is told, remembered in the record, and nothing else is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.store.folders import StageFolder
from pipeline.store.items import ItemTask, execute
from pipeline.store.verify import note_down, verify_store


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A stage folder with the items a and b."""
    StageFolder(tmp_path).write([make(tmp_path / name) for name in ("a", "b")], [], {"stage": "toy"})
    return tmp_path


def make(folder: Path):
    """Twice 21, published."""
    return execute(
        ItemTask(
            stage="toy",
            item=f"corpus/{folder.name}",
            function="tests.store.toy_stages:double",
            folder=folder,
            fingerprint="f",
            version=1,
            params={},
            inputs={},
            files={},
            values={"number": 21},
        )
    )


def verify(home: Path) -> tuple[list[str], int]:
    lines, damaged, n_files = verify_store([("toy corpus", StageFolder(home))])
    note_down(damaged)
    return lines, n_files


def damage(home: Path, name: str) -> str:
    """What the next look says of an item."""
    return StageFolder(home).damage(name)


def test_whole_items_are_counted_and_left_alone(home: Path):
    before = (home / "a" / "record.json").read_bytes()
    assert verify(home) == ([], 2)
    assert (home / "a" / "record.json").read_bytes() == before


@pytest.mark.parametrize("hurt", ["flipped", "gone"])
def test_a_damaged_item_is_told_and_says_so_itself_until_it_is_made_anew(home: Path, hurt):
    answer = home / "a" / "answer.txt"
    answer.write_text("43") if hurt == "flipped" else answer.unlink()
    (told,), n_files = verify(home)
    assert n_files == 2
    assert told.startswith(f"toy corpus: {answer}: sha256 73475cb40a56… was recorded, found ")
    assert damage(home, "a").startswith("output answer.txt is damaged: sha256 73475cb40a56… was recorded, found ")
    assert damage(home, "b") == ""

    StageFolder(home).write([make(home / "a")], [], {"stage": "toy"})
    assert damage(home, "a") == ""
    assert verify(home) == ([], 2)


def test_what_is_damaged_is_told_again_each_time(home: Path):
    (home / "a" / "answer.txt").write_text("43")
    assert verify(home) == verify(home)


@pytest.mark.parametrize("took", ["as long", "longer"])
def test_an_item_that_was_made_again_since_it_was_hashed_is_not_called_damaged(home: Path, took):
    record = home / "a" / "record.json"
    before = record.read_bytes()
    (home / "a" / "answer.txt").write_text("43")
    _lines, damaged, _n_files = verify_store([("toy corpus", StageFolder(home))])
    make(home / "a")
    record.write_bytes(before if took == "as long" else before.replace(b'"seconds": 0', b'"seconds": 9'))
    note_down(damaged)
    assert damage(home, "a") == ""
