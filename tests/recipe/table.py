"""What runs when something changes, as a table in Markdown; each line is tried on a store of its own.

    python -m tests.recipe.table

The lines are those that test_incremental.py tests. One that does not do what it should says so in its last cell.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections import Counter
from collections.abc import Collection
from pathlib import Path

import pytest

from pipeline import mini
from pipeline.recipe.stages import wanted_for
from pipeline.settings import Settings
from tasks.ave import run
from tests.conftest import copy_store
from tests.recipe.lines import LINES
from tests.recipe.trial import Item, Line, Outcome, Trial

GOALS = ("corpus", "shards")
STAGES = [stage.name for stage in wanted_for(Settings(goals=GOALS, formats=("wds",)))]
HEAD = "| what changed | runs | planned, then spared | not even planned | `ave why` says |"
LONGEST = 110  # characters of a reason


def main() -> None:
    """Build the miniature corpus, try every line, print it."""
    with tempfile.TemporaryDirectory() as folder:
        store = built(Path(folder))
        print(HEAD, "|---|---|---|---|---|", sep="\n")
        for number, line in enumerate(LINES):
            place = Path(folder) / str(number)
            place.mkdir()
            with pytest.MonkeyPatch.context() as patch:
                outcome = Trial(copy_store(store, place / "store"), patch).play(line)
            print(row(line, outcome), flush=True)


def built(folder: Path) -> Path:
    """A store with the miniature corpus at a third of its length, and its shards."""
    made = mini.make(folder / "mini", scale=0.3)
    settings = Settings(manifests=str(made.manifests), accept=made.corpora, goals=GOALS, formats=("wds",))
    with contextlib.redirect_stderr(io.StringIO()):
        assert run(folder / "store", settings, "serial").failures() == []
    return folder / "store"


def row(line: Line, outcome: Outcome) -> str:
    """One line of the table."""
    reason = ""
    if line.why is not None:
        said = outcome.why_before.split("\n  ", 1)[1].strip().removeprefix(f"{line.why[0][1]}: ")
        reason = f"`{' '.join(line.why[0])}`: {shortened(said, line.why[1])}"
    untouched = [name for name in STAGES if name not in {stage for stage, _ in outcome.planned}]
    wrong = "".join(f" **{complaint}**" for complaint in outcome.complaints(line))
    spared = outcome.planned - outcome.made
    cells = [line.name, counted(outcome.made), counted(spared), ", ".join(untouched), reason + wrong]
    return "| " + " | ".join(cell or "–" for cell in cells) + " |"


def shortened(said: str, words: str) -> str:
    """A reason of readable length, from the words on that the line is about where they come late."""
    start = said.find(words) if said.find(words) + len(words) > LONGEST else 0
    end = start + LONGEST
    return ("… " if start else "") + said[start:end] + ("…" if end < len(said) else "")


def counted(items: Collection[Item]) -> str:
    """How many items of each stage, e.g. "density 14, shards 9"."""
    counts = Counter(stage for stage, _ in items)
    return ", ".join(f"{name} {counts[name]}" for name in STAGES if counts[name])


if __name__ == "__main__":
    main()
