"""Open anybody's saliency maps: find them, and learn how they are numbered.

Conventions
-----------
Frames count from 0, sizes are (height, width).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pipeline.errors import AveError, UsageError
from pipeline.evaluate.maps import parquet
from pipeline.evaluate.maps.find import MapSet, find_maps, is_map, list_files
from pipeline.evaluate.maps.finding import Finding
from pipeline.evaluate.maps.habits import EXAMPLE
from pipeline.evaluate.maps.names import Names
from pipeline.evaluate.maps.numbering import Numbering, Run, numbering, step
from pipeline.evaluate.maps.read import FORMATS
from pipeline.evaluate.maps.submission import Known, Maps, RowSet, numbers_of

OURS = "maps.parquet"


class TruthLike(Protocol):
    """What is asked of a stimulus; `pipeline.evaluate.truth.Truth` has it."""

    @property
    def stimulus(self) -> str: ...
    @property
    def n_frames(self) -> int: ...
    @property
    def size_px(self) -> tuple[int, int]: ...


def open_maps(path: str | Path, truths: Sequence[TruthLike], first_frame: int | None = None) -> Maps:
    """Open a folder of maps, a run of ours, or Parquet.

    Parameters
    ----------
    path : path
        A folder of maps or of a run, one file of maps, or a Parquet file.
    truths : sequence of Truth
        Every stimulus asked for.
    first_frame : {0, 1}, optional
        What frame numbers count from; found out where it is not given.

    Raises
    ------
    AveError
        "no-such-path", "no-maps" where nothing in it is one, "no-stimulus-matched", "ambiguous-stimulus" where a name
        may be of several corpora and no other has maps, "several-runs", and "not-maps" of a Parquet.
    UsageError
        If `first_frame` is neither 0 nor 1.
    """
    if first_frame not in (None, 0, 1):
        raise UsageError(f"First frame {first_frame} asked for.", remedy="Frames are numbered from 0 or from 1.")
    root = Path(path)
    if not root.exists():
        raise AveError(f"{root}: no such file or folder.", remedy="Give the folder of the maps.", code="no-such-path")
    known = {one.stimulus: Known(one.stimulus, one.n_frames, (one.size_px[0], one.size_px[1])) for one in truths}
    files = list_files(root)
    tables, maps = _tables(root, files), [one for one in files if is_map(one)]
    if not (tables or maps):
        raise _nothing(root, files)
    lying = _of_tables(tables, known) if tables else _of_files(root, maps, known)
    if not lying.sets:
        raise _no_match(root, lying.found, known)
    read = set(tables or maps)
    lying.found += _others([one for one in files if one not in read and (is_map(one) or not tables)])
    return _numbered(root, known, lying, first_frame)


@dataclass
class _Lying:
    """What lies there: maps by stimulus, what was noticed, words for the head, and what the habit counts from."""

    sets: dict[str, MapSet | RowSet]
    found: list[Finding]
    about: dict[str, Any]
    habit_says: int | None = None


def _numbered(root: Path, known: dict[str, Known], lying: _Lying, asked: int | None) -> Maps:
    about, found = lying.about, lying.found
    numbers = {stimulus: sorted(own) for stimulus, held in lying.sets.items() if (own := numbers_of(held))}
    runs = [Run(stimulus, own[0], own[-1], known[stimulus].n_frames) for stimulus, own in numbers.items()]
    first = Numbering(0, "the first map of a file is frame 0")
    if "run" in about:
        first = Numbering(0, "a run of ours counts from 0")
    elif runs:
        first = numbering(runs, lying.habit_says, asked)
    if first.doubtful:
        found.append(Finding("numbering", None, None, first.why))
    every = about.pop("every", None) or step(numbers.values())
    about |= {"first_frame": first.first_frame, "first_frame_why": first.why, "every": every, "path": root.name}
    stimuli = tuple(stimulus for stimulus in known if stimulus in lying.sets)
    found += [Finding("no-maps", stimulus, None, "no maps") for stimulus in known if stimulus not in lying.sets]
    return Maps(stimuli, about, found, known, lying.sets)


def _tables(root: Path, files: Sequence[Path]) -> list[Path]:
    """The Parquet files to read: the one given, a run's, or all of a folder that has nothing else."""
    if root.is_file():
        return [root] if root.suffix == ".parquet" else []
    ours = [path for path in files if path.name == OURS]
    if len(ours) > 1:
        names = ", ".join(path.relative_to(root).as_posix() for path in ours[:4])
        raise AveError(
            f"{root} holds the maps of {len(ours)} runs: {names}.", remedy="Give one of them.", code="several-runs"
        )
    if ours or any(map(is_map, files)):
        return ours
    return [path for path in files if path.suffix == ".parquet"]


