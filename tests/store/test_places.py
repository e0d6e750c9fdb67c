"""What a person may name as a store."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pipeline.errors import ToolError, UsageError
from pipeline.store.disk import store_at
from pipeline.store.places import cache_folder, inside, is_remote


def test_a_folder_is_a_plain_path():
    assert store_at("some/store") == Path("some/store")
    assert not is_remote(store_at("some/store"))


@pytest.mark.parametrize("text", ["s3:/bucket/store", "s3://", "gs://bucket/store", "https://example.org/store"])
def test_what_is_neither_a_folder_nor_s3_is_wrong_usage(text: str):
    with pytest.raises(UsageError, match="s3://bucket/prefix"):
        store_at(text)


def test_without_the_extra_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(ToolError, match=r"pip install .*\[s3\]"):
        store_at("s3://bucket/store")


def test_settings_name_folders_of_the_store_or_of_the_machine(tmp_path: Path):
    assert inside(tmp_path, "raw") == tmp_path / "raw"
    assert inside(tmp_path, "/data/raw") == Path("/data/raw")


def test_the_cache_is_where_a_person_puts_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("AVE_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
