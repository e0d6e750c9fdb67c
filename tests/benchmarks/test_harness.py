"""The benchmarks' harness: agreement first, everybody in turn, and ratios that say what they promise."""

from __future__ import annotations

import itertools
import subprocess
import sys

import pytest

from benchmarks.harness import (
    LIMIT,
    Case,
    Disagreement,
    Peer,
    Row,
    Target,
    measure,
    seconds,
    table,
    with_children,
)


def case_of(done, agree, target=None, takes=(1.0, 3.0)):
    """Ours and one peer, whose calls are noted in `done` and take so many seconds of a clock of our own."""
    time_s = [0.0]

    def work(name, needs_s):
        done.append(name)
        time_s[0] += needs_s
        return name

    return Case(
        what="nothing",
        ours=lambda: work("ours", takes[0]),
        peers={"peer": Peer(lambda: work("peer", takes[1]), target)},
        agree=agree,
        unit="s/frame",
        work=2.0,
        clock=lambda: time_s[0],
    )


def row(ours, theirs, target=None):
    return Row("bench", "input", "ms", "peer", ours, theirs, target, "agreed")


def test_nobody_is_timed_when_they_disagree():
    done = []

    def disagree(made):
        raise Disagreement(f"{made['ours']} is not {made['peer']}")

    with pytest.raises(Disagreement, match="ours is not peer"):
        list(measure("bench", case_of(done, disagree), rounds=5))
    assert done == ["ours", "peer"]  # once each, to have something to compare


def test_everybody_agrees_first_and_then_runs_in_turn():
    done = []
    (found,) = measure("bench", case_of(done, lambda made: done.append("agreed") or "same"), rounds=3)
    assert done == ["ours", "peer", "agreed", *["ours", "peer"] * 3]
    assert (found.ours, found.theirs, found.agreement) == ((0.5,) * 3, (1.5,) * 3, "same")  # a unit of work's seconds
    assert found.ratio == 3


def test_milliseconds_are_a_thousandth():
    case = case_of([], lambda made: "")
    (found,) = measure("bench", Case(**{**vars(case), "unit": "ms/frame"}), rounds=1)
    assert found.ours == (500.0,)


def test_what_is_quick_is_repeated_within_a_round():
    calls = []
    ticks = itertools.count()
    assert seconds(lambda: calls.append(1), lambda: next(ticks) * 1e-3) == pytest.approx(1e-3 / 50)
    assert len(calls) == 1 + 50


def test_a_ratio_is_the_median_of_the_rounds_ratios_and_not_the_ratio_of_medians():
    found = row((1.0, 10.0, 100.0), (5.0, 20.0, 100.0))
    assert found.ratio == 2.0  # of 5, 2 and 1
    assert row((1.0, 2.0, 9.0), (9.0, 4.0, 9.0)).ratio == 2.0  # medians alone would say 9 / 2


def test_beside_a_limit_the_ratio_is_turned_round():
    beside_a_peer, beside_a_limit = (row((2.0,), (8.0,), Target(1.6, limit)) for limit in (False, True))
    assert (beside_a_peer.ratio, beside_a_limit.ratio) == (4.0, 0.25)
    assert (beside_a_peer.met, beside_a_limit.met) == (True, True)
    assert row((4.0,), (2.0,), Target(1.6, limit=True)).met is False
    assert row((4.0,), (6.0,), Target(1.6)).met is False


def test_a_limit_without_a_number_is_never_missed():
    found = row((4.0,), (2.0,), LIMIT)
    assert (found.ratio, found.met, str(LIMIT)) == (2.0, None, "limit")


def test_a_target_with_a_unit_judges_our_value_and_needs_no_ratio():
    target = Target(5.0, limit=True, unit="ms")
    assert [row((error_ms,), (0.0,), target).met for error_ms in (0.0, 5.0, 5.1)] == [True, True, False]
    assert row((0.0,), (0.0,), target).ratio is None
    assert str(target) == "<= 5 ms"


def test_a_table_says_no_where_a_target_is_missed():
    lines = table([row((2.0,), (8.0,), Target(5.0)), row((2.0,), (8.0,), Target(4.0))]).splitlines()
    assert [line.split()[7:10] for line in lines[1:]] == [[">=", "5x", "NO"], [">=", "4x", "yes"]]


def test_the_clock_of_programs_counts_what_they_used():
    before = with_children()
    busy = "import time\nwhile time.process_time() < 0.2: pass"
    subprocess.run([sys.executable, "-c", busy], check=True)
    assert with_children() - before >= 0.2
