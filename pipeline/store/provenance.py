"""Which versions made a thing: recorded in its record, never part of its fingerprint.

Conventions
-----------
Versions are one line of words, "ffmpeg n8.1.2, numpy 2.4.6": thousands of records share a few such lines. Each
item's line is written by the process that made the item, which knows best what it runs on.
"""

from __future__ import annotations

import importlib
import platform
from collections.abc import Iterable
from functools import cache
from importlib import metadata

# Programs, and the function that says their version. By name: the store imports nothing that lies above it.
_PROGRAMS = {"ffmpeg": "pipeline.signals.tools:ffmpeg_version"}


def made_with(names: Iterable[str]) -> str:
    """Python's version and those of some libraries and programs, in one line; what is not installed is left out.

    Where no library has a say in the bytes (an archive is unpacked), the line is empty.

    Examples
    --------
    >>> made_with(["numpy", "no-such-library"])  # doctest: +ELLIPSIS
    'numpy ..., python 3...'
    """
    names = sorted(names)
    found = ((name, version_of(name)) for name in ([*names, "python"] if names else []))
    return ", ".join(f"{name} {version}" for name, version in found if version)


def versions(line: str) -> dict[str, str]:
    """A line that `made_with` wrote, taken apart.

    Examples
    --------
    >>> versions("ffmpeg n8.1.2, numpy 2.4.6")
    {'ffmpeg': 'n8.1.2', 'numpy': '2.4.6'}
    """
    pairs = (word.rpartition(" ") for word in line.split(", ") if word)
    return {name: version for name, _, version in pairs}


def version_of(name: str) -> str:
    """The version of a library, of a program or of Python that is installed here; empty where it is not."""
    if name not in _PROGRAMS:
        return _library_version(name)
    module, _, function = _PROGRAMS[name].partition(":")
    return str(getattr(importlib.import_module(module), function)())


@cache
def _library_version(name: str) -> str:
    if name == "python":
        return ".".join(platform.python_version_tuple()[:2])  # a patch release mends Python and moves no byte of ours
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
