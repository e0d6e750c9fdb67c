"""An export says of every sample what it was made from, and its store remembers where it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.cli import main
from pipeline.errors import ExportError
from pipeline.export.provenance import known_exports, load, origin, remember
from pipeline.export.shards import materialise, verify_export
from pipeline.store.fingerprint import item_fingerprint, sha256_of


def export(store: Path, *words: str) -> None:
    assert main(["export", "--store", str(store), "--executor", "serial", *words]) == 0


def told(folder: Path) -> dict:
    found = load(folder)
    assert found is not None
    return found


def test_every_shard_is_traced_to_the_raw_files_it_was_made_from(mini_store):
    export(mini_store)
    out = mini_store / "export" / "wds"
    found = told(out)
    assert set(found["shards"]) == {path.name for path in out.glob("*.tar")}
    stages = {place.split("/")[0] for place in found["items"]}
    assert stages == {"fetch", "unpack", "recordings", "frames", "curate", "logmel", "density", "shards"}
    for place, item in found["items"].items():
        assert bool(item["made_from"]) == (not place.startswith("fetch/")), place
        assert set(item["made_from"]) <= set(found["items"])
        assert (mini_store / "stages" / place / "record.json").is_file()
    raw = [path for path in (mini_store / "raw").rglob("*") if path.is_file()]
    shown = {sha for place, item in found["items"].items() if place.startswith("fetch/")
             for _, sha in item["outputs"].values()}  # fmt: skip
    assert shown < {sha256_of(path) for path in raw}  # less than all: two stimuli are refused, and in no shard
    assert len(shown) == len(raw) - 2


def test_every_fingerprint_can_be_worked_out_again_from_the_export_alone(mini_store):
    export(mini_store)
    for place, item in told(mini_store / "export" / "wds")["items"].items():
        stage, _variant, corpus, name = place.split("/")
        again = item_fingerprint(stage, item["version"], item["params"], f"{corpus}/{name}", item["inputs"])
        assert again == item["fingerprint"], place


def test_a_sample_is_answered_with_its_own_items_and_sources_only(mini_store):
    export(mini_store)
    out = mini_store / "export" / "wds"
    found = origin(out, "coutrot1--clip_1--000000")
    assert (found["stimulus"], found["shard"]) == ("coutrot1/clip_1", "coutrot1-train-00000.tar")
    assert {place.split("/", 2)[2] for place in found["items"]} == {
        "coutrot1/train.wds", "coutrot1/clip_1", "coutrot1/ERB3_Stimuli", "coutrot1/coutrot_database1.mat",
    }  # fmt: skip
    raw = mini_store / "raw"
    assert found["sources"] == {
        name: [(raw / name).stat().st_size, sha256_of(raw / name)]
        for name in ("coutrot1/ERB3_Stimuli.zip", "coutrot1/coutrot_database1.mat")
    }
    density = next(item for place, item in found["items"].items() if place.startswith("density/"))
    assert density["params"] == {"sigma_dva": 1.0, "height": 32, "width": 40}
    frames = next(item for place, item in found["items"].items() if place.startswith("frames/"))
    unpacked = next(item for place, item in found["items"].items() if place.startswith("unpack/") and "ERB3" in place)
    assert frames["inputs"]["video"] in {sha for _, sha in unpacked["outputs"].values()}


def test_the_same_store_gives_the_same_bytes_wherever_and_however_often(mini_store, tmp_path):
    for folder in (tmp_path / "a", tmp_path / "b", tmp_path / "a"):
        export(mini_store, "--out", str(folder))
        verify_export(folder)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "b").iterdir())
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in names)


def test_shards_laid_out_without_a_provenance_do_not_keep_that_of_others(items, tmp_path):
    (tmp_path / "provenance.json").write_text("{}")
    materialise(items["wds"], tmp_path)
    assert load(tmp_path) is None
    with pytest.raises(ExportError, match=r"holds no provenance.json"):
        origin(tmp_path, "coutrot1--clip_1--000000")


def test_a_sample_that_is_not_there_is_named(items, tmp_path):
    materialise(items["wds"], tmp_path, {"schema_version": 1, "shards": {}, "items": {}})
    with pytest.raises(ExportError, match="no sample 'nobody--0'"):
        origin(tmp_path, "nobody--0")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"schema_version": 99, "shards": {}, "items": {}}',
        '{"schema_version": 1, "items": {}}',
        '{"schema_version": 1, "shards": {"a.tar": "shards/v/diem/train.wds"}, "items": {}}',
    ],
    ids=["torn", "not ours", "a later schema", "half of it", "an item missing"],
)
def test_a_provenance_that_cannot_be_trusted_is_refused(tmp_path, text):
    (tmp_path / "provenance.json").write_text(text)
    with pytest.raises(ExportError, match="cannot be read"):
        load(tmp_path)


def test_a_store_remembers_an_export_once_and_takes_one_inside_along_when_it_is_moved(tmp_path):
    store, outside = tmp_path / "store", tmp_path / "outside"
    store.mkdir()
    for folder in (store / "shards" / "mine", outside, store / "shards" / "mine"):
        remember(store, folder)
    assert set(known_exports(store)) == {store / "shards" / "mine", outside}
    store.rename(tmp_path / "moved")
    assert set(known_exports(tmp_path / "moved")) == {tmp_path / "moved" / "shards" / "mine", outside}


def test_an_export_renamed_inside_the_store_is_known_all_the_same(mini_store):
    export(mini_store)
    (mini_store / "export" / "wds").rename(mini_store / "export" / "paper")
    assert mini_store / "export" / "paper" in known_exports(mini_store)


def test_an_export_that_failed_half_way_is_known_already(mini_store, monkeypatch, tmp_path):
    def full(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.export.shards.materialise", full)
    assert main(["export", "--store", str(mini_store), "--executor", "serial", "--out", str(tmp_path / "out")]) == 130
    assert tmp_path / "out" in known_exports(mini_store)


def test_a_list_of_exports_that_cannot_be_read_is_not_taken_for_an_empty_one(tmp_path):
    (tmp_path / "exports.json").write_text("[")
    with pytest.raises(ExportError, match=r"exports.json: cannot be read"):
        known_exports(tmp_path)
