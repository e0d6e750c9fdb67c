"""DAVE: two 3D ResNet-18 streams, sound and picture, and a small decoder to a saliency map.

Conventions
-----------
Input and output as in `pipeline.models`. `width` is the base number of channels (64 in the paper); the text
below gives the paper's numbers. Parameters carry the names of the published checkpoint.

The paper's text and its released code differ; this follows the code. The decoder there declares batch
normalisations (`upscale1.bn`, `upscale2.bn`) and each stream a classifier (`fc_new`) that are never called:
they are kept, frozen, so that checkpoints load strictly in both directions.

Source
------
Tavakoli, Borji, Rahtu & Kannala 2019/2020, arXiv 1905.10693; structure and names read in hrtavakoli/DAVE.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.errors import ModelError
from pipeline.models import Wants, choose
from pipeline.models.resnet3d import ResNet3d

MODALITIES = ("av", "video", "audio")
FUSIONS = ("concat", "product", "sum")
FRAMES = 16  # the streams fold 16 frames into one
CELL_PX = 32  # one cell of a stream's features is 32 × 32 pixels of the picture


def _kaiming(convolution: nn.Conv2d) -> nn.Conv2d:
    """The same convolution with He's weights and no bias to start with."""
    nn.init.kaiming_normal_(convolution.weight)
    convolution.bias = nn.Parameter(torch.zeros(convolution.out_channels))
    return convolution


class ScaleUp(nn.Module):
    """Bilinear ×2, 3 × 3 convolution, ReLU."""

    def __init__(self, channels_in: int, channels: int):
        super().__init__()
        self.combine = _kaiming(nn.Conv2d(channels_in, channels, 3, padding=1))
        self.bn = nn.BatchNorm2d(channels).requires_grad_(False)  # declared in the public code, never called

    def forward(self, features: Tensor) -> Tensor:
        larger = functional.interpolate(features, scale_factor=2, mode="bilinear", align_corners=True)
        return functional.relu(self.combine(larger), inplace=True)


class Dave(nn.Module):
    """The audio-visual model and its one-stream versions.

    Parameters
    ----------
    modality : str
        "av" uses both streams, "video" and "audio" one (the other's input is ignored, its weights are not made).
    fusion : str
        How the streams meet: "concat" (the paper), "product" or "sum". Without meaning for one stream.
    width : int
        Base channels; 64 is the paper's (69.75 M parameters for "av").
    shortcut_gradient : bool
        False reproduces the public code, in which no gradient passes the shortcuts that change size.
    """

    wants = Wants(frames=FRAMES, size=(256, 320), normalisation="kinetics", audio="logmel", map_size=(32, 40))

    def __init__(
        self, modality: str = "av", fusion: str = "concat", width: int = 64, shortcut_gradient: bool = True
    ) -> None:
        super().__init__()
        self.modality = choose("modality", modality, MODALITIES)
        self.fusion = choose("fusion", fusion, FUSIONS)
        if width < 1:
            raise ModelError(f"width is {width}; expected a positive number of channels.", remedy="The paper's is 64.")
        if modality != "video":
            self.audio_branch = ResNet3d(classes=12, width=width, shortcut_gradient=shortcut_gradient)
        if modality != "audio":
            self.video_branch = ResNet3d(classes=400, width=width, shortcut_gradient=shortcut_gradient)
        meets = 2 if modality == "av" and fusion == "concat" else 1
        self.combinedEmbedding = _kaiming(nn.Conv2d(meets * 8 * width, 8 * width, 1))  # published name
        self.upscale1 = ScaleUp(8 * width, 8 * width)
        self.upscale2 = ScaleUp(8 * width, 2 * width)
        self.saliency = nn.Conv2d(2 * width, 1, 1)
        # The head ends in a ReLU. A map that starts all zero has no gradient and never learns, so it starts
        # nearly flat at one: the first loss is that of the uniform map.
        nn.init.normal_(self.saliency.weight, std=1e-2)
        self.saliency.bias = nn.Parameter(torch.ones(1))

    def forward(self, video: Tensor, audio: Tensor) -> Tensor:
        """Saliency maps [batch, height/8, width/8] of clips; shapes in the module's conventions.

        Raises
        ------
        ModelError
            If the clips are not 16 frames long or their height and width not multiples of 32.
        """
        features = self._embed(video, audio)
        features = functional.relu(self.combinedEmbedding(features), inplace=True)
        features = self.upscale2(self.upscale1(features))
        return functional.relu(self.saliency(features))[:, 0]

    def _embed(self, video: Tensor, audio: Tensor) -> Tensor:
        """Both streams' features, met: [batch, channels, height/32, width/32]."""
        height, width = video.shape[-2:]
        if video.shape[1:3] != (3, FRAMES) or height % CELL_PX or width % CELL_PX:
            raise ModelError(
                f"dave: video is {list(video.shape)}; expected [batch, 3, {FRAMES}, height, width] "
                f"with height and width multiples of {CELL_PX}.",
                remedy="Read clips with frames=16, and reduce pictures by 1, 2 or 4.",
            )
        if self.modality == "video":
            return self.video_branch(video)[:, :, 0]
        sound = self.audio_branch(audio).mean(dim=(2, 3, 4))[:, :, None, None]
        sound = sound.expand(-1, -1, height // CELL_PX, width // CELL_PX)
        if self.modality == "audio":
            return sound
        picture = self.video_branch(video)[:, :, 0]
        if self.fusion == "concat":
            return torch.cat((picture, sound), dim=1)  # picture first: the order of the published weights
        return picture * sound if self.fusion == "product" else picture + sound
