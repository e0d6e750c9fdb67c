"""DAVE: shapes, names and sizes of the published model, its fusions, and the shortcut's gradient."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
import torch

from pipeline import models
from pipeline.errors import ModelError
from pipeline.models.dave import FUSIONS, MODALITIES

# What hrtavakoli/DAVE at commit 0840c10 gives for `formula_weights` and `formula_clip` in float32, evaluation mode.
PUBLIC_CELLS = {(0, 0): 2.9024665, (3, 4): 2.8831306, (7, 7): 2.8706498}
PUBLIC_SUM = 184.75064


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def small(**options):
    return models.build("dave", **{"width": 4, **options}).eval()


def clip(batch=1, height=64, width=64):
    return torch.randn(batch, 3, 16, height, width), torch.randn(batch, 3, 16, 64, 64)


def formula(shape: torch.Size, phase: float) -> torch.Tensor:
    """Numbers in -1..1 that any machine can write down again."""
    return torch.sin(torch.arange(math.prod(shape), dtype=torch.float64) * 0.7390851 + phase).reshape(shape)


def formula_weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A state dict from a formula, scaled so that no layer's output explodes or dies."""
    weights = {}
    for place, (name, old) in enumerate(sorted(model.state_dict().items())):
        wave = formula(old.shape, float(place))
        if name.endswith("running_var") or (".bn" in name and name.endswith("weight")):
            wave = 1 + 0.5 * wave
        elif name.endswith("num_batches_tracked"):
            wave = torch.zeros(())
        elif name == "saliency.weight":
            wave = wave.abs()
        elif old.ndim > 1:
            wave = wave * math.sqrt(3 / math.prod(old.shape[1:]))
        else:
            wave = wave * 0.1
        weights[name] = wave.to(old.dtype)
    return weights


def formula_clip() -> tuple[torch.Tensor, torch.Tensor]:
    size = torch.Size([1, 3, 16, 64, 64])
    return formula(size, 0.5).float(), formula(size, 1.5).float()


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


def test_the_public_code_gives_the_same_map_from_the_same_weights():
    model = models.build("dave").eval()
    model.load_state_dict(formula_weights(model))
    with torch.no_grad():
        saliency = model(*formula_clip())[0]
    for cell, expected in PUBLIC_CELLS.items():
        assert saliency[cell].item() == pytest.approx(expected, rel=2e-5)
    assert saliency.sum().item() == pytest.approx(PUBLIC_SUM, rel=2e-5)


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


def test_the_registry_itself_needs_no_torch():
    code = "import sys, pipeline.models as m; m.names(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
