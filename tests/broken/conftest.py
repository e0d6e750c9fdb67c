"""The workshop of each test, and what an undisturbed build of it makes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.recipe import build as build_module
from pipeline.store.items import execute

from .workshop import ASKED, FILM, MAT, OTHER_FILM, PER_STIMULUS, RELEASES, TABLES, ZIP, Workshop


@pytest.fixture
def workshop(mini_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> Workshop:
    """A workshop of a test's own; what its builds make is counted."""
    shop = Workshop(tmp_path, capsys)
    shutil.copytree(mini_world / "manifests", shop.manifests)
    shop.change_rows("sources.csv", lambda row: row.update(size_bytes="", checksum="unknown"))
    for name in RELEASES:
        (shop.raw / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(mini_world / "releases" / name, shop.raw / name)

    def counting(task):
        record = execute(task)
        shop.made.add((task.stage, task.item))
        return record

    monkeypatch.setattr(build_module, "execute", counting)
    return shop


@pytest.fixture(scope="session")
def everything() -> set[tuple[str, str]]:
    """Every (stage, item) that an undisturbed build of the workshop makes."""
    artifacts = (FILM, OTHER_FILM, MAT, ZIP.removesuffix(".zip"))
    return (
        {(stage, artifact) for stage in ("fetch", "unpack") for artifact in artifacts}
        | {(stage, stimulus) for stage in PER_STIMULUS for stimulus in ASKED}
        | TABLES
    )
