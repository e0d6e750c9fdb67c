"""DAVE: shapes, names and sizes of the published model, its fusions, its two variants, and the shortcut's gradient."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from pipeline import models
from pipeline.errors import ModelError
from pipeline.models.dave import FUSIONS, MODALITIES


def small(**options):
    return models.build("dave", **{"width": 4, **options}).eval()


def clip(batch=1, height=64, width=64):
    return torch.randn(batch, 3, 16, height, width), torch.randn(batch, 3, 16, 64, 64)


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_modality_and_fusion_gives_a_non_negative_map(modality, fusion):
    with torch.no_grad():
        saliency = small(modality=modality, fusion=fusion)(*clip(batch=2))
    assert saliency.shape == (2, 8, 8)
    assert (saliency >= 0).all()
    assert (saliency > 0).any(), "a map that is zero everywhere has no gradient"


def test_the_papers_clip_gives_the_papers_map():
    model = small()
    height, width = model.wants.size
    with torch.no_grad():
        saliency = model(*clip(height=height, width=width))
    assert saliency.shape == (1, *model.wants.map_size) == (1, 32, 40)


@pytest.mark.parametrize(("modality", "expected"), [("av", 69_747_485), ("video", 36_449_105), ("audio", 36_250_061)])
def test_parameters_at_the_papers_width(modality, expected):
    with torch.device("meta"):
        model = models.build("dave", modality=modality)
    assert sum(weight.numel() for weight in model.parameters()) == expected


def test_names_of_the_published_checkpoint():
    names = set(small().state_dict())
    for branch in ("audio_branch", "video_branch"):
        assert {f"{branch}.conv1.weight", f"{branch}.bn1.running_mean", f"{branch}.fc_new.bias"} <= names
        assert {f"{branch}.layer{group}.{block}.bn2.weight" for group in (1, 2, 3, 4) for block in (0, 1)} <= names
    assert {"upscale1.combine.weight", "upscale2.bn.weight", "combinedEmbedding.weight", "saliency.bias"} <= names
    assert not [name for name in names if "downsample" in name], "shortcut A has no weights"
    assert len(names) == 226


@pytest.mark.parametrize("modality", ["video", "audio"])
def test_one_stream_ignores_the_other_input(modality):
    model, (video, audio) = small(modality=modality), clip()
    with torch.no_grad():
        before = model(video, audio)
        after = model(video, audio + 1) if modality == "video" else model(video + 1, audio)
    assert torch.equal(before, after)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_both_streams_move_the_audio_visual_map(fusion):
    model, (video, audio) = small(fusion=fusion), clip()
    with torch.no_grad():
        before = model(video, audio)
        assert not torch.equal(before, model(video, audio.flip(3)))
        assert not torch.equal(before, model(video.flip(4), audio))


@pytest.mark.parametrize(("gradient", "reaches"), [(True, True), (False, False)])
def test_the_shortcut_lets_the_gradient_through_only_where_asked(gradient, reaches):
    from pipeline.models.resnet3d import shortcut_a

    volume = torch.ones(1, 2, 2, 4, 4, requires_grad=True)
    out = shortcut_a(volume, channels=5, stride=2, gradient=gradient)
    assert out.shape == (1, 5, 1, 2, 2)
    assert out[:, 2:].abs().sum() == 0
    assert out.requires_grad is reaches


def test_the_public_gradient_flag_changes_gradients_and_not_the_map():
    ours, public = small(shortcut_gradient=True), small(shortcut_gradient=False)
    public.load_state_dict(ours.state_dict())
    video, audio = clip()
    maps = [model(video, audio) for model in (ours, public)]
    assert torch.equal(*maps)
    for saliency in maps:
        saliency.square().sum().backward()
    assert not torch.allclose(ours.video_branch.conv1.weight.grad, public.video_branch.conv1.weight.grad)


def test_weights_that_are_never_used_are_frozen():
    model = small()
    model(*clip()).sum().backward()
    frozen = {name for name, weight in model.named_parameters() if not weight.requires_grad}
    assert frozen == {name for name, weight in model.named_parameters() if weight.grad is None}
    assert {name.rsplit(".", 2)[-2] for name in frozen} == {"bn", "fc_new"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"modality": "vido"}, "av, video, audio"),
        ({"fusion": "cat"}, "concat, product, sum"),
        ({"widht": 4}, "'width'"),
        ({"width": 0}, "positive"),
        ({"variant": "paper"}, "code, text"),
        ({"variant": "text", "fusion": "sum"}, "1024 and 512"),
    ],
)
def test_a_wrong_option_names_what_is_possible(options, words):
    with pytest.raises(ModelError, match=words):
        models.build("dave", **options)


def test_an_unknown_model_names_the_nearest():
    with pytest.raises(ModelError, match="Did you mean 'dave'"):
        models.build("dav")


@pytest.mark.parametrize("shape", [(1, 3, 8, 64, 64), (1, 3, 16, 60, 64), (1, 1, 16, 64, 64)])
def test_a_clip_of_another_shape_is_refused_with_the_shape_expected(shape):
    with pytest.raises(ModelError, match="expected \\[batch, 3, 16"):
        small()(torch.zeros(shape), torch.zeros(1, 3, 16, 64, 64))


@pytest.mark.parametrize("shape", [(1, 3, 8, 64, 64), (1, 3, 16, 64, 40), (1, 16, 64, 64)])
def test_sound_of_another_shape_is_refused_with_the_shape_expected(shape):
    video, _ = clip()
    with pytest.raises(ModelError, match="expected \\[batch, 3, 16, 64, 64"):
        small()(video, torch.zeros(shape))


def test_a_model_of_pictures_alone_says_that_it_wants_no_sound_and_looks_at_none():
    model = small(modality="video")
    assert model.wants.audio == "none"
    assert model(clip()[0], torch.zeros(1)).shape == (1, 8, 8)


def test_the_texts_variant_normalises_in_the_decoder_and_has_twice_the_features_of_sound():
    code, text = small(), small(variant="text")
    assert text.combinedEmbedding.weight.shape[1] == (1024 + 512) * 4 // 64
    added = set(text.state_dict()) - set(code.state_dict())
    assert added == {"audio_features.weight", "audio_features.bias"}, "all other tensors keep their published names"
    text.train()(*clip(batch=2)).sum().backward()
    assert {text.upscale1.bn.weight.grad is None, code.upscale1.bn.weight.requires_grad} == {False}
    assert text.upscale2.bn.num_batches_tracked == 1


def test_in_the_codes_variant_no_normalisation_of_the_decoder_is_called():
    model = small().train()
    model(*clip(batch=2))
    assert model.upscale2.bn.num_batches_tracked == 0


def test_the_registry_itself_needs_no_torch():
    code = "import sys, pipeline.models as m; m.names(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
