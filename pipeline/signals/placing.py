"""Where decoded sound belongs in time: gaps become silence, jitter stays harmless.

Conventions
-----------
Everything is counted in samples. A decoder hands out sound in blocks, each with a time stamp. Within
an unbroken track `time stamp - samples before the block` (the *shift*) is one constant; it changes where
sound is missing. It also jitters where nothing is missing: Vorbis in WebM stamps blocks up to 11 ms
early or late when its window length switches, recorders round to milliseconds. Moving sound at every
deviation would tear such tracks apart, ignoring all below 100 ms (what ffmpeg's `aresample=async=1` does) lets
sound be late by three frames. So the shift is smoothed by a running median, which keeps steps sharp.
"""

from __future__ import annotations

import itertools

import numpy as np
from scipy.ndimage import median_filter

MAX_DRIFT_S = 0.004  # a steady shift by more moves the sound; below lies the rounding of containers, 1 ms
JUMP_S = 0.1  # no jitter is this large: such a change of shift is a gap at once
MEDIAN_BLOCKS = 31  # odd; about 0.7 s of AAC. The jitter seen in real files lasts up to 8 blocks
MAX_GAP_S = 600.0  # a longer silence is a broken time stamp, and would fill the memory


def place_blocks(
    samples: np.ndarray, starts: np.ndarray, lengths: np.ndarray, *, first: int, rate_hz: int
) -> np.ndarray:
    """Lay decoded blocks out on the clock.

    Parameters
    ----------
    samples : ndarray, shape (n,), float32
        The blocks' samples in the order they were decoded.
    starts : ndarray, shape (blocks,), int64
        Time stamp of each block.
    lengths : ndarray, shape (blocks,), int64
        Samples of each block; they sum to n.
    first : int
        Clock time of the first sample of the result; may be negative.
    rate_hz : int

    Returns
    -------
    placed : ndarray, shape (m,), float32
        Zero where the clock is past `first` but no block has sound; what lies before `first` is cut.

    Raises
    ------
    ValueError
        If time stamps jump back by more than 0.1 s or ahead by more than 600 s.
    """
    if not len(starts):
        return np.zeros(0, np.float32)
    ends = np.cumsum(lengths)
    shift = steady_shift(starts - (ends - lengths), rate_hz)
    cuts = np.flatnonzero(np.diff(shift)) + 1
    edges = [0, *cuts.tolist(), len(starts)]
    changes = np.diff(shift[edges[:-1]]) / rate_hz
    if len(changes) and (changes.min() < -JUMP_S or changes.max() > MAX_GAP_S):
        raise ValueError(f"time stamps jump by {changes.min():+.3f} s to {changes.max():+.3f} s")
    placed = np.zeros(max(0, int((ends + shift).max(initial=first)) - first), np.float32)
    for head, tail in itertools.pairwise(edges):
        begin, end = ends[head] - lengths[head], ends[tail - 1]
        at = int(begin + shift[head] - first)
        part = samples[begin:end][max(0, -at) :]
        placed[max(0, at) : max(0, at) + len(part)] = part
    return placed


def steady_shift(shift: np.ndarray, rate_hz: int) -> np.ndarray:
    """Smooth the shift of each block into a step function without jitter.

    Parameters
    ----------
    shift : ndarray, shape (blocks,), int64, blocks > 0
        Time stamp minus samples before the block.
    rate_hz : int

    Returns
    -------
    steady : ndarray, shape (blocks,), int64
        Constant but for jumps and for drifts of more than `MAX_DRIFT_S`.

    Examples
    --------
    >>> steady_shift(np.array([0, 0, 400, 0, 0, 9000, 9000]), 44100).tolist()
    [0, 0, 0, 0, 0, 9000, 9000]
    """
    runs = np.split(shift, np.flatnonzero(np.abs(np.diff(shift)) >= JUMP_S * rate_hz) + 1)
    steady = np.concatenate([median_filter(run, size=MEDIAN_BLOCKS, mode="nearest") for run in runs])
    held = steady[0]
    for block, now in enumerate(steady):
        if abs(now - held) > MAX_DRIFT_S * rate_hz:
            held = now
        steady[block] = held
    return steady
