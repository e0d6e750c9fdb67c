"""Executors on Dask: the laws of every executor, and what only a cluster can do wrong."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pipeline.errors import MediaError, StoreError, ToolError
from pipeline.store import cluster, executors, remote, threads
from pipeline.store.remote import Answer, Terms
from tests.dask_processes import dask_scheduler, dask_workers, kill_with_children, lives, wait_until
from tests.store import toy_stages

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def code_may_be_edited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let whoever edits this package while its tests run: a worker that starts later may have the newer code."""
    monkeypatch.setattr(remote, "code_digest", lambda: "")


@pytest.fixture(scope="module")
def two_workers() -> Iterator[executors.Executor]:
    """`dask:2`, started once, by somebody who asks for four threads elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        for name in threads.ONE_THREAD:
            patch.setenv(name, "4")
        executor = executors.make("dask:2")
        yield executor
        executor.close()


@pytest.fixture(scope="module")
def somebodys_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The host:port of a scheduler with two workers, all started in other folders than ours."""
    folder = tmp_path_factory.mktemp("dask")
    with dask_scheduler(folder) as (address, _), dask_workers(address, folder, count=2):
        yield address


@pytest.fixture
def on_somebodys_cluster(somebodys_cluster: str) -> Iterator[executors.Executor]:
    executor = executors.make(f"dask://{somebodys_cluster}")
    yield executor
    executor.close()


def outcomes(executor, function, jobs) -> dict:
    return {key: (result, error) for key, result, error in executor.imap(function, jobs)}


def test_every_job_has_one_outcome_and_an_error_stops_no_other(two_workers):
    found = outcomes(two_workers, toy_stages.square, [(str(number), number) for number in (1, 2, 100, 3)])
    assert {key: result for key, (result, _) in found.items()} == {"1": 1, "2": 4, "100": None, "3": 9}
    assert isinstance(found["100"][1], ValueError)
    assert found["1"][1] is None


def test_an_error_of_ours_comes_back_with_message_remedy_code_and_where_it_was_raised(two_workers):
    [(_, error)] = outcomes(two_workers, toy_stages.refuse, [("a", 3)]).values()
    assert isinstance(error, MediaError)
    assert (error.message, error.remedy, error.code) == ("3 is odd.", "Use an even one.", "odd")
    assert "in refuse" in str(error.__cause__)


def test_an_error_that_does_not_pickle_comes_back_as_its_words(two_workers):
    [(_, error)] = outcomes(two_workers, toy_stages.raise_what_does_not_pickle, [("a", None)]).values()
    assert "ValueError" in str(error)


def test_jobs_are_drawn_as_workers_finish_and_never_all_at_once(two_workers):
    drawn, finished, most = 0, 0, 0

    def numbers() -> Iterator[tuple[str, int]]:
        nonlocal drawn
        for number in range(1, 41):
            drawn += 1
            yield str(number), number

    for _ in two_workers.imap(toy_stages.square, numbers()):
        most = max(most, drawn - finished)
        finished += 1
    assert finished == 40
    assert most == 4


def test_workers_run_one_thread_each_whatever_the_environment_says(two_workers):
    [((told, used), error)] = outcomes(two_workers, toy_stages.one_thread, [("a", None)]).values()
    assert error is None
    assert told == "1"
    assert set(used.split(",")) == {"1"}


def test_a_worker_killed_by_9_loses_nothing(two_workers, tmp_path):
    jobs = [("once", str(tmp_path / "tried")), *((name, str(tmp_path / "tried")) for name in "abc")]
    found = outcomes(two_workers, toy_stages.kill_the_worker_once, jobs)
    assert found == dict.fromkeys(("once", "a", "b", "c"), ("at the second try", None))


