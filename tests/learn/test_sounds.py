"""Other sounds than a clip's own: nothing but the sound changes, and it is the one that the condition names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.errors import ModelError
from pipeline.export.clips import ClipStream
from pipeline.export.soundtrack import soundtracks
from pipeline.learn.sounds import CONDITIONS, ORIGINAL, SCRAMBLED, SHIFTS_S, OtherSound, conditions_of
from pipeline.models.soundnet import WAVEFORM
from pipeline.signals.audio import SILENCE
from tests.learn.tiny import make_shards

STRIDE = 7
FORMS = [None, WAVEFORM]


def clips_of(shards: dict[str, Path], form=None) -> ClipStream:
    return ClipStream(shards["coutrot1/val"], stride=STRIDE, waveform=form)


def with_sound(shards: dict[str, Path], condition: str, form=None, seed: int = 0) -> list[dict]:
    return list(OtherSound(clips_of(shards, form), condition, seed))


@pytest.mark.parametrize("form", FORMS, ids=["log-mel", "waveform"])
@pytest.mark.parametrize("condition", CONDITIONS)
def test_nothing_but_the_sound_changes_and_only_the_original_is_the_clips_own(shards, condition, form):
    own, other = list(clips_of(shards, form)), with_sound(shards, condition, form)
    assert len(own) == len(other)
    for mine, theirs in zip(own, other, strict=True):
        assert mine.keys() == theirs.keys()
        for key in mine.keys() - {"audio"}:
            same = (
                torch.equal(mine[key], theirs[key]) if isinstance(mine[key], torch.Tensor) else mine[key] == theirs[key]
            )
            assert same, key
        assert mine["audio"].shape == theirs["audio"].shape
        assert mine["audio"].dtype == theirs["audio"].dtype
    changed = any(not torch.equal(mine["audio"], theirs["audio"]) for mine, theirs in zip(own, other, strict=True))
    assert changed == (condition != ORIGINAL)


def test_muted_is_silence(shards):
    assert all((clip["audio"] == SILENCE).all() for clip in with_sound(shards, "muted"))
    assert not any(clip["audio"].any() for clip in with_sound(shards, "muted", WAVEFORM))


def test_swapped_is_the_next_videos_sound_at_the_same_time(shards):
    sounds = {(clip["stimulus"], clip["frame"]): clip["audio"] for clip in clips_of(shards)}
    following = {"coutrot1/far": "coutrot1/high", "coutrot1/high": "coutrot1/low", "coutrot1/low": "coutrot1/far"}
    for clip in with_sound(shards, "swapped"):  # all of one length and rate
        assert torch.equal(clip["audio"], sounds[following[clip["stimulus"]], clip["frame"]])


@pytest.mark.parametrize("shift_s", SHIFTS_S)
def test_shifted_is_the_sound_of_another_moment(shards, shift_s):
    tracks = {track.stimulus: track for track in soundtracks(clips_of(shards).shards)}
    for clip in with_sound(shards, f"shifted {shift_s:+g} s"):
        track = tracks[clip["stimulus"]]
        start = track.example_step[clip["frame"]] + round(100 * shift_s)
        steps = np.arange(start, start + 64)
        inside = (steps >= 0) & (steps < len(track.logmel))
        example = clip["audio"][0, -1].numpy()
        np.testing.assert_array_equal(example[inside], track.logmel[steps[inside]])
        assert (example[~inside] == SILENCE).all()


def test_scrambled_keeps_the_spectrum_and_follows_from_seed_and_name(shards):
    clips = clips_of(shards)
    own = {track.stimulus: track for track in soundtracks(clips.shards)}
    made = CONDITIONS[SCRAMBLED](own, 0)
    for name, track in made.items():
        before, after = (np.abs(np.fft.rfft(one.waveform.astype(float))) for one in (own[name], track))
        ratio = after[5:-5] / before[5:-5]
        assert ratio.std() < 1e-3  # but for one factor where the peak would exceed full scale
        assert abs(np.corrcoef(own[name].waveform, track.waveform)[0, 1]) < 0.1
    again, other = CONDITIONS[SCRAMBLED](own, 0), CONDITIONS[SCRAMBLED](own, 1)
    for name in made:
        assert np.array_equal(made[name].waveform, again[name].waveform)
        assert not np.array_equal(made[name].waveform, other[name].waveform)


def test_what_shards_cannot_give_is_refused_with_a_way_out(tmp_path):
    shards = make_shards(tmp_path, waveforms=False)
    possible, refused = conditions_of(clips_of(shards).shards)
    assert set(CONDITIONS) - set(possible) == set(refused) == {SCRAMBLED}
    with pytest.raises(ModelError, match="hold no samples of the sound") as caught:
        with_sound(shards, SCRAMBLED)
    assert "--waveform-rate-hz" in caught.value.remedy


def test_it_can_be_read_twice(shards):
    clips = OtherSound(clips_of(shards), "swapped")
    assert len(list(clips)) == len(list(clips)) == 9
