"""Training: the loss by hand, the choice on val, the same bytes twice, and what must fail."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

import pipeline
from pipeline.errors import ExportError, ModelError
from pipeline.export.reader import ShardSet
from pipeline.learn import checkpoints, loop, losses
from pipeline.learn.settings import TrainSettings, from_params
from pipeline.learn.shards import open_clips
from pipeline.models.weights import read
from tests.learn.conftest import QUICK
from tests.learn.tiny import make_shards

WRITTEN = {"weights.safetensors", "run.json", "log.jsonl", "curves.csv", "curves.png"}


def read_run(job):
    return json.loads((job.out / "run.json").read_text())


def read_log(job):
    return [json.loads(line) for line in (job.out / "log.jsonl").read_text().splitlines()]


def test_training_starts_at_the_loss_of_the_uniform_map(train_job, shards):
    job = train_job(steps=1, learning_rate=1e-9)
    loop.train(job)
    heads = ShardSet([shards["diem/train"]])
    targets = torch.cat([torch.from_numpy(heads.head(n).density) for n in range(len(heads))])
    targets = targets[losses.is_scored(targets)]
    uniform = losses.kl(torch.ones_like(targets), targets).mean().item()
    assert read_run(job)["train_loss"][0] == pytest.approx(uniform, rel=0.03)


def test_a_few_steps_learn_where_people_look(train_job):
    job = train_job(steps=14, batch=4, every=2, learning_rate=3e-3, schedule="cosine", evaluations=1)
    loop.train(job)
    losses = read_run(job)["train_loss"]
    assert sum(losses[-3:]) / 3 < 0.8 * losses[0], losses


def test_the_same_job_writes_the_same_bytes_and_another_seed_does_not(train_job):
    jobs = [train_job("first"), train_job("second"), train_job("other", seed=7)]
    for job in jobs:
        loop.train(job)
    first, second, other = ({path.name: path.read_bytes() for path in sorted(job.out.iterdir())} for job in jobs)
    assert set(first) - {"timing.json"} == WRITTEN
    del first["timing.json"], second["timing.json"]
    assert first == second
    assert first["weights.safetensors"] != other["weights.safetensors"]


def test_the_run_says_what_it_was_made_of(train_job, shards):
    job = train_job(modality="video", fusion="sum", steps=3, evaluations=3)
    loop.train(job)
    run = read_run(job)
    assert run["model"]["options"].items() >= {"modality": "video", "fusion": "sum", "width": 4, "mep": False}.items()
    assert run["settings"]["scale"] == 2
    assert set(run["shards"]) == set(shards)
    assert run["code"] == pipeline.__version__
    assert run["best"]["metrics"].keys() == {"loss", *loop.METRICS}
    assert (run["steps_done"], len(run["train_loss"]), len(run["val_loss"])) == (3, 3, 3)
    assert [line for line in read_log(job) if "train_loss" in line][-1]["step"] == 3


@pytest.mark.parametrize(
    "way",
    [{"precision": "bf16"}, {"channels_last": True}, {"accumulate": 2, "batch": 1}, {"loss": "kl + 0.1*cc"}],
    ids=lambda way: next(iter(way)),
)
def test_each_option_of_the_loop_begins_at_about_the_same_loss(train_job, way):
    plain, other = train_job("plain", steps=1), train_job("other", steps=1, **way)
    for job in (plain, other):
        loop.train(job)
    before, after = read_run(plain), read_run(other)
    assert after["best"]["metrics"]["kl"] == pytest.approx(before["best"]["metrics"]["kl"], rel=0.2)
    if "loss" not in way:
        assert after["train_loss"] == pytest.approx(before["train_loss"], rel=0.02)


def test_half_precision_on_a_cpu_is_refused_in_words(train_job):
    with pytest.raises(ModelError, match=r"fp16 wants a GPU\. Take bf16"):
        loop.train(train_job(precision="fp16", device="cpu"))


@pytest.mark.parametrize("fusion", ["bilinear", "concat"])
def test_a_model_that_hears_waveforms_learns_and_predicts(train_job, tmp_path, fusion):
    """AViNet of a few channels: 32 frames of 64 × 96 px, and their sound as samples."""
    shards = make_shards(tmp_path, n_frames=34, picture_size=(64, 96), lead_in_frames=31)
    job = train_job(model="avinet", fusion=fusion, width=8, options=["size=[64, 96]"], scale=1, files=shards, every=8)
    loop.train(job)
    run = json.loads((job.out / "run.json").read_text())
    assert run["stopped"] is None
    assert math.isfinite(run["best"]["val_loss"])
    model, _ = checkpoints.open_run(job.out / "weights.safetensors", job.out / "run.json")
    clip = open_clips(shards, "val", from_params(TrainSettings, job.params), model.wants)
    clip = next(iter(clip))
    assert clip["audio"].shape == (70560,)
    with torch.inference_mode():
        heard, silent = (model.eval()(clip["video"][None], sound[None]) for sound in (clip["audio"], 0 * clip["audio"]))
    assert not torch.equal(heard, silent)


def test_a_model_that_hears_waveforms_wants_shards_that_hold_them(train_job, tmp_path):
    shards = make_shards(tmp_path, n_frames=34, picture_size=(64, 96), lead_in_frames=31, waveforms=False)
    with pytest.raises(ExportError, match=r"hold no samples of the sound\. Expected 22050 Hz"):
        loop.train(train_job(model="avinet", width=8, options=["size=[64, 96]"], scale=1, files=shards))


def test_a_model_that_gives_no_map_cannot_be_trained(train_job):
    with pytest.raises(ModelError, match="gives features and no saliency map"):
        loop.train(train_job(model="soundnet"))


def test_the_weights_kept_are_those_best_on_val(train_job, monkeypatch):
    pretended, weights = iter([2.0, 1.0, 1.5]), []

    def evaluate(network, *_):
        weights.append({name: tensor.clone() for name, tensor in network.model.state_dict().items()})
        return dict.fromkeys(("loss", *loop.METRICS), next(pretended))

    monkeypatch.setattr(loop, "evaluate", evaluate)
    job = train_job(steps=3, evaluations=3)
    loop.train(job)
    best = read_run(job)["best"]
    assert (best["step"], best["val_loss"]) == (2, 1.0)
    kept = read(job.out / "weights.safetensors")
    assert all(torch.equal(kept[name], weights[1][name]) for name in kept)
    assert not all(torch.equal(kept[name], weights[2][name]) for name in kept)


def test_the_test_split_is_never_opened(train_job, shards, tmp_path):
    job = train_job(files={**shards, "diem/test": tmp_path / "absent" / "index.json"}, steps=1)
    loop.train(job)
    assert "diem/test" not in read_run(job)["shards"]


def nan_from_step(monkeypatch, step):
    """Let the loss of training become NaN at a step, as a broken clip would."""
    true_loss, calls = losses.of_clips, iter(range(1, 1000))

    def of_clips(*arguments):
        value = true_loss(*arguments)
        return value * math.nan if torch.is_grad_enabled() and next(calls) >= step else value

    monkeypatch.setattr(losses, "of_clips", of_clips)


def test_a_nan_loss_stops_keeps_the_last_good_weights_and_names_the_clips(train_job, monkeypatch):
    nan_from_step(monkeypatch, 3)
    job = train_job(steps=5, evaluations=5)
    loop.train(job)
    run = read_run(job)
    assert run["steps_done"] == 2
    assert run["stopped"]["step"] == 3
    assert len(run["stopped"]["clips"]) == 2
    assert all(clip.split(":")[0] in ("diem/left", "diem/right") for clip in run["stopped"]["clips"])
    assert load_file(job.out / run["stopped"]["batch"])["0.video"].shape == (2, 3, 16, 256, 320)
    weights = read(job.out / "weights.safetensors")
    assert all(torch.isfinite(tensor).all() for tensor in weights.values())


def test_a_nan_loss_before_any_good_weights_is_an_error_that_names_the_clips(train_job, monkeypatch, tmp_path):
    nan_from_step(monkeypatch, 1)
    job = train_job(values={"keep": str(tmp_path / "keep")})
    with pytest.raises(
        ModelError, match=r"step 1 is nan; its clips are diem/(left|right):\d+.*kept as .*bad_batch"
    ) as caught:
        loop.train(job)
    assert caught.value.code == "loss-not-finite"
    assert load_file(tmp_path / "keep" / "dave-av.bad_batch.safetensors")["0.target"].shape == (2, 32, 40)


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_split_without_shards_says_what_was_found(train_job, shards, split):
    files = {name: path for name, path in shards.items() if not name.endswith(split)}
    with pytest.raises(ModelError, match=f"no {split} shards; found: {next(iter(files))}"):
        loop.train(train_job(files=files))


def test_shards_of_another_picture_size_are_refused(train_job, tmp_path):
    from tests.learn.tiny import make_shards

    small = make_shards(tmp_path / "small", picture_size=(128, 160))
    with pytest.raises(ModelError, match=r"128 × 160 px .*wants 256 × 320"):
        loop.train(train_job(files=small))


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
    assert {path.name for path in tmp_path.iterdir()} == WRITTEN
