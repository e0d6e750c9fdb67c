"""Bring one file here whole, or say what every mirror answered.

Conventions
-----------
Bytes arrive in `<target>.part`; beside it `<target>.part.json` remembers from which address and which
version of the file they came. Only a file whose size and checksum agree is renamed to `target`; one that
does not agree is renamed to `<target>.bad`. Times are seconds, sizes bytes. Addresses are http(s) or file.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import IO, Any

from pipeline.errors import FetchError
from pipeline.ingest import disk
from pipeline.ingest.digests import SOURCE_CHANGED, Digests, digests_for, disagreement, parse_checksum, set_aside

PIECE_BYTES = 1 << 18
LONGEST_WAIT_S = 60.0
WORTH_RETRYING = frozenset({408, 416, 425, 429, 500, 502, 503, 504})  # 416 means our .part, not the file, is wrong
RESERVED_IN_URLS = ":/?#[]@!$&'()*+,;=%~"  # what quoting must leave alone in an address that may be quoted already

Progress = Callable[[int, "int | None"], None]


class MirrorError(Exception):
    """What one mirror answered instead of the file; `transient` says whether asking again makes sense."""

    def __init__(self, answer: str, *, transient: bool = False, code: str = "download"):
        super().__init__(answer)
        self.transient = transient
        self.code = code


@dataclass(frozen=True)
class Wanted:
    """What is to be brought here, and how patiently."""

    target: Path
    size_bytes: int | None
    checksum: str
    timeout_s: float
    progress: Progress | None

    @property
    def part(self) -> Path:
        """The half-written file."""
        return self.target.with_name(self.target.name + ".part")

    @property
    def origin(self) -> Path:
        """What is known about the half-written file."""
        return self.target.with_name(self.target.name + ".part.json")

    def have_bytes(self) -> int:
        """Bytes that are here already."""
        return self.part.stat().st_size if self.part.exists() else 0

    def discard(self) -> None:
        """Forget what has arrived so far."""
        self.part.unlink(missing_ok=True)
        self.origin.unlink(missing_ok=True)


def download(
    urls: Sequence[str],
    target: Path,
    *,
    size_bytes: int | None = None,
    checksum: str = "unknown",
    timeout_s: float = 60.0,
    retries: int = 4,
    progress: Progress | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Digests:
    """Download one file from the first of its mirrors that gives it whole.

    Parameters
    ----------
    urls : sequence of str
        Mirrors in order; http, https or file.
    target : Path
        Where the file shall lie; its folder is made if need be.
    size_bytes : int or None
        The size the manifest knows.
    checksum : str
        The manifest's checksum, see `digests`.
    timeout_s : float
        Longest silence of a server, both before it answers and between two pieces.
    retries : int
        How often one mirror is asked again without a new byte having arrived in between.
    progress : callable, optional
        Called with (bytes here, bytes in all or None) after each piece.
    sleep : callable
        How to wait; tests pass their own.

    Returns
    -------
    Digests
        Of the file now at `target`.

    Raises
    ------
    FetchError
        Code "checksum" if all that could be had was another file than the manifest's, "disk-full",
        "unwritable", or "download"; the message lists what each mirror said.
    """
    wanted = Wanted(target, size_bytes, checksum, timeout_s, progress)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(target, target.parent, error) from error
    if size_bytes is not None:
        disk.require_room(FetchError, target.name, target.parent, size_bytes - wanted.have_bytes())
    answers: list[str] = []
    codes: set[str] = set()
    for url in urls:
        try:
            return _from_mirror(url, wanted, retries, sleep)
        except MirrorError as error:
            answers.append(f"{url}: {error}")
            codes.add(error.code)
    raise _no_mirror(wanted, answers, codes)


def _cannot_write(target: Path, at_fault: Path, error: Any) -> FetchError:
    return FetchError(
        f"{target.name}: {at_fault} cannot be written ({error.strerror}).",
        remedy=f"Choose a folder you may write to with --raw, or put the file at {target} by hand.",
        code="unwritable",
    )


def _no_mirror(wanted: Wanted, answers: Sequence[str], codes: set[str]) -> FetchError:
    by_hand = f"Try again later, or fetch {wanted.target.name} by hand and put it at {wanted.target}."
    kept = wanted.have_bytes()
    arrived = f" {kept} bytes have arrived and will be resumed." if kept else ""
    tried = f"none of {len(answers)} addresses gave it" if len(answers) > 1 else "could not be downloaded"
    message = f"{wanted.target.name}: {tried}.{arrived} {' | '.join(answers).rstrip('.')}."
    changed = "checksum" in codes
    return FetchError(
        message, remedy=SOURCE_CHANGED if changed else by_hand, code="checksum" if changed else "download"
    )


def _from_mirror(url: str, wanted: Wanted, retries: int, sleep: Callable[[float], None]) -> Digests:
    """Ask one mirror until it has given the file or `retries` attempts in a row brought nothing new."""
    attempt = 0
    most_bytes = wanted.have_bytes()
    while True:
        try:
            resumed = _transfer(url, wanted)
            return _admit(wanted, resumed)
        except MirrorError as error:
            if wanted.have_bytes() > most_bytes:
                most_bytes, attempt = wanted.have_bytes(), 0
            attempt += 1
            if not error.transient:
                raise
            if attempt > retries:
                raise MirrorError(f"{error} (asked {attempt} times)", code=error.code) from error
            sleep(min(LONGEST_WAIT_S, 2.0 ** (attempt - 1)) * random.uniform(0.5, 1.5))


def _transfer(url: str, wanted: Wanted) -> bool:
    """Bring what is missing into the `.part`; returns whether it began with bytes of an earlier attempt."""
    have = wanted.have_bytes()
    if have and have == wanted.size_bytes:
        return True  # killed between the last byte and the check
    scheme = urllib.parse.urlsplit(url).scheme.lower()
    try:
        if scheme == "file":
            return _copy_local(url, wanted)
        if scheme in ("http", "https"):
            return _transfer_http(url, wanted, have)
    except urllib.error.HTTPError as error:
        with error:
            return _answered_with_error(error, wanted, have)
    except (http.client.HTTPException, OSError, ValueError) as error:
        raise _as_mirror_error(error, wanted) from error
    raise MirrorError(f"addresses of kind {scheme!r} are not fetched; expected http, https or file")


def _answered_with_error(error: urllib.error.HTTPError, wanted: Wanted, have: int) -> bool:
    if error.code == 416:  # nothing lies beyond what we have: we have all of it, or more than the file holds
        if have and _total_of(error.headers) == have:
            return True
        wanted.discard()
    transient = error.code in WORTH_RETRYING
    raise MirrorError(f"HTTP {error.code} {error.reason}", transient=transient) from error


def _as_mirror_error(error: Exception, wanted: Wanted) -> Exception:
    """Say in words what urllib, the socket or the disk complained about."""
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, OSError) and disk.is_full(cause):
        missing = None if wanted.size_bytes is None else wanted.size_bytes - wanted.have_bytes()
        return disk.disk_full(FetchError, wanted.target.name, wanted.target.parent, missing)
    if isinstance(cause, TimeoutError):
        return MirrorError(f"no byte within {wanted.timeout_s:g} s", transient=True)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return MirrorError(f"its certificate is not valid ({cause.verify_message})")
    if isinstance(cause, http.client.IncompleteRead):
        return MirrorError(f"the connection closed after {wanted.have_bytes()} bytes", transient=True)
    at_fault = getattr(cause, "filename", None)
    if at_fault and Path(at_fault).parent == wanted.target.parent:
        return _cannot_write(wanted.target, Path(at_fault), cause)
    if at_fault or isinstance(cause, (str, http.client.InvalidURL, ValueError)):
        return MirrorError(str(cause))  # asking again will not mend it
    words = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause) or type(cause).__name__
    return MirrorError(words, transient=True)


def _transfer_http(url: str, wanted: Wanted, have: int) -> bool:
    address = urllib.parse.quote(url, safe=RESERVED_IN_URLS)
    request = urllib.request.Request(address, headers={"User-Agent": "ave-corpus-builder"})
    request.add_header("Accept-Encoding", "identity")
    origin = _read_origin(wanted) if have else {}
    same_file = origin.get("version") if origin.get("url") == url else None
    if have and (same_file or parse_checksum(wanted.checksum)):
        request.add_header("Range", f"bytes={have}-")
        if same_file:
            request.add_header("If-Range", same_file)
    opener = urllib.request.build_opener(OnlyHttpRedirects)
    with opener.open(request, timeout=wanted.timeout_s) as response:
        headers = response.headers
        resume = response.status == 206
        if resume and (_first_byte(headers) != have or (same_file and _version(headers) not in (None, same_file))):
            wanted.discard()
            raise MirrorError("the file changed while it was being fetched", transient=True)
        _refuse_other_files(headers, wanted)
        total = _total_of(headers) if resume else _length_of(headers)
        if total is not None:
            disk.require_room(FetchError, wanted.target.name, wanted.target.parent, total - have)
        if not resume:
            wanted.origin.write_text(json.dumps({"url": url, "version": _version(headers)}), encoding="utf-8")
        _pour(response, wanted, have if resume else 0, total)
    return resume


class OnlyHttpRedirects(urllib.request.HTTPRedirectHandler):
    """Follow a redirect to http(s) only: a server must not make us read a local file or speak FTP."""

    def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        """Look at the address before it is opened."""
        newurl = urllib.parse.urljoin(req.full_url, headers.get("location") or headers.get("uri") or "")
        if urllib.parse.urlsplit(newurl).scheme.lower() not in ("http", "https"):
            raise MirrorError(f"it redirects to {newurl}, which is not http(s)")
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _refuse_other_files(headers: Message, wanted: Wanted) -> None:
    """A log-in page or a text squeezed on the way is not the file, though the server says 200."""
    encoding = (headers.get("Content-Encoding") or "identity").lower()
    packed_anyway = encoding in ("gzip", "x-gzip") and wanted.target.suffix in (".gz", ".tgz")
    if encoding != "identity" and not packed_anyway:
        raise MirrorError(f"answered with Content-Encoding {encoding}, expected the bytes of the file as they are")
    kind = (headers.get("Content-Type") or "").partition(";")[0].strip().lower()
    if kind == "text/html" and wanted.target.suffix not in (".html", ".htm"):
        raise MirrorError("answered with a web page (text/html), expected the file")


def _read_origin(wanted: Wanted) -> Mapping[str, str]:
    try:
        origin = json.loads(wanted.origin.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return origin if isinstance(origin, dict) else {}


def _version(headers: Message) -> str | None:
    """What tells two versions of a file apart: a strong ETag, else the time of its last change."""
    tag = headers.get("ETag")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified")


def _length_of(headers: Message) -> int | None:
    length = headers.get("Content-Length") or ""
    return int(length) if length.isdigit() else None


def _total_of(headers: Message) -> int | None:
    """The N of `Content-Range: bytes a-b/N` or `bytes */N`."""
    total = (headers.get("Content-Range") or "").rpartition("/")[2]
    return int(total) if total.isdigit() else None


def _first_byte(headers: Message) -> int | None:
    first = (headers.get("Content-Range") or "").removeprefix("bytes").strip().partition("-")[0]
    return int(first) if first.isdigit() else None


def _copy_local(url: str, wanted: Wanted) -> bool:
    parts = urllib.parse.urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise MirrorError(f"the file address names the host {parts.netloc!r}; expected file:///path")
    path = Path(urllib.request.url2pathname(parts.path))
    if not path.is_file():
        raise MirrorError("no such file")
    total = path.stat().st_size
    disk.require_room(FetchError, wanted.target.name, wanted.target.parent, total - wanted.have_bytes())
    with open(path, "rb") as stream:
        _pour(stream, wanted, 0, total)
    return False


def _pour(stream: IO[bytes] | http.client.HTTPResponse, wanted: Wanted, have: int, total: int | None) -> None:
    """Write a stream behind the first `have` bytes of the `.part`, and notice where it ends too early or too late."""
    expected = wanted.size_bytes if total is None else total
    with open(wanted.part, "r+b" if have else "wb") as part:
        part.seek(have)
        while piece := stream.read1(PIECE_BYTES):  # type: ignore[union-attr]  # one recv: a slow server is noticed
            part.write(piece)
            have += len(piece)
            if wanted.progress:
                wanted.progress(have, expected)
            if expected is not None and have > expected:
                break
        part.flush()
        os.fsync(part.fileno())
    if expected is not None and have > expected:
        wanted.discard()
        raise MirrorError(f"sends more than the {expected} bytes expected", code="checksum")
    if expected is not None and have < expected:
        raise MirrorError(f"the connection closed after {have} of {expected} bytes", transient=True)


def _admit(wanted: Wanted, resumed: bool) -> Digests:
    """Check what arrived and rename it to its target, or set it aside."""
    found = digests_for(wanted.part, wanted.checksum)
    problem = disagreement(found, wanted.size_bytes, wanted.checksum)
    if not problem and found.size_bytes == 0:
        problem = "0 bytes, expected a file"
    if problem and resumed:
        wanted.discard()  # two halves of different files: begin again before blaming the mirror
        raise MirrorError(f"{problem} after resuming", transient=True, code="checksum")
    if problem:
        bad = wanted.target.with_name(wanted.target.name + ".bad")
        kept = set_aside(wanted.part, bad)
        wanted.discard()
        raise MirrorError(f"{problem}. {kept}", code="checksum")
    os.replace(wanted.part, wanted.target)
    wanted.origin.unlink(missing_ok=True)
    return found
