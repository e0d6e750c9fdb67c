"""What a new corpus must have, in the order in which its author writes it; each failure says what to write and where.

The test that `ave new-corpus` writes for a corpus calls these one by one.
"""

from __future__ import annotations

import csv
import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

import pytest

from pipeline import corpora
from pipeline.errors import AveError, ManifestError
from pipeline.ingest.manifest import Manifest, load

SECTIONS = ("Conventions", "What it is", "Licence and citation", "Files", "Raw gaze", "How it was shown")
OPEN = "FILL IN"  # how the skeleton marks what its author has to write
PROBLEMS_SHOWN = 12  # one slip in a table of a hundred stimuli need not be told a hundred times

CELLS = {  # what to write into a cell that is wrong; manifests/README.md has the whole story
    "title": "what the data set is called",
    "licence": "e.g. CC BY 4.0; 'unknown' where nobody says",
    "terms": "what a user of the data accepts, in a sentence",
    "citation": "authors: title. Where, year",
    "placement": "centred (gaze in screen px, the video at its own size in the middle) or video (gaze in video px)",
    "px_per_dva": "screen_width_px / screen_width_cm x 2 x distance_cm x tan(0.5 degrees)",
    "source": "where the screen and the distance are written down",
    "confidence": "which of these figures to trust, and how far",
    "artifact": "the file as it lies in RAW, packed; {name} in it stands for a stimulus",
    "kind": "direct (a program may fetch the urls) or manual (a person must; how_to says how)",
    "how_to": "what a person does to get the file, and where to put it",
    "name": "the stimulus as its files are called; one row a stimulus",
    "category": "nature, social or misc",
    "split": "train, val or test; all observers of a stimulus are in the same one",
    "audio_presented": "yes where observers heard the sound, otherwise no",
    "audio_evidence": "how you know that they heard it",
}


def loaded(manifests: Path) -> Manifest:
    """The tables; the test fails in one line where they are not right yet."""
    try:
        return load(manifests)
    except AveError as error:
        pytest.fail(str(error), pytrace=False)


def require_rows(manifests: Path, table: str, name: str) -> None:
    """A table has rows of the corpus, and none of its tables up to this one has a wrong cell in them."""
    lines = _lines_of(manifests / table, name)
    if not lines:
        pytest.fail(f"{manifests / table} has no row whose first cell is {name!r}: add it.", pytrace=False)
    wrong = [problem for problem in _problems(manifests) if _is_about(problem, table, lines, name)]
    if wrong:
        columns = dict.fromkeys(problem.partition(":")[0].rpartition(", ")[2] for problem in wrong)
        hints = [f"{column}: {CELLS[column]}" for column in columns if column in CELLS]
        more = [f"and {len(wrong) - PROBLEMS_SHOWN} more"] if len(wrong) > PROBLEMS_SHOWN else []
        told = "\n  ".join((*wrong[:PROBLEMS_SHOWN], *more, "", *hints))
        pytest.fail(f"fill in {manifests / table}:\n  {told}", pytrace=False)


def require_docstring(name: str) -> None:
    """The module's text has no part that the skeleton left open, and the sections that all corpora have."""
    module = _module(name)
    path = Path(str(module.__file__))
    lines = path.read_text(encoding="utf-8").splitlines()
    left = [f"line {number}: {line.strip()}" for number, line in enumerate(lines, start=1) if OPEN in line]
    if left:
        pytest.fail("\n  ".join((f"write in {path}:", *left)), pytrace=False)
    headings = [line for line in (module.__doc__ or "").splitlines() if line in SECTIONS]
    if headings != list(SECTIONS):
        pytest.fail(f"{path}: its docstring has the sections {headings}; expected {list(SECTIONS)}.", pytrace=False)


def require_files(manifests: Path, name: str) -> None:
    """Every stimulus says what it needs in RAW, and is found among what unpacking that gives."""
    release = _release(name)
    for entry in loaded(manifests).entries([name]):
        try:
            artifacts, needed = release.artifacts([entry.name]), release.artifacts_of(entry.name)
            paths = release.example_paths(entry.name)
            located = release.locate(paths, entry.name)
        except AveError as error:
            pytest.fail(str(error), pytrace=False)
        known = [artifact.name for artifact in artifacts]
        if set(needed) != set(known) or set(paths) != set(known):
            told = f"artifacts gives {known}, artifacts_of {list(needed)}, example_paths {list(paths)}"
            pytest.fail(f"{entry.stimulus}: {told}; expected the same names of all three.", pytrace=False)
        for artifact, path in (located.video, *located.gaze):
            if path not in paths.get(artifact, ()):
                pytest.fail(f"{entry.stimulus}: locate gives {path!r}, which is not in {artifact!r}.", pytrace=False)


def require_gaze(
    folder: Path,
    name: str,
    stimulus: str,
    gaze_files: Mapping[str, str],
    fixations: Mapping[str, Sequence[tuple[int, float, float]]],
) -> None:
    """An example of raw gaze is read as the fixations that its author worked out by hand."""
    if not (stimulus and gaze_files and fixations):
        place = f"STIMULUS, GAZE_FILES and FIXATIONS in tests/corpora/test_{name}.py"
        pytest.fail(f"fill in {place}: a few lines of real gaze, and what comes of them.", pytrace=False)
    files = []
    for file_name, text in gaze_files.items():
        files.append(folder / file_name)
        files[-1].parent.mkdir(parents=True, exist_ok=True)
        files[-1].write_text(text, encoding="utf-8")
    try:
        gaze = _release(name).read_gaze(files, stimulus)
    except AveError as error:
        pytest.fail(str(error), pytrace=False)
    found = {}
    for recording in gaze.recordings:
        rows = zip(recording.frame, recording.x_px, recording.y_px, recording.reason, strict=True)
        kept = [(int(frame), float(x_px), float(y_px)) for frame, x_px, y_px, reason in rows if reason == ""]
        found[recording.observer] = kept
    assert found == {observer: [pytest.approx(row) for row in rows] for observer, rows in fixations.items()}


def _release(name: str) -> corpora.Release:
    try:
        return corpora.get(name)
    except AveError as error:
        pytest.fail(str(error), pytrace=False)


def _module(name: str) -> ModuleType:
    _release(name)  # which says in one line what keeps the module from being imported
    return importlib.import_module(f"pipeline.corpora.{name}")


def _problems(manifests: Path) -> list[str]:
    try:
        load(manifests)
    except ManifestError as error:
        return error.problems
    except AveError as error:
        pytest.fail(str(error), pytrace=False)
    return []


def _lines_of(path: Path, name: str) -> list[int]:
    """Lines of a table on which rows of a corpus end."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        table = csv.DictReader(file)
        return [table.line_num for row in table if row["corpus"] == name]


def _is_about(problem: str, table: str, lines: Sequence[int], name: str) -> bool:
    """Whether a problem is one of these lines of a table, or of the corpus in the table as a whole."""
    ours = tuple(f"{table}, line {line}{mark}" for line in lines for mark in ",:")
    return problem.startswith((*ours, f"{table}: no row for {name}", f"{table}, line 1:"))
