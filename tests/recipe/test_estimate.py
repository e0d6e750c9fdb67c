"""What a plan says a build will take: exactly what the same items took, a mean of their like for new ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from pipeline import settings as settings_file
from pipeline.recipe.estimate import new_bytes
from pipeline.settings import Settings
from pipeline.store.items import ItemRecord, read_record
from tests.recipe import changes
from tests.recipe.lines import RAILWAY, of, these
from tests.recipe.trial import Item, Options, Trial


@pytest.fixture
def trial(mini_store, monkeypatch) -> Trial:
    return Trial(mini_store, monkeypatch)


def row(trial: Trial, item: Item, options: Options) -> dict:
    """The row of the plan that an item is counted in."""
    corpus = item[1].split("/")[0]
    rows = trial.plan_rows(options)
    return next(row for row in rows if (row["stage"], row["corpus"]) == (item[0], corpus))


def records(trial: Trial, items: Iterable[Item]) -> list[ItemRecord]:
    """The records of items of the one variant there is."""
    found = [read_record(folder) for stage, item in items for folder in trial.store.glob(f"stages/{stage}/*/{item}")]
    return [record for record in found if record is not None]


@pytest.mark.parametrize("stage", ["recordings", "frames", "logmel", "density"])
def test_the_same_items_again_are_expected_to_take_what_they_took(trial: Trial, stage):
    items = of(stage, these("coutrot1"))
    before = records(trial, items)
    options = changes.bumped(stage)(trial)
    told = row(trial, (stage, "coutrot1/clip_3"), options)
    assert told["seconds"] == pytest.approx(sum(record.seconds for record in before), abs=1e-3)
    assert told["bytes"] == sum(record.n_bytes for record in before) > 0
    trial.build(options)
    assert sum(record.n_bytes for record in records(trial, items)) == told["bytes"]


def test_another_variant_is_expected_to_take_what_the_same_items_took_in_the_last_one(trial: Trial):
    before = records(trial, of("density", these("diem")))
    told = row(trial, ("density", RAILWAY.stimulus), {"sigma-dva": 2.5})
    assert told["seconds"] == pytest.approx(sum(record.seconds for record in before), abs=1e-3)
    assert told["bytes"] == sum(record.n_bytes for record in before)


def test_one_item_is_expected_to_take_what_it_took_and_not_a_mean(trial: Trial):
    (record,) = records(trial, of("frames", [RAILWAY]))
    told = row(
        trial, ("frames", RAILWAY.stimulus), changes.hurt("frames", RAILWAY, "frames.arrow", changes.deleted)(trial)
    )
    assert told["bytes"] == record.n_bytes


def test_an_item_that_was_never_made_is_expected_to_be_like_those_of_its_corpus(trial: Trial):
    changes.without_stimulus(RAILWAY)(trial)
    others = records(trial, of("recordings", these("diem")))
    told = row(trial, ("recordings", RAILWAY.stimulus), changes.as_reviewed(trial))
    assert told["bytes"] == round(sum(map(new_bytes, others)) / len(others))


def test_a_corpus_that_was_never_built_is_expected_to_be_like_the_others(trial: Trial):
    changes.without_corpus("coutrot2", "diem", "coutrot1")(trial)
    others = records(trial, of("recordings", [*these("diem"), *these("coutrot1")]))
    told = row(trial, ("recordings", "coutrot2/clip_1"), {"corpus": ("all",)})
    assert told["bytes"] == round(3 * sum(map(new_bytes, others)) / len(others))


def test_links_and_what_lies_in_raw_take_no_room(built_store):
    published, fetched = read_record(built_store / "corpus"), built_store.glob("stages/fetch/*/*/*/record.json")
    assert published is not None
    stages = {path.stat().st_ino for path in built_store.glob("stages/**/*") if path.is_file()}
    files = {name: (built_store / "corpus" / name).stat() for name in published.outputs}
    own = sum(facts.st_size for facts in files.values() if facts.st_ino not in stages)
    assert 0 < new_bytes(published) == own < published.n_bytes
    assert {new_bytes(record) for path in fetched if (record := read_record(path.parent))} == {0}


def test_a_plan_ends_with_the_sum_and_says_which_of_it_is_certain(trial: Trial):
    said = trial.ave("plan", "--sigma-dva", "1.5").out.splitlines()
    assert said[0].split() == ["stage", "corpus", "state", "items", "to", "run", "minutes", "MB", "reason"]
    n_density = [line.split()[4] for line in said if line.startswith("density")]
    assert sum(map(int, n_density)) == len(of("density"))
    (total,) = (line for line in said if line.startswith("in all"))
    assert total.split()[3] == f"≤{len(of('density')) + len(of('shards')) + 2}"
    assert said[-1].startswith("≤: some of them wait for others")


def test_where_nothing_was_ever_made_the_plan_says_that_it_does_not_know(
    mini_settings: Settings, tmp_path, monkeypatch
):
    (tmp_path / "store").mkdir()
    settings_file.save(replace(mini_settings, raw="raw"), tmp_path / "store")
    trial = Trial(tmp_path / "store", monkeypatch)
    assert {(row["seconds"], row["bytes"]) for row in trial.plan_rows({})} == {(None, None)}
    fetch = next(line for line in trial.ave("plan").out.splitlines() if line.startswith("fetch"))
    assert fetch.split()[5:7] == ["?", "?"]
