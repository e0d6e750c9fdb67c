"""Publishing one item: all of it or nothing, with a record that says why."""

from __future__ import annotations

import hashlib
import json
import os

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from pipeline.errors import MediaError, StoreError
from pipeline.store.folders import Failure, StageFolder
from pipeline.store.items import ItemTask, execute, read_record, swap_in


def task(folder, function="double", number=21, fingerprint="f" * 32):
    return ItemTask(
        stage="toy",
        item=f"corpus/{folder.name}",
        function=f"tests.store.toy_stages:{function}",
        folder=folder,
        fingerprint=fingerprint,
        version=1,
        params={},
        inputs={"number": number},
        files={},
        values={"number": number},
    )


def test_a_published_item_has_its_files_and_a_record_of_their_digests(tmp_path):
    record = execute(task(tmp_path / "a"))
    assert (tmp_path / "a" / "answer.txt").read_text() == "42"
    assert record.outputs == {"answer.txt": (2, hashlib.sha256(b"42").hexdigest())}
    assert record.facts == {"doubled": True}
    assert read_record(tmp_path / "a") == record


def test_a_failing_function_leaves_nothing_behind(tmp_path):
    with pytest.raises(MediaError, match="is odd"):
        execute(task(tmp_path / "a", "fail_when_odd", 3))
    assert list(tmp_path.iterdir()) == []


def test_a_failing_function_leaves_the_earlier_item_alone(tmp_path):
    execute(task(tmp_path / "a"))
    with pytest.raises(MediaError):
        execute(task(tmp_path / "a", "fail_when_odd", 3))
    assert (tmp_path / "a" / "answer.txt").read_text() == "42"


def test_a_rebuilt_item_replaces_the_earlier_one_whole(tmp_path):
    execute(task(tmp_path / "a", number=1))
    execute(task(tmp_path / "a", "fail_when_odd", 2))
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["half.txt", "record.json"]


def test_a_full_disk_is_one_clear_error(tmp_path):
    with pytest.raises(StoreError, match="the disk is full") as caught:
        execute(task(tmp_path / "a", "full_disk"))
    assert caught.value.code == "disk-full"
    assert "run the same command again" in caught.value.remedy


