"""Training: the loss by hand, the choice on val, the same bytes twice, and what must fail."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest
import torch

from pipeline.errors import ModelError
from pipeline.export.reader import ShardSet
from pipeline.learn import checkpoints, train
from tests.learn.conftest import QUICK

LN2 = math.log(2)


def read_run(job):
    return json.loads((job.out / "run.json").read_text())


def read_log(job):
    return [json.loads(line) for line in (job.out / "log.jsonl").read_text().splitlines()]


def test_kl_loss_of_a_small_map_worked_out_by_hand():
    density = torch.tensor([[[0.5, 0.5], [0.0, 0.0]]])
    flat = torch.full((1, 2, 2), 3.0)  # p = 1/4: Σ 1/2 ln(1/2 ÷ 1/4) twice
    assert train.kl_loss(flat, density).item() == pytest.approx(LN2, abs=1e-4)
    assert train.kl_loss(7 * density, density).item() == pytest.approx(0, abs=1e-4)


def test_a_clip_without_fixations_weighs_nothing():
    maps = torch.rand(2, 4, 4)
    density = torch.zeros(2, 4, 4)
    density[0, 1, 1] = 1
    assert train.kl_loss(maps, density).item() == pytest.approx(train.kl_loss(maps[:1], density[:1]).item())
    assert train.kl_loss(maps, torch.zeros(2, 4, 4)).item() == 0


def test_a_map_of_zeros_gives_a_finite_loss_and_gradient():
    maps = torch.zeros(1, 4, 4, requires_grad=True)
    density = torch.zeros(1, 4, 4)
    density[0, 1, 1] = 1
    loss = train.kl_loss(torch.relu(maps + 1e-9), density)
    loss.backward()
    assert math.isfinite(loss.item())
    assert torch.isfinite(maps.grad).all()


def test_training_starts_at_the_loss_of_the_uniform_map(train_job, shards):
    job = train_job(steps=1, learning_rate=1e-9)
    train.train(job)
    heads = ShardSet([shards["diem/train"]])
    targets = torch.cat([torch.from_numpy(heads.head(n).density) for n in range(len(heads))])
    uniform = train.kl_loss(torch.ones_like(targets), targets).item()
    assert read_run(job)["train_loss"][0] == pytest.approx(uniform, rel=0.03)


def test_a_few_steps_learn_where_people_look(train_job):
    job = train_job(steps=14, batch=4, every=2, learning_rate=3e-3, schedule="cosine", evaluations=1)
    train.train(job)
    losses = read_run(job)["train_loss"]
    assert sum(losses[-3:]) / 3 < 0.8 * losses[0], losses


def test_the_same_job_writes_the_same_bytes_and_another_seed_does_not(train_job):
    jobs = [train_job("first"), train_job("second"), train_job("other", seed=7)]
    for job in jobs:
        train.train(job)
    first, second, other = ({path.name: path.read_bytes() for path in sorted(job.out.iterdir())} for job in jobs)
    assert set(first) == {"weights.safetensors", "run.json", "log.jsonl"}
    assert first == second
    assert first["weights.safetensors"] != other["weights.safetensors"]


def test_the_run_says_what_it_was_made_of(train_job, shards):
    job = train_job(modality="video", fusion="sum", steps=3, evaluations=3)
    train.train(job)
    run = read_run(job)
    assert run["model"]["options"] == {"modality": "video", "fusion": "sum", "width": 4, "shortcut_gradient": True}
    assert run["settings"]["scale"] == 2
    assert set(run["shards"]) == set(shards)
    assert (run["steps_done"], len(run["train_loss"]), len(run["val_loss"])) == (3, 3, 3)
    assert [line for line in read_log(job) if "train_loss" in line][-1]["step"] == 3


def test_the_weights_kept_are_those_best_on_val(train_job, monkeypatch):
    pretended, weights = iter([2.0, 1.0, 1.5]), []

    def evaluate(model, *_):
        weights.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return next(pretended)

    monkeypatch.setattr(train, "evaluate", evaluate)
    job = train_job(steps=3, evaluations=3)
    train.train(job)
    assert read_run(job)["best"] == {"step": 2, "val_loss": 1.0}
    kept = checkpoints.read(job.out / "weights.safetensors")
    assert all(torch.equal(kept[name], weights[1][name]) for name in kept)
    assert not all(torch.equal(kept[name], weights[2][name]) for name in kept)


def test_the_test_split_is_never_opened(train_job, shards, tmp_path):
    job = train_job(files={**shards, "diem/test": tmp_path / "absent" / "index.json"}, steps=1)
    train.train(job)
    assert "diem/test" not in read_run(job)["shards"]


def nan_from_step(monkeypatch, step):
    """Let the loss of training become NaN at a step, as a broken clip would."""
    true_loss, calls = train.kl_loss, iter(range(1, 1000))

    def loss(saliency, density):
        value = true_loss(saliency, density)
        return value * math.nan if torch.is_grad_enabled() and next(calls) >= step else value

    monkeypatch.setattr(train, "kl_loss", loss)


def test_a_nan_loss_stops_keeps_the_last_good_weights_and_names_the_clips(train_job, monkeypatch):
    nan_from_step(monkeypatch, 3)
    job = train_job(steps=5, evaluations=5)
    train.train(job)
    run = read_run(job)
    assert run["steps_done"] == 2
    assert run["stopped"]["step"] == 3
    assert len(run["stopped"]["clips"]) == 2
    assert all(clip.split(":")[0] in ("diem/left", "diem/right") for clip in run["stopped"]["clips"])
    weights = checkpoints.read(job.out / "weights.safetensors")
    assert all(torch.isfinite(tensor).all() for tensor in weights.values())


def test_a_nan_loss_before_any_good_weights_is_an_error_that_names_the_clips(train_job, monkeypatch):
    nan_from_step(monkeypatch, 1)
    with pytest.raises(ModelError, match=r"step 1 is nan; its clips are diem/(left|right):\d+") as caught:
        train.train(train_job())
    assert caught.value.code == "loss-not-finite"


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_split_without_shards_says_what_was_found(train_job, shards, split):
    files = {name: path for name, path in shards.items() if not name.endswith(split)}
    with pytest.raises(ModelError, match=f"no {split} shards; found: {next(iter(files))}"):
        train.train(train_job(files=files))


def test_shards_of_another_picture_size_are_refused(train_job, tmp_path):
    from tests.learn.tiny import make_shards

    small = make_shards(tmp_path / "small", picture_size=(128, 160))
    with pytest.raises(ModelError, match=r"128 × 160 px .*wants 256 × 320"):
        train.train(train_job(files=small))


@pytest.mark.slow
def test_the_stage_trains_in_a_child_and_the_builder_never_imports_torch(shards, tmp_path):
    as_text = {name: str(path) for name, path in shards.items()}
    code = f"""
import sys
from pathlib import Path
from pipeline.learn.train import build_item
from pipeline.store.job import Job
shards = {{name: Path(path) for name, path in {as_text!r}.items()}}
facts = build_item(Job("train", "all/dave-av", Path({str(tmp_path)!r}), {{"shards": shards}}, {{}}, {QUICK!r}))
assert "torch" not in sys.modules
print(facts["best"]["step"], facts["stopped"], facts["clips_per_s"] > 0)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.stdout == "2 None True\n", ended.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"weights.safetensors", "run.json", "log.jsonl"}
