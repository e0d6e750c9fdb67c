"""`ave status --watch`: follow the build that is at work in a store, from any terminal or host that sees the store.

Everything comes from the build's log and the locks (`pipeline.store.following`); here it is only drawn: on a terminal
with the bar that the build itself shows, elsewhere in plain lines, or as one JSON object at each look.
"""

from __future__ import annotations

import json
import time
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from pipeline.commands.asked import remembered_settings
from pipeline.errors import UsageError
from pipeline.store.bar import drawn
from pipeline.store.following import AT_WORK, KILLED, Follower, Story, at_work, ended_last
from pipeline.store.progress import LINE_EVERY_S
from pipeline.store.tally import clock_words, ended_words, in_words

LOOK_EVERY_S = 1.0
_INTERRUPTED = 130  # as shells say it: ended by SIGINT
_FAILURES_DRAWN, _SLOWEST_DRAWN, _FAILURES_LISTED = 3, 3, 20


def watch(arguments: Namespace) -> int:
    """Follow the newest build until it ends: 0 when everything is there, 1 when not."""
    store, every_s = arguments.store, arguments.interval
    if every_s is not None and every_s <= 0:
        raise UsageError(f"--interval is {every_s:g}, expected seconds above 0.")
    remembered_settings(store)
    console = Console(highlight=False)
    followers = at_work(store)
    if not followers:
        return _say_that_none_is(store, arguments.json)
    try:
        if arguments.json:
            return _watch_as_json(followers[0], every_s or LOOK_EVERY_S)
        if len(followers) > 1:
            others = ", ".join(_who(follower.story) for follower in followers[1:])
            _say(console, f"{len(followers)} builds are at work here; this follows the newest. The others: {others}")
        return _watch(followers[0], console, every_s)
    except KeyboardInterrupt:
        if not arguments.json:
            print("no longer watching; the build goes on.")
        return _INTERRUPTED


def _watch_as_json(follower: Follower, every_s: float) -> int:
    for story in _looks(follower, every_s):
        print(json.dumps(_as_json(story), ensure_ascii=False), flush=True)
    return int(not follower.story.well)


def _watch(follower: Follower, console: Console, every_s: float | None) -> int:
    looks = _looks(follower, every_s or LOOK_EVERY_S)
    if console.is_terminal:
        _draw(looks, console)
    else:
        _list(looks, console, every_s or LINE_EVERY_S)
    for line in _conclusion(follower.story):
        _say(console, line)
    return int(not follower.story.well)


def _draw(looks: Iterator[Story], console: Console) -> None:
    """A picture that is drawn over, and above it what is over and done."""
    news = _News()
    with Live(console=console, auto_refresh=False, transient=True) as live:
        for story in looks:
            live.update(_picture(story))  # before anything is printed above it
            for line in news.since_last(story):
                _say(console, line)
            live.refresh()


def _list(looks: Iterator[Story], console: Console, every_s: float) -> None:
    """The same in lines, the running stage's numbers at most once in `every_s` and only when they are new."""
    news, last, last_s = _News(), None, time.monotonic()
    for story in looks:
        for line in news.since_last(story):
            _say(console, line)
        if story.now is not None and story.now != last and time.monotonic() - last_s >= every_s:
            last, last_s = story.now, time.monotonic()
            _say(console, f"{last.stage:<11}{last.corpus:<10}{in_words(last)}")


class _News:
    """What a story tells for the first time: who builds, stages that have ended, notes."""

    def __init__(self) -> None:
        self._known, self._n_ended, self._note = False, 0, ""

    def since_last(self, story: Story) -> list[str]:
        lines = [_heading(story)] if story.begin and not self._known else []
        lines += [f"{tally.stage:<11}{tally.corpus:<10}{ended_words(tally)}" for tally in story.ended[self._n_ended :]]
        lines += [story.note] if story.note not in ("", self._note) else []
        self._known, self._n_ended, self._note = bool(story.begin), len(story.ended), story.note
        return lines


def _looks(follower: Follower, every_s: float) -> Iterator[Story]:
    """What is known at each look; the last one is of a build that has ended."""
    while follower.look().word == AT_WORK:
        yield follower.story
        time.sleep(every_s)
    yield follower.story