def test_a_torn_record_is_an_item_that_was_never_published(tmp_path):
    execute(task(tmp_path / "a"))
    text = (tmp_path / "a" / "record.json").read_text()
    (tmp_path / "a" / "record.json").write_text(text[: len(text) // 2])
    assert read_record(tmp_path / "a") is None


@pytest.mark.parametrize("hurt", ["gone", "truncated"])
def test_damage_names_the_output(tmp_path, hurt):
    record = execute(task(tmp_path / "a"))
    answer = tmp_path / "a" / "answer.txt"
    answer.unlink() if hurt == "gone" else answer.write_text("4")
    assert "answer.txt" in record.damage(tmp_path / "a")


def test_swapping_in_replaces_a_folder_that_is_there(tmp_path):
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    swap_in(tmp_path / "new", tmp_path / "old")
    assert [path.name for path in (tmp_path / "old").iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_items_finished_after_the_stage_record_was_written_have_the_last_word(tmp_path):
    folder = StageFolder(tmp_path)
    folder.write([execute(task(tmp_path / "a", fingerprint="old"))], [], {"stage": "toy"})
    for name in ("a", "b"):
        execute(task(tmp_path / name, fingerprint="new"))
    again = StageFolder(tmp_path)
    assert {again.record(name).fingerprint for name in ("a", "b")} == {"new"}
    assert len(again.known_records()) == 2
    again.write([], [], {"stage": "toy"})
    assert sorted(json.loads((tmp_path / "_STAGE.json").read_text())["items"]) == ["a", "b"]


def test_items_older_than_the_stage_record_are_not_read_one_by_one(tmp_path):
    folder = StageFolder(tmp_path)
    folder.write([execute(task(tmp_path / "a"))], [], {"stage": "toy"})
    (tmp_path / "a" / "record.json").write_bytes(b"never read")
    os.utime(tmp_path / "a" / "record.json", (0, 0))
    assert StageFolder(tmp_path).summary("a").item == "corpus/a"


def test_a_stage_record_is_json_with_a_line_for_each_item(tmp_path):
    head = {"stage": "toy", "version": 1}
    StageFolder(tmp_path).write([execute(task(tmp_path / name)) for name in ("b", "a")], [], head)
    text = (tmp_path / "_STAGE.json").read_text()
    assert [line[:4] for line in text.splitlines()[1:3]] == ['"a":', '"b":']
    held = json.loads(text)
    assert list(held["items"]) == ["a", "b"]
    assert {**held, "items": {}} == {**head, "items": {}}
    assert {name: row["outputs"] for name, row in held["items"].items()} == {
        name: {"answer.txt": [2, hashlib.sha256(b"42").hexdigest()]} for name in ("a", "b")
    }


@pytest.mark.parametrize("text", ["", "{", '{"stage": "toy", "items": {"a": {}}}', '{"items": {\n"a": {}', "[]"])
def test_a_stage_record_that_is_torn_or_laid_out_otherwise_is_none(tmp_path, text):
    record = execute(task(tmp_path / "a"))
    (tmp_path / "_STAGE.json").write_text(text)
    folder = StageFolder(tmp_path)
    assert folder.summary("a") == record.summary()
    assert folder.newer == {"a"}
    folder.write_rows({"stage": "toy"})
    again = StageFolder(tmp_path)
    assert (again.summary("a"), again.newer) == (record.summary(), set())


def test_what_was_published_is_known_before_the_stage_record_is_written_and_then_no_longer_newer(tmp_path):
    folder = StageFolder(tmp_path)
    folder.add(execute(task(tmp_path / "a")))
    assert (folder.holds("a"), folder.newer, folder.damage("a")) == (True, {"a"}, "")
    folder.write([], [], {"stage": "toy"})
    assert folder.newer == set()
    assert folder.digest == StageFolder(tmp_path).digest != ""


def test_damage_is_told_without_reading_the_records(tmp_path):
    StageFolder(tmp_path).write([execute(task(tmp_path / name)) for name in ("a", "b")], [], {"stage": "toy"})
    (tmp_path / "a" / "answer.txt").write_text("4")
    (tmp_path / "b" / "answer.txt").unlink()
    folder = StageFolder(tmp_path)
    assert folder.damage("a") == "output answer.txt has 1 bytes, not 2"
    assert folder.damage("b") == "output answer.txt is gone"


def test_writing_a_stage_record_keeps_the_items_it_does_not_mention(tmp_path):
    folder = StageFolder(tmp_path)
    folder.write([execute(task(tmp_path / "a"))], [], {"stage": "toy"})
    StageFolder(tmp_path).write([execute(task(tmp_path / "b"))], [], {"stage": "toy"})
    held = json.loads((tmp_path / "_STAGE.json").read_text())
    assert sorted(held["items"]) == ["a", "b"]


def test_failures_are_kept_until_they_are_gone(tmp_path):
    failure = Failure("toy", "corpus/a", "f", "odd", "3 is odd", "use an even one")
    StageFolder(tmp_path).write([], [failure], {})
    assert StageFolder(tmp_path).failures() == {"a": failure}
    StageFolder(tmp_path).write([], [], {})
    assert StageFolder(tmp_path).failures() == {}


def test_every_item_is_made_with_one_blas_thread_so_that_it_is_the_same_bytes_everywhere(tmp_path):
    """A product of two threads adds up in another order: log-mel features differ in the last bit."""
    np.ones((2, 2)) @ np.ones((2, 2))  # NumPy's BLAS is loaded, as it is by a stage's own imports
    with threadpool_limits(2, user_api="blas"):
        record = execute(task(tmp_path / "a", "count_blas_threads"))
        assert {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"} == {2}
    assert record.facts == {"blas_threads": [1]}
