"""One build at a time, and a dead builder cannot keep the lock."""

from __future__ import annotations

import json
import os
import socket

import psutil
import pytest

from pipeline.errors import StoreError
from pipeline.store.lock import LOCK_NAME, store_lock


def test_the_lock_is_there_inside_the_block_and_gone_after(tmp_path):
    with store_lock(tmp_path):
        assert json.loads((tmp_path / LOCK_NAME).read_text())["pid"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_a_second_build_is_refused_and_told_who_holds_it(tmp_path):
    holder = f"pid {os.getpid()} on {socket.gethostname()}"
    with store_lock(tmp_path), pytest.raises(StoreError, match=holder), store_lock(tmp_path):
        pass
    assert not (tmp_path / LOCK_NAME).exists()


@pytest.mark.parametrize("case", ["no such process", "a recycled pid"])
def test_a_stale_lock_is_taken_over(tmp_path, case):
    pid = 999_999_999 if case == "no such process" else os.getpid()
    holder = {"host": socket.gethostname(), "pid": pid, "process_start": psutil.boot_time() - 100, "since": "?"}
    (tmp_path / LOCK_NAME).write_text(json.dumps(holder))
    with store_lock(tmp_path):
        assert json.loads((tmp_path / LOCK_NAME).read_text())["process_start"] != holder["process_start"]


def test_a_lock_of_another_host_is_never_broken(tmp_path):
    holder = {"host": "elsewhere", "pid": 1, "process_start": 0.0, "since": "yesterday"}
    (tmp_path / LOCK_NAME).write_text(json.dumps(holder))
    with pytest.raises(StoreError, match="pid 1 on elsewhere, since yesterday"), store_lock(tmp_path):
        pass
    assert (tmp_path / LOCK_NAME).exists()
