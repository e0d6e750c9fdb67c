"""What a sample is: a run of consecutive target frames with everything that is known about them.

Conventions
-----------
*Target frames* are frames whose map is predicted; every frame of a stimulus is a target in exactly one
sample. Up to `lead_in_frames` frames before them are stored too, so that each target's clip lies inside
one sample; before the start of the video there is no lead-in, and a reader repeats the first frame.
*Stored frames* are lead-in and targets together, in order. Frames count from 0 in the whole stimulus.
Points are video px, maps are [row, col], times are seconds on the stimulus's clock (the first picture is 0 s).
Log-mel steps are 10 ms apart and counted from 0 s; a step outside the soundtrack is silence, log(0.01),
and is filled in by the reader rather than stored. Samples of the sound are counted from 0 s too; shards that were made
without them (`waveform_rate_hz` 0) hold an empty array.
"""

from __future__ import annotations

import hashlib
import string
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.signals.audio import EXAMPLE_STEPS, SILENCE
from pipeline.signals.waveform import Waveform, heard, sample_range

FIXATION_DTYPE = np.dtype([("frame", "<i4"), ("x_px", "<f4"), ("y_px", "<f4"), ("observer", "<i4")])

MAX_KEY_BYTES = 72  # a tar header has 100 bytes for the key and the longest member suffix
_KEPT_LETTERS = frozenset(string.ascii_letters + string.digits + "_-")

ARRAYS = {
    "times_s": ("float64", "(stored frames,)", "presentation time of each stored frame, s"),
    "example_step": ("int64", "(stored frames,)", "step at which each stored frame's log-mel example starts"),
    "logmel": ("float32", "(steps, bands)", "log-mel steps from first_step on, those inside the soundtrack"),
    "waveform": (
        "float32",
        "(samples,)",
        "mono sound, full scale 1, from first_sample on: the frames' and their examples'",
    ),
    "density": (
        "float32",
        "(target frames, rows, columns)",
        "fixation density map of each target frame; sums to 1, or all 0",
    ),
    "fixations": (
        "struct",
        "(fixations,)",
        "frame, x_px, y_px, observer (index into observers), of the target frames only",
    ),
}
FACTS = {
    "key": "name of the sample: corpus--name--first target frame",
    "stimulus": "corpus/name",
    "corpus": "raw release it comes from",
    "name": "name of the stimulus inside its corpus",
    "split": "train, val or test",
    "category": "nature, social or misc",
    "first_frame": "first target frame, counted from 0 in the stimulus",
    "n_lead_in": "stored frames before the first target frame",
    "n_targets": "target frames",
    "rate_num": "frame rate, numerator",
    "rate_den": "frame rate, denominator",
    "width_px": "width of the video as shown, the unit of x_px",
    "height_px": "height of the video as shown, the unit of y_px",
    "px_per_dva": "video pixels per degree of visual angle",
    "licence": "licence of the stimulus",
    "observers": "ids of all observers with a fixation in the stimulus, sorted",
    "first_step": "absolute number of the first row of logmel",
    "waveform_rate_hz": "samples of waveform per second; 0 where there are none",
    "first_sample": "absolute number of the first sample of waveform",
}


@dataclass(frozen=True)
class Facts:
    """The part of a sample that is names and single numbers; `FACTS` says what each one means."""

    key: str
    stimulus: str
    corpus: str
    name: str
    split: str
    category: str
    first_frame: int
    n_lead_in: int
    n_targets: int
    rate_num: int
    rate_den: int
    width_px: int
    height_px: int
    px_per_dva: float
    licence: str
    observers: tuple[str, ...]
    first_step: int
    waveform_rate_hz: int
    first_sample: int

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return {**asdict(self), "observers": list(self.observers)}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Facts:
        """Read what `to_json` wrote; further keys are left alone."""
        known = {field.name: row[field.name] for field in fields(cls)}
        return cls(**{**known, "observers": tuple(known["observers"])})


