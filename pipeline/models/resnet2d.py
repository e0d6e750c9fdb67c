"""2D ResNet-18 with parameter-free shortcuts (type A): what the 3D sound stream of DAVE is compared with.

Conventions
-----------
Pictures are [batch, channels, height, width]; everything else is as in `pipeline.models.resnet3d`, with an axis less.

Source
------
He et al. 2016, "Deep residual learning for image recognition", sec. 3.3; Tavakoli et al. 2020, sec. III.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class BasicBlock2d(nn.Module):
    """Two 3 × 3 convolutions with batch normalisation, added to a shortcut."""

    def __init__(self, channels_in: int, channels: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.stride = stride

    def forward(self, picture: Tensor) -> Tensor:
        channels = self.bn2.num_features
        kept = picture[:, :, :: self.stride, :: self.stride]
        shortcut = functional.pad(kept, (0, 0, 0, 0, 0, channels - kept.shape[1]))
        out = functional.relu(self.bn1(self.conv1(picture)), inplace=True)
        out = self.bn2(self.conv2(out))
        return functional.relu(out + shortcut, inplace=True)


class ResNet2d(nn.Module):
    """The feature part of a 2D ResNet-18; height and width shrink 32-fold.

    Parameters
    ----------
    classes : int
        Size of `fc_new`, the classifier; `forward` does not call it.
    width : int
        Channels after the first convolution.
    """

    def __init__(self, classes: int, width: int = 64):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        groups = [(width, width, 1), (width, 2 * width, 2), (2 * width, 4 * width, 2), (4 * width, 8 * width, 2)]
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            nn.Sequential(BasicBlock2d(channels_in, channels, stride), BasicBlock2d(channels, channels, 1))
            for channels_in, channels, stride in groups
        )
        self.fc_new = nn.Linear(8 * width, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward(self, picture: Tensor) -> Tensor:
        """Features [batch, 8 × width, height/32, width/32] of pictures [batch, 3, height, width]."""
        out = functional.relu(self.bn1(self.conv1(picture)), inplace=True)
        out = functional.max_pool2d(out, 3, stride=2, padding=1)
        return self.layer4(self.layer3(self.layer2(self.layer1(out))))
