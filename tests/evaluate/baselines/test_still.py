"""Baselines: maps worked out by hand, and the weight of videos, frames and empty frames."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import AveError
from pipeline.evaluate import baselines
from tests.evaluate.baselines.people import crowd, seen_by


def frames(*cells, size=(2, 3)):
    """Density maps with all their mass in one cell each; None is a frame without fixations."""
    maps = np.zeros((len(cells), *size), dtype=np.float32)
    for picture, cell in zip(maps, cells, strict=True):
        if cell is not None:
            picture[cell] = 1
    return maps


def test_uniform_is_the_same_everywhere_and_sums_to_one():
    flat = baselines.uniform((32, 40))
    assert flat.min() == flat.max() == 1 / 1280


def test_every_video_weighs_the_same_however_long():
    long, short = frames((0, 0), (0, 0), (0, 0), (0, 1)), frames((1, 2))
    mep = baselines.mean_eye_position([("diem/long", long), ("diem/short", short)])
    np.testing.assert_allclose(mep, [[3 / 8, 1 / 8, 0], [0, 0, 1 / 2]])


def test_a_video_may_come_in_pieces():
    whole = frames((0, 0), (0, 1), (1, 1))
    pieces = [("diem/a", whole[:1]), ("diem/b", frames((1, 2))), ("diem/a", whole[1:])]
    expected = baselines.mean_eye_position([("diem/a", whole), ("diem/b", frames((1, 2)))])
    np.testing.assert_array_equal(baselines.mean_eye_position(pieces), expected)


def test_frames_and_videos_without_fixations_do_not_count():
    seen = baselines.mean_eye_position([("diem/a", frames((0, 0), (1, 1)))])
    with_empty = [("diem/a", frames((0, 0), None, (1, 1), None)), ("diem/b", frames(None, None))]
    np.testing.assert_array_equal(baselines.mean_eye_position(with_empty), seen)


def test_a_training_split_without_any_fixation_has_no_mean_eye_position():
    with pytest.raises(AveError, match="no frame with fixations"):
        baselines.mean_eye_position([("diem/a", frames(None))])


@pytest.mark.parametrize("size", [(32, 40), (33, 41), (256, 320)])
def test_the_centre_gaussian_peaks_in_the_middle_and_mirrors(size):
    gaussian = baselines.centre_gaussian(size, (0.2, 0.3))
    assert gaussian.sum() == pytest.approx(1)
    np.testing.assert_allclose(gaussian, gaussian[::-1, ::-1], rtol=1e-12)
    row, column = np.unravel_index(gaussian.argmax(), size)
    assert abs(row - (size[0] - 1) / 2) <= 0.5
    assert abs(column - (size[1] - 1) / 2) <= 0.5


def test_one_spread_away_from_the_middle_the_gaussian_has_fallen_to_its_value_there():
    gaussian = baselines.centre_gaussian((1, 101), (1.0, 10 / 101))
    assert gaussian[0, 60] / gaussian[0, 50] == pytest.approx(np.exp(-0.5))


def test_the_spread_of_a_narrow_gaussian_is_found_again_at_any_size():
    for size in ((64, 80), (256, 320)):
        rows, columns = baselines.spread_about_centre(baselines.centre_gaussian(size, (0.08, 0.1)))
        assert (rows, columns) == pytest.approx((0.08, 0.1), rel=1e-3)


@pytest.mark.parametrize("spread", [(0.0, 0.1), (0.1, -1.0)])
def test_a_spread_that_is_not_positive_is_refused(spread):
    with pytest.raises(ValueError, match="two positive shares"):
        baselines.centre_gaussian((4, 4), spread)


@pytest.mark.parametrize("size", [(9, 13), (32, 40), (150, 200)])
def test_the_mean_eye_position_from_points_is_the_mean_of_the_maps(size):
    videos = [
        crowd(0, missing=0.4, n_frames=6),
        crowd(1, size_px=(40, 90), name="a/y", missing=0.9, n_frames=20),
        seen_by([(2, 0, 5, 5)], name="a/z", n_frames=4),
        seen_by([], name="a/empty", n_frames=2),
    ]
    maps = [(video.stimulus, np.stack([video.density(k, size) for k in range(video.n_frames)])) for video in videos]
    expected = baselines.mean_eye_position(maps)
    assert expected.sum() == pytest.approx(1)
    np.testing.assert_allclose(baselines.mep_of(iter(videos), size), expected, rtol=0, atol=1e-6 * expected.max())


def test_from_points_too_a_training_split_without_any_fixation_has_no_mean_eye_position():
    with pytest.raises(AveError, match="no frame with fixations"):
        baselines.mep_of([seen_by([], n_frames=2)], (3, 4))
