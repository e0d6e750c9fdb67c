"""Every frame of a stimulus gets its density map, from its own fixations, in degrees."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import StoreError
from pipeline.features import density
from pipeline.schemas import FIXATIONS
from pipeline.signals.density import density_map
from pipeline.store.job import Job

TIMELINE = {"n_frames": 600, "width_px": 320, "height_px": 240, "px_per_dva": 20.0, "times_s": []}


@pytest.fixture
def job_for(tmp_path):
    """Make a job of fixations (frame, x, y), sorted as curate writes them."""

    def make(frame, x_px, y_px, *, sigma_dva=1.0, height=32, width=40, **timeline):
        out = tmp_path / "out"
        out.mkdir()
        columns = [["o"] * len(frame), frame, x_px, y_px]
        arrays = [pa.array(column, field.type) for column, field in zip(columns, FIXATIONS, strict=True)]
        pq.write_table(pa.table(arrays, schema=FIXATIONS), tmp_path / "fixations.parquet")
        (tmp_path / "timeline.json").write_text(json.dumps(TIMELINE | timeline))
        files = {"fixations": tmp_path / "fixations.parquet", "timeline": tmp_path / "timeline.json"}
        params = {"sigma_dva": sigma_dva, "height": height, "width": width}
        return Job("density", "diem/dot_320x240", out, files, {}, params)

    return make


def fixations(n, n_frames=600, seed=0):
    rng = np.random.default_rng(seed)
    frame = np.sort(rng.choice(np.arange(0, n_frames, 2), n))  # odd frames are empty
    x_px = rng.uniform(0, 319.9, n).astype(np.float32)
    y_px = rng.uniform(0, 239.9, n).astype(np.float32)
    return frame.astype(np.int32), x_px, y_px


def test_each_frame_has_the_map_of_its_own_fixations(job_for):
    frame, x_px, y_px = fixations(3000)
    job = job_for(frame, x_px, y_px)
    density.build_item(job)
    maps = np.load(job.out / "density.npy", mmap_mode="r")
    assert maps.dtype == np.float32
    assert maps.shape == (600, 32, 40)
    for k in (0, 1, 254, 256, 300, 598, 599):  # both sides of a block's end, empty ones too
        here = frame == k
        expected = density_map(x_px[here], y_px[here], video_size=(240, 320), out_size=(32, 40), sigma_px=20)
        np.testing.assert_allclose(maps[k], expected, atol=1e-6 * max(expected.max(), 1))
        assert maps[k].sum(dtype=np.float64) == pytest.approx(float(here.any()), abs=1e-6)


def test_empty_frames_are_counted(job_for):
    frame, x_px, y_px = fixations(3000)
    facts = density.build_item(job_for(frame, x_px, y_px))
    assert facts == {"n_frames": 600, "empty_frames": 600 - len(set(frame.tolist())), "sigma_px": 20.0}
    assert facts["empty_frames"] >= 300
    json.dumps(facts)


def test_a_stimulus_nobody_looked_at_has_maps_of_zeros(job_for):
    job = job_for([], [], [])
    assert density.build_item(job)["empty_frames"] == 600
    assert not np.load(job.out / "density.npy").any()


def test_the_blur_is_an_angle_so_more_pixels_per_degree_make_it_wider(job_for, tmp_path):
    facts = density.build_item(job_for([0], [160.0], [120.0], px_per_dva=49.5, sigma_dva=0.5, n_frames=1))
    assert facts["sigma_px"] == pytest.approx(24.75)
    made = np.load(tmp_path / "out" / "density.npy")[0]
    expected = density_map([160.0], [120.0], video_size=(240, 320), out_size=(32, 40), sigma_px=24.75)
    np.testing.assert_allclose(made, expected, atol=1e-8)


def test_the_size_of_the_maps_is_a_parameter(job_for):
    job = job_for([0], [10.0], [230.0], height=24, width=64, n_frames=2)
    density.build_item(job)
    maps = np.load(job.out / "density.npy")
    assert maps.shape == (2, 24, 64)
    assert np.unravel_index(maps[0].argmax(), (24, 64))[0] > 20, "rows go down"


def test_the_size_of_a_block_leaves_no_trace(job_for, monkeypatch):
    job = job_for(*fixations(900))
    density.build_item(job)
    whole = (job.out / "density.npy").read_bytes()
    monkeypatch.setattr(density, "BLOCK_FRAMES", 7)
    density.build_item(job)
    assert (job.out / "density.npy").read_bytes() == whole


@pytest.mark.parametrize("frame", [[0, 600], [-1, 5], [7, 3]], ids=["beyond the video", "before it", "not sorted"])
def test_fixations_that_curate_would_not_write_are_refused(job_for, frame):
    with pytest.raises(StoreError, match="within 0 to 599") as caught:
        density.build_item(job_for(frame, [1.0, 1.0], [1.0, 1.0]))
    assert "ave verify" in caught.value.remedy
