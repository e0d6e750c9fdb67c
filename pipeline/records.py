"""The nouns of the corpus as frozen records: what a manifest row means once it is read.

Conventions
-----------
Units ride in the names. Sizes are (height, width) as a pair, `width_px` and `height_px` alone.
An empty cell of a manifest is None where a value may be unknown.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

CATEGORIES = ("nature", "social", "misc")
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Geometry:
    """Screen, distance and placement of one corpus's experiment.

    `placement` is "centred" (gaze in screen px, the video unscaled in the middle of the
    screen) or "video" (gaze already in video px).
    """

    corpus: str
    placement: str
    px_per_dva: float
    px_per_dva_low: float | None = None
    px_per_dva_high: float | None = None
    screen_width_px: int | None = None
    screen_height_px: int | None = None
    screen_width_cm: float | None = None
    screen_height_cm: float | None = None
    distance_cm: float | None = None
    source: str = ""
    confidence: str = ""

    def computed_px_per_dva(self) -> float | None:
        """Pixels per degree at the screen centre from px, cm and distance; None where one is unknown."""
        if self.screen_width_px is None or self.screen_width_cm is None or self.distance_cm is None:
            return None
        px_per_cm = self.screen_width_px / self.screen_width_cm
        return px_per_cm * 2 * self.distance_cm * math.tan(math.radians(0.5))


@dataclass(frozen=True)
class Source:
    """One artifact of a raw release: what it is called in RAW, where it comes from, how to know it.

    `artifact` may hold `{name}`, then it stands for one file per stimulus. `kind` is "direct"
    (a program may fetch `urls`, tried in order) or "manual" (only a person can).
    `checksum` is "sha256:…", "md5:…" or "unknown"; `size_bytes` None is unknown.
    """

    corpus: str
    artifact: str
    kind: str
    urls: tuple[str, ...]
    size_bytes: int | None
    checksum: str
    how_to: str = ""
    note: str = ""


@dataclass(frozen=True)
class Licence:
    """Terms of one corpus, to be accepted before anything of it is fetched, and carried into exports."""

    corpus: str
    title: str
    licence: str
    terms: str
    citation: str
    homepage: str


@dataclass(frozen=True)
class StimulusEntry:
    """One row of manifests/stimuli.csv: a video of the corpus.

    `ave_name` is its name in the AVE lists, empty for a stimulus of a corpus that is not in them.
    `audio_presented` is "yes" or "no"; `audio_evidence` says how we know. `split_sheet` is
    empty for the one entry that is in train.txt but not in the published sheet.
    `frame_offset`: gaze frame k + frame_offset was on screen with video frame k.
    `frames_reported`: how many frames others decoded from this video (the STAViS lists); None where nobody says.
    """

    corpus: str
    name: str
    ave_name: str
    category: str
    split: str
    category_sheet: str
    split_sheet: str
    audio_presented: str
    audio_evidence: str
    frame_offset: int = 0
    frames_reported: int | None = None
    note: str = ""

    @property
    def stimulus(self) -> str:
        """The id that is unique over all corpora: `corpus/name`."""
        return f"{self.corpus}/{self.name}"


@dataclass(frozen=True)
class DiemVideo:
    """One of DIEM's 84 names, with its picture size, the frame count others report, and why it is out."""

    name: str
    width_px: int
    height_px: int
    n_frames: int | None
    in_ave: bool
    why_out: str = ""


@dataclass(frozen=True)
class Published:
    """A figure that a paper or list prints about the corpus, kept to be audited."""

    quantity: str
    scope: str
    value: float
    source: str
    tolerance: float = 0.0
    note: str = ""


@dataclass(frozen=True)
class Rejection:
    """Why something is not in the corpus: one row of rejected.parquet.

    `level` is one of corpus, source, stimulus, recording, sample; `subject` is `corpus`,
    `corpus/artifact`, `corpus/name` or `corpus/name/observer`; `reason` is a short kebab-case code.
    """

    level: str
    subject: str
    reason: str
    count: int
    detail: str = ""


@dataclass(frozen=True)
class Artifact:
    """One thing that must lie in RAW/<corpus>/: an archive, the folder it unpacks to, or a plain file.

    `name` is the item's name in the fetch and unpack stages, `packed` the file names accepted
    (in order of preference), `folder` the folder accepted instead, None for a plain file.
    """

    name: str
    packed: tuple[str, ...]
    folder: str | None = None


@dataclass(frozen=True)
class Located:
    """Where one stimulus's files lie, each as (artifact name, path inside the unpacked artifact).

    `sound` is None where the soundtrack is inside the video file.
    """

    video: tuple[str, str]
    sound: tuple[str, str] | None
    gaze: tuple[tuple[str, str], ...]
