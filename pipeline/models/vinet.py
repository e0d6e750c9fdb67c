"""ViNet: an S3D encoder and a decoder that folds four depths of its features into one map; pictures only.

Conventions
-----------
Input and output as in `pipeline.models`; the map has the pictures' size and ends in a sigmoid, so it lies in 0 … 1.
`width` is S3D's. Parameters carry the names of the published checkpoints (backbone.base1 …, decoder.convtsp1 …).

Source
------
Jain et al. 2021, arXiv 2012.06170, sec. III; structure and names read in samyak0210/ViNet.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipeline.errors import ModelError
from pipeline.models import Wants
from pipeline.models.inputs import check_video
from pipeline.models.s3d import PAPER_WIDTH, S3d, scaled

CELL_PX = 32  # one cell of the deepest features is 32 × 32 pixels of the picture
FRAMES = 32
SIZE = (224, 384)

# Frames of the last two foldings in time, by the length of the clip; 1 is none, and then the layer is not there.
LAST_FOLDS = {8: (1, 1), 16: (2, 1), 32: (2, 2), 48: (2, 3)}


def check_size(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width as a pair; ModelError if they are not positive multiples of 32."""
    if len(size) != 2 or any(px < 1 or px % CELL_PX for px in size):
        raise ModelError(
            f"size is {tuple(size)}; expected height and width, multiples of {CELL_PX}.",
            remedy=f"The paper's is {SIZE}.",
        )
    return size[0], size[1]


def _fold(channels_in: int, channels: int, frames: int) -> nn.Conv3d:
    """3 × 3 in space; every `frames` cells of time become one."""
    return nn.Conv3d(channels_in, channels, (frames, 3, 3), stride=(frames, 1, 1), padding=(0, 1, 1), bias=False)


def _larger() -> nn.Upsample:
    """Twice the height and width, trilinear; time stays."""
    return nn.Upsample(scale_factor=(1, 2, 2), mode="trilinear")


class Decoder(nn.Module):
    """From the deepest features to the map; before each folding the next shallower features join along time.

    Parameters
    ----------
    frames : int
        Of the clip: 8, 16, 32 or 48. The deepest features have an eighth of them, and that length is kept up to the
        last two foldings.
    width : int
        S3D's.
    """

    def __init__(self, frames: int, width: int):
        super().__init__()
        deepest, second, third, fourth, fifth, last = (scaled(n, width) for n in (1024, 832, 480, 192, 64, 32))
        near_end, end = LAST_FOLDS[frames]
        self.convtsp1 = nn.Sequential(_fold(deepest, second, 1), nn.ReLU(inplace=True), _larger())
        self.convtsp2 = nn.Sequential(_fold(second, third, 3), nn.ReLU(inplace=True), _larger())
        self.convtsp3 = nn.Sequential(_fold(third, fourth, 5), nn.ReLU(inplace=True), _larger())
        layers = [
            _fold(fourth, fifth, 5), nn.ReLU(inplace=True), _larger(),
            _fold(fifth, last, near_end), nn.ReLU(inplace=True), _larger(),
        ]  # fmt: skip
        if end > 1:  # the published decoder for 48 frames has a bias here, the one for 32 has none
            in_time = nn.Conv3d(last, last, (end, 1, 1), stride=(end, 1, 1), bias=frames == 48)
            layers += [in_time, nn.ReLU(inplace=True)]
        self.convtsp4 = nn.Sequential(*layers, nn.Conv3d(last, 1, 1), nn.Sigmoid())

    def forward(self, first: Tensor, second: Tensor, third: Tensor, fourth: Tensor) -> Tensor:
        """Map [batch, height, width] of the encoder's features, the deepest first."""
        volume = self.convtsp1(first)
        volume = self.convtsp2(torch.cat((volume, second), dim=2))
        volume = self.convtsp3(torch.cat((volume, third), dim=2))
        return self.convtsp4(torch.cat((volume, fourth), dim=2))[:, 0, 0]


class ViNet(nn.Module):
    """The visual model.

    Parameters
    ----------
    frames : int
        Of a clip: 32 (the paper), 8, 16 or 48; each has its own decoder.
    size : (int, int)
        Height and width of the pictures and of the map, multiples of 32. The layers do not depend on it.
    width : int
        Channels after S3D's first convolution; 64 is the paper's (31.1 M parameters).
    """

    def __init__(self, frames: int = FRAMES, size: tuple[int, int] = SIZE, width: int = PAPER_WIDTH):
        super().__init__()
        if frames not in LAST_FOLDS:
            known = ", ".join(str(length) for length in LAST_FOLDS)
            raise ModelError(f"frames is {frames}; expected one of {known}.", remedy="Each length has its own decoder.")
        size = check_size(size)
        self.wants = Wants(frames=frames, size=size, normalisation="imagenet", audio="none", map_size=size)
        self.backbone = S3d(width)
        self.decoder = Decoder(frames, width)

    def forward(self, video: Tensor, audio: Tensor | None = None) -> Tensor:
        """Saliency maps [batch, height, width] of clips; `audio` is ignored.

        Raises
        ------
        ModelError
            If the clips have another length, or their height and width are not multiples of 32.
        """
        check_video("vinet", video, self.wants.frames, CELL_PX)
        return self.decoder(*self.backbone(video))
