"""Which files of a folder are the maps of which stimulus.

Conventions
-----------
Files that differ in their last number only belong together: a *batch*, which is matched once. Numbers are as they are
written; what they mean is `numbering`'s question. Paths are looked at from the right, and the folder that was given
counts with its own name (`maps/diem` may be given as well as `maps`).
"""

from __future__ import annotations

import itertools
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pipeline.evaluate.maps.finding import Finding
from pipeline.evaluate.maps.habits import HABITS, Habit
from pipeline.evaluate.maps.names import Match, Names, uses_ave_lists
from pipeline.evaluate.maps.read import ARRAYS, FORMATS, PICTURES, VIDEOS

NUMBER = re.compile(r"(?P<word>.*?)(?P<number>\d+)(?P<tail>\D*)$", re.DOTALL)
KIND = dict.fromkeys(PICTURES, "picture") | dict.fromkeys(VIDEOS, "video") | {ending: ending for ending in ARRAYS}


@dataclass
class Batch:
    """Files that differ in their last number only: path without number, and the files as (number, path)."""

    path: str
    kind: str
    files: list[tuple[int | None, Path]] = field(default_factory=list)


@dataclass(frozen=True)
class MapSet:
    """The maps of one stimulus: a file a frame, names in `folder` by number as written, or one file for all."""

    stimulus: str
    habit: Habit
    folder: Path
    files: dict[int, str] = field(default_factory=dict)
    whole: str = ""

    @property
    def format(self) -> str:
        """What kind of files these are: "PNG", "JPEG" …"""
        endings = {os.path.splitext(name)[1].lower() for name in ([self.whole] if self.whole else self.files.values())}
        return ", ".join(sorted({FORMATS[ending] for ending in endings}))


def list_files(root: Path) -> list[Path]:
    """Every file of a folder and the folders below, sorted; the file itself where it is one."""
    if root.is_file():
        return [root]
    walked: set[str] = set()
    files: list[Path] = []
    for folder, folders, names in os.walk(root, followlinks=True):
        walked.add(os.path.realpath(folder))
        folders[:] = [one for one in folders if os.path.realpath(os.path.join(folder, one)) not in walked]
        files += [Path(folder, name) for name in names]
    return sorted(files)


def is_map(path: Path) -> bool:
    """Whether a file may hold maps, by its ending; names that begin with a dot are the system's own."""
    return path.suffix.lower() in FORMATS and not path.name.startswith(".")


def find_maps(root: Path, files: Sequence[Path], stimuli: Sequence[str]) -> tuple[dict[str, MapSet], list[Finding]]:
    """Match files to stimuli.

    Parameters
    ----------
    root : Path
        What was given: a folder, or a file.
    files : sequence of Path
        The maps among what lies in it.
    stimuli : sequence of str
        What is asked for, `corpus/name`.

    Returns
    -------
    sets : dict
        {stimulus: MapSet}.
    findings : list of Finding
        What was not matched, or not without goodwill.
    """
    top = root.resolve().parent.parent if root.is_file() else root.resolve().parent
    batches = list(_batches(files, top, root))
    folders = {part for batch in batches for part in PurePosixPath(batch.path).parts}
    finder = _Finder(Names(stimuli, ave_lists=uses_ave_lists(folders)))
    for batch in batches:
        finder.match(batch)
    return finder.chosen(), finder.findings


