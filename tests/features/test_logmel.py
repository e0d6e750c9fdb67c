"""The published log-mel table holds, for every frame, the sound that was heard with it."""

from __future__ import annotations

import json
import math
import tracemalloc
import wave

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import schemas
from pipeline.errors import AveError, MediaError
from pipeline.features import logmel
from pipeline.signals import audio
from pipeline.store.job import Job

RATE_HZ = 22050


def write_wav(path, waveform, rate_hz=RATE_HZ):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(np.round(np.asarray(waveform) * 32767).astype("<i2").tobytes())
    return path


@pytest.fixture
def job_for(tmp_path):
    """Make a job of a waveform and frame times, with a real sound file and an empty out directory."""

    def make(waveform, times_s, *, sound_start_s=0.0, bands=64, anchor="start"):
        timeline = tmp_path / "timeline.json"
        timeline.write_text(json.dumps({"times_s": list(times_s), "sound_start_s": sound_start_s}))
        out = tmp_path / "out"
        out.mkdir()
        sound = write_wav(tmp_path / "sound.wav", waveform)
        params = {"bands": bands, "anchor": anchor}
        return Job("logmel", "diem/dot_64x48", out, {"sound": sound, "timeline": timeline}, {}, params)

    return make


def noise(duration_s, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, int(duration_s * RATE_HZ))


def test_the_table_has_the_published_columns_and_a_row_per_frame(job_for):
    times_s = np.arange(300) / 30
    job = job_for(noise(12), times_s)
    facts = logmel.build_item(job)
    table = pq.read_table(job.out / "logmel.parquet")
    assert table.schema.equals(schemas.logmel())
    assert table.schema.field("example").type == pa.list_(pa.float32(), 4096)
    assert table.column("frame").to_pylist() == list(range(300))
    assert table.column("time_s").to_pylist() == times_s.tolist()
    assert facts == {"n_frames": 300, "n_steps": 1198, "padded_frames": 0}
    assert sorted(path.name for path in job.out.iterdir()) == ["logmel.parquet", "steps.npy"]


def test_rows_and_steps_give_the_same_examples(job_for):
    times_s = np.cumsum(np.random.default_rng(1).uniform(0.02, 0.05, 290))  # variable rate
    job = job_for(noise(12), times_s)
    logmel.build_item(job)
    steps = np.load(job.out / "steps.npy", mmap_mode="r")
    flat = pq.read_table(job.out / "logmel.parquet").column("example").combine_chunks().flatten().to_numpy()
    examples = flat.reshape(290, 64, 64)
    assert steps.dtype == np.float32
    np.testing.assert_array_equal(examples, audio.frame_examples(steps, times_s))
    np.testing.assert_array_equal(examples[100, 5], steps[round(times_s[100] * 100) + 5])


def test_the_file_is_packed_in_row_groups_that_can_be_read_alone(job_for):
    job = job_for(noise(14), np.arange(300) / 30)
    logmel.build_item(job)
    metadata = pq.ParquetFile(job.out / "logmel.parquet").metadata
    groups = [metadata.row_group(k) for k in range(metadata.num_row_groups)]
    assert [group.num_rows for group in groups] == [128, 128, 44]
    columns = [group.column(k) for group in groups for k in range(3)]
    assert {column.compression for column in columns} == {"ZSTD"}
    assert not any("DICTIONARY" in str(column.encodings) for column in columns)
    size = (job.out / "logmel.parquet").stat().st_size
    assert size < 0.4 * 300 * 4096 * 4, "overlapping examples should cost less than writing each out"


def test_frames_beyond_the_soundtrack_hear_silence_and_are_counted(job_for):
    job = job_for(noise(1.0), np.arange(60) / 30)
    facts = logmel.build_item(job)
    examples = np.array(pq.read_table(job.out / "logmel.parquet").column("example").to_pylist(), dtype=np.float32)
    silent = (examples == np.float32(math.log(0.01))).all(axis=1)
    assert facts["n_steps"] == 98
    assert silent.tolist() == [frame / 30 > 0.975 for frame in range(60)]
    assert facts["padded_frames"] == sum(round(frame / 30 * 100) + 64 > 98 for frame in range(60))


def test_the_soundtrack_is_read_from_the_moment_of_the_first_picture(job_for):
    waveform = np.zeros(4 * RATE_HZ)
    waveform[round(1.5 * RATE_HZ) : round(1.55 * RATE_HZ)] = 0.9  # on our clock this is 1.0 s
    job = job_for(waveform, np.arange(75) / 25, sound_start_s=0.5)
    logmel.build_item(job)
    loud = np.flatnonzero(np.load(job.out / "steps.npy").max(axis=1) > 0)
    assert loud[0] == pytest.approx(98, abs=1)
    assert loud[-1] == pytest.approx(104, abs=1)


@pytest.mark.parametrize("anchor", ["start", "centre", "end"])
def test_the_anchor_is_a_parameter(job_for, anchor):
    times_s = np.arange(40) / 25
    job = job_for(noise(3), times_s, anchor=anchor)
    logmel.build_item(job)
    examples = np.array(pq.read_table(job.out / "logmel.parquet").column("example").to_pylist(), dtype=np.float32)
    steps = np.load(job.out / "steps.npy")
    np.testing.assert_array_equal(examples.reshape(40, 64, 64), audio.frame_examples(steps, times_s, anchor=anchor))


def test_the_number_of_bands_is_a_parameter(job_for):
    job = job_for(noise(1), [0.0, 0.04], bands=40)
    logmel.build_item(job)
    assert pq.read_schema(job.out / "logmel.parquet").equals(schemas.logmel(40))
    assert np.load(job.out / "steps.npy").shape == (98, 40)


def test_the_same_job_writes_the_same_bytes(job_for, tmp_path):
    job = job_for(noise(2), np.arange(50) / 25)
    logmel.build_item(job)
    first = {path.name: path.read_bytes() for path in job.out.iterdir()}
    logmel.build_item(job)
    assert {path.name: path.read_bytes() for path in job.out.iterdir()} == first


def test_examples_are_written_a_row_group_at_a_time(tmp_path):
    steps = np.random.default_rng(0).normal(size=(9000, 64)).astype(np.float32)
    tracemalloc.start()
    logmel.write_examples(tmp_path / "logmel.parquet", steps, np.arange(2000) / 30, "start")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert pq.read_metadata(tmp_path / "logmel.parquet").num_rows == 2000
    assert peak < 12e6, "2000 examples are 33 MB"


def test_a_soundtrack_that_is_no_sound_is_bad_input_not_a_bug(job_for, monkeypatch):
    job = job_for(noise(1), [0.0])
    unscaled = (noise(1) * 32768).astype(np.float32)
    monkeypatch.setattr(logmel.media, "read_soundtrack", lambda path, *, start_s: (unscaled, RATE_HZ))
    with pytest.raises(MediaError, match="peak is 163") as caught:
        logmel.build_item(job)
    assert isinstance(caught.value, AveError)
    assert caught.value.code == "waveform"
