"""What a person sees while a build runs: one set of numbers, shown in four ways."""

from __future__ import annotations

import io
import json
import os
import socket
import threading
import tracemalloc
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipeline.store.cost import Cost
from pipeline.store.progress import LINE_EVERY_S, Progress, ticking
from pipeline.store.tally import Tally
from tests.store.test_tally import Clock

FULL_DISK = Path("/dev/full")


def plain(width: int = 80, *, terminal: bool = False) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=terminal, color_system=None, highlight=False)


def said(progress: Progress) -> str:
    assert isinstance(progress.console.file, io.StringIO)
    return progress.console.file.getvalue()


def make(tmp_path: Path, console: Console | None = None) -> tuple[Progress, Clock, Path]:
    """A progress that is looked at only when a test says so."""
    clock, path = Clock(), tmp_path / "logs" / "build-now-1.jsonl"
    return Progress(path, console or plain(), clock=clock, tick_s=None), clock, path


def events(path: Path, *kinds: str) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [{key: row[key] for key in row if key != "time"} for row in rows if not kinds or row["event"] in kinds]


# -- the numbers, everywhere the same ------------------------------------------------------------------------------


def test_the_log_the_listener_and_the_terminal_show_the_same_numbers(tmp_path):
    progress, clock, path = make(tmp_path)
    heard: list[Tally] = []
    progress.begin(executor="serial", asked={}, plan={("density", "diem"): 4, ("publish", "all"): 1})
    with progress.heard_by(heard.append), progress.stage("density", "diem", n_items=3, n_kept=2) as stage:
        clock.now_s += 2
        stage.item("diem/a", seconds=1.9, n_bytes=2_000_000)
        stage.item("diem/b", error="broken")
        progress.look()
        clock.now_s += 2
        stage.item("diem/c", seconds=2.1, n_bytes=4_000_000)
    first, middle, last = heard
    assert (first.done, first.seconds) == (0, 0.0)
    assert (middle.done, middle.items_per_s, middle.bytes_per_s, middle.eta_s) == (2, 1.0, 1_000_000, 1.0)
    assert (middle.failed, middle.slowest, middle.slowest_s) == (1, "diem/a", 1.9)
    assert (last.done, last.items_per_s, last.bytes_per_s, last.eta_s) == (3, 0.75, 1_500_000, 0.0)
    assert (last.build_done, last.build_total) == (3, 4)  # one of the four planned turned out to be there
    assert events(path, "progress") == [{"event": "progress", **asdict(tally)} for tally in heard]
    assert said(progress) == "density    diem      2 made, 2 kept, 1 failed in 4.0 s, 6.0 MB\n"


def test_items_and_stages_are_logged_one_line_each(tmp_path):
    progress, clock, path = make(tmp_path)
    with progress.stage("density", "diem", n_items=2, n_kept=1) as stage:
        stage.item("diem/a", seconds=0.5, n_bytes=7, cost=Cost(0.25, 1.5))
        stage.item("diem/b", error="broken")
        clock.now_s += 2.0
    with progress.stage("shards", "diem", n_items=0, n_kept=3):
        pass
    density = {"event": "item", "stage": "density"}
    assert events(path, "item", "stage") == [
        density | {"item": "diem/a", "seconds": 0.5, "bytes": 7, "cpu_s": 0.25, "tools_cpu_s": 1.5, "error": ""},
        density | {"item": "diem/b", "seconds": 0, "bytes": 0, "cpu_s": 0, "tools_cpu_s": 0, "error": "broken"},
        {"event": "stage", "stage": "density", "corpus": "diem", "seconds": 2.0, "done": 2, "failed": 1, "kept": 1},
        {"event": "stage", "stage": "shards", "corpus": "diem", "seconds": 0.0, "done": 0, "failed": 0, "kept": 3},
    ]
    assert said(progress).count("\n") == 1, "a stage in which nothing ran has nothing to say"


def test_numbers_are_logged_at_most_once_a_second_and_at_the_beginning_and_the_end(tmp_path):
    progress, clock, path = make(tmp_path)
    with progress.stage("density", "diem", n_items=100, n_kept=0) as stage:
        for number in range(100):  # 10 s, ten items a second
            clock.now_s += 0.1
            stage.item(f"diem/{number}")
            progress.look()
    seconds = [row["seconds"] for row in events(path, "progress")]
    assert seconds == sorted(seconds)
    assert (seconds[0], seconds[-1]) == (0.0, 10.0)
    assert 8 <= len(seconds[1:-1]) <= 10
    assert all(after - before > 0.999 for before, after in pairwise(seconds[:-1]))