class _Finder:
    def __init__(self, names: Names):
        self._names = names
        self._sets: dict[str, list[MapSet]] = defaultdict(list)
        self.findings: list[Finding] = []

    def match(self, batch: Batch) -> None:
        for cut in (False, True):
            for habit in HABITS:
                if self._whole(batch, habit, cut) if habit.whole else self._frames(batch, habit, cut):
                    return
        numbered = batch.kind != "picture" or batch.files[0][0] is not None
        shown = _shown(batch)
        if not numbered:
            self._say("no-number", f"{shown}: no frame number in its name")
            return
        self._say("other-stimulus", f"{shown}{self._nearest(batch)}")

    def _frames(self, batch: Batch, habit: Habit, cut: bool) -> bool:
        if batch.kind == "video" or batch.files[0][0] is None:
            return False
        match = self._try(habit, batch.path, cut)
        if match.stimulus:
            files: dict[int, str] = {}
            for number, path in batch.files:
                if number is not None and files.setdefault(number, path.name) != path.name:
                    self._say("set-aside", f"{path.name} beside {files[number]}", match.stimulus)
            self._sets[match.stimulus].append(MapSet(match.stimulus, habit, batch.files[0][1].parent, files))
        return self._noted(match, _shown(batch))

    def _whole(self, batch: Batch, habit: Habit, cut: bool) -> bool:
        if batch.kind == "picture":
            return False
        left = []
        for number, path in batch.files:
            own = str(PurePosixPath(batch.path).parent / path.stem)
            match = self._try(habit, own, cut)
            if match.stimulus:
                self._sets[match.stimulus].append(MapSet(match.stimulus, habit, path.parent, whole=path.name))
            if not self._noted(match, path.name):
                left.append((number, path))
        batch.files[:] = left
        return not left

    def _try(self, habit: Habit, path: str, cut: bool) -> Match:
        name = habit.name_in(path)
        return self._names.find(name, PurePosixPath(path).parts[-2::-1], cut=cut) if name else Match()

    def _noted(self, match: Match, shown: str) -> bool:
        """Whether a match settles what the files are; if so, what must be said about it is."""
        if len(match.candidates) > 1:
            corpora = " or ".join(f"{stimulus.split('/')[0]}/" for stimulus in match.candidates)
            may_be = " or ".join(match.candidates)
            self._say("ambiguous", f"{shown} may be {may_be}; put it in a folder {corpora}")
        elif match.stimulus and match.remark:
            self._say("understood", match.remark, match.stimulus)
        return bool(match.candidates)

    def _nearest(self, batch: Batch) -> str:
        folders = PurePosixPath(batch.path).parts[-2::-1]
        words = (batch.files[0][1].stem, *folders)
        near = next((near for word in words if (near := self._names.nearest(word, folders))), "")
        return f" (nearest: {near})" if near else ""

    def _say(self, kind: str, words: str, stimulus: str | None = None) -> None:
        self.findings.append(Finding(kind, stimulus, None, words))

    def chosen(self) -> dict[str, MapSet]:
        """One set a stimulus: the first habit of the table, then the most files; the others are said."""
        chosen = {}
        for stimulus, sets in self._sets.items():
            first, *others = sorted(sets, key=lambda one: (HABITS.index(one.habit), -len(one.files)))
            chosen[stimulus] = first
            for other in others:
                shown, kept = _example(other), _example(first)
                words = f"{shown} left aside, {kept} read"
                self.findings.append(Finding("set-aside", stimulus, None, words, len(other.files) or 1))
        return chosen


def _batches(files: Sequence[Path], top: Path, root: Path) -> Iterator[Batch]:
    batches: dict[tuple[str, str], Batch] = {}
    above = root.parent if root.is_file() else root
    start = above.resolve().relative_to(top)
    for parent, own in itertools.groupby(files, key=lambda path: path.parent):
        folder = (start / parent.relative_to(above)).as_posix()
        for path in own:
            kind, parts = KIND[path.suffix.lower()], NUMBER.match(path.stem)
            name, number = (f"{parts['word']}0{parts['tail']}", int(parts["number"])) if parts else (path.stem, None)
            one = f"{folder}/{name}"
            batches.setdefault((one, kind), Batch(one, kind)).files.append((number, path))
    yield from batches.values()


def _shown(batch: Batch) -> str:
    parent = PurePosixPath(batch.path).parent.name
    names = [path.name for _, path in batch.files]
    return f"{parent}/{names[0]}" + (f" and {len(names) - 1} more like it" if len(names) > 1 else "")


def _example(one: MapSet) -> str:
    return f"{one.folder.name}/{one.whole or next(iter(one.files.values()))}"
