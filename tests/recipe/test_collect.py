"""What a collection takes, what it marks, and what it refuses to take: on the miniature corpus, through `ave gc`."""

from __future__ import annotations

import csv
import json
import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import settings as settings_file
from pipeline.cli import main
from pipeline.errors import ExportError
from pipeline.recipe.build import Build
from pipeline.recipe.collect import look
from pipeline.settings import Settings
from pipeline.store.fingerprint import sha256_of
from pipeline.store.items import RECORD_NAME, ItemRecord
from tasks.ave import run

DEAD = 999_999_999
OLD_SIGMA = {"density", "shards"}  # the stages that another sigma makes anew, side by side


@pytest.fixture
def collected(capsys) -> Callable[..., dict]:
    """`ave gc --json` with these words; what it said."""

    def gc(store: Path, *words: str) -> dict:
        capsys.readouterr()
        assert main(["gc", "--store", str(store), "--json", *words]) == 0
        return json.loads(capsys.readouterr().out)

    return gc


def remembered(store: Path) -> Settings:
    settings = settings_file.load(store)
    assert settings is not None
    return settings


def build(store: Path, **changed: object) -> None:
    """Build with some settings changed."""
    assert run(store, replace(remembered(store), **changed), "serial").failures() == []  # type: ignore[arg-type]


def ask(store: Path, **changed: object) -> None:
    """Remember other settings without building."""
    settings_file.save(replace(remembered(store), **changed), store)  # type: ignore[arg-type]