def test_while_nothing_ends_there_is_a_sign_of_life_every_five_seconds(tmp_path):
    progress, clock, path = make(tmp_path)
    with progress.stage("train", "all", n_items=1, n_kept=0) as stage:
        for _ in range(30):
            clock.now_s += 1
            progress.look()
        stage.item("all/a")
    assert [row["seconds"] for row in events(path, "progress")] == [0, 5, 10, 15, 20, 25, 30, 30]


def test_what_was_planned_for_a_stage_gives_way_to_what_it_runs(tmp_path):
    progress, _, path = make(tmp_path)
    progress.begin(executor="serial", asked={}, plan={("a", "x"): 10, ("b", "x"): 10, ("c", "x"): 0})
    for stage, n_items in (("a", 10), ("b", 0), ("c", 5)):
        with progress.stage(stage, "x", n_items=n_items, n_kept=0) as counter:
            for number in range(n_items):
                counter.item(f"x/{number}")
    shown = [(row["stage"], row["build_done"], row["build_total"]) for row in events(path, "progress")]
    assert shown == [("a", 0, 20), ("a", 10, 20), ("c", 10, 15), ("c", 15, 15)]


def test_a_stage_that_runs_in_two_goes_is_counted_once_a_go(tmp_path):
    progress, _, path = make(tmp_path)
    progress.begin(executor="serial", asked={}, plan={("a", "x"): 3})
    for n_items in (2, 1):
        with progress.stage("a", "x", n_items=n_items, n_kept=0) as counter:
            for number in range(n_items):
                counter.item(f"x/{number}")
    assert (events(path, "progress")[-1]["build_done"], events(path, "progress")[-1]["build_total"]) == (3, 3)


# -- the beginning and the end of a build --------------------------------------------------------------------------


def test_the_beginning_says_who_builds_what(tmp_path):
    progress, _, path = make(tmp_path)
    plan = {("density", "diem"): 4, ("publish", "all"): 0}
    progress.begin(executor="pool:2", asked={"corpora": ["diem"]}, plan=plan)
    (begin,) = events(path)
    assert (begin["host"], begin["pid"]) == (socket.gethostname(), os.getpid())
    assert (begin["executor"], begin["asked"], begin["items"]) == ("pool:2", {"corpora": ["diem"]}, 4)
    assert begin["plan"] == [{"stage": "density", "corpus": "diem", "items": 4}]


def test_without_a_plan_nothing_is_said_about_the_whole_build(tmp_path):
    progress, _, path = make(tmp_path)
    progress.begin(executor="serial", asked={}, plan=None)
    with progress.stage("density", "diem", n_items=1, n_kept=0) as stage:
        stage.item("diem/a")
    assert events(path, "begin")[0]["items"] is None
    assert {row["build_total"] for row in events(path, "progress")} == {None}


@pytest.mark.parametrize(
    ("how", "word"),
    [
        ({"n_failed": 0}, "done"),
        ({"n_failed": 2}, "failed"),
        ({"n_failed": 0, "error": "Nothing is published."}, "failed"),
        ({"n_failed": 0, "finished": False}, "stopped"),
        ({"n_failed": 2, "finished": False, "error": "the disk is full"}, "stopped"),
    ],
    ids=str,
)
def test_the_end_says_how(tmp_path, how, word):
    progress, clock, path = make(tmp_path)
    with progress.stage("density", "diem", n_items=3, n_kept=0) as stage:
        for number in range(3):
            stage.item(f"diem/{number}")
    clock.now_s += 90
    progress.end(**how)
    (end,) = events(path, "end")
    assert (end["word"], end["made"], end["failed"]) == (word, 3, how["n_failed"])
    assert (end["seconds"], end["error"]) == (90.0, how.get("error", ""))


def test_a_build_in_which_nothing_ran_had_nothing_to_do(tmp_path):
    progress, _, path = make(tmp_path)
    progress.end(n_failed=0)
    assert events(path, "end")[0]["word"] == "nothing to do"


def test_an_interrupted_stage_is_named_at_the_end_and_never_reported_as_ended(tmp_path):
    progress, _, path = make(tmp_path)
    with pytest.raises(KeyboardInterrupt), progress.stage("density", "diem", n_items=3, n_kept=0) as stage:
        stage.item("diem/a")
        raise KeyboardInterrupt
    progress.end(n_failed=0, finished=False)
    (end,) = events(path, "end", "stage")
    assert (end["word"], end["made"], end["error"]) == ("stopped", 1, "density diem: interrupted")


