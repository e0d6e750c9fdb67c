"""What runs again when something changes: a table on the miniature corpus, each line a test."""

from __future__ import annotations

import csv
import os
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.recipe import build as build_module
from pipeline.recipe import view as view_module
from pipeline.recipe.build import Build
from pipeline.recipe.stages import STAGES
from pipeline.settings import Settings, load
from pipeline.store.items import execute
from tasks.ave import run


@pytest.fixture
def ran(monkeypatch):
    """Counts the items each stage makes, and lists them."""
    made: list[tuple[str, str]] = []

    def counting(task):
        made.append((task.stage, task.item))
        return execute(task)

    monkeypatch.setattr(build_module, "execute", counting)
    return made


def rebuild(store: Path, settings: Settings, ran: list) -> Counter:
    """Build; the counts of what ran must be what the plan said at most, and a further build must run nothing."""
    planned = Build(settings, store)
    possible = {stage.name: 0 for stage, _ in planned.targets()}
    for stage, corpus in planned.targets():
        possible[stage.name] += planned.state(stage.name, corpus).n_to_run
    ran.clear()
    assert run(store, settings, "serial").failures() == []
    counts = Counter(stage for stage, _ in ran)
    assert all(counts[name] <= possible[name] for name in counts), (counts, possible)
    ran.clear()
    run(store, settings, "serial")
    assert ran == []
    return counts


def remembered(store: Path) -> Settings:
    settings = load(store)
    assert settings is not None
    return settings


def test_no_change_runs_nothing(mini_store, ran):
    assert rebuild(mini_store, remembered(mini_store), ran) == Counter()


def test_sigma_changed_runs_density_and_what_follows_and_back_costs_only_the_tables(mini_store, ran):
    settings = remembered(mini_store)
    wider = rebuild(mini_store, replace(settings, sigma_dva=1.5), ran)
    assert set(wider) == {"density", "publish", "card", "shards"}
    assert wider["density"] == len(admitted(mini_store))
    assert set(rebuild(mini_store, settings, ran)) <= {"publish", "card"}


def test_jpeg_quality_changed_runs_frames_and_their_shards_but_neither_sound_nor_density(mini_store, ran):
    settings = remembered(mini_store)
    coarser = rebuild(mini_store, replace(settings, jpeg_quality=80), ran)
    assert set(coarser) == {"frames", "publish", "card", "shards"}
    assert set(rebuild(mini_store, settings, ran)) <= {"publish", "card"}


def test_a_category_corrected_runs_neither_frames_nor_log_mel_nor_density(mini_store, tmp_path, ran):
    settings = with_manifests(mini_store, tmp_path, "stimuli.csv", lambda row: row["name"] == "clip_2", category="misc")
    counts = rebuild(mini_store, settings, ran)
    assert set(counts) == {"curate", "publish", "card", "shards"}


def test_a_corpus_added_runs_and_rewrites_nothing_of_the_others(mini_world, tmp_path, ran, mini_settings):
    store = tmp_path / "store"
    run(store, replace(mini_settings, corpora=("diem", "coutrot1")), "serial")
    before = {path: path.stat().st_mtime_ns for path in store.glob("stages/shards/*/*/*/*.tar")}
    assert before
    ran.clear()
    run(store, replace(mini_settings, corpora=()), "serial")
    assert {item.split("/")[0] for _, item in ran} == {"coutrot2", "all"}
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_version_bumped_with_the_same_bytes_stops_there(mini_store, ran, monkeypatch):
    monkeypatch.setitem(view_module.STAGES, "recordings", replace(STAGES["recordings"], version=99))
    counts = rebuild(mini_store, remembered(mini_store), ran)
    assert set(counts) == {"recordings"}


def test_a_raw_file_touched_but_not_changed_is_hashed_again_and_nothing_else(mini_store, ran):
    archive = next((mini_store / "raw" / "diem").glob("*.7z"))
    own_copy(archive)
    os.utime(archive)
    assert rebuild(mini_store, remembered(mini_store), ran) == Counter({"fetch": 1})


@pytest.mark.parametrize("hurt", ["deleted", "truncated"])
@pytest.mark.parametrize(("stage", "output"), [("frames", "frames.arrow"), ("density", "density.npy")])
def test_an_output_hurt_runs_that_item_only(mini_store, ran, stage, output, hurt):
    victim = sorted(mini_store.glob(f"stages/{stage}/*/coutrot1/*/{output}"))[0]
    own_copy(victim)
    victim.unlink() if hurt == "deleted" else os.truncate(victim, 10)
    assert rebuild(mini_store, remembered(mini_store), ran) == Counter({stage: 1})


def test_a_stimulus_taken_from_the_manifest_leaves_the_tables_and_runs_nothing_upstream(mini_store, tmp_path, ran):
    settings = remembered(mini_store)
    folder = tmp_path / "manifests"
    shutil.copytree(settings.manifests, folder)
    rows = read_rows(folder / "stimuli.csv")
    victim = next(row for row in rows if row["corpus"] == "coutrot1" and row["split"] == "train")
    write_rows(folder / "stimuli.csv", [row for row in rows if row is not victim])
    counts = rebuild(mini_store, replace(settings, manifests=str(folder)), ran)
    assert set(counts) == {"publish", "card", "shards"}
    assert f"coutrot1/{victim['name']}" not in admitted(mini_store)


def test_the_official_150_leave_one_out_and_say_so(mini_store, ran):
    import pyarrow.parquet as parquet

    rebuild(mini_store, replace(remembered(mini_store), official_150=True), ran)
    assert "coutrot1/clip_42" not in admitted(mini_store)
    rows = parquet.read_table(mini_store / "corpus" / "rejected.parquet").to_pylist()
    assert [row["reason"] for row in rows if row["subject"].startswith("coutrot1/clip_42")] == ["not-in-sheet"]


def test_only_narrows_the_work_and_keeps_the_rest_published(mini_store, ran):
    everything = admitted(mini_store)
    one = everything[0]
    rebuild(mini_store, replace(remembered(mini_store), only=(one,), goals=("corpus",), sigma_dva=1.0), ran)
    assert admitted(mini_store) == everything


def admitted(store: Path) -> list[str]:
    import pyarrow.parquet as parquet

    return parquet.read_table(store / "corpus" / "stimuli.parquet").column("stimulus").to_pylist()


def own_copy(path: Path) -> None:
    """Break the hard link to the shared original before changing a file."""
    copy = path.with_name(path.name + ".copy")
    shutil.copy2(path, copy)
    os.replace(copy, path)


def with_manifests(store: Path, tmp_path: Path, table: str, which, **cells: str) -> Settings:
    settings = remembered(store)
    folder = tmp_path / "manifests"
    shutil.copytree(settings.manifests, folder)
    rows = read_rows(folder / table)
    changed = [row for row in rows if which(row)]
    assert changed
    for row in changed:
        row.update(cells)
    write_rows(folder / table, rows)
    return replace(settings, manifests=str(folder))


def read_rows(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_rows(path: Path, rows: list[dict[str, str]]) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
