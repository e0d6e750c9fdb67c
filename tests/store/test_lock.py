"""Who may write what in a store: one build a corpus, and a dead builder cannot keep a lock."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from pathlib import Path

import psutil
import pytest

from pipeline.errors import StoreError
from pipeline.store import lock
from pipeline.store.lock import Locks, holders, part_name, store_lock

DEAD = {"host": socket.gethostname(), "pid": 999_999_999, "process_start": 0.0, "since": "?"}
ELSEWHERE = {"host": "elsewhere", "pid": 1, "process_start": 0.0, "since": "yesterday"}


def left_behind(store: Path, name: str, holder: dict) -> Path:
    """A lock file as another process wrote it."""
    path = store / "locks" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(holder))
    return path


def test_a_lock_is_there_inside_the_block_and_gone_after(tmp_path):
    with Locks(tmp_path) as locks:
        locks.take(["diem", "coutrot1"])
        assert {name: holder["pid"] for name, holder in holders(tmp_path).items()} == {
            "coutrot1": os.getpid(),
            "diem": os.getpid(),
        }
    assert list((tmp_path / "locks").iterdir()) == []


EXCLUDE_EACH_OTHER = [
    ("diem", "diem"),
    ("diem", part_name("diem", 2, 16)),
    (part_name("diem", 2, 16), part_name("diem", 2, 16)),
    (part_name("diem", 2, 16), part_name("diem", 3, 8)),
    ("diem", "store"),
    ("all", "store"),
    (part_name("diem", 0, 2), "store"),
]
LIVE_SIDE_BY_SIDE = [
    ("diem", "coutrot1"),
    ("diem", "all"),
    (part_name("diem", 2, 16), part_name("diem", 3, 16)),
    (part_name("diem", 2, 16), part_name("coutrot1", 3, 8)),
    (part_name("diem", 2, 16), "diem.common"),
    ("all", "all.train"),
]


@pytest.mark.parametrize(("first", "second"), EXCLUDE_EACH_OTHER)
def test_what_would_write_the_same_is_refused_in_either_order(tmp_path, first, second):
    who = f"pid {os.getpid()} on {socket.gethostname()}"
    for one, other in ((first, second), (second, first)):
        with Locks(tmp_path) as held, Locks(tmp_path) as refused:
            held.take([one])
            with pytest.raises(StoreError, match=who) as raised:
                refused.take([other])
            assert raised.value.code == "locked"
            assert list(holders(tmp_path)) == [one]


@pytest.mark.parametrize(("first", "second"), LIVE_SIDE_BY_SIDE)
def test_what_writes_different_things_shares_a_store(tmp_path, first, second):
    with Locks(tmp_path) as one, Locks(tmp_path) as other:
        one.take([first])
        other.take([second])
        assert set(holders(tmp_path)) == {first, second}


def test_of_several_locks_all_are_taken_or_none(tmp_path):
    with Locks(tmp_path) as held, Locks(tmp_path) as refused:
        held.take(["diem"])
        with pytest.raises(StoreError):
            refused.take(["coutrot1", "diem"])
        assert list(holders(tmp_path)) == ["diem"]


@pytest.mark.parametrize("case", ["no such process", "a recycled pid"])
@pytest.mark.parametrize("wanted", ["diem", "store"])
def test_a_stale_lock_is_taken_over(tmp_path, case, wanted):
    recycled = {**DEAD, "pid": os.getpid(), "process_start": psutil.boot_time() - 100}
    left_behind(tmp_path, "diem", DEAD if case == "no such process" else recycled)
    with Locks(tmp_path) as locks:
        locks.take([wanted])
        assert holders(tmp_path)[wanted]["pid"] == os.getpid()
        assert locks.others() == []


def test_a_torn_lock_of_nobody_is_refused_until_it_is_old(tmp_path):
    path = left_behind(tmp_path, "diem", DEAD)
    path.write_text('{"host": "els')
    with Locks(tmp_path) as locks, pytest.raises(StoreError, match=r"pid \?"):
        locks.take(["diem"])
    long_ago = time.time() - 2 * lock.STALE_S
    os.utime(path, (long_ago, long_ago))
    with Locks(tmp_path) as locks:
        locks.take(["diem"])


def test_a_lock_of_another_host_holds_while_it_beats_and_is_stale_ten_minutes_later(tmp_path):
    path = left_behind(tmp_path, "diem", ELSEWHERE)
    with Locks(tmp_path) as locks, pytest.raises(StoreError, match="pid 1 on elsewhere, since yesterday"):
        locks.take(["diem"])
    assert path.exists()
    long_ago = time.time() - lock.STALE_S - 60
    os.utime(path, (long_ago, long_ago))
    with Locks(tmp_path) as locks:
        locks.take(["diem"])
        assert holders(tmp_path)["diem"]["pid"] == os.getpid()


def test_a_held_lock_is_touched_again_and_again(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "BEAT_S", 0.01)
    with Locks(tmp_path) as locks:
        locks.take(["diem"])
        path = tmp_path / "locks" / "diem.json"
        os.utime(path, (1, 1))
        deadline = time.monotonic() + 10
        while path.stat().st_mtime < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        locks.check()


def test_who_lost_a_lock_is_told_and_leaves_the_new_holder_s_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "BEAT_S", 0.01)
    with Locks(tmp_path) as locks:
        locks.take(["diem"])
        path = left_behind(tmp_path, "diem", ELSEWHERE)
        deadline = time.monotonic() + 10
        with pytest.raises(StoreError, match=r"diem.json: taken over") as raised:
            while time.monotonic() < deadline:
                locks.check()
                time.sleep(0.01)
        assert raised.value.code == "lock-lost"
    assert json.loads(path.read_text()) == ELSEWHERE


def test_a_wait_ends_when_the_holder_gives_its_lock_back_and_says_once_whom_it_waits_for(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "_WAIT_S", 0.01)
    told: list[str] = []
    with Locks(tmp_path) as first, Locks(tmp_path) as second:
        first.take(["all"])
        threading.Timer(0.2, first.close).start()
        with second.waiting_for("all", told.append):
            assert list(holders(tmp_path)) == ["all"]
        assert holders(tmp_path) == {}
    assert len(told) == 1
    assert f"pid {os.getpid()}" in told[0]


def test_the_whole_store_is_locked_for_a_block(tmp_path):
    with store_lock(tmp_path), Locks(tmp_path) as locks, pytest.raises(StoreError, match="the whole store"):
        locks.take(["diem"])
    assert holders(tmp_path) == {}


def test_a_beat_that_gets_no_answer_is_not_the_last(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "BEAT_S", 0.01)
    asked: list[Path] = []
    touch = lock.disk.touch

    def sometimes(path: Path) -> None:
        asked.append(path)
        if len(asked) == 1:
            raise StoreError("no answer", code="unreachable")
        touch(path)

    monkeypatch.setattr(lock.disk, "touch", sometimes)
    with Locks(tmp_path) as locks:
        locks.take(["diem"])
        path = tmp_path / "locks" / "diem.json"
        os.utime(path, (1, 1))
        deadline = time.monotonic() + 10
        while path.stat().st_mtime < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        locks.check()


def test_a_lock_given_back_in_the_very_moment_is_taken(tmp_path, monkeypatch):
    create, tries = lock.disk.create_json, []

    def just_missed(path: Path, data: dict) -> None:
        tries.append(path)
        if len(tries) == 1:
            raise FileExistsError
        create(path, data)

    monkeypatch.setattr(lock.disk, "create_json", just_missed)
    with Locks(tmp_path) as locks:
        locks.take(["diem"])
        assert list(holders(tmp_path)) == ["diem"]
