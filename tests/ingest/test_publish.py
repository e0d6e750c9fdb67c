"""Publishing: pooled tables in order, nothing leaked, nothing lost, the same bytes every time."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import StoreError
from pipeline.ingest import publish
from pipeline.records import Published, Rejection, StimulusEntry
from pipeline.schemas import FIXATIONS, REJECTED, STIMULI
from pipeline.store.job import Job


def entry(stimulus: str, split: str) -> StimulusEntry:
    corpus, name = stimulus.split("/")
    return StimulusEntry(corpus, name, name, "nature", split, "Nature", split, "yes", "heard")


class Stages:
    """What earlier stages left behind, as small files."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.entries = [entry("diem/b", "train"), entry("diem/a", "val"), entry("coutrot1/a", "train")]
        self.files: dict[str, dict[str, Path]] = {
            kind: {} for kind in ("stimulus", "rejected", "audit", *publish.SUFFIXES)
        }
        self.digests: dict[str, str] = {}
        self.missing: list[Rejection] = []
        self.refused: dict[str, str] = {}
        for one in self.entries:
            self.admit(one)

    def write(self, kind: str, stimulus: str, suffix: str, data: bytes) -> None:
        path = self.folder / "stages" / kind / f"{stimulus}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self.files[kind][stimulus] = path

    def admit(self, one: StimulusEntry) -> None:
        name = one.stimulus
        row = dict.fromkeys(STIMULI.names, 0) | {
            "stimulus": name,
            "corpus": one.corpus,
            "name": one.name,
            "split": one.split,
            "category": one.category,
            "n_frames": 100,
            "duration_s": 4.0,
            "audio_presented": "heard",
            "px_per_dva": 4.0,
            "n_observers": 2,
            "n_fixations": 3,
            "licence": "CC BY",
        }
        self.write("stimulus", name, ".json", json.dumps(row).encode())
        for kind, suffix in publish.SUFFIXES.items():
            self.write(kind, name, suffix, f"{kind} of {name}".encode())
        gaze = {"observer": ["ann", "bob", "ann"], "frame": [0, 0, 1], "x_px": [1.0] * 3, "y_px": [1.0] * 3}
        pq.write_table(pa.table(gaze, FIXATIONS), self.files["fixations"][name])
        self.reject(name, Rejection("sample", f"{name}/bob", "blink", 4), Rejection("sample", f"{name}/ann", "lost", 2))
        self.write("audit", name, ".json", json.dumps([{"quantity": "frames", "scope": name}]).encode())
        self.digests[name] = f"sha of {name}"

    def reject(self, stimulus: str, *rejections: Rejection) -> None:
        self.write("rejected", stimulus, ".rejected", json.dumps([asdict(one) for one in rejections]).encode())

    def refuse(self, stimulus: str, reason: str) -> None:
        for kind in ("stimulus", *publish.SUFFIXES):
            self.files[kind].pop(stimulus, None)
        self.refused[stimulus] = reason
        self.reject(stimulus, Rejection("stimulus", stimulus, reason, 100, "too quiet"))

    def publish(self, name: str = "out") -> tuple[dict, Path]:
        out = self.folder / name
        out.mkdir()
        values = {
            "published": [asdict(Published("frames", "all", 300, "paper"))],
            "entries": [asdict(one) for one in self.entries],
            "diem_videos": [],
            "missing": [asdict(row) for row in self.missing],
            "refused": self.refused,
            "video_digests": self.digests,
        }
        return publish.build_item(Job("publish", "all/corpus", out, self.files, values)), out


@pytest.fixture
def stages(tmp_path: Path) -> Stages:
    return Stages(tmp_path)


def test_stimuli_are_one_table_sorted_by_id(stages: Stages):
    facts, out = stages.publish()
    table = pq.read_table(out / "stimuli.parquet")
    assert table.schema.equals(STIMULI)
    assert table.column("stimulus").to_pylist() == ["coutrot1/a", "diem/a", "diem/b"]
    assert facts == {"stimuli": 3, "frames": 300, "refused": 0, "rejected_rows": 6}


def test_every_stimulus_has_its_files_under_its_id_without_a_second_copy(stages: Stages):
    _, out = stages.publish()
    for kind, suffix in publish.SUFFIXES.items():
        for one in stages.entries:
            assert os.path.samefile(out / kind / f"{one.stimulus}{suffix}", stages.files[kind][one.stimulus])


