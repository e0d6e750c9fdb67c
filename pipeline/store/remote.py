"""What runs on a worker of a Dask cluster: one job at a time, and only where the worker is fit for it.

Conventions
-----------
A job travels as bytes that call `attempt` when they are unpickled. Scheduler and worker see `pickle.loads` and
bytes, so one that lacks this package answers with an ImportError; a function of ours it could not even read, and
would end its connection instead. What the function raises comes back as a value: a worker logs no traceback then,
and the error is the one that was raised, with message, remedy and code.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import socket
import threading
import traceback
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.store.leftovers import temporary

# Stage functions share a process's temporary names, and matplotlib: a worker of several threads takes turns.
_TURN = threading.Lock()


@dataclass(frozen=True)
class Terms:
    """What a worker must share with whoever asks: our code, byte for byte, and the store's folder; empty: nothing.

    `mark` is a file that whoever asks has put into the store, and `token` what it says.
    """

    code: str = ""
    mark: Path | None = None
    token: str = ""

    def breach(self) -> str:
        """What this process does not share, in words; empty where it is fit to work."""
        if self.code and self.code != code_digest():
            return f"runs other code of this package, from {package_folder()}"
        if not self.sees_store():
            assert self.mark is not None
            return f"does not see the store: {self.mark.parent} is not the same folder there"
        return ""

    def sees_store(self) -> bool:
        """Whether the mark is there and says what it should; True where there is none."""
        try:
            return self.mark is None or self.mark.read_text(encoding="utf-8") == self.token
        except Exception:  # an object store has errors of its own
            return False


@contextmanager
def posted(store: Path | None) -> Iterator[Terms]:
    """The terms of this process for the length of a block; leaves a store that does not exist yet alone."""
    if store is None or not store.is_dir():
        yield Terms(code_digest())
        return
    token = uuid.uuid4().hex
    mark = temporary(store.absolute() / f"mark-{token[:8]}")  # under this name a sweep removes it, should we be killed
    mark.write_text(token, encoding="utf-8")
    try:
        yield Terms(code_digest(), mark, token)
    finally:
        mark.unlink(missing_ok=True)


@dataclass(frozen=True)
class Answer:
    """What came of one job; `unfit` says why the worker did not try, `trace` where the error was raised."""

    result: Any = None
    error: Exception | None = None
    trace: str = ""
    unfit: str = ""


class WorkerTraceback(Exception):
    """Stands as the cause of an error that was raised on a worker, with the lines that led to it there."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


@dataclass(frozen=True)
class Call:
    """A call that is made where its pickle is read; see the conventions above."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.function, self.arguments


def packed(function: Callable[..., Any], *arguments: Any) -> bytes:
    """A call as bytes, for `pickle.loads` to make elsewhere."""
    return pickle.dumps(Call(function, arguments))


def attempt(function: Callable[[Any], Any], job: Any, terms: Terms) -> Answer:
    """Run `function(job)` on this worker, unless it breaks the terms."""
    if breach := terms.breach():
        return Answer(unfit=f"The worker of process {os.getpid()} on {socket.gethostname()} {breach}.")
    with _TURN:
        try:
            return Answer(function(job))
        except Exception as error:
            return Answer(error=_portable(error), trace="".join(traceback.format_exception(error)))


@cache
def code_digest() -> str:
    """Stands for every source file of this package, as this process first read them."""
    hasher = hashlib.sha256()
    for path in sorted(package_folder().rglob("*.py")):
        hasher.update(path.relative_to(package_folder()).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return hasher.hexdigest()[:16]


def package_folder() -> Path:
    """Where this process has the package from."""
    return Path(__file__).resolve().parent.parent


def _portable(error: Exception) -> Exception:
    """The error itself if it survives pickling, else its words."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
