"""Folders named as people name them: every habit finds the same maps of the same stimulus and frame."""

from __future__ import annotations

import pytest

from pipeline.errors import AveError
from pipeline.evaluate.maps import open_maps
from pipeline.evaluate.maps.habits import HABITS, Habit, simple
from pipeline.evaluate.maps.names import Names

from .strangers import BEARS, CLIP, MEETING, MONKEYS, TRUTHS, frame_of, kinds, map_of, write_map, write_maps

LAYOUTS = {
    "diem/arctic_bears_1066x710/%04d.png": (BEARS, "a folder a stimulus"),
    "DIEM/arctic_bears_1066x710/%d.png": (BEARS, "a folder a stimulus"),
    "arctic_bears_1066x710/frame%d.png": (BEARS, "a folder a stimulus"),
    "arctic_bears_1066x710/frame_%04d_saliency.png": (BEARS, "a folder a stimulus"),
    "arctic_bears_1066x710_30/%07d.png": (BEARS, "DAVE"),
    "arctic_bears_1066x710/img_%05d.png": (BEARS, "ViNet"),
    "results/DIEM/arctic_bears_1066x710/pred_sal_%06d.png": (BEARS, "STAViS"),
    "DIEM/arctic_bears_1066x710/maps/eyeMap_%05d.png": (BEARS, "STAViS ground truth"),
    "arctic_bears_1066x710/maps/%04d.png": (BEARS, "DHF1K"),
    "arctic_bears_1066x710/saliency/f%04d.png": (BEARS, "a folder in a folder a stimulus"),
    "all/arctic_bears_1066x710_%05d.png": (BEARS, "all frames in one folder"),
    "all/diem_arctic_bears_1066x710_frame_%05d.png": (BEARS, "all frames in one folder"),
    "coutrot1--clip_1--%06d.npy": (CLIP, "our shards' keys"),
    "Coutrot_db1/clip1/pred_sal_%06d.png": (CLIP, "STAViS"),
    "Coutrot_db2/clip1/img_%05d.png": (MEETING, "ViNet"),
    "database2/clip_1/%d.png": (MEETING, "a folder a stimulus"),
    "coutrot_database1/clip_1/%d.npy": (CLIP, "a folder a stimulus"),
    "clip_e_1/%04d.png": (MEETING, "a folder a stimulus"),
    "clip_e_1_25/%04d.png": (MEETING, "DAVE"),
    "coutrot1_clip_1/%04d.png": (CLIP, "a folder a stimulus"),
    "coutrot1/clip_12/%04d.png": ("coutrot1/clip_12", "a folder a stimulus"),
}


@pytest.mark.parametrize("first_frame", [0, 1])
@pytest.mark.parametrize("pattern", LAYOUTS)
def test_each_habit_finds_its_stimulus_and_its_frames(tmp_path, pattern, first_frame):
    stimulus, who = LAYOUTS[pattern]
    write_maps(tmp_path, pattern, first_frame=first_frame)
    maps = open_maps(tmp_path, TRUTHS)
    assert maps.stimuli == (stimulus,)
    assert maps.about["first_frame"] == first_frame
    assert maps.about["habit"].startswith(f"{who} (")
    assert [(frame, frame_of(saliency)) for frame, saliency in maps.read(stimulus)] == [(k, k) for k in range(10)]
    assert kinds([*maps.found, *maps.findings(stimulus)]) == []


def test_the_folder_may_be_the_corpus_or_the_stimulus_itself(tmp_path):
    write_maps(tmp_path, "coutrot1/clip_1/%04d.png")
    for folder in ("coutrot1", "coutrot1/clip_1"):
        given = [truth for truth in TRUTHS if truth.stimulus != MEETING]
        assert open_maps(tmp_path / folder, given).stimuli == (CLIP,)
    assert open_maps(tmp_path / "coutrot1", TRUTHS).stimuli == (CLIP,)


