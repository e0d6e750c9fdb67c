"""The numbers of a running stage, computed in one place, and how they are said in words.

Conventions
-----------
Items are counted when they are made or have failed. Times are seconds, sizes bytes (MB is a million). Rates are means
since the stage began, over the items that were really tried: what could not even be started says nothing about speed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400
QUIET_S = 60.0  # when to say that nothing ends
_SLOW_PER_S = 0.1  # below this a rate is told by the minute, and below this a minute by the hour


@dataclass(frozen=True)
class Tally:
    """How far one (stage, corpus) is at one moment.

    `done` of `total` items are made or failed; `kept` were fresh before and count in neither. `eta_s` is None until
    an item has shown how long one takes; for `quiet_s` none has ended. `slowest` is the item that took longest so far.
    `build_done` and `build_total` count the items of all stages; what is planned for a later stage is corrected when
    it begins, and without a plan the total is None.
    """

    stage: str
    corpus: str
    done: int
    total: int
    kept: int
    failed: int
    bytes: int
    seconds: float
    items_per_s: float
    bytes_per_s: int
    eta_s: float | None
    quiet_s: float
    slowest: str
    slowest_s: float
    build_done: int
    build_total: int | None

    @property
    def percent(self) -> int:
        """How much of this stage is done, rounded down: 100 means all."""
        return 100 * self.done // self.total if self.total else 100

    @property
    def build_percent(self) -> int | None:
        """How many of a hundred items of the whole build are done, rounded down; None without a plan."""
        return None if self.build_total is None else 100 * self.build_done // max(self.build_total, 1)


class StageCount:
    """Counts one stage's items as they finish; keeps no list of them, however many there are.

    `n_build_done` items of other stages are done, of `n_build_total` in all of the build.
    """

    def __init__(
        self,
        stage: str,
        corpus: str,
        *,
        n_items: int,
        n_kept: int = 0,
        n_build_done: int = 0,
        n_build_total: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._clock, self._began_s = clock, clock()
        self._changing = threading.Lock()
        self._last_s, self._n_untried = self._began_s, 0
        self._tally = Tally(
            stage, corpus, 0, n_items, n_kept, 0, 0, 0.0, 0.0, 0, None, 0.0, "", 0.0, n_build_done, n_build_total
        )

    def add(
        self, item: str, *, seconds: float = 0.0, n_bytes: int = 0, failed: bool = False, tried: bool = True
    ) -> None:
        """One item is made or has failed; `tried` is False for one that could not even be started."""
        with self._changing:
            now = self._tally
            slower = seconds > now.slowest_s
            self._last_s = self._clock()
            self._n_untried += not tried
            self._tally = replace(
                now,
                done=now.done + 1,
                failed=now.failed + failed,
                bytes=now.bytes + n_bytes,
                slowest=item if slower else now.slowest,
                slowest_s=round(seconds, 3) if slower else now.slowest_s,
                build_done=now.build_done + 1,
            )

    def tally(self) -> Tally:
        """The numbers at this moment."""
        with self._changing:
            now, n_tried, last_s = self._tally, self._tally.done - self._n_untried, self._last_s
        clock_s = self._clock()
        seconds = clock_s - self._began_s
        left = now.total - now.done
        rate = n_tried / seconds if seconds > 0 else 0.0
        return replace(
            now,
            seconds=round(seconds, 3),
            items_per_s=round(rate, 4),
            bytes_per_s=round(now.bytes / seconds) if seconds > 0 else 0,
            eta_s=0.0 if left == 0 else round(left / rate, 1) if rate > 0 else None,
            quiet_s=round(clock_s - last_s, 3),
        )


def in_words(tally: Tally) -> str:
    """Where a stage stands, in one line without its name."""
    return ", ".join(_words(tally))


def _words(tally: Tally) -> Iterator[str]:
    yield f"{tally.done:,} of {tally.total:,}"
    if tally.items_per_s:
        yield rate_words(tally.items_per_s)
    if tally.bytes_per_s:
        yield f"{tally.bytes_per_s / 1e6:.1f} MB/s"
    if tally.eta_s:
        yield f"{clock_words(tally.eta_s)} to go"
    if tally.failed:
        yield f"{tally.failed:,} failed"
    if tally.quiet_s >= QUIET_S:
        yield quiet_words(tally)
    if tally.slowest:
        yield slowest_words(tally)
    if tally.build_percent is not None:
        yield f"build {tally.build_percent} %"


def quiet_words(tally: Tally) -> str:
    """For how long no item has ended: one that hangs is seen by this."""
    return f"none ended for {clock_words(tally.quiet_s)}"


def slowest_words(tally: Tally) -> str:
    """The slowest item so far; its name last, where it may be cut off."""
    return f"slowest {tally.slowest_s:.1f} s {tally.slowest}"


def ended_words(tally: Tally) -> str:
    """What came of a stage that has ended, in one line without its name."""
    parts = [f"{tally.done - tally.failed:,} made"]
    parts += [f"{tally.kept:,} kept"] if tally.kept else []
    parts += [f"{tally.failed:,} failed"] if tally.failed else []
    size = f", {tally.bytes / 1e6:.1f} MB" if tally.bytes else ""
    return f"{', '.join(parts)} in {tally.seconds:.1f} s{size}"


def rate_words(per_s: float) -> str:
    """A rate by the second, the minute or the hour, whichever gives a number one can picture.

    >>> rate_words(3.14), rate_words(0.02), rate_words(0.0005)
    ('3.1/s', '1.2/min', '1.8/h')
    """
    if per_s >= _SLOW_PER_S:
        return f"{per_s:.1f}/s"
    if per_s * _MINUTE_S >= _SLOW_PER_S:
        return f"{per_s * _MINUTE_S:.1f}/min"
    return f"{per_s * _HOUR_S:.1f}/h"


def clock_words(seconds: float) -> str:
    """A duration as a clock shows it.

    >>> clock_words(7), clock_words(754), clock_words(3600), clock_words(200000)
    ('0:07', '12:34', '1:00:00', '2 d 7:33:20')
    """
    left = round(seconds)
    days, hours, minutes = left // _DAY_S, left % _DAY_S // _HOUR_S, left % _HOUR_S // _MINUTE_S
    if not days and not hours:
        return f"{minutes}:{left % _MINUTE_S:02d}"
    return (f"{days} d " if days else "") + f"{hours}:{minutes:02d}:{left % _MINUTE_S:02d}"
