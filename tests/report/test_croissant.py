"""Croissant documents of the published corpus: complete, true to the files, valid (where mlcroissant is installed)."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.report.croissant import ROOT
from pipeline.store.fingerprint import sha256_of

NAMES = ("all", "diem", "coutrot1", "coutrot2")
REQUIRED = ("@context", "@type", "conformsTo", "name", "description", "license", "citeAs", "url", "version")
SOURCES = {"stimuli": "stimuli.parquet", "rejected": "rejected.parquet"}


def document(store: Path, name: str) -> dict[str, Any]:
    return json.loads((store / "cards" / f"{name}.croissant.json").read_text(encoding="utf-8"))


def files_of(node: dict[str, Any]) -> list[dict[str, Any]]:
    return [file for file in node["distribution"] if file["@type"] == "cr:FileObject"]


def columns_of(table: dict[str, Any]) -> list[str]:
    return [field["name"] for field in table["field"] if "column" in field["source"]["extract"]]


@pytest.fixture(params=NAMES)
def described(request: pytest.FixtureRequest, built_store: Path) -> dict[str, Any]:
    """Each document of the built store in turn."""
    return document(built_store, request.param)


def test_there_is_a_document_beside_every_card(built_store: Path):
    found = {path.name.removesuffix(".croissant.json") for path in (built_store / "cards").glob("*.croissant.json")}
    assert found == set(NAMES)


def test_what_croissant_requires_is_there(described: dict[str, Any]):
    assert all(described.get(key) for key in REQUIRED)
    assert described["conformsTo"][0] == "http://mlcommons.org/croissant/1.1"
    nodes = [
        *described["distribution"],
        *described["recordSet"],
        *(f for t in described["recordSet"] for f in t["field"]),
    ]
    ids = Counter(node["@id"] for node in nodes)
    assert max(ids.values()) == 1


def test_sizes_and_digests_are_those_of_the_files(built_store: Path, described: dict[str, Any]):
    for file in files_of(described):
        path = built_store / "cards" / file["contentUrl"]
        assert file["sha256"] == sha256_of(path)
        assert file["contentSize"] == f"{path.stat().st_size} B"


@pytest.mark.parametrize("name", NAMES)
def test_every_published_table_of_its_corpora_is_named(built_store: Path, name: str):
    corpus = built_store / "corpus"
    pattern = "*" if name == "all" else name
    tables = [path for kind in ("fixations", "logmel") for path in corpus.glob(f"{kind}/{pattern}/*.parquet")]
    expected = {"stimuli.parquet", "rejected.parquet", "audit.json"}
    expected |= {path.relative_to(corpus).as_posix() for path in tables}
    assert {file["@id"] for file in files_of(document(built_store, name))} == expected


def test_every_column_has_a_field_and_every_field_a_column(built_store: Path, described: dict[str, Any]):
    for table in described["recordSet"]:
        kind, _, corpus = table["@id"].partition("-")
        path = SOURCES.get(kind) or min((built_store / "corpus" / kind / corpus).iterdir())
        assert columns_of(table) == pq.read_schema(built_store / "corpus" / path).names
        assert all(field["description"] for field in table["field"])


def test_field_types_are_those_of_the_columns(built_store: Path):
    tables = {table["@id"]: table for table in document(built_store, "diem")["recordSet"]}
    types = {field["@id"]: field["dataType"] for table in tables.values() for field in table["field"]}
    assert types["stimuli/duration_s"] == "cr:Float64"
    assert types["stimuli/n_fixations"] == "cr:Int64"
    assert types["fixations-diem/observer"] == "sc:Text"
    assert types["fixations-diem/x_px"] == "cr:Float32"
    (example,) = [field for field in tables["logmel-diem"]["field"] if field["name"] == "example"]
    assert (example["dataType"], example["isArray"], example["arrayShape"]) == ("cr:Float32", True, "4096")


def test_a_set_of_files_is_the_files_of_its_corpus(built_store: Path):
    pooled = document(built_store, "all")
    for whole in (node for node in pooled["distribution"] if node["@type"] == "cr:FileSet"):
        kind, corpus, _ = whole["@id"].split("-")
        named = {part["@id"] for part in whole["containedIn"]}
        assert named == {file["@id"] for file in files_of(pooled) if file["@id"].startswith(f"{kind}/{corpus}/")}


def test_licence_and_citation_are_those_of_the_manifest(built_store: Path, mini_world: Path):
    diem, pooled = document(built_store, "diem"), document(built_store, "all")
    assert [licence["name"] for licence in diem["license"]] == ["CC0-1.0"]
    assert "no observer, film or recording is in it" in diem["license"][0]["description"]
    assert len(pooled["license"]) == 3
    assert diem["citeAs"] in (mini_world / "manifests" / "licences.csv").read_text(encoding="utf-8")


def test_screen_distance_and_sigma_are_told(built_store: Path):
    diem = document(built_store, "diem")
    assert "screen 1280 x 960 px; 40.64 x 30.48 cm; viewing distance 90 cm" in diem["rai:dataCollection"]
    assert "own soundtrack" not in diem["rai:dataCollection"]
    assert "heard: condition OriginalSounds" in document(built_store, "coutrot1")["rai:dataCollection"]
    assert any("a Gaussian of 1 degrees of visual angle" in words for words in diem["rai:dataPreprocessingProtocol"])


@pytest.mark.parametrize("name", NAMES)
def test_mlcroissant_validates_it(built_store: Path, name: str):
    mlcroissant = pytest.importorskip("mlcroissant", reason="needs the extra croissant")
    found = mlcroissant.Dataset(str(built_store / "cards" / f"{name}.croissant.json")).metadata.ctx.issues
    assert not found.errors
    assert all("datePublished" in warning for warning in found.warnings)  # the miniature corpus names no paper


def test_mlcroissant_reads_the_tables_through_it(built_store: Path, tmp_path: Path):
    mlcroissant = pytest.importorskip("mlcroissant", reason="needs the extra croissant")
    shutil.copytree(built_store / "corpus" / "fixations", tmp_path / "fixations")
    shutil.copy2(built_store / "corpus" / "stimuli.parquet", tmp_path)
    node = document(built_store, "coutrot2")
    node["distribution"] = [_beside(file) for file in node["distribution"]]
    (tmp_path / "croissant.json").write_text(json.dumps(node))
    described = mlcroissant.Dataset(str(tmp_path / "croissant.json"))
    stimuli = pq.read_table(tmp_path / "stimuli.parquet").to_pylist()
    assert [row["stimuli/n_fixations"] for row in described.records("stimuli")] == [r["n_fixations"] for r in stimuli]
    rows = list(described.records("fixations-coutrot2"))
    for path in (tmp_path / "fixations" / "coutrot2").iterdir():
        read = [row for row in rows if row["fixations-coutrot2/name"] == path.stem.encode()]
        assert [row["fixations-coutrot2/x_px"] for row in read] == pq.read_table(path)["x_px"].to_pylist()


def _beside(file: dict[str, Any]) -> dict[str, Any]:
    """The same node in a document that lies in the corpus folder itself: mlcroissant reads sets of files only there."""
    if file["@type"] == "cr:FileObject":
        return {**file, "contentUrl": file["contentUrl"].removeprefix(f"{ROOT}/")}
    own = {key: value for key, value in file.items() if key != "containedIn"}
    return {**own, "includes": [part["@id"] for part in file["containedIn"]]}
