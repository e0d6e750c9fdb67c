"""Scores on a test split: runs, baselines and the truth, and with another video's sound those that hear and see."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from pipeline import models
from pipeline.learn import checkpoints
from pipeline.learn.trial import score_test


@pytest.fixture
def test_shards(shards: dict[str, Path]) -> dict[str, Path]:
    """The tiny shards with the val videos as a test split."""
    return {"diem/train": shards["diem/train"], "coutrot1/test": shards["coutrot1/val"]}


def run_folder(folder: Path, modality: str) -> Path:
    """What a training leaves: weights and run.json of an untrained model."""
    torch.manual_seed(3)
    folder.mkdir()
    options = {"modality": modality, "width": 2}
    checkpoints.save(models.build("dave", **options), folder / "weights.safetensors")
    run = {"model": {"name": "dave", "options": options}, "settings": {"scale": 2}}
    (folder / "run.json").write_text(json.dumps(run))
    return folder


def test_only_who_hears_and_sees_is_scored_with_swapped_sound(test_shards: dict[str, Path], tmp_path: Path):
    runs = {modality: run_folder(tmp_path / modality, modality) for modality in ("audio", "video", "av")}
    scores = score_test(test_shards, runs, every=8)
    assert set(scores) == {"audio", "video", "av", "av, sound swapped", "truth", "mep", "centre", "uniform"}
    assert scores["uniform"] == {"nss": 0.0, "cc": 0.0}
    assert scores["truth"]["cc"] > 0.98  # of 32 × 40 cells, scored at 256 × 320
    assert scores["truth"]["nss"] == max(row["nss"] for row in scores.values())
    assert scores["av"] != scores["av, sound swapped"]
