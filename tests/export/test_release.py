"""One folder for all corpora and splits: complete, repeatable, tidy, and checked."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pyarrow as pa
import pytest
import simplejpeg
import torch

from pipeline.errors import ExportError, UsageError
from pipeline.export import reader
from pipeline.export.clips import ClipDataset
from pipeline.export.shards import build_item, materialise, verify_export
from pipeline.schemas import FRAMES

from .conftest import FORMATS, make_job, make_stimulus


def flip_one_byte(path):
    """Break a file without changing its size; written anew, so that hard links to it stay whole."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.unlink()
    path.write_bytes(data)


@pytest.mark.parametrize("name", FORMATS)
def test_export_holds_the_clips_of_all_its_items(items, tmp_path, name):
    summary = materialise(items[name], tmp_path / "out")
    assert (summary["format"], summary["shards"], summary["samples"]) == (name, 3, 7)
    assert summary["target_frames"] == len(ClipDataset(tmp_path / "out")) == 124
    assert len(ClipDataset(tmp_path / "out", corpus="coutrot1", split="val")) == 40
    assert verify_export(tmp_path / "out") == {"shards": 3, "bytes": summary["bytes"]}


def test_index_lies_beside_licences_of_every_corpus(items, tmp_path):
    materialise(items["wds"], tmp_path)
    index = json.loads((tmp_path / "index.json").read_text())
    assert [(item["corpus"], item["split"]) for item in index["items"]] == [
        ("coutrot1", "test"), ("coutrot1", "val"), ("diem", "train"),
    ]  # fmt: skip
    assert index["totals"]["samples"] == sum(item["totals"]["samples"] for item in index["items"])
    page = (tmp_path / "LICENCE.md").read_text()
    assert page.count("## diem") == page.count("## coutrot1") == 1


def test_second_export_changes_nothing(items, tmp_path):
    materialise(items["wds"], tmp_path)
    before = {path.name: (path.stat().st_ino, path.read_bytes()) for path in tmp_path.glob("*.tar")}
    summary = materialise(items["wds"], tmp_path)
    assert (summary["kept"], summary["linked"], summary["copied"], summary["removed"]) == (3, 0, 0, [])
    assert before == {path.name: (path.stat().st_ino, path.read_bytes()) for path in tmp_path.glob("*.tar")}


def test_shards_are_hard_links_to_the_store(items, tmp_path):
    summary = materialise(items["wds"], tmp_path)
    source = items["wds"]["coutrot1", "val"] / "coutrot1-val-00000.tar"
    assert summary["linked"] == 3
    assert (tmp_path / source.name).samefile(source)


def test_shards_are_copied_where_links_are_not_to_be_had(items, tmp_path, monkeypatch):
    def no_links(*_):
        raise OSError("Invalid cross-device link")

    monkeypatch.setattr(os, "link", no_links)
    assert materialise(items["wds"], tmp_path)["copied"] == 3
    verify_export(tmp_path)
    assert not (tmp_path / "coutrot1-val-00000.tar").samefile(
        items["wds"]["coutrot1", "val"] / "coutrot1-val-00000.tar"
    )


def test_a_damaged_copy_is_replaced(items, tmp_path):
    materialise(items["wds"], tmp_path)
    flip_one_byte(tmp_path / "coutrot1-val-00000.tar")
    assert materialise(items["wds"], tmp_path)["linked"] == 1
    verify_export(tmp_path)


def test_only_shards_of_an_earlier_export_are_removed(items, tmp_path):
    materialise(items["wds"], tmp_path)
    (tmp_path / "notes.tar").write_text("mine")
    summary = materialise(items["parquet"], tmp_path)
    assert summary["removed"] == ["coutrot1-val-00000.tar", "diem-train-00000.tar", "diem-train-00001.tar"]
    assert {path.suffix for path in tmp_path.glob("*-*-*")} == {".parquet"}
    assert (tmp_path / "notes.tar").read_text() == "mine"
    verify_export(tmp_path)


def test_an_index_that_points_elsewhere_removes_nothing_there(items, tmp_path):
    out = tmp_path / "out"
    materialise(items["wds"], out)
    (tmp_path / "precious.tar").write_text("mine")
    text = (out / "index.json").read_text()
    (out / "index.json").write_text(text.replace("diem-train-00001.tar", "../precious.tar"))
    materialise({("coutrot1", "val"): items["wds"]["coutrot1", "val"]}, out)
    assert (tmp_path / "precious.tar").exists()


