"""3D ResNet-18 with parameter-free shortcuts (type A): both streams of DAVE.

Conventions
-----------
Volumes are [batch, channels, time, height, width]. `width` is the number of channels after the first
convolution, 64 in the papers; the four groups of blocks have width, 2, 4 and 8 × width channels.
Parameters carry the names of the published checkpoints (conv1, bn1, layer1.0.conv1 …, fc_new).

Source
------
Hara, Kataoka & Satoh 2018 ("Can Spatiotemporal 3D CNNs Retrace the History of 2D CNNs and ImageNet?");
He et al. 2016, sec. 3.3 (shortcut A: identity, extra channels are zero).
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


def shortcut_a(volume: Tensor, channels: int, stride: int, gradient: bool = True) -> Tensor:
    """Keep every `stride`-th cell in time, height and width; fill up with zero channels.

    `gradient=False` cuts the gradient, as the public code does (it copies `.data`): there the
    three groups that change size learn as if they had no shortcut.
    """
    kept = volume[:, :, ::stride, ::stride, ::stride]
    if not gradient:
        kept = kept.detach()
    return functional.pad(kept, (0, 0, 0, 0, 0, 0, 0, channels - kept.shape[1]))


class BasicBlock(nn.Module):
    """Two 3 × 3 × 3 convolutions with batch normalisation, added to a shortcut."""

    def __init__(self, channels_in: int, channels: int, stride: int, shortcut_gradient: bool):
        super().__init__()
        self.conv1 = nn.Conv3d(channels_in, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm3d(channels)
        self.conv2 = nn.Conv3d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm3d(channels)
        self.stride = stride
        self.shortcut_gradient = shortcut_gradient

    def forward(self, volume: Tensor) -> Tensor:
        channels = self.bn2.num_features
        shortcut = volume
        if self.stride != 1 or volume.shape[1] != channels:
            shortcut = shortcut_a(volume, channels, self.stride, self.shortcut_gradient)
        out = functional.relu(self.bn1(self.conv1(volume)), inplace=True)
        out = self.bn2(self.conv2(out))
        return functional.relu(out + shortcut, inplace=True)


def _group(channels_in: int, channels: int, stride: int, shortcut_gradient: bool) -> nn.Sequential:
    """Two blocks; the first one changes the size."""
    return nn.Sequential(
        BasicBlock(channels_in, channels, stride, shortcut_gradient),
        BasicBlock(channels, channels, 1, shortcut_gradient),
    )


class ResNet3d(nn.Module):
    """The feature part of a 3D ResNet-18.

    Time shrinks 8-fold after the pooling, height and width 32-fold: 16 × 256 × 320 becomes 1 × 8 × 10.

    Parameters
    ----------
    classes : int
        Size of `fc_new`, the classifier that the published checkpoints carry and DAVE never calls.
        It is kept, frozen, so that checkpoints load strictly in both directions.
    width : int
        Channels after the first convolution.
    shortcut_gradient : bool
        False reproduces the public code, see `shortcut_a`.
    """

    def __init__(self, classes: int, width: int = 64, shortcut_gradient: bool = True):
        super().__init__()
        self.conv1 = nn.Conv3d(3, width, 7, stride=(1, 2, 2), padding=3, bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.layer1 = _group(width, width, 1, shortcut_gradient)
        self.layer2 = _group(width, 2 * width, 2, shortcut_gradient)
        self.layer3 = _group(2 * width, 4 * width, 2, shortcut_gradient)
        self.layer4 = _group(4 * width, 8 * width, 2, shortcut_gradient)
        self.fc_new = nn.Linear(8 * width, classes).requires_grad_(False)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward(self, volume: Tensor) -> Tensor:
        """Features [batch, 8 × width, time/16, height/32, width/32] of a volume [batch, 3, time, height, width]."""
        out = functional.relu(self.bn1(self.conv1(volume)), inplace=True)
        out = functional.max_pool3d(out, 3, stride=2, padding=1)
        return self.layer4(self.layer3(self.layer2(self.layer1(out))))
