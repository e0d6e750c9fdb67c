"""Blocks of sound on the clock: gaps, cuts and jitter, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.signals.placing import MAX_DRIFT_S, place_blocks, steady_shift

HZ = 1000  # one sample is one millisecond


def place(starts: list[int], lengths: list[int], first: int = 0) -> np.ndarray:
    """Place the samples 1, 2, 3 … in blocks."""
    samples = np.arange(1, sum(lengths) + 1, dtype=np.float32)
    return place_blocks(samples, np.array(starts), np.array(lengths), first=first, rate_hz=HZ)


def test_unbroken_blocks_are_joined_as_they_are():
    assert place([0, 20, 40], [20, 20, 20]).tolist() == list(range(1, 61))


def test_sound_that_starts_late_is_preceded_by_silence():
    assert place([3], [2]).tolist() == [0, 0, 0, 1, 2]


def test_sound_before_the_start_is_cut():
    assert place([-2, 0], [2, 3]).tolist() == [3, 4, 5]
    assert place([0, 50], [50, 50], first=60).tolist() == list(range(61, 101))


def test_a_start_before_zero_is_honoured():
    assert place([0], [2], first=-3).tolist() == [0, 0, 0, 1, 2]


def test_a_gap_becomes_silence_of_its_length():
    placed = place([0, 20, 350, 370], [20, 20, 20, 20])
    assert placed[:40].tolist() == list(range(1, 41))
    assert not placed[40:350].any()
    assert placed[350:].tolist() == list(range(41, 81))


def test_a_gap_shorter_than_a_tenth_of_a_second_is_a_gap_when_it_lasts():
    starts = [20 * block + (50 if block >= 40 else 0) for block in range(80)]
    placed = place(starts, [20] * 80)
    assert not placed[800:850].any()
    assert placed[:800].all() and placed[850:].all()
    assert placed[850] == 801


def test_a_single_block_before_a_gap_stays_where_it_is():
    placed = place([0, *range(175, 975, 20)], [20] * 41)
    assert placed[:20].tolist() == list(range(1, 21))
    assert not placed[20:175].any()


def test_jitter_that_comes_back_moves_nothing():
    """Vorbis in WebM: a block stamped 10 ms late, the next ones right again."""
    starts = [20 * block for block in range(60)]
    for block in (10, 30, 31, 32, 50):
        starts[block] += 10
    assert place(starts, [20] * 60).tolist() == list(range(1, 1201))


def test_rounding_to_milliseconds_moves_nothing():
    true = np.arange(200) * 1024 / 44.1  # in samples of this clock: ms
    rounded = np.round(true).astype(int)
    lengths = np.diff(np.append(np.round(true), np.round(200 * 1024 / 44.1))).astype(int)
    starts = (rounded + np.tile([0, 1, -1, 0], 50)).tolist()
    assert place(starts, lengths.tolist(), first=starts[0])[:1000].all()


def test_a_drifting_clock_is_followed_within_four_milliseconds():
    shift = np.round(np.arange(2000) * 0.02).astype(np.int64)  # 40 ms too slow in 2000 blocks
    off = np.abs(steady_shift(shift, HZ) - shift)
    assert off.max() <= MAX_DRIFT_S * HZ + 1
    assert off.max() > 0


@pytest.mark.parametrize("starts", [[0, 20, 5000, 40], [0, 20, 700_000, 700_020]], ids=["back", "by 700 s"])
def test_time_stamps_that_jump(starts: list[int]):
    with pytest.raises(ValueError, match="jump"):
        place(starts, [20] * 4)


def test_no_blocks_are_no_sound():
    assert place([], []).tolist() == []


def test_all_before_the_start_is_no_sound():
    assert place([0], [10], first=10).tolist() == []
