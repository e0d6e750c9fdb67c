"""croissant.json of an export: every shard, every column, licence and citation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.export import jsonld
from pipeline.export.croissant import CROISSANT_NAME
from pipeline.export.release import materialise
from pipeline.store.fingerprint import sha256_of

from .conftest import FORMATS


@pytest.fixture(params=FORMATS)
def export(request: pytest.FixtureRequest, items: dict, tmp_path: Path) -> Path:
    """An export of each format in turn."""
    materialise(items[request.param], tmp_path / request.param)
    return tmp_path / request.param


def document(folder: Path) -> dict[str, Any]:
    return json.loads((folder / CROISSANT_NAME).read_text(encoding="utf-8"))


def test_every_shard_is_named_with_size_and_digest(export: Path):
    files = [node for node in document(export)["distribution"] if node["@type"] == "cr:FileObject"]
    index = json.loads((export / "index.json").read_text())
    assert [node["contentUrl"] for node in files] == [row["file"] for item in index["items"] for row in item["shards"]]
    for node in files:
        assert node["sha256"] == sha256_of(export / node["contentUrl"])
        assert node["contentSize"] == f"{(export / node['contentUrl']).stat().st_size} B"


def test_licence_and_citation_go_with_every_export(export: Path):
    node = document(export)
    assert node["citeAs"] == "Nobody 2026"
    assert [licence["name"] for licence in node["license"]] == ["CC0", "CC0"]
    assert (export / node["url"]).read_text().startswith("# Licence")


def test_parquet_columns_are_fields_and_fields_are_columns(items: dict, tmp_path: Path):
    materialise(items["parquet"], tmp_path)
    (samples,) = document(tmp_path)["recordSet"]
    columns = pq.read_schema(next(tmp_path.glob("*.parquet")))
    assert [field["name"] for field in samples["field"]] == columns.names
    shapes = {field["name"]: field.get("arrayShape") for field in samples["field"]}
    assert (shapes["key"], shapes["times_s"], shapes["logmel"]) == (None, "-1", "-1,64")


def test_shards_of_other_formats_are_told_in_prose(items: dict, tmp_path: Path):
    materialise(items["wds"], tmp_path)
    node = document(tmp_path)
    assert "recordSet" not in node
    assert "<key>.json (facts)" in node["distribution"][-1]["description"]


def test_an_export_without_shards_has_a_document_too(items: dict, tmp_path: Path):
    materialise({("coutrot1", "test"): items["wds"]["coutrot1", "test"]}, tmp_path)
    assert "distribution" not in document(tmp_path)


def test_a_second_export_writes_the_same_document(items: dict, tmp_path: Path):
    for _ in range(2):
        materialise(items["parquet"], tmp_path)
    again = (tmp_path / CROISSANT_NAME).read_bytes()
    materialise(items["parquet"], tmp_path / "other")
    assert (tmp_path / "other" / CROISSANT_NAME).read_bytes() == again


@pytest.mark.parametrize(
    ("citation", "names", "year"),
    [
        ("P. K. Mital, T. J. Smith: Clustering of gaze. Cognitive Computation 3(1), 5-24, 2011.", 2, "2011"),
        ("A. Coutrot, N. Guyader: An efficient model. EUSIPCO 2015, 1531-1535, doi 10.1109/E.2015.7362640.", 2, "2015"),
        ("The miniature corpus of this project, not DIEM.", 0, ""),
    ],
    ids=["a journal paper", "a conference paper with a doi", "no paper"],
)
def test_authors_and_year_are_read_from_a_citation(citation: str, names: int, year: str):
    assert len(jsonld.authors(citation)) == names
    assert jsonld.year_of(citation) == year


def test_nested_lists_are_arrays_with_their_lengths():
    file = jsonld.file_object("t.parquet", 1, "0" * 64, jsonld.PARQUET)
    kind = pa.list_(pa.list_(pa.float32(), 20))
    field = jsonld.column_field("t", file, pa.field("density", kind), "maps")
    assert (field["dataType"], field["arrayShape"]) == ("cr:Float32", "-1,20")
    assert field["source"] == {"fileObject": {"@id": "t.parquet"}, "extract": {"column": "density"}}


def test_mlcroissant_validates_it(export: Path):
    mlcroissant = pytest.importorskip("mlcroissant", reason="needs the extra croissant")
    found = mlcroissant.Dataset(str(export / CROISSANT_NAME)).metadata.ctx.issues
    assert not found.errors
    assert not found.warnings


def test_mlcroissant_reads_parquet_shards_through_it(items: dict, tmp_path: Path):
    mlcroissant = pytest.importorskip("mlcroissant", reason="needs the extra croissant")
    materialise(items["parquet"], tmp_path)
    read = list(mlcroissant.Dataset(str(tmp_path / CROISSANT_NAME)).records("samples"))
    table = pa.concat_tables(pq.read_table(path) for path in sorted(tmp_path.glob("*.parquet")))
    assert [row["samples/key"].decode() for row in read] == table["key"].to_pylist()
    assert [row["samples/times_s"] for row in read] == table["times_s"].to_pylist()
    pictures = [[frame["samples/frames/bytes"].size for frame in row["samples/frames"]] for row in read]
    assert pictures == [[(40, 24)] * len(frames) for frames in table["frames"].to_pylist()]
