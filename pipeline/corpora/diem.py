"""DIEM, Dynamic Images and Eye Movements: films, trailers, sport and news seen by many observers.

Conventions
-----------
Gaze is in screen px (origin top left, y down) of a 1280 × 960 raster; frames count from 0 here and from 1 in
the files. Position is the mean of both eyes. All facts below are tagged with where they come from:
[page] the project's data page, [files] measured on 173 public gaze files of two videos, [code] public readers
(yonidishon/milestones, MinglangQiao/DIEM, GASP), [paper] Mital et al. 2011, from memory.

What it is
----------
84 videos at 30 frames/s, about 66 recordings each (5586), collected in several sessions [code]. AVE uses 76 of
them: `manifests/diem_videos.csv` says which and why the others are out.

Licence and citation
--------------------
`manifests/licences.csv`. Creative Commons BY-NC-SA 3.0 as reported; the data page asks for the citation [page]:
P. K. Mital, T. J. Smith, R. L. Hill, J. M. Henderson, Clustering of gaze during dynamic scene viewing is
predicted by motion, Cognitive Computation 3(1), 2011.

Files
-----
One `<name>.7z` a video, which holds `video/<name>.mp4`, `audio/<name>.wav` and `event_data/*.txt` [code]; some
copies have everything inside one more folder `<name>/` [files]. A name ends in its picture size, `_<width>x<height>`.
The lists of STAViS, and so perhaps its folders, cut one name short (`…monkeys_1280x70` for `…1280x704`) [code]:
only the full name is accepted here.

Raw gaze
--------
One text file per observer and video, `diem<session>s<subject>.asc_<trial>_<name>.txt`. The subject may be unpadded
(`s1`) or suffixed (`s04b`) and is written `diem5s01`, `diem5s04b` here [files]. Nine tab-separated columns, CRLF, no
header, one row per video frame [page, files]: frame, then x, y, pupil and event of the left and of the right eye.
Events: −1 lost, 0 blink, 1 fixation, 2 saccade [page]. The right eye never says 2: where the left eye is in a saccade
the right eye says 1 or 0 [files], so a sample is a fixation only where *both* eyes say 1. Values prove nothing (wild
±3270 and stale coordinates come with every event [files]): events decide first, the picture's rectangle second.

How it was shown
----------------
Every video at its own size in the middle of a 1280 × 960 screen, 21 inch tube, 90 cm [code; paper]. Centring is
confirmed by the gaze: 99.8 % and 99.5 % of the fixations fall inside, and every viewing starts at the
screen's centre [files]. Sound was played with every video that AVE kept.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from pipeline.corpora.base import RawGaze, Recording, Release
from pipeline.errors import GazeError
from pipeline.records import Artifact, Located, Rejection

COLUMNS = ("frame", "left x", "left y", "left pupil", "left event", "right x", "right y", "right pupil", "right event")
LOST, BLINK, FIXATION, SACCADE = -1, 0, 1, 2
VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg")  # in order of preference

_FILE_NAME = re.compile(r"diem(?P<session>\d+)s(?P<subject>\d+)(?P<suffix>[A-Za-z]*)\.asc_(?P<trial>\d+)_(?P<video>.+)")
_PICTURE_SIZE = re.compile(r"_(\d+)x(\d+)$")


class Diem(Release):
    """DIEM as its owners ship it: one archive, or folder, per video."""

    name = "diem"
    max_frame_difference = 2  # others report 1 or 2 frames between gaze and mp4; more is another cut of the video

    def artifacts(self, names: Sequence[str]) -> tuple[Artifact, ...]:
        """One archive `<name>.7z`, or the folder `<name>`, per stimulus."""
        return tuple(Artifact(name=name, packed=(f"{name}.7z",), folder=name) for name in names)

    def artifacts_of(self, name: str) -> tuple[str, ...]:
        """The one archive of this stimulus."""
        return (name,)

    def example_paths(self, name: str) -> dict[str, list[str]]:
        """Video, sound, and the event files of two observers."""
        events = [f"event_data/diem1s01.asc_1_{name}.txt", f"event_data/diem2s02.asc_2_{name}.txt"]
        return {name: [f"video/{name}.mp4", f"audio/{name}.wav", *events]}

    def locate(self, paths: Mapping[str, Sequence[str]], name: str) -> Located:
        """Find video, wav and event files, with or without an outer folder `<name>/`.

        Raises
        ------
        GazeError
            Code "gaze-missing" or "media-missing", with the pattern that was looked for and what is there instead.
        """
        found = {path.removeprefix(f"{name}/"): path for path in paths.get(name, ())}
        gaze = sorted(path for path in found if re.fullmatch(r"event_data/[^/.][^/]*\.txt", path))
        if not gaze:
            raise GazeError(
                f"diem/{name}: no gaze file; looked for event_data/*.txt among {len(found)} files.",
                remedy=f"Is {name}.7z complete? Unpack it into RAW/diem/{name}/ and look.",
                code="gaze-missing",
            )
        video = _first_with_suffix(found, f"video/{name}", VIDEO_SUFFIXES)
        if video is None:
            others = sorted(path for path in found if path.startswith("video/")) or ["nothing"]
            raise GazeError(
                f"diem/{name}: {len(gaze)} gaze files but no video; looked for video/{name}.mp4 "
                f"(or {', '.join(VIDEO_SUFFIXES[1:])}), found {', '.join(others[:3])}.",
                remedy=f"Get the whole archive {name}.7z; or unpack what you have into RAW/diem/{name}/, put the video "
                f"into its video/ as {name}.mp4, and take {name}.7z out of RAW (an archive is preferred to a folder).",
                code="media-missing",
            )
        sound = _first_with_suffix(found, f"audio/{name}", (".wav",))
        return Located(
            video=(name, found[video]),
            sound=None if sound is None else (name, found[sound]),
            gaze=tuple((name, found[path]) for path in gaze),
        )

    def read_gaze(self, files: Sequence[Path], name: str) -> RawGaze:
        """Read all event files of one video.

        The claimed frame count is the row count that most observers share; an observer with fewer rows is kept
        and noted, and one with more keeps its rows, which end after the video.

        Parameters
        ----------
        files : sequence of Path
        name : str
            The stimulus, ending in `_<width>x<height>`.

        Raises
        ------
        GazeError
            For a file of another video, or one that breaks the format (file, line, what was found).
        """
        width_px, height_px = picture_size(name)
        recordings: dict[str, Recording] = {}
        used: dict[str, str] = {}
        rejections = []
        for observer, path in _by_observer(files, name):
            samples = read_event_file(path)
            if observer in recordings:
                detail = f"{path.name} names the same observer as {used[observer]}, which is kept"
                subject = f"diem/{name}/{observer}"
                rejections.append(Rejection("recording", subject, "duplicate-observer", len(samples), detail))
                continue
            recordings[observer] = to_recording(observer, samples)
            used[observer] = path.name
        n_frames = _common_row_count([int(r.frame[-1]) + 1 for r in recordings.values()])
        short, notes = _ragged(recordings, n_frames, f"diem/{name}")
        return RawGaze(
            recordings=tuple(recordings.values()),
            width_px=width_px,
            height_px=height_px,
            rate=None,  # rows are frames, whatever the frames' rate; neither the file nor its name states one
            n_frames=n_frames,
            rejections=(*rejections, *short),
            notes=notes,
        )


RELEASE = Diem()


def picture_size(name: str) -> tuple[int, int]:
    """Width and height in px that a DIEM name ends in.

    Examples
    --------
    >>> picture_size("arctic_bears_1066x710")
    (1066, 710)
    """
    match = _PICTURE_SIZE.search(name)
    if match is None:
        raise GazeError(
            f"diem/{name}: the name does not end in _<width>x<height>, which is how DIEM states the picture size.",
            remedy="Use the name as DIEM writes it; manifests/diem_videos.csv lists all 84.",
            code="picture-size",
        )
    return int(match[1]), int(match[2])


def observer_of(file_name: str) -> tuple[str, int, str]:
    """Observer, trial and video that an event file's name states.

    Examples
    --------
    >>> observer_of("diem5s4B.asc_12_arctic_bears_1066x710.txt")
    ('diem5s04b', 12, 'arctic_bears_1066x710')
    """
    match = _FILE_NAME.fullmatch(file_name.removesuffix(".txt"))
    if match is None:
        raise GazeError(
            f"{file_name}: not the name of a DIEM event file; "
            "expected diem<session>s<subject>.asc_<trial>_<video>.txt.",
            remedy="Take the file out of event_data/, or give it the name it has in the release.",
            code="event-file-name",
        )
    observer = f"diem{int(match['session'])}s{int(match['subject']):02d}{match['suffix'].lower()}"
    return observer, int(match["trial"]), match["video"]


def read_event_file(path: Path) -> np.ndarray:
    """Read one event file as numbers.

    Parameters
    ----------
    path : Path
        Text, nine tab-separated columns (`COLUMNS`), CRLF or LF, frames from 1 in steps of 1.

    Returns
    -------
    samples : ndarray, shape (n, 9), float64
        As in the file; frames still count from 1.

    Raises
    ------
    GazeError
        With file, line and what was found, if a row has not nine columns, a cell is no number, or the
        frames are not contiguous.
    """
    lines = path.read_bytes().decode("utf-8", errors="replace").splitlines()
    if not any(lines):
        raise _broken(path, 1, "the file is empty")
    try:
        samples = np.loadtxt(lines, delimiter="\t", comments=None, ndmin=2)
    except ValueError:
        samples = None
    if samples is None or samples.shape != (len(lines), len(COLUMNS)):
        raise _first_bad_line(path, lines)
    frame = samples[:, 0]
    if not (frame[0] >= 1 and frame[0] == np.floor(frame[0])):
        raise _broken(path, 1, f"frame {lines[0].split(chr(9))[0]!r}; frames are whole numbers that count from 1")
    jumps = np.flatnonzero(np.diff(frame) != 1)
    if jumps.size:
        row = int(jumps[0]) + 1
        raise _broken(path, row + 1, f"frame {frame[row]:g} after {frame[row - 1]:g}; expected {frame[row - 1] + 1:g}")
    return samples


def to_recording(observer: str, samples: np.ndarray) -> Recording:
    """Turn the nine columns into fixations and reasons.

    A sample is a fixation where both eyes say 1. Otherwise the reason is the first that holds of: either eye lost,
    either eye closed, either eye in a saccade, an event that the release does not define.

    Parameters
    ----------
    observer : str
    samples : ndarray, shape (n, 9)
        As `read_event_file` gives them.

    Returns
    -------
    recording : Recording
        Frames from 0; the mean position of both eyes in screen px, NaN where an eye was lost or closed.

    Source
    ------
    Event codes: the project's data page. Both eyes: the codes of Rudoy et al. 2013 and MinglangQiao/DIEM.
    """
    left, right = samples[:, 4], samples[:, 8]
    x_px, y_px = (samples[:, 1] + samples[:, 5]) / 2, (samples[:, 2] + samples[:, 6]) / 2
    conditions = {
        "lost": (left == LOST) | (right == LOST),
        "blink": (left == BLINK) | (right == BLINK),
        "saccade": (left == SACCADE) | (right == SACCADE),
        "unknown-event": (left != FIXATION) | (right != FIXATION),
        "missing": ~(np.isfinite(x_px) & np.isfinite(y_px)),
    }
    reason = np.select(list(conditions.values()), list(conditions), default="")
    no_position = np.isin(reason, ("lost", "blink", "missing"))
    return Recording(
        observer=observer,
        frame=samples[:, 0].astype(np.int32) - 1,
        x_px=np.where(no_position, np.nan, x_px),
        y_px=np.where(no_position, np.nan, y_px),
        reason=reason,
    )


def _by_observer(files: Sequence[Path], name: str) -> list[tuple[str, Path]]:
    """Observer and file, sorted so that an observer's first trial comes first."""
    found = []
    for path in files:
        observer, trial, video = observer_of(path.name)
        if video != name:
            raise GazeError(
                f"{path.name}: gaze of video {video!r} among the files of diem/{name}.",
                remedy=f"Take it out of RAW/diem/{name}/event_data/.",
                code="event-file-name",
            )
        found.append((observer, trial, path.name, path))
    return [(observer, path) for observer, _, _, path in sorted(found)]


