"""Clips with another sound than their own: what the audio audit lets a model hear.

Conventions
-----------
A *condition* changes the sound and nothing else: pictures, frames and truth stay. `CONDITIONS` names them all. Shifts
are seconds: with "shifted +0.5 s" the sound of a moment half a second later is heard. Everything that chance decides
follows from the seed and the stimulus's name.

Source
------
Jain et al. 2021, who let AViNet hear silence and noise instead of its own sound; the other conditions are ours. Phase
scrambling keeps the amplitude spectrum of the whole soundtrack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import IterableDataset

from pipeline.errors import ModelError
from pipeline.export.clips import Clip, ClipStream
from pipeline.export.reader import ShardSet
from pipeline.export.soundtrack import Soundtrack, soundtracks
from pipeline.signals.audio import SILENCE, log_mel

ORIGINAL, SCRAMBLED = "original", "phase-scrambled"
SHIFTS_S = (-2.0, -1.0, -0.5, 0.5, 1.0, 2.0)

Tracks = Mapping[str, Soundtrack]


def _unchanged(tracks: Tracks, _seed: int) -> Tracks:
    return tracks


def _muted(tracks: Tracks, _seed: int) -> Tracks:
    return {
        name: track.with_sound(np.full_like(track.logmel, SILENCE), np.zeros_like(track.waveform))
        for name, track in tracks.items()
    }


def _swapped(tracks: Tracks, _seed: int) -> Tracks:
    """Each with the sound of the next video, at the same time; one that is shorter begins again."""
    names = list(tracks)
    changed = {}
    for name, other in zip(names, [*names[1:], *names[:1]], strict=True):
        own, theirs = tracks[name], tracks[other]
        changed[name] = own.with_sound(
            _as_long_as(own.logmel, theirs.logmel), _as_long_as(own.waveform, theirs.waveform)
        )
    return changed


def _scrambled(tracks: Tracks, seed: int) -> Tracks:
    """Each with random phases: the spectrum of the whole stays, speech and events are gone."""
    return {name: _with_random_phases(track, seed) for name, track in tracks.items()}


CONDITIONS: Mapping[str, Callable[[Tracks, int], Tracks]] = {
    ORIGINAL: _unchanged,
    "muted": _muted,
    "swapped": _swapped,
    **{f"shifted {shift_s:+g} s": _unchanged for shift_s in SHIFTS_S},
    SCRAMBLED: _scrambled,
}
_SHIFTS = {f"shifted {shift_s:+g} s": shift_s for shift_s in SHIFTS_S}


class OtherSound(IterableDataset[Clip]):
    """The clips of a stream, in its order, with the sound of one of the `CONDITIONS`.

    Parameters
    ----------
    clips : ClipStream
    condition : str
    seed : int
        Of the phases.

    Raises
    ------
    ModelError
        If the condition cannot be made: one video has no other to swap with, or the shards hold no samples.
    """

    def __init__(self, clips: ClipStream, condition: str, seed: int = 0):
        self._clips, self._shift_s = clips, _SHIFTS.get(condition, 0.0)
        if why := why_not(condition, clips.shards):
            raise ModelError(f"Sound {condition!r}: {why[0]}", remedy=why[1], code="sound-condition")
        own = {track.stimulus: track for track in soundtracks(clips.shards)}
        self._tracks = CONDITIONS[condition](own, seed)

    def __iter__(self) -> Iterator[Clip]:
        form, frames = self._clips.waveform, self._clips.frames
        for clip in self._clips:
            track = self._tracks[clip["stimulus"]]
            if form is None:
                examples = track.examples(clip["frame"], frames, self._shift_s)
                audio: NDArray[Any] = np.repeat(examples[None], 3, axis=0)
            else:
                audio = track.heard(clip["frame"], frames, form, self._shift_s)
            yield {**clip, "audio": torch.from_numpy(audio)}


def why_not(condition: str, shards: ShardSet) -> tuple[str, str] | None:
    """Why a condition cannot be made of these shards, and what helps; None where it can.

    Raises
    ------
    KeyError
        If there is no such condition.
    """
    _ = CONDITIONS[condition]
    if condition == "swapped" and len({entry.row["stimulus"] for entry in shards.entries}) < 2:
        return "the split holds one video.", "Take a split of two videos or more."
    if condition == SCRAMBLED and not all(settings.get("waveform_rate_hz") for settings in shards.settings):
        return "the shards hold no samples of the sound.", "Build them with --waveform-rate-hz 16000."
    return None


def _as_long_as(own: NDArray, other: NDArray) -> NDArray:
    """The other sound, cut or begun again so that it lasts as long."""
    if not len(other):
        return np.full_like(own, SILENCE if own.ndim == 2 else 0)
    return other[np.arange(len(own)) % len(other)]


def _with_random_phases(track: Soundtrack, seed: int) -> Soundtrack:
    random = np.random.default_rng([seed, crc32(track.stimulus.encode())])
    spectrum = np.fft.rfft(track.waveform.astype(np.float64))
    turned = np.abs(spectrum) * np.exp(2j * np.pi * random.random(len(spectrum)))
    if len(turned):
        turned[0] = spectrum[0].real  # the mean has no phase
    samples = np.fft.irfft(turned, len(track.waveform)) if len(track.waveform) else track.waveform
    samples = (samples / max(1.0, float(np.abs(samples).max(initial=0)))).astype(np.float32)
    steps = np.full_like(track.logmel, SILENCE)
    made = log_mel(samples, track.rate_hz, bands=track.logmel.shape[1])[: len(steps)]
    steps[: len(made)] = made
    return replace(track, logmel=steps, waveform=samples)


def conditions_of(shards: ShardSet) -> tuple[Sequence[str], dict[str, str]]:
    """Which conditions these shards allow, and why not the others."""
    refused = {name: why[0] for name in CONDITIONS if (why := why_not(name, shards))}
    return [name for name in CONDITIONS if name not in refused], refused
