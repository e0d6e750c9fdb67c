"""The same build as Luigi tasks, run as a person runs it: `luigi --module tasks …` in a process of its own."""

from __future__ import annotations

import csv
import inspect
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import luigi
import pyarrow.parquet as pq
import pytest

from pipeline import settings as settings_file
from pipeline.recipe.build import Build
from pipeline.recipe.stages import STAGES
from pipeline.store.lock import holders
from tasks import AddCorpus, BuildAVE, ExportShards
from tasks.base import StageTask

ROOT = Path(__file__).resolve().parents[2]
SHARD_FILE = {"wds": "*.tar", "parquet": "*.parquet"}


def run_luigi(task: str, store: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run one recipe with the console script that is installed beside this Python."""
    command = [str(Path(sys.executable).with_name("luigi")), "--module", "tasks", task, "--local-scheduler"]
    command += ["--store", str(store), "--executor", "serial", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def made_in(store: Path) -> list[Counter]:
    """For every run that made something, in order: how many items of each (stage, corpus) it made."""
    runs = []
    for path in sorted(store.glob("logs/*.jsonl"), key=lambda path: path.stat().st_mtime_ns):
        events = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        items = [event for event in events if event["event"] == "item" and not event["error"]]
        runs.append(Counter((event["stage"], event["item"].split("/")[0]) for event in items))
    return runs


def scheduled(done: subprocess.CompletedProcess[str]) -> int:
    """How many tasks Luigi saw."""
    found = re.search(r"Scheduled (\d+) tasks", done.stderr)
    assert found, done.stderr
    return int(found[1])


@pytest.fixture(scope="module")
def first_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("luigi") / "store"


@pytest.fixture(scope="module")
def first(first_store: Path, mini_world: Path) -> subprocess.CompletedProcess[str]:
    """BuildAVE of one corpus in a new store."""
    words = ("--manifests", str(mini_world / "manifests"), "--accept", "coutrot1,coutrot2", "--corpus", "coutrot1")
    return run_luigi("BuildAVE", first_store, *words)


@pytest.fixture
def store(first_store: Path, first, tmp_path: Path) -> Path:
    """A test's own copy of what `first` built. RAW is named by its absolute path in records, so it stays shared."""
    shutil.copytree(first_store, tmp_path / "store")
    shutil.rmtree(tmp_path / "store" / "logs")
    settings = settings_file.load(tmp_path / "store")
    assert settings is not None
    settings_file.save(settings.with_given({"raw": str(first_store / "raw")}), tmp_path / "store")
    return tmp_path / "store"


def test_a_build_ends_with_0_and_the_tables_are_there(first, first_store, built_store):
    assert first.returncode == 0, first.stderr
    table = pq.read_table(first_store / "corpus" / "stimuli.parquet")
    expected = pq.read_table(built_store / "corpus" / "stimuli.parquet", filters=[("corpus", "=", "coutrot1")])
    assert table.to_pylist() == expected.to_pylist() != []
    for kind, suffix in (("fixations", "parquet"), ("logmel", "parquet"), ("frames", "arrow"), ("density", "npy")):
        names = {path.stem for path in (first_store / "corpus" / kind / "coutrot1").glob(f"*.{suffix}")}
        assert names == {*table["name"].to_pylist()}
    assert holders(first_store) == {}


def test_luigi_sees_one_task_for_each_stage_and_corpus(first, first_store, built_store):
    settings = settings_file.load(first_store)
    assert settings is not None
    assert scheduled(first) == 1 + len(Build(settings, first_store).targets())
    every = settings_file.load(built_store)
    assert every is not None
    root = BuildAVE(store=str(built_store), executor="serial")
    tasks = [(task.stage, task.corpus) for task in below(root)]
    targets = [(stage.name, corpus) for stage, corpus in Build(every, built_store).targets()]
    assert sorted(tasks) == sorted(targets)
    assert len(tasks) < 40


def below(root: luigi.Task) -> Iterator[StageTask]:
    """Every task that a recipe requires, once."""
    found: dict[str, StageTask] = {}
    waiting = [*root.requires()]
    while waiting:
        task = waiting.pop()
        if task.task_id not in found:
            found[task.task_id] = task
            waiting += task.requires()
    return iter(found.values())


def test_every_stage_is_a_task_and_none_asks_for_more_while_it_runs():
    assert set(StageTask.registry) == set(STAGES)
    every: list[type[luigi.Task]] = [BuildAVE, AddCorpus, ExportShards, *StageTask.registry.values()]
    assert [task for task in every if inspect.isgeneratorfunction(task.run)] == []


def test_a_second_build_ends_with_0_and_runs_nothing(store):
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*") if path.is_file()}
    again = run_luigi("BuildAVE", store)
    assert again.returncode == 0, again.stderr
    assert "Did not run any tasks" in again.stderr
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*") if path.is_file()} == before


def test_adding_a_corpus_runs_nothing_of_the_others(store):
    added = run_luigi("AddCorpus", store, "--name", "coutrot2")
    assert added.returncode == 0, added.stderr
    (made,) = made_in(store)
    assert {corpus for _, corpus in made} == {"coutrot2", "all"}
    assert {*pq.read_table(store / "corpus" / "stimuli.parquet")["corpus"].to_pylist()} == {"coutrot1", "coutrot2"}
    settings = settings_file.load(store)
    assert settings is not None
    assert settings.corpora == ("coutrot1", "coutrot2")


def test_exporting_makes_shards_and_nothing_else_and_is_remembered(store):
    exported = run_luigi("ExportShards", store, "--format", "wds,parquet")
    assert exported.returncode == 0, exported.stderr
    (made,) = made_in(store)
    assert made == {("shards", "coutrot1"): 6}
    for name, pattern in SHARD_FILE.items():
        for split in ("train", "val", "test"):
            (folder,) = store.glob(f"stages/shards/*/coutrot1/{split}.{name}")
            assert [*folder.glob(pattern)]
            assert json.loads((folder / "index.json").read_text(encoding="utf-8"))["split"] == split
    again = run_luigi("BuildAVE", store)
    assert again.returncode == 0
    assert "Did not run any tasks" in again.stderr


def test_one_stage_alone_makes_what_it_needs_and_what_it_is(store):
    shutil.rmtree(next(store.glob("stages/density/*/coutrot1")))
    done = run_luigi("Density", store, "--corpus", "coutrot1")
    assert done.returncode == 0, done.stderr
    assert len(list(store.glob("stages/density/*/coutrot1/*/density.npy"))) == 5
    assert set(made_in(store)[-1]) == {("density", "coutrot1")}


def test_a_broken_item_ends_with_1_says_why_and_stops_nothing_else(store, mini_world, tmp_path):
    """The manifest expects another file of one archive: its stimuli cannot be made, the gaze of all still can."""
    folder = tmp_path / "manifests"
    shutil.copytree(mini_world / "manifests", folder)
    with open(folder / "sources.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if row["artifact"] == "ERB4_Stimuli.zip":
            row["checksum"] = "sha256:" + "0" * 64
    with open(folder / "sources.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    broken = run_luigi("AddCorpus", store, "--name", "coutrot2", "--manifests", str(folder))
    assert broken.returncode == 1
    assert "coutrot2/ERB4_Stimuli" in broken.stderr
    assert "checksum" in broken.stderr
    (made,) = made_in(store)
    assert made["fetch", "coutrot2"] == 1  # the gaze, which is as expected
    assert made["publish", "all"] == 1
    assert {*pq.read_table(store / "corpus" / "stimuli.parquet")["corpus"].to_pylist()} == {"coutrot1"}
    reasons = pq.read_table(store / "corpus" / "rejected.parquet").to_pylist()
    assert "coutrot2/ERB4_Stimuli" in {row["subject"] for row in reasons if row["level"] == "source"}
    assert holders(store) == {}


def test_an_unknown_corpus_is_not_built_and_the_nearest_one_is_named(tmp_path, mini_world):
    wrong = run_luigi("BuildAVE", tmp_path / "store", "--manifests", str(mini_world / "manifests"), "--corpus", "dime")
    assert wrong.returncode != 0
    assert "Did you mean 'diem'?" in wrong.stderr
    assert not (tmp_path / "store").exists()
