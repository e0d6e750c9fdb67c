"""What is noticed about maps: each kind of trouble once, with its frames, and nothing left out without a word."""

from __future__ import annotations

import pickle
import re
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

from pipeline.errors import AveError, UsageError
from pipeline.evaluate.maps import open_maps, summary
from pipeline.evaluate.maps.finding import KINDS, Finding, ranges

from .strangers import BEARS, CLIP, TRUTHS, Known, frame_of, kinds, map_of, write_map, write_maps

FOLDER = "diem/arctic_bears_1066x710"


def noticed(maps, stimulus=BEARS):
    """Read a stimulus to its end: frames that came, and (kind, first frame, count) of what was noticed."""
    frames = [frame for frame, _ in maps.read(stimulus)]
    return frames, [(found.kind, found.frame, found.count) for found in maps.findings(stimulus)]


def test_missing_frames_are_listed_as_ranges(tmp_path):
    write_maps(tmp_path, FOLDER + "/%d.png", frames=[0, 1, 2, 5, 7, 8, 9])
    maps = open_maps(tmp_path, TRUTHS)
    assert noticed(maps) == ([0, 1, 2, 5, 7, 8, 9], [("missing", 3, 3)])
    assert maps.findings(BEARS)[0].words == "frames 3–4, 6: no map (of 10 expected)"


def test_frames_beyond_the_end_are_counted_and_come_only_where_asked_for(tmp_path):
    write_maps(tmp_path, FOLDER + "/%d.png", frames=range(13))
    maps = open_maps(tmp_path, TRUTHS)
    assert noticed(maps) == (list(range(10)), [("beyond", 10, 3)])
    assert [frame for frame, _ in maps.read(BEARS, beyond=True)] == list(range(13))
    assert "frames 10–12: the last annotated frame is 9" in str(maps.findings(BEARS)[0])


def test_a_file_before_the_first_frame_is_said(tmp_path):
    write_maps(tmp_path, FOLDER + "/%d.png")
    frames, found = noticed(open_maps(tmp_path, TRUTHS, first_frame=1))
    assert frames == list(range(9)) and found == [("missing", 9, 1), ("before", -1, 1)]


def test_maps_that_say_nothing_or_no_number_come_and_are_said(tmp_path):
    odd = {2: np.full((12, 16), 7.0), 3: np.full((12, 16), np.nan), 4: -map_of(4).astype(float), 5: map_of(5) / 0.1}
    odd[6] = np.where(map_of(6) > 0, np.inf, 0)
    for frame in range(10):
        write_map(tmp_path / FOLDER / f"{frame}.npy", odd.get(frame, map_of(frame)))
    frames, found = noticed(open_maps(tmp_path, TRUTHS))
    assert frames == list(range(10))
    assert found == [("not-finite", 3, 2), ("negative", 4, 1), ("constant", 2, 1)]


