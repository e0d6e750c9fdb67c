"""What `ave new-corpus` writes: a module with its answers left open, manifest rows with empty cells, and their test.

Conventions
-----------
The templates beside this file are `string.Template`s with $name and $class_name. Everything is checked before the first
byte is written, and what was written is taken back where the rest cannot be: a corpus is begun whole or not at all.
Rows are appended to the tables as they are; no other byte of them changes.
"""

from __future__ import annotations

import csv
import io
import keyword
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from string import Template

from pipeline import corpora
from pipeline.errors import StoreError, UsageError
from pipeline.ingest.cells import safe_name
from pipeline.records import CATEGORIES, SPLITS

CHECKOUT = Path(__file__).resolve().parents[2]
TABLES = ("licences.csv", "geometry.csv", "sources.csv", "stimuli.csv")

_RESERVED = ("all", "release", "ave", *SPLITS, *CATEGORIES)  # words that tables and folders use for something else
_GIVEN = {"sources.csv": {"checksum": "unknown"}, "stimuli.csv": {"frame_offset": "0"}}


def begin(name: str, manifests: Path, stimuli: Sequence[str] = (), *, checkout: Path | None = None) -> list[Path]:
    """Write the skeleton, the rows and the test of a new corpus.

    Parameters
    ----------
    name : str
        A Python name in lower case; the module, the corpus and its folder in RAW are called so.
    manifests : Path
        The folder of tables to append to.
    stimuli : sequence of str
        Names of its videos; one row each, or one nameless row.
    checkout : Path, optional
        Gets pipeline/corpora/<name>.py and tests/corpora/test_<name>.py; the one this module lies in where absent.

    Returns
    -------
    written : list of Path
        Made or appended to.

    Raises
    ------
    UsageError
        If the name cannot be used, something of that name is there, or there is no checkout or table to write into.
    StoreError
        If a file cannot be written.
    """
    check_name(name)
    checkout = checkout or CHECKOUT
    if not (checkout / "tests" / "corpora" / "steps.py").is_file():
        raise UsageError(
            f"{checkout} is no checkout of this project, and a corpus is added to its sources.",
            remedy="Clone the repository, run `make demo` there, and use the ave of its .venv.",
        )
    class_name = name.title().replace("_", "")
    texts = {
        checkout / "pipeline" / "corpora" / f"{name}.py": _filled("corpus.py.txt", name, class_name),
        checkout / "tests" / "corpora" / f"test_{name}.py": _filled("test.py.txt", name, class_name),
    }
    for path in texts:
        if path.exists():
            raise UsageError(f"{path} is there already.", remedy="Choose another name, or take the file away.")
    rows = {"stimuli.csv": [{"name": stimulus} for stimulus in _checked(stimuli)] or [{}]}
    for table in TABLES:
        path = manifests / table
        texts[path] = _appended(path, name, [{**_GIVEN.get(table, {}), **row} for row in rows.get(table, [{}])])
    _write_all(texts)
    return list(texts)


def check_name(name: str) -> None:
    """Refuse a name that cannot be a corpus's, with the reason.

    Raises
    ------
    UsageError
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,29}", name) or keyword.iskeyword(name):
        raise UsageError(
            f"{name!r} cannot be the name of a corpus; expected a Python name in lower case, at most 30 letters.",
            remedy=f"For example {_near(name)!r}.",
        )
    if name in corpora.names():
        raise UsageError(f"There is a corpus {name!r} already.", remedy=f"It is pipeline/corpora/{name}.py.")
    if name in _RESERVED:
        raise UsageError(f"{name!r} means something else in the tables.", remedy=f"For example '{name}_corpus'.")


def _near(name: str) -> str:
    word = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_0123456789")[:23]
    return f"{word or 'my'}_corpus" if keyword.iskeyword(word) or word in ("", name) else word


def _checked(stimuli: Sequence[str]) -> Sequence[str]:
    for stimulus in stimuli:
        try:
            safe_name(stimulus)
        except ValueError as error:
            raise UsageError(f"A stimulus {error}.", remedy="Its files may be called otherwise.") from error
        if list(stimuli).count(stimulus) > 1:
            raise UsageError(f"The stimulus {stimulus!r} is named twice.", remedy="Name each once.")
    return stimuli


def _filled(template: str, name: str, class_name: str) -> bytes:
    text = (files("pipeline.skeleton") / template).read_text(encoding="utf-8")
    return Template(text).substitute(name=name, class_name=class_name).encode()


def _appended(path: Path, corpus: str, rows: Sequence[Mapping[str, str]]) -> bytes:
    """The table's bytes with rows of this corpus after them, all other cells empty."""
    try:
        before = path.read_bytes()
    except OSError as error:
        message = f"{path} cannot be read ({error.strerror})."
        raise UsageError(message, remedy="Name a folder of manifests: --manifests DIR.") from error
    table = csv.DictReader(io.StringIO(before.decode("utf-8-sig"), newline=""))
    header = list(table.fieldnames or ())
    if "corpus" not in header:
        raise UsageError(f"{path} has no column 'corpus'.", remedy="Name a folder of manifests: --manifests DIR.")
    if any(row["corpus"] == corpus for row in table):
        raise UsageError(f"{path} has rows of {corpus!r} already.", remedy="Take them away, or choose another name.")
    line_end = "\r\n" if b"\r\n" in before else "\n"
    added = io.StringIO(newline="")
    writer = csv.DictWriter(added, header, lineterminator=line_end)
    writer.writerows({"corpus": corpus, **row} for row in rows)
    between = "" if before.endswith(b"\n") else line_end
    return before + (between + added.getvalue()).encode()


def _write_all(texts: Mapping[Path, bytes]) -> None:
    """Write every file, or leave all as they were."""
    before = {path: path.read_bytes() if path.exists() else None for path in texts}
    try:
        for path, text in texts.items():
            path.write_bytes(text)
    except OSError as error:
        for path, text_before in before.items():
            if text_before is None:
                path.unlink(missing_ok=True)
            elif path.read_bytes() != text_before:
                path.write_bytes(text_before)
        message = f"{error.filename}: {error.strerror}; nothing was changed."
        raise StoreError(message, remedy="Check that the folder can be written.") from error
