"""How both databases of Antoine Coutrot are read: one MATLAB file of gaze, one archive of clips.

Conventions
-----------
Gaze is in video px, one sample per video frame; frames and arrays count from 0. A sample is a fixation unless it is
NaN: the databases carry no event labels, and each sample already is the median of a frame's readings.
Tags: [code] public readers (GASP, MinglangQiao/DIEM, the datadings writer), [thesis] the thesis of A. Coutrot (2014).

The MATLAB file (v5) holds one struct: condition → clip → `data` and `info`, all addressed by name here because the
order of fields is not documented. `data` is [coordinate, frame, observer]; coordinate 0 is x, 1 is y, and where there
is a third its meaning is disputed, so it is not used [code]. `info` holds fps, nframe, vidwidth, vidheight,
each once more nested [code]. Where `data` and `info.nframe` disagree the smaller count is used and noted.

Only the condition with the clip's *own* soundtrack is read. The other conditions of Database 1 played a foreign
sound and `Visual` of Database 2 none; two public scripts read the latter by mistake [code].

An observer is a column of `data` (`coutrot1_os_01`). The files do not say who sat in that column, so the same id in
two clips is not known to be the same person.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from pipeline.corpora.base import RawGaze, Recording, Release
from pipeline.errors import GazeError, UsageError
from pipeline.records import Artifact, Located, Rejection

VIDEO_SUFFIXES = (".avi", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".mpg", ".mpeg")  # the release's own first
OWN_SOUND = {"Coutrot_Database1": "OriginalSounds", "Coutrot_Database2": "AudioVisual"}
NTSC = Fraction(1000, 1001)

_MAT_V5, _HDF5 = b"MATLAB 5.0 MAT-file", b"\x89HDF\r\n\x1a\n"
_LOADMAT_FAILS_WITH = (
    *(ValueError, TypeError, LookupError, EOFError, OSError, ArithmeticError, MemoryError, zlib.error),
    UnboundLocalError,  # scipy 1.17 on some broken headers
)


class CoutrotRelease(Release):
    """One of the two databases.

    Parameters
    ----------
    name : str
        The corpus, "coutrot1" or "coutrot2".
    variable : str
        The MATLAB variable.
    condition : str
        The condition to read; only the one with the clip's own soundtrack is allowed.
    mat : str
        File name of the MATLAB file in RAW.
    stimuli : str
        Name of the folder of clips, and of its zip.
    observer_prefix : str
        What an observer's id starts with.
    expected_observers : int
        Observers per clip that the papers report.

    Raises
    ------
    UsageError
        For a condition that was silent or had a foreign soundtrack.
    """

    max_frame_difference = None  # video, info and data differ by some 16 frames a clip: the minimum counts

    def __init__(
        self,
        name: str,
        *,
        variable: str,
        condition: str,
        mat: str,
        stimuli: str,
        observer_prefix: str,
        expected_observers: int,
    ):
        if condition != OWN_SOUND.get(variable):
            raise UsageError(
                f"{name}: condition {condition!r} of {variable} was not shown with the clip's own soundtrack.",
                remedy=f"Read {OWN_SOUND.get(variable)!r}; AVE admits only videos whose sound was heard.",
            )
        self.name = name
        self.variable = variable
        self.condition = condition
        self.mat = mat
        self.stimuli = stimuli
        self.observer_prefix = observer_prefix
        self.expected_observers = expected_observers

    def artifacts(self, names: Sequence[str]) -> tuple[Artifact, ...]:
        """The MATLAB file, and the clips as zip or folder; the same two however many clips are asked for."""
        gaze = Artifact(name=self.mat, packed=(self.mat,))
        clips = Artifact(name=self.stimuli, packed=(f"{self.stimuli}.zip",), folder=self.stimuli)
        return (gaze, clips) if names else ()

    def artifacts_of(self, name: str) -> tuple[str, ...]:
        """Every clip needs both artifacts."""
        return (self.mat, self.stimuli)

    def example_paths(self, name: str) -> dict[str, list[str]]:
        """The MATLAB file and one clip in the folder of clips."""
        return {self.mat: [self.mat], self.stimuli: [f"{self.stimuli}/{name}.avi"]}

    def locate(self, paths: Mapping[str, Sequence[str]], name: str) -> Located:
        """Find `<name>.avi`, or a copy in another container, at any depth; the sound is inside the video.

        Raises
        ------
        GazeError
            Code "gaze-missing" or "media-missing", with the pattern that was looked for.
        """
        mats = [path for path in paths.get(self.mat, ()) if PurePosixPath(path).name.lower() == self.mat.lower()]
        if not mats:
            raise GazeError(
                f"{self.name}/{name}: no gaze file; looked for {self.mat}.",
                remedy=f"Put {self.mat} into RAW/{self.name}/.",
                code="gaze-missing",
            )
        clips = paths.get(self.stimuli, ())
        video = _find_clip(clips, name)
        if video is None:
            raise GazeError(
                f"{self.name}/{name}: no video; looked for {name}.avi (or {', '.join(VIDEO_SUFFIXES[1:])}) "
                f"at any depth among the {len(clips)} files of {self.stimuli}.",
                remedy=f"Put it into RAW/{self.name}/{self.stimuli}/, or {self.stimuli}.zip into RAW/{self.name}/.",
                code="media-missing",
            )
        return Located(video=(self.stimuli, video), sound=None, gaze=((self.mat, mats[0]),))

    def read_gaze(self, files: Sequence[Path], name: str) -> RawGaze:
        """Read one clip of the own-soundtrack condition.

        A clip that this condition lacks comes back without recordings and with a stimulus rejection
        "no-own-soundtrack-condition"; its size is then that of another condition, or 0.

        Parameters
        ----------
        files : sequence of Path
            The MATLAB file alone.
        name : str
            The clip, which is its field's name.

        Raises
        ------
        GazeError
            For a file that is not MATLAB v5, lacks the variable or the condition, or breaks the layout above.
        """
        (path,) = files
        database = _database(path, self.variable)
        clips = _member(database, self.condition, f"{path.name}: {self.variable}")
        if name not in _members(clips):
            return self._absent(database, name)
        where = f"{path.name}: {self.variable}.{self.condition}.{name}"
        clip = _member(clips, name, f"{path.name}: {self.variable}.{self.condition}")
        data = _gaze_array(clip, where)
        info = _member(clip, "info", where)
        n_data, n_info = data.shape[1], _optional_number(info, "nframe", where)
        n_frames = n_data if n_info is None else min(n_data, int(n_info))
        recordings, rejections = self._recordings(data, n_frames, name)
        fps = _optional_number(info, "fps", where)
        return RawGaze(
            recordings=recordings,
            width_px=_whole_number(info, "vidwidth", where),
            height_px=_whole_number(info, "vidheight", where),
            rate=None if fps is None else nominal_rate(fps),
            n_frames=n_frames,
            rejections=rejections,
            notes=self._notes(name, n_data, n_info, len(recordings)),
        )

    def _recordings(
        self, data: np.ndarray, n_frames: int, name: str
    ) -> tuple[tuple[Recording, ...], tuple[Rejection, ...]]:
        """One recording per column of `data` that holds any gaze."""
        kept, empty = [], []
        frame = np.arange(data.shape[1], dtype=np.int32)
        for column in range(data.shape[2]):
            observer = f"{self.observer_prefix}_{column + 1:02d}"
            x_px, y_px = data[0, :, column], data[1, :, column]
            missing = ~(np.isfinite(x_px) & np.isfinite(y_px))
            if missing.all():
                detail = f"column {column + 1} of data is NaN in all frames"
                empty.append(Rejection("recording", f"{self.name}/{name}/{observer}", "no-gaze", len(frame), detail))
                continue
            reason = np.select([missing, frame >= n_frames], ["missing", "beyond-video"], default="")
            kept.append(Recording(observer, frame, x_px, y_px, reason))
        return tuple(kept), tuple(empty)

    def _notes(self, name: str, n_data: int, n_info: float | None, n_observers: int) -> tuple[str, ...]:
        notes = []
        if n_info is not None and n_info != n_data:
            notes.append(
                f"{self.name}/{name}: data has {n_data} frames and info.nframe says {n_info:g}; the smaller is used"
            )
        if n_observers != self.expected_observers:
            notes.append(f"{self.name}/{name}: {n_observers} observers; the papers report {self.expected_observers}")
        return tuple(notes)

    def _absent(self, database: Any, name: str) -> RawGaze:
        """What is known of a clip that the own-soundtrack condition lacks: where else it is, and its size there."""
        elsewhere = {
            condition: _member(_member(database, condition, self.variable), name, condition)
            for condition in _members(database)
            if condition != self.condition and name in _members(_member(database, condition, self.variable))
        }
        place = f"only in {', '.join(elsewhere)}" if elsewhere else "in no condition"
        detail = f"{self.variable}.{self.condition} has no {name}; it is {place}"
        info = _member(next(iter(elsewhere.values())), "info", name) if elsewhere else None
        return RawGaze(
            recordings=(),
            width_px=0 if info is None else _whole_number(info, "vidwidth", name),
            height_px=0 if info is None else _whole_number(info, "vidheight", name),
            rate=None,
            n_frames=0,
            rejections=(Rejection("stimulus", f"{self.name}/{name}", "no-own-soundtrack-condition", 1, detail),),
        )


def nominal_rate(fps: float) -> Fraction:
    """The frame rate that a decimal stands for, exactly.

    Examples
    --------
    >>> nominal_rate(25.0), nominal_rate(24.99975), nominal_rate(29.97)
    (Fraction(25, 1), Fraction(25, 1), Fraction(30000, 1001))
    """
    for unit in (Fraction(1), NTSC):
        rate = round(fps / unit) * unit
        if rate and abs(fps - rate) < 1e-3:  # lists write 25 as 24.99975 and 30000/1001 as 29.97
            return rate
    return Fraction(fps).limit_denominator(1000)


def _find_clip(paths: Sequence[str], name: str) -> str | None:
    """The clip's file: the release's own container first, then the shallowest path."""
    candidates = []
    for path in map(PurePosixPath, paths):
        hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
        if path.stem.lower() == name.lower() and path.suffix.lower() in VIDEO_SUFFIXES and not hidden:
            candidates.append((VIDEO_SUFFIXES.index(path.suffix.lower()), len(path.parts), str(path)))
    return min(candidates)[2] if candidates else None


def _database(path: Path, variable: str) -> Any:
    """The database's struct, loaded once per process and version of the file."""
    stat = path.stat()
    return _load(str(path), variable, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=2)  # both databases; one build reads the same file once per clip
