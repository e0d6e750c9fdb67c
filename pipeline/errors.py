"""Every error of this project, each with a message a person can act on.

Conventions
-----------
A message says what, where and what was expected; `remedy` says what to do next.
`code` is the short word that stands in `rejected.parquet` and in the failure table.
Only these errors count as *bad input*; anything else that escapes is a bug and
keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AveError(Exception):
    """Bad input or an impossible request, explained in one line.

    Parameters
    ----------
    message : str
        What is wrong, where, and what was expected.
    remedy : str
        What the reader should do next.
    code : str, optional
        Short reason in kebab-case; the class's own `code` where absent.
    """

    code = "error"

    def __init__(self, message: str, *, remedy: str = "", code: str = ""):
        super().__init__(message)
        self.remedy = remedy
        if code:
            self.code = code

    @property
    def message(self) -> str:
        """The first half: what is wrong, without the remedy."""
        return str(self.args[0])

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class UsageError(AveError):
    """The command or the settings ask for something that does not exist (exit status 2)."""

    code = "usage"


class ManifestError(AveError):
    """A reviewed table is not what it should be; `problems` holds all of them."""

    code = "manifest"

    def __init__(self, table: str, problems: Iterable[str], *, remedy: str = ""):
        self.problems = list(problems)
        lines = "\n".join(f"  - {problem}" for problem in self.problems)
        count = len(self.problems)
        super().__init__(f"{table}: {count} problem{'s' if count != 1 else ''}\n{lines}\n", remedy=remedy)
        self.table = table

    def __reduce__(self):
        return (type(self), (self.table, self.problems), {"remedy": self.remedy})


class FetchError(AveError):
    """A source could not be had, or is not the file the manifest names."""

    code = "fetch"


class UnpackError(AveError):
    """An archive is broken, or holds something that must not be unpacked."""

    code = "unpack"


class GazeError(AveError):
    """A raw gaze file breaks its format, or the gaze cannot belong to this picture."""

    code = "gaze"


class MediaError(AveError):
    """A video or soundtrack that ffmpeg cannot give us whole."""

    code = "media"


class ToolError(AveError):
    """A program or an optional package that is not installed."""

    code = "tool"


class StoreError(AveError):
    """The store cannot be read or written, or somebody else is building it."""

    code = "store"


class ExportError(AveError):
    """Shards that cannot be written, or cannot be read back."""

    code = "export"


class ModelError(AveError):
    """A model, checkpoint or training setting that does not fit."""

    code = "model"


class ModelUsageError(ModelError, UsageError):
    """A model, option or training setting is asked for that does not exist (exit status 2)."""

    code = "model"


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Name the nearest known word, or list them all when none is near.

    Examples
    --------
    >>> did_you_mean("densty", ["density", "frames"])
    "Did you mean 'density'?"
    >>> did_you_mean("zzz", ["density", "frames"])
    'Choose one of: density, frames.'
    """
    choices = list(choices)
    near = difflib.get_close_matches(word, choices, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"Choose one of: {', '.join(choices)}."
