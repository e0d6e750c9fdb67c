"""A store on S3, on a local server: data first, record last, and a lock that two builds cannot both take."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline import Corpus
from pipeline.cli import main
from pipeline.errors import StoreError
from pipeline.store import disk, nearby, objects
from pipeline.store.fingerprint import sha256_of
from pipeline.store.folders import StageFolder
from pipeline.store.items import ItemTask, execute, read_record
from pipeline.store.leftovers import sweep
from pipeline.store.lock import Locks
from pipeline.store.places import scratch_folder
from tests.recipe import tiny
from tests.store.conftest import Requests, new_bucket

ROOT = Path(__file__).resolve().parents[2]


def task(folder: Path, number: int, function: str = "double", **inputs) -> ItemTask:
    return ItemTask(
        stage="toy",
        item=f"corpus/{folder.name}",
        function=f"tests.store.toy_stages:{function}",
        folder=folder,
        fingerprint=f"made from {number}",
        version=1,
        params={},
        inputs={"number": number},
        values={"number": number},
        **{"files": {}, **inputs},
    )


def make(folder: StageFolder, number: int) -> None:
    folder.write([execute(task(folder.item_folder("a"), number))], [], {"stage": "toy"})


# -- items -------------------------------------------------------------------------------------------------------


def test_an_item_is_put_data_first_and_record_last(s3: Path, s3_server: Requests):
    record = execute(task(s3 / "a", 21))
    put = [line.rsplit("/", 1)[1] for line in s3_server.asked if line.startswith("PUT")]
    assert put == ["answer.txt", "record.json"]
    assert (s3 / "a" / "answer.txt").read_text() == "42"
    assert read_record(s3 / "a") == record
    assert not any(scratch_folder().iterdir())


def test_replacing_an_item_removes_its_record_before_anything_else(s3: Path, s3_server: Requests):
    execute(task(s3 / "a", 1))
    s3_server.asked.clear()
    execute(task(s3 / "a", 2, "fail_when_odd"))
    changes = [line.split(" ")[0] for line in s3_server.asked if line.split(" ")[0] in ("PUT", "POST", "DELETE")]
    assert changes == ["POST", "POST", "PUT", "PUT"]  # remove the record, remove the data, put data, put record
    assert sorted(disk.listing(s3 / "a")) == ["half.txt", "record.json"]


def test_a_failing_function_leaves_the_earlier_item_alone(s3: Path):
    before = execute(task(s3 / "a", 2, "fail_when_odd"))
    with pytest.raises(Exception, match="is odd"):
        execute(task(s3 / "a", 3, "fail_when_odd"))
    assert read_record(s3 / "a") == before


def test_a_full_disk_here_is_said_with_the_way_out(s3: Path):
    with pytest.raises(StoreError, match="the disk is full") as caught:
        execute(task(s3 / "a", 1, "full_disk"))
    assert "AVE_CACHE" in caught.value.remedy


def test_a_kill_between_data_and_record_leaves_an_item_that_is_made_again(s3: Path):
    home = s3 / "stages" / "toy" / "plain" / "corpus"
    make(StageFolder(home), 1)
    kill = f"""