def _common_row_count(counts: Sequence[int]) -> int:
    """The count that most share; of equally common ones the largest; 0 for none."""
    return max(Counter(counts).items(), key=lambda item: (item[1], item[0]), default=(0, 0))[0]


def _ragged(
    recordings: Mapping[str, Recording], n_frames: int, stimulus: str
) -> tuple[tuple[Rejection, ...], tuple[str, ...]]:
    """Rows for observers that miss frames, and notes on observers that have more frames than the others."""
    short, notes = [], []
    for observer, recording in recordings.items():
        missing = n_frames - int(np.count_nonzero(recording.frame < n_frames))
        extra = int(recording.frame[-1]) + 1 - n_frames
        if missing:
            detail = f"{missing} of {n_frames} frames have no row; the others are kept"
            short.append(Rejection("recording", f"{stimulus}/{observer}", "short-recording", missing, detail))
        if extra > 0:
            notes.append(f"{stimulus}/{observer}: {extra} rows more than the {n_frames} of most observers")
    return tuple(short), tuple(notes)


def _first_with_suffix(paths: Mapping[str, str], stem: str, suffixes: Sequence[str]) -> str | None:
    named_so = (path for path in sorted(paths) if str(PurePosixPath(path).with_suffix("")) == stem)
    by_suffix = {PurePosixPath(path).suffix.lower(): path for path in named_so}
    return next((by_suffix[suffix] for suffix in suffixes if suffix in by_suffix), None)


def _first_bad_line(path: Path, lines: Sequence[str]) -> GazeError:
    """Say which line broke the fast reading, and how."""
    for number, line in enumerate(lines, start=1):
        cells = line.split("\t")
        if len(cells) != len(COLUMNS):
            return _broken(path, number, f"{len(cells)} column{'s' * (len(cells) != 1)}; expected {len(COLUMNS)}")
        for column, cell in zip(COLUMNS, cells, strict=True):
            if not _is_number(cell):
                return _broken(path, number, f"{column} is {cell[:40]!r}; expected a number")
    return _broken(path, 1, "not a table of numbers")


def _is_number(cell: str) -> bool:
    """What the fast reading takes for a number, which is a little less than `float` does."""
    if not cell.strip():
        return False
    try:
        np.loadtxt([cell], comments=None, delimiter="\t")
    except ValueError:
        return False
    return True


def _broken(path: Path, line: int, what: str) -> GazeError:
    return GazeError(
        f"{path.name}, line {line}: {what}.",
        remedy=f"Event files hold {len(COLUMNS)} tab-separated columns ({', '.join(COLUMNS)}). Get the file again.",
        code="event-file",
    )
