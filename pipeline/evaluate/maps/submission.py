"""The maps of a submission: read stimulus by stimulus, and what is noticed on the way.

Conventions
-----------
Frames count from 0, sizes are (height, width), maps are [row, column]; see `read` for their types. `Maps` knows paths
and numbers only, so it can be sent to another process; what is noticed while reading is noticed there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from numpy.typing import NDArray

from pipeline.errors import AveError
from pipeline.evaluate.maps import parquet
from pipeline.evaluate.maps.find import MapSet
from pipeline.evaluate.maps.finding import Finding
from pipeline.evaluate.maps.inspecting import Inspection
from pipeline.evaluate.maps.read import VIDEOS, read_map, read_stack
from pipeline.evaluate.maps.video import read_video


@dataclass(frozen=True)
class Known:
    """The little of a truth that maps are held against."""

    stimulus: str
    n_frames: int
    size_px: tuple[int, int]


@dataclass(frozen=True)
class RowSet:
    """The maps of one stimulus in Parquet: the name they have there, and where they stand."""

    name: str
    rows: parquet.Rows


@dataclass
class Maps:
    """Somebody's maps of some stimuli.

    Attributes
    ----------
    stimuli : tuple of str
        Those that have maps, in the order of the truths.
    about : dict
        For the head of a table: `format`, `habit`, `first_frame` (0 or 1), `first_frame_why`, `every` (typical number
        of frames from map to map), `path`; of a run of ours also `run`, its metadata.
    found : list of Finding
        What is known before a map has been read.
    """

    stimuli: tuple[str, ...]
    about: dict[str, Any]
    found: list[Finding]
    _known: dict[str, Known]
    _sets: dict[str, MapSet | RowSet]
    _inspections: dict[str, Inspection] = field(default_factory=dict)

    def read(self, stimulus: str, beyond: bool = False) -> Iterator[tuple[int, NDArray]]:
        """Frame and map, in the order of frames, one map in memory at a time.

        A map that cannot be read is left out and noticed; one that holds NaN or one value only comes, and is noticed.

        Parameters
        ----------
        stimulus : str
            Without maps, nothing comes.
        beyond : bool
            Whether maps beyond the stimulus's last frame come too.
        """
        if stimulus not in self._sets:
            return
        known = self._known[stimulus]
        stretched = "run" in self.about  # our own models stretch every video to one size, and so their maps
        inspection = Inspection(stimulus, known.n_frames, None if stretched else known.size_px)
        self._inspections[stimulus] = inspection
        for number, saliency, in_colour in _stream(self._sets[stimulus], known):
            frame = None if number is None else number - self._first_number(stimulus)
            is_frame = frame is None or inspection.takes(frame)
            if isinstance(saliency, AveError):
                if is_frame:
                    inspection.cannot_read(frame, saliency.message)
            elif frame is not None and (is_frame or (beyond and frame >= known.n_frames)):
                if is_frame:
                    inspection.look(frame, saliency, in_colour)
                yield frame, saliency
        inspection.close(self.expected(stimulus))

    def findings(self, stimulus: str) -> list[Finding]:
        """What was noticed while a stimulus was read; missing frames once it has been read to its end."""
        return self._inspections[stimulus].findings() if stimulus in self._inspections else []

    def expected(self, stimulus: str) -> range:
        """The frames that should have a map: every `about["every"]`-th, in step with the first there is.

        Raises
        ------
        KeyError
            If the stimulus was not asked for.
        """
        own = self._sets.get(stimulus)
        first = min(numbers_of(own), default=0) - self._first_number(stimulus) if own else 0
        every = self.about["every"]
        return range(max(first, 0) % every, self._known[stimulus].n_frames, every)

    def only(self, stimulus: str) -> Maps:
        """These maps without those of other stimuli: little to send to a process that reads one."""
        sets = {name: own for name, own in self._sets.items() if name == stimulus}
        return replace(
            self, stimuli=tuple(sets), found=[], _known={stimulus: self._known[stimulus]}, _sets=sets, _inspections={}
        )

    def _first_number(self, stimulus: str) -> int:
        own = self._sets[stimulus]
        return 0 if isinstance(own, MapSet) and own.whole else int(self.about["first_frame"])


def _stream(own: MapSet | RowSet, known: Known) -> Iterator[tuple[int | None, NDArray | AveError, bool]]:
    """Number as written, map or why there is none, and whether it was in colour; no number where all is lost."""
    if isinstance(own, RowSet):
        yield from ((number, saliency, False) for number, saliency in parquet.read(own.name, own.rows))
    elif not own.whole:
        for number in sorted(own.files):
            try:
                yield number, *read_map(own.folder / own.files[number])
            except AveError as error:
                yield number, error, False
    else:
        path = own.folder / own.whole
        try:
            if path.suffix.lower() in VIDEOS:
                yield from ((number, *one) for number, one in enumerate(read_video(path)))
            else:
                yield from (
                    (number, one, False) for number, one in enumerate(read_stack(path, known.n_frames, known.size_px))
                )
        except AveError as error:
            yield None, error, False


def numbers_of(own: MapSet | RowSet) -> Sequence[int]:
    """The frame numbers of a stimulus's maps as they are written; none where one file holds them all."""
    return own.rows.frames if isinstance(own, RowSet) else list(own.files)
