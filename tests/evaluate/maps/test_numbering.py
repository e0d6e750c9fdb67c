"""Whether frame numbers count from 0 or 1, and how far maps are apart: by rule, from all stimuli, and said."""

from __future__ import annotations

import pytest

from pipeline.evaluate.maps import open_maps
from pipeline.evaluate.maps.numbering import Run, numbering, step

from .strangers import BEARS, MONKEYS, TRUTHS, frame_of, kinds, write_maps


def runs(*bounds: tuple[int, int]) -> list[Run]:
    """Runs of files, each of a video of 10 frames."""
    return [Run(f"diem/{number}", low, high, 10) for number, (low, high) in enumerate(bounds)]


@pytest.mark.parametrize(
    ("bounds", "habit_says", "first_frame", "doubtful"),
    [
        ([(0, 9)], None, 0, False),
        ([(0, 9)], 1, 0, False),  # a file numbered 0 beats the habit
        ([(1, 10)], None, 1, False),
        ([(1, 10)], 0, 1, False),
        ([(5, 10), (3, 6)], None, 1, False),  # as the last file of one video shows
        ([(1, 8), (0, 6)], None, 0, False),  # as the first file of the other shows
        ([(9, 9)], 1, 1, False),  # STAViS: the first map is numbered 9
        ([(1, 14)], None, 1, False),  # more files than annotated frames
        ([(1, 6)], None, 1, False),  # every fifth, 1 and 6
        ([(1, 9), (1, 9)], None, 1, True),  # one frame short everywhere: which?
        ([(1, 9), (1, 8)], None, 1, False),
        ([(5, 5)], None, 0, True),
        ([(0, 9), (0, 9), (1, 10)], None, 0, True),  # outvoted
        ([(0, 9), (1, 10), (1, 10)], None, 1, True),
    ],
)
def test_the_first_frames_number_is_found_out(bounds, habit_says, first_frame, doubtful):
    found = numbering(runs(*bounds), habit_says)
    assert (found.first_frame, found.doubtful) == (first_frame, doubtful)


def test_the_reason_names_the_best_witness():
    assert numbering(runs((1, 6), (1, 10))).why == "diem/1: files run from 1 to 10, the video has 10 frames"
    assert "2 stimuli say so, 1 say 0 (diem/0: files run from 0 to 9" in numbering(runs((0, 9), (1, 10), (1, 10))).why
    assert numbering(runs((0, 9)), asked=1).why == "as asked for"


def test_maps_of_every_fifth_frame_are_no_gaps(tmp_path):
    write_maps(tmp_path, "arctic_bears_1066x710/%d.png", frames=[0, 5], first_frame=1)
    maps = open_maps(tmp_path, TRUTHS)
    assert (maps.about["first_frame"], maps.about["every"]) == (1, 5)
    assert [(frame, frame_of(saliency)) for frame, saliency in maps.read(BEARS)] == [(0, 0), (5, 5)]
    assert maps.expected(BEARS) == range(0, 10, 5) and maps.findings(BEARS) == []


def test_every_fifth_that_may_be_either_is_said_and_can_be_told(tmp_path):
    write_maps(tmp_path, "diem/arctic_bears/%d.png", frames=[4, 9], first_frame=1)
    write_maps(tmp_path, "diem/planet_earth_jungles_monkeys/%d.png", frames=[3, 8], first_frame=1)
    maps = open_maps(tmp_path, TRUTHS)
    assert maps.about["first_frame"] == 1 and maps.about["every"] == 5  # 10 is the video's number of frames
    (tmp_path / "diem/arctic_bears/10.png").unlink()
    maps = open_maps(tmp_path, TRUTHS)
    assert maps.about["first_frame"] == 0 and "numbering" in kinds(maps.found)
    told = open_maps(tmp_path, TRUTHS, first_frame=1)
    assert [frame_of(saliency) for _, saliency in told.read(MONKEYS)] == [frame for frame, _ in told.read(MONKEYS)]
    assert told.findings(MONKEYS) == [] and told.expected(MONKEYS) == range(3, 10, 5)
    assert "numbering" not in kinds(told.found) and told.about["first_frame_why"] == "as asked for"


def test_stavis_starts_in_the_middle_of_its_first_window(tmp_path):
    write_maps(tmp_path, "DIEM/arctic_bears_1066x710/pred_sal_%06d.jpg", frames=range(8, 9), first_frame=1)
    maps = open_maps(tmp_path, TRUTHS)
    assert [frame for frame, _ in maps.read(BEARS)] == [8]
    assert maps.findings(BEARS)[0].words == "frames 0–7, 9: no map (of 10 expected)"
    assert "the authors of this naming count from 1" in maps.about["first_frame_why"]


def test_the_step_is_the_commonest_gap():
    assert step([[0, 5, 10, 11], [2, 7]]) == 5
    assert step([[3], []]) == 1
