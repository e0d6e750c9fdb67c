"""The audit as a stage: every condition is predicted and scored, a deaf model is refused, a deaf ear is found out."""

from __future__ import annotations

import json

import pandas as pd
import torch

from pipeline import models
from pipeline.evaluate.score_table import read_scores
from pipeline.evaluate.sound_audit import AGNOSTIC
from pipeline.learn import audit, checkpoints
from pipeline.learn.sounds import CONDITIONS, SCRAMBLED
from pipeline.store.job import Job
from tests.learn.tiny import make_shards

PARAMS = {"split": "val", "every": 8, "threads": 1, "batch": 4}


def audited(shards, tmp_path, modality="av", deaf=False):
    """Audit an untrained model; a `deaf` one multiplies what it hears by zero."""
    torch.manual_seed(3)
    options = {"modality": modality, "width": 2}
    model = models.build("dave", **options)
    if deaf:
        for parameter in model.audio_branch.parameters():
            parameter.data.zero_()
    (tmp_path / "out").mkdir()
    checkpoints.save(model, tmp_path / "weights.safetensors")
    run = {"model": {"name": "dave", "options": options}, "settings": {"scale": 2}}
    (tmp_path / "run.json").write_text(json.dumps(run))
    files = {"shards": shards, "weights": tmp_path / "weights.safetensors", "run": tmp_path / "run.json"}
    return audit.build_item(Job("audit", f"all/dave-{modality}", tmp_path / "out", files, {}, PARAMS)), tmp_path / "out"


def test_every_sound_is_predicted_and_scored(shards, tmp_path):
    facts, out = audited(shards, tmp_path)
    tables = {read_scores(path)[1]["sound"]: read_scores(path)[0] for path in (out / "scores").iterdir()}
    assert set(tables) == set(CONDITIONS)
    assert {len(table) for table in tables.values()} == {3 * 3}
    moved = pd.read_parquet(out / "moved.parquet")
    assert set(moved["condition"]) == set(CONDITIONS) - {"original"}
    assert (moved.groupby("condition")["cc"].mean() < 1).all()  # an untrained model still hears a difference
    rows = pd.read_csv(out / "audit.csv")
    assert set(rows["condition"]) == set(CONDITIONS) - {"original"} == set(facts["maps_cc"])
    assert "# Does dave-av use the sound?" in (out / "audit.md").read_text()


def test_a_model_that_hears_nothing_in_what_it_hears_is_called_agnostic(shards, tmp_path):
    facts, _ = audited(shards, tmp_path, deaf=True)
    assert facts["verdict"] == AGNOSTIC
    assert set(facts["maps_cc"].values()) == {1.0}
    assert set(facts["gain"].values()) == {0.0}


def test_a_model_without_ears_is_agnostic_too(shards, tmp_path):
    facts, _ = audited(shards, tmp_path, modality="video")
    assert facts["verdict"] == AGNOSTIC
    assert set(facts["maps_cc"].values()) == {1.0}


def test_what_the_shards_cannot_give_is_said_and_the_rest_is_made(tmp_path):
    (tmp_path / "shards").mkdir()
    _, out = audited(make_shards(tmp_path / "shards", waveforms=False), tmp_path)
    assert f"Not made: {SCRAMBLED}: the shards hold no samples of the sound." in (out / "audit.md").read_text()
    assert not (out / "scores" / f"{SCRAMBLED}.parquet").exists()
