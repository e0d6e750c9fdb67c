"""What `disk` does, on an object store: no folders, no renames, no appending, and one request for every question.

Conventions
-----------
A put shows the whole object or the old one, never a torn one. A put can be conditional: only where there is nothing
yet (If-None-Match), or only over the object that was read (If-Match); that is what a lock needs. A time of change is
the server's, in whole seconds. What the server does not have is a FileNotFoundError; a server that cannot be reached
or refuses is a StoreError, because "no answer" must never be taken for "nothing there".
"""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.errors import StoreError

_AT_ONCE = 4  # files under way at a time, each with at most two parts in memory
_PART_BYTES = 16 << 20
_PUT_EVERY_S, _PUT_SHARE = 5.0, 20  # a growing object, and at most one part in so many of the time
_LOST_RACE = ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey")


class Appended:
    """An object that grows: written to a local file, put whole every few seconds and at the end.

    A put that fails is tried again with the next: what is logged must not stop the build.
    """

    def __init__(self, path: Path):
        self._path = path
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        self._next_put_s = 0.0

    def write(self, data: bytes, /) -> int:
        """Add to the end."""
        n_bytes = self._file.write(data)
        if time.monotonic() >= self._next_put_s:
            self._put()
        return n_bytes

    def close(self) -> None:
        """Put what is left."""
        self._put()
        self._file.close()

    def _put(self) -> None:
        began_s = time.monotonic()
        self._file.seek(0)
        with contextlib.suppress(StoreError, OSError):
            write(self._path, self._file.read())
        took_s = time.monotonic() - began_s
        self._next_put_s = began_s + took_s + max(_PUT_EVERY_S, _PUT_SHARE * took_s)


class Found(NamedTuple):
    """One file of a listing: its size in bytes, and when it was last changed in ns since the epoch."""

    size: int
    changed_ns: int


def check(place: Path) -> None:
    """Ask once whether the bucket is there, and ours to read.

    Raises
    ------
    StoreError
        Code "no-bucket", "refused" or "unreachable".
    """
    bucket = _fs(place).split_path(_key(place))[0]
    try:
        with _told(place):
            _fs(place).call_s3("head_bucket", Bucket=bucket)
    except FileNotFoundError:
        raise StoreError(
            f"{place}: there is no bucket {bucket!r}.",
            remedy="Make it with the tools of its provider, or name another with --store; AWS_ENDPOINT_URL names the "
            "server, if it is not Amazon's.",
            code="no-bucket",
        ) from None


def changed_ns(path: Path) -> int | None:
    """When an object was last put; None where there is none."""
    head = _head(path)
    return None if head is None else _ns(head["LastModified"])


def size_bytes(path: Path) -> int | None:
    """How large an object is; None where there is none."""
    head = _head(path)
    return None if head is None else int(head["ContentLength"])


def read(path: Path) -> bytes:
    """A whole object; raises FileNotFoundError."""
    with _told(path):
        return _fs(path).cat_file(_key(path), max_concurrency=1)  # with more it asks for the size first


def write(path: Path, data: bytes) -> None:
    """Put an object, over whatever was there."""
    with _told(path):
        _fs(path).pipe_file(_key(path), data)


def create(path: Path, data: bytes) -> None:
    """Put an object where there is none; raises FileExistsError.

    Raises
    ------
    StoreError
        Code "no-conditions" if the server does not know conditional puts: it would let two builds in at once.
    """
    with _told(path):
        _fs(path).pipe_file(_key(path), data, mode="create")
        try:
            _fs(path).pipe_file(_key(path), data, mode="create")
        except FileExistsError:
            return
    remove([path])
    raise StoreError(
        f"{path}: the server took a second put that was to succeed only where nothing is (If-None-Match).",
        remedy="Several builds could write at once. Keep the store on a server that knows conditional writes.",
        code="no-conditions",
    )


def exchange_json(path: Path, old: Any, new: Any) -> bool:
    """Replace a JSON object that still holds `old`; False where somebody else has changed or removed it since."""
    head = _head(path)
    try:
        if head is None or json.loads(read(path)) != old:
            return False
    except FileNotFoundError:
        return False
    return _replace(path, json.dumps(new).encode(), head["ETag"])


def touch(path: Path) -> None:
    """Put an object again as it is, which makes its time of change now; one that was replaced meanwhile stays."""
    head = _head(path)
    if head is not None:
        _replace(path, read(path), head["ETag"])


