"""The raw releases: one module each, all the same shape (`pipeline/corpora/base.py`).

A module of this package that defines `RELEASE` is a corpus; its name is the module's name. Nothing
else has to be registered.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from functools import lru_cache

from pipeline.corpora.base import RawGaze, Recording, Release
from pipeline.errors import UsageError, did_you_mean

__all__ = ["RawGaze", "Recording", "Release", "get", "names"]


def names() -> tuple[str, ...]:
    """Names of all corpora, sorted: the modules of this package that define `RELEASE`."""
    return tuple(sorted(_releases()))


def get(name: str) -> Release:
    """The release called `name`.

    Raises
    ------
    UsageError
        If there is none; the message names the nearest known one.
    """
    releases = _releases()
    if name not in releases:
        raise UsageError(
            f"Unknown corpus {name!r}. {did_you_mean(name, sorted(releases))}",
            remedy="A corpus is a module pipeline/corpora/<name>.py that defines RELEASE; `ave new-corpus` begins one.",
        )
    return releases[name]


@lru_cache(maxsize=1)  # a build asks once a stimulus
def _releases() -> dict[str, Release]:
    return {name: release for found in pkgutil.iter_modules(__path__) for name, release in _release_of(found.name)}


def _release_of(module: str) -> Iterator[tuple[str, Release]]:
    """The release that a module of this package defines, by name; helpers of the others define none."""
    path = f"pipeline/corpora/{module}.py"
    try:
        release = getattr(importlib.import_module(f"{__name__}.{module}"), "RELEASE", None)
    except Exception as error:  # whoever writes a corpus must hear of a slip in it, not of a bug in this program
        raise UsageError(
            f"{path} cannot be imported: {type(error).__name__}: {error}.",
            remedy=f"Mend it; `python -m pipeline.corpora.{module}` shows the line.",
        ) from error
    if release is None:
        return
    if release.name != module:
        message = f"{path}: its RELEASE is called {release.name!r}, expected {module!r}."
        raise UsageError(message, remedy="A corpus is called as its module.")
    yield module, release
