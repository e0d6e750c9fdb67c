"""The line of versions that each record carries."""

from __future__ import annotations

import platform

import numpy as np
import pytest

from pipeline.signals import tools
from pipeline.store.items import ItemTask, execute, read_record
from pipeline.store.provenance import made_with, version_of, versions


def test_libraries_programs_and_python_are_told_in_one_line_that_can_be_taken_apart():
    told = versions(made_with(["numpy", "ffmpeg"]))
    python = ".".join(platform.python_version_tuple()[:2])
    assert told == {"ffmpeg": tools.ffmpeg_version(), "numpy": np.__version__, "python": python}


def test_where_nothing_has_a_say_nothing_is_told():
    assert made_with([]) == ""
    assert versions("") == {}


def test_what_is_not_installed_is_left_out(monkeypatch, tmp_path):
    monkeypatch.setenv("AVE_FFMPEG", str(tmp_path / "no-ffmpeg"))
    assert version_of("ffmpeg") == version_of("no-such-library") == ""
    assert set(versions(made_with(["numpy", "ffmpeg", "no-such-library"]))) == {"numpy", "python"}


@pytest.mark.parametrize("libraries", [(), ("numpy",)])
def test_a_record_says_what_made_its_item_and_the_fingerprint_does_not_know(tmp_path, libraries):
    task = ItemTask(
        stage="toy",
        item="corpus/a",
        function="tests.store.toy_stages:double",
        folder=tmp_path / "a",
        fingerprint="f",
        version=1,
        params={},
        inputs={},
        files={},
        values={"number": 21},
        libraries=libraries,
    )
    record = execute(task)
    assert record.made_with == made_with(libraries)
    assert record.fingerprint == "f"
    assert read_record(tmp_path / "a") == record