def test_a_file_that_cannot_be_read_is_a_finding_and_the_others_come(tmp_path):
    write_maps(tmp_path, FOLDER + "/%d.png")
    whole = (tmp_path / FOLDER / "4.png").read_bytes()
    (tmp_path / FOLDER / "4.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / FOLDER / "6.png").write_bytes(b"")
    maps = open_maps(tmp_path, TRUTHS)
    frames, found = noticed(maps)
    assert frames == [0, 1, 2, 3, 5, 7, 8, 9]
    assert found == [("unreadable", 4, 1), ("unreadable", 6, 1)]
    assert maps.findings(BEARS)[0].words.startswith("4.png: ")


def test_sizes_that_differ_and_proportions_that_are_not_the_videos_are_said(tmp_path):
    write_maps(tmp_path, FOLDER + "/%d.png")
    write_map(tmp_path / FOLDER / "3.png", map_of(3, (24, 32)))
    write_map(tmp_path / FOLDER / "4.png", map_of(4, (16, 12)))
    write_map(tmp_path / FOLDER / "5.png", map_of(5, (12, 32)))
    _, found = noticed(open_maps(tmp_path, TRUTHS))
    assert sorted(found) == [
        ("aspect", 5, 1),
        ("mixed-sizes", 3, 1),
        ("mixed-sizes", 4, 1),
        ("mixed-sizes", 5, 1),
        ("transposed", 4, 1),
    ]


def test_grey_in_three_channels_is_grey_and_colour_is_said(tmp_path):
    write_maps(tmp_path, FOLDER + "/%d.png")
    write_map(tmp_path / FOLDER / "3.png", np.repeat(map_of(3)[..., None], 3, axis=2))
    heat = np.zeros((12, 16, 3), np.uint8)
    heat[3, 4, 0], heat[5, 5, 2] = 200, 200  # 200 red is 59.8 of luma, 200 blue 22.8
    write_map(tmp_path / FOLDER / "4.png", heat)
    maps = open_maps(tmp_path, TRUTHS)
    came = dict(maps.read(BEARS))
    assert came[3].tolist() == map_of(3).tolist()
    assert came[4].dtype == np.uint8 and came[4][3, 4] == 60 and came[4][5, 5] == 23
    assert kinds(maps.findings(BEARS)) == ["colour"] and maps.findings(BEARS)[0].frame == 4


def test_what_matches_nothing_is_listed_with_the_nearest_name(tmp_path):
    write_maps(tmp_path, FOLDER + "/%d.png")
    write_maps(tmp_path, "diem/artic_bears_1066x710/%d.png")
    write_map(tmp_path / FOLDER / "average.png", map_of(0))
    (tmp_path / "notes.txt").write_text("hello")
    maps = open_maps(tmp_path, TRUTHS)
    assert sorted(kinds(maps.found)) == ["no-number", "other-files", "other-stimulus"]
    assert any(f"artic_bears_1066x710/0.png and 9 more like it (nearest: {BEARS})" in str(one) for one in maps.found)
    assert [found.stimulus for found in maps.found if found.kind == "no-maps"] == [t.stimulus for t in TRUTHS[1:]]
    assert list(maps.read(CLIP)) == [] and maps.findings(CLIP) == []


def test_of_two_sets_one_is_read_and_the_other_is_said(tmp_path):
    write_maps(tmp_path, FOLDER + "/pred_sal_%d.png")
    write_maps(tmp_path, FOLDER + "/img_%d.jpg")
    write_map(tmp_path / FOLDER / "pred_sal_3.jpg", map_of(3))
    maps = open_maps(tmp_path, TRUTHS)
    assert maps.about["habit"].startswith("STAViS (")
    assert [(found.kind, found.count) for found in maps.found if found.stimulus == BEARS] == [
        ("set-aside", 1),
        ("set-aside", 10),
    ]


def test_of_two_sets_of_one_habit_the_larger_is_read(tmp_path):
    write_maps(tmp_path, "a/diem/arctic_bears_1066x710/%d.png", frames=range(4))
    write_maps(tmp_path, "b/diem/arctic_bears_1066x710/%d.png")
    maps = open_maps(tmp_path, TRUTHS)
    assert len(list(maps.read(BEARS))) == 10
    assert [(found.kind, found.count) for found in maps.found if found.stimulus == BEARS] == [("set-aside", 4)]


def test_findings_are_summed_up_by_kind_with_counts_and_examples():
    found = [Finding("missing", f"diem/{name}", 3, "frames 3–4: no map", 2) for name in "abc"]
    lines = summary([*found, Finding("unreadable", "diem/a", 1, "1.png: broken")])
    assert lines == [
        "maps that cannot be read: 1; they are not scored. diem/a: 1.png: broken",
        "frames without a map: 6 in 3 stimuli; a protocol scores them or leaves them out, and says which. "
        "diem/a: frames 3–4: no map; diem/b: frames 3–4: no map; and 1 more",
    ]


def test_every_finding_is_of_a_kind_that_is_summed_up(tmp_path):
    assert ranges([]) == "" and ranges([4]) == "4" and ranges([2, 1, 2, 7, 8]) == "1–2, 7–8"
    write_maps(tmp_path, "artic_bears/%d.png")
    write_maps(tmp_path, "arctic_bears/%d.png", frames=[3, 8])
    maps = open_maps(tmp_path, TRUTHS)
    list(maps.read(BEARS))
    every = [*maps.found, *maps.findings(BEARS)]
    assert {found.kind for found in every} <= set(KINDS)
    assert sum(found.count for found in every) == sum(int(re.search(r": (\d+)", line)[1]) for line in summary(every))


def test_maps_can_be_read_in_another_process(tmp_path):
    write_maps(tmp_path, FOLDER + "/%d.png", frames=range(9))
    maps = open_maps(tmp_path, TRUTHS)
    copy = pickle.loads(pickle.dumps(maps))
    assert [frame_of(saliency) for _, saliency in copy.read(BEARS)] == list(range(9))
    assert kinds(copy.findings(BEARS)) == ["missing"] and maps.findings(BEARS) == []
    with ProcessPoolExecutor(1, mp_context=get_context("forkserver")) as pool:
        assert pool.submit(noticed, maps).result() == noticed(maps)


def test_one_stimulus_can_be_sent_alone(tmp_path):
    write_maps(tmp_path, FOLDER + "/%d.png", frames=range(9))
    write_maps(tmp_path, "coutrot1/clip_1/%d.png")
    maps = open_maps(tmp_path, TRUTHS)
    alone = maps.only(BEARS)
    assert alone.stimuli == (BEARS,) and noticed(alone) == noticed(maps) and alone.about == maps.about
    assert list(alone.read(CLIP)) == [] and maps.expected(TRUTHS[1].stimulus) == range(10)


def test_folders_that_lie_in_themselves_are_walked_once(tmp_path):
    write_maps(tmp_path, "maps/" + FOLDER + "/%d.png")
    (tmp_path / "maps" / "diem" / "again").symlink_to(tmp_path / "maps")
    maps = open_maps(tmp_path / "maps", TRUTHS)
    assert maps.stimuli == (BEARS,) and kinds(maps.found) == []


def test_what_is_noticed_is_there_before_the_end_too(tmp_path):
    write_map(tmp_path / FOLDER / "0.png", np.zeros((12, 16), np.uint8))
    write_maps(tmp_path, FOLDER + "/%d.png", frames=range(1, 9))
    maps = open_maps(tmp_path, TRUTHS)
    reading = maps.read(BEARS)
    next(reading)
    assert kinds(maps.findings(BEARS)) == ["constant"]
    assert kinds([*reading] and maps.findings(BEARS)) == ["missing", "constant"]


def test_paths_and_folders_that_cannot_be_maps_are_refused_with_a_way_out(tmp_path):
    with pytest.raises(AveError, match="no such file or folder") as caught:
        open_maps(tmp_path / "nowhere", TRUTHS)
    assert caught.value.code == "no-such-path"
    (tmp_path / "scores.csv").write_text("1")
    with pytest.raises(AveError, match=r"it holds \.csv") as caught:
        open_maps(tmp_path, TRUTHS)
    assert caught.value.code == "no-maps" and "diem/<name>/0001.png" in caught.value.remedy
    with pytest.raises(UsageError):
        open_maps(tmp_path, TRUTHS, first_frame=2)
    write_maps(tmp_path, "holiday/%d.png")
    with pytest.raises(AveError, match="none of its maps is of one of the 1 stimuli") as caught:
        open_maps(tmp_path, [Known(BEARS)])
    assert caught.value.code == "no-stimulus-matched"
