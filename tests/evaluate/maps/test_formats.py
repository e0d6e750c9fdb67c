"""Maps in every format that is read: the numbers arrive as they were written, one file a frame or one for all."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from scipy.io import savemat
from scipy.sparse import csc_matrix

from pipeline.errors import AveError
from pipeline.evaluate.maps import open_maps
from pipeline.evaluate.maps.read import read_stack
from pipeline.learn.predict import maps_schema
from pipeline.mini.encode import write_video

from .strangers import BEARS, CLIP, MEETING, SIZE, TRUTHS, frame_of, kinds, map_of, write_map, write_maps

DIEM = "diem/arctic_bears_1066x710"
ALL = np.stack([map_of(frame) for frame in range(10)])


def frames_of(maps, stimulus=BEARS):
    """Frame, and the frame that its map was made for."""
    return [(frame, frame_of(saliency)) for frame, saliency in maps.read(stimulus)]


WHOLE = [(k, k) for k in range(10)]


def test_numbers_arrive_as_they_were_written(tmp_path):
    deep = (np.arange(12 * 16).reshape(SIZE) * 300).astype(np.uint16)
    write_map(tmp_path / DIEM / "0.png", deep)
    write_map(tmp_path / DIEM / "1.png", map_of(1))
    one, two = (saliency for _, saliency in open_maps(tmp_path, TRUTHS).read(BEARS))
    assert one.dtype == np.uint16 and np.array_equal(one, deep)
    assert two.dtype == np.uint8 and np.array_equal(two, map_of(1))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16", "F"])
def test_pictures_of_any_mode_are_read(tmp_path, mode):
    path = tmp_path / DIEM / ("0.tif" if mode == "F" else "0.png")
    path.parent.mkdir(parents=True)
    Image.fromarray(np.where(map_of(5) > 0, 255, 0).astype(np.uint8)).convert(mode).save(path)
    maps = open_maps(tmp_path, TRUTHS)
    ((_, saliency),) = maps.read(BEARS)
    assert saliency.shape == SIZE and saliency.max() == 255 and frame_of(saliency) == 5
    assert "colour" not in kinds(maps.findings(BEARS))


@pytest.mark.parametrize(
    ("written", "read"),
    [("f2", "f4"), ("f4", "f4"), ("f8", "f8"), ("u1", "u1"), ("u2", "u2"), ("i4", "f8"), ("?", "u1")],
)
def test_arrays_keep_their_values(tmp_path, written, read):
    values = (map_of(3) / 7).astype(written)
    write_map(tmp_path / DIEM / "0.npy", values)
    ((_, saliency),) = open_maps(tmp_path, TRUTHS).read(BEARS)
    assert saliency.dtype == np.dtype(read) and np.array_equal(saliency, values)


@pytest.mark.parametrize("values", [ALL[3][None], ALL[3][..., None], ALL[3]])
def test_an_array_with_one_channel_is_a_map(tmp_path, values):
    write_map(tmp_path / DIEM / "3.npy", values)
    assert frames_of(open_maps(tmp_path, TRUTHS, first_frame=0)) == [(3, 3)]


@pytest.mark.parametrize("values", [np.array(["a"]), np.zeros((0, 4)), np.zeros((2, 3, 4, 5)), np.zeros(4) * 1j])
def test_an_array_that_is_no_map_is_a_finding(tmp_path, values):
    write_map(tmp_path / DIEM / "0.npy", values)
    maps = open_maps(tmp_path, TRUTHS)
    assert frames_of(maps) == [] and "unreadable" in kinds(maps.findings(BEARS))


@pytest.mark.parametrize("name", [f"{DIEM}.npy", "arctic_bears_1066x710_30.npy", "diem/arctic_bears_saliency.npy"])
def test_one_array_a_stimulus(tmp_path, name):
    write_map(tmp_path / name, ALL)
    maps = open_maps(tmp_path, TRUTHS)
    assert frames_of(maps) == WHOLE and maps.about["format"] == "NPY" and maps.about["first_frame"] == 0


def test_arrays_side_by_side_are_matched_one_by_one(tmp_path):
    for name in ("clip_1", "clip_12", "clip_99"):
        write_map(tmp_path / "coutrot1" / f"{name}.npy", ALL)
    maps = open_maps(tmp_path, TRUTHS)
    assert maps.stimuli == (CLIP, "coutrot1/clip_12")
    assert [str(found) for found in maps.found if found.kind == "other-stimulus"] == [
        "coutrot1/clip_99.npy (nearest: coutrot1/clip_1)"
    ]


def test_one_file_given_alone(tmp_path):
    write_map(tmp_path / "coutrot2" / "clip_1.npy", ALL)
    assert frames_of(open_maps(tmp_path / "coutrot2" / "clip_1.npy", TRUTHS), MEETING) == WHOLE


def test_a_file_for_all_frames_that_is_too_short_or_holds_one_map_is_said(tmp_path):
    write_map(tmp_path / f"{DIEM}.npy", ALL[:7])
    write_map(tmp_path / "coutrot1" / "clip_1.npy", ALL[0])
    maps = open_maps(tmp_path, TRUTHS)
    assert frames_of(maps) == WHOLE[:7]
    assert [(found.kind, found.frame, found.count) for found in maps.findings(BEARS)] == [("missing", 7, 3)]
    assert frames_of(maps, CLIP) == [] and kinds(maps.findings(CLIP))[0] == "unreadable"


@pytest.mark.parametrize("content", [{"x": ALL[4]}, {"saliency": ALL[4], "other": ALL[5]}, {"s": csc_matrix(ALL[4])}])
def test_a_mat_a_frame(tmp_path, content):
    path = tmp_path / DIEM / "0004.mat"
    path.parent.mkdir(parents=True)
    savemat(path, content | {"fps": 30, "name": "bears"})
    assert frames_of(open_maps(tmp_path, TRUTHS, first_frame=0)) == [(4, 4)]


@pytest.mark.parametrize("axis", [0, 2])
def test_a_mat_a_stimulus_has_its_frames_on_the_axis_that_is_as_long_as_the_video(tmp_path, axis):
    (tmp_path / "diem").mkdir()
    savemat(tmp_path / f"{DIEM}.mat", {"maps": np.moveaxis(ALL, 0, axis)})
    assert frames_of(open_maps(tmp_path, TRUTHS)) == WHOLE


def test_a_mat_that_is_no_map_is_a_finding(tmp_path):
    folder = tmp_path / DIEM
    folder.mkdir(parents=True)
    savemat(folder / "0.mat", {"a": ALL[0], "b": ALL[1]})
    (folder / "1.mat").write_bytes(b"not a mat file at all" * 20)
    (folder / "2.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\x89HDF\r\n\x1a\n")
    savemat(folder / "3.mat", {"map": ALL[3]})
    maps = open_maps(tmp_path, TRUTHS)
    assert frames_of(maps) == [(3, 3)]
    words = [found.words for found in maps.findings(BEARS) if found.kind == "unreadable"]
    assert len(words) == 3 and "2 variables that may be the map (a, b)" in words[0] and "save it with -v7" in words[2]


@pytest.mark.parametrize(("ending", "codec"), [("mp4", "h264"), ("avi", "mjpeg"), ("mkv", "mpeg4")])
def test_a_video_a_stimulus(tmp_path, ending, codec):
    (tmp_path / "diem").mkdir()
    grey = np.zeros((9, 48, 64, 3), np.uint8)
    for frame in range(9):
        grey[frame, :, 7 * frame : 7 * frame + 7] = 200
    write_video(tmp_path / f"{DIEM}.{ending}", [grey], Fraction(30), (48, 64), codec=codec)
    maps = open_maps(tmp_path, TRUTHS)
    assert maps.about["format"] == "video"
    for frame, saliency in maps.read(BEARS):
        assert saliency.shape == (48, 64) and saliency.dtype == np.uint8
        assert np.abs(saliency.astype(int) - grey[frame, ..., 0]).mean() < 4
    assert kinds(maps.findings(BEARS)) == ["missing"] and maps.findings(BEARS)[0].frame == 9


def test_videos_in_colour_or_broken_are_said(tmp_path):
    for name in ("coutrot1/clip_1", "coutrot2/clip_1"):
        (tmp_path / name).parent.mkdir()
    heat = np.zeros((10, 48, 64, 3), np.uint8)
    heat[..., :32, 0] = 220
    write_video(tmp_path / "coutrot1" / "clip_1.mp4", [heat], Fraction(25), (48, 64), codec="h264")
    (tmp_path / "coutrot2" / "clip_1.mp4").write_bytes(b"\0" * 500)
    maps = open_maps(tmp_path, TRUTHS)
    assert len(list(maps.read(CLIP))) == 10 and kinds(maps.findings(CLIP)) == ["colour"]
    assert list(maps.read(MEETING)) == [] and kinds(maps.findings(MEETING)) == ["unreadable", "missing"]


def test_our_own_maps_and_the_folder_of_a_run(tmp_path):
    about = {"height": 12, "width": 16, "split": "test", "every": 3, "run": {"model": "dave"}}
    schema = maps_schema(about)
    folder = tmp_path / "run" / "predict"
    folder.mkdir(parents=True)
    cells = pa.FixedSizeListArray.from_arrays(pa.array(ALL[::3].astype("f4").ravel()), 12 * 16)
    with pq.ParquetWriter(folder / "maps.parquet", schema) as writer:
        for stimulus in (BEARS, CLIP):
            writer.write_table(pa.table([[stimulus] * 4, [0, 3, 6, 9], cells], schema=schema))
    for path in (folder / "maps.parquet", tmp_path / "run"):
        maps = open_maps(path, TRUTHS)
        assert maps.stimuli == (BEARS, CLIP) and maps.about["every"] == 3
        assert maps.about["run"]["run"] == {"model": "dave"}
        assert frames_of(maps) == [(0, 0), (3, 3), (6, 6), (9, 9)] and maps.findings(BEARS) == []
    write_maps(tmp_path, "other/%d.png")
    (tmp_path / "maps.parquet").write_bytes((folder / "maps.parquet").read_bytes())
    with pytest.raises(AveError, match="holds the maps of 2 runs"):
        open_maps(tmp_path, TRUTHS)


def rows(order, form):
    """A table of somebody else's: names as they write them, numbers from 1, rows in some order."""
    maps = [ALL[k].astype(float) for k in order]
    columns = {"stimulus": ["Coutrot_db1/clip1"] * len(order), "frame": [k + 1 for k in order]}
    if form == "nested":
        return pa.table(columns | {"map": [one.tolist() for one in maps]})
    if form == "fixed":
        cells = pa.FixedSizeListArray.from_arrays(pa.array(np.stack(maps).ravel()), 192)
        return pa.table(columns | {"map": cells, "height": [12] * len(order), "width": [16] * len(order)})
    return pa.table(columns | {"map": [one.ravel().tolist() for one in maps]})


