"""Spoken words: the published split, what a recording must be, and a small training on tones that are told apart."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from scipy.io import wavfile

from pipeline import models
from pipeline.errors import ModelError
from pipeline.learn import speech, spoken
from pipeline.learn.settings import TrainSettings
from pipeline.learn.start import new_model
from pipeline.models.weights import read
from pipeline.store.job import Job

TONES_HZ = {"high": 3000, "low": 300}
SPEAKERS = [f"{number:08x}" for number in range(30)]


@pytest.fixture
def recordings(tmp_path):
    """Two words, each a tone of its own pitch in noise, by thirty speakers; one recording is short."""
    random = np.random.default_rng(1)
    for word, tone_hz in TONES_HZ.items():
        (tmp_path / "words" / word).mkdir(parents=True)
        for speaker in SPEAKERS:
            n_samples = 12288 if speaker == SPEAKERS[0] else 16000
            tone = 0.3 * np.sin(2 * np.pi * tone_hz * np.arange(n_samples) / 16000)
            samples = np.round((tone + 0.02 * random.standard_normal(n_samples)) * 32767).astype(np.int16)
            wavfile.write(tmp_path / "words" / word / f"{speaker}_nohash_0.wav", 16000, samples)
    (tmp_path / "words" / "_background_noise_").mkdir()
    return tmp_path / "words"


def pretrain_job(folder, out, **params):
    out.mkdir()
    quick = {"width": 2, "epochs": 6, "learning_rate": 1e-2, "threads": 1, **params}
    return Job("pretrain", "all/words", out, {}, {"folder": str(folder)}, quick)


@pytest.mark.parametrize(
    ("file_name", "split"),
    [
        # SHA-1 of the speaker modulo 2**27, in per cent of 2**27 - 1
        ("00000000_nohash_0.wav", "val"),  # 9.56
        ("00000000_nohash_4.wav", "val"),
        ("00000002_nohash_0.wav", "test"),
        ("00f0204f_nohash_0.wav", "train"),  # 50.18
    ],
)
def test_the_split_is_the_authors(file_name, split):
    assert speech.split_of(file_name) == split


def test_a_speaker_is_in_one_split_and_a_tenth_is_held_out_twice():
    splits = [speech.split_of(f"{number:08x}_nohash_0.wav") for number in range(4000)]
    shares = {split: splits.count(split) / len(splits) for split in ("train", "val", "test")}
    assert shares == pytest.approx({"train": 0.8, "val": 0.1, "test": 0.1}, abs=0.02)


def test_a_short_recording_ends_in_silence(recordings):
    steps = speech.features_of(recordings / "low" / f"{SPEAKERS[0]}_nohash_0.wav")
    assert steps.shape == (98, 64)
    assert np.all(steps[-10:] == steps[-1, 0]) and steps[0].max() > steps[-1, 0]


@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_what_is_no_word_is_refused_by_name(tmp_path, rate_hz):
    wavfile.write(tmp_path / "odd.wav", rate_hz, np.zeros((8000, 2), np.int16))
    with pytest.raises(ModelError, match=r"odd\.wav: not a spoken word"):
        speech.features_of(tmp_path / "odd.wav")


def test_examples_spread_evenly_over_the_second():
    steps = torch.arange(98.0)[None, :, None].expand(1, 98, 64)
    examples = spoken.as_examples(steps)
    assert examples.shape == (1, 16, 64, 64)
    assert examples[0, :, 0, 0].tolist()[:3] == [0, 2, 5]
    assert examples[0, -1, -1, 0] == 97


@pytest.mark.parametrize("network", [pytest.param("3d", marks=pytest.mark.slow), "2d"])
def test_both_networks_learn_two_tones_and_the_report_stands_beside_chance(recordings, tmp_path, network):
    job = pretrain_job(recordings, tmp_path / "out", network=network)
    spoken.pretrain(job)
    run = json.loads((job.out / "run.json").read_text())
    assert (run["words"], run["chance"], run["nearest_mean"]) == (["high", "low"], 0.5, 1.0)
    assert sum(run["recordings"].values()) == 60
    assert run["accuracy"] > 0.8, run


def test_the_sound_stream_starts_from_spoken_words(recordings, shards, tmp_path):
    job = pretrain_job(recordings, tmp_path / "out", epochs=1)
    spoken.pretrain(job)
    weights = job.out / "weights.safetensors"
    files = {"shards": shards, "audio": weights}
    training = Job("train", "all/dave", tmp_path, files, {}, {})
    model, told = new_model(TrainSettings(width=2), training)
    learnt, fresh = read(weights), models.build("dave", width=2)
    assert torch.equal(model.audio_branch.conv1.weight, learnt["conv1.weight"])
    assert model.audio_branch.fc_new.weight.shape == fresh.audio_branch.fc_new.weight.shape
    assert told == [f"audio_branch: spoken words, {len(learnt) - 2} tensors"]
    with pytest.raises(ModelError, match="not this model's audio_branch"):
        new_model(TrainSettings(width=4), training)
    with pytest.raises(ModelError, match="has no audio_branch"):
        new_model(TrainSettings(width=2, modality="video"), training)