# -- in words ------------------------------------------------------------------------------------------------------


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, soft_wrap=True)


def _say_that_none_is(store: Path, as_json: bool) -> int:
    story = ended_last(store)
    if as_json:
        print(json.dumps(_as_json(story) if story else {"state": "none"}, ensure_ascii=False))
    elif story is None:
        print("no build is at work here, and none has left a log.")
    else:
        heard = "was last heard of" if story.word == KILLED else "ended"
        first, *rest = _conclusion(story)
        print(f"no build is at work here; the last one {heard} {_moment(story.last_s or 0)}: {first}", *rest, sep="\n")
    return 0 if story is not None and story.well else 1


def _conclusion(story: Story) -> list[str]:
    """How a build ended: one line, then its failures and the slowest items."""
    lines = [_how_it_ended(story)]
    if story.end.get("error"):
        lines.append(f"  {story.end['error']}")
    if story.failures:
        listed = list(story.failures)[-_FAILURES_LISTED:]
        lines.append(f"failures (the last {len(listed)} of {story.n_failed:,}):")
        lines += [f"  {row['stage']} {row['item']}: {_reason(row)}" for row in listed]
    if story.slowest and story.word != "nothing to do":
        lines.append("slowest items:")
        lines += [f"  {seconds:8.1f} s  {stage} {item}" for seconds, stage, item in story.slowest]
    return lines


def _how_it_ended(story: Story) -> str:
    if story.word == KILLED:
        where = f" in {story.now.stage} {story.now.corpus}" if story.now is not None else ""
        return f"ended without a word{where} (killed, or its machine is gone); the next build goes on"
    end = story.end
    if story.word == "nothing to do":
        return "there was nothing to do"
    failed = f", {end['failed']:,} failed" if end["failed"] else ""
    goes_on = "" if story.well else "; the next build goes on from there"
    return f"{story.word}, {end['made']:,} made{failed} in {clock_words(end['seconds'])}{goes_on}"


def _reason(row: dict[str, Any]) -> str:
    return " ".join(row["error"].split())


def _heading(story: Story) -> str:
    items = story.begin["items"]
    planned = "" if items is None else f"; at most {items:,} items to make"
    return f"{story.log.parent.parent}: built by {_who(story)} (executor {story.begin['executor']}){planned}"


def _who(story: Story) -> str:
    begin = story.begin
    return f"pid {begin['pid']} on {begin['host']}, since {_moment(begin['time'])}" if begin else f"see {story.log}"


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


# -- as a picture, as JSON -----------------------------------------------------------------------------------------


def _picture(story: Story) -> RenderableType:
    """The bar of the running stage, the last failures, the slowest items."""
    parts: list[RenderableType] = [drawn(story.now)] if story.now is not None else []
    for row in list(story.failures)[-_FAILURES_DRAWN:]:
        words = f"failed {row['stage']} {row['item']}: {_reason(row)}"
        parts.append(Text(words, style="red", no_wrap=True, overflow="ellipsis"))
    if story.slowest:
        words = ", ".join(f"{stage} {item} {seconds:.1f} s" for seconds, stage, item in story.slowest[:_SLOWEST_DRAWN])
        parts.append(Text(f"slowest of all: {words}", style="dim", no_wrap=True, overflow="ellipsis"))
    return Group(*parts)


def _as_json(story: Story) -> dict[str, Any]:
    begin = story.begin
    return {
        "time": round(time.time(), 3),
        "state": story.word,
        "log": str(story.log),
        **{key: begin.get(key) for key in ("host", "pid", "executor", "items")},
        "since": begin.get("time"),
        "last_event": story.last_s,
        "now": asdict(story.now) if story.now is not None else None,
        "ended": [asdict(tally) for tally in story.ended],
        "failed": story.n_failed,
        "failures": [{key: row[key] for key in ("stage", "item", "error")} for row in story.failures],
        "slowest": [{"stage": stage, "item": item, "seconds": seconds} for seconds, stage, item in story.slowest],
        "note": story.note,
        "error": story.end.get("error", ""),
    }
