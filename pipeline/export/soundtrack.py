"""The sound of a whole stimulus, put together again from its samples, so that another sound can be heard at any frame.

Conventions
-----------
Those of `sample`: steps of 10 ms and samples of the waveform are counted from 0 s, the first picture; frames from 0.
A clip of `frames` frames ends at its target frame and begins with frame 0 at the earliest, which then repeats.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from pipeline.export.reader import ShardSet
from pipeline.export.sample import Head
from pipeline.signals.audio import EXAMPLE_STEPS, HOP_S, SILENCE
from pipeline.signals.waveform import Waveform, heard, sample_range


@dataclass(frozen=True)
class Soundtrack:
    """What is heard with one stimulus.

    Attributes
    ----------
    stimulus : str
    rate : Fraction
        Frames per second.
    times_s : ndarray, shape (n_frames,)
        Presentation times.
    example_step : ndarray, shape (n_frames,)
        Step at which each frame's log-mel example starts.
    logmel : ndarray, shape (T, bands), float32
        Steps from 0 s on, those that an example touches; silence where none does.
    waveform : ndarray, shape (n,), float32
        Samples from 0 s on, as far as the shards hold them; empty where they hold none.
    rate_hz : int
        Of the waveform; 0 where there is none.
    """

    stimulus: str
    rate: Fraction
    times_s: NDArray[np.float64]
    example_step: NDArray[np.int64]
    logmel: NDArray[np.float32]
    waveform: NDArray[np.float32]
    rate_hz: int

    def examples(self, frame: int, frames: int, shift_s: float = 0.0) -> NDArray[np.float32]:
        """Log-mel examples of the clip that ends at a frame, shape (frames, 64, bands).

        With a shift, what is heard at t is the sound of t + shift_s; silence beyond both ends.
        """
        starts = self.example_step[self._clip(frame, frames)] + round(shift_s / HOP_S)
        steps = starts[:, None] + np.arange(EXAMPLE_STEPS)
        examples = np.full((frames, EXAMPLE_STEPS, self.logmel.shape[1]), SILENCE, np.float32)
        inside = (steps >= 0) & (steps < len(self.logmel))
        examples[inside] = self.logmel[steps[inside]]
        return examples

    def heard(self, frame: int, frames: int, form: Waveform, shift_s: float = 0.0) -> NDArray[np.float32]:
        """The waveform of the clip that ends at a frame, shape (form.samples,); a shift as in `examples`."""
        first, last = self.times_s[self._clip(frame, frames)[[0, -1]]] + shift_s
        return heard(self.waveform, 0, sample_range(first, last, self.rate, form.rate_hz), form)

    def with_sound(self, logmel: NDArray[np.float32], waveform: NDArray[np.float32]) -> Soundtrack:
        """The same frames with another sound."""
        return replace(self, logmel=logmel, waveform=waveform)

    def _clip(self, frame: int, frames: int) -> NDArray[np.intp]:
        return np.maximum(np.arange(frame - frames + 1, frame + 1), 0)


def soundtracks(shards: ShardSet) -> Iterator[Soundtrack]:
    """The soundtrack of one stimulus after another, in the order of the shards."""
    for _, numbers in itertools.groupby(range(len(shards)), key=lambda number: shards.entries[number].row["stimulus"]):
        yield _joined([shards.head(number) for number in numbers])


def _joined(heads: list[Head]) -> Soundtrack:
    """Target frames make up the stimulus; the pieces of sound overlap and agree where they do."""
    facts = heads[0].facts
    n_steps = max(head.facts.first_step + len(head.logmel) for head in heads)
    n_samples = max(head.facts.first_sample + len(head.waveform) for head in heads)
    logmel = np.full((n_steps, heads[0].logmel.shape[1]), SILENCE, np.float32)
    waveform = np.zeros(n_samples, np.float32)
    for head in heads:
        logmel[head.facts.first_step :][: len(head.logmel)] = head.logmel
        waveform[head.facts.first_sample :][: len(head.waveform)] = head.waveform
    return Soundtrack(
        facts.stimulus,
        Fraction(facts.rate_num, facts.rate_den),
        np.concatenate([head.times_s[head.facts.n_lead_in :] for head in heads]),
        np.concatenate([head.example_step[head.facts.n_lead_in :] for head in heads]),
        logmel,
        waveform,
        facts.waveform_rate_hz,
    )
