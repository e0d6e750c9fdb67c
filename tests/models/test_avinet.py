"""AViNet and SoundNet: shapes, what moves the map, what stays frozen, what is refused."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from pipeline import models
from pipeline.errors import ModelError
from pipeline.models.fusion import Places
from pipeline.models.soundnet import FEWEST_SAMPLES, steps_of
from tests.models.formula import formula_weights

SIZE = (64, 64)
SAMPLES = 70560
FUSIONS = list(itertools.product(("bilinear", "concat"), (False, True)))


def small(**options):
    return models.build("avinet", **{"width": 8, "size": SIZE, **options}).eval()


def clip(batch=1):
    return torch.randn(batch, 3, 32, *SIZE), 20 * torch.randn(batch, SAMPLES)


@pytest.mark.parametrize(("fusion", "transformer"), FUSIONS)
def test_every_fusion_gives_a_map_of_the_pictures_size(fusion, transformer):
    with torch.no_grad():
        saliency = small(fusion=fusion, transformer=transformer)(*clip(batch=2))
    assert saliency.shape == (2, *SIZE)
    assert ((saliency > 0) & (saliency < 1)).all()


@pytest.mark.parametrize(("fusion", "transformer"), FUSIONS)
def test_picture_and_sound_both_move_the_map(fusion, transformer):
    model, (video, audio) = small(fusion=fusion, transformer=transformer), clip()
    model.load_state_dict(formula_weights(model.state_dict()))  # torch's own make the first maps nearly flat
    with torch.no_grad():
        before = model(video, audio)
        assert not torch.equal(before, model(video, audio.flip(1)))
        assert not torch.equal(before, model(video.flip(4), audio))


@pytest.mark.parametrize(("fusion", "transformer"), FUSIONS)
def test_weights_that_are_never_used_are_frozen_and_all_others_learn(fusion, transformer):
    model = small(fusion=fusion, transformer=transformer).train()
    model(*clip(batch=2)).square().sum().backward()
    frozen = {name for name, weight in model.named_parameters() if not weight.requires_grad}
    assert frozen == {name for name, weight in model.named_parameters() if weight.grad is None}
    unused = {"audionet.conv8_objs", "audionet.conv8_scns"} | ({"bilinear"} if fusion == "concat" else set())
    assert {name.rpartition(".")[0] for name in frozen} == unused


def test_the_transformer_is_there_where_the_public_code_has_it():
    assert small(fusion="bilinear").transformer is None
    assert small(fusion="concat").transformer is not None


def test_the_papers_clip_gives_the_papers_map():
    model = models.build("avinet", width=8).eval()
    assert model.wants.waveform == models.Waveform(rate_hz=22050, samples=SAMPLES, peak=256.0)
    with torch.no_grad():
        saliency = model(torch.randn(1, 3, 32, 224, 384), torch.randn(1, SAMPLES))
    assert saliency.shape == (1, *model.wants.map_size) == (1, 224, 384)


def test_pictures_of_another_size_than_the_model_was_built_for_are_refused():
    with pytest.raises(ModelError, match=r"pictures are \[64, 96\]; expected \[64, 64\].*size=") as caught:
        small()(torch.zeros(1, 3, 32, 64, 96), torch.zeros(1, SAMPLES))
    assert caught.value.code == "clip-shape"


def test_clips_of_another_length_are_refused():
    with pytest.raises(ModelError, match=r"expected \[batch, 3, 32"):
        small()(torch.zeros(1, 3, 16, *SIZE), torch.zeros(1, SAMPLES))


@pytest.mark.parametrize("shape", [(1, SAMPLES - 1), (1, 2, SAMPLES), (1, 2, SAMPLES // 2), (SAMPLES,)])
def test_a_waveform_of_another_form_is_refused_with_the_length_expected(shape):
    with pytest.raises(ModelError, match=rf"expected waveforms \[batch, {SAMPLES}\]"):
        models.build("soundnet", width=2)(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(2, SAMPLES), (2, 1, SAMPLES), (2, 1, SAMPLES, 1)])
def test_a_waveform_may_carry_axes_of_length_one(shape):
    assert models.build("soundnet", width=2)(torch.zeros(shape)).shape == (2, 128, 3)


def test_a_model_of_sound_alone_wants_no_pictures_and_gives_no_map():
    wants = models.build("soundnet", width=2).wants
    assert (wants.frames, wants.map_size, wants.audio) == (0, None, "waveform")


def test_the_shortest_waveform_gives_one_step():
    assert (steps_of(FEWEST_SAMPLES - 1), steps_of(FEWEST_SAMPLES)) == (0, 1)
    shortest = models.build("soundnet", width=2, samples=FEWEST_SAMPLES).eval()
    assert shortest(torch.zeros(1, FEWEST_SAMPLES)).shape == (1, 128, 1)
    with pytest.raises(ModelError, match="at least one step"):
        models.build("soundnet", samples=FEWEST_SAMPLES - 1)


def test_the_places_of_tokens_are_sines_and_cosines_of_falling_frequency():
    places = Places(features=6, tokens=5).pe
    assert places.shape == (5, 1, 6)
    assert places[0, 0].tolist() == [0, 1, 0, 1, 0, 1]
    assert places[3, 0, 0].item() == pytest.approx(math.sin(3))
    assert places[3, 0, 5].item() == pytest.approx(math.cos(3 / 10000 ** (4 / 6)), abs=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"fusion": "sum"}, "bilinear, concat"), ({"size": (64,)}, "height and width"), ({"width": 4}, "multiple of 8")],
)
def test_an_impossible_option_names_what_is_possible(options, words):
    with pytest.raises(ModelError, match=words):
        models.build("avinet", **options)
