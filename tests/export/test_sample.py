"""Names of samples, and how a stimulus is cut into them."""

from __future__ import annotations

import re

import numpy as np
import pytest

from pipeline.export.sample import MAX_KEY_BYTES, sample_key, segments, step_range


@pytest.mark.parametrize(
    "name", ["v1.0", "with space", "a/b", "Ümläut", "x--000000", "=2E", "arctic_bears_1066x710", "n" * 200]
)
def test_key_is_safe_in_a_tar_a_url_and_a_tensor_name(name):
    key = sample_key("diem", name, 64)
    assert re.fullmatch(r"[A-Za-z0-9_=-]+", key)
    assert len(key) <= MAX_KEY_BYTES
    assert key.endswith("--000064")


def test_names_that_differ_have_keys_that_differ():
    names = ["v1.0", "v1_0", "v1=2E0", "v1 0", "v1-0", "n" * 200, "n" * 201, "n" * 60, "V1.0"]
    assert len({sample_key("diem", name, 0) for name in names}) == len(names)


def test_keys_of_a_stimulus_sort_by_time():
    keys = [sample_key("diem", "clip", first) for first in (0, 64, 1024, 99968)]
    assert keys == sorted(keys)


@pytest.mark.parametrize("n_frames", [0, 1, 15, 16, 63, 64, 65, 79, 80, 300])
@pytest.mark.parametrize("segment_frames", [1, 8, 64])
@pytest.mark.parametrize("lead_in_frames", [0, 15])
def test_every_frame_is_a_target_once_and_its_clip_lies_in_its_sample(n_frames, segment_frames, lead_in_frames):
    targets = []
    for first, n_lead_in, n_targets in segments(n_frames, segment_frames, lead_in_frames):
        assert n_lead_in == min(lead_in_frames, first)
        assert 1 <= n_targets <= segment_frames
        targets += range(first, first + n_targets)
    assert targets == list(range(n_frames))


@pytest.mark.parametrize(
    ("starts", "n_steps", "expected"),
    [
        pytest.param([10, 30], 200, (10, 94), id="inside the soundtrack"),
        pytest.param([-32, -3], 200, (0, 61), id="begins before the soundtrack"),
        pytest.param([150, 190], 200, (150, 200), id="ends after the soundtrack"),
        pytest.param([250, 300], 200, (200, 200), id="wholly after the soundtrack"),
        pytest.param([-90, -70], 200, (0, 0), id="wholly before the soundtrack"),
        pytest.param([0, 5], 0, (0, 0), id="no soundtrack"),
    ],
)
def test_stored_steps_are_those_that_exist(starts, n_steps, expected):
    assert step_range(np.array(starts), n_steps) == expected