def test_a_job_that_kills_its_workers_fails_alone(two_workers):
    found = outcomes(two_workers, toy_stages.square, [(str(number), number) for number in (1, -1, 2, 3, 4, 5)])
    error = found.pop("-1")[1]
    assert isinstance(error, StoreError)
    assert error.code == "worker-died"
    assert {key: result for key, (result, _) in found.items()} == {"1": 1, "2": 4, "3": 9, "4": 16, "5": 25}


@pytest.mark.parametrize("whom", ["the parent alone", "the whole process group"])
def test_workers_end_when_their_parent_is_killed_by_9(tmp_path, whom):
    parent = build_on_two_workers(tmp_path)
    family = psutil.Process(parent.pid).children(recursive=True)
    assert len(family) >= 2
    if whom == "the parent alone":
        os.kill(parent.pid, signal.SIGKILL)
    else:
        os.killpg(parent.pid, signal.SIGKILL)
    parent.wait()
    wait_until(lambda: not any(lives(process) for process in family), 10)


def test_a_build_stopped_twice_in_a_row_ends_at_once(tmp_path):
    build = build_on_two_workers(tmp_path)
    family = psutil.Process(build.pid).children(recursive=True)
    os.killpg(build.pid, signal.SIGINT)
    time.sleep(0.3)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(build.pid, signal.SIGINT)
    assert build.wait(timeout=20) == 130
    wait_until(lambda: not any(lives(process) for process in family), 10)
    assert (tmp_path / "said").read_text().startswith("ave: stopped;")
    assert "Traceback" not in (tmp_path / "said").read_text()


def build_on_two_workers(folder: Path) -> subprocess.Popen:
    """A process that stands for `ave build` on dask:2, with an item in hand of each worker."""
    code = (
        "import sys\n"
        "from pipeline import cli\n"
        "from pipeline.store import executors\n"
        "from tests.store.toy_stages import touch_and_sleep\n"
        "def sleep_on_two_workers(_arguments):\n"
        "    list(executors.make('dask:2').imap(touch_and_sleep, [(path, path) for path in paths]))\n"
        "if __name__ == '__main__':\n"
        "    paths, sys.argv[1:] = sys.argv[1:], ['status']\n"
        "    cli._command = lambda name: sleep_on_two_workers\n"
        "    cli.entry()\n"
    )
    paths = [folder / "a", folder / "b"]
    with open(folder / "said", "w") as said:
        build = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, paths)], cwd=ROOT, start_new_session=True, stdout=said, stderr=said
        )
    wait_until(lambda: all(path.is_file() for path in paths))
    return build


def test_a_cluster_that_is_there_does_the_same(on_somebodys_cluster):
    found = outcomes(on_somebodys_cluster, toy_stages.square, [(str(number), number) for number in (1, 2, 100, 3)])
    assert {key: result for key, (result, _) in found.items()} == {"1": 1, "2": 4, "100": None, "3": 9}
    assert on_somebodys_cluster._n_workers() == 2


def test_a_job_whose_worker_is_killed_by_9_runs_on_another(on_somebodys_cluster, tmp_path):
    found = outcomes(on_somebodys_cluster, toy_stages.kill_the_worker_once, [("a", str(tmp_path / "tried"))])
    assert found == {"a": ("at the second try", None)}


def test_a_worker_with_other_code_is_refused(on_somebodys_cluster, monkeypatch):
    monkeypatch.setattr(on_somebodys_cluster, "_store", None)
    monkeypatch.setattr(remote, "code_digest", lambda: "digest of other code")
    with pytest.raises(ToolError, match="runs other code of this package, from ") as caught:
        outcomes(on_somebodys_cluster, toy_stages.square, [("1", 1)])
    assert caught.value.code == "worker-unfit"


def test_a_worker_that_does_not_see_the_store_is_refused(on_somebodys_cluster, tmp_path):
    on_somebodys_cluster.connect()
    on_somebodys_cluster._terms = Terms("", tmp_path / "mounted elsewhere" / "mark", "token")
    with pytest.raises(ToolError, match=r"does not see the store: .*/mounted elsewhere is not the same folder there"):
        outcomes(on_somebodys_cluster, toy_stages.square, [("1", 1)])


