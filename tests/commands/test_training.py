"""`ave train`, `ave pretrain`, `ave predict`: settings, what is refused before anything runs, runs side by side."""

from __future__ import annotations

import json
import shutil
from argparse import Namespace
from dataclasses import replace

import pytest

from pipeline import settings as settings_file
from pipeline.cli import main
from tasks.ave import run

QUICK = [
    *("--width", "2", "--steps", "2", "--batch", "2", "--every", "40", "--scale", "2", "--val-clips", "2"),
    *("--threads", "1", "--executor", "serial"),
]


def ave(*words):
    return main([str(word) for word in words])


def test_a_folder_that_is_no_store_is_wrong_usage(tmp_path, capsys):
    assert ave("train", "--store", tmp_path) == 2
    assert "is not a store yet" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--model", "davee"), "Did you mean 'dave'?"),
        (("--loss", "kl + cd"), "Unknown loss 'cd'"),
        (("--precision", "fp8"), "Unknown precision 'fp8'"),
        (("--model", "vinet", "--routing"), "Routing is DAVE's"),
        (("--pretrained-audio",), "Name their folder: --words DIR"),
        (("--batch", "-1"), "batch is -1"),
    ],
)
def test_what_cannot_be_trained_is_said_before_anything_runs(built_store, capsys, words, said):
    before = (built_store / "settings.toml").read_bytes()
    assert ave("train", "--store", built_store, *words) == 2
    assert said in capsys.readouterr().err
    assert (built_store / "settings.toml").read_bytes() == before


def test_prediction_without_a_trained_run_says_how_to_get_one(built_store, capsys):
    assert ave("predict", "--store", built_store) == 2
    assert "ave train --store" in capsys.readouterr().err


def test_pretraining_without_recordings_asks_for_them(built_store, tmp_path, capsys):
    assert ave("pretrain", "--store", built_store) == 2
    assert "--words DIR" in capsys.readouterr().err


@pytest.mark.slow
def test_two_runs_lie_side_by_side_and_differ_only_in_their_settings(mini_store, capsys):
    train = ("train", "--store", mini_store, "--modality", "video", *QUICK)
    assert ave(*train) == 0
    said = capsys.readouterr().out
    assert "dave-video: " in said and "best on val after step 2" in said
    assert ave(*train, "--learning-rate", "0.01") == 0
    folders = sorted(mini_store.glob("stages/train/*/all/dave-video"))
    assert len(folders) == 2
    ours, theirs = (json.loads((folder / "run.json").read_text())["settings"] for folder in folders)
    assert {key for key in ours if ours[key] != theirs[key]} == {"learning_rate"}
    assert ave("predict", "--store", mini_store, "--every", "60", "--split", "test") == 0
    assert "of the test split" in capsys.readouterr().out


@pytest.mark.slow
def test_a_finished_run_is_stale_once_its_shards_are_others_and_why_says_so(mini_store, tmp_path, capsys):
    assert ave("train", "--store", mini_store, "--modality", "video", *QUICK) == 0
    settings = settings_file.load(mini_store)
    changed = shutil.copytree(mini_store / settings.manifests, tmp_path / "changed")
    settings = replace(settings, manifests=str(changed))
    rows = changed / "stimuli.csv"
    lines = rows.read_text(encoding="utf-8").splitlines(keepends=True)
    number = next(number for number, line in enumerate(lines) if ",nature,train," in line)
    lines[number] = lines[number].replace(",nature,train,", ",misc,train,")
    rows.write_text("".join(lines), encoding="utf-8")
    assert run(mini_store, replace(settings, goals=("corpus", "shards")), "serial").failures() == []
    settings_file.save(settings, mini_store)
    capsys.readouterr()
    assert ave("why", "train", "all/dave-video", "--store", mini_store) == 0
    said = capsys.readouterr().out
    assert "train all/dave-video: stale" in said
    assert "input shards: " in said


@pytest.mark.slow
def test_the_shards_take_the_form_that_the_model_wants_and_a_given_option_wins(mini_store, capsys):
    quick = [
        "--width",
        "8",
        "--steps",
        "1",
        "--batch",
        "1",
        "--every",
        "60",
        "--val-clips",
        "1",
        "--executor",
        "serial",
    ]
    small = ["--model", "avinet", "--option", "size=[64, 96]", "--scale", "1", "--threads", "1"]
    assert ave("train", "--store", mini_store, *small, *quick) == 0
    told = capsys.readouterr().err
    form = "--frame-height 64 --frame-width 96 --lead-in-frames 31 --waveform-rate-hz 22050"
    assert f"avinet: its shards are made with {form}, which this store remembers" in told
    settings = settings_file.load(mini_store)
    assert (settings.frame_height, settings.waveform_rate_hz) == (64, 22050)
    assert ave("predict", "--store", mini_store, "--every", "60") == 0
    capsys.readouterr()
    assert ave("train", "--store", mini_store, *small, *quick, "--waveform-rate-hz", "8000") == 1
    assert "hold samples of 8000 Hz. Expected 22050 Hz" in capsys.readouterr().err


def test_an_audit_that_is_stopped_leaves_the_goals_of_the_store_alone(mini_store, monkeypatch):
    from pipeline.commands import training

    before = settings_file.load(mini_store)

    def stopped(store, settings, *_args, **_kwargs):
        settings_file.save(settings, store)  # as a build does when it begins
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "_trained_run", lambda *_: "dave")
    monkeypatch.setattr(training, "make", stopped)
    with pytest.raises(KeyboardInterrupt):
        training.audit(Namespace(store=mini_store, executor="serial", split="test", every=7))
    after = settings_file.load(mini_store)
    assert after.goals == before.goals
    assert (after.audit_split, after.audit_every) == ("test", 7)
