"""Boxes around sound sources: the format of a file of annotations, read, checked and written.

Conventions
-----------
One CSV file (UTF-8, comma, a heading line) per annotator, a line a box:

    stimulus,frame,x_px,y_px,width_px,height_px,label,sounding
    coutrot1/clip_1,17,40.0,12.5,96.0,120.0,singer,yes
    coutrot1/clip_1,17,200.0,60.0,50.0,44.5,dog,no
    diem/frog_pond_480x360,80,,,,,,

x_px and y_px are the box's upper left corner, in pixels of the video as shown: (0, 0) is the upper left corner of the
first pixel, the axes in which fixations are given. A box lies inside the picture and is kept to 0.1 px. `label` says
what it is, in any words, and may be empty. `sounding` is "yes" (it is heard at this moment), "no" (it could sound and
is silent) or "unsure". A frame that was looked at and shows no source is one line with nothing after the frame; a frame
without a line was not looked at. Frames count from 0. Lines are sorted by stimulus and frame when written; the boxes of
a frame keep their order.

In Python annotations are {(stimulus, frame): boxes}, an empty tuple for a frame without a source.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import AveError
from pipeline.store.disk import replace_text

COLUMNS = ("stimulus", "frame", "x_px", "y_px", "width_px", "height_px", "label", "sounding")
SOUNDING = ("yes", "no", "unsure")
SMALLEST_PX = 2.0  # less is a slip of the mouse
LONGEST_LABEL = 60
SLACK_PX = 0.11  # x and width are each rounded to 0.1 px, so that an edge may be 0.1 px off

REMEDY = "The format is described in pipeline/annotate/boxes.py; correct the lines, or draw the boxes again."


@dataclass(frozen=True)
class Box:
    """One box of one frame, pixels of the video.

    Attributes
    ----------
    x_px, y_px : float
        Upper left corner.
    width_px, height_px : float
    label : str
    sounding : str
        One of `SOUNDING`.
    """

    x_px: float
    y_px: float
    width_px: float
    height_px: float
    label: str = ""
    sounding: str = "yes"

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """Left, top, width, height, as `evaluate.contextual` takes them."""
        return self.x_px, self.y_px, self.width_px, self.height_px


@dataclass(frozen=True)
class Extent:
    """How far a stimulus reaches: what its annotations can be checked against."""

    n_frames: int
    height_px: int
    width_px: int


Annotations = dict[tuple[str, int], tuple[Box, ...]]


def read_boxes(path: str | Path, known: Mapping[str, Extent] | None = None) -> Annotations:
    """Read one annotator's file.

    Parameters
    ----------
    path : path
    known : mapping of stimulus to Extent, optional
        What the corpus holds; with it, stimuli, frames and boxes outside are problems too.

    Raises
    ------
    AveError
        Code "annotation", with every problem and its line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refusal(Path(path), [f"{path}: not UTF-8 text ({error.reason} at byte {error.start})"]) from error
    lines = csv.reader(io.StringIO(text, newline=""))
    if (heading := next(lines, [])) != list(COLUMNS):
        raise _refusal(Path(path), [f"{path}:1: the heading is {','.join(heading)!r}, expected {','.join(COLUMNS)}"])
    found: Annotations = {}
    problems: list[str] = []
    for cells in lines:
        if not cells:
            continue
        key, box, wrong = _parsed(cells, known)
        if key is not None and not wrong:
            wrong = list(_clashes(found.get(key), box))
        problems += [f"{path}:{lines.line_num}: {problem}" for problem in wrong]
        if key is not None and not wrong:
            found[key] = (*found.get(key, ()), *([box] if box else []))
    if problems:
        raise _refusal(Path(path), problems)
    return found


def write_boxes(path: str | Path, annotations: Mapping[tuple[str, int], Collection[Box]]) -> None:
    """Write one annotator's file in one rename; boxes are not checked, see `problems_of`."""
    sheet = io.StringIO()
    writer = csv.writer(sheet, lineterminator="\n")
    writer.writerow(COLUMNS)
    for (stimulus, frame), boxes in sorted(annotations.items()):
        for box in boxes:
            writer.writerow([stimulus, frame, *(f"{value:.1f}" for value in box.corners), box.label, box.sounding])
        if not boxes:
            writer.writerow([stimulus, frame, *[""] * 6])
    replace_text(Path(path), sheet.getvalue())


