"""Ours beside peers on one input: agreement first, then interleaved rounds, then medians, spreads and ratios.

Conventions
-----------
A *case* is one input and everybody who works on it. Before anything is timed each of them runs once (the warm-up), and
`agree` looks at what they returned; if it raises, nothing is timed. Then come the rounds: in each, everybody runs in
turn, so that whatever else the machine does falls on all of them. A *row* sets ours beside one peer or limit. Its ratio
is the median of the rounds' own ratios: peer / ours beside a peer (how many times faster we are, "at least"),
ours / limit beside a limit ("at most"). Times are per unit of work, by the processor's clock of this process
(`time.process_time`) and, where a case starts programs, of those too (`with_children`): on a shared machine that tells
more than the wall's. A row may hold another quantity than time, such as an error in milliseconds: its target has a unit
and judges our own value, and there is no ratio.
"""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Call = Callable[[], Any]
AT_LEAST_S = 0.05  # what is quicker is repeated within a round; its first call finds cold memory


class Disagreement(Exception):
    """Two that should have made the same did not; there is nothing to time."""


@dataclass(frozen=True)
class Asked:
    """What the command line asked for.

    Attributes
    ----------
    quick : bool
        Leave out what takes long; the rest is made of less work, never of another kind.
    rounds : int
    peers : dict of str to Path
        Checkouts of public code by the name of the project, as `peers.recognise` found them.
    """

    quick: bool = False
    rounds: int = 5
    peers: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    """What a ratio should be: at least so much beside a peer, at most so much beside a limit.

    Attributes
    ----------
    value : float or None
        None beside a limit that nobody has to come near.
    limit : bool
        "At most", and the ratio is ours / limit.
    unit : str
        Where there is one, the target is for our own value in this unit and not for the ratio.
    """

    value: float | None
    limit: bool = False
    unit: str = ""

    def met(self, found: float) -> bool | None:
        """Whether what was found reaches it; None if nothing has to."""
        if self.value is None:
            return None
        return found <= self.value if self.limit else found >= self.value

    def __str__(self) -> str:
        if self.value is None:
            return "limit"
        return f"{'<=' if self.limit else '>='} {self.value:g}" + (f" {self.unit}" if self.unit else "x")


LIMIT = Target(None, limit=True)


@dataclass(frozen=True)
class Peer:
    """Somebody else at the same work: its call, and what our ratio to it should be."""

    call: Call
    target: Target | None = None


@dataclass(frozen=True)
class Case:
    """One input and everybody who works on it.

    Attributes
    ----------
    what : str
        The input, as the table says it: "720p, N = 60".
    ours : callable
    peers : dict of str to Peer
    agree : callable
        Takes what each returned, by name ("ours" and the peers'); returns what was found in a few words
        ("error 3e-7 of the peak"), raises `Disagreement`.
    unit : str
        Of the times: "ms/frame".
    work : float
        Units of work in a call: frames, clips, minutes.
    clock : callable
        Seconds.
    """

    what: str
    ours: Call
    peers: Mapping[str, Peer]
    agree: Callable[[Mapping[str, Any]], str]
    unit: str
    work: float = 1.0
    clock: Callable[[], float] = time.process_time


@dataclass(frozen=True)
class Row:
    """Ours beside one peer or limit; times, or another quantity, round by round, in `unit`."""

    benchmark: str
    what: str
    unit: str
    peer: str
    ours: tuple[float, ...]
    theirs: tuple[float, ...]
    target: Target | None
    agreement: str

    @property
    def ratio(self) -> float | None:
        """Median over the rounds: theirs / ours, or ours / theirs beside a limit; None where our value is judged."""
        if self.target is not None and self.target.unit:
            return None
        ratios = [theirs / ours for ours, theirs in zip(self.ours, self.theirs, strict=True)]
        if self.target is not None and self.target.limit:
            ratios = [1 / ratio for ratio in ratios]
        return statistics.median(ratios)

    @property
    def met(self) -> bool | None:
        """None where there is no target."""
        if self.target is None:
            return None
        ratio = self.ratio
        return self.target.met(statistics.median(self.ours) if ratio is None else ratio)

    def as_json(self) -> dict[str, Any]:
        """Everything that a later comparison needs."""
        return {
            "benchmark": self.benchmark,
            "what": self.what,
            "unit": self.unit,
            "peer": self.peer,
            "ours": list(self.ours),
            "theirs": list(self.theirs),
            "ratio": self.ratio,
            "target": None if self.target is None else str(self.target),
            "met": self.met,
            "agreement": self.agreement,
        }


def measure(benchmark: str, case: Case, rounds: int) -> Iterator[Row]:
    """Check that everybody agrees, then time everybody in turn, round by round.

    Raises
    ------
    Disagreement
        From the case's `agree`, before anything is timed.
    """
    calls: dict[str, Call] = {"ours": case.ours, **{name: peer.call for name, peer in case.peers.items()}}
    agreement = case.agree({name: call() for name, call in calls.items()})
    taken: dict[str, list[float]] = {name: [] for name in calls}
    scale = 1000 if case.unit.startswith("ms") else 1
    for _ in range(rounds):
        for name, call in calls.items():
            taken[name].append(scale * seconds(call, case.clock) / case.work)
    for name, peer in case.peers.items():
        ours, theirs = tuple(taken["ours"]), tuple(taken[name])
        yield Row(benchmark, case.what, case.unit, name, ours, theirs, peer.target, agreement)


def seconds(call: Call, clock: Callable[[], float]) -> float:
    """Seconds of one call; what is quick is repeated."""
    once = _timed(call, 1, clock)
    repeats = int(AT_LEAST_S / once) if once else 1000
    return _timed(call, repeats, clock) / repeats if repeats > 1 else once


def _timed(call: Call, repeats: int, clock: Callable[[], float]) -> float:
    started = clock()
    for _ in range(repeats):
        call()
    return clock() - started


def with_children() -> float:
    """Processor seconds of this process and of all programs that it has started and waited for."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in spent)


def table(rows: Sequence[Row]) -> str:
    """The rows as text, one a line: ours, the peer, the ratio, the target, and whether it is met."""
    head = ("benchmark", "input", "beside", "unit", "ours", "theirs", "ratio", "target", "met", "agreement")
    lines = [head, *map(_cells, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def _cells(row: Row) -> tuple[str, ...]:
    met = {True: "yes", False: "NO", None: ""}[row.met]
    target = "" if row.target is None else str(row.target)
    times = _span(row.ours), _span(row.theirs)
    ratio = "" if row.ratio is None else f"{row.ratio:.3g}x"
    return (row.benchmark, row.what, row.peer, row.unit, *times, ratio, target, met, row.agreement)


def _span(times: Sequence[float]) -> str:
    middle, least, most = (f"{time:,.0f}" if time >= 1000 else f"{time:.3g}" for time in _middle_and_ends(times))
    return middle if least == most else f"{middle} ({least}-{most})"


def _middle_and_ends(times: Sequence[float]) -> tuple[float, float, float]:
    return statistics.median(times), min(times), max(times)