# -- ways of showing -----------------------------------------------------------------------------------------------


def test_without_a_terminal_a_long_stage_says_a_line_every_half_minute(tmp_path):
    progress, clock, _ = make(tmp_path)
    with progress.stage("frames", "diem", n_items=100, n_kept=0) as stage:
        for number in range(70):
            clock.now_s += 1
            stage.item(f"diem/{number}", seconds=0.25)
            progress.look()
    first, second, last = said(progress).splitlines()
    assert first == f"frames     diem      {LINE_EVERY_S:.0f} of 100, 1.0/s, 1:10 to go, slowest 0.2 s diem/0"
    assert second.startswith("frames     diem      60 of 100, ")
    assert last == "frames     diem      70 made in 70.0 s"


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_shows_all_numbers_on_two_lines_of_its_width(tmp_path, width):
    progress, clock, _ = make(tmp_path, plain(width, terminal=True))
    progress.begin(executor="serial", asked={}, plan={("recordings", "coutrot2"): 10_000, ("publish", "all"): 20_000})
    with progress.stage("recordings", "coutrot2", n_items=10_000, n_kept=0) as stage:
        clock.now_s += 100
        for number in range(1234):
            name = f"coutrot2/clip_of_a_long_name_{number}"
            stage.item(name, seconds=12.3, n_bytes=1_000_000, error="broken" if number < 12 else "")
        progress.look()
        picture = said(progress).rpartition("\x1b[2K")[2]
    above, below = picture.splitlines()
    assert max(len(above), len(below)) <= width
    for words in ("recordings coutrot2 ", "━", "1,234/10,000", "12.3/s", "12.3 MB/s", "11:50 left"):
        assert words in above
    for words in ("12 failed", "build 4 % (1,234 of at most 30,000 items)", "slowest 12.3 s"):
        assert words in below
    assert ("…" in below) == (width == 80), "the long name is cut off, and only where it does not fit"
    assert said(progress).endswith("recordings coutrot2  1,222 made, 12 failed in 100.0 s, 1234.0 MB\n")


def test_a_listener_that_refuses_is_asked_once_and_stops_nothing(tmp_path):
    progress, clock, path = make(tmp_path)
    asked = []

    def refuse(tally: Tally) -> None:
        asked.append(tally)
        raise ConnectionRefusedError("the scheduler is gone")

    with progress.heard_by(refuse), progress.stage("density", "diem", n_items=1, n_kept=0) as stage:
        clock.now_s += 20
        progress.look()
        stage.item("diem/a")
    assert len(asked) == 1
    assert len(events(path, "progress")) == 3


@pytest.mark.skipif(not FULL_DISK.exists(), reason="this system has no /dev/full")
def test_a_full_disk_stops_no_build():
    progress = Progress(FULL_DISK, plain(), clock=Clock(), tick_s=None)
    with progress.stage("density", "diem", n_items=1, n_kept=0) as stage:
        stage.item("diem/a")
    progress.close()
    assert "1 made" in said(progress)


def test_the_running_stage_is_looked_at_without_being_asked_to(tmp_path):
    clock, heard, moved = Clock(), [], threading.Event()

    def listen(tally: Tally) -> None:
        heard.append(tally.done)
        if tally.done == 1:
            moved.set()

    progress = Progress(None, plain(), clock=clock, tick_s=0.001)
    with progress.heard_by(listen), progress.stage("density", "diem", n_items=2, n_kept=0) as stage:
        clock.now_s += 10
        stage.item("diem/a")
        assert moved.wait(60)
        stage.item("diem/b")
    assert heard == [0, 1, 2]


def test_a_terminal_that_is_gone_does_not_end_the_looking():
    called, again = [], threading.Event()

    def fail() -> None:
        called.append(1)
        if len(called) == 2:
            again.set()
        raise OSError(5, "Input/output error")

    with ticking(fail, 0.001):
        assert again.wait(60)


def test_memory_does_not_grow_with_the_number_of_items(tmp_path):
    progress, _, _ = make(tmp_path)

    def grown_by(n_items: int) -> int:
        with progress.stage("density", "diem", n_items=n_items, n_kept=0) as stage:
            tracemalloc.start()
            for number in range(n_items):
                stage.item(f"diem/{number}", seconds=float(number), n_bytes=1)
            kept_bytes = tracemalloc.get_traced_memory()[0]
            tracemalloc.stop()
        return kept_bytes

    grown_by(100)
    assert grown_by(10_000) < grown_by(100) + 10_000  # less than one byte an item
