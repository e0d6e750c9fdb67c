"""Clips that are heard as samples: the sound of their own frames, from every format."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from pipeline.errors import ExportError
from pipeline.export.clips import ClipDataset, ClipStream, collate
from pipeline.export.shards import build_item
from pipeline.signals.waveform import Waveform

from .conftest import FORMATS, SOUND_RATE_HZ, make_job

FORM = Waveform(SOUND_RATE_HZ, 6000, 256.0)


def expected(stimulus, frame, frames, form=FORM):
    """The sound of a clip from the stage's output, by the definition alone: sample by sample."""
    rate = Fraction(stimulus.row["rate_num"], stimulus.row["rate_den"])
    half_s = 1 / (2 * rate)
    first, last = max(frame - frames + 1, 0), frame
    start, stop = round((first / rate - half_s) * form.rate_hz), round((last / rate + half_s) * form.rate_hz)
    n = stop - start
    waveform = np.zeros(form.samples)
    for k in range(n):
        at = start + k
        value = stimulus.waveform[at] if 0 <= at < len(stimulus.waveform) else 0.0
        window = 0.5 - 0.5 * np.cos(2 * np.pi * k / (n - 1))
        waveform[(form.samples - n) // 2 + k] = value * window * form.peak
    return waveform


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("stimulus", ["diem/v1.0_400x240", "coutrot1/clip_1"])
def test_each_clip_has_the_sound_of_its_frames(items, world, name, stimulus):
    corpus, split = world[stimulus].row["corpus"], world[stimulus].row["split"]
    clips = ClipDataset(items[name][corpus, split], frames=16, waveform=FORM)
    own = [clip for clip in clips if clip["stimulus"] == stimulus]
    assert len(own) == world[stimulus].n_frames
    for clip in own[::7]:
        assert clip["audio"].dtype == torch.float32
        np.testing.assert_allclose(clip["audio"], expected(world[stimulus], clip["frame"], 16), atol=1e-4)


def test_beyond_the_soundtrack_and_around_the_clip_there_are_zeros(items):
    short = [clip for clip in ClipDataset(items["wds"]["diem", "train"], waveform=FORM) if "short" in clip["stimulus"]]
    assert all(not clip["audio"].any() for clip in short)  # its soundtrack is empty
    first = ClipDataset(items["wds"]["coutrot1", "val"], waveform=FORM)[0]["audio"]
    heard = np.flatnonzero(first)
    assert 0 < heard.size <= SOUND_RATE_HZ / 25 / 2  # one frame, whose first half lies before the sound begins
    assert abs(heard.mean() - (FORM.samples / 2 + heard.size / 2)) < 2


def test_of_a_clip_longer_than_the_form_the_end_is_heard(items, world):
    short = Waveform(SOUND_RATE_HZ, 800, 1.0)
    clip = ClipDataset(items["wds"]["coutrot1", "val"], frames=16, waveform=short)[30]
    stop = round((30 / 25 + 0.02) * SOUND_RATE_HZ)
    window = np.hanning(800)
    np.testing.assert_allclose(clip["audio"], world["coutrot1/clip_1"].waveform[stop - 800 : stop] * window, atol=1e-6)


def test_streams_and_batches_carry_waveforms(items):
    dataset = ClipDataset(items["tensors"]["coutrot1", "val"], waveform=FORM)
    batch = collate(list(ClipStream(items["tensors"]["coutrot1", "val"], waveform=FORM))[:3])
    assert batch["audio"].shape == (3, FORM.samples)
    assert torch.equal(batch["audio"][2], dataset[2]["audio"])


@pytest.mark.parametrize(
    ("rate_hz", "found"), [(0, "hold no samples of the sound"), (16000, "hold samples of 16000 Hz")]
)
def test_shards_without_the_samples_are_refused_and_the_way_out_is_said(tmp_path, world, rate_hz, found):
    job = make_job(tmp_path, "coutrot1", "val", [world["coutrot1/clip_1"]], waveform_rate_hz=rate_hz)
    build_item(job)
    assert len(ClipDataset(tmp_path)) == 40  # log-mel examples are there all the same
    with pytest.raises(ExportError, match=f"{found}. Expected 8000 Hz") as caught:
        ClipDataset(tmp_path, waveform=FORM)
    assert "--waveform-rate-hz 8000" in caught.value.remedy
