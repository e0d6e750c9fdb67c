"""A training that is killed goes on where it was, and ends with the very bytes of one that was not."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from pipeline.errors import ModelError
from pipeline.learn import launch, loop
from pipeline.store.job import Job
from tests.learn.conftest import QUICK

WAY = {"steps": 0, "epochs": 2, "parts": 5, "evaluations": 2, "every": 4}  # ten steps, of two clips each


def outputs(job):
    return {path.name: path.read_bytes() for path in job.out.iterdir() if path.name != launch.TIMING}


def stop_after(monkeypatch, step):
    """Let the training end like a killed one, in the middle of a part."""
    true_step, taken = loop.take_step, iter(range(1, 1000))

    def take_step(*arguments):
        if next(taken) > step:
            raise KeyboardInterrupt
        return true_step(*arguments)

    monkeypatch.setattr(loop, "take_step", take_step)


def test_a_stopped_training_goes_on_with_the_same_losses_and_ends_with_the_same_bytes(train_job, tmp_path, monkeypatch):
    undisturbed = train_job("undisturbed", **WAY)
    loop.train(undisturbed)
    values = {"keep": str(tmp_path / "keep")}
    with monkeypatch.context() as patch:
        stop_after(patch, 7)
        with pytest.raises(KeyboardInterrupt):
            loop.train(train_job("stopped", values=values, **WAY))
    (point,) = (tmp_path / "keep").glob("*/point-*")
    assert {path.name for path in point.iterdir()} == {
        *("weights.safetensors", "best.safetensors", "optimiser.safetensors", "optimiser.json", "state.json"),
    }
    steps = []
    with monkeypatch.context() as patch:
        true_step = loop.take_step
        patch.setattr(loop, "take_step", lambda *arguments: steps.append(1) or true_step(*arguments))
        again = train_job("again", values=values, **WAY)
        loop.train(again)
    assert len(steps) == 3
    assert outputs(again) == outputs(undisturbed)


def test_another_training_does_not_go_on_there(train_job, tmp_path, monkeypatch):
    values = {"keep": str(tmp_path / "keep")}
    with monkeypatch.context() as patch:
        stop_after(patch, 3)
        with pytest.raises(KeyboardInterrupt):
            loop.train(train_job("stopped", values=values, **WAY))
    other = train_job("other", values=values, **WAY | {"seed": 5, "epochs": 1})
    loop.train(other)
    assert len(json.loads((other.out / "run.json").read_text())["train_loss"]) == 5


def test_a_resume_point_that_cannot_be_read_says_which_folder_to_delete(train_job, tmp_path, monkeypatch):
    values = {"keep": str(tmp_path / "keep")}
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            loop.train(train_job("stopped", values=values, **WAY))
    (point,) = (tmp_path / "keep").glob("*/point-*")
    (point / "weights.safetensors").write_bytes(b"half")
    with pytest.raises(ModelError, match=r"cannot go on from .*point-0+2.*Delete that folder"):
        loop.train(train_job("again", values=values, **WAY))


@pytest.mark.slow
def test_a_training_killed_by_force_ends_with_the_weights_of_an_undisturbed_one(shards, tmp_path, train_job):
    undisturbed = train_job("undisturbed", **WAY)
    loop.train(undisturbed)
    out, keep = tmp_path / "killed", tmp_path / "keep"
    out.mkdir()
    job = {
        "stage": "train",
        "item": "all/killed",
        "out": str(out),
        "values": {"keep": str(keep)},
        "files": {"shards": {name: str(path) for name, path in shards.items()}},
        "params": {**QUICK, **WAY},
    }
    (tmp_path / "job.json").write_text(json.dumps(job))
    command = [sys.executable, "-m", "pipeline.learn.loop", "--job", str(tmp_path / "job.json")]
    child = subprocess.Popen(command, cwd=launch.ROOT)
    end = time.monotonic() + 120
    while not list(keep.glob("*/point-*")):
        assert child.poll() is None and time.monotonic() < end, "it ended before it could be killed"
        time.sleep(0.01)
    child.kill()
    child.wait()
    assert not (out / "run.json").exists()
    again = Job("train", "all/again", tmp_path / "again", {"shards": shards}, {"keep": str(keep)}, {**QUICK, **WAY})
    again.out.mkdir()
    loop.train(again)
    assert outputs(again) == outputs(undisturbed)
