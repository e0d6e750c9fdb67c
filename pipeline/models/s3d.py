"""S3D: separable 3-D convolutions in Inception blocks; the picture encoder of ViNet.

Conventions
-----------
Volumes are [batch, channels, time, height, width]. `width` is the number of channels after the first convolution,
64 in the paper, and scales all the others; a multiple of 8, because the smallest block has 16 channels there.
The layers stand in four groups, `base1` to `base4`, and carry the names of ViNet's checkpoints. The published Kinetics
weights count the same layers through (`base.0` to `base.15`), see `pipeline.models.pretrained`.

Source
------
Xie et al. 2018 ("Rethinking Spatiotemporal Feature Learning"), arXiv 1712.04851; names read in kylemin/S3D and
samyak0210/ViNet.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.errors import ModelError

PAPER_WIDTH = 64
WIDTH_STEP = 8
STEM = (64, 192)  # channels of the first convolution and of the last of base1

# Channels of a block's four branches: 1 × 1 × 1; reduced, 3 × 3 × 3; reduced, 3 × 3 × 3; pooled and projected.
MIXED: dict[str, tuple[Sequence[int], ...]] = {
    "base2": ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
    "base3": (
        (192, 96, 208, 16, 48, 64), (160, 112, 224, 24, 64, 64), (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64), (256, 160, 320, 32, 128, 128),
    ),
    "base4": ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
}  # fmt: skip


def scaled(channels: int, width: int) -> int:
    """The paper's number of channels at another width."""
    return channels * width // PAPER_WIDTH


def check_width(width: int) -> None:
    """Refuse a width at which some layer would not have a whole number of channels."""
    if width < 1 or width % WIDTH_STEP:
        raise ModelError(
            f"width is {width}; expected a multiple of {WIDTH_STEP}.", remedy=f"The paper's is {PAPER_WIDTH}."
        )


def _norm(channels: int) -> nn.BatchNorm3d:
    return nn.BatchNorm3d(channels, eps=1e-3, momentum=1e-3)  # as the published weights were trained


class Unit(nn.Module):
    """1 × 1 × 1 convolution, batch normalisation, ReLU."""

    def __init__(self, channels_in: int, channels: int):
        super().__init__()
        self.conv = nn.Conv3d(channels_in, channels, 1, bias=False)
        self.bn = _norm(channels)

    def forward(self, volume: Tensor) -> Tensor:
        return functional.relu(self.bn(self.conv(volume)), inplace=True)


class SeparatedUnit(nn.Module):
    """A convolution in space and then one in time, each with batch normalisation and ReLU."""

    def __init__(self, channels_in: int, channels: int, kernel: int = 3, stride: int = 1):
        super().__init__()
        half = kernel // 2
        self.conv_s = nn.Conv3d(
            channels_in, channels, (1, kernel, kernel), (1, stride, stride), (0, half, half), bias=False
        )
        self.bn_s = _norm(channels)
        self.conv_t = nn.Conv3d(channels, channels, (kernel, 1, 1), (stride, 1, 1), (half, 0, 0), bias=False)
        self.bn_t = _norm(channels)

    def forward(self, volume: Tensor) -> Tensor:
        in_space = functional.relu(self.bn_s(self.conv_s(volume)), inplace=True)
        return functional.relu(self.bn_t(self.conv_t(in_space)), inplace=True)


class Mixed(nn.Module):
    """An Inception block: four branches side by side."""

    def __init__(self, channels_in: int, channels: Sequence[int]):
        super().__init__()
        straight, reduced_1, out_1, reduced_2, out_2, pooled = channels
        self.branch0 = nn.Sequential(Unit(channels_in, straight))
        self.branch1 = nn.Sequential(Unit(channels_in, reduced_1), SeparatedUnit(reduced_1, out_1))
        self.branch2 = nn.Sequential(Unit(channels_in, reduced_2), SeparatedUnit(reduced_2, out_2))
        self.branch3 = nn.Sequential(nn.MaxPool3d(3, stride=1, padding=1), Unit(channels_in, pooled))

    def forward(self, volume: Tensor) -> Tensor:
        return torch.cat([branch(volume) for branch in self.children()], dim=1)


def _joined(block: Sequence[int]) -> int:
    """Channels that a block of the paper's width gives: those of its four branches together."""
    straight, _, out_1, _, out_2, pooled = block
    return straight + out_1 + out_2 + pooled


def _group(channels_in: int, blocks: Sequence[Sequence[int]], width: int) -> nn.Sequential:
    """Blocks one after another; all numbers are the paper's."""
    inputs = [channels_in, *map(_joined, blocks)]
    return nn.Sequential(
        *(
            Mixed(scaled(into, width), [scaled(channels, width) for channels in block])
            for into, block in zip(inputs, blocks, strict=False)
        )
    )


class S3d(nn.Module):
    """The feature part of S3D, at four depths."""

    def __init__(self, width: int = PAPER_WIDTH):
        super().__init__()
        check_width(width)
        first, last = (scaled(channels, width) for channels in STEM)
        self.base1 = nn.Sequential(
            SeparatedUnit(3, first, kernel=7, stride=2),
            nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)),
            Unit(first, first),
            SeparatedUnit(first, last),
        )
        self.base2 = _group(STEM[1], MIXED["base2"], width)
        self.base3 = _group(_joined(MIXED["base2"][-1]), MIXED["base3"], width)
        self.base4 = _group(_joined(MIXED["base3"][-1]), MIXED["base4"], width)

    def forward(self, video: Tensor) -> list[Tensor]:
        """Features of [batch, 3, time, height, width], the deepest first.

        Returns
        -------
        list of Tensor
            1024, 832, 480 and 192 channels at the paper's width; time /8, /4, /2, /2; height, width /32, /16, /8, /4.
        """
        fourth = self.base1(video)
        third = self.base2(functional.max_pool3d(fourth, (1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)))
        second = self.base3(functional.max_pool3d(third, 3, stride=2, padding=1))
        first = self.base4(functional.max_pool3d(second, 2, stride=2))
        return [first, second, third, fourth]
