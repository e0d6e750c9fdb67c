"""The raw releases: one module each, all the same shape (`pipeline/corpora/base.py`).

A module of this package that defines `RELEASE` is a corpus; its name is the module's name. Nothing
else has to be registered.
"""

from __future__ import annotations

import importlib
import pkgutil

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
            remedy="A corpus is a module pipeline/corpora/<name>.py that defines RELEASE.",
        )
    return releases[name]


def _releases() -> dict[str, Release]:
    modules = (importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
    return {module.RELEASE.name: module.RELEASE for module in modules if hasattr(module, "RELEASE")}
