"""A soundtrack put together from samples: the same sound as in the clips, and the right one when it is shifted."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.export.clips import ClipDataset
from pipeline.export.reader import ShardSet
from pipeline.export.soundtrack import soundtracks
from pipeline.signals.audio import SILENCE
from pipeline.signals.waveform import Waveform

from .conftest import FORMATS, SOUND_RATE_HZ

FORM = Waveform(SOUND_RATE_HZ, 6000, 256.0)
FRAMES = 16


@pytest.fixture(params=FORMATS)
def train(request, items):
    return items[request.param]["diem", "train"]


def test_the_pieces_make_up_what_the_stage_wrote(train, world):
    made = {track.stimulus: track for track in soundtracks(ShardSet(train))}
    assert set(made) == {"diem/v1.0_400x240", "diem/short_400x240"}
    for name, track in made.items():
        source = world[name]
        np.testing.assert_array_equal(track.logmel, source.steps[: len(track.logmel)])
        np.testing.assert_array_equal(track.waveform, source.waveform[: len(track.waveform)])
        np.testing.assert_array_equal(track.times_s, source.times_s)
        assert track.rate_hz == SOUND_RATE_HZ


def test_unshifted_it_is_the_sound_of_the_clips(train):
    made = {track.stimulus: track for track in soundtracks(ShardSet(train))}
    plain, heard = ClipDataset(train, frames=FRAMES), ClipDataset(train, frames=FRAMES, waveform=FORM)
    for number in range(0, len(plain), 5):
        clip = plain[number]
        track = made[clip["stimulus"]]
        np.testing.assert_array_equal(track.examples(clip["frame"], FRAMES), clip["audio"][0])
        np.testing.assert_array_equal(track.heard(clip["frame"], FRAMES, FORM), heard[number]["audio"])


@pytest.mark.parametrize("shift_s", [-0.5, 0.5, 2.0])
def test_shifted_it_is_the_sound_of_another_moment_and_silence_beyond_both_ends(train, world, shift_s):
    name = "diem/v1.0_400x240"  # 30 fps, 200 steps
    track = next(track for track in soundtracks(ShardSet(train)) if track.stimulus == name)
    examples = track.examples(30, FRAMES, shift_s)  # frames 15 … 30, the last at 1 s
    start = 100 + round(shift_s * 100)
    expected = np.full((64, 64), SILENCE, np.float32)
    inside = range(max(start, 0), min(start + 64, 200))
    if inside:
        expected[inside.start - start : inside.stop - start] = world[name].steps[inside.start : inside.stop]
    np.testing.assert_array_equal(examples[-1], expected)
