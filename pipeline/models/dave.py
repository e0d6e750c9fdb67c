"""DAVE: two 3D ResNet-18 streams, sound and picture, and a small decoder to a saliency map.

Conventions
-----------
Input and output as in `pipeline.models`. `width` is the base number of channels (64 in the paper); the text
below gives the paper's numbers. Parameters carry the names of the published checkpoint.

The paper's text and its released code differ; `variant` chooses. "code" (the default) is what the published
checkpoint fits: the decoder declares batch normalisations (`upscale1.bn`, `upscale2.bn`) and each stream a
classifier (`fc_new`) that are never called, and the sound has 512 features. They are kept, frozen, so that checkpoints
load strictly in both directions. In "text" the decoder normalises and the sound has 1024 features. How the authors got
them out of a network that ends in 512 channels is not known to us; here one linear layer (`audio_features`) makes them.

With `mep` the mean eye position of the training split is added as in DeepGaze II: the head's numbers before its ReLU
plus a log-density, then a softmax, so that the map sums to 1. The bias is saved as `mep.log_density`.

Source
------
Tavakoli, Borji, Rahtu & Kannala 2019/2020, arXiv 1905.10693; structure and names read in hrtavakoli/DAVE.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.errors import ModelError
from pipeline.models import Wants, choose
from pipeline.models.bias import MeanEyePosition
from pipeline.models.fusion import join
from pipeline.models.inputs import check_logmel, check_video
from pipeline.models.resnet3d import ResNet3d

MODALITIES = ("av", "video", "audio")
FUSIONS = ("concat", "product", "sum")
VARIANTS = ("code", "text")
FRAMES = 16  # the streams fold 16 frames into one
CELL_PX = 32  # one cell of a stream's features is 32 × 32 pixels of the picture
MAP_SIZE = (32, 40)


def _kaiming(convolution: nn.Conv2d) -> nn.Conv2d:
    """The same convolution with He's weights and no bias to start with."""
    nn.init.kaiming_normal_(convolution.weight)
    convolution.bias = nn.Parameter(torch.zeros(convolution.out_channels))
    return convolution


class ScaleUp(nn.Module):
    """Bilinear ×2, 3 × 3 convolution, batch normalisation in the text's variant, ReLU."""

    def __init__(self, channels_in: int, channels: int, normalise: bool):
        super().__init__()
        self.combine = _kaiming(nn.Conv2d(channels_in, channels, 3, padding=1))
        self.bn = nn.BatchNorm2d(channels).requires_grad_(normalise)  # declared in the public code, never called there
        self.normalise = normalise

    def forward(self, features: Tensor) -> Tensor:
        larger = functional.interpolate(features, scale_factor=2, mode="bilinear", align_corners=True)
        combined = self.combine(larger)
        return functional.relu(self.bn(combined) if self.normalise else combined, inplace=True)


class Dave(nn.Module):
    """The audio-visual model and its one-stream versions.

    Parameters
    ----------
    modality : str
        "av" uses both streams, "video" and "audio" one (the other's input is ignored, its weights are not made).
    fusion : str
        How the streams meet: "concat" (the paper), "product" or "sum". Without meaning for one stream.
    variant : str
        "code" (the published checkpoint's) or "text", see the module; "text" goes with "concat" only.
    mep : bool
        Add the mean eye position; `model.mep.set_density` takes it, until then it is uniform.
    width : int
        Base channels; 64 is the paper's (69.75 M parameters for "av").
    shortcut_gradient : bool
        False reproduces the public code, in which no gradient passes the shortcuts that change size.
    """

    wants = Wants(frames=FRAMES, size=(256, 320), normalisation="kinetics", audio="logmel", map_size=MAP_SIZE)

    def __init__(
        self,
        modality: str = "av",
        fusion: str = "concat",
        variant: str = "code",
        mep: bool = False,
        width: int = 64,
        shortcut_gradient: bool = True,
    ) -> None:
        super().__init__()
        self.modality = choose("modality", modality, MODALITIES)
        self.fusion = choose("fusion", fusion, FUSIONS)
        as_written = choose("variant", variant, VARIANTS) == "text"
        _check_combination(modality, fusion, as_written, width)
        if modality == "video":
            self.wants = replace(self.wants, audio="none")
        seen = heard = 0
        self.audio_features: nn.Linear | None = None
        if modality != "video":
            self.audio_branch = ResNet3d(classes=12, width=width, shortcut_gradient=shortcut_gradient)
            heard = 8 * width
            if as_written:
                self.audio_features = nn.Linear(heard, 2 * heard)
                heard *= 2
        if modality != "audio":
            self.video_branch = ResNet3d(classes=400, width=width, shortcut_gradient=shortcut_gradient)
            seen = 8 * width
        channels = seen + heard if fusion == "concat" else seen or heard
        self.combinedEmbedding = _kaiming(nn.Conv2d(channels, 8 * width, 1))  # published name
        self.upscale1 = ScaleUp(8 * width, 8 * width, normalise=as_written)
        self.upscale2 = ScaleUp(8 * width, 2 * width, normalise=as_written)
        self.saliency = nn.Conv2d(2 * width, 1, 1)
        # The head ends in a ReLU. A map that starts all zero has no gradient and never learns, so it starts
        # nearly flat at one: the first loss is that of the uniform map.
        nn.init.normal_(self.saliency.weight, std=1e-2)
        self.saliency.bias = nn.Parameter(torch.ones(1))
        self.mep = MeanEyePosition(MAP_SIZE) if mep else None

    def forward(self, video: Tensor, audio: Tensor) -> Tensor:
        """Saliency maps [batch, height/8, width/8] of clips; shapes in the module's conventions.

        Raises
        ------
        ModelError
            If the clips are not 16 frames long, their height and width not multiples of 32, or the sound is not one
            log-mel example per frame.
        """
        features = self._embed(video, audio)
        features = functional.relu(self.combinedEmbedding(features), inplace=True)
        features = self.upscale2(self.upscale1(features))
        logits = self.saliency(features)[:, 0]
        return functional.relu(logits) if self.mep is None else self.mep(logits)

    def _embed(self, video: Tensor, audio: Tensor) -> Tensor:
        """Both streams' features, met: [batch, channels, height/32, width/32]."""
        check_video("dave", video, FRAMES, CELL_PX)
        if self.modality == "video":
            return self.video_branch(video)[:, :, 0]
        check_logmel("dave", audio, FRAMES)
        sound = self.audio_branch(audio).mean(dim=(2, 3, 4))
        if self.audio_features is not None:
            sound = self.audio_features(sound)
        height, width = video.shape[-2:]
        sound = sound[:, :, None, None].expand(-1, -1, height // CELL_PX, width // CELL_PX)
        if self.modality == "audio":
            return sound
        return join(self.video_branch(video)[:, :, 0], sound, self.fusion)


def _check_combination(modality: str, fusion: str, as_written: bool, width: int) -> None:
    """Refuse a width of no channels, and streams of unequal features that are to be added or multiplied."""
    if width < 1:
        raise ModelError(f"width is {width}; expected a positive number of channels.", remedy="The paper's is 64.")
    if as_written and modality == "av" and fusion != "concat":
        raise ModelError(
            f"fusion {fusion!r} needs as many features of sound as of picture; variant 'text' has 1024 and 512.",
            remedy="Use fusion='concat', or variant='code'.",
        )
