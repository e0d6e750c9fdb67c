"""Scores with another video's sound: every clip keeps all but its sound, and only who hears and sees is asked twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from pipeline import models
from pipeline.export.clips import ClipStream
from pipeline.learn import checkpoints
from pipeline.learn.swapped import OtherSound, score_test


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


def test_every_clip_gets_the_next_videos_sound_at_its_own_place(test_shards: dict[str, Path]):
    own = list(ClipStream(test_shards["coutrot1/test"], stride=7))
    other = list(OtherSound(ClipStream(test_shards["coutrot1/test"], stride=7)))
    assert [clip["stimulus"] for clip in other] == [clip["stimulus"] for clip in own]
    following = {"coutrot1/far": "coutrot1/high", "coutrot1/high": "coutrot1/low", "coutrot1/low": "coutrot1/far"}
    sounds = {(clip["stimulus"], clip["frame"]): clip["audio"] for clip in own}
    for mine, swapped in zip(own, other, strict=True):
        assert torch.equal(mine["video"], swapped["video"]) and torch.equal(mine["target"], swapped["target"])
        assert torch.equal(swapped["audio"], sounds[following[mine["stimulus"]], mine["frame"]])
    assert any(not torch.equal(mine["audio"], swapped["audio"]) for mine, swapped in zip(own, other, strict=True))


def test_it_can_be_read_twice(test_shards: dict[str, Path]):
    clips = OtherSound(ClipStream(test_shards["coutrot1/test"], stride=7))
    assert len(list(clips)) == len(list(clips)) == 9


def test_only_who_hears_and_sees_is_scored_with_swapped_sound(test_shards: dict[str, Path], tmp_path: Path):
    runs = {modality: run_folder(tmp_path / modality, modality) for modality in ("audio", "video", "av")}
    scores = score_test(test_shards, runs, every=8)
    assert set(scores) == {"audio", "video", "av", "av, sound swapped", "truth", "mep", "centre", "uniform"}
    assert scores["uniform"] == {"nss": 0.0, "cc": 0.0}
    assert scores["truth"]["cc"] == pytest.approx(1, abs=1e-5)
    assert scores["truth"]["nss"] == max(row["nss"] for row in scores.values())
    assert scores["av"] != scores["av, sound swapped"]
