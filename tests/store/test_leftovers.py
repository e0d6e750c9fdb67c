"""What killed processes leave behind is told from what living ones are making."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from pipeline.store import leftovers
from pipeline.store.leftovers import started_s, sweep, temporary, trash
from pipeline.store.lock import store_lock

HOST = socket.gethostname()
DEAD = 999_999_999


@pytest.fixture
def zombie():
    """The number of a process that has ended but that nobody has waited for."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.005)
    yield process.pid
    process.wait()


@pytest.mark.parametrize("place", ["", "locks", "scores", "stages/density/some-variant/diem"])
def test_leftovers_of_dead_processes_go_wherever_they_lie(tmp_path: Path, place: str):
    home = tmp_path / place
    for name in (f".tmp-a-{HOST}-{DEAD}", f".trash-b-{HOST}-{DEAD}"):
        (home / name / "frames").mkdir(parents=True)
    (home / f".tmp-_STAGE.json-{HOST}-{DEAD}").touch()
    (home / "a").mkdir()
    assert sweep(tmp_path) == 3
    assert [path.name for path in home.iterdir()] == ["a"]


def test_a_zombie_makes_nothing_any_more(tmp_path: Path, zombie: int):
    (tmp_path / f".tmp-a-{HOST}-{zombie}").mkdir()
    assert started_s(zombie) is None
    assert sweep(tmp_path) == 1


def test_a_zombie_holds_no_lock(tmp_path: Path, zombie: int):
    holder = {"host": HOST, "pid": zombie, "process_start": psutil.Process(zombie).create_time(), "since": "?"}
    lock = tmp_path / "locks" / "store.json"
    lock.parent.mkdir()
    lock.write_text(json.dumps(holder))
    with store_lock(tmp_path):
        assert json.loads(lock.read_text())["pid"] == os.getpid()


def test_a_recycled_process_number_protects_nothing(tmp_path: Path):
    mine = temporary(tmp_path / "a")
    mine.mkdir()
    os.utime(mine, (psutil.boot_time() - 100,) * 2)  # before this process started
    assert sweep(tmp_path) == 1


@pytest.mark.parametrize(
    "name_of",
    [temporary, trash, lambda path: path.with_name(".tmp-a-another-host-1"), lambda path: path.with_name(".tmp-x")],
    ids=["a living process's draft", "its trash", "another host's", "a name without a process"],
)
def test_what_lives_or_is_not_ours_stays(tmp_path: Path, name_of):
    name = name_of(tmp_path / "a").name
    (tmp_path / name).mkdir()
    assert sweep(tmp_path) == 0
    assert (tmp_path / name).is_dir()


def test_what_is_put_in_its_place_while_somebody_sweeps_is_no_leftover(tmp_path: Path, monkeypatch):
    draft = temporary(tmp_path / "locks" / "diem.json")
    draft.parent.mkdir()
    draft.touch()

    def placed_meanwhile(pid: int) -> float:
        os.replace(draft, draft.parent / "diem.json")
        return 0.0

    monkeypatch.setattr(leftovers, "started_s", placed_meanwhile)
    assert sweep(tmp_path) == 0
    assert (tmp_path / "locks" / "diem.json").exists()
