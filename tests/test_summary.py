"""What a build says at its end."""

from __future__ import annotations

from pipeline.store.folders import Failure
from pipeline.summary import failure_table


def manual(name: str) -> Failure:
    remedy = f"Fetch {name}.7z from http://host and put it at RAW/diem/{name}.7z."
    return Failure("fetch", f"diem/{name}", "f", "manual", f"diem/{name}: not in RAW.", remedy)


def test_a_remedy_that_differs_by_the_name_alone_is_said_once_and_every_item_is_named():
    table = failure_table([manual(f"film{number}") for number in range(76)])
    assert table.startswith("76 items failed:\n  fetch: manual (76)\n")
    assert table.count("→ Fetch <name>.7z from http://host and put it at RAW/diem/<name>.7z.") == 1
    assert all(f"film{number}" in table for number in range(76))
    assert len(table.splitlines()) < 12


def test_one_item_s_remedy_is_said_with_its_own_name():
    assert "→ Fetch arctic.7z from http://host and put it at RAW/diem/arctic.7z." in failure_table([manual("arctic")])


def test_groups_come_in_the_order_of_the_stages():
    late = Failure("density", "diem/a", "f", "bug", "broken", "")
    table = failure_table([late, manual("b")])
    assert table.index("fetch: manual") < table.index("density: bug")
