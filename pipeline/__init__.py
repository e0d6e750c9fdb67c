"""Rebuild the AVE audio-visual eye-tracking corpus from its raw releases, and learn saliency on it.

    >>> import pipeline
    >>> corpus = pipeline.Corpus("store")                    # doctest: +SKIP
    >>> corpus["diem/arctic_bears_1066x710"].fixations()     # doctest: +SKIP

Importing this package costs nothing: `Corpus` and every module below it (`pipeline.signals.audio`,
`pipeline.export.clips`, …) are imported when they are first looked up, so that `ave --help` and
`ave status` wait for neither pandas nor torch.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

__version__ = "0.1.0"


def lazy_submodules(package: str) -> Callable[[str], Any]:
    """A module-level `__getattr__` that imports `package`'s modules when they are first looked up.

    Examples
    --------
    >>> load = lazy_submodules("pipeline")
    >>> load("errors").UsageError.code
    'usage'
    """

    def load(name: str) -> Any:
        full_name = f"{package}.{name}"
        if name.startswith("_") or importlib.util.find_spec(full_name) is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return importlib.import_module(full_name)

    return load


_submodule = lazy_submodules(__name__)


def __getattr__(name: str) -> Any:
    return _submodule("corpus").Corpus if name == "Corpus" else _submodule(name)