def test_a_worker_that_sees_the_store_works_and_the_mark_it_was_shown_is_taken_away(somebodys_cluster, tmp_path):
    executor = executors.make(f"dask://{somebodys_cluster}", tmp_path)
    assert outcomes(executor, toy_stages.square, [("2", 2)]) == {"2": (4, None)}
    assert len(list(tmp_path.glob(".tmp-mark-*"))) == 1
    executor.close()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_started_or_connected_where_there_is_no_job():
    assert list(executors.make("dask://127.0.0.1:9").imap(toy_stages.square, [])) == []


def test_neither_a_scheduler_nor_a_worker_without_this_package_ends_in_a_riddle(tmp_path):
    with dask_scheduler(tmp_path, knows_us=False) as (address, _):
        executor = executors.make(f"dask://{address}")
        with dask_workers(address, tmp_path):
            assert outcomes(executor, toy_stages.square, [("2", 2)]) == {"2": (4, None)}  # a scheduler needs it not
        with dask_workers(address, tmp_path, knows_us=False):
            with pytest.raises(ToolError, match="cannot import what a job needs") as caught:
                outcomes(executor, toy_stages.square, [("2", 2)])
            assert f"ave doctor --executor dask://{address}" in caught.value.remedy
        executor.close()


def test_a_scheduler_that_dies_ends_in_one_clear_error_and_so_does_every_later_stage(tmp_path):
    with dask_scheduler(tmp_path) as (address, scheduler), dask_workers(address, tmp_path, count=2):
        executor = executors.make(f"dask://{address}")
        jobs = executor.imap(toy_stages.sleep_here, ((str(number), 0.05) for number in range(10_000)))
        assert next(jobs)[2] is None
        kill_with_children(scheduler.pid)
        with pytest.raises(StoreError, match=f"scheduler of dask://{address} cannot be reached any more") as caught:
            list(jobs)
        with pytest.raises(StoreError) as again:
            list(executor.imap(toy_stages.square, [("1", 1)]))
        assert again.value is caught.value
        assert caught.value.code == "scheduler-gone"
        executor.close()


def test_an_address_where_nobody_answers_is_named(monkeypatch):
    monkeypatch.setattr(cluster, "_CONNECT_S", 0.5)
    with pytest.raises(StoreError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9 ") as caught:
        outcomes(executors.make("dask://127.0.0.1:9"), toy_stages.square, [("1", 1)])
    assert caught.value.code == "no-scheduler"


def test_a_scheduler_without_workers_is_not_waited_for_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "_WITHOUT_WORKERS_S", 0.5)
    with dask_scheduler(tmp_path) as (address, _):
        executor = executors.make(f"dask://{address}")
        with pytest.raises(StoreError, match="has had no worker for") as caught:
            outcomes(executor, toy_stages.square, [("1", 1)])
        assert f"dask worker tcp://{address}" in caught.value.remedy
        executor.close()


def test_a_machine_without_dask_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(executors.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ToolError, match="needs distributed, not installed here") as caught:
        executors.make("dask:2")
    assert '".[dask]"' in caught.value.remedy


def test_a_result_that_went_with_its_worker_is_waited_for_while_the_cluster_is_looked_after(monkeypatch):
    """The last worker ended between a job's end and the fetching of its result: somebody has to bring another one."""
    from distributed import TimeoutError as NotYet

    looked = []

    class Future:
        def result(self, timeout: float) -> Answer:
            if len(looked) < 2:
                raise NotYet(f"nothing within {timeout} s")
            return Answer(result=42)

    executor = executors.make("dask:1")
    monkeypatch.setattr(executor, "_look", lambda: looked.append(1))
    assert executor._answer(Future()).result == 42
    assert len(looked) == 2
