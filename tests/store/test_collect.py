"""What removal frees, and that it can be killed between any two changes to the disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.store.collect import Size, remove, remove_empty_folders, remove_records, shelves, sizes
from pipeline.store.folders import StageFolder
from pipeline.store.items import ItemTask, execute, read_record
from pipeline.store.leftovers import sweep
from tests.store.conftest import Requests

ROOT = Path(__file__).resolve().parents[2]
MOST_STEPS = 80
CHILD = """
import os, signal, sys
from pathlib import Path
from tests.store.test_collect import take_out_a

left = int(sys.argv[2])
def before(event, args):
    global left
    opens_to_write = event == "open" and args[2] & (os.O_WRONLY | os.O_RDWR)
    if opens_to_write or event in ("os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir"):
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
sys.addaudithook(before)
take_out_a(Path(sys.argv[1]))
"""


def make(store: Path, variant: str, *names: str, noted: bool = True) -> StageFolder:
    """Publish items of a toy stage; `noted` ones are in the stage record too."""
    folder = StageFolder(store / "stages" / "toy" / variant / "corpus")
    made = [
        execute(
            ItemTask(
                stage="toy",
                item=f"corpus/{name}",
                function="tests.store.toy_stages:double",
                folder=folder.item_folder(name),
                fingerprint=name,
                version=1,
                params={},
                inputs={"number": 21},
                files={},
                values={"number": 21},
            )
        )
        for name in names
    ]
    if noted:
        folder.write(made, [], {"stage": "toy"})
    return folder


def shelf_of(store: Path, variant: str):
    return next(shelf for shelf in shelves(store) if shelf.variant == variant)


def take_out_a(store: Path) -> None:
    """What a collection does to the disk: one item of a shelf that keeps another, and all of a second shelf."""
    sweep(store)
    for shelf in shelves(store):
        remove(shelf, ["a"])
    sweep(store)
    for shelf in shelves(store):
        if shelf.variant == "gone":
            remove_records(shelf)
    remove_empty_folders(store)


def files(store: Path) -> set[str]:
    return {path.relative_to(store).as_posix() for path in store.rglob("*") if path.is_file()}


def test_shelves_are_found_whatever_their_stage(tmp_path: Path):
    make(tmp_path, "one", "a")
    (tmp_path / "stages" / "from_the_future" / "v" / "all").mkdir(parents=True)
    (tmp_path / "stages" / "toy" / "one" / ".trash-x").mkdir()
    assert [shelf.key for shelf in shelves(tmp_path)] == ["from_the_future/v/all", "toy/one/corpus"]


def test_a_hard_link_elsewhere_keeps_its_bytes(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "own").write_bytes(bytes(10))
    (tmp_path / "a" / "linked").write_bytes(bytes(100))
    os.link(tmp_path / "a" / "linked", tmp_path / "elsewhere")
    assert sizes({"a": [tmp_path / "a"]}) == {"a": Size(freed=10, shared=100)}


def test_a_file_of_two_names_is_freed_once_when_both_go(tmp_path: Path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "a" / "file").write_bytes(bytes(100))
    os.link(tmp_path / "a" / "file", tmp_path / "b" / "file")
    assert sizes({"a": [tmp_path / "a"], "b": [tmp_path / "b"]}) == {"a": Size(freed=100), "b": Size()}
    assert sizes({"b": [tmp_path / "b"]}) == {"b": Size(shared=100)}


def test_what_is_removed_is_gone_from_the_disk_and_from_the_stage_record(tmp_path: Path):
    make(tmp_path, "v", "a", "b")
    remove(shelf_of(tmp_path, "v"), ["a"])
    again = shelf_of(tmp_path, "v").folder
    assert again.names() == ["b"]
    assert [record.item for record in again.known_records()] == ["corpus/b"]
    assert files(tmp_path / "stages") == {"toy/v/corpus/_STAGE.json", *(f"toy/v/corpus/b/{n}" for n in
                                                                       ("answer.txt", "record.json"))}  # fmt: skip


def test_what_was_finished_after_the_stage_record_was_written_is_still_known_when_something_else_goes(tmp_path: Path):
    make(tmp_path, "v", "a")
    make(tmp_path, "v", "b", noted=False)  # as a killed build leaves it
    remove(shelf_of(tmp_path, "v"), ["a"])
    record = shelf_of(tmp_path, "v").folder.record("b")
    assert record is not None
    assert record.fingerprint == "b"


def test_a_name_without_a_folder_is_only_forgotten(tmp_path: Path):
    folder = make(tmp_path, "v", "a", "b")
    folder.item_folder("a").rename(tmp_path / "away")
    remove(shelf_of(tmp_path, "v"), ["a"])
    assert shelf_of(tmp_path, "v").folder.record("a") is None
    assert (tmp_path / "away" / "answer.txt").is_file()


def test_a_folder_in_which_something_else_lies_stays(tmp_path: Path):
    folder = make(tmp_path, "v", "a")
    (folder.path / "notes.txt").write_text("mine")
    shelf = shelf_of(tmp_path, "v")
    remove(shelf, ["a"])
    remove_records(shelf)
    remove_empty_folders(tmp_path)
    assert files(tmp_path / "stages") == {"toy/v/corpus/notes.txt"}


def test_the_records_of_a_place_stay_while_an_item_does(tmp_path: Path):
    make(tmp_path, "v", "a")
    remove_records(shelf_of(tmp_path, "v"))
    assert "toy/v/corpus/_STAGE.json" in files(tmp_path / "stages")


def test_a_linked_item_goes_without_what_it_points_to(tmp_path: Path):
    folder = make(tmp_path, "v", "a")
    folder.item_folder("a").rename(tmp_path / "away")
    folder.item_folder("a").symlink_to(tmp_path / "away", target_is_directory=True)
    remove(shelf_of(tmp_path, "v"), ["a"])
    assert shelf_of(tmp_path, "v").folder.names() == []
    assert (tmp_path / "away" / "answer.txt").is_file()


def test_on_an_object_store_the_record_goes_first_and_the_other_item_stays(s3: Path, s3_server: Requests):
    make(s3, "v", "a", "b")
    shelf = shelf_of(s3, "v")
    item = shelf.folder.item_folder("a")
    assert sizes({"a": [item]}) == {"a": Size(freed=2 + len((item / "record.json").read_bytes()))}
    s3_server.asked.clear()
    remove(shelf, ["a"])
    assert [line.split(" ")[0] for line in s3_server.asked if line.startswith(("POST", "PUT"))] == [
        "POST",
        "POST",
        "PUT",
    ]
    assert [shelf.folder.names() for shelf in shelves(s3)] == [["b"]]
    assert shelf_of(s3, "v").folder.record("b") is not None
    remove(shelf_of(s3, "v"), ["b"])
    remove_records(shelf_of(s3, "v"))
    remove_empty_folders(s3)
    assert shelves(s3) == []


@pytest.mark.slow
def test_a_kill_before_any_change_to_the_disk_leaves_whole_items_and_the_next_run_ends_the_same(tmp_path: Path):
    def make_all(store: Path) -> None:
        make(store, "kept", "a", "b")
        make(store, "gone", "a")

    make_all(undisturbed := tmp_path / "undisturbed")
    take_out_a(undisturbed)
    assert files(undisturbed) == {f"stages/toy/kept/corpus/{name}" for name in
                                  ("_STAGE.json", "b/answer.txt", "b/record.json")}  # fmt: skip
    step = 0
    while True:
        make_all(store := tmp_path / f"store{step}")
        child = subprocess.run([sys.executable, "-B", "-c", CHILD, str(store), str(step)], cwd=ROOT)
        if child.returncode == 0:
            break
        assert child.returncode == -signal.SIGKILL
        for shelf in shelves(store):
            for name in shelf.folder.names():
                record = read_record(shelf.folder.item_folder(name))
                assert record is not None, f"half an item after a kill before step {step}"
                assert record.damage(shelf.folder.item_folder(name)) == ""
        take_out_a(store)
        assert files(store) == files(undisturbed), f"after a kill before step {step}"
        assert [record.item for record in shelves(store)[0].folder.known_records()] == ["corpus/b"]
        step += 1
        assert step < MOST_STEPS
    assert step > 12
