"""What an item is made from, where a release names its files in ways that those of AVE do not."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.recipe.wanted import Wanted
from pipeline.recipe.wiring import recordings_item
from pipeline.records import Geometry, Located, StimulusEntry

ENTRY = StimulusEntry("coutrot1", "bees", "", "nature", "train", "", "", "yes", "made so")
GEOMETRY = Geometry("coutrot1", "video", 30.0)


def gaze_inputs(*paths: str) -> dict[str, str]:
    """The digests, by name, that a stimulus's recordings are made from when its gaze lies at these paths."""
    view = SimpleNamespace(
        entry=lambda corpus, name: ENTRY,
        in_play=lambda corpus, name: True,
        release=lambda corpus: SimpleNamespace(artifacts_of=lambda name: ()),
        locate=lambda corpus, name: Located(("data", "v.mp4"), None, tuple(("data", path) for path in paths)),
        unpacked=lambda corpus, artifact, path: (Path("/store") / path, f"digest of {path}".ljust(64)),
        manifest=SimpleNamespace(geometry={"coutrot1": GEOMETRY}),
    )
    wanted = recordings_item(view, "coutrot1", "bees")
    assert isinstance(wanted, Wanted)
    return wanted.inputs["gaze"]


def test_gaze_files_are_told_apart_by_their_names():
    assert list(gaze_inputs("data/gaze/o1.csv", "data/gaze/o2.csv")) == ["o1.csv", "o2.csv"]


@pytest.mark.parametrize("order", [1, -1])
def test_a_folder_an_observer_hides_no_file_behind_another_of_its_name(order):
    found = gaze_inputs(*["o1/bees.csv", "o2/bees.csv"][::order])
    assert found == {"o1/bees.csv": "digest of o1/bee", "o2/bees.csv": "digest of o2/bee"}
