"""Executors: every job has one outcome, whatever happens to its worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from pipeline.errors import StoreError, UsageError
from pipeline.store import executors
from tests.store import toy_stages

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("spec", ["serial", "pool:2"])
def test_every_job_has_one_outcome_and_an_error_stops_no_other(spec):
    jobs = [(str(number), number) for number in (1, 2, 100, 3)]
    outcomes = {key: (result, error) for key, result, error in executors.make(spec).imap(toy_stages.square, jobs)}
    assert {key: result for key, (result, _) in outcomes.items()} == {"1": 1, "2": 4, "100": None, "3": 9}
    assert isinstance(outcomes["100"][1], ValueError)
    assert outcomes["1"][1] is None


def test_a_worker_killed_by_9_fails_its_own_job_only():
    jobs = [(str(number), number) for number in (1, -1, 2, 3, 4, 5)]
    outcomes = {key: (result, error) for key, result, error in executors.make("pool:2").imap(toy_stages.square, jobs)}
    assert {key: result for key, (result, _) in outcomes.items()} == {
        "1": 1,
        "2": 4,
        "3": 9,
        "4": 16,
        "5": 25,
        "-1": None,
    }
    error = outcomes["-1"][1]
    assert isinstance(error, StoreError)
    assert error.code == "worker-died"


@pytest.mark.parametrize(("spec", "most_in_flight"), [("serial", 1), ("pool:2", 4)])
def test_jobs_are_drawn_as_workers_finish_and_never_all_at_once(spec, most_in_flight):
    drawn, finished, most = 0, 0, 0

    def numbers():
        nonlocal drawn
        for number in range(1, 41):
            drawn += 1
            yield str(number), number

    for _ in executors.make(spec).imap(toy_stages.square, numbers()):
        most = max(most, drawn - finished)
        finished += 1
    assert finished == 40
    assert most == most_in_flight


def test_workers_run_one_thread_each():
    [(_, (told, used), error)] = executors.make("pool:1").imap(toy_stages.one_thread, [("a", None)])
    assert error is None
    assert told == "1"
    assert set(used.split(",")) == {"1"}


def test_a_pool_works_in_a_parent_that_has_used_torch():
    code = (
        "import torch; torch.ones(300, 300) @ torch.ones(300, 300)\n"
        "from pipeline.store import executors\n"
        "from tests.store.toy_stages import multiply_matrices\n"
        "if __name__ == '__main__':\n"
        "    print([row[1] for row in executors.make('pool:2').imap(multiply_matrices, [('a', 1), ('b', 2)])])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "[8000000.0, 8000000.0]", done.stderr


def test_workers_end_when_their_parent_is_killed_by_9(tmp_path):
    code = (
        "import sys\n"
        "from pipeline.store import executors\n"
        "from tests.store.toy_stages import touch_and_sleep\n"
        "if __name__ == '__main__':\n"
        "    list(executors.make('pool:1').imap(touch_and_sleep, [('a', sys.argv[1])]))\n"
    )
    alive = tmp_path / "alive"
    parent = subprocess.Popen([sys.executable, "-c", code, str(alive)], cwd=ROOT)
    _wait_until(lambda: alive.is_file() and alive.read_text() != "", 60)
    worker = int(alive.read_text())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    _wait_until(lambda: not psutil.pid_exists(worker) or psutil.Process(worker).status() == "zombie", 10)


@pytest.mark.parametrize("spec", ["pool:0", "pool:x", "threads", "pool", "dask", "dask:0", "dask:x", "slurm:2"])
def test_an_unknown_executor_is_wrong_usage(spec):
    with pytest.raises(UsageError, match="xecutor"):
        executors.make(spec)


def _wait_until(condition, timeout_s: float) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.05)


def test_a_build_stopped_twice_in_a_row_ends_at_once(tmp_path):
    code = (
        "import sys\n"
        "from pipeline import cli\n"
        "from pipeline.store import executors\n"
        "from tests.store.toy_stages import touch_and_sleep\n"
        "def sleep_in_a_pool(_arguments):\n"
        "    list(executors.make('pool:2').imap(touch_and_sleep, [(path, path) for path in paths]))\n"
        "if __name__ == '__main__':\n"
        "    paths, sys.argv[1:] = sys.argv[1:], ['status']\n"
        "    cli._command = lambda name: sleep_in_a_pool\n"
        "    cli.entry()\n"
    )
    paths = [tmp_path / "a", tmp_path / "b"]
    child = subprocess.Popen([sys.executable, "-c", code, *map(str, paths)], cwd=ROOT, start_new_session=True)
    _wait_until(lambda: all(path.is_file() for path in paths), 60)
    os.killpg(child.pid, signal.SIGINT)
    time.sleep(0.3)
    os.killpg(child.pid, signal.SIGINT)
    assert child.wait(timeout=20) == 130
