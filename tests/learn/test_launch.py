"""The child process of a stage: what it is given, how it fails, and that nothing outlives the parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pipeline.errors import ModelError
from pipeline.learn.launch import ROOT, run_child
from pipeline.store.job import Job

CHILD = "tests.learn.misbehaving"


def job_that(does: str, out: Path) -> Job:
    return Job("train", "all/dave-av", out, {"shards": {"diem/train": out / "index.json"}}, {"n": 3}, {"does": does})


def wait_for(true, timeout_s=20.0):
    """Poll until `true()`; a test fails if that never comes."""
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"  # a zombie has ended; only its parent has not looked yet


def pids_of(out: Path) -> list[int]:
    wait_for((out / "pids").exists)
    return [int(pid) for pid in (out / "pids").read_text().split()]


def test_the_child_gets_the_whole_job(tmp_path):
    run_child(CHILD, job_that("write", tmp_path))
    assert (tmp_path / "seen.txt").read_text() == "all/dave-av index.json 3"


def test_bad_input_comes_back_as_the_same_error(tmp_path):
    with pytest.raises(ModelError) as caught:
        run_child(CHILD, job_that("refuse", tmp_path))
    assert str(caught.value) == "The width is 0; expected more. Ask for 8."
    assert caught.value.code == "width"


def test_a_crash_brings_the_last_lines_with_it(tmp_path):
    with pytest.raises(ModelError, match=r"(?s)ended with status 1.*step 2.*RuntimeError: a bug, not bad input"):
        run_child(CHILD, job_that("crash", tmp_path))


def test_a_killed_child_is_told_apart_from_a_crash(tmp_path):
    with pytest.raises(ModelError, match=r"(?s)ended by signal 9.*too little memory") as caught:
        run_child(CHILD, job_that("be killed", tmp_path))
    assert caught.value.code == "child-failed"


def test_an_interrupt_in_the_parent_ends_the_whole_group(tmp_path):
    def interrupt():
        wait_for((tmp_path / "pids").exists)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        run_child(CHILD, job_that("hang", tmp_path))
    pids = pids_of(tmp_path)
    wait_for(lambda: not any(is_running(pid) for pid in pids))


def test_a_parent_killed_by_force_leaves_nothing_running(tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "from pipeline.learn.launch import run_child\nfrom pipeline.store.job import Job\n"
        f"run_child({CHILD!r}, Job('train', 'all/x', Path(sys.argv[1]), {{}}, {{}}, {{'does': 'hang'}}))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT)
    pids = pids_of(tmp_path)
    assert all(is_running(pid) for pid in pids)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    wait_for(lambda: not any(is_running(pid) for pid in pids))
