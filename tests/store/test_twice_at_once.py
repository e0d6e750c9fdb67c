"""The same item published by two workers at once: Dask gives away again what a worker it gave up still has in hand."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from pipeline.store import workplace


def folder_of(path: Path, writer: str) -> Path:
    """A small item."""
    path.mkdir()
    for name in ("one", "two"):
        (path / name).write_text(writer)
    return path


@pytest.mark.parametrize("before", ["an earlier item is there", "nothing is there"])
@pytest.mark.parametrize("other", ["publishes", "takes the item aside"])
@pytest.mark.parametrize("rename", [0, 1])
def test_whatever_another_worker_does_between_the_renames_the_item_is_one_of_the_two(
    tmp_path, monkeypatch, before, other, rename
):
    final, new = tmp_path / "item", folder_of(tmp_path / "new", "ours")
    if before == "an earlier item is there":
        folder_of(final, "earlier")
    plain, renames = os.rename, []

    def disturbed(source, target):
        if len(renames) == rename:
            shutil.rmtree(final, ignore_errors=True)
            if other == "publishes":
                folder_of(final, "theirs")
        renames.append(source)
        plain(source, target)

    monkeypatch.setattr(os, "rename", disturbed)
    workplace.swap_in(new, final)
    assert {path.read_text() for path in final.iterdir()} == {"ours"}
    assert [path.name for path in tmp_path.iterdir()] == ["item"]
