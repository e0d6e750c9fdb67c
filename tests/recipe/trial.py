"""A built store that a change is tried on: what `plan` and `why` say of it, and what a build then makes.

Nothing here asks the pipeline what it has run: an item was made when its record is another file than before. What
lies beside the items that were made must be the very same files as before.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pipeline import settings as settings_file
from pipeline.cli import main
from pipeline.options import given_settings
from pipeline.recipe.build import Build
from pipeline.settings import Settings

Item = tuple[str, str]  # stage, corpus/name
Options = Mapping[str, Any]  # option of `ave build` → value


@dataclass(frozen=True)
class Line:
    """One line of the table: a change, and everything that it must make run.

    `change` alters the store, or what it is made from, and returns the options to build with; `before` is what has
    happened to the store until then. `runs` are the items that run, and no others. `spared` are those that the plan
    has to count because something upstream of them runs, and whose input then turns out to be the same. `why` is one
    of the items that run, and words that `ave why` must say of it, before it runs and after.
    """

    name: str
    change: Callable[[Trial], Options]
    runs: frozenset[Item] = frozenset()
    spared: frozenset[Item] = frozenset()
    why: tuple[Item, str] | None = None
    before: Callable[[Trial], None] | None = None


@dataclass
class Outcome:
    """What was said of a change before the build, and what the build did.

    `certain` items will run, says the plan; `possible` ones wait for others. `touched` are files beside the items
    that were made and that are other files now, `again` is what a second build made.
    """

    certain: set[Item]
    possible: set[Item]
    made: set[Item] = field(default_factory=set)
    touched: set[str] = field(default_factory=set)
    again: set[Item] = field(default_factory=set)
    why_before: str = ""
    why_after: str = ""

    @property
    def planned(self) -> set[Item]:
        """Everything that the plan counts."""
        return self.certain | self.possible

    def complaints(self, line: Line) -> list[str]:
        """In what a line of the table does not hold."""
        differences = {
            "ran and should not": self.made - line.runs,
            "did not run and should": line.runs - self.made,
            "was not planned": (line.runs | line.spared) - self.planned,
            "was planned for nothing": self.planned - line.runs - line.spared,
            "was certain, says the plan, and did not run": self.certain - self.made,
            "was touched beside what ran": self.touched,
            "ran again": self.again,
        }
        found = [f"{what}: {sorted(items)}" for what, items in differences.items() if items]
        words = line.why[1] if line.why else ""
        unsaid = [said for said in (self.why_before, self.why_after) if words not in said]
        return found + [f"{words!r} is not in: {said}" for said in unsaid]


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str


@dataclass
class Trial:
    """One store, in a folder that has room for what a change needs; `reviewed` are the manifests it came with."""

    store: Path
    patch: pytest.MonkeyPatch

    def __post_init__(self) -> None:
        self.reviewed = Path(self.settings.manifests)

    @property
    def beside(self) -> Path:
        """The folder that the store lies in."""
        return self.store.parent

    @property
    def settings(self) -> Settings:
        """What the store remembers."""
        settings = settings_file.load(self.store)
        assert settings is not None
        return settings

    def play(self, line: Line) -> Outcome:
        """Bring the change about; plan, ask why, build, ask again why, build again."""
        if line.before is not None:
            line.before(self)
        options = line.change(self)
        outcome = Outcome(*self.planned(options))
        if line.why is not None:
            outcome.why_before = self.why(line.why[0], options)
        files = self._files()
        outcome.made = self.build(options)
        outcome.touched = self._touched(files, outcome.made)
        if line.why is not None:
            outcome.why_after = self.why(line.why[0], {})
        outcome.again = self.build({})
        return outcome

    def ave(self, command: str, *words: str) -> Said:
        """Run a command on the store, in this process."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main([command, *words, "--store", str(self.store)])
        return Said(status, out.getvalue(), err.getvalue())

    def planned(self, options: Options) -> tuple[set[Item], set[Item]]:
        """The items that would certainly run under these options, and those that might; `ave plan` counts them all."""
        looked = Build(self.settings.with_given(given_settings(options)), self.store)
        looked.renew = frozenset(options.get("renew", ()))
        certain, possible, counts = set(), set(), {}
        for stage, corpus in looked.targets():
            state = looked.state(stage.name, corpus)
            assert not state.broken
            certain |= {(stage.name, f"{corpus}/{name}") for name in state.to_run}
            possible |= {(stage.name, f"{corpus}/{name}") for name in state.waiting}
            counts[stage.name, corpus] = (len(state.to_run), len(state.to_run) + len(state.waiting))
        rows = self.plan_rows(options)
        assert {(row["stage"], row["corpus"]): (row["certain"], row["to_run"]) for row in rows} == counts
        return certain, possible

    def plan_rows(self, options: Options) -> list[dict[str, Any]]:
        """What `ave plan` says under these options, a row for each stage and corpus."""
        rows: list[dict[str, Any]] = json.loads(self.ave("plan", "--json", *_words(options)).out)
        return rows

    def build(self, options: Options) -> set[Item]:
        """Build, and tell by the records what was made."""
        before = self._records()
        said = self.ave("build", "--executor", "serial", *_words(options))
        assert said.status == 0, said.err
        return {_item(path) for path, was in self._records().items() if before.get(path) != was}

    def why(self, item: Item, options: Options) -> str:
        """What `ave why` says of an item, under these options."""
        said = self.ave("why", *item, *_words(options))
        assert said.status == 0, said.err
        return said.out

    def _records(self) -> dict[Path, tuple[int, int]]:
        return {path: _identity(path) for path in self.store.rglob("record.json")}

    def _files(self) -> dict[Path, tuple[int, int]]:
        """Every file of every item."""
        folders = [record.parent for record in self.store.rglob("record.json")]
        return {path: _identity(path) for folder in folders for path in folder.rglob("*") if path.is_file()}

    def _touched(self, before: Mapping[Path, tuple[int, int]], made: set[Item]) -> set[str]:
        remade = [record.parent for record in self._records() if _item(record) in made]
        after = {path: was for path, was in self._files().items() if not any(map(path.is_relative_to, remade))}
        return {path.name for path in after if before.get(path) != after[path]}


def _words(options: Options) -> list[str]:
    """Options as a person types them."""
    words: list[str] = []
    for name, value in options.items():
        given = [] if value is True else list(value) if isinstance(value, tuple) else [str(value)]
        words += [f"--{name}", *given]
    return words


def _identity(path: Path) -> tuple[int, int]:
    facts = path.stat()
    return facts.st_ino, facts.st_mtime_ns


def _item(record: Path) -> Item:
    """The item that a record belongs to: its stage is told by the folder, its name by the record."""
    places = {"corpus": "publish", "cards": "card"}
    stage = places.get(record.parent.name) or record.parts[-5]
    return stage, json.loads(record.read_text(encoding="utf-8"))["item"]
