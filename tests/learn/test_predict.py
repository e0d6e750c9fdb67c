"""Prediction: which frames, which maps, and weights or pictures that do not belong."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from pipeline import models
from pipeline.errors import ModelError
from pipeline.export.clips import ClipDataset, collate
from pipeline.learn import checkpoints, predict
from pipeline.store.job import Job

QUICK = {"every": 8, "threads": 1, "batch": 4}


@pytest.fixture
def run_files(shards, tmp_path):
    """What a training leaves: weights and run.json of an untrained model."""
    torch.manual_seed(3)
    options = {"modality": "av", "fusion": "concat", "width": 2, "shortcut_gradient": True}
    checkpoints.save(models.build("dave", **options), tmp_path / "weights.safetensors")
    run = {"model": {"name": "dave", "options": options}, "settings": {"scale": 2}, "best": None, "stopped": None}
    (tmp_path / "run.json").write_text(json.dumps(run))
    return {"shards": shards, "weights": tmp_path / "weights.safetensors", "run": tmp_path / "run.json"}


def run_predict(files, out, **params):
    out.mkdir()
    facts = predict.build_item(Job("predict", "all/dave-av", out, files, {}, {**QUICK, **params}))
    return facts, pq.ParquetFile(out / "maps.parquet")


def test_every_eighth_frame_of_val_and_a_row_group_for_each_stimulus(run_files, tmp_path):
    facts, maps = run_predict(run_files, tmp_path / "out")
    assert facts == {"frames": 9, "stimuli": 3}
    table = maps.read()
    assert table["stimulus"].to_pylist() == [
        name for name in ("coutrot1/far", "coutrot1/high", "coutrot1/low") for _ in "012"
    ]
    assert table["frame"].to_pylist() == [0, 8, 16] * 3
    assert maps.num_row_groups == 3
    about = json.loads(maps.schema_arrow.metadata[b"ave"])
    assert (about["height"], about["width"], about["split"], about["every"]) == (32, 40, "val", 8)
    assert about["run"]["model"]["name"] == "dave"


def test_maps_are_those_of_the_model_on_each_clip_alone(run_files, tmp_path):
    _, maps = run_predict(run_files, tmp_path / "out")
    model, run = checkpoints.open_run(run_files["weights"], run_files["run"])
    clips = ClipDataset([run_files["shards"]["coutrot1/val"]])
    ours = {(clips[i]["stimulus"], clips[i]["frame"]): i for i in range(len(clips))}
    for row in maps.read().to_pylist():
        batch = collate([clips[ours[row["stimulus"], row["frame"]]]])
        with torch.no_grad():
            expected = predict.saliency_maps(model, batch["video"], batch["audio"], run["settings"]["scale"])
        np.testing.assert_allclose(np.reshape(row["map"], (32, 40)), expected[0], rtol=1e-4, atol=1e-6)


def test_in_16_bits_maps_are_nearly_the_same_and_say_so(run_files, tmp_path):
    _, exact = run_predict(run_files, tmp_path / "fp32")
    _, rounded = run_predict(run_files, tmp_path / "bf16", precision="bf16")
    exact_maps, rounded_maps = (np.array(maps.read()["map"].to_pylist()) for maps in (exact, rounded))
    assert 0 < np.abs(exact_maps - rounded_maps).max() < 0.05 * exact_maps.max()
    assert json.loads(rounded.schema_arrow.metadata[b"ave"])["precision"] == "bf16"
    assert "precision" not in json.loads(exact.schema_arrow.metadata[b"ave"])


def test_the_same_weights_write_the_same_bytes(run_files, tmp_path):
    for name in ("first", "second"):
        run_predict(run_files, tmp_path / name, every=16)
    assert (tmp_path / "first" / "maps.parquet").read_bytes() == (tmp_path / "second" / "maps.parquet").read_bytes()


@pytest.mark.parametrize("scale", [1, 2])
def test_maps_have_the_promised_size_at_every_scale(scale):
    model = models.build("dave", width=2).eval()
    with torch.no_grad():
        maps = predict.saliency_maps(model, torch.zeros(1, 3, 16, 256, 320), torch.zeros(1, 3, 16, 64, 64), scale)
    assert maps.shape == (1, 32, 40)


def test_weights_of_another_model_are_refused(run_files, tmp_path):
    checkpoints.save(models.build("dave", width=2, modality="video"), run_files["weights"])
    with pytest.raises(ModelError, match="not this model's weights"):
        run_predict(run_files, tmp_path / "out")


def test_a_map_that_is_not_finite_is_an_error_that_names_the_frame(run_files, tmp_path):
    model = models.build("dave", width=2)
    torch.nn.init.constant_(model.saliency.bias, float("nan"))
    checkpoints.save(model, run_files["weights"])
    with pytest.raises(ModelError, match="coutrot1/far: the saliency map of frame 0 is not finite"):
        run_predict(run_files, tmp_path / "out")


def test_a_split_that_is_not_there_says_what_is(run_files, tmp_path):
    with pytest.raises(ModelError, match="no test shards; found: coutrot1/val, diem/train"):
        run_predict(run_files, tmp_path / "out", split="test")
