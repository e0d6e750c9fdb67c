"""Two processes that train together do what one with the whole batch does."""

from __future__ import annotations

import json

import pytest

from pipeline.learn import launch, loop
from pipeline.models.weights import read
from pipeline.store.job import Job
from tests.learn.conftest import QUICK


@pytest.mark.slow
def test_two_processes_have_the_loss_curve_of_one_with_twice_the_batch(shards, tmp_path, train_job):
    way = {**QUICK, "steps": 4, "every": 2, "evaluations": 2, "learning_rate": 1e-4}
    one = train_job("one", **{**way, "batch": 4})
    loop.train(one)
    two = Job("train", "all/two", tmp_path / "two", {"shards": shards}, {}, {**way, "batch": 2, "processes": 2})
    two.out.mkdir()
    launch.run_child("pipeline.learn.loop", two, processes=2)
    alone, together = (json.loads((job.out / "run.json").read_text()) for job in (one, two))
    assert together["train_loss"] == pytest.approx(alone["train_loss"], rel=2e-3)
    assert [loss for _, loss in together["val_loss"]] == pytest.approx(
        [loss for _, loss in alone["val_loss"]], rel=1e-2
    )
    weights = [read(job.out / "weights.safetensors")["video_branch.bn1.running_var"] for job in (one, two)]
    assert weights[1].tolist() == pytest.approx(weights[0].tolist(), rel=1e-2)
