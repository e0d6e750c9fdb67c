"""One annotator at work: the sampled frames, what was said of them so far, and what may be saved.

Conventions
-----------
Frames of a session are addressed by their number in it, from 0. An answer is what the page sends, as JSON:

    {"boxes": [{"x_px": 40, "y_px": 12.5, "width_px": 96, "height_px": 120, "label": "dog", "sounding": "yes"}],
     "nothing": false}

`nothing` says that a frame was looked at and shows no source; without it and without boxes the frame counts as not
looked at, and leaves the file. The file is read again before every change: what else it holds (other frames, a line
that somebody corrected) stays.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.annotate.boxes import Annotations, Box, Extent, problems_of, read_boxes, rounded, write_boxes
from pipeline.corpus import Stimulus
from pipeline.errors import AveError

MOST_BOXES = 50  # of one frame

_NUMBERS = ("x_px", "y_px", "width_px", "height_px")


class Session:
    """What a server shows and keeps.

    Parameters
    ----------
    annotator : str
    path : Path
        The annotator's file; need not exist yet.
    stimuli : sequence of Stimulus
        All of the corpus: the file may speak of others than are sampled now.
    sampled : sequence of (stimulus, frame)
        In the order in which to look at them.

    Raises
    ------
    AveError
        If the file has problems.
    """

    def __init__(
        self, annotator: str, path: Path, stimuli: Sequence[Stimulus], sampled: Sequence[tuple[str, int]]
    ) -> None:
        self.annotator, self.path, self.sampled = annotator, path, list(sampled)
        self.stimuli = {stimulus.stimulus: stimulus for stimulus in stimuli}
        self.known = {
            name: Extent(stimulus.n_frames, stimulus.height_px, stimulus.width_px)
            for name, stimulus in self.stimuli.items()
        }
        self._lock = threading.Lock()
        self.annotations()

    def annotations(self) -> Annotations:
        """What the annotator's file says now."""
        return read_boxes(self.path, self.known) if self.path.exists() else {}

    def n_done(self) -> int:
        """How many of the sampled frames are answered."""
        return len(self.annotations().keys() & set(self.sampled))

    def state(self) -> dict[str, Any]:
        """All that the page needs to know, for JSON."""
        found = self.annotations()
        return {
            "annotator": self.annotator,
            "file": str(self.path),
            "frames": [self._described(key, found) for key in self.sampled],
        }

    def save(self, number: int, answer: Any) -> dict[str, Any]:
        """Keep an answer; gives the frame as it stands then, and how many frames are done.

        Raises
        ------
        AveError
            Code "answer", in words for the annotator, if it cannot be kept; the file stays as it is.
        """
        key = self.sampled[number]
        boxes = _checked(answer, self.known[key[0]])
        with self._lock:
            found = self.annotations()
            if boxes is None:
                found.pop(key, None)
            else:
                found[key] = boxes
            write_boxes(self.path, found)
        return {"frame": self._described(key, found), "done": len(found.keys() & set(self.sampled))}

    def place(self, number: int) -> tuple[Stimulus, int]:
        """Stimulus and frame of a number; raises IndexError where there is none."""
        name, frame = self.sampled[number]
        return self.stimuli[name], frame

    def _described(self, key: tuple[str, int], found: Annotations) -> dict[str, Any]:
        stimulus = self.stimuli[key[0]]
        boxes = found.get(key)
        return {
            "stimulus": key[0],
            "frame": key[1],
            "time_s": float(stimulus.times_s[key[1]]),
            "width_px": stimulus.width_px,
            "height_px": stimulus.height_px,
            "anchor": stimulus.anchor,
            "done": boxes is not None,
            "nothing": boxes == (),
            "boxes": [vars(box) for box in boxes or ()],
        }


def _checked(answer: Any, extent: Extent) -> tuple[Box, ...] | None:
    """The boxes of an answer, none for "nothing", None for no answer; or every problem at once."""
    if not isinstance(answer, dict) or not isinstance(answer.get("boxes"), list):
        raise _refusal("what came is not an answer of this page")
    rows, nothing = answer["boxes"], answer.get("nothing") is True
    if nothing and rows:
        raise _refusal("the frame cannot have boxes and show no source; delete the boxes first")
    if len(rows) > MOST_BOXES:
        raise _refusal(f"{len(rows)} boxes in one frame, the most is {MOST_BOXES}")
    problems: list[str] = []
    boxes: list[Box | None] = []
    for place, row in enumerate(rows, 1):
        box, wrong = _box(row, extent)
        if box is not None and box in boxes:
            wrong = [f"the same as box {boxes.index(box) + 1}"]
        problems += [f"box {place}: {problem}" for problem in wrong]
        boxes.append(box)
    if problems:
        raise _refusal("; ".join(problems))
    return tuple(box for box in boxes if box) if boxes or nothing else None


def _box(row: Any, extent: Extent) -> tuple[Box | None, list[str]]:
    """A box as sent, rounded, and what is wrong with it."""
    numbers: list[Any] = [row.get(name) if isinstance(row, dict) else None for name in _NUMBERS]
    if not all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in numbers):
        return None, ["left, top, width and height must be numbers"]
    label, sounding = row.get("label"), row.get("sounding")
    if not (isinstance(label, str) and isinstance(sounding, str)):
        return None, ["it needs a label (it may be empty) and whether it sounds"]
    x_px, y_px, width_px, height_px = map(float, numbers)
    box = Box(x_px, y_px, width_px, height_px, label.strip(), sounding)
    problems = [*problems_of(box, extent)]
    return (box if problems else rounded(box)), problems


def _refusal(what: str) -> AveError:
    return AveError(f"Not saved: {what}.", code="answer")
