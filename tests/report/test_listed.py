"""The cards of data_cards/ are what the manifests render, and count what the lists hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.ingest.manifest import Manifest, load
from pipeline.report.listed import main, render_all

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return load(ROOT / "manifests")


@pytest.fixture(scope="module")
def listed(manifest: Manifest) -> dict[str, str]:
    return render_all(manifest)


def test_data_cards_are_what_the_manifests_render(listed: dict[str, str]):
    kept = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "data_cards").glob("*.md")}
    kept.pop("README.md")
    assert kept == listed, "python -m pipeline.report.listed renders them anew"


def test_the_pooled_card_has_the_published_split(listed: dict[str, str]):
    assert "| train | 19 | 37 | 37 | 93 |" in listed["card.md"]
    assert "| all | 35 | 64 | 52 | 151 |" in listed["card.md"]
    assert "| stimuli | train/nature | 37 | 19 | differs |" in listed["card.md"]


def test_a_card_says_that_nothing_is_built(listed: dict[str, str]):
    assert all("**Not built yet: counts are those of the lists.**" in text for text in listed.values())


def test_licence_citation_screen_and_distance_are_in_every_corpus_card(manifest: Manifest, listed: dict[str, str]):
    for corpus, licence in manifest.licences.items():
        text = listed[f"{corpus}.md"]
        assert licence.licence in text
        assert licence.citation in text
        assert f"{manifest.geometry[corpus].distance_cm:g} cm |" in text
        assert all(entry.stimulus in text for entry in manifest.entries([corpus]))


def test_a_corpus_card_speaks_of_no_other(listed: dict[str, str]):
    assert "diem/" not in listed["coutrot1.md"]
    assert "coutrot" not in listed["diem.md"]


def test_a_changed_row_changes_the_card(manifest: Manifest, listed: dict[str, str]):
    geometry = {**manifest.geometry, "diem": replace(manifest.geometry["diem"], distance_cm=91)}
    changed = render_all(replace(manifest, geometry=geometry))
    assert {name for name in listed if changed[name] != listed[name]} == {"card.md", "diem.md"}


def test_the_script_writes_what_is_rendered(tmp_path: Path, listed: dict[str, str], capsys: pytest.CaptureFixture[str]):
    assert main([str(ROOT / "manifests"), str(tmp_path)]) == 0
    assert {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()} == listed
    assert str(tmp_path / "diem.md") in capsys.readouterr().out
