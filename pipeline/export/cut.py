"""Cut one stimulus, as the earlier stages left it on the disk, into samples.

Conventions
-----------
Everything big is memory-mapped, and one sample at a time is in memory, however long the stimulus is.
The timeline says how many frames there are; the frame file may hold more (pictures without gaze), never fewer.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline import schemas
from pipeline.errors import ExportError
from pipeline.export.sample import FIXATION_DTYPE, Facts, Head, Sample, sample_key, segments, step_range
from pipeline.features.frames import FrameFile
from pipeline.signals.audio import EXAMPLE_STEPS, HOP_S, WINDOW_S, first_steps
from pipeline.signals.waveform import sample_range

OPTIONAL = ("waveform",)
ROLES = ("stimulus", "timeline", "fixations", "frames", "steps", "density")


class StimulusFiles:
    """Stage outputs of one stimulus, opened but not read.

    Parameters
    ----------
    files : mapping of str to Path
        One path for each of `ROLES`, and of `OPTIONAL` for what the shards are to hold.
    waveform_rate_hz : int
        Of the waveform; 0 where there is none.

    Raises
    ------
    ExportError
        If the files disagree about the number of frames: they are of different builds.
    """

    def __init__(self, files: Mapping[str, Path], waveform_rate_hz: int = 0):
        self.stimulus: dict[str, Any] = json.loads(Path(files["stimulus"]).read_text(encoding="utf-8"))
        self.timeline: dict[str, Any] = json.loads(Path(files["timeline"]).read_text(encoding="utf-8"))
        self.n_frames = int(self.timeline["n_frames"])
        self._frames = FrameFile(files["frames"])
        self._steps = np.load(files["steps"], mmap_mode="r")
        self._density = np.load(files["density"], mmap_mode="r")
        self._waveform_rate_hz = waveform_rate_hz
        self._waveform = np.load(files["waveform"], mmap_mode="r") if waveform_rate_hz else np.zeros(0, np.float32)
        self._fixations, self.observers = _read_fixations(Path(files["fixations"]))
        self._check()

    def samples(self, *, segment_frames: int, lead_in_frames: int, anchor: str = "start") -> Iterator[Sample]:
        """Yield the stimulus's samples in order of time."""
        times_s = np.asarray(self.timeline["times_s"], np.float64)
        starts = first_steps(times_s, anchor)
        for first_frame, n_lead_in, n_targets in segments(self.n_frames, segment_frames, lead_in_frames):
            stored = slice(first_frame - n_lead_in, first_frame + n_targets)
            step_start, step_stop = step_range(starts[stored], len(self._steps))
            heard = self._samples_of(times_s[stored], starts[stored])
            in_time = np.searchsorted(self._fixations["frame"], [first_frame, first_frame + n_targets])
            head = Head(
                facts=self._facts(first_frame, n_lead_in, n_targets, step_start, heard.start),
                times_s=times_s[stored],
                example_step=starts[stored],
                logmel=np.array(self._steps[step_start:step_stop], np.float32),
                waveform=np.array(self._waveform[heard], np.float32),
                density=np.array(self._density[first_frame : stored.stop], np.float32),
                fixations=self._fixations[slice(*in_time)],
            )
            yield Sample(head, tuple(self._frames.jpegs(stored.start, stored.stop)))

    def _samples_of(self, times_s: NDArray[np.float64], example_step: NDArray[np.int64]) -> slice:
        """Which samples of the waveform belong to a run of frames: their own, and those of their log-mel examples."""
        if not (rate_hz := self._waveform_rate_hz):
            return slice(0, 0)
        rate = Fraction(int(self.stimulus["rate_num"]), int(self.stimulus["rate_den"]))
        start, stop = sample_range(float(times_s[0]), float(times_s[-1]), rate, rate_hz)
        start = min(start, math.floor(example_step.min() * HOP_S * rate_hz))
        stop = max(stop, math.ceil(((example_step.max() + EXAMPLE_STEPS - 1) * HOP_S + WINDOW_S) * rate_hz))
        return slice(*np.clip((start, stop), 0, len(self._waveform)).tolist())

    def _facts(self, first_frame: int, n_lead_in: int, n_targets: int, first_step: int, first_sample: int) -> Facts:
        row = self.stimulus
        return Facts(
            key=sample_key(row["corpus"], row["name"], first_frame),
            stimulus=row["stimulus"],
            corpus=row["corpus"],
            name=row["name"],
            split=row["split"],
            category=row["category"],
            first_frame=first_frame,
            n_lead_in=n_lead_in,
            n_targets=n_targets,
            rate_num=int(row["rate_num"]),
            rate_den=int(row["rate_den"]),
            width_px=int(row["width_px"]),
            height_px=int(row["height_px"]),
            px_per_dva=float(row["px_per_dva"]),
            licence=row["licence"],
            observers=self.observers,
            first_step=first_step,
            waveform_rate_hz=self._waveform_rate_hz,
            first_sample=first_sample,
        )

    def _check(self) -> None:
        expected = f"expected {self.n_frames}"
        wrong = []
        if (n_times := len(self.timeline["times_s"])) != self.n_frames:
            wrong.append(f"{n_times} times in the timeline, {expected}")
        if len(self._density) != self.n_frames:
            wrong.append(f"{len(self._density)} density maps, {expected}")
        if len(self._frames) < self.n_frames:
            wrong.append(f"{len(self._frames)} pictures, {expected} or more")
        frames = self._fixations["frame"]
        if frames.size and not 0 <= frames[0] <= frames[-1] < self.n_frames:
            wrong.append(f"fixations on frames {frames[0]} to {frames[-1]}, expected 0 to {self.n_frames - 1}")
        if wrong:
            raise ExportError(
                f"{self.stimulus['stimulus']}: {'; '.join(wrong)}.",
                remedy="The files are of different builds; run `ave build` again.",
            )


def _read_fixations(path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """Fixation points sorted by frame then observer, observers as numbers, and their ids in that order."""
    table = pq.read_table(path, columns=schemas.FIXATIONS.names).combine_chunks()
    observer = table["observer"].combine_chunks().dictionary_encode()  # sorting numbers beats sorting names
    ids = np.array(observer.dictionary.to_pylist(), dtype=str)
    points = np.empty(len(table), FIXATION_DTYPE)
    for column in ("frame", "x_px", "y_px"):
        points[column] = table[column].to_numpy()
    points["observer"] = np.argsort(np.argsort(ids))[observer.indices.to_numpy()]
    return points[np.lexsort((points["observer"], points["frame"]))], tuple(sorted(ids.tolist()))
