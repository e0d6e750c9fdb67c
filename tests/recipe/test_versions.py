"""Versions of libraries: recorded with every item, told where they differ, and never a reason to run by themselves."""

from __future__ import annotations

import json

import pytest

from pipeline.signals import tools
from pipeline.store.items import ItemRecord, read_record
from pipeline.store.provenance import version_of, versions
from tests.recipe import changes
from tests.recipe.lines import CLIP, each, of, these
from tests.recipe.trial import Trial

NUMPY = version_of("numpy")
ARITHMETIC = ("recordings", "frames", "curate", "logmel", "density", "shards")  # what NumPy has a say in


@pytest.fixture
def trial(mini_store, monkeypatch) -> Trial:
    return Trial(mini_store, monkeypatch)


def remade_with(trial: Trial, library: str) -> None:
    """Let one density item be made with another version of a library, and come back to the installed one."""
    changes.hurt("density", CLIP, "density.npy", changes.deleted)(trial)
    with pytest.MonkeyPatch.context() as patch:
        changes.updated(library)(Trial(trial.store, patch))
        assert trial.build({}) == of("density", [CLIP])


def record_of(trial: Trial, stage: str) -> ItemRecord:
    (folder,) = trial.store.glob(f"stages/{stage}/*/{CLIP.stimulus}")
    record = read_record(folder)
    assert record is not None
    return record


def test_a_record_names_what_may_reach_the_bytes_of_its_stage(trial: Trial):
    assert set(versions(record_of(trial, "frames").made_with)) == {"python", "ffmpeg", "numpy", "simplejpeg", "pyarrow"}
    assert versions(record_of(trial, "frames").made_with)["ffmpeg"] == tools.ffmpeg_version()
    assert set(versions(record_of(trial, "density").made_with)) == {"python", "numpy", "scipy"}


def test_a_record_from_before_versions_were_recorded_is_as_good_as_any(trial: Trial):
    for path in trial.store.rglob("*.json"):
        if path.name in ("record.json", "_STAGE.json"):
            told = path.read_text(encoding="utf-8")
            path.write_text(without(json.loads(told)), encoding="utf-8")
    assert record_of(trial, "density").made_with == ""
    assert trial.build({}) == set()
    assert "provenance" not in trial.ave("status").out
    assert trial.build({"renew": ("density",)}) == of("density")


def without(data) -> str:
    """A record or a stage record as an earlier release wrote it."""
    for row in (data, *data.get("items", {}).values()):
        row.pop("made_with", None)
        row.pop("damaged", None)
    return json.dumps(data)


def test_nothing_is_said_where_everything_was_made_with_what_is_installed(trial: Trial):
    rows = json.loads(trial.ave("status", "--json").out)
    assert {json.dumps(row["provenance"]) for row in rows} == {"{}"}
    assert "provenance" not in trial.ave("status").out + trial.ave("plan").out + trial.ave("build").err


@pytest.mark.parametrize("command", ["status", "plan", "build"])
def test_after_an_update_every_command_warns_and_nothing_runs(trial: Trial, command):
    changes.updated("numpy")(trial)
    said = trial.ave(command)
    n_items = len(each(ARITHMETIC))
    assert "provenance differs; nothing runs because of it:" in said.out + said.err
    assert f"  numpy {NUMPY} ({n_items} items), 99.1 is installed: {', '.join(ARITHMETIC)}\n" in said.out + said.err
    assert f"ave build --renew {' '.join(ARITHMETIC)}\n" in said.out + said.err
    assert trial.build({}) == set()


def test_status_counts_the_items_of_each_version_for_programs(trial: Trial):
    changes.updated("numpy")(trial)
    rows = {(row["stage"], row["corpus"]): row for row in json.loads(trial.ave("status", "--json").out)}
    told = {"numpy": {"installed": "99.1", "made": {NUMPY: len(of("density", these("coutrot1")))}}}
    assert rows["density", "coutrot1"]["provenance"] == told
    assert rows["publish", "all"]["provenance"] == {}


def test_items_of_one_stage_that_different_versions_made_are_told_apart_and_only_the_odd_one_is_renewed(trial: Trial):
    remade_with(trial, "numpy")
    others = len(of("density")) - 1
    told = f"  numpy {NUMPY} ({others} items) and 99.1 (1 item), {NUMPY} is installed: density\n"
    assert told in trial.ave("status").out
    item = ("density", CLIP.stimulus)
    assert f"--renew: numpy 99.1 → {NUMPY}" in trial.why(item, {"renew": ("density",)})
    assert trial.build({"renew": ("density",)}) == {item}
    assert f"it ran because: --renew: numpy 99.1 → {NUMPY}" in trial.why(item, {})
    assert "provenance" not in trial.ave("status").out
    assert trial.build({"renew": ("density",)}) == set()


def test_another_ffmpeg_is_told_and_a_machine_without_one_is_left_in_peace(trial: Trial):
    trial.patch.setattr(tools, "ffmpeg_version", lambda: "n99")
    assert "n99 is installed: frames, curate, logmel" in trial.ave("status").out
    trial.patch.setattr(tools, "ffmpeg_version", lambda: "")
    assert "provenance" not in trial.ave("status").out


@pytest.mark.parametrize(
    ("stage", "remedy"), [("densty", "Did you mean 'density'?"), ("fetch", "Choose one of: recordings, frames,")]
)
def test_what_no_library_has_a_say_in_is_nothing_to_renew(trial: Trial, stage, remedy):
    said = trial.ave("build", "--renew", stage)
    assert said.status == 2
    assert f"No library has a say in what '{stage}' writes. {remedy}" in said.err
