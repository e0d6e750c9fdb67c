"""What the shards stage writes: every frame and fixation once, bytes as stored, totals that add up."""

from __future__ import annotations

import json
import tarfile
import tracemalloc

import numpy as np
import pyarrow as pa
import pytest

from pipeline.errors import ExportError, UsageError
from pipeline.export.reader import ShardSet
from pipeline.export.sample import ARRAYS, FACTS
from pipeline.export.shards import build_item
from pipeline.store.fingerprint import sha256_of

from .conftest import FORMATS, make_job, make_stimulus


@pytest.fixture(params=FORMATS)
def train(request, items):
    """The folder of diem/train in each format."""
    return items[request.param]["diem", "train"]


def test_each_target_frame_is_stored_once_with_its_picture_and_map(train, world):
    shards = ShardSet(train)
    seen = {stimulus: [] for stimulus in ("diem/v1.0_400x240", "diem/short_400x240")}
    for number in range(len(shards)):
        head = shards.head(number)
        facts, source = head.facts, world[head.facts.stimulus]
        seen[facts.stimulus] += range(facts.first_frame, facts.first_frame + facts.n_targets)
        stored = slice(facts.first_frame - facts.n_lead_in, facts.first_frame + facts.n_targets)
        assert [bytes(jpeg) for jpeg in shards.jpegs(number, 0, head.n_stored)] == source.jpegs[stored]
        np.testing.assert_array_equal(head.density, source.density[facts.first_frame : stored.stop])
        np.testing.assert_array_equal(head.times_s, source.times_s[stored])
    assert seen == {stimulus: list(range(world[stimulus].n_frames)) for stimulus in seen}


def test_fixations_come_back_in_their_order_with_their_observers(train, world):
    shards = ShardSet(train)
    for stimulus in ("diem/v1.0_400x240", "diem/short_400x240"):
        heads = [shards.head(k) for k in range(len(shards)) if shards.entries[k].row["stimulus"] == stimulus]
        points = np.concatenate([head.fixations for head in heads])
        assert heads[0].facts.observers == ("s1", "s10", "s2")
        table = world[stimulus].fixations
        assert [heads[0].facts.observers[k] for k in points["observer"]] == table["observer"].to_pylist()
        for column in ("frame", "x_px", "y_px"):
            np.testing.assert_array_equal(points[column], table[column].to_numpy())


def test_names_and_numbers_of_the_stimulus_ride_along(train):
    facts = ShardSet(train).head(1).facts
    assert facts.key == "diem--v1=2E0_400x240--000000"
    assert (facts.stimulus, facts.corpus, facts.name) == ("diem/v1.0_400x240", "diem", "v1.0_400x240")
    assert (facts.split, facts.category, facts.licence) == ("train", "social", "CC0")
    assert (facts.rate_num, facts.rate_den, facts.width_px, facts.height_px) == (30, 1, 400, 240)
    assert facts.px_per_dva == 25.5


def test_index_counts_what_is_there(train, world):
    index = json.loads((train / "index.json").read_text())
    stimuli = [s for s in world.values() if s.row["corpus"] == "diem"]
    rows = [row for shard in index["shards"] for row in shard["samples"]]
    assert index["totals"] == {
        "shards": 2,
        "bytes": sum(path.stat().st_size for path in train.glob("diem-train-*")),
        "stimuli": 2,
        "samples": 5,
        "target_frames": 75 + 9,
        "stored_frames": 9 + 20 + (15 + 20) + (15 + 20) + (15 + 15),
        "fixations": sum(len(s.fixations) for s in stimuli),
        "categories": {"nature": 1, "social": 1},
    }
    assert [(row["stimulus"], row["first_frame"], row["n_targets"]) for row in rows] == [
        ("diem/short_400x240", 0, 9), ("diem/v1.0_400x240", 0, 20), ("diem/v1.0_400x240", 20, 20),
        ("diem/v1.0_400x240", 40, 20), ("diem/v1.0_400x240", 60, 15),
    ]  # fmt: skip
    for shard in index["shards"]:
        path = train / shard["file"]
        assert (path.stat().st_size, sha256_of(path)) == (shard["bytes"], shard["sha256"])
    assert index["settings"]["segment_frames"] == 20
    assert index["settings"]["lead_in_frames"] == 15
    assert index["settings"]["sigma_dva"] == 1.0


def test_licence_and_schema_lie_beside_the_shards(train):
    page = (train / "LICENCE.md").read_text()
    assert all(words in page for words in ("A test corpus", "CC0", "Nobody 2026", "https://example.org"))
    schema = json.loads((train / "schema.json").read_text())
    assert set(schema["arrays"]) == set(ARRAYS)
    assert set(schema["facts"]) == set(FACTS) == set(ShardSet(train).head(0).facts.to_json())
    assert schema["fixation_fields"] == {"frame": "int32", "x_px": "float32", "y_px": "float32", "observer": "int32"}