def _of_tables(paths: Sequence[Path], known: dict[str, Known]) -> _Lying:
    rows, told = parquet.index(paths)
    names, found = Names(known), []
    sets: dict[str, RowSet] = {}
    for name, own in rows.items():
        *folders, last = name.split("/")
        match = names.find(last, folders[::-1])
        if match.remark:
            found.append(Finding("understood", match.stimulus, None, match.remark))
        if not match.candidates:
            near = names.nearest(last, folders[::-1])
            found.append(Finding("other-stimulus", None, None, name + (f" (nearest: {near})" if near else "")))
        elif match.stimulus is None:
            found.append(Finding("ambiguous", None, None, f"{name} may be {' or '.join(match.candidates)}"))
        elif match.stimulus in sets:
            found.append(Finding("set-aside", match.stimulus, None, f"{name} beside {sets[match.stimulus].name}"))
        else:
            sets[match.stimulus] = RowSet(name, own)
    about: dict[str, Any] = {"format": "Parquet", "habit": "columns stimulus, frame, map"}
    ours = {"run": told, "every": told.get("every")} if "run" in told else {}
    return _Lying(dict(sets), found, about | ours)


def _of_files(root: Path, files: Sequence[Path], known: dict[str, Known]) -> _Lying:
    sets, found = find_maps(root, files, list(known))
    habits = list(dict.fromkeys(own.habit for own in sets.values()))
    formats = sorted({one for own in sets.values() for one in own.format.split(", ")})
    counted_from = {habit.first_frame for habit in habits if not habit.whole}
    about = {"format": ", ".join(formats), "habit": "; ".join(map(str, habits))}
    return _Lying(dict(sets), found, about, counted_from.pop() if len(counted_from) == 1 else None)


def _others(paths: Sequence[Path]) -> list[Finding]:
    endings: dict[str, list[Path]] = {}
    for path in paths:
        endings.setdefault(path.suffix.lower() or path.name, []).append(path)
    return [
        Finding("other-files", None, None, f"{len(own)} {ending}, as {own[0].name}", len(own))
        for ending, own in endings.items()
    ]


def _nothing(root: Path, files: Sequence[Path]) -> AveError:
    held = ", ".join(sorted({path.suffix or path.name for path in files})[:8]) or "nothing"
    return AveError(
        f"{root}: no saliency maps. Looked for {', '.join(FORMATS)} and .parquet in it and all folders below; it holds "
        f"{held}.",
        remedy=f"Lay them out like this:\n{EXAMPLE}",
        code="no-maps",
    )


def _no_match(root: Path, found: Sequence[Finding], known: dict[str, Known]) -> AveError:
    ambiguous = [finding for finding in found if finding.kind == "ambiguous"]
    shown = "; ".join(finding.words for finding in (ambiguous or found)[:4])
    if ambiguous:
        return AveError(
            f"{root}: {shown}.",
            remedy=f"Two corpora own that name, so say which:\n{EXAMPLE}",
            code="ambiguous-stimulus",
        )
    return AveError(
        f"{root}: none of its maps is of one of the {len(known)} stimuli asked for ({', '.join(list(known)[:3])} …): "
        f"{shown}.",
        remedy=f"Check the split, or name the maps like this:\n{EXAMPLE}",
        code="no-stimulus-matched",
    )
