"""Fixtures of the learning tests."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pipeline.store.job import Job
from tests.learn.tiny import make_shards

# Seconds in all, on one thread: a quarter of the pictures, four channels.
QUICK = {"width": 4, "scale": 2, "steps": 2, "batch": 2, "every": 4, "evaluations": 1, "val_clips": 3, "threads": 1}


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two training videos and three for validation, of 20 frames each."""
    return make_shards(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def train_job(shards: dict[str, Path], tmp_path: Path):
    """Make a quick training job; keyword arguments change its parameters."""

    def make(name: str = "dave-av", files: dict[str, Path] | None = None, values=None, **params) -> Job:
        out = tmp_path / name
        out.mkdir()
        return Job("train", f"all/{name}", out, {"shards": files or shards}, values or {}, {**QUICK, **params})

    return make
