"""In which order clips come, and who gets which: pure functions of (seed, epoch, rank, worker).

Conventions
-----------
A *clip* is a number from 0 to n − 1 in the order of the shards. An epoch's *plan* is a permutation of all
clips; a *position* is a place in the plan. Ranks take contiguous shares of the plan and workers contiguous
shares of their rank's, so that no clip is given out twice or forgotten, however the numbers divide.
A shuffled plan visits samples in random order, a few at a time, and mixes the clips of those few: neighbours
in a batch differ, yet every picture is decoded once per reader. The random keys are raw PCG64 output, which
NumPy promises to keep, so a plan is the same on every machine and version.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray


def epoch_plan(
    sample_of_clip: NDArray[np.int64], *, seed: int, epoch: int, shuffle: bool, mix: int
) -> NDArray[np.int64]:
    """The order of an epoch.

    Parameters
    ----------
    sample_of_clip : ndarray, shape (n,)
        The sample each clip lies in, from 0.
    seed, epoch : int
        At least 0; equal pairs give equal plans.
    shuffle : bool
        False gives the order of the shards, whatever the seed.
    mix : int
        Samples whose clips are mixed with one another, at least 1.

    Returns
    -------
    plan : ndarray, shape (n,), int64
        Clip at each position.
    """
    n_clips = len(sample_of_clip)
    if not shuffle or n_clips == 0:
        return np.arange(n_clips)
    source = np.random.PCG64(np.random.SeedSequence([seed, epoch]))
    sample_keys = source.random_raw(int(sample_of_clip.max()) + 1)
    group_of_sample = np.argsort(np.argsort(sample_keys, kind="stable"), kind="stable") // mix
    return np.lexsort((source.random_raw(n_clips), group_of_sample[sample_of_clip]))


def share(n: int, part: int, parts: int) -> tuple[int, int]:
    """Start and stop of one of `parts` contiguous shares of n things; sizes differ by one at most.

    Examples
    --------
    >>> [share(10, part, 4) for part in range(4)]
    [(0, 2), (2, 5), (5, 7), (7, 10)]
    """
    return n * part // parts, n * (part + 1) // parts


def rank_share(n: int, rank: int, world_size: int, *, even: bool) -> tuple[int, int]:
    """Start and stop of a rank's share of the plan.

    With `even` all ranks get equally many, as ranks that step together need; the last n % world_size
    positions of the plan (other clips in every shuffled epoch) are then left out.
    """
    if even:
        return rank * (n // world_size), (rank + 1) * (n // world_size)
    return share(n, rank, world_size)


def to_runs(pending: NDArray[np.bool_]) -> list[list[int]]:
    """Write a yes/no list as [start, stop] of its runs of yes.

    Examples
    --------
    >>> to_runs(np.array([True, True, False, True]))
    [[0, 2], [3, 4]]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], pending, [False]]).astype(np.int8)))
    return edges.reshape(-1, 2).tolist()


def from_runs(runs: Iterable[Sequence[int]], n: int) -> NDArray[np.bool_]:
    """The inverse of `to_runs`."""
    pending = np.zeros(n, bool)
    for start, stop in runs:
        pending[start:stop] = True
    return pending
