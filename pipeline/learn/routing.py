"""DAVE's dynamic routing: now clips with their sound, now still images that bypass sound and mixing layer.

Conventions
-----------
A still image is repeated into a volume as long as a clip. On its way the sound stream and the mixing layer
(`combinedEmbedding`) are left out: the picture stream's 512 features go straight into the decoder, which takes as many.
What is left out gets no gradient and Adam does not touch it: it is frozen for that step.

Source
------
Tavakoli et al. 2020, sec. III ("dynamic routing" between the audio-visual and the image path).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset

from pipeline.export.clips import ClipStream
from pipeline.learn.maps import saliency_maps
from pipeline.learn.settings import TrainSettings
from pipeline.learn.shards import open_clips
from pipeline.learn.stills import StillImages


class Network(nn.Module):
    """A model as the loop calls it: clips with sound, or still images where there is no sound.

    Parameters
    ----------
    model : nn.Module
        One of `pipeline.models`; DAVE if still images are to come.
    scale : int
        See `TrainSettings`.
    """

    def __init__(self, model: nn.Module, scale: int):
        super().__init__()
        self.model, self.scale = model, scale

    def forward(self, video: Tensor, audio: Tensor | None) -> Tensor:
        """Saliency maps of clips [batch, 3, frames, height, width], or of pictures [batch, 3, 1, height, width]."""
        if audio is not None:
            return saliency_maps(self.model, video, audio, self.scale)
        wants: Any = self.model.wants
        volume = video.expand(-1, -1, wants.frames, -1, -1)
        return saliency_maps(_ImagePath(self.model), volume, video, self.scale)


class _ImagePath:
    """DAVE without its sound and mixing layer, called like the model itself."""

    def __init__(self, dave: Any):
        self._dave, self.wants = dave, dave.wants

    def __call__(self, video: Tensor, _audio: Tensor) -> Tensor:
        dave = self._dave
        features = dave.video_branch(video)[:, :, 0]
        logits = dave.saliency(dave.upscale2(dave.upscale1(features)))[:, 0]
        return functional.relu(logits) if dave.mep is None else dave.mep(logits)


def open_stills(
    folder: Path | None, shards: Mapping[str, Path], settings: TrainSettings, wants: Any
) -> ClipStream | Dataset:
    """Still images for the image epochs: of a folder in SALICON layout, else single frames of the training clips."""
    if folder is not None:
        return StillImages(folder, "train", size=wants.size, map_size=wants.map_size, normalise=wants.normalisation)
    return open_clips(shards, "train", settings, wants, frames=1, stride=settings.every, shuffle=True)
