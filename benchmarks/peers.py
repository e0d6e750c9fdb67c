"""Checkouts of public code to measure beside: which project a folder is, and a module out of it.

Nothing of a peer is copied into this project. A checkout is given with `--peer DIR`, once for each, and is known by the
files that it holds.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from unittest import mock

# Files that only this project's checkout has, relative to its root.
MARKS = {
    "DAVE": ("predict.py", "utils/mel_features.py", "utils/resnet3D.py"),
    "ViNet": ("loss.py", "model.py", "model_utils.py", "code_for_Metrics/AUC_Judd.m"),
}


def recognise(folders: Iterable[Path]) -> dict[str, Path]:
    """Which project each folder is a checkout of.

    Raises
    ------
    SystemExit
        If a folder is none that we know.
    """
    found = {}
    for folder in folders:
        names = [name for name, marks in MARKS.items() if all((folder / mark).is_file() for mark in marks)]
        if not names:
            known = "; ".join(f"{name} ({', '.join(marks)})" for name, marks in MARKS.items())
            raise SystemExit(f"{folder}: a checkout of no project that is known here. Known by their files: {known}.")
        found[names[0]] = folder
    return found


def load(
    path: Path, *, stand_ins: Sequence[str] = (), beside: Mapping[str, Path | ModuleType] | None = None
) -> ModuleType:
    """A peer's file as a module.

    Parameters
    ----------
    path : Path
    stand_ins : sequence of str
        Modules that the file imports and the measured part does not use.
    beside : dict of str to Path or module, optional
        Its own modules that it imports by these names; "utils.words" gives it a package `utils`, too.
    """
    spec = importlib.util.spec_from_file_location(f"peer_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    given = beside or {}
    packages = {name.rpartition(".")[0]: types.ModuleType(name.rpartition(".")[0]) for name in given if "." in name}
    companions = {
        name: load(each, stand_ins=stand_ins) if isinstance(each, Path) else each for name, each in given.items()
    }
    absent = {name: mock.MagicMock() for name in stand_ins}
    with mock.patch.dict(sys.modules, {**absent, **packages, **companions}):
        spec.loader.exec_module(module)
    return module