@pytest.mark.parametrize("order", [range(10), [3, 1, 2, 0, 9, 8, 7, 6, 5, 4]])
@pytest.mark.parametrize("form", ["nested", "fixed"])
def test_anybodys_parquet(tmp_path, form, order):
    pq.write_table(rows(order, form), tmp_path / "theirs.parquet", row_group_size=4)
    for path in (tmp_path, tmp_path / "theirs.parquet"):
        maps = open_maps(path, TRUTHS)
        assert frames_of(maps, CLIP) == WHOLE
        assert maps.about["first_frame"] == 1 and maps.about["format"] == "Parquet" and maps.findings(CLIP) == []


def test_parquet_that_cannot_be_maps(tmp_path):
    pq.write_table(rows(range(10), "flat"), tmp_path / "flat.parquet")
    maps = open_maps(tmp_path / "flat.parquet", TRUTHS)
    assert frames_of(maps, CLIP) == []
    unreadable = [found for found in maps.findings(CLIP) if found.kind == "unreadable"]
    assert len(unreadable) == 10
    assert unreadable[3].words == (
        "flat.parquet: Coutrot_db1/clip1, frame 4: a flat list without its size: add columns height and width"
    )
    pq.write_table(pa.table({"stimulus": ["a"], "score": [1.0]}), tmp_path / "scores.parquet")
    with pytest.raises(AveError, match="no column frame, map; it has stimulus, score"):
        open_maps(tmp_path / "scores.parquet", TRUTHS)
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(AveError, match="not a Parquet file"):
        open_maps(tmp_path / "broken.parquet", TRUTHS)


def test_a_frame_that_is_there_twice_is_read_once_and_said(tmp_path):
    pq.write_table(rows([*range(10), 4], "nested"), tmp_path / "theirs.parquet")
    maps = open_maps(tmp_path, TRUTHS)
    assert frames_of(maps, CLIP) == WHOLE
    assert [(found.kind, found.frame) for found in maps.findings(CLIP)] == [("set-aside", 4)]


@pytest.mark.parametrize("shape", ["frames first", "frames last"])
def test_a_stack_of_other_length_than_the_video_is_cut_so_that_maps_keep_its_proportions(tmp_path, shape):
    """Seven maps of a video of ten frames: no axis is as long as the video."""
    some = ALL[:7]
    np.save(tmp_path / "stack.npy", some if shape == "frames first" else np.moveaxis(some, 0, 2))
    maps = list(read_stack(tmp_path / "stack.npy", 10, ALL.shape[1:]))
    assert len(maps) == 7
    assert all(np.array_equal(one, other) for one, other in zip(maps, some, strict=True))