def test_an_export_killed_before_its_index_is_completed_by_the_next(items, tmp_path, monkeypatch):
    materialise(items["wds"], tmp_path)
    with monkeypatch.context() as broken:
        broken.setattr("pipeline.export.release.write_json", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            materialise(items["parquet"], tmp_path)
    materialise(items["parquet"], tmp_path)
    verify_export(tmp_path)
    assert not list(tmp_path.glob("*.tar"))
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("text", ['{"items": []}', "[1, 2]", "not json"])
def test_a_folder_with_somebody_elses_index_is_left_alone(items, tmp_path, text):
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(ExportError, match=r"holds an index.json that is not ours .* Give another folder"):
        materialise(items["wds"], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["index.json"]


def test_formats_are_not_mixed(items, tmp_path):
    mixed = {("diem", "train"): items["wds"]["diem", "train"], ("coutrot1", "val"): items["tensors"]["coutrot1", "val"]}
    with pytest.raises(UsageError, match="one format, got tensors, wds"):
        materialise(mixed, tmp_path)


def test_an_export_of_nothing_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no shards at all"):
        materialise({}, tmp_path)


def test_verify_names_every_shard_that_differs(items, tmp_path):
    materialise(items["wds"], tmp_path)
    flip_one_byte(tmp_path / "coutrot1-val-00000.tar")
    (tmp_path / "diem-train-00001.tar").unlink()
    with pytest.raises(ExportError, match=r"2 of 3 shards") as caught:
        verify_export(tmp_path)
    assert "coutrot1-val-00000.tar: has sha256" in str(caught.value)
    assert "diem-train-00001.tar: cannot be opened" in str(caught.value)


def test_verify_checks_an_item_too(items):
    assert verify_export(items["wds"]["diem", "train"] / "index.json")["shards"] == 2


@pytest.fixture(params=FORMATS)
def copy(request, items, tmp_path):
    """A copy of coutrot1/val that a test may break: the folder, and its one shard."""
    folder = tmp_path / "copy"
    shutil.copytree(items[request.param]["coutrot1", "val"], folder)
    return folder, next(folder.glob("coutrot1-val-*"))


def test_a_truncated_shard_is_refused_when_it_is_opened(copy):
    folder, shard = copy
    size = shard.stat().st_size
    os.truncate(shard, size - 1000)
    with pytest.raises(ExportError, match=rf"{shard.name}: is {size - 1000} bytes. Expected {size} bytes with sha256"):
        ClipDataset(folder)


def test_a_shard_truncated_after_opening_is_refused_when_it_is_read(copy):
    folder, shard = copy
    clips = ClipDataset(folder)
    os.truncate(shard, 700)
    with pytest.raises(ExportError, match="is 700 bytes"):
        clips[0]


def test_a_missing_shard_is_named(copy):
    folder, shard = copy
    shard.unlink()
    with pytest.raises(ExportError, match=f"{shard.name}: cannot be opened"):
        ClipDataset(folder)


def test_a_foreign_file_of_the_same_size_is_refused_when_it_is_read(copy):
    folder, shard = copy
    shard.write_bytes(b"\x07" * shard.stat().st_size)
    with pytest.raises(
        ExportError, match=rf"{shard.name}: sample coutrot1--clip_1--000000: .*Expected \d+ bytes"
    ) as caught:
        ClipDataset(folder)[0]
    assert "sha256" in str(caught.value)


def test_another_sample_in_the_place_of_the_expected_one_is_refused(copy):
    folder, _shard = copy
    index = json.loads((folder / "index.json").read_text())
    first, second = index["shards"][0]["samples"]
    first["key"], second["key"] = second["key"], first["key"]
    (folder / "index.json").write_text(json.dumps(index))
    with pytest.raises(ExportError, match="sample coutrot1--clip_1--000020"):
        ClipDataset(folder)[0]


def test_a_broken_picture_is_named_with_its_sample(items, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(items["tensors"]["coutrot1", "val"], folder)
    shard = next(folder.glob("coutrot1-val-*"))
    data = shard.read_bytes()
    at = data.index(b"\xff\xd8\xff")
    shard.write_bytes(data[:at] + bytes(200) + data[at + 200 :])
    with pytest.raises(ExportError, match=r"sample coutrot1--clip_1--000000: a picture cannot be decoded"):
        ClipDataset(folder)[0]


def test_a_picture_of_another_size_than_the_others_is_refused(tmp_path):
    source = make_stimulus(tmp_path / "stages", "diem/mixed", n_frames=20, n_steps=90)
    small = simplejpeg.encode_jpeg(np.zeros((16, 16, 3), np.uint8))
    with pa.OSFile(str(source.files["frames"]), "wb") as sink, pa.ipc.new_file(sink, FRAMES) as writer:
        jpegs = [*source.jpegs[:10], small, *source.jpegs[11:]]
        columns = [pa.array(range(20), pa.int32()), pa.array(source.times_s), pa.array(jpegs, pa.binary())]
        writer.write_batch(pa.record_batch(columns, schema=FRAMES))
    build_item(make_job(tmp_path / "out", "diem", "train", [source]))
    with pytest.raises(ExportError, match=r"a picture is 16 x 16 px \(height x width\), the others 24 x 40"):
        ClipDataset(tmp_path / "out")[12]


@pytest.mark.parametrize("name", FORMATS)
def test_more_shards_than_may_be_open_are_read_all_the_same(items, monkeypatch, name):
    folder = items[name]["diem", "train"]
    expected = [clip["video"] for clip in (ClipDataset(folder)[k] for k in (0, 83, 1, 82))]
    monkeypatch.setattr(reader, "OPEN_SHARDS", 1)
    monkeypatch.setattr(reader, "KEPT_HEADS", 1)
    clips = ClipDataset(folder)
    assert all(torch.equal(clips[k]["video"], video) for k, video in zip((0, 83, 1, 82), expected, strict=True))
    assert len(clips.shards._readers) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(None, "no such file", id="no index"),
        pytest.param("{", "not readable as JSON", id="torn index"),
        pytest.param('{"a": 1}', "not an index of shards", id="somebody else's index"),
        pytest.param('{"schema_version": 2, "format": "wds", "shards": []}', "lacks parts", id="half an index"),
        pytest.param('{"schema_version": 99, "format": "wds"}', "schema version 99. Expected 2", id="a later schema"),
    ],
)
def test_an_index_that_cannot_be_used_is_explained(tmp_path, text, message):
    if text is not None:
        (tmp_path / "index.json").write_text(text)
    with pytest.raises(ExportError, match=message):
        ClipDataset(tmp_path)
