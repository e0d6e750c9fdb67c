"""Where a build's time went: per stage, from its log.

Conventions
-----------
Wall seconds of a stage run from its beginning to its last item. Processor seconds are those of the items: Python's in
the workers, and those of the programs that they start (ffmpeg, a training). What is left of the wall's time lies
between the stages: starting, looking at the store, taking locks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.store.buildlog import Event


@dataclass
class StageBudget:
    """One stage of one build, all corpora together; seconds and bytes."""

    stage: str
    items: int = 0
    wall_s: float = 0.0
    own_s: float = 0.0
    tools_s: float = 0.0
    bytes: int = 0


def stage_budgets(events: Iterable[Event]) -> list[StageBudget]:
    """What each stage cost that made something, in the order in which they ended."""
    found: dict[str, StageBudget] = {}
    for event in events:
        if event["event"] not in ("item", "stage"):
            continue
        budget = found.setdefault(event["stage"], StageBudget(event["stage"]))
        if event["event"] == "stage":
            budget.wall_s += event["seconds"]
            continue
        if event["error"]:
            continue
        budget.items += 1
        budget.bytes += event["bytes"]
        budget.own_s += event["cpu_s"]
        budget.tools_s += event["tools_cpu_s"]
    return [budget for budget in found.values() if budget.items]


def in_words(budgets: Sequence[StageBudget], total_s: float, main_cpu_s: float, n_frames: int) -> str:
    """The budget as a table.

    Parameters
    ----------
    budgets : sequence of StageBudget
    total_s : float
        Wall seconds of the whole command.
    main_cpu_s : float
        Processor seconds of the process that gave out the items.
    n_frames : int
        Frames that the build made; 0 where it made only some of the corpus, and leaves the column empty.
    """
    head = f"{'stage':<12}{'items':>7}{'wall s':>9}{'%':>5}{'Python s':>10}{'tools s':>9}{'ms/frame':>10}{'MB':>9}"
    frames = f", {n_frames:,} frames" if n_frames else ""
    lines = [f"{total_s:.1f} s in all{frames}; processor seconds of the items: Python, and tools that it starts", head]
    whole = StageBudget("all stages")
    for budget in budgets:
        lines.append(_line(budget, total_s, n_frames))
        for name in ("items", "wall_s", "own_s", "tools_s", "bytes"):
            setattr(whole, name, getattr(whole, name) + getattr(budget, name))
    lines.append(_line(whole, total_s, n_frames))
    between_s = max(0.0, total_s - whole.wall_s)
    lines.append(f"{'between them':<19}{between_s:>9.1f}{_percent(between_s, total_s):>5}  starting, looking, locks")
    lines.append(f"this process took {main_cpu_s:.1f} processor seconds")
    return "\n".join(lines)


def _line(budget: StageBudget, total_s: float, n_frames: int) -> str:
    per_frame = f"{1000 * (budget.own_s + budget.tools_s) / n_frames:.3f}" if n_frames else ""
    times = f"{budget.wall_s:>9.1f}{_percent(budget.wall_s, total_s):>5}{budget.own_s:>10.1f}{budget.tools_s:>9.1f}"
    return f"{budget.stage:<12}{budget.items:>7}{times}{per_frame:>10}{budget.bytes / 1e6:>9.1f}"


def _percent(seconds: float, total_s: float) -> str:
    return f"{100 * seconds / total_s:.0f}" if total_s else ""
