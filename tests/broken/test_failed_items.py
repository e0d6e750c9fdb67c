"""An item that failed: why is kept and told by every command, it is tried again each time, and no other is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import MediaError
from pipeline.features import density
from pipeline.store.job import Job

from .workshop import ASKED, FILM, OTHER_FILM, TABLES, Workshop


@dataclass
class Trouble:
    """Lets the density of the film fail, and lists the density items that were tried."""

    patch: pytest.MonkeyPatch
    error: Exception = field(
        default_factory=lambda: MediaError(f"{FILM}: the maps are spoiled.", remedy="Unspoil them.", code="spoiled")
    )
    tried: list[str] = field(default_factory=list)

    def begin(self) -> None:
        """From now on the film's density fails."""
        make = density.build_item

        def fail_for_the_film(job: Job) -> dict[str, Any]:
            self.tried.append(job.item)
            if job.item == FILM:
                raise self.error
            return make(job)

        self.patch.setattr(density, "build_item", fail_for_the_film)

    def end(self) -> None:
        """The cause is gone."""
        self.patch.undo()


@pytest.fixture
def trouble() -> Iterator[Trouble]:
    with pytest.MonkeyPatch.context() as patch:
        found = Trouble(patch)
        found.begin()
        yield found


def rows(workshop: Workshop, command: str) -> dict[tuple[str, str], dict[str, Any]]:
    """What `status` or `plan` say of the store, by stage and corpus."""
    said = workshop.run(command, "--json", "--store", str(workshop.store)).printed
    return {(row["stage"], row["corpus"]): row for row in json.loads(said)}


def why(workshop: Workshop) -> str:
    """What `why` says of the film's density."""
    return workshop.run("why", "density", FILM, "--store", str(workshop.store)).printed


def test_what_failed_is_tried_again_at_every_build_and_nothing_else_is(
    workshop: Workshop, everything: set[tuple[str, str]], trouble: Trouble
):
    broken = workshop.build()
    assert (broken.status, sorted(trouble.tried)) == (1, sorted(ASKED))
    for _ in range(2):
        trouble.tried.clear()
        again = workshop.build()
        assert (again.status, trouble.tried, again.made) == (1, [FILM], set())
        assert "density: spoiled (1)" in again.table

    trouble.end()
    mended = workshop.build()
    assert (mended.status, mended.table) == (0, "")
    assert mended.made == (everything - broken.made) | TABLES
    assert workshop.published() == ASKED


def test_why_it_failed_is_kept_and_told_by_every_command_until_it_is_made(workshop: Workshop, trouble: Trouble):
    workshop.build()
    log = workshop.store / "logs" / f"density-{FILM.replace('/', '-')}.log"
    assert f"{FILM}: the maps are spoiled." in log.read_text(encoding="utf-8").splitlines()[-1]
    assert f'File "{Path(__file__)}"' in log.read_text(encoding="utf-8")

    for command in ("status", "plan"):
        row = rows(workshop, command)["density", "diem"]
        assert (row["state"], row["to_run"], row["certain"]) == ("failed", 1, 1)
        assert row["reason"] == f"{FILM}: the maps are spoiled."
    said = why(workshop)
    assert f"{FILM}: failed\n  {FILM}: the maps are spoiled. Unspoil them. (log: {log})" in said
    assert "it is tried again at the next build" in said

    trouble.end()
    workshop.build()
    assert rows(workshop, "status")["density", "diem"]["state"] == "fresh"
    assert "spoiled" not in why(workshop)


def test_under_other_settings_it_has_not_failed_yet(workshop: Workshop, trouble: Trouble):
    workshop.build()
    planned = workshop.run("plan", "--json", "--sigma-dva", "2", "--store", str(workshop.store)).printed
    row = next(row for row in json.loads(planned) if (row["stage"], row["corpus"]) == ("density", "diem"))
    assert (row["state"], row["to_run"]) == ("missing", 2)


def test_a_bug_is_told_as_one_and_loses_its_own_item_only(workshop: Workshop, trouble: Trouble):
    trouble.error = ZeroDivisionError("float division by zero")
    broken = workshop.build()
    log = workshop.store / "logs" / f"density-{FILM.replace('/', '-')}.log"
    assert "density: bug (1)" in broken.table
    assert f"{FILM}: ZeroDivisionError: float division by zero" in broken.table
    assert f"→ This looks like a bug of ours; please report it with {log}." in broken.table
    assert workshop.published() == tuple(name for name in ASKED if name != FILM)


def test_a_tolerated_failure_is_missing_from_the_shards_and_the_card_says_so(workshop: Workshop, trouble: Trouble):
    workshop.build()
    export = ["export", "--store", str(workshop.store), "--format", "wds", "--executor", "serial"]
    tolerated = workshop.run(*export, "--tolerance", "0.5")
    assert tolerated.status == 1, "not everything asked for is there"
    index = json.loads((workshop.store / "export" / "wds" / "index.json").read_text(encoding="utf-8"))
    samples = {row["stimulus"] for item in index["items"] for shard in item["shards"] for row in shard["samples"]}
    assert samples == set(ASKED) - {FILM}
    missing = said_to_be_missing(workshop)
    assert FILM in missing
    assert "the maps are spoiled" in missing
    assert OTHER_FILM not in missing

    trouble.end()
    whole = workshop.run(*export)
    assert whole.status == 0
    assert ("shards", "diem/val.wds") in whole.made
    assert said_to_be_missing(workshop).strip() == "Nothing."


def said_to_be_missing(workshop: Workshop) -> str:
    """That chapter of DIEM's card."""
    card = (workshop.store / "cards" / "diem.md").read_text(encoding="utf-8")
    return card.split("## What was asked for and is missing")[1].split("\n## ")[0]