def names_in(folder: Path) -> list[str]:
    """Names of what lies directly below a prefix, sorted."""
    try:
        with _told(folder):
            found = _fs(folder).ls(_key(folder), detail=False)
    except FileNotFoundError:
        return []
    own = _key(folder).rstrip("/")
    return sorted({path.rstrip("/").rsplit("/", 1)[-1] for path in found if path.rstrip("/") != own})


def listing(folder: Path) -> dict[str, Found]:
    """Every object below a prefix by its relative path; one request a thousand."""
    head = _key(folder).rstrip("/") + "/"
    try:
        with _told(folder):
            found = _fs(folder).find(head, detail=True)
    except FileNotFoundError:
        return {}
    rows = ((path.removeprefix(head), facts) for path, facts in found.items() if path.startswith(head))
    return {name: Found(facts["size"], _ns(facts["LastModified"])) for name, facts in rows if name}


def remove(paths: Iterable[Path]) -> None:
    """Remove objects, a thousand a request; those that are gone already are no error."""
    paths = list(paths)
    if paths:
        with _told(paths[0]):
            _fs(paths[0]).rm([_key(path) for path in paths])


def upload(files: Mapping[Path, Path]) -> None:
    """Put local files, {local: object}, several at a time and large ones in parts."""
    sources, parts = [str(local) for local in files], {"chunksize": _PART_BYTES, "max_concurrency": 2}
    _many("put", sources, [_key(path) for path in files.values()], list(files.values()), **parts)


def copy(objects: Mapping[Path, Path]) -> None:
    """Copy objects of one server, {target: source}, without bringing their bytes here."""
    _many("copy", [_key(path) for path in objects.values()], [_key(path) for path in objects], list(objects))


def download(files: Mapping[Path, Path]) -> None:
    """Get objects, {local: object}, several at a time."""
    _many("get", [_key(path) for path in files.values()], [str(local) for local in files], list(files.values()))


def _many(verb: str, sources: list[str], targets: list[str], about: list[Path], **how: Any) -> None:
    if about:
        with _told(about[0]):
            getattr(_fs(about[0]), verb)(sources, targets, batch_size=_AT_ONCE, **how)


def _head(path: Path) -> dict[str, Any] | None:
    bucket, key, _ = _fs(path).split_path(_key(path))
    try:
        with _told(path):
            return _fs(path).call_s3("head_object", Bucket=bucket, Key=key)
    except FileNotFoundError:
        return None


def _replace(path: Path, data: bytes, etag: str) -> bool:
    """Put an object over the one with this ETag; False where another has taken its place."""
    with _told(path):
        try:
            _fs(path).pipe_file(_key(path), data, IfMatch=etag)
        except OSError as error:
            if isinstance(error, FileNotFoundError) or _code(error) in _LOST_RACE:
                return False
            raise
    return True


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Say in our words that a server cannot be reached, or refuses."""
    from botocore.exceptions import BotoCoreError

    try:
        yield
    except (BotoCoreError, TimeoutError) as error:
        raise StoreError(
            f"{path}: no answer to be had ({error}).",
            remedy="Check the network, AWS_ENDPOINT_URL and the key (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY or "
            "AWS_PROFILE), then run the same command again: finished items stay.",
            code="unreachable",
        ) from error
    except OSError as error:
        if not _code(error) or isinstance(error, (FileNotFoundError, FileExistsError)):
            raise  # of this machine, or one that the caller expects
        raise StoreError(
            f"{path}: the server refuses ({error}).",
            remedy="Check the key (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY or AWS_PROFILE), the region "
            "(AWS_DEFAULT_REGION), and what may be done in this bucket: list, get, put and delete.",
            code="refused",
        ) from error


def _code(error: OSError) -> str:
    """The server's own word for an error; empty for one that it has nothing to do with."""
    answer = getattr(error.__cause__, "response", None) or {}
    return str(answer.get("Error", {}).get("Code", ""))


def _fs(path: Any) -> Any:
    """The connection: s3fs keeps one a process, and makes another in one that was forked (a DataLoader's worker)."""
    from s3fs import S3FileSystem

    return S3FileSystem(**path.storage_options)


def _key(path: Any) -> str:
    return path.path


def _ns(moment: Any) -> int:
    return int(moment.timestamp() * 1_000_000_000)
