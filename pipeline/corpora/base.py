"""The skeleton every raw release fills in: one file per release, all the same shape.

A release answers four questions: what must lie in RAW, where a stimulus's files are among what
was unpacked, what the raw gaze says, and how it was shown. Adding a corpus adds a file
`pipeline/corpora/<name>.py` with a module-level `RELEASE` and rows in `manifests/`; nothing else changes.
`ave new-corpus NAME` writes both to be filled in; `tracks` and `tables` beside this file help to read gaze.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import GazeError
from pipeline.records import Artifact, Located, Rejection

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Recording:
    """One observer watching one stimulus, sample by sample, one sample per video frame.

    Attributes
    ----------
    observer : str
    frame : ndarray, shape (n,), int32
        Frame of each sample, from 0.
    x_px, y_px : ndarray, shape (n,), float64
        Position in the release's own gaze space (screen px or video px); NaN where missing.
    reason : ndarray, shape (n,), str
        "" for a fixation, otherwise why the sample is none: lost, blink, saccade, missing …
    """

    observer: str
    frame: np.ndarray
    x_px: np.ndarray
    y_px: np.ndarray
    reason: np.ndarray


@dataclass(frozen=True)
class RawGaze:
    """All recordings of one stimulus, and what the gaze files themselves say about the video.

    `width_px`, `height_px`, `rate` and `n_frames` are claims of the release (file name, `info` struct),
    to be compared with the decoded video; `rate` None where the release makes no claim.
    `rejections` explains whole recordings that could not be admitted.
    """

    recordings: tuple[Recording, ...]
    width_px: int
    height_px: int
    rate: Fraction | None
    n_frames: int
    rejections: tuple[Rejection, ...] = ()
    notes: tuple[str, ...] = field(default=())


class Release(ABC):
    """One raw release. `max_frame_difference` is how many frames gaze and video may disagree by before
    the stimulus is refused; None takes the minimum of both and notes the difference in the audit."""

    name: str
    max_frame_difference: int | None = None

    @abstractmethod
    def artifacts(self, names: Sequence[str]) -> tuple[Artifact, ...]:
        """What must lie in RAW/<corpus>/ to build the stimuli `names`."""

    @abstractmethod
    def artifacts_of(self, name: str) -> tuple[str, ...]:
        """Names of the artifacts that one stimulus needs."""

    @abstractmethod
    def example_paths(self, name: str) -> dict[str, list[str]]:
        """What unpacking the artifacts of one stimulus gives, by artifact: an example in the release's own layout.

        No build goes by it. The contract test does: `locate` must find every stimulus among the examples of all.
        """

    @abstractmethod
    def locate(self, paths: Mapping[str, Sequence[str]], name: str) -> Located:
        """Find a stimulus's files among the unpacked paths of each artifact (paths use "/").

        Raises
        ------
        GazeError
            If gaze or video is missing; the message names the pattern that was looked for.
        """

    @abstractmethod
    def read_gaze(self, files: Sequence[Path], name: str) -> RawGaze:
        """Read a stimulus's raw gaze. Raises GazeError with file, line, what was expected."""

    def gaze_missing(self, name: str, looked_for: str) -> GazeError:
        """What `locate` raises where the gaze of a stimulus is not among the unpacked files."""
        message = f"{self.name}/{name}: no gaze file; looked for {looked_for}."
        return GazeError(message, remedy=self._put_it(name), code="gaze-missing")

    def video_missing(self, name: str, looked_for: str) -> GazeError:
        """What `locate` raises where the gaze of a stimulus is there but its video is not."""
        message = f"{self.name}/{name}: no video; looked for {looked_for}."
        return GazeError(message, remedy=self._put_it(name), code="media-missing")

    def _put_it(self, name: str) -> str:
        places = [
            f"{artifact.folder}/" if artifact.folder else artifact.packed[0]
            for artifact in self.artifacts([name])
            if artifact.name in self.artifacts_of(name)
        ]
        return f"Put it into RAW/{self.name}/ ({', '.join(places)}), named as the release names it."


def find_path(paths: Sequence[str], *endings: str) -> str | None:
    """The path that ends in one of these names, at any depth; earlier endings are preferred, then shallower paths.

    Examples
    --------
    >>> find_path(["data/gaze/bees.csv", "data/videos/bees.mp4"], "videos/bees.avi", "videos/bees.mp4")
    'data/videos/bees.mp4'
    >>> find_path(["data/videos/two_bees.mp4"], "bees.mp4")
    """
    for ending in endings:
        found = [path for path in paths if f"/{path}".endswith(f"/{ending}")]
        if found:
            return min(found, key=lambda path: (path.count("/"), path))
    return None