def test_a_name_that_is_in_two_corpora_is_not_guessed(tmp_path):
    write_maps(tmp_path, "clip_1/%04d.png")
    with pytest.raises(
        AveError, match=r"clip_1/0000.png and 9 more .* may be coutrot1/clip_1 or coutrot2/clip_1; put it"
    ):
        open_maps(tmp_path, TRUTHS)
    write_maps(tmp_path, "diem/arctic_bears_1066x710/%04d.png")
    maps = open_maps(tmp_path, TRUTHS)
    assert maps.stimuli == (BEARS,) and kinds(maps.found) == ["ambiguous"]


def test_beside_a_name_of_the_ave_lists_a_bare_clip_is_coutrot_1s(tmp_path):
    write_maps(tmp_path, "clip_1/%04d.png")
    write_maps(tmp_path, "clip_e_1/%04d.png")
    assert open_maps(tmp_path, TRUTHS).stimuli == (CLIP, MEETING)


def test_the_only_clip_asked_for_is_taken_and_that_is_said(tmp_path):
    write_maps(tmp_path, "clip_12/%04d.png")
    maps = open_maps(tmp_path, TRUTHS)
    assert maps.stimuli == ("coutrot1/clip_12",) and kinds(maps.found) == ["understood"]


def test_maps_of_the_other_corpus_are_not_taken(tmp_path):
    write_maps(tmp_path, "coutrot2/clip_12/%04d.png")
    with pytest.raises(AveError) as caught:
        open_maps(tmp_path, TRUTHS)
    assert caught.value.code == "no-stimulus-matched"


@pytest.mark.parametrize("name", ["planet_earth_jungles_monkeys_1280x70", "planet_earth_jung", "arctic_bears"])
def test_a_name_cut_short_is_accepted_and_said(tmp_path, name):
    write_maps(tmp_path, f"{name}/%04d.png")
    maps = open_maps(tmp_path, TRUTHS)
    assert maps.stimuli == (BEARS if name == "arctic_bears" else MONKEYS,)
    assert [(found.kind, found.stimulus) for found in maps.found[:1]] == [("understood", maps.stimuli[0])]
    assert name in maps.found[0].words


def test_a_cut_name_that_fits_two_stimuli_is_ambiguous_and_one_without_size_is_not():
    names = Names(["diem/50_people_brooklyn_1280x720", "diem/50_people_brooklyn_no_voices_1280x720"])
    assert names.find("50_people_brook").stimulus is None
    assert len(names.find("50_people_brook").candidates) == 2
    assert names.find("50_people_brooklyn").stimulus == "diem/50_people_brooklyn_1280x720"
    assert names.find("50_peop").candidates == ()


def test_a_corpus_that_is_named_decides_whatever_list_the_names_are_of():
    names = Names([CLIP, MEETING], ave_lists=True)
    assert names.find("clip_1").stimulus == CLIP
    assert names.find("clip_1", ["maps", "database2"]).stimulus == MEETING
    assert names.find("clip_e_1", ["coutrot1"]).candidates == ()


def test_names_of_one_simple_form_are_told_apart_by_their_letters():
    names = Names(["etmd/a_b_c", "etmd/a_bc"])
    assert names.find("a_b_c").stimulus == "etmd/a_b_c"
    assert names.find("a_bc").stimulus == "etmd/a_bc"
    assert len(names.find("a-bc").candidates) == 2


def test_a_line_in_the_table_is_all_a_new_habit_needs(tmp_path, monkeypatch):
    write_map(tmp_path / "vid=arctic_bears_1066x710" / "t7.png", map_of(7))
    with pytest.raises(AveError, match="nearest: diem/arctic_bears_1066x710"):
        open_maps(tmp_path, TRUTHS)
    from pipeline.evaluate.maps import find

    monkeypatch.setattr(find, "HABITS", (*HABITS, Habit("theirs", "vid={name}/t{frame}")))
    maps = open_maps(tmp_path, TRUTHS, first_frame=0)
    assert [frame for frame, _ in maps.read(BEARS)] == [7] and maps.about["habit"] == "theirs (vid=<name>/t<frame>)"


def test_numbers_of_a_name_are_not_run_together():
    assert simple("clip_1_2") != simple("clip_12")
    assert simple("Clip 12") == simple("clip_12") == simple("clip-12")
