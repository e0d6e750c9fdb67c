"""What goes into a model: is it what the model wants, and an example of it.

Conventions
-----------
Shapes as in `pipeline.models`. A wrong input is a ModelError that says what came and what was expected.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.errors import ModelError
from pipeline.models import Wants, Waveform

EXAMPLE = (64, 64)  # a log-mel example: steps, bands


def check_video(name: str, video: Tensor, frames: int, cell_px: int) -> None:
    """Refuse clips of another length, or whose height and width are no multiples of `cell_px`.

    Raises
    ------
    ModelError
        With the shape that came and the one expected.
    """
    if video.ndim == 5 and video.shape[1:3] == (3, frames) and not any(px % cell_px for px in video.shape[3:]):
        return
    raise ModelError(
        f"{name}: video is {list(video.shape)}; expected [batch, 3, {frames}, height, width] "
        f"with height and width multiples of {cell_px}.",
        remedy=f"Read clips with frames={frames} of pictures whose sides {cell_px} px divide.",
        code="clip-shape",
    )


def check_logmel(name: str, audio: Tensor, frames: int) -> None:
    """Refuse sound that is not one log-mel example per frame on three channels.

    Raises
    ------
    ModelError
        With the shape that came and the one expected.
    """
    if tuple(audio.shape[1:]) != (3, frames, *EXAMPLE):
        raise ModelError(
            f"{name}: audio is {list(audio.shape)}; expected [batch, 3, {frames}, {EXAMPLE[0]}, {EXAMPLE[1]}].",
            remedy=f"Read clips with frames={frames}; their log-mel examples have 64 steps of 64 bands.",
            code="clip-shape",
        )


def as_column(name: str, audio: Tensor, samples: int) -> Tensor:
    """Waveforms as one column each: [batch, 1, samples, 1], the form SoundNet's convolutions take.

    Parameters
    ----------
    name : str
        Of the model, for the message.
    audio : Tensor, shape (batch, samples)
        Axes of length 1 may be among them.
    samples : int
        The length that is expected.

    Raises
    ------
    ModelError
        If the waveforms are of another length, or several channels.
    """
    if audio.ndim < 2 or max(audio.shape[1:]) != samples or audio[0].numel() != samples:
        raise ModelError(
            f"{name}: audio is {list(audio.shape)}; expected waveforms [batch, {samples}].",
            remedy="Cut the sound as `wants.waveform` says: mono, at its rate, padded with zeros.",
            code="clip-shape",
        )
    return audio.reshape(len(audio), 1, samples, 1)


def example_shapes(wants: Wants, batch: int = 1) -> tuple[Sequence[int], Sequence[int]]:
    """Shapes of the video and the audio that a model wants; `(batch, 0)` for what it does not."""
    video = (batch, 3, wants.frames, *wants.size) if wants.frames else (batch, 0)
    if wants.audio == "logmel":
        return video, (batch, 3, wants.frames, *EXAMPLE)
    form: Waveform | None = wants.waveform
    return video, (batch, form.samples if form else 0)


def example(wants: Wants, batch: int = 1, device: str = "cpu") -> tuple[Tensor, Tensor]:
    """A silent black (video, audio) of the form a model wants, to try it or to measure it."""
    video, audio = example_shapes(wants, batch)
    return torch.zeros(video, device=device), torch.zeros(audio, device=device)
