"""The command line: exit statuses, what it says, what it must not import."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import settings as settings_file
from pipeline.cli import main
from pipeline.recipe.build import Build
from pipeline.recipe.stages import STAGES

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    "command", [["--help"], ["status"], ["status", "--watch"], ["plan"], ["why", "density", "{item}"]], ids=str
)
def test_quick_commands_import_no_heavy_library(command, built_store):
    item = next(path.name for path in built_store.glob("stages/density/*/coutrot1/*") if path.is_dir())
    words = [word.format(item=f"coutrot1/{item}") for word in command]
    words += [] if words == ["--help"] else ["--store", str(built_store)]
    code = (
        "import sys\nfrom pipeline.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'librosa', 'pandas', 'numba', 'luigi', 's3fs', 'upath', 'botocore', 'dask'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY []"


NOT_ASKED = {"waveform", "pretrain", "train", "predict", "score", "audit", "report"}


def test_status_lists_every_stage_of_the_goals_as_fresh(built_store, capsys):
    assert main(["status", "--store", str(built_store), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["state"] for row in rows} == {"fresh"}
    assert {row["stage"] for row in rows} == set(STAGES) - NOT_ASKED
    assert {"stage", "corpus", "state", "items", "to_run", "reason"} <= set(rows[0])


def test_plan_takes_build_options_and_changes_nothing(built_store, capsys):
    before = (built_store / "settings.toml").read_bytes()
    assert main(["plan", "--store", str(built_store), "--sigma-dva", "2", "--json"]) == 0
    rows = {(row["stage"], row["corpus"]): row for row in json.loads(capsys.readouterr().out)}
    assert rows["density", "coutrot1"]["to_run"] == rows["density", "coutrot1"]["items"] > 0
    assert rows["frames", "coutrot1"]["to_run"] == 0
    assert "parameter sigma_dva 1.0 → 2.0" in rows["density", "coutrot1"]["reason"]
    assert rows["density", "coutrot1"]["seconds"] is not None  # estimated from what another sigma took
    assert (built_store / "settings.toml").read_bytes() == before


def test_plan_for_people_says_when_there_is_nothing_to_do(built_store, capsys):
    assert main(["plan", "--store", str(built_store)]) == 0
    assert "would run nothing" in capsys.readouterr().out


def test_why_names_the_parameter_with_its_old_and_new_value_before_the_item_ran_and_after(mini_store, capsys):
    settings = (mini_store / "settings.toml").read_text()
    (mini_store / "settings.toml").write_text(settings.replace("jpeg_quality = 92", "jpeg_quality = 80"))
    item = f"coutrot1/{next(mini_store.glob('stages/frames/*/coutrot1/clip*')).name}"
    assert main(["why", "frames", item, "--store", str(mini_store), "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["state"] == "missing"
    assert "never made with parameter jpeg_quality 92 → 80" in row["reason"]
    name = item.split("/")[1]
    assert main(["build", "--store", str(mini_store), "--only", item, "--executor", "serial"]) == 0
    capsys.readouterr()
    assert main(["why", "frames", item, "--store", str(mini_store), "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["item"], row["state"], row["to_run"]) == (name, "fresh", 0)
    assert "it ran because: never made with parameter jpeg_quality 92 → 80" in row["reason"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["why", "densty", "diem/x"], "Did you mean 'density'?"),
        (["why", "density", "diem/no_such_name"], "no item"),
        (["why", "density", "dime/x"], "Did you mean 'diem'?"),
        (["why", "density", "diem/silent_film_320x240"], "curate refused it (silent)"),
        (["plan", "--corpus", "dime"], "Did you mean 'diem'?"),
        (["plan", "--only", "diem/nothing"], "Unknown stimulus"),
        (["plan", "--anchor", "middle"], "start, centre, end"),
        (["build", "--executor", "dusk:2"], "Unknown executor"),
        (["build", "--executor", "pool"], "pool:4"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_wrong_usage_ends_with_2_and_names_the_nearest(built_store, capsys, words, said):
    assert main([*words, "--store", str(built_store)]) == 2
    assert said in capsys.readouterr().err


def test_a_folder_that_is_no_store_is_wrong_usage(tmp_path, capsys):
    assert main(["status", "--store", str(tmp_path)]) == 2
    assert "is not a store yet" in capsys.readouterr().err


def test_verify_finds_a_flipped_bit_and_the_next_build_mends_it(mini_store, capsys):
    assert main(["verify", "--store", str(mini_store)]) == 0
    victim = sorted(mini_store.glob("stages/density/*/coutrot1/*/density.npy"))[0]
    data = bytearray(victim.read_bytes())
    data[-1] ^= 1
    victim.unlink()
    victim.write_bytes(data)
    assert main(["verify", "--store", str(mini_store)]) == 1
    assert str(victim) in capsys.readouterr().out
    assert main(["build", "--store", str(mini_store), "--executor", "serial"]) == 0
    assert main(["verify", "--store", str(mini_store)]) == 0


def test_export_lays_out_one_folder_with_an_index(mini_store, tmp_path, capsys):
    out = tmp_path / "shards"
    assert (
        main(["export", "--store", str(mini_store), "--format", "wds", "--out", str(out), "--executor", "serial"]) == 0
    )
    index = json.loads((out / "index.json").read_text())
    listed = {shard["file"] for item in index["items"] for shard in item["shards"]}
    assert listed == {path.name for path in out.glob("*.tar")} != set()
    assert f"{out}: " in capsys.readouterr().out


def test_a_further_export_format_changes_nothing_that_is_learnt(mini_store, tmp_path):
    def learnt_from():
        settings = settings_file.load(mini_store)
        assert settings is not None
        looked = Build(replace(settings, goals=settings_file.GOALS), mini_store)
        return [looked.item("train", "all", name) for name in looked.state("train", "all").names]

    before = learnt_from()
    words = ["--format", "parquet", "--out", str(tmp_path / "shards"), "--executor", "serial"]
    assert main(["export", "--store", str(mini_store), *words]) == 0
    assert learnt_from() == before


def test_a_partial_build_of_an_empty_raw_says_that_nothing_is_there_and_ends_with_1(tmp_path, capsys):
    words = ["--store", str(tmp_path / "store"), "--raw", str(tmp_path), "--corpus", "coutrot1", "--executor", "serial"]
    for _ in range(2):  # the second build has nothing to run, and still nothing of it is there
        assert main(["build", *words, "--partial"]) == 1
        assert "nothing of what was asked for is published" in capsys.readouterr().err


def test_doctor_names_ffmpeg_and_where_it_was_found(capsys, tmp_path):
    assert main(["doctor", "--store", str(tmp_path), "--json"]) == 0
    findings = {row["subject"]: row for row in json.loads(capsys.readouterr().out)}
    assert findings["ffmpeg"]["ok"]
    assert findings["ffprobe"]["ok"]
    assert findings["python"]["ok"]


def test_doctor_without_ffmpeg_says_how_to_get_it(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("AVE_FFMPEG", str(tmp_path / "no-such-ffmpeg"))
    assert main(["doctor", "--store", str(tmp_path)]) == 1
    assert "AVE_FFMPEG" in capsys.readouterr().out


def test_a_mistyped_store_is_not_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["export", "--store", str(tmp_path / "stroe")]) == 2
    assert "stroe is not a store yet" in capsys.readouterr().err
    assert not (tmp_path / "stroe").exists()
