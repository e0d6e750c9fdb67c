"""What runs again when something changes: each line of the table in lines.py is a test, and what it leaves to say."""

from __future__ import annotations

import pyarrow.parquet as parquet
import pytest

from tests.recipe import changes
from tests.recipe.lines import CLIP, LINES, RAILWAY
from tests.recipe.table import row
from tests.recipe.trial import Line, Trial


@pytest.fixture
def trial(mini_store, monkeypatch) -> Trial:
    return Trial(mini_store, monkeypatch)


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.name)
def test_what_runs_is_what_the_line_says_and_what_the_plan_said(trial: Trial, line: Line):
    assert trial.play(line).complaints(line) == []


def test_a_line_that_does_not_hold_is_told_in_the_print_out(trial: Trial):
    wrong = Line("nothing", changes.options(), runs=frozenset({("density", CLIP.stimulus)}))
    told = row(wrong, trial.play(wrong))
    assert f"**did not run and should: [('density', '{CLIP.stimulus}')]**" in told


def test_a_corpus_taken_away_and_asked_for_again_is_all_the_time_in_the_published_tables(trial: Trial):
    everything = published(trial)
    trial.build({"corpus": ("coutrot1",)})
    assert published(trial) == everything


def test_what_is_asked_for_alone_leaves_the_rest_in_the_published_tables(trial: Trial):
    everything = published(trial)
    trial.build({"only": (CLIP.stimulus,)})
    assert published(trial) == everything


def test_a_stimulus_taken_out_of_the_manifest_leaves_the_published_tables_and_comes_back_for_the_cost_of_them(trial):
    everything = published(trial)
    trial.build(changes.left_out(RAILWAY)(trial))
    assert set(everything) - set(published(trial)) == {RAILWAY.stimulus}
    back = trial.build(changes.as_reviewed(trial))
    assert {stage for stage, _ in back} == {"publish", "card", "shards"}
    assert published(trial) == everything


def test_the_stimulus_that_no_published_sheet_lists_is_said_to_be_left_out(trial: Trial):
    trial.build({"official-150": True})
    assert "coutrot1/clip_42" not in published(trial)
    rows = parquet.read_table(trial.store / "corpus" / "rejected.parquet").to_pylist()
    assert [row["reason"] for row in rows if row["subject"].startswith("coutrot1/clip_42")] == ["not-in-sheet"]


def published(trial: Trial) -> list[str]:
    """Ids in stimuli.parquet."""
    return parquet.read_table(trial.store / "corpus" / "stimuli.parquet").column("stimulus").to_pylist()
