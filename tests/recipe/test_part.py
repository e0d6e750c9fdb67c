"""Several builds of one store: parts of one build for queue arrays, and builds of different corpora at once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import settings as settings_file
from pipeline.cli import main
from pipeline.errors import StoreError, UsageError
from pipeline.recipe.build import Build
from pipeline.recipe.part import Part
from pipeline.settings import Settings
from pipeline.store.lock import Locks, part_name
from pipeline.store.progress import Progress
from tasks.ave import run
from tests.recipe.test_killed import digests, files, items_logged

ROOT = Path(__file__).resolve().parents[2]
COLLECTED = {"shards", "publish", "card"}


@pytest.mark.parametrize("text", ["16/16", "3", "-1/4", "a/b", "1/0", "1/2/3"])
def test_what_is_no_part_is_refused_with_an_example(text):
    with pytest.raises(UsageError, match="I from 0 to N - 1") as raised:
        Part.parse(text)
    assert "SLURM_ARRAY_TASK_ID" in raised.value.remedy


def test_parts_deal_out_everything_once_and_evenly():
    rows = list(range(151))
    shares = [Part(index, 16).of(rows) for index in range(16)]
    assert sorted(row for share in shares for row in share) == rows
    assert {len(share) for share in shares} == {9, 10}


def test_a_part_holds_its_own_stimuli_and_no_stage_that_needs_others(mini_settings, tmp_path):
    whole = Build(mini_settings, tmp_path)
    parts = [Build(mini_settings, tmp_path, Part(index, 3)) for index in range(3)]
    named = [entry.stimulus for part in parts for corpus in part.corpora for entry in part.entries(corpus)]
    assert sorted(named) == sorted(entry.stimulus for corpus in whole.corpora for entry in whole.entries(corpus))
    stages = {stage.name for stage, _ in whole.targets()} - {stage.name for stage, _ in parts[0].targets()}
    assert stages == COLLECTED
    assert parts[0].common("coutrot1") == {"coutrot_database1.mat", "ERB3_Stimuli"}
    assert parts[0].common("diem") == {e.name for e in whole.entries("diem")} - {
        entry.name for entry in parts[0].entries("diem")
    }


def test_parts_one_after_another_and_the_collecting_build_make_what_one_build_makes(
    built_store, mini_settings, tmp_path
):
    store = tmp_path / "store"
    for index in (1, 0, 2):
        session = run(store, mini_settings, "serial", part=Part(index, 3))
        assert session.failures() == []
        assert not (store / "corpus").exists()
    made = items_logged(store)
    assert Counter(made).most_common(1)[0][1] == 1, "no item was made by two parts"
    assert not list(store.rglob("_STAGE.json"))
    assert run(store, mini_settings, "serial").failures() == []
    collected = items_logged(store)[len(made) :]
    assert {item.split("/")[0] for item in collected} == COLLECTED
    assert digests(store) == digests(built_store)


@pytest.mark.slow
def test_parts_at_once_make_what_one_build_makes_and_the_shared_archive_is_unpacked_once(
    built_store, mini_settings, tmp_path
):
    store = tmp_path / "store"
    store.mkdir()
    settings_file.save(mini_settings, store)
    together = [start(store, "--shard", f"{index}/3") for index in range(3)]
    for process in together:
        said, _ = process.communicate(timeout=300)
        assert process.returncode == 0, said
    made = items_logged(store)
    assert Counter(made).most_common(1)[0][1] == 1, "no item was made by two parts"
    assert main(["build", "--store", str(store), "--executor", "serial"]) == 0
    assert {item.split("/")[0] for item in items_logged(store)[len(made) :]} == COLLECTED
    assert digests(store) == digests(built_store)
    assert files(store) == files(built_store)


def test_a_part_says_what_it_made_and_what_comes_then_and_ends_with_0(mini_settings, tmp_path, capsys):
    store = tmp_path / "store"
    store.mkdir()
    settings_file.save(replace(mini_settings, corpora=("coutrot1",)), store)
    for _ in range(2):
        assert main(["build", "--store", str(store), "--executor", "serial", "--shard", "0/2"]) == 0
        said = capsys.readouterr().out
        assert "part 0/2: " in said
        assert f"when every part has ended, `ave build --store {store}` collects them" in said
    assert said.startswith("nothing to run; part 0/2: ")


def test_a_failure_of_a_part_is_shown_kept_and_tried_again_by_the_collecting_build(
    mini_world, mini_settings, tmp_path, capsys
):
    store, raw = tmp_path / "store", tmp_path / "raw"
    settings = replace(mini_settings, corpora=("diem",), raw=str(raw))
    victim = Build(settings, store, Part(1, 2)).entries("diem")[0].name
    broken = raw / "diem" / f"{victim}.7z"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"no archive")
    store.mkdir()
    settings_file.save(settings, store)
    assert main(["build", "--store", str(store), "--executor", "serial", "--shard", "1/2"]) == 1
    assert f"diem/{victim}" in capsys.readouterr().err
    assert main(["build", "--store", str(store), "--executor", "serial", "--shard", "0/2"]) == 0
    capsys.readouterr()
    assert main(["status", "--store", str(store), "--json"]) == 0
    rows = {(row["stage"], row["corpus"]): row for row in json.loads(capsys.readouterr().out)}
    assert "failed" in {rows["fetch", "diem"]["state"], rows["unpack", "diem"]["state"]}
    broken.unlink(missing_ok=True)  # set aside already: it is not what the manifest names
    assert main(["build", "--store", str(store), "--executor", "serial"]) == 0
    assert not list(store.rglob(".failures/*"))


def test_a_part_is_refused_beside_the_whole_and_beside_another_cut(mini_settings, tmp_path):
    (tmp_path / "store").mkdir()
    for held in (part_name("diem", 0, 4), "diem"):
        with Locks(tmp_path / "store") as locks:
            locks.take([held])
            with pytest.raises(StoreError, match="another build is at work here"):
                run(tmp_path / "store", mini_settings, "serial", part=Part(1, 3))


@pytest.mark.slow
def test_two_builds_of_different_corpora_at_once_end_with_both_published(built_store, mini_settings, tmp_path):
    store = tmp_path / "store"
    store.mkdir()
    settings_file.save(mini_settings, store)
    together = [start(store, "--corpus", *names) for names in (("diem",), ("coutrot1", "coutrot2"))]
    for process in together:
        said, _ = process.communicate(timeout=300)
        assert process.returncode == 0, said
    before = items_logged(store)
    assert main(["build", "--store", str(store), "--corpus", "all", "--executor", "serial"]) == 0
    assert {item.split("/")[0] for item in items_logged(store)[len(before) :]} <= {"publish", "card"}
    assert digests(store) == digests(built_store)


def test_tables_wait_for_another_build_s_tables_and_then_take_in_what_it_made(
    mini_settings: Settings, tmp_path, monkeypatch
):
    """The other build is simulated: it holds the tables' lock until this one has said that it waits."""
    import pyarrow.parquet as parquet

    store = tmp_path / "store"
    run(store, replace(mini_settings, corpora=("coutrot2",), goals=("corpus",)), "serial")
    with Locks(store) as other:
        other.take(["all"])
        told: list[str] = []

        def tell(_console, message: object = "", **_style: object) -> None:
            told.append(str(message))
            if "waiting" in str(message):
                other.close()

        monkeypatch.setattr("rich.console.Console.print", tell)
        session = run(store, replace(mini_settings, corpora=("coutrot1",), goals=("corpus",)), "serial")
    assert session.stopped is None
    assert sum("waiting: " in message for message in told) == 1
    published = parquet.read_table(store / "corpus" / "stimuli.parquet").column("corpus").to_pylist()
    assert set(published) == {"coutrot1", "coutrot2"}


def start(store: Path, *words: str) -> subprocess.Popen[str]:
    """Start `ave build` as a person does."""
    command = [sys.executable, "-m", "pipeline.cli", "build", "--store", str(store), "--executor", "serial", *words]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_a_build_that_is_stopped_half_way_still_keeps_what_has_failed(mini_settings, tmp_path):
    class Stopping:
        """Fails one item, and then everything."""

        def imap(self, function, jobs):
            key, _job = next(iter(jobs))
            yield key, None, StoreError("worn out", code="worn-out")
            raise StoreError("the scheduler is gone", code="scheduler-gone")

    build = Build(mini_settings, tmp_path / "store")
    with pytest.raises(StoreError, match="the scheduler is gone"):
        build.run("fetch", "diem", Stopping(), Progress())
    (failed,) = build.failed["fetch", "diem"].values()
    assert failed.code == "worn-out"
    assert list(Build(mini_settings, tmp_path / "store").folder("fetch", "diem").failures().values()) == [failed]