import os, signal
from pipeline.store import objects
from pipeline.store.disk import store_at
from tests.store.test_s3 import task, execute
objects.write = lambda path, data: os.kill(os.getpid(), signal.SIGKILL)
execute(task(store_at("{home}/a"), 2))
"""
    child = subprocess.run([sys.executable, "-c", kill], cwd=ROOT)
    assert child.returncode == -signal.SIGKILL
    assert (home / "a" / "answer.txt").read_text() == "4"
    assert StageFolder(home).record("a") is None  # although the stage record still lists the earlier one
    assert len(list(scratch_folder().iterdir())) == sweep(s3) == 1
    make(StageFolder(home), 1)
    assert StageFolder(home).record("a").fingerprint == "made from 1"
    assert (home / "a" / "answer.txt").read_text() == "2"


def test_what_a_job_reads_is_fetched_once_and_what_it_links_is_copied_over_there(s3: Path, s3_server: Requests):
    source = execute(task(s3 / "source", 21))
    path, sha = s3 / "source" / "answer.txt", source.outputs["answer.txt"][1]
    given = {"files": {"read": {"x": path}, "linked": {"x": path}}, "digests": {str(path): sha}}
    for name in ("one", "two"):
        s3_server.asked.clear()
        record = execute(task(s3 / name, 0, "link_and_read", **given, linked=()))
        assert record.outputs["linked.txt"] == (2, sha)
        assert record.facts == {"read": "42"}
        assert (s3 / name / "linked.txt").read_text() == "42"
        fetched = [line for line in s3_server.asked if line.startswith("GET") and line.endswith("answer.txt")]
        assert len(fetched) == (1 if name == "one" else 0)


def test_what_is_only_linked_is_never_fetched(s3: Path, s3_server: Requests):
    source = execute(task(s3 / "source", 21))
    path, sha = s3 / "source" / "answer.txt", source.outputs["answer.txt"][1]
    s3_server.asked.clear()
    given = {"files": {"linked": {"x": path}}, "digests": {str(path): sha}, "linked": ("linked",)}
    record = execute(task(s3 / "a", 0, "link_and_read", **given))
    assert record.outputs["linked.txt"] == (2, sha)
    assert (s3 / "a" / "linked.txt").read_text() == "42"
    assert not [line for line in s3_server.asked if line.startswith("GET") and "answer.txt" in line]


def test_an_object_that_is_not_what_was_recorded_is_refused(s3: Path):
    sha = execute(task(s3 / "a", 21)).outputs["answer.txt"][1]
    (s3 / "a" / "answer.txt").write_text("43")
    with pytest.raises(StoreError, match="was recorded, found"):
        nearby.near(s3 / "a" / "answer.txt", sha)
    disk.remove(s3 / "a" / "answer.txt")
    with pytest.raises(StoreError, match="is gone"):
        nearby.near(s3 / "a" / "answer.txt", sha)


# -- the lock ----------------------------------------------------------------------------------------------------


def test_a_second_build_is_refused_and_told_who_is_at_work(s3: Path):
    with Locks(s3) as first, Locks(s3) as second:
        first.take(["diem"])
        with pytest.raises(StoreError, match=f"pid {os.getpid()} on {socket.gethostname()}"):
            second.take(["diem"])
    with Locks(s3) as third:
        third.take(["diem"])


def test_the_lock_of_a_dead_process_is_taken_over_by_one_of_two(s3: Path):
    dead = {"host": socket.gethostname(), "pid": 2**22 + 1, "process_start": 0.0, "since": "long ago"}
    disk.create_json(s3 / "locks" / "diem.json", dead)
    with Locks(s3) as locks:
        locks.take(["diem"])
        assert not disk.exchange_json(s3 / "locks" / "diem.json", dead, {"somebody": "else"})
        disk.touch(s3 / "locks" / "diem.json")
        assert disk.read_json(s3 / "locks" / "diem.json")["pid"] == os.getpid()


def test_of_two_that_replace_the_same_object_at_once_one_is_told(s3: Path, monkeypatch: pytest.MonkeyPatch):
    disk.create_json(s3 / "lock.json", "dead")
    read = objects.read

    def read_and_be_overtaken(path: Path) -> bytes:
        data = read(path)
        objects.write(path, b'"somebody else"')
        return data

    with monkeypatch.context() as patch:
        patch.setattr(objects, "read", read_and_be_overtaken)
        assert not disk.exchange_json(s3 / "lock.json", "dead", "me")
    assert disk.read_json(s3 / "lock.json") == "somebody else"
    with pytest.raises(FileExistsError):
        disk.create_json(s3 / "lock.json", "me")


def test_a_server_that_knows_no_conditional_put_is_refused(s3: Path, monkeypatch: pytest.MonkeyPatch):
    forgetful = SimpleNamespace(pipe_file=lambda *_, **__: None, rm=lambda _: None)
    monkeypatch.setattr(objects, "_fs", lambda _: forgetful)
    with pytest.raises(StoreError, match="If-None-Match") as caught:
        objects.create(s3 / "lock.json", b"{}")
    assert caught.value.code == "no-conditions"


def test_a_forked_process_reads_too(s3: Path):
    """A DataLoader forks its workers, and a connection is not to be shared with them."""
    path = s3 / "a.txt"
    path.write_text("here")
    child = multiprocessing.get_context("fork").Process(target=objects.read, args=(path,))
    child.start()
    child.join()
    assert child.exitcode == 0


def test_a_bucket_that_is_not_there_is_said_before_anything_else(s3_server: Requests, capsys: pytest.CaptureFixture):
    assert main(["status", "--store", "s3://no-such-bucket/store"]) == 1
    assert "there is no bucket 'no-such-bucket'" in capsys.readouterr().err


# -- builds ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    tiny.write(folder)
    return folder


@pytest.fixture(scope="module")
def local(releases: Path) -> Path:
    """The same build in a folder, with its export."""
    build(releases, releases / "store", releases / "export")
    return releases / "store"


def build(releases: Path, store: Path, export: Path, executor: str = "serial") -> None:
    """`ave export` as a person runs it; in a process of its own, because a pool's workers keep its environment."""
    where = ["--raw", releases / "raw", "--manifests", releases / "manifests", "--out", export, "--partial"]
    command = [sys.executable, "-m", "pipeline.cli", "export", "--store", store, *where, "--executor", executor]
    subprocess.run([str(word) for word in command], cwd=ROOT, check=True, capture_output=True)