def test_where_links_cannot_be_made_files_are_copied(stages: Stages, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(publish.os, "link", refuse)
    _, out = stages.publish()
    copy, source = out / "frames" / "diem" / "a.arrow", stages.files["frames"]["diem/a"]
    assert copy.read_bytes() == source.read_bytes()
    assert not os.path.samefile(copy, source)


def test_the_same_input_in_another_order_gives_the_same_bytes(stages: Stages):
    stages.missing = [
        Rejection("source", "diem/z.7z", "not-in-raw", 1),
        Rejection("source", "diem/a.7z", "not-in-raw", 1),
    ]
    _, first = stages.publish("first")
    stages.files = {kind: dict(reversed(found.items())) for kind, found in stages.files.items()}
    stages.missing.reverse()
    _, second = stages.publish("second")
    for name in ("stimuli.parquet", "rejected.parquet", "audit.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_rejections_of_all_kinds_are_one_table_in_the_order_of_their_subjects(stages: Stages):
    stages.refuse("diem/a", "silent")
    stages.missing = [Rejection("source", "coutrot1/clip.zip", "not-in-raw", 1, "RAW/coutrot1/clip.zip")]
    _, out = stages.publish()
    table = pq.read_table(out / "rejected.parquet")
    assert table.schema.equals(REJECTED)
    rows = [tuple(row.values()) for row in table.select(["level", "subject", "reason", "count"]).to_pylist()]
    assert rows == [
        ("sample", "coutrot1/a/ann", "lost", 2),
        ("sample", "coutrot1/a/bob", "blink", 4),
        ("source", "coutrot1/clip.zip", "not-in-raw", 1),
        ("stimulus", "diem/a", "silent", 100),
        ("sample", "diem/b/ann", "lost", 2),
        ("sample", "diem/b/bob", "blink", 4),
    ]


def test_ids_that_share_a_beginning_stay_apart(stages: Stages):
    stages.admit(entry("diem/a-2", "val"))  # "-" sorts before "/", and would part diem/a from its observers
    _, out = stages.publish()
    subjects = pq.read_table(out / "rejected.parquet").column("subject").to_pylist()
    assert subjects[2:6] == ["diem/a/ann", "diem/a/bob", "diem/a-2/ann", "diem/a-2/bob"]


def test_a_long_table_is_written_in_pieces_and_loses_nothing(stages: Stages, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(publish, "ROWS_AT_ONCE", 4)
    facts, out = stages.publish()
    assert pq.ParquetFile(out / "rejected.parquet").num_row_groups == 2
    assert pq.read_metadata(out / "rejected.parquet").num_rows == facts["rejected_rows"] == 6


def test_a_stimulus_that_a_later_stage_did_not_finish_is_not_published_and_says_so(stages: Stages):
    del stages.files["logmel"]["diem/b"]
    facts, out = stages.publish()
    assert facts["stimuli"] == 2
    assert not (out / "frames" / "diem" / "b.arrow").exists()
    rows = pq.read_table(out / "rejected.parquet").to_pylist()
    assert [(row["level"], row["reason"]) for row in rows if row["subject"].startswith("diem/b")] == [
        ("stimulus", "incomplete")
    ]


def test_a_failure_that_is_known_before_is_not_explained_twice(stages: Stages):
    del stages.files["logmel"]["diem/b"]
    stages.missing = [Rejection("stimulus", "diem/b", "failed-media", 1, "gave up")]
    _, out = stages.publish()
    rows = pq.read_table(out / "rejected.parquet").to_pylist()
    assert [row["reason"] for row in rows if row["subject"].startswith("diem/b")] == ["failed-media"]


def test_a_refusal_without_a_file_of_its_own_still_has_a_row(stages: Stages):
    stages.refuse("diem/a", "silent")
    del stages.files["rejected"]["diem/a"]
    _, out = stages.publish()
    rows = pq.read_table(out / "rejected.parquet").to_pylist()
    assert [row["reason"] for row in rows if row["subject"] == "diem/a"] == ["silent"]


def test_identical_videos_in_two_splits_are_a_leak_and_every_pair_is_named(stages: Stages):
    stages.digests = dict.fromkeys(stages.digests, "the same bytes")
    with pytest.raises(StoreError) as caught:
        stages.publish()
    assert caught.value.code == "leak"
    assert "2 leaks" in caught.value.message
    assert "coutrot1/a (train) and diem/a (val) are the same file" in caught.value.message
    assert "diem/a (val) and diem/b (train) are the same file" in caught.value.message


def test_identical_videos_inside_one_split_leak_nothing(stages: Stages):
    stages.digests["coutrot1/a"] = stages.digests["diem/b"]
    assert stages.publish()[0]["stimuli"] == 3


def test_a_refused_video_leaks_nothing(stages: Stages):
    stages.digests["diem/a"] = stages.digests["diem/b"]
    stages.refuse("diem/a", "silent")
    assert stages.publish()[0]["stimuli"] == 2


def test_a_stimulus_listed_in_two_splits_is_a_leak(stages: Stages):
    stages.entries.append(entry("diem/a", "test"))
    with pytest.raises(StoreError, match="1 leak between splits: diem/a is in test and in val"):
        stages.publish()


def test_the_audit_has_the_published_figures_then_each_stimulus(stages: Stages):
    _, out = stages.publish()
    rows = json.loads((out / "audit.json").read_text(encoding="utf-8"))
    assert (rows[0]["quantity"], rows[0]["ours"], rows[0]["verdict"]) == ("frames", 300, "agrees")
    assert [row["scope"] for row in rows[-3:]] == ["coutrot1/a", "diem/a", "diem/b"]
    (shared,) = [row for row in rows if row["quantity"] == "observers_in_several_splits"]
    assert (shared["ours"], shared["note"].split(";")[0]) == (2, "of 4 observer ids")


def test_an_empty_corpus_is_published_empty(stages: Stages):
    for one in stages.entries:
        stages.refuse(one.stimulus, "silent")
    facts, out = stages.publish()
    assert facts["stimuli"] == 0
    assert pq.read_table(out / "stimuli.parquet").schema.equals(STIMULI)
