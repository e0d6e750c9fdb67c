"""Is this the file the manifest names? Digests of files, read once and in pieces.

Conventions
-----------
A checksum is written `sha256:<64 hex digits>`, `md5:<32 hex digits>` or `unknown`. Sizes are bytes.
A file that is not what the manifest says is renamed to `<name>.bad`, so nobody uses it by accident
and somebody can look at it; its sha256 is always computed, because that is what our records keep.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import FetchError

PIECE_BYTES = 1 << 20  # larger pieces are no faster and cost memory in every worker
DIGITS = {"sha256": 64, "md5": 32}
SOURCE_CHANGED = 'The source may have changed; see manifests/README.md, "when a source changes".'


@dataclass(frozen=True)
class Digests:
    """What one reading of a file says: its size and its digests by algorithm (sha256 is always there)."""

    size_bytes: int
    hexes: Mapping[str, str]

    @property
    def sha256(self) -> str:
        """The digest that item records keep, 64 hex digits."""
        return self.hexes["sha256"]


def digest_file(path: Path, *extra: str) -> Digests:
    """Read a file once and digest it.

    Parameters
    ----------
    path : Path
    *extra : str
        Algorithms beside sha256, e.g. "md5".

    Returns
    -------
    Digests

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    # md5 only recognises a file here; saying so lets it run on machines that forbid it for security.
    hashers = {name: hashlib.new(name, usedforsecurity=False) for name in ("sha256", *extra)}
    size_bytes = 0
    piece = memoryview(bytearray(PIECE_BYTES))
    with open(path, "rb", buffering=0) as stream:
        while read := stream.readinto(piece):
            size_bytes += read
            for hasher in hashers.values():
                hasher.update(piece[:read])
    return Digests(size_bytes, {name: hasher.hexdigest() for name, hasher in hashers.items()})


def parse_checksum(checksum: str) -> tuple[str, str] | None:
    """Split a manifest's checksum into algorithm and lower-case hex digits; None where it is unknown.

    Raises
    ------
    FetchError
        If it is neither "unknown" nor a sha256 or md5 of the right length (code "manifest").

    Examples
    --------
    >>> parse_checksum("md5:E32E408D4970E74607234DF4133A4AE2")
    ('md5', 'e32e408d4970e74607234df4133a4ae2')
    >>> parse_checksum("unknown") is None
    True
    """
    if checksum in ("", "unknown"):
        return None
    algorithm, _, digits = checksum.lower().partition(":")
    if len(digits) != DIGITS.get(algorithm) or set(digits) - set("0123456789abcdef"):
        raise FetchError(
            f"Checksum {checksum!r} cannot be read. Expected sha256:<64 hex digits>, md5:<32 hex digits> or unknown.",
            remedy="Correct it in manifests/sources.csv.",
            code="manifest",
        )
    return algorithm, digits


def digests_for(path: Path, checksum: str) -> Digests:
    """Digest a file with sha256 and whatever algorithm the manifest's checksum needs."""
    expected = parse_checksum(checksum)
    return digest_file(path, *({expected[0]} - {"sha256"} if expected else ()))


def disagreement(found: Digests, size_bytes: int | None, checksum: str) -> str:
    """Say how a file differs from the manifest; "" where it agrees or the manifest knows nothing.

    Examples
    --------
    >>> disagreement(Digests(3, {"sha256": "ab"}), 4, "unknown")
    '3 bytes (sha256 ab) do not match the manifest (4 bytes)'
    """
    expected = parse_checksum(checksum)
    algorithm, digits = expected or ("sha256", "")
    wrong_digest = bool(expected) and found.hexes[algorithm] != digits
    if size_bytes is not None and found.size_bytes != size_bytes:
        known = f"{size_bytes} bytes, {algorithm} {digits}" if expected else f"{size_bytes} bytes"
        return f"{found.size_bytes} bytes ({algorithm} {found.hexes[algorithm]}) do not match the manifest ({known})"
    return f"{algorithm} {found.hexes[algorithm]} does not match the manifest ({digits})" if wrong_digest else ""


def set_aside(path: Path, keep_as: Path) -> str:
    """Rename a file that must not be used and say where it is kept now."""
    try:
        path.replace(keep_as)
    except OSError as error:  # a RAW that is mounted read-only: the file stays, and stays unused
        return f"It is not used; it could not be renamed to {keep_as.name} ({error.strerror}) and is still {path}."
    return f"The file is kept as {keep_as} and is not used."


def verify(path: Path, size_bytes: int | None, checksum: str) -> Digests:
    """Check a file that is already in its place like a download.

    Parameters
    ----------
    path : Path
    size_bytes : int or None
        What the manifest says, None where it does not know.
    checksum : str
        See *Conventions*.

    Returns
    -------
    Digests

    Raises
    ------
    FetchError
        If the file is empty (code "empty") or is not the manifest's (code "checksum"); it is then `<name>.bad`.
    """
    found = digests_for(path, checksum)
    bad = path.with_name(path.name + ".bad")
    if found.size_bytes == 0:
        raise FetchError(
            f"{path.name}: the file is empty (0 bytes). {set_aside(path, bad)}", remedy="Fetch it again.", code="empty"
        )
    if problem := disagreement(found, size_bytes, checksum):
        short = size_bytes is not None and found.size_bytes < size_bytes
        remedy = f"The copy may be incomplete: fetch it again. {SOURCE_CHANGED}" if short else SOURCE_CHANGED
        raise FetchError(f"{path.name}: {problem}. {set_aside(path, bad)}", remedy=remedy, code="checksum")
    return found
