"""What a model's shards have to hold: only what differs, and nothing that does no harm is taken back."""

from __future__ import annotations

import pytest

from pipeline.errors import ModelError
from pipeline.learn.form import needed
from pipeline.learn.settings import TrainSettings

PLAIN = {"frame_height": 256, "frame_width": 320, "lead_in_frames": 15, "waveform_rate_hz": 0}
VINET = {"frame_height": 224, "frame_width": 384, "lead_in_frames": 31}


@pytest.mark.parametrize(
    ("model", "options", "changed"),
    [
        ("dave", (), {}),
        ("dave", ("modality=audio",), {}),
        ("vinet", (), VINET),
        ("vinet", ("frames=8",), {"frame_height": 224, "frame_width": 384}),
        ("avinet", (), {**VINET, "waveform_rate_hz": 22050}),
        (
            "avinet",
            ("size=[64, 96]",),
            {"frame_height": 64, "frame_width": 96, "lead_in_frames": 31, "waveform_rate_hz": 22050},
        ),
    ],
)
def test_what_a_model_wants_becomes_settings_of_the_build(model, options, changed):
    assert needed(TrainSettings(model=model, options=options), PLAIN) == changed


def test_what_is_there_beside_it_stays():
    rich = {**PLAIN, "lead_in_frames": 47, "waveform_rate_hz": 22050}
    assert needed(TrainSettings(model="dave"), rich) == {}


def test_a_model_without_a_map_is_refused_before_anything_is_built():
    with pytest.raises(ModelError, match="no saliency map"):
        needed(TrainSettings(model="soundnet"), PLAIN)