def _load(path: str, variable: str, size_bytes: int, mtime_ns: int) -> Any:
    from scipy.io import loadmat, whosmat
    from scipy.io.matlab import MatReadError

    name = Path(path).name
    remedy = f"Expected a MATLAB v5 file with the variable {variable}; get {name} again."
    with open(path, "rb") as file:
        head = file.read(512 + len(_HDF5))
    if _HDF5 in head:
        remedy = f"Open it in MATLAB and save it with -v7, or take the original {name}."
        raise GazeError(f"{name}: a MATLAB v7.3 (HDF5) file; expected v5.", remedy=remedy, code="mat-file")
    if not head.startswith(_MAT_V5):
        raise GazeError(f"{name}: not a MATLAB v5 file; it starts with {head[:20]!r}.", remedy=remedy, code="mat-file")
    try:
        content = loadmat(path, variable_names=[variable])
        names = [variable] if variable in content else [found[0] for found in whosmat(path)]
    except (*_LOADMAT_FAILS_WITH, MatReadError, NotImplementedError) as error:
        raise GazeError(f"{name}: cannot be read to its end ({error}).", remedy=remedy, code="mat-file") from error
    if variable not in content:
        found = ", ".join(names) or "nothing"
        raise GazeError(f"{name}: no variable {variable}; it holds {found}.", remedy=remedy, code="mat-layout")
    return content[variable]


