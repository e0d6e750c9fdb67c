"""What the log of a build tells while it runs, and how a watcher learns that its builder is gone."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline.store.buildlog import LogWriter, log_paths
from pipeline.store.following import AT_WORK, FAILURES_KEPT, KILLED, SILENT_S, Follower, Story, at_work, ended_last
from pipeline.store.lock import Locks
from pipeline.store.progress import Progress
from tests.store import toy_build
from tests.store.test_progress import plain
from tests.store.test_tally import Clock

ELSEWHERE = {"host": "elsewhere", "pid": 77, "process_start": 5.0}


def remote_build(store: Path) -> LogWriter:
    """What a build of another host, seen through a shared disk, has left so far."""
    (store / "locks").mkdir()
    (store / "locks" / "diem.json").write_text(json.dumps({**ELSEWHERE, "since": "today"}))
    log = LogWriter(store / "logs" / "build-20261122-024500-77.jsonl")
    log.write("begin", **ELSEWHERE, executor="serial", asked={}, plan=[], items=3)
    return log


def own_build(store: Path, name: str = "a") -> Progress:
    """A build of this very process that has begun."""
    progress = Progress(store / "logs" / f"build-{name}-{os.getpid()}.jsonl", plain(), tick_s=None)
    progress.begin(executor="serial", asked={}, plan={("density", "diem"): 2})
    return progress


def follow(store: Path, clock: Clock | None = None) -> Follower:
    (log,) = log_paths(store)
    return Follower(store, log, clock or Clock())


# -- what is told --------------------------------------------------------------------------------------------------


def test_a_story_follows_a_build_from_its_beginning_to_its_end(tmp_path):
    progress = own_build(tmp_path)
    follower = follow(tmp_path)
    assert (follower.look().word, follower.story.now, follower.story.begin["items"]) == (AT_WORK, None, 2)
    with progress.stage("density", "diem", n_items=2, n_kept=0) as stage:
        stage.item("diem/a", seconds=1.5)
        now = follower.look().now
        assert now is not None
        assert (now.stage, now.corpus, now.total, now.build_total) == ("density", "diem", 2, 2)
        stage.item("diem/b", error="broken")
    with progress.stage("shards", "diem", n_items=0, n_kept=3):
        pass
    progress.say("waiting for somebody")
    story = follower.look()
    assert (story.word, story.now, story.note) == (AT_WORK, None, "waiting for somebody")
    assert [(tally.stage, tally.done, tally.failed) for tally in story.ended] == [("density", 2, 1)]
    assert [(row["item"], row["error"]) for row in story.failures] == [("diem/b", "broken")]
    progress.end(n_failed=1)
    assert (follower.look().word, story.well, story.n_failed) == ("failed", False, 1)


@pytest.mark.parametrize(("n_failed", "word", "well"), [(0, "done", True), (1, "failed", False)])
def test_only_a_build_that_made_everything_ended_well(tmp_path, n_failed, word, well):
    progress = own_build(tmp_path)
    with progress.stage("density", "diem", n_items=1, n_kept=0) as stage:
        stage.item("diem/a")
    progress.end(n_failed=n_failed)
    story = follow(tmp_path).look()
    assert (story.word, story.well) == (word, well)


def test_of_many_failures_the_last_are_kept_and_all_are_counted(tmp_path):
    story = Story(tmp_path)
    for number in range(FAILURES_KEPT + 50):
        story.take(item(f"diem/{number}", error="broken"))
    assert (story.n_failed, len(story.failures)) == (FAILURES_KEPT + 50, FAILURES_KEPT)
    assert story.failures[-1]["item"] == f"diem/{FAILURES_KEPT + 49}"


def test_the_five_slowest_items_are_kept_in_order(tmp_path):
    story = Story(tmp_path)
    for number in range(100):
        story.take(item(f"diem/{number}", seconds=float(number * 37 % 100)))
    assert [seconds for seconds, _, _ in story.slowest] == [99, 98, 97, 96, 95]
    assert story.slowest[0][1:] == ("density", "diem/27")


def item(name: str, *, seconds: float = 0.0, error: str = "") -> dict[str, Any]:
    return {"event": "item", "time": 1.0, "stage": "density", "item": name, "seconds": seconds, "error": error}


# -- whether the builder lives -------------------------------------------------------------------------------------


def test_a_process_of_this_host_that_is_gone_has_ended_without_a_word(tmp_path):
    build = toy_build.start(tmp_path / "store")
    follower = follow(tmp_path / "store")
    assert follower.look().word == AT_WORK
    build.kill()
    assert build.wait() == -signal.SIGKILL
    assert (follower.look().word, follower.story.n_failed) == (KILLED, 1)
    assert at_work(tmp_path / "store") == []


def test_a_process_that_got_the_number_of_a_dead_builder_is_not_the_builder(tmp_path):
    progress = Progress(tmp_path / "logs" / f"build-a-{os.getpid()}.jsonl", plain(), tick_s=None)
    progress.log("begin", host=socket.gethostname(), pid=os.getpid(), process_start=psutil.boot_time() - 100)
    assert follow(tmp_path).look().word == KILLED


def test_a_builder_elsewhere_lives_while_its_log_grows_or_its_lock_is_touched(tmp_path):
    log, clock = remote_build(tmp_path), Clock()
    follower = follow(tmp_path, clock)
    for sign in range(6):
        assert follower.look().word == AT_WORK
        clock.now_s += SILENT_S - 1
        if sign % 2:
            log.write("note", text="still here")
        else:
            os.utime(tmp_path / "locks" / "diem.json", (1e9 + sign, 1e9 + sign))
    assert follower.look().word == AT_WORK
    clock.now_s += SILENT_S + 1
    assert follower.look().word == KILLED


def test_a_builder_elsewhere_that_holds_no_lock_any_more_is_gone(tmp_path):
    remote_build(tmp_path)
    follower = follow(tmp_path)
    assert follower.look().word == AT_WORK
    (tmp_path / "locks" / "diem.json").unlink()
    assert follower.look().word == KILLED


def test_a_builder_that_has_not_yet_said_who_it_is_is_known_by_its_lock(tmp_path):
    LogWriter(tmp_path / "logs" / f"build-a-{os.getpid()}.jsonl").close()
    with Locks(tmp_path) as locks:
        locks.take(["diem"])
        assert follow(tmp_path).look().word == AT_WORK
    assert follow(tmp_path).look().word == KILLED


def test_of_several_builds_at_work_the_one_that_began_last_comes_first(tmp_path):
    me = {"host": socket.gethostname(), "pid": os.getpid(), "process_start": psutil.Process().create_time()}
    for name, began_s, wrote_s in (("a", 30, 3), ("b", 40, 2), ("c", 50, 1), ("ended", 60, 4)):
        log = LogWriter(tmp_path / "logs" / f"build-{name}-{os.getpid()}.jsonl")
        log.write("begin", **me, time=began_s)
        if name == "ended":
            log.write("end", word="done")
        os.utime(tmp_path / "logs" / f"build-{name}-{os.getpid()}.jsonl", (1e9 + wrote_s, 1e9 + wrote_s))
    with Locks(tmp_path) as locks:
        locks.take(["diem"])
        assert [follower.story.begin["time"] for follower in at_work(tmp_path)] == [50, 40, 30]
    assert at_work(tmp_path) == []


def test_the_last_build_is_told_of_when_none_is_at_work(tmp_path):
    assert ended_last(tmp_path) is None
    own_build(tmp_path).end(n_failed=0)
    assert at_work(tmp_path) == []
    story = ended_last(tmp_path)
    assert story is not None
    assert story.word == "nothing to do"
