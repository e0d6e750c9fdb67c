"""The numbers of a stage: exact, by a clock that the test holds."""

from __future__ import annotations

import doctest
from dataclasses import replace

import pytest

from pipeline.store import tally as tally_module
from pipeline.store.tally import StageCount, Tally, ended_words, in_words


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def count_of(clock: Clock, n_items: int, **more: int) -> StageCount:
    return StageCount("density", "diem", n_items=n_items, clock=clock, **more)


def test_every_number_is_exact(clock):
    count = count_of(clock, 10, n_kept=3, n_build_done=40, n_build_total=200)
    clock.now_s += 6
    count.add("diem/a", seconds=5.5, n_bytes=3_000_000)
    count.add("diem/b", seconds=2.0, n_bytes=1_000_000)
    clock.now_s += 2
    count.add("diem/c", failed=True)
    clock.now_s += 4
    assert count.tally() == Tally(
        stage="density",
        corpus="diem",
        done=3,
        total=10,
        kept=3,
        failed=1,
        bytes=4_000_000,
        seconds=12.0,
        items_per_s=0.25,
        bytes_per_s=333_333,
        eta_s=28.0,  # seven items at four seconds each
        quiet_s=4.0,
        slowest="diem/a",
        slowest_s=5.5,
        build_done=43,
        build_total=200,
    )


def test_nothing_is_said_about_the_time_to_go_before_an_item_has_ended(clock):
    count = count_of(clock, 2)
    assert (count.tally().items_per_s, count.tally().eta_s) == (0.0, None)
    clock.now_s += 5
    assert (count.tally().items_per_s, count.tally().eta_s) == (0.0, None)


def test_the_time_to_go_grows_while_nothing_ends_and_is_0_when_all_is_done(clock):
    count = count_of(clock, 2)
    clock.now_s += 10
    count.add("diem/a")
    assert count.tally().eta_s == 10
    clock.now_s += 30
    assert count.tally().eta_s == 40
    count.add("diem/b")
    assert count.tally().eta_s == 0


def test_items_that_could_not_be_started_count_as_done_and_not_as_speed(clock):
    count = count_of(clock, 100)
    for number in range(50):
        count.add(f"diem/{number}", failed=True, tried=False)
    clock.now_s += 10
    count.add("diem/a")
    tally = count.tally()
    assert (tally.done, tally.failed, tally.items_per_s) == (51, 50, 0.1)
    assert tally.eta_s == 490


def test_of_two_equally_slow_items_the_first_stays_the_slowest(clock):
    count = count_of(clock, 3)
    for name, seconds in (("a", 1.0), ("b", 2.0), ("c", 2.0)):
        count.add(name, seconds=seconds)
    assert (count.tally().slowest, count.tally().slowest_s) == ("b", 2.0)


@pytest.mark.parametrize(
    ("done", "total", "percent"), [(0, 3, 0), (2, 3, 66), (3, 3, 100), (999, 1000, 99), (0, 0, 100)]
)
def test_a_hundred_per_cent_means_all(clock, done, total, percent):
    tally = replace(count_of(clock, total).tally(), done=done, build_done=done, build_total=max(total, 1))
    assert tally.percent == percent
    assert replace(tally, build_total=None).build_percent is None


def test_in_words_it_says_what_is_known_and_no_more(clock):
    count = count_of(clock, 12_000)
    assert in_words(count.tally()) == "0 of 12,000"
    clock.now_s += 60
    for number in range(600):
        count.add(f"diem/{number}", seconds=0.5, n_bytes=1_000_000, failed=number == 7)
    assert in_words(count.tally()) == ("600 of 12,000, 10.0/s, 10.0 MB/s, 19:00 to go, 1 failed, slowest 0.5 s diem/0")
    clock.now_s += 61
    assert "none ended for 1:01" in in_words(count.tally())


def test_the_end_is_told_in_words(clock):
    count = count_of(clock, 2, n_kept=5)
    clock.now_s += 1.5
    count.add("diem/a", n_bytes=2_500_000)
    count.add("diem/b", failed=True)
    assert ended_words(count.tally()) == "1 made, 5 kept, 1 failed in 1.5 s, 2.5 MB"


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(tally_module).attempted > 0
    assert doctest.testmod(tally_module).failed == 0