def edit_stimuli(store: Path, tmp_path: Path, keep: Callable[[dict[str, str]], bool]) -> None:
    """Go by manifests of the store's own that hold only these stimuli."""
    folder = tmp_path / "manifests"
    shutil.copytree(remembered(store).manifests, folder)
    with open(folder / "stimuli.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with open(folder / "stimuli.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(row for row in rows if keep(row))
    ask(store, manifests=str(folder))


def items(groups: list[dict]) -> set[str]:
    """stage/corpus/name of everything in some rows."""
    return {f"{row['stage']}/{row['corpus']}/{name}" for row in groups for name in row["names"]}


def stages_of(groups: list[dict]) -> set[str]:
    return {row["stage"] for row in groups}


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file below a folder, with size and time."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def nothing_to_run(store: Path) -> bool:
    looked = Build(remembered(store), store)
    return all(looked.state(stage.name, corpus).word == "fresh" for stage, corpus in looked.targets())


def lay(store: Path, place: str, *, inputs: dict | None = None) -> Path:
    """Lay an item of one output into a store as a build would have left it; `place` is stage/variant/corpus/name."""
    folder = store / "stages" / place
    folder.mkdir(parents=True)
    (folder / "output.bin").write_bytes(b"made long ago")
    corpus, name = place.split("/")[2:]
    outputs = {"output.bin": (13, sha256_of(folder / "output.bin"))}
    record = ItemRecord(
        item=f"{corpus}/{name}", fingerprint="f" * 32, version=1, params={}, inputs=inputs or {}, outputs=outputs
    )
    (folder / RECORD_NAME).write_text(json.dumps(record.to_json()))
    return folder


# -- what is marked ---------------------------------------------------------------------------------------------


def test_a_store_as_it_was_just_built_has_nothing_to_lose(mini_store, collected):
    found = collected(mini_store, "--yes")
    assert (found["items"], found["bytes"], found["kept"], found["groups"]) == (0, 0, [], [])
    assert nothing_to_run(mini_store)


@pytest.mark.parametrize(
    "narrowed",
    [
        {"corpora": ("diem",)},
        {"only": ("coutrot1/clip_1",), "goals": ("corpus",)},
        {"official_150": True},
        {"goals": ("corpus",)},
        {"partial": True},
        {"accept": ()},
    ],
    ids=str,
)
def test_asking_for_less_removes_nothing(mini_store, collected, narrowed):
    ask(mini_store, **narrowed)
    found = collected(mini_store)
    assert (found["groups"], found["kept"]) == ([], [])


def test_another_sigma_leaves_a_variant_that_goes_and_what_is_asked_for_stays_fresh(mini_store, collected):
    build(mini_store, sigma_dva=1.5)
    raw, corpus = tree(mini_store / "raw"), tree(mini_store / "corpus")
    said = collected(mini_store)
    assert stages_of(said["groups"]) == OLD_SIGMA
    assert {row["why"] for row in said["groups"] if row["stage"] == "density"} == {"made with sigma_dva 1.0 (now 1.5)"}
    assert {row["why"] for row in said["groups"] if row["stage"] == "shards"} == {
        "from density made with sigma_dva 1.0 (now 1.5)"
    }
    assert not said["removed"]
    assert collected(mini_store) == said  # looking changes nothing

    assert collected(mini_store, "--yes") == {**said, "removed": True}
    assert [path.name.split("-")[0] for path in mini_store.glob("stages/density/*")] == ["sigma=1.5dva"]
    assert len(list(mini_store.glob("stages/shards/*"))) == 1
    assert (tree(mini_store / "raw"), tree(mini_store / "corpus")) == (raw, corpus)
    assert nothing_to_run(mini_store)
    assert collected(mini_store, "--yes")["items"] == 0


def test_bytes_are_those_the_disk_gets_back(mini_store, collected):
    build(mini_store, sigma_dva=1.5)
    ask(mini_store, sigma_dva=2.0)
    place = next(mini_store.glob("stages/density/sigma=1.5dva*"))

    def freed() -> int:
        rows = collected(mini_store)["groups"]
        return sum(row["bytes"] for row in rows if row["variant"] == place.name)

    sizes = {path: path.stat().st_size for path in place.glob("*/*/*")}
    assert freed() == sum(size for path, size in sizes.items() if path.name == RECORD_NAME)  # STORE/corpus has the maps
    build(mini_store)  # and now the new ones
    assert freed() == sum(sizes.values()) > 100_000


def test_an_export_keeps_what_it_was_made_from_until_it_is_deleted(mini_store, tmp_path, collected):
    out = tmp_path / "shards"
    assert main(["export", "--store", str(mini_store), "--out", str(out), "--executor", "serial"]) == 0
    build(mini_store, sigma_dva=1.5)
    said = collected(mini_store, "--yes")
    assert said["groups"] == []
    assert said["exports"] == [{"folder": str(out), "n_items": said["exports"][0]["n_items"], "problem": ""}]
    assert len(list(mini_store.glob("stages/density/*"))) == 2

    out.rename(tmp_path / "moved")
    said = collected(mini_store)
    assert stages_of(said["groups"]) == OLD_SIGMA
    assert "not there any more" in said["exports"][0]["problem"]


def test_an_export_marks_an_item_only_while_it_is_the_very_one(mini_store, tmp_path, collected):
    out = tmp_path / "shards"
    assert main(["export", "--store", str(mini_store), "--out", str(out), "--executor", "serial"]) == 0
    build(mini_store, sigma_dva=1.5)
    told = json.loads((out / "provenance.json").read_text())
    victim = next(place for place in told["items"] if place.startswith("density/"))
    told["items"][victim]["fingerprint"] = "0" * 32  # as if a later build had replaced it
    (out / "provenance.json").write_text(json.dumps(told))
    stage, variant, corpus, name = victim.split("/")
    groups = collected(mini_store)["groups"]
    assert [(row["stage"], row["variant"], row["corpus"], row["names"]) for row in groups] == [
        (stage, variant, corpus, [name])
    ]


def test_an_export_that_cannot_say_what_it_was_made_from_stops_everything(mini_store, tmp_path):
    assert main(["export", "--store", str(mini_store), "--out", str(tmp_path), "--executor", "serial"]) == 0
    (tmp_path / "provenance.json").write_text("{")
    with pytest.raises(ExportError, match=r"provenance.json: cannot be read .*Run `ave export` again"):
        look(Build(remembered(mini_store), mini_store))
    assert main(["gc", "--store", str(mini_store), "--yes"]) == 1


def test_a_format_that_is_not_asked_for_any_more_goes(mini_store, collected):
    build(mini_store, formats=("wds", "parquet"))
    ask(mini_store, formats=("wds",))
    said = collected(mini_store)
    assert stages_of(said["groups"]) == {"shards"}
    assert {name.split(".")[1] for row in said["groups"] for name in row["names"]} == {"parquet"}


def test_what_curation_refuses_since_goes_from_the_stages_after_it(mini_store, collected):
    build(mini_store, max_sound_difference_s=0.0001)
    refused = {
        f"{entry.corpus}/{entry.name}"
        for looked in [Build(remembered(mini_store), mini_store)]
        for entry in looked.all_entries()
        if not looked.state("curate", entry.corpus).fresh[entry.name].facts["admitted"]
    }
    said = collected(mini_store)
    going = {item for item in items(said["groups"]) if item.split("/")[0] in ("logmel", "density")}
    assert {item.split("/", 1)[1] for item in going} <= refused
    assert going


# -- what goes, and what must not -------------------------------------------------------------------------------


def test_a_stimulus_taken_out_of_the_manifests_goes_with_all_its_items_and_its_source_stays(
    mini_store, tmp_path, collected
):
    victim = sorted(path.name for path in mini_store.glob("stages/density/*/diem/*") if path.is_dir())[0]
    edit_stimuli(mini_store, tmp_path, lambda row: row["name"] != victim)
    assert run(mini_store, remembered(mini_store), "serial").failures() == []
    raw = tree(mini_store / "raw")
    said = collected(mini_store, "--yes")
    stages = ("fetch", "unpack", "recordings", "frames", "curate", "logmel", "density")
    assert items(said["groups"]) == {f"{stage}/diem/{victim}" for stage in stages}
    assert {row["why"] for row in said["groups"]} == {"taken out of the manifests"}
    assert not list(mini_store.glob(f"stages/*/*/diem/{victim}"))
    assert all(victim not in path.read_text() for path in mini_store.glob("stages/*/*/diem/_STAGE.json")
               if path.parts[-4] != "shards")  # fmt: skip
    assert tree(mini_store / "raw") == raw
    assert nothing_to_run(mini_store)


def test_a_corpus_taken_out_of_the_manifests_goes_even_though_its_terms_are_still_accepted(
    mini_store, tmp_path, collected
):
    edit_stimuli(mini_store, tmp_path, lambda row: row["corpus"] != "coutrot2")
    said = collected(mini_store)
    assert {row["corpus"] for row in said["groups"]} == {"coutrot2"}
    assert {row["why"] for row in said["groups"]} == {"its corpus was taken out of the manifests"}


def test_an_item_whose_source_is_gone_stays_unless_a_program_may_fetch_it_again(mini_store, tmp_path, collected):
    victim = sorted(path.name for path in mini_store.glob("stages/density/*/diem/*") if path.is_dir())[0]
    edit_stimuli(mini_store, tmp_path, lambda row: row["name"] != victim)
    (mini_store / "raw" / "diem" / f"{victim}.7z").unlink()
    assert collected(mini_store)["kept"] == []  # its row is `direct` and its terms are accepted
    ask(mini_store, accept=("coutrot1", "coutrot2"))
    for words in ((), ("--also", "untraceable", "weights")):
        said = collected(mini_store, "--yes", *words)
        assert said["groups"] == []
        assert len(items(said["kept"])) == 7
        assert {(row["code"], tuple(row["about"])) for row in said["kept"]} == {("source", (f"diem/{victim}",))}
    assert list(mini_store.glob(f"stages/frames/*/diem/{victim}/frames.arrow"))


def test_an_old_variant_stays_while_its_source_is_not_what_was_recorded(mini_store, collected):
    build(mini_store, sigma_dva=1.5)
    ask(mini_store, accept=())
    archive = mini_store / "raw" / "coutrot2" / "ERB4_Stimuli.zip"
    shutil.copy(archive, archive.with_suffix(".new"))
    os.replace(archive.with_suffix(".new"), archive)  # another file, as far as anybody has looked
    said = collected(mini_store)
    assert {row["corpus"] for row in said["kept"]} == {"coutrot2"}
    assert {row["corpus"] for row in said["groups"]} == {"diem", "coutrot1"}
    assert stages_of(said["kept"]) == stages_of(said["groups"]) == OLD_SIGMA


def test_what_was_made_from_things_since_replaced_stays_unless_it_is_given_up(mini_store, tmp_path, collected):
    place = "density/sigma=9.0dva-32x40-000000/coutrot1/clip_1"
    lay(mini_store, place, inputs={"fixations": "0" * 64, "timeline": "1" * 64})
    said = collected(mini_store, "--yes")
    assert [(row["code"], row["about"], row["names"]) for row in said["kept"]] == [
        ("untraceable", ["coutrot1/clip_1"], ["clip_1"])
    ]
    assert (mini_store / "stages" / place).is_dir()
    assert collected(mini_store, "--yes", "--also", "untraceable")["items"] == 1
    assert not (mini_store / "stages" / place).parents[1].exists()


@pytest.mark.parametrize("case", ["a stage of another program", "a torn record"])
def test_what_nobody_can_say_the_origin_of_stays(mini_store, collected, case):
    stage = "hologram" if case == "a stage of another program" else "density"
    item = lay(mini_store, f"{stage}/v-000000/coutrot1/clip_1")
    if case == "a torn record":
        os.truncate(item / RECORD_NAME, 20)
    said = collected(mini_store, "--yes")
    assert said["groups"] == []
    assert [(row["stage"], row["code"]) for row in said["kept"]] == [(stage, "untraceable")]


def test_an_item_without_a_record_was_never_finished_and_goes(mini_store, collected):
    item = lay(mini_store, "density/v-000000/coutrot1/clip_1")
    (item / RECORD_NAME).unlink()
    assert items(collected(mini_store, "--yes")["groups"]) == {"density/coutrot1/clip_1"}
    assert not item.parents[1].exists()


def test_trained_weights_stay_unless_they_are_given_up_and_the_maps_made_with_them_can_go(mini_store, collected):
    index = next(mini_store.glob("stages/shards/*/diem/train.wds/index.json"))
    weights = lay(mini_store, "train/dave-w8-000000/all/dave-av", inputs={"shards": {"diem/train": "2" * 16}})
    inputs = {"shards": {"diem/train": sha256_of(index)[:16]}, "weights": sha256_of(weights / "output.bin")}
    maps = lay(mini_store, "predict/val-000000/all/dave-av", inputs=inputs)
    said = collected(mini_store, "--yes")
    assert [(row["stage"], row["code"]) for row in said["kept"]] == [("train", "weights")]
    assert stages_of(said["groups"]) == {"predict"}
    assert weights.exists()
    assert not maps.exists()
    assert stages_of(collected(mini_store, "--yes", "--also", "weights")["groups"]) == {"train"}
    assert not weights.exists()


def test_weights_of_the_current_settings_are_marked_whatever_the_goals(mini_store, collected):
    settings = replace(remembered(mini_store), goals=("corpus",))
    place = Build(settings, mini_store).folder("train", "all").path.relative_to(mini_store / "stages")
    weights = lay(mini_store, f"{place}/dave-av")
    ask(mini_store, goals=("corpus",))
    said = collected(mini_store, "--yes", "--also", "weights")
    assert (said["groups"], said["kept"]) == ([], [])
    assert weights.exists()


def test_pages_are_told_of_with_what_makes_them_and_never_removed(mini_store, collected, capsys):
    assert collected(mini_store)["written"] == []
    for name, n_bytes in (("pages", 3000), ("inspect", 2000)):
        (mini_store / name).mkdir()
        (mini_store / name / "index.html").write_bytes(bytes(n_bytes))
    told = [
        {"folder": str(mini_store / name), "command": f"ave {command}", "bytes": n_bytes}
        for name, command, n_bytes in (("pages", "report", 3000), ("inspect", "inspect", 2000))
    ]
    said = collected(mini_store, "--yes")
    assert (said["written"], said["items"], said["bytes"]) == (told, 0, 0)
    assert (mini_store / "pages" / "index.html").is_file() and (mini_store / "inspect" / "index.html").is_file()
    assert main(["gc", "--store", str(mini_store)]) == 0
    lines = capsys.readouterr().out
    assert "`ave report` makes again; never removed here" in lines and "nothing to remove" in lines


def test_what_killed_processes_left_goes_and_what_a_living_one_makes_stays(mini_store, collected):
    home = next(mini_store.glob("stages/density/*/diem"))
    dead = home / f".tmp-a-{socket.gethostname()}-{DEAD}"
    living = home / f".tmp-b-{socket.gethostname()}-{os.getpid()}"
    for folder in (dead, living):
        folder.mkdir()
        (folder / "half.bin").write_bytes(bytes(1000))
    said = collected(mini_store)
    assert (said["leftovers"], said["bytes"], said["items"]) == ([str(dead)], 1000, 0)
    collected(mini_store, "--yes")
    assert (dead.exists(), living.exists()) == (False, True)


def test_a_collection_killed_before_it_took_the_item_out_of_the_stage_record_is_completed(
    mini_store, tmp_path, collected
):
    victim = sorted(path.name for path in mini_store.glob("stages/density/*/diem/*") if path.is_dir())[0]
    edit_stimuli(mini_store, tmp_path, lambda row: row["name"] != victim)
    assert run(mini_store, remembered(mini_store), "serial").failures() == []
    home = next(mini_store.glob("stages/frames/*/diem"))
    (home / victim).rename(home / f".trash-{victim}-{socket.gethostname()}-{DEAD}")
    assert victim in (home / "_STAGE.json").read_text()
    collected(mini_store, "--yes")
    assert victim not in (home / "_STAGE.json").read_text()
    assert nothing_to_run(mini_store)
    assert collected(mini_store, "--yes")["items"] == 0


# -- the command ------------------------------------------------------------------------------------------------


def test_the_dry_run_says_how_to_go_on_and_takes_no_lock(mini_store, capsys):
    build(mini_store, sigma_dva=1.5)
    before = tree(mini_store)
    assert main(["gc", "--store", str(mini_store)]) == 0
    said = capsys.readouterr().out
    assert "run again with --yes" in said
    assert "made with sigma_dva 1.0 (now 1.5)" in said
    assert tree(mini_store) == before


def test_a_store_at_work_is_not_collected(mini_store, capsys):
    from pipeline.store.lock import store_lock

    build(mini_store, sigma_dva=1.5)
    with store_lock(mini_store):
        assert main(["gc", "--store", str(mini_store), "--yes"]) == 1
    assert f"pid {os.getpid()}" in capsys.readouterr().err
    assert len(list(mini_store.glob("stages/density/*"))) == 2


def test_what_is_no_store_is_wrong_usage_and_stays_untouched(tmp_path, capsys):
    assert main(["gc", "--store", str(tmp_path), "--yes"]) == 2
    assert "is not a store yet" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_what_a_stopped_training_goes_on_from_stays_until_weights_are_given_up(mini_store, collected, capsys):
    point = mini_store / "resume" / "0123456789abcdef" / "point-00000007"
    point.mkdir(parents=True)
    (point / "weights.safetensors").write_bytes(bytes(3_000_000))
    half_trained = [str(point.parent)]
    assert collected(mini_store, "--yes")["half_trained"] == {
        "folders": half_trained,
        "bytes": 3_000_000,
        "goes": False,
    }
    assert point.is_dir()
    assert main(["gc", "--store", str(mini_store)]) == 0
    said = capsys.readouterr().out
    assert "go on from (STORE/resume): 1, 3.0 MB; kept" in said
    assert "nothing to remove" in said

    said = collected(mini_store, "--also", "weights", "--yes")
    assert (said["half_trained"]["goes"], said["bytes"]) == (True, 3_000_000)
    assert not point.exists()
