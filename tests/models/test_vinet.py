"""ViNet and its encoder: shapes, gradient, what it refuses."""

from __future__ import annotations

import pytest
import torch

from pipeline import models
from pipeline.errors import ModelError
from pipeline.models.s3d import S3d
from pipeline.models.vinet import LAST_FOLDS


def small(**options):
    return models.build("vinet", **{"width": 8, **options}).eval()


def test_the_encoder_gives_four_depths_of_features():
    with torch.no_grad():
        features = S3d(width=8).eval()(torch.randn(1, 3, 32, 64, 96))
    assert [list(depth.shape) for depth in features] == [
        [1, 1024 // 8, 4, 2, 3], [1, 832 // 8, 8, 4, 6], [1, 480 // 8, 16, 8, 12], [1, 192 // 8, 16, 16, 24],
    ]  # fmt: skip


@pytest.mark.parametrize("frames", LAST_FOLDS)
def test_every_length_of_clip_gives_a_map_of_the_pictures_size(frames):
    model = small(frames=frames)
    with torch.no_grad():
        saliency = model(torch.randn(2, 3, frames, 64, 96))
    assert model.wants.frames == frames
    assert saliency.shape == (2, 64, 96)
    assert (saliency > 0).all()
    assert (saliency < 1).all()


def test_it_wants_what_the_paper_fed_it():
    wants = small().wants
    assert (wants.frames, wants.size, wants.map_size) == (32, (224, 384), (224, 384))
    assert (wants.normalisation, wants.audio, wants.waveform) == ("imagenet", "none", None)


def test_sound_is_ignored():
    model, video = small(frames=8), torch.randn(1, 3, 8, 64, 64)
    with torch.no_grad():
        assert torch.equal(model(video), model(video, torch.randn(1, 5)))


def test_the_maps_of_a_batch_are_those_of_its_clips():
    model, video = small(frames=8), torch.randn(2, 3, 8, 64, 64)
    with torch.no_grad():
        together, alone = model(video), torch.cat([model(clip[None]) for clip in video])
    assert torch.allclose(together, alone, atol=1e-6)


@pytest.mark.parametrize("frames", LAST_FOLDS)
def test_the_gradient_reaches_every_weight(frames):
    model = small(frames=frames).train()
    model(torch.randn(2, 3, frames, 64, 64)).square().sum().backward()
    without = [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert without == []


@pytest.mark.parametrize("shape", [(1, 3, 16, 64, 64), (1, 3, 32, 64, 80), (1, 1, 32, 64, 64), (3, 32, 64, 64)])
def test_a_clip_of_another_shape_is_refused_with_the_shape_expected(shape):
    with pytest.raises(ModelError, match=r"expected \[batch, 3, 32, height, width\].*multiples of 32") as caught:
        small()(torch.zeros(shape))
    assert caught.value.code == "clip-shape"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"frames": 20}, "frames is 20; expected one of 8, 16, 32, 48"),
        ({"size": (224, 380)}, "size is .224, 380.; expected height and width, multiples of 32"),
        ({"width": 12}, "width is 12; expected a multiple of 8"),
    ],
)
def test_an_impossible_option_names_what_is_possible(options, words):
    with pytest.raises(ModelError, match=words):
        models.build("vinet", **options)
