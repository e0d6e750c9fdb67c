"""A build on somebody's Dask cluster whose scheduler dies: one clear error, and the next build goes on from there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import settings as settings_file
from pipeline.cli import main
from pipeline.settings import Settings
from tests.dask_processes import ROOT, dask_scheduler, dask_workers, kill_with_children, wait_until
from tests.recipe.test_killed import digests, files, items_logged


@pytest.mark.slow
def test_a_build_whose_scheduler_dies_says_so_once_and_the_next_makes_the_rest(
    built_store: Path, mini_settings: Settings, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    store, said = tmp_path / "store", tmp_path / "said"
    store.mkdir()
    settings_file.save(mini_settings, store)
    with dask_scheduler(tmp_path) as (address, scheduler), dask_workers(address, tmp_path, count=2):
        # in another folder than the workers', and the store by a relative path
        words = ["build", "--store", "store", "--executor", f"dask://{address}"]
        with open(said, "w") as output:
            build = subprocess.Popen(
                [sys.executable, "-m", "pipeline.cli", *words],
                cwd=tmp_path,
                env={"PYTHONPATH": str(ROOT), "PATH": ""},
                stdout=output,
                stderr=output,
            )
        wait_until(lambda: build.poll() is not None or len(items_logged(store)) >= 10, 120)
        kill_with_children(scheduler.pid)
        assert build.wait(timeout=60) == 1, said.read_text()
        wait_until(lambda: not list(store.rglob(".tmp-*")))  # what the workers had in hand, they finish
    assert said.read_text().count("cannot be reached any more") == 1
    assert "Traceback" not in said.read_text()
    survived, logged = set(digests(store)), items_logged(store)
    assert 10 <= len(logged) <= len(survived) < len(digests(built_store))

    assert main(["build", "--store", str(store), "--executor", "dask:2"]) == 0
    assert digests(store) == digests(built_store)
    assert files(store) - {"settings.toml"} == files(built_store) - {"settings.toml"}
    assert not survived & set(items_logged(store)[len(logged) :]), "an item that had survived was made again"
    assert "distributed" not in capfd.readouterr().err
