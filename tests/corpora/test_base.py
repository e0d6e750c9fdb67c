"""What all releases share: finding a path, saying what is missing, and modules that are not what they should be."""

from __future__ import annotations

import sys

import pytest

from pipeline import corpora
from pipeline.corpora.base import find_path
from pipeline.errors import UsageError


def test_a_path_is_found_at_any_depth_by_whole_names():
    paths = ["data/videos/two_bees.mp4", "data/videos/bees.mp4", "bees.mp4"]
    assert find_path(paths, "videos/bees.mp4") == "data/videos/bees.mp4"
    assert find_path(paths, "bees.mp4") == "bees.mp4"
    assert find_path(paths, "ees.mp4") is None
    assert find_path(paths, "bees.avi", "two_bees.mp4") == "data/videos/two_bees.mp4"


def test_what_is_missing_is_named_with_where_it_belongs():
    release = corpora.get("coutrot1")
    video, gaze = release.video_missing("clip_1", "clip_1.avi"), release.gaze_missing("clip_1", "a .mat")
    assert (video.code, gaze.code) == ("media-missing", "gaze-missing")
    assert video.message == "coutrot1/clip_1: no video; looked for clip_1.avi."
    assert gaze.message == "coutrot1/clip_1: no gaze file; looked for a .mat."
    there = "Put it into RAW/coutrot1/ (coutrot_database1.mat, ERB3_Stimuli/), named as the release names it."
    assert video.remedy == gaze.remedy == there


@pytest.fixture
def with_module(tmp_path, monkeypatch):
    """Puts a module beside the corpora, for one test."""

    def add(name: str, text: str) -> None:
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        monkeypatch.setattr(corpora, "__path__", [*corpora.__path__, str(tmp_path)])
        corpora._releases.cache_clear()

    yield add
    corpora._releases.cache_clear()
    for name in [name for name in sys.modules if name.startswith("pipeline.corpora.slip")]:
        del sys.modules[name]


def test_a_slip_in_a_new_module_is_told_as_one_and_not_as_a_bug(with_module):
    with_module("slip", "import nothing_of_this_name\n")
    with pytest.raises(UsageError, match=r"pipeline/corpora/slip.py cannot be imported: ModuleNotFoundError") as raised:
        corpora.names()
    assert "python -m pipeline.corpora.slip" in raised.value.remedy


def test_a_release_that_is_not_called_as_its_module_is_refused(with_module):
    with_module("slip_copy", "from pipeline.corpora.diem import RELEASE\n")
    with pytest.raises(UsageError, match=r"slip_copy.py: its RELEASE is called 'diem', expected 'slip_copy'"):
        corpora.names()