def _unwrap(value: Any) -> Any:
    """Take off MATLAB's 1 × 1 wrappers until a struct or a numeric array is left."""
    while isinstance(value, np.ndarray) and value.dtype == object and value.size == 1:
        value = value.flat[0]
    return value


def _members(struct: Any) -> tuple[str, ...]:
    """Field names of a MATLAB struct; none for anything else."""
    dtype = getattr(_unwrap(struct), "dtype", None)
    return tuple(dtype.names or ()) if dtype is not None else ()


def _member(struct: Any, field: str, where: str) -> Any:
    """One field of a 1 × 1 MATLAB struct, unwrapped."""
    struct = _unwrap(struct)
    if field not in _members(struct):
        known = ", ".join(_members(struct)[:8]) or "no fields"
        raise GazeError(
            f"{where} has no field {field!r}; it has {known}.",
            remedy="Is this the original file? Its layout is described in pipeline/corpora/coutrot.py.",
            code="mat-layout",
        )
    value = struct[field]
    return _unwrap(value.flat[0] if isinstance(value, np.ndarray) and value.dtype == object and value.size else value)


def _gaze_array(clip: Any, where: str) -> np.ndarray:
    """`data` as float64 [2 or 3, frame, observer]; MATLAB drops a trailing axis of length 1."""
    data = np.asarray(_member(clip, "data", where))
    if data.ndim == 2:
        data = data[:, :, np.newaxis]
    if data.ndim != 3 or data.shape[0] not in (2, 3) or data.size == 0 or data.dtype.kind not in "fiu":
        raise GazeError(
            f"{where}.data is {data.dtype} of shape {data.shape}; "
            "expected numbers of shape (2 or 3 coordinates, frames, observers).",
            remedy="Is this the original file? Its layout is described in pipeline/corpora/coutrot.py.",
            code="mat-layout",
        )
    return data.astype(np.float64)


def _optional_number(info: Any, field: str, where: str) -> float | None:
    """A number of `info`; None where the field is absent or empty."""
    if field not in _members(info):
        return None
    value = np.asarray(_member(info, field, where))
    if value.size == 0:
        return None
    if value.size != 1 or value.dtype.kind not in "fiu" or not value.flat[0] > 0:
        raise GazeError(
            f"{where}.info.{field} is {value.tolist()!r}; expected one positive number.",
            remedy="Is this the original file? Its layout is described in pipeline/corpora/coutrot.py.",
            code="mat-layout",
        )
    return float(value.flat[0])


def _whole_number(info: Any, field: str, where: str) -> int:
    """A number of `info` that must be there."""
    value = _optional_number(info, field, where)
    if value is None:
        raise GazeError(
            f"{where}.info has no {field}.",
            remedy="Without the picture size gaze cannot be placed; get the original file.",
            code="mat-layout",
        )
    return int(value)
