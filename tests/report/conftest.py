"""A miniature store of which everything is there that a report shows, made once a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from pipeline.settings import GOALS, QUICK_TRAINING, Settings
from tests.conftest import copy_store

TINY = {"model_width": 2, "train_steps": 2, "train_evaluations": 1, "batch": 2, "val_clips": 2, "train_mix": 2}


@pytest.fixture(scope="session")
def trained_settings(mini_settings: Settings) -> Settings:
    """Those of `ave demo` with a model that is trained for two steps only."""
    every = {"predict_every": 15, "predict_split": "test"}
    goals = tuple(goal for goal in GOALS if goal in ("corpus", "shards", "train", "predict", "score"))
    return replace(mini_settings, goals=goals, **{**QUICK_TRAINING, **TINY, **every})


@pytest.fixture(scope="session")
def trained_store(shared_tmp: Path, built_store: Path, trained_settings: Settings) -> Path:
    """The miniature corpus with a trained and predicted run. Read only."""
    from pipeline.commands.making import make

    store = shared_tmp / "trained"
    with FileLock(shared_tmp / "trained.lock"):
        if not (store / "trained").is_file():
            copy_store(built_store, store)
            assert make(store, trained_settings, "serial") == 0
            (store / "trained").touch()
    return store


@pytest.fixture(scope="session")
def report_index(trained_store: Path, trained_settings: Settings, shared_tmp: Path) -> Path:
    """The first page of that store's report, as `ave demo` writes it. Read only."""
    from pipeline.commands.showing import show

    with FileLock(shared_tmp / "shown.lock"):
        index = show(trained_store, trained_settings)
    assert index is not None
    return index
