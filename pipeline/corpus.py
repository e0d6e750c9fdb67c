"""Read a published corpus: the table of stimuli, and each stimulus's gaze, pictures and sound when asked for.

Conventions
-----------
Nothing is read before it is asked for, and nothing is changed. Frames count from 0 and ranges are half open,
[start, stop). Points are (x, y) in video pixels, arrays are [row, col], sizes are (height, width), times are
seconds since the first picture. A frame that the stimulus does not have is an IndexError, never an empty answer.

    >>> corpus = Corpus("store")                                # doctest: +SKIP
    >>> stimulus = corpus["diem/arctic_bears_1066x710"]         # doctest: +SKIP
    >>> stimulus.density(100).shape                             # doctest: +SKIP
    (32, 40)
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import StoreError, UsageError, did_you_mean
from pipeline.features.frames import FrameFile
from pipeline.ingest.publish import SUFFIXES
from pipeline.signals.audio import frame_examples
from pipeline.signals.density import density_map
from pipeline.store.disk import store_at
from pipeline.store.items import read_record
from pipeline.store.nearby import near
from pipeline.store.places import is_remote

if TYPE_CHECKING:
    import pandas as pd


class UnknownStimulusError(UsageError, KeyError):
    """A stimulus that the corpus does not hold; also a KeyError, as for any mapping."""

    code = "unknown-stimulus"


class Corpus:
    """The corpus published in a store: look a stimulus up by its `corpus/name`, or go through all of them.

    Parameters
    ----------
    store : str or Path
        The store that `ave build` filled, a folder or "s3://bucket/prefix". From S3 a file is fetched when it is
        first asked for, and kept (see `store.nearby`).

    Raises
    ------
    StoreError
        If nothing is published there.
    """

    def __init__(self, store: str | Path):
        self.folder = store_at(store) / "corpus"
        self._digests = _digests(self.folder)
        if not (self._digests if is_remote(self.folder) else (self.folder / "stimuli.parquet").is_file()):
            raise StoreError(
                f"{store}: no corpus is published here (no corpus/stimuli.parquet).",
                remedy=f"Build one with `ave build --store {store}`, or try `ave demo --store {store}`.",
                code="no-corpus",
            )

    @cached_property
    def stimuli(self) -> pd.DataFrame:
        """The table of stimuli, one row each, sorted by `stimulus`; columns as in `schemas.STIMULI`."""
        return self._table().to_pandas()

    @cached_property
    def _rows(self) -> dict[str, dict]:
        return {row["stimulus"]: row for row in self._table().to_pylist()}

    def _table(self) -> pa.Table:
        return pq.read_table(_local(self.folder, "stimuli.parquet", self._digests))

    def rejected_file(self) -> Path:
        """The table of everything that is not in the corpus and why (Parquet, columns as in `schemas.REJECTED`)."""
        return _local(self.folder, "rejected.parquet", self._digests)

    def __getitem__(self, stimulus: str) -> Stimulus:
        if stimulus not in self._rows:
            known = [*self._rows]
            raise UnknownStimulusError(
                f"Unknown stimulus {stimulus!r}, the corpus holds {len(known)}.",
                remedy=did_you_mean(stimulus, known) if known else "",
            )
        row = self._rows[stimulus]
        own = {file: self._digests[file] for file in _files_of(stimulus) if file in self._digests}
        facts = {field.name: row[field.name] for field in fields(Stimulus) if field.name in row}
        return Stimulus(self.folder, **facts, digests=own)

    def __contains__(self, stimulus: object) -> bool:
        return stimulus in self._rows

    def __iter__(self) -> Iterator[Stimulus]:
        return (self[stimulus] for stimulus in self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return f"Corpus({str(self.folder.parent)!r}): {len(self)} stimuli"


@dataclass(frozen=True)
class Stimulus:
    """One video with the soundtrack it was shown with, and the gaze of everyone who watched it.

    Attributes other than `folder` and `digests` are the columns of `stimuli.parquet` (`schemas.STIMULI`); `digests`
    holds what has to be known of the files of a corpus on S3.
    """

    folder: Path
    stimulus: str
    corpus: str
    name: str
    split: str
    category: str
    rate_num: int
    rate_den: int
    n_frames: int
    duration_s: float
    width_px: int
    height_px: int
    audio_rate_hz: int
    audio_channels: int
    audio_presented: str
    px_per_dva: float
    n_observers: int
    n_fixations: int
    licence: str
    digests: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def rate(self) -> Fraction:
        """Frames per second, exact."""
        return Fraction(self.rate_num, self.rate_den)

    @cached_property
    def times_s(self) -> np.ndarray:
        """Presentation time of each frame, shape (n_frames,), float64; the first is 0."""
        return np.array(self._timeline["times_s"])

    @property
    def sound_start_s(self) -> float:
        """When the first picture is shown, in seconds on the clock of the file that holds the soundtrack."""
        return float(self._timeline["sound_start_s"])

    @cached_property
    def _timeline(self) -> dict[str, Any]:
        timeline: dict[str, Any] = json.loads(self._path("timeline").read_text(encoding="utf-8"))
        return timeline

    def fixations(self) -> pd.DataFrame:
        """All fixations: observer, frame, x_px, y_px, sorted by frame then observer."""
        return pq.read_table(self._path("fixations")).to_pandas()

    def density(self, frame: int, size: tuple[int, int] = (32, 40), sigma_dva: float = 1.0) -> np.ndarray:
        """The fixation density map of one frame, computed from its fixations at exactly this size.

        Parameters
        ----------
        frame : int
            From 0.
        size : (height, width)
            Of the map; any.
        sigma_dva : float
            Standard deviation of each fixation's Gaussian, degrees of visual angle.

        Returns
        -------
        density : ndarray, shape size, float32
            Sums to 1; all zeros where nobody fixates.

        Raises
        ------
        IndexError
            If the stimulus has no such frame.
        """
        self._check_range(frame, frame + 1)
        all_frames, x_px, y_px = self._points
        here = slice(*np.searchsorted(all_frames, (frame, frame + 1)))
        return density_map(
            x_px[here],
            y_px[here],
            video_size=(self.height_px, self.width_px),
            out_size=size,
            sigma_px=self.px_per_dva * sigma_dva,
        )

    def frames(self, start: int, stop: int) -> np.ndarray:
        """Pictures of frames [start, stop): uint8 [n, 256, 320, 3], RGB (or the size the store was built with)."""
        self._check_range(start, stop)
        return self._frame_file.read(start, stop)

    def jpegs(self, start: int, stop: int) -> list[memoryview]:
        """Pictures of frames [start, stop) as stored: one JPEG each, stretched to the store's one size."""
        self._check_range(start, stop)
        return self._frame_file.jpegs(start, stop)

    def logmel(self, start: int, stop: int) -> np.ndarray:
        """Log-mel examples of frames [start, stop): float32 [n, 64, 64], time before bands; 0.64 s each."""
        self._check_range(start, stop)
        return frame_examples(self.steps, self.times_s[start:stop], anchor=self.anchor)

    @cached_property
    def _points(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Frame, x and y of every fixation, sorted by frame."""
        table = pq.read_table(self._path("fixations"), columns=["frame", "x_px", "y_px"])
        frame, x_px, y_px = (column.to_numpy() for column in table.columns)
        return frame, x_px, y_px

    @cached_property
    def _frame_file(self) -> FrameFile:
        return FrameFile(self._path("frames"))

    @cached_property
    def steps(self) -> np.ndarray:
        """Log-mel steps of the whole soundtrack, 10 ms each: float32 [T, bands], left on the disk until needed."""
        return np.load(self._path("steps"), mmap_mode="r")

    @cached_property
    def anchor(self) -> str:
        """Where a frame's time lies in its example: what the log-mel table was made with."""
        metadata = pq.read_schema(self._path("logmel")).metadata or {}
        return metadata.get(b"anchor", b"start").decode()

    def _path(self, kind: str) -> Path:
        return _local(self.folder, _file_of(self.stimulus, kind), self.digests)

    def _check_range(self, start: int, stop: int) -> None:
        if not 0 <= start <= stop <= self.n_frames:
            asked = f"frame {start}" if stop == start + 1 else f"frames [{start}, {stop})"
            raise IndexError(f"{self.stimulus}: {asked} asked for, it has [0, {self.n_frames})")


def _file_of(stimulus: str, kind: str) -> str:
    return f"{kind}/{stimulus}{SUFFIXES[kind]}"


def _files_of(stimulus: str) -> list[str]:
    return [_file_of(stimulus, kind) for kind in SUFFIXES]


def _digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a corpus on S3, as published; nothing for a folder, whose files are just opened."""
    record = read_record(folder) if is_remote(folder) else None
    return {file: sha for file, (_, sha) in record.outputs.items()} if record else {}


def _local(folder: Path, file: str, digests: Mapping[str, str]) -> Path:
    """Where a published file can be opened."""
    return near(folder / file, digests[file]) if is_remote(folder) else folder / file
