"""The file of annotations: what is written is read back, and whatever is wrong is told with its line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.annotate.boxes import COLUMNS, Box, Extent, problems_of, read_boxes, rounded, source_boxes, write_boxes
from pipeline.errors import AveError

KNOWN = {"a/clip_1": Extent(100, 240, 320), "b/clip_1": Extent(10, 100, 50)}
HEADING = ",".join(COLUMNS)
GOOD = "a/clip_1,17,40.0,12.5,96.0,120.0,singer,yes"


def written(folder: Path, *lines: str) -> Path:
    path = folder / "ann.csv"
    path.write_text("\n".join((HEADING, *lines, "")), encoding="utf-8")
    return path


def test_what_is_written_is_read_back(tmp_path: Path):
    annotations = {
        ("b/clip_1", 3): (Box(0.0, 0.0, 50.0, 100.0, 'a "loud", proud dog', "yes"), Box(1.5, 2.0, 3.5, 4.0, "", "no")),
        ("a/clip_1", 99): (),
        ("a/clip_1", 4): (Box(300.0, 200.0, 20.0, 40.0, "Sängerin ♪", "unsure"),),
    }
    write_boxes(tmp_path / "ann.csv", annotations)
    assert read_boxes(tmp_path / "ann.csv", KNOWN) == annotations
    lines = (tmp_path / "ann.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == HEADING
    assert lines[1:3] == ["a/clip_1,4,300.0,200.0,20.0,40.0,Sängerin ♪,unsure", "a/clip_1,99,,,,,,"]
    assert [path.name for path in tmp_path.iterdir()] == ["ann.csv"]


def test_written_again_it_is_the_same_file(tmp_path: Path):
    path = written(tmp_path, "b/clip_1,9,0,0,50,100,dog,yes", "", "a/clip_1,2,,,,,,", GOOD)
    write_boxes(path, read_boxes(path, KNOWN))
    first = path.read_bytes()
    write_boxes(path, read_boxes(path, KNOWN))
    assert path.read_bytes() == first


def test_a_spreadsheet_may_have_saved_it(tmp_path: Path):
    path = tmp_path / "ann.csv"
    path.write_bytes(b"\xef\xbb\xbf" + f"{HEADING}\r\n{GOOD}\r\n".encode())
    assert read_boxes(path, KNOWN) == {("a/clip_1", 17): (Box(40.0, 12.5, 96.0, 120.0, "singer", "yes"),)}


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("a/clip_1,17,1,2,3", r"5 cells, expected 8"),
        ("clip_1,17,1,2,30,40,dog,yes", r"the stimulus is 'clip_1', expected corpus/name"),
        ("c/clip_1,17,1,2,30,40,dog,yes", r"the corpus has no stimulus 'c/clip_1'"),
        ("a/clip_1,1.5,1,2,30,40,dog,yes", r"the frame is '1\.5', expected a whole number"),
        ("a/clip_1,-1,1,2,30,40,dog,yes", r"the frame is '-1'"),
        ("a/clip_1,100,1,2,30,40,dog,yes", r"a/clip_1 has no frame 100, it has \[0, 100\)"),
        ("a/clip_1,100,,,,,,", r"a/clip_1 has no frame 100"),
        ("a/clip_1,17,1,,30,40,dog,yes", r"must be numbers, got '1', '', '30', '40'"),
        ("a/clip_1,17,,,,,dog,yes", r"must be numbers"),
        ("a/clip_1,17,1,nan,30,40,dog,yes", r"must be finite"),
        ("a/clip_1,17,1,2,30,1.9,dog,yes", r"the box is 30 x 1\.9 px, the least is 2 x 2"),
        ("a/clip_1,17,1,2,-30,40,dog,yes", r"the box is -30 x 40 px"),
        ("a/clip_1,17,-1,2,30,40,dog,yes", r"begins 1 px beyond the left edge"),
        ("a/clip_1,17,1,-2,30,40,dog,yes", r"begins 2 px beyond the upper edge"),
        ("a/clip_1,17,300,2,30,40,dog,yes", r"ends 10 px beyond the right edge \(the video is 320 x 240 px\)"),
        ("a/clip_1,17,1,220,30,40,dog,yes", r"ends 20 px beyond the lower edge"),
        ("a/clip_1,17,1,2,30,40,dog,loud", r"sounding is 'loud', choose one of: yes, no, unsure"),
        ("a/clip_1,17,1,2,30,40,dog,", r"sounding is ''"),
        (f"a/clip_1,17,1,2,30,40,{'x' * 61},yes", r"the label has 61 characters, the most is 60"),
        ("a/clip_1,17,1,2,30,40,do\x07g,yes", r"control characters"),
    ],
)
def test_each_wrong_line_is_told_with_its_number(tmp_path: Path, line: str, complaint: str):
    path = written(tmp_path, GOOD, line)
    with pytest.raises(AveError, match=rf"ann\.csv:3: .*{complaint}") as caught:
        read_boxes(path, KNOWN)
    assert caught.value.code == "annotation"
    assert "1 problem\n" in caught.value.message


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ((GOOD, "a/clip_1,17,,,,,,"), "has a line already, and this one says that it shows no source"),
        (("a/clip_1,17,,,,,,", GOOD), "an earlier line says that this frame shows no source"),
        (("a/clip_1,17,,,,,,", "a/clip_1,17,,,,,,"), "has a line already"),
        ((GOOD, GOOD), "the same box stands there already"),
    ],
)
def test_lines_that_cannot_both_be_true_are_told(tmp_path: Path, lines: tuple[str, ...], complaint: str):
    with pytest.raises(AveError, match=rf":3: .*{complaint}"):
        read_boxes(written(tmp_path, *lines), KNOWN)


def test_all_problems_are_told_at_once(tmp_path: Path):
    path = written(tmp_path, "x,y,,,,,,", GOOD, "a/clip_1,18,-5,2,30,1,dog,maybe")
    with pytest.raises(AveError) as caught:
        read_boxes(path, KNOWN)
    assert "5 problems" in caught.value.message
    assert [line.split(":")[1] for line in caught.value.message.splitlines()[1:]] == ["2", "2", "4", "4", "4"]


def test_without_the_corpus_only_the_form_is_checked(tmp_path: Path):
    path = written(tmp_path, "c/clip_9,5000,1000,2,30,40,dog,yes")
    assert list(read_boxes(path)) == [("c/clip_9", 5000)]


@pytest.mark.parametrize("content", [b"", b"stimulus,frame\n", b"\xff\xfe\x00"])
def test_another_kind_of_file_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / "ann.csv").write_bytes(content)
    with pytest.raises(AveError, match=r"heading|not UTF-8"):
        read_boxes(tmp_path / "ann.csv")


def test_a_box_at_the_edge_survives_its_rounding():
    """Drawn to the very edge of a video, at any fraction of a pixel."""
    extent = Extent(1, 240, 320)
    for x_px in np.linspace(0, 300, 3001):
        assert not list(problems_of(rounded(Box(x_px, 0, 320 - x_px, 240)), extent))


def test_only_boxes_that_sound_are_sources_and_a_looked_at_frame_stays():
    boxes = (Box(1, 2, 3, 4, "", "yes"), Box(5, 6, 7, 8, "", "unsure"), Box(5, 6, 9, 9, "", "no"))
    annotations = {("a/clip_1", 0): boxes, ("a/clip_1", 1): boxes[2:], ("a/clip_1", 2): ()}
    sources = source_boxes(annotations)
    assert sources["a/clip_1", 0].tolist() == [[1, 2, 3, 4]]
    assert sources["a/clip_1", 1].shape == sources["a/clip_1", 2].shape == (0, 4)
    assert len(source_boxes(annotations, ("yes", "unsure"))["a/clip_1", 0]) == 2