def digests(store: Path) -> dict[str, tuple]:
    """Fingerprint and outputs of every item."""
    found = {}
    for name in disk.listing(store):
        if name.endswith("/record.json"):
            record = read_record((store / name).parent)
            found[name] = record.fingerprint, record.outputs
    return found


@pytest.fixture(scope="module")
def remote(releases: Path, local: Path, s3_server: Requests) -> Path:
    """The same build on S3, by two workers, with its export."""
    store = new_bucket("builds") / "store"
    build(releases, store, releases / "export-of-s3", "pool:2")
    return store


def test_a_build_on_s3_holds_what_one_on_a_disk_does(remote: Path, local: Path, releases: Path):
    assert digests(remote) == digests(local)
    assert _files(releases / "export-of-s3") == _files(releases / "export")
    logs = list(disk.listing(remote / "logs"))
    assert len(logs) == 1
    assert '"event": "end"' in (remote / "logs" / logs[0]).read_text()


def test_a_build_with_nothing_to_do_changes_nothing_and_asks_little(
    remote: Path, s3_server: Requests, capsys: pytest.CaptureFixture
):
    s3_server.asked.clear()
    assert main(["build", "--store", str(remote)]) == 0
    asked = list(s3_server.asked)
    assert "nothing to run" in capsys.readouterr().out
    assert not [line for line in asked if line.startswith(("PUT", "POST", "DELETE"))]
    items = digests(remote)  # a listing, a record and a seal a folder, and each item finished in its last second
    assert len(asked) < 3 * len({Path(name).parent.parent for name in items}) + len(items) + 30


def test_a_corpus_on_s3_reads_like_one_on_a_disk(remote: Path, local: Path):
    here, there = Corpus(local), Corpus(str(remote))
    assert there.stimuli.equals(here.stimuli)
    for stimulus in there:
        other = here[stimulus.stimulus]
        assert np.array_equal(stimulus.frames(0, 5), other.frames(0, 5))
        assert np.array_equal(stimulus.logmel(0, 5), other.logmel(0, 5))
        assert stimulus.fixations().equals(other.fixations())


def test_verify_finds_a_changed_object_and_the_next_build_mends_it(remote: Path, capsys: pytest.CaptureFixture):
    name = next(name for name in disk.listing(remote / "stages" / "density") if name.endswith("density.npy"))
    hurt = remote / "stages" / "density" / name
    whole = hurt.read_bytes()
    hurt.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert main(["verify", "--store", str(remote)]) == 1
    assert str(hurt) in capsys.readouterr().out
    assert main(["build", "--store", str(remote), "--executor", "serial"]) == 0
    assert hurt.read_bytes() == whole
    assert main(["verify", "--store", str(remote)]) == 0


def test_collecting_removes_what_neither_settings_nor_an_export_asks_for(
    remote: Path, releases: Path, capsys: pytest.CaptureFixture
):
    assert main(["build", "--store", str(remote), "--sigma-dva", "1.5", "--executor", "serial"]) == 0
    found = []
    for _ in range(2):
        assert main(["gc", "--store", str(remote), "--yes"]) == 0
        found.append(len(disk.names_in(remote / "stages" / "density")))
        shutil.rmtree(releases / "export-of-s3", ignore_errors=True)
    assert found == [2, 1]
    assert "freed" in capsys.readouterr().out
    assert main(["build", "--store", str(remote)]) == 0
    assert "nothing to run" in capsys.readouterr().out


def _files(folder: Path) -> dict[str, str]:
    return {path.name: sha256_of(path) for path in folder.iterdir() if path.name != "provenance.json"}


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["build"], "have to lie in a folder of this machine"),
        (["export", "--raw", "."], "--out DIR"),
        (["build", "--raw", "s3://bucket/raw"], "only a store may be on S3"),
    ],
    ids=["no RAW", "no OUT", "RAW on S3"],
)
def test_what_must_be_on_a_disk_is_wrong_usage_on_s3(s3: Path, capsys: pytest.CaptureFixture, command, message):
    assert main([*command, "--store", str(s3)]) == 2
    assert message in capsys.readouterr().err
