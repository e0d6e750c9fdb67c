"""AViNet: ViNet whose deepest features meet those of SoundNet-8 before the decoder.

Conventions
-----------
Input and output as in `pipeline.models`: 32 frames, the sound as a waveform; the map lies in 0 … 1. Numbers below are
the paper's: features of 1024 × 4 × 7 × 12 for the picture and 1024 × 3 for the sound. Parameters carry the names of the
published checkpoints (visual_model.backbone …, visual_model.decoder …, audionet …, bilinear …).

The public code has two fusions. "bilinear" takes, for each channel, the picture's cells (maximum over time, every
second column: 42) and the sound's 3 steps to 4 × 7 × 12 cells. "concat" brings both to 512 channels, lines all cells
and steps up as the tokens of one transformer, and puts the sound's mean beside each cell. `transformer` leaves the
transformer out of "concat", which is then plain concatenation, or puts one over 32 channels behind "bilinear", as the
public `use_transformer` does. A `bilinear` layer that "concat" never calls stays in its checkpoint, frozen.

Source
------
Jain et al. 2021, arXiv 2012.06170, sec. III; structure and names read in samyak0210/ViNet.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.errors import ModelError
from pipeline.models import Wants, choose
from pipeline.models.fusion import TokenTransformer
from pipeline.models.inputs import check_video
from pipeline.models.s3d import PAPER_WIDTH, scaled
from pipeline.models.soundnet import WAVEFORM, SoundNet, steps_of
from pipeline.models.vinet import CELL_PX, FRAMES, SIZE, ViNet, check_size

FUSIONS = ("bilinear", "concat")
CELLS_IN_TIME = FRAMES // 8
CHANNEL_TOKENS = 32  # channels over which the transformer behind "bilinear" runs


class AViNet(nn.Module):
    """The audio-visual model.

    Parameters
    ----------
    fusion : str
        "bilinear" (the default of the public code) or "concat".
    transformer : bool or None
        Whether a transformer mixes the fused features; None is what the public code does: only with "concat".
    size : (int, int)
        Height and width of the pictures and of the map, multiples of 32. Both fusions are built for one size.
    width : int
        Channels after S3D's first convolution; SoundNet has a quarter of them after its first.
    """

    def __init__(
        self,
        fusion: str = "bilinear",
        transformer: bool | None = None,
        size: tuple[int, int] = SIZE,
        width: int = PAPER_WIDTH,
    ):
        super().__init__()
        self.fusion = choose("fusion", fusion, FUSIONS)
        size = check_size(size)
        self.wants = Wants(FRAMES, size, "imagenet", "waveform", map_size=size, waveform=WAVEFORM)
        self.cells = (CELLS_IN_TIME, size[0] // CELL_PX, size[1] // CELL_PX)
        self.visual_model = ViNet(FRAMES, size, width)
        self.audionet = SoundNet(width // 4)
        time, height, columns = self.cells
        steps, n_cells, channels = steps_of(WAVEFORM.samples), time * height * columns, scaled(1024, width)
        self.bilinear = nn.Bilinear(height * ((columns + 1) // 2), steps, n_cells)
        self.transformer: TokenTransformer | None = None
        with_transformer = fusion == "concat" if transformer is None else transformer
        if fusion == "concat":
            self.bilinear.requires_grad_(False)  # never called
            self.conv_in_1x1 = nn.Conv3d(channels, channels // 2, 1)
            self.audio_conv_1x1 = nn.Conv2d(channels, channels // 2, 1)
            if with_transformer:
                self.transformer = TokenTransformer(channels // 2, n_cells + steps)
        elif with_transformer:
            self.conv_in_1x1 = nn.Conv3d(channels, CHANNEL_TOKENS, 1)
            self.conv_out_1x1 = nn.Conv3d(CHANNEL_TOKENS, channels, 1)
            self.transformer = TokenTransformer(n_cells, CHANNEL_TOKENS)

    def forward(self, video: Tensor, audio: Tensor) -> Tensor:
        """Saliency maps [batch, height, width] of clips and their waveforms.

        Raises
        ------
        ModelError
            If the clips are not 32 frames of the model's size, or the waveforms of another length.
        """
        check_video("avinet", video, FRAMES, CELL_PX)
        if tuple(video.shape[-2:]) != self.wants.size:
            raise ModelError(
                f"avinet: pictures are {list(video.shape[-2:])}; expected {list(self.wants.size)}, height and width.",
                remedy="Its fusion is built for one size: build the model with size=(height, width) of the pictures.",
                code="clip-shape",
            )
        sound = self.audionet(audio)
        deepest, *others = self.visual_model.backbone(video)
        fused = self._bilinear(deepest, sound) if self.fusion == "bilinear" else self._concat(deepest, sound)
        return self.visual_model.decoder(fused, *others)

    def _bilinear(self, picture: Tensor, sound: Tensor) -> Tensor:
        """Channel by channel, from the picture's cells and the sound's steps to [batch, channels, *cells]."""
        seen = functional.max_pool3d(picture, (CELLS_IN_TIME, 1, 1), stride=(2, 1, 2)).flatten(2)
        fused = self.bilinear(seen, sound).unflatten(2, self.cells)
        if self.transformer is None:
            return fused
        tokens = self.conv_in_1x1(fused).flatten(2).transpose(0, 1)
        return self.conv_out_1x1(self.transformer(tokens).transpose(0, 1).unflatten(2, self.cells))

    def _concat(self, picture: Tensor, sound: Tensor) -> Tensor:
        """Half the channels from the picture, half from the sound: [batch, channels, *cells]."""
        seen = self.conv_in_1x1(picture).flatten(2)
        heard = self.audio_conv_1x1(sound[..., None]).flatten(2)
        if self.transformer is not None:
            tokens = torch.cat((seen, heard), dim=2).permute(2, 0, 1)
            seen, heard = self.transformer(tokens).permute(1, 2, 0).split((seen.shape[2], heard.shape[2]), dim=2)
        everywhere = heard.mean(dim=2, keepdim=True).expand(-1, -1, seen.shape[2])
        return torch.cat((seen, everywhere), dim=1).unflatten(2, self.cells)