def test_schema_tells_the_types_that_are_stored(train):
    arrays = json.loads((train / "schema.json").read_text())["arrays"]
    head = ShardSet(train).head(0)
    for name, array in head.arrays.items():
        assert (
            array.dtype.names is not None if arrays[name]["dtype"] == "struct" else array.dtype == arrays[name]["dtype"]
        )


@pytest.mark.parametrize("name", FORMATS)
def test_empty_split_has_an_index_and_no_shards(items, name):
    folder = items[name]["coutrot1", "test"]
    index = json.loads((folder / "index.json").read_text())
    assert index["shards"] == []
    assert index["totals"]["samples"] == index["totals"]["bytes"] == 0
    assert {path.name for path in folder.iterdir()} == {"index.json", "schema.json", "LICENCE.md"}
    assert len(ShardSet(folder)) == 0


@pytest.mark.parametrize("name", FORMATS)
def test_same_input_gives_the_same_bytes(tmp_path, world, name):
    digests = []
    for run in ("one", "two"):
        job = make_job(tmp_path / run, "coutrot1", "val", [world["coutrot1/clip_1"]], format=name)
        build_item(job)
        digests.append({path.name: sha256_of(path) for path in job.out.iterdir()})
    assert digests[0] == digests[1]


def test_nothing_but_shards_and_their_papers_is_left_behind(train):
    names = {path.name for path in train.iterdir()}
    assert len([name for name in names if name.startswith("diem-train-0000")]) == 2
    assert len(names) == 5


@pytest.mark.parametrize("name", FORMATS)
def test_memory_does_not_grow_with_the_length_of_a_stimulus(tmp_path, name):
    pool = pa.default_memory_pool()
    peaks = []
    for n_frames in (320, 3200):
        source = make_stimulus(tmp_path / f"{n_frames}", "diem/long", n_frames=n_frames, n_steps=n_frames * 3)
        job = make_job(tmp_path / f"{name}{n_frames}", "diem", "train", [source], format=name, segment_frames=32)
        before = pool.bytes_allocated()
        tracemalloc.start()
        build_item(job)
        peaks.append(tracemalloc.get_traced_memory()[1] + pool.bytes_allocated() - before)
        tracemalloc.stop()
    # What may grow: fixations and times of the stimulus, and one index row per sample.
    assert peaks[1] - peaks[0] < 0.15 * sum(path.stat().st_size for path in job.out.glob("diem-*"))


def test_stimulus_of_another_split_is_refused(tmp_path, world):
    with pytest.raises(ExportError, match=r"diem/short_400x240: belongs to diem/train. Expected diem/test"):
        build_item(make_job(tmp_path, "diem", "test", [world["diem/short_400x240"]]))


@pytest.mark.parametrize(
    ("role", "message"),
    [
        ("density", "8 density maps, expected 9"),
        ("frames", "8 pictures, expected 9 or more"),
        ("timeline", "8 times in the timeline, expected 9"),
        ("fixations", "fixations on frames 1 to 11, expected 0 to 8"),
    ],
)
def test_files_of_different_builds_are_refused(tmp_path, world, role, message):
    other = make_stimulus(tmp_path / "other", "diem/other", n_frames=8 if role != "fixations" else 12, n_steps=50)
    files = {**world["diem/short_400x240"].files, role: other.files[role]}
    if role == "timeline":
        files[role] = tmp_path / "timeline.json"
        times = json.loads(other.files[role].read_text())
        files[role].write_text(json.dumps({**times, "n_frames": 9}))
    job = make_job(tmp_path / "out", "diem", "train", [world["diem/short_400x240"]])
    for name, path in files.items():
        job.files[name]["diem/short_400x240"] = path
    with pytest.raises(ExportError, match=message):
        build_item(job)


def test_unknown_format_names_the_nearest_known_one(tmp_path, world):
    with pytest.raises(UsageError, match=r"Unknown shard format 'parket'. Did you mean 'parquet'"):
        build_item(make_job(tmp_path, "diem", "train", [world["diem/short_400x240"]], format="parket"))


@pytest.mark.parametrize("wrong", [{"segment_frames": 0}, {"samples_per_shard": 0}, {"lead_in_frames": -1}])
def test_impossible_settings_are_refused(tmp_path, wrong):
    with pytest.raises(UsageError, match="Expected at least 1, 0 and 1"):
        build_item(make_job(tmp_path, "diem", "train", [], **wrong))


def test_tar_headers_name_no_clock_owner_or_machine(items):
    with tarfile.open(next(items["wds"]["diem", "train"].glob("*.tar"))) as tar:
        assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in tar} == {(0, 0, 0, "", "", 0o644)}
