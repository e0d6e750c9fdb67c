"""A stage's outputs may change only together with its version; golden.json remembers both."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from filelock import FileLock
from simplejpeg import encode_jpeg

from pipeline.features.frames import FrameFile, write_frames
from pipeline.recipe.stages import STAGES
from tests.recipe import golden
from tests.recipe.golden import UnchangedVersionError, complaints, difference, leaf, renewed


@pytest.fixture(scope="module")
def readings(shared_tmp: Path) -> golden.Readings:
    """What the stages make of the tiny corpus now; read once a run."""
    kept = shared_tmp / "tiny.json"
    with FileLock(shared_tmp / "tiny.lock"):
        if not kept.is_file():
            (shared_tmp / "tiny").mkdir()
            kept.write_text(json.dumps(golden.read(golden.build(shared_tmp / "tiny"))), encoding="utf-8")
    return json.loads(kept.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def tiny_store(shared_tmp: Path, readings) -> Path:
    return shared_tmp / "tiny" / "store"


@pytest.mark.slow
def test_no_stage_changed_without_a_new_version(readings):
    said = complaints(json.loads(golden.GOLDEN.read_text(encoding="utf-8")), readings)
    assert not said, "\n".join(said)


def test_every_stage_has_outputs_in_the_reading(readings):
    assert [*readings] == [*STAGES]
    assert all(reading["outputs"] for reading in readings.values())


# -- the guard itself ----------------------------------------------------------------------------------------------


def changed(readings: golden.Readings, *stages: str, version: int = 1) -> golden.Readings:
    """The same readings with the outputs of some stages changed, and the first one's version set."""
    other = copy.deepcopy(readings)
    for stage in stages:
        other[stage]["outputs"][next(iter(other[stage]["outputs"]))] = "something else"
    other[stages[0]]["version"] = version
    return other


def test_changed_bytes_under_an_old_version_are_told_what_to_do(readings):
    (said,) = complaints(readings, changed(readings, "density"))
    assert said.startswith("bytes of stage density changed but its version did not (/diem/blocks_64x48/density.npy")
    assert "bump density.version in pipeline/recipe/stages.py, then run `python -m tests.recipe.golden`" in said


def test_changed_bytes_under_an_old_version_cannot_be_renewed(readings):
    with pytest.raises(UnchangedVersionError, match=r"density \(/diem"):
        renewed(readings, changed(readings, "density"))


def test_a_new_version_asks_for_a_renewal_and_then_all_is_well(readings):
    now = changed(readings, "density", version=2)
    (said,) = complaints(readings, now)
    assert said == "stage density has version 2, golden.json knows 1: run `python -m tests.recipe.golden` to renew it"
    assert complaints(renewed(readings, now), now) == []


def test_only_the_earliest_stage_that_changed_is_asked_for_a_new_version(readings):
    (said,) = complaints(readings, changed(readings, "curate", "density", "shards"))
    assert said.startswith("bytes of stage curate")
    now = changed(readings, "curate", "density", "shards", version=2)
    assert complaints(renewed(readings, now), now) == []


def test_a_stage_that_golden_json_does_not_know_is_asked_for(readings):
    known = {name: reading for name, reading in readings.items() if name != "report"}
    (said,) = complaints(known, readings)
    assert said.startswith("stage report has version 1, golden.json knows None")
    assert renewed(known, readings) == readings


def test_golden_json_reads_back_as_it_was_written(readings):
    assert json.loads(golden.as_text(readings)) == readings


# -- what a reading notices ----------------------------------------------------------------------------------------


def shifted_by(axis: int):
    return lambda values: np.roll(values, 1, axis)


@pytest.mark.parametrize(
    ("stage", "output"), [("density", "density.npy"), ("logmel", "steps.npy")], ids=lambda word: word.split(".")[0]
)
@pytest.mark.parametrize(
    ("change", "noticed"),
    [
        (shifted_by(0), True),
        (shifted_by(1), True),
        (lambda values: values * 1.01, True),
        (lambda values: values.astype(np.float64), True),
        (lambda values: values[:-1], True),
        (lambda values: (values * (1 + 1e-5)).astype(values.dtype), False),
    ],
    ids=["a row later", "a column later", "1 % more", "another type", "one row fewer", "the last digits"],
)
def test_an_array_is_noticed_to_be(tiny_store, tmp_path, stage, output, change, noticed):
    original = next(tiny_store.glob(f"stages/{stage}/*/coutrot1/clip_1/{output}"))
    np.save(tmp_path / output, change(np.load(original)))
    assert bool(difference(leaf(original), leaf(tmp_path / output))) is noticed


@pytest.mark.parametrize("column", ["x_px", "frame", "observer", "compression", "nothing"])
def test_a_table_is_noticed_to_have_another(tiny_store, tmp_path, column):
    original = next(tiny_store.glob("stages/curate/*/diem/*/fixations.parquet"))
    table = pq.read_table(original)
    if column in table.column_names:
        rolled = table[column].take(pa.array(np.roll(np.arange(table.num_rows), 1)))
        table = table.set_column(table.column_names.index(column), table.schema.field(column), rolled)
    compression = "snappy" if column == "compression" else "zstd"
    pq.write_table(table, tmp_path / "fixations.parquet", compression=compression)
    found = difference(leaf(original), leaf(tmp_path / "fixations.parquet"))
    assert bool(found) is (column != "nothing")


@pytest.mark.parametrize("quality", [30, 95])
def test_frames_encoded_otherwise_read_the_same_and_other_frames_do_not(tiny_store, tmp_path, quality):
    original = next(tiny_store.glob("stages/frames/*/coutrot1/clip_1/frames.arrow"))
    frames = FrameFile(original)
    pictures = list(frames.read(0, len(frames)))
    for name, shift in (("same", 0), ("moved", 1)):
        jpegs = [encode_jpeg(picture, quality) for picture in np.roll(pictures, shift, 0)]
        write_frames(tmp_path / f"{name}.arrow", zip(frames.times_s, jpegs, strict=True))
    assert not difference(leaf(original), leaf(tmp_path / "same.arrow"))
    assert "levels" in difference(leaf(original), leaf(tmp_path / "moved.arrow"))


@pytest.mark.parametrize(
    ("text", "noticed"), [('{"n": 1, "x": 2.0}', False), ('{"n": 2, "x": 2.0}', True), ('{"n": 1, "x": 2.1}', True)]
)
def test_json_is_compared_by_words_and_numbers(tmp_path, text, noticed):
    for name, content in (("old", '{"x": 2.00001, "n": 1}'), ("new", text)):
        (tmp_path / f"{name}.json").write_text(content)
    assert bool(difference(leaf(tmp_path / "old.json"), leaf(tmp_path / "new.json"))) is noticed
