"""Which versions made a thing: recorded beside it, never part of its fingerprint."""

from __future__ import annotations

import platform
from functools import cache
from importlib import metadata

_WATCHED = ("numpy", "scipy", "soxr", "simplejpeg", "pyarrow", "py7zr", "torch")


@cache
def library_versions() -> dict[str, str]:
    """Versions of Python and of the libraries whose bytes end up in the store."""
    versions = {"python": platform.python_version()}
    for name in _WATCHED:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
