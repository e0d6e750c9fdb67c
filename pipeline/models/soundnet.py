"""SoundNet-8: features of a waveform; the sound encoder of AViNet, and a model on its own.

Conventions
-----------
The waveform is mono at 22,050 Hz with full scale at ±256, [batch, samples]. `width` is the number of channels after
the first convolution, 16 in the paper; the seventh has 64 times as many. All convolutions run along time only.
Parameters carry the names of the published PyTorch port (conv1 … conv7, batchnorm1 …, conv8_objs, conv8_scns). The
eighth layer, SoundNet's two classifiers, is never called there; it is kept, frozen, so that checkpoints load strictly.

Source
------
Aytar, Vondrick & Torralba 2016, arXiv 1610.09001, table 1; names read in keunhong/pytorch-soundnet, which
samyak0210/ViNet contains.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from pipeline.errors import ModelError
from pipeline.models import Wants, Waveform
from pipeline.models.inputs import as_column

PAPER_WIDTH = 16
OBJECTS, SCENES = 1000, 401

# Channels in multiples of the width, samples of the kernel, samples pooled into one (1: no pooling).
LAYERS = ((1, 64, 8), (2, 32, 8), (4, 16, 1), (8, 8, 1), (16, 4, 4), (32, 4, 1), (64, 4, 1))

FEWEST_SAMPLES = 4574  # give one step

# AViNet's: 32 frames at 10 per second, the slowest video its authors expected.
WAVEFORM = Waveform(rate_hz=22050, samples=70560, peak=256.0)


class SoundNet(nn.Module):
    """Seven convolutions over a waveform.

    Parameters
    ----------
    width : int
        Channels after the first convolution.
    samples : int
        Length of a waveform; 70,560 gives three steps of features.
    """

    def __init__(self, width: int = PAPER_WIDTH, samples: int = WAVEFORM.samples):
        super().__init__()
        if width < 1 or steps_of(samples) < 1:
            raise ModelError(
                f"width is {width}, samples {samples}; expected a positive width, and samples for at least one step.",
                remedy=f"The paper's width is {PAPER_WIDTH}; one step takes {FEWEST_SAMPLES:,} samples.",
            )
        form = Waveform(WAVEFORM.rate_hz, samples, WAVEFORM.peak)
        self.wants = Wants(0, (0, 0), "", "waveform", map_size=None, waveform=form)
        channels = 1
        for number, (multiple, kernel, _) in enumerate(LAYERS, start=1):
            layer = nn.Conv2d(channels, multiple * width, (kernel, 1), stride=(2, 1), padding=(kernel // 2, 0))
            channels = multiple * width
            self.add_module(f"conv{number}", layer)
            self.add_module(f"batchnorm{number}", nn.BatchNorm2d(channels))
        self.conv8_objs = nn.Conv2d(channels, OBJECTS, (8, 1), stride=(2, 1)).requires_grad_(False)
        self.conv8_scns = nn.Conv2d(channels, SCENES, (8, 1), stride=(2, 1)).requires_grad_(False)

    def forward(self, audio: Tensor) -> Tensor:
        """Features [batch, 64 × width, steps] of waveforms [batch, samples].

        Raises
        ------
        ModelError
            If the waveforms are of another length or have several channels.
        """
        assert self.wants.waveform is not None
        sound = as_column("soundnet", audio, self.wants.waveform.samples)
        for number, (_, _, pooled) in enumerate(LAYERS, start=1):
            sound = self.get_submodule(f"conv{number}")(sound)
            sound = functional.relu(self.get_submodule(f"batchnorm{number}")(sound), inplace=True)
            if pooled > 1:
                sound = functional.max_pool2d(sound, (pooled, 1))
        return sound[..., 0]


def steps_of(samples: int) -> int:
    """How many steps of features a waveform gives; 0 if it is too short for the layers.

    Examples
    --------
    >>> steps_of(70560)
    3
    """
    for _, _, pooled in LAYERS:  # kernels are even and padded by half, so only the stride counts
        samples = (samples // 2 + 1) // pooled
        if not samples:
            return 0
    return samples
