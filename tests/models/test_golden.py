"""Agreement with the public implementations: their names and shapes, and their maps from a formula-filled state dict.

`golden.json` was made with the public code at these commits: samyak0210/ViNet 2a52666, hrtavakoli/DAVE 0840c10,
kylemin/S3D ecd3786, kenshohara/3D-ResNets-PyTorch 540a0ea, keunhong/pytorch-soundnet 71d8b18. ViNet's two audio-visual
classes are written for 224 × 384 pixels; their numbers of cells were replaced by those of 64 × 96 pixels. Weights and
inputs are those of `formula.py`. A map's entry holds four cells (row, column, value), mean and standard deviation.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from pipeline import models
from tests.models.formula import digest, formula_inputs, formula_weights

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text(encoding="utf-8"))
NAMED = {
    "dave-ave": ("dave", {}),
    "soundnet8": ("soundnet", {}),
    "vinet-dhf1k": ("vinet", {}),
    "vinet 8 frames": ("vinet", {"frames": 8}),
    "vinet 16 frames": ("vinet", {"frames": 16}),
    "vinet 48 frames": ("vinet", {"frames": 48}),
    "avinet bilinear": ("avinet", {"fusion": "bilinear"}),
    "avinet bilinear, transformer": ("avinet", {"fusion": "bilinear", "transformer": True}),
    "avinet concat": ("avinet", {"fusion": "concat"}),
}


def empty(name, options):
    """A model without numbers, which costs nothing to make."""
    with torch.device("meta"):
        return models.build(name, **options).eval()


@pytest.mark.parametrize("label", GOLDEN["maps"])
def test_the_public_code_gives_the_same_map_from_the_same_weights(label):
    golden = GOLDEN["maps"][label]
    model = empty(label.split()[0], golden["options"])
    model.load_state_dict(formula_weights(model.state_dict()), assign=True)
    video, audio = formula_inputs(golden["video"], golden["audio"])
    with torch.no_grad():
        given = model(video, audio)[0] if model.wants.frames else model(audio)[0]
    for row, column, value in golden["cells"]:
        assert given[row, column].item() == pytest.approx(value, rel=1e-4, abs=1e-5)
    assert given.double().mean().item() == pytest.approx(golden["mean"], rel=1e-4)
    assert given.double().std(correction=0).item() == pytest.approx(golden["sd"], rel=1e-4)


@pytest.mark.parametrize("label", NAMED)
def test_names_and_shapes_are_those_of_the_published_checkpoint(label):
    state = empty(*NAMED[label]).state_dict()
    assert len(state) == GOLDEN["names"][label]["tensors"]
    assert digest(state) == GOLDEN["names"][label]["digest"]