@dataclass(frozen=True)
class Head:
    """A sample without its pictures; `ARRAYS` gives type, shape and meaning of each array."""

    facts: Facts
    times_s: np.ndarray
    example_step: np.ndarray
    logmel: np.ndarray
    waveform: np.ndarray
    density: np.ndarray
    fixations: np.ndarray

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name, in the order in which they are written."""
        return {name: getattr(self, name) for name in ARRAYS}

    @property
    def n_stored(self) -> int:
        """Lead-in and target frames together."""
        return self.facts.n_lead_in + self.facts.n_targets

    def examples(self, stored_frames: NDArray[np.intp]) -> NDArray[np.float32]:
        """Log-mel examples of some stored frames, shape (n, 64, bands); silence beyond the soundtrack."""
        examples = np.full((len(stored_frames), EXAMPLE_STEPS, self.logmel.shape[1]), SILENCE, np.float32)
        steps = self.example_step[stored_frames] - self.facts.first_step
        for example, step in zip(examples, steps.tolist(), strict=True):
            start, stop = (min(max(edge, 0), len(self.logmel)) for edge in (step, step + EXAMPLE_STEPS))
            example[start - step : stop - step] = self.logmel[start:stop]
        return examples

    def heard(self, stored_frames: NDArray[np.intp], form: Waveform) -> NDArray[np.float32]:
        """The sound of a clip of stored frames as a waveform, shape (form.samples,); repeated frames sound once."""
        first_s, last_s = self.times_s[stored_frames[[0, -1]]].tolist()
        facts = self.facts
        stretch = sample_range(first_s, last_s, Fraction(facts.rate_num, facts.rate_den), form.rate_hz)
        return heard(self.waveform, facts.first_sample, stretch, form)

    def points(self, target: int) -> np.ndarray:
        """Fixation points (`FIXATION_DTYPE`) of one target frame, 0 being the first."""
        frame = self.facts.first_frame + target
        return self.fixations[slice(*np.searchsorted(self.fixations["frame"], [frame, frame + 1]))]


@dataclass(frozen=True)
class Sample:
    """A head and the JPEG bytes of its stored frames, exactly as the frames stage made them."""

    head: Head
    jpegs: Sequence[memoryview]


def sample_key(corpus: str, name: str, first_frame: int) -> str:
    """Name a sample so that names are unique, sort by time and hold no dot.

    webdataset takes everything after the first dot for the member's type, so a dot in a key would split it.
    A letter outside A–Z a–z 0–9 _ - is written as =XX, its UTF-8 bytes in hex; a very long key keeps its
    beginning and the digest of the whole.

    Examples
    --------
    >>> sample_key("diem", "arctic_bears_1066x710", 64)
    'diem--arctic_bears_1066x710--000064'
    >>> sample_key("mine", "v1.0", 0)
    'mine--v1=2E0--000000'
    """
    stem = f"{_safe(corpus)}--{_safe(name)}"
    if len(stem) > MAX_KEY_BYTES - 8:
        stem = f"{stem[: MAX_KEY_BYTES - 26]}--{hashlib.sha256(stem.encode()).hexdigest()[:16]}"
    return f"{stem}--{first_frame:06d}"


def _safe(word: str) -> str:
    return "".join(
        letter if letter in _KEPT_LETTERS else "".join(f"={byte:02X}" for byte in letter.encode()) for letter in word
    )


def segments(n_frames: int, segment_frames: int, lead_in_frames: int) -> list[tuple[int, int, int]]:
    """Cut a stimulus into runs of target frames, each with the lead-in it needs.

    Returns
    -------
    list of (first target frame, number of lead-in frames, number of target frames)
        Every frame is a target exactly once; the last run may be shorter.

    Examples
    --------
    >>> segments(150, 64, 15)
    [(0, 0, 64), (64, 15, 64), (128, 15, 22)]
    """
    return [
        (first, min(lead_in_frames, first), min(segment_frames, n_frames - first))
        for first in range(0, n_frames, segment_frames)
    ]


def step_range(example_step: NDArray[np.int64], n_steps: int) -> tuple[int, int]:
    """Which rows of a soundtrack's log-mel the examples of some frames touch: (start, stop) inside 0 … n_steps."""
    start = int(np.clip(example_step.min(), 0, n_steps))
    return start, int(np.clip(example_step.max() + EXAMPLE_STEPS, start, n_steps))
