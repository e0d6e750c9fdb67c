"""A card and its store agree, and whatever is changed in the store is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipeline.errors import StoreError
from pipeline.report.card_check import check_card

CARDS = ("card", "diem", "coutrot1", "coutrot2")


@pytest.fixture
def corpus(built_store: Path, tmp_path: Path) -> Path:
    """A copy of the built store's published tables."""
    for path in ("stimuli.parquet", "rejected.parquet", "audit.json", "fixations"):
        source, target = built_store / "corpus" / path, tmp_path / path
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, target)
    return tmp_path


def card(store: Path, name: str) -> str:
    return (store / "cards" / f"{name}.md").read_text(encoding="utf-8")


def fixation_table(corpus: Path) -> tuple[Path, pa.Table]:
    path = min((corpus / "fixations" / "diem").iterdir())
    return path, pq.read_table(path)


@pytest.mark.parametrize("name", CARDS)
def test_the_cards_of_a_built_store_agree_with_it(built_store: Path, name: str):
    assert check_card(card(built_store, name), built_store / "corpus") == []


def test_one_fixation_less_is_named_with_both_numbers(built_store: Path, corpus: Path):
    path, table = fixation_table(corpus)
    pq.write_table(table.slice(1), path)
    said = check_card(card(built_store, "diem"), corpus)
    total = sum(pq.read_metadata(found).num_rows for found in (corpus / "fixations" / "diem").iterdir())
    assert said[0] == (
        f"stimuli.parquet, diem/{path.stem}: n_fixations is {len(table)}, its fixation table has {len(table) - 1}"
    )
    assert f"number fixations: the card says {total + 1:,}, the store {total:,}" in said
    assert any(words.startswith(f"Which videos: row diem/{path.stem}") for words in said)


def test_one_fixation_less_is_no_matter_of_another_corpus(built_store: Path, corpus: Path):
    path, table = fixation_table(corpus)
    pq.write_table(table.slice(1), path)
    assert check_card(card(built_store, "coutrot1"), corpus) == []
    assert "number fixations: " in "".join(check_card(card(built_store, "card"), corpus))


def test_one_fixation_moved_is_named_by_the_digest_alone(built_store: Path, corpus: Path):
    path, table = fixation_table(corpus)
    moved = pc.add(table["x_px"], pa.scalar(0.25, pa.float32()))
    pq.write_table(table.set_column(2, table.schema.field("x_px"), moved), path)
    (said,) = check_card(card(built_store, "diem"), corpus)
    assert said.startswith("SHA-256 of fixations/diem/*.parquet: ")


def test_an_observer_less_is_named(built_store: Path, corpus: Path):
    path, table = fixation_table(corpus)
    gone = pc.not_equal(table["observer"], table["observer"][0])
    pq.write_table(table.filter(gone), path)
    said = check_card(card(built_store, "diem"), corpus)
    assert any(words.startswith(f"stimuli.parquet, diem/{path.stem}: n_observers is 12") for words in said)
    assert "number observers_min: the card says 12, the store 11" in said


def test_a_fixation_table_that_is_gone_counts_as_empty(built_store: Path, corpus: Path):
    path, table = fixation_table(corpus)
    path.unlink()
    said = check_card(card(built_store, "diem"), corpus)
    assert said[0].endswith(f"n_fixations is {len(table)}, its fixation table has 0")


def test_a_rejection_less_is_named(built_store: Path, corpus: Path):
    table = pq.read_table(corpus / "rejected.parquet")
    blinks = pc.equal(table["reason"], "blink")
    pq.write_table(table.filter(pc.invert(blinks)), corpus / "rejected.parquet")
    n_rows = pc.sum(blinks).as_py()
    said = check_card(card(built_store, "card"), corpus)
    assert f"number rejected sample rows, blink: the card says {n_rows}, the store nothing" in said


def test_a_number_changed_by_hand_in_the_text_is_named(built_store: Path):
    text = card(built_store, "diem")
    (line,) = [line for line in text.splitlines() if line.startswith("| diem | train | ")]
    said = check_card(text.replace(line, line.replace("12.0", "13.0")), built_store / "corpus")
    assert said == ["Contents: row diem, train: observers, mean is '13.0' in the card, '12.0' in the store"]


def test_a_text_that_is_no_card_is_refused(built_store: Path):
    with pytest.raises(StoreError, match="no section 'For programs'"):
        check_card("# Data card: nothing", built_store / "corpus")