def problems_of(box: Box, extent: Extent | None = None) -> Iterator[str]:
    """What is wrong with a box, in words; nothing if it can be kept.

    Examples
    --------
    >>> list(problems_of(Box(300, 0, 40, 20, "dog", "yes"), Extent(10, 240, 320)))
    ['the box ends 20 px beyond the right edge (the video is 320 x 240 px)']
    """
    if not all(map(math.isfinite, box.corners)):
        yield "x, y, width and height must be finite numbers"
        return
    if min(box.width_px, box.height_px) < SMALLEST_PX:
        yield f"the box is {box.width_px:g} x {box.height_px:g} px, the least is {SMALLEST_PX:g} x {SMALLEST_PX:g}"
    over = {"left": -box.x_px, "upper": -box.y_px}
    if extent is not None:
        over["right"] = box.x_px + box.width_px - extent.width_px
        over["lower"] = box.y_px + box.height_px - extent.height_px
    size = f" (the video is {extent.width_px} x {extent.height_px} px)" if extent else ""
    for edge, beyond_px in over.items():
        if beyond_px > SLACK_PX:
            verb = "begins" if edge in ("left", "upper") else "ends"
            yield f"the box {verb} {beyond_px:.4g} px beyond the {edge} edge{size}"
    if box.sounding not in SOUNDING:
        yield f"sounding is {box.sounding!r}, choose one of: {', '.join(SOUNDING)}"
    if len(box.label) > LONGEST_LABEL:
        yield f"the label has {len(box.label)} characters, the most is {LONGEST_LABEL}"
    if not (box.label.isprintable() and box.label == box.label.strip()):
        yield "the label has control characters, or spaces at an end"


def rounded(box: Box) -> Box:
    """The box as a file keeps it: to 0.1 px."""
    x_px, y_px, width_px, height_px = (round(float(value), 1) + 0.0 for value in box.corners)  # + 0.0: never -0.0
    return Box(x_px, y_px, width_px, height_px, box.label, box.sounding)


def source_boxes(
    annotations: Mapping[tuple[str, int], Collection[Box]], sounding: Collection[str] = ("yes",)
) -> dict[tuple[str, int], NDArray[np.float64]]:
    """The corners of the boxes that sound, frame by frame: what `evaluate.contextual` takes.

    Returns
    -------
    dict of (stimulus, frame) to ndarray, shape (n, 4), float64
        x, y, width, height in video px; n is 0 in a frame that was looked at and shows no such source.
    """
    return {
        key: np.array([box.corners for box in boxes if box.sounding in sounding], np.float64).reshape(-1, 4)
        for key, boxes in annotations.items()
    }


def _parsed(
    cells: list[str], known: Mapping[str, Extent] | None
) -> tuple[tuple[str, int] | None, Box | None, list[str]]:
    """Key and box of a line (no box: a frame without a source), and what is wrong with it."""
    if len(cells) != len(COLUMNS):
        return None, None, [f"{len(cells)} cells, expected {len(COLUMNS)}"]
    stimulus, frame = cells[:2]
    problems = [*_place_problems(stimulus, frame, known)]
    key = None if problems else (stimulus, int(frame))
    if not any(cells[2:]):
        return key, None, problems
    try:
        x_px, y_px, width_px, height_px = map(float, cells[2:6])
    except ValueError:
        return key, None, [*problems, f"x, y, width and height must be numbers, got {', '.join(map(repr, cells[2:6]))}"]
    box = Box(x_px, y_px, width_px, height_px, cells[6], cells[7])
    problems += problems_of(box, (known or {}).get(stimulus))
    return key, rounded(box) if not problems else box, problems


def _place_problems(stimulus: str, frame: str, known: Mapping[str, Extent] | None) -> Iterator[str]:
    if not re.fullmatch(r"[^/\s]+/[^/\s]+", stimulus):
        yield f"the stimulus is {stimulus!r}, expected corpus/name"
    elif known is not None and stimulus not in known:
        yield f"the corpus has no stimulus {stimulus!r}"
    if not re.fullmatch(r"[0-9]{1,9}", frame):
        yield f"the frame is {frame!r}, expected a whole number from 0"
    elif known is not None and stimulus in known and int(frame) >= known[stimulus].n_frames:
        yield f"{stimulus} has no frame {frame}, it has [0, {known[stimulus].n_frames})"


def _clashes(earlier: tuple[Box, ...] | None, box: Box | None) -> Iterator[str]:
    """Lines of one frame that cannot both be true."""
    if earlier is None:
        return
    if box is None:
        yield "the frame has a line already, and this one says that it shows no source"
    elif not earlier:
        yield "an earlier line says that this frame shows no source"
    elif box in earlier:
        yield "the same box stands there already"


def _refusal(path: Path, problems: list[str]) -> AveError:
    lines = "\n".join(f"  - {problem}" for problem in problems)
    count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
    return AveError(f"{path}: {count}\n{lines}\n", remedy=REMEDY, code="annotation")
