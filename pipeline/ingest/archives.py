"""Three kinds of archive behind one small face: what is inside, and its bytes.

Conventions
-----------
An entry's name is as the archive stores it, so nobody may use it as a path: `unpack` decides what may be
written where. Files are written as new files with today's time and the user's own permissions; nothing an
archive says about times, owners or permissions is obeyed. No file grows beyond the size its entry declares.
The kind of an archive is told by its first bytes, not by its name: what a browser saved under the name of
an archive is often a web page.
"""

from __future__ import annotations

import errno
import gzip
import os
import stat
import tarfile
import tempfile
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from pipeline.errors import AveError, UnpackError
from pipeline.ingest import disk

PIECE_BYTES = 1 << 20
LONGEST_HEADER_BYTES = 1 << 24  # a tar header may ask for gigabytes of "file name"; real ones need kilobytes
FETCH_AGAIN = "The file may be incomplete: delete it, fetch it again, and run the build again."
BY_HAND = "Unpack it by hand into a folder of the same name beside it; the folder is used when the archive is gone."
KINDS = {stat.S_IFLNK: "a symbolic link", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device", stat.S_IFIFO: "a fifo",
         stat.S_IFSOCK: "a socket", stat.S_IFREG: "file", stat.S_IFDIR: "folder", 0: "file"}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One entry of an archive. `kind` is "file", "folder", or in words what else it is ("a symbolic link")."""

    name: str
    size_bytes: int
    kind: str


class Archive(ABC):
    """An open archive; entries are counted in the order in which `entries` gives them."""

    def __init__(self, path: Path):
        self.path = path

    @abstractmethod
    def entries(self) -> Iterator[Entry]:
        """What is inside, without unpacking it."""

    @abstractmethod
    def write(self, targets: Mapping[int, Path]) -> None:
        """Write the files with these numbers to these paths, whose folders exist and which do not."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the file."""


def _copy(stream: IO[bytes], target: Path, size_bytes: int) -> None:
    """Write a stream of a declared size into a new file; a longer or shorter stream is damage."""
    written = 0
    with open(target, "xb") as sink:
        while piece := stream.read(PIECE_BYTES):
            written += len(piece)
            if written > size_bytes:
                raise EOFError(f"{target.name} holds more than the {size_bytes} bytes it declares")
            sink.write(piece)
    if written < size_bytes:
        raise EOFError(f"{target.name} ends after {written} of {size_bytes} bytes")


class Zip(Archive):
    """A .zip. Its directory stands at the end, so one that was cut short cannot even be opened."""

    def __init__(self, path: Path):
        super().__init__(path)
        self.zip = zipfile.ZipFile(path)

    def entries(self) -> Iterator[Entry]:
        """See `Archive`; the name is the one stored, which zipfile cuts at a NUL."""
        for info in self.zip.infolist():
            if info.flag_bits & 1:
                raise _encrypted(self.path)
            # Old Windows tools end a folder's name with a backslash, and zipfile then takes it for a file.
            folder = info.filename.endswith(("/", "\\")) and info.file_size == 0
            yield Entry(info.orig_filename, info.file_size, "folder" if folder else _kind(info.external_attr >> 16))

    def write(self, targets: Mapping[int, Path]) -> None:
        """See `Archive`; zipfile checks each file's CRC when its last byte is read."""
        for number, info in enumerate(self.zip.infolist()):
            if number in targets:
                with self.zip.open(info) as stream:
                    _copy(stream, targets[number], info.file_size)

    def close(self) -> None:
        """See `Archive`."""
        self.zip.close()


class Tar(Archive):
    """A .tar, plain or squeezed by gzip. It has no directory: listing it reads it from start to end."""

    def __init__(self, path: Path, opener: Callable[[Path], IO[bytes]]):
        super().__init__(path)
        self.opener = opener

    def _members(self) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
        with self.opener(self.path) as raw:
            stream = _ShortReads(raw)
            with tarfile.open(fileobj=stream, mode="r:") as tar:  # type: ignore[call-overload]
                while (member := tar.next()) is not None:
                    yield tar, member
                    tar.members.clear()  # tarfile remembers every member it has passed; a listing needs none
                _refuse_early_end(stream, tar.offset)

    def entries(self) -> Iterator[Entry]:
        """See `Archive`."""
        for _, member in self._members():
            yield Entry(member.name, member.size if member.isreg() else 0, _tar_kind(member))

    def write(self, targets: Mapping[int, Path]) -> None:
        """See `Archive`."""
        for number, (tar, member) in enumerate(self._members()):
            if number in targets:
                _write_member(tar, member, targets[number])

    def take(self, name: str, target: Path) -> bool:
        """Write the first file of this name, in whatever folder it is, to `target`, reading no further than it.

        Returns
        -------
        found : bool
        """
        for tar, member in self._members():
            if member.isreg() and PurePosixPath(member.name).name == name:
                disk.require_room(UnpackError, f"{name} out of {self.path.name}", target.parent, member.size)
                _write_member(tar, member, target)
                return True
        return False

    def close(self) -> None:
        """See `Archive`; each reading opens and closes the file itself."""


class SevenZip(Archive):
    """A .7z, read by py7zr, which writes at most the declared bytes of a file and checks its CRC."""

    def __init__(self, path: Path):
        import py7zr  # brings a dozen compressors along; plan and status need none of them

        super().__init__(path)
        self.stream = open(path, "rb")  # noqa: SIM115  # closed by `close`
        try:
            # Given an open file, py7zr unpacks in this thread; given a path, in as many as there are cores.
            self.archive = py7zr.SevenZipFile(self.stream)
        except BaseException:
            self.stream.close()
            raise

    def entries(self) -> Iterator[Entry]:
        """See `Archive`."""
        if self.archive.needs_password():
            raise _encrypted(self.path)
        for member in self.archive.files:
            kind = "folder" if member.is_directory else _kind(member.st_fmt or 0)
            linked = member.is_symlink or member.is_junction
            yield Entry(member.filename, member.uncompressed, "a symbolic link" if linked else kind)

    def write(self, targets: Mapping[int, Path]) -> None:
        """See `Archive`; py7zr writes below a folder of its own names, from where each file gets ours."""
        if not targets:
            return
        members = list(self.archive.files)
        with tempfile.TemporaryDirectory(prefix=".7z-", dir=_common_parent(targets)) as scratch:
            staged = Path(scratch, "files")
            staged.mkdir()
            permissions = staged.stat().st_mode & 0o666  # what the user's umask gives every other new file
            self.archive.extract(path=staged, targets=[members[number].filename for number in targets])
            for number, target in targets.items():
                unpacked = staged / members[number].filename
                if unpacked.stat().st_size != members[number].uncompressed:
                    raise EOFError(f"{target.name} ends after {unpacked.stat().st_size} bytes")
                os.chmod(unpacked, permissions)
                os.utime(unpacked)
                unpacked.rename(target)

    def close(self) -> None:
        """See `Archive`."""
        self.archive.close()
        self.stream.close()


class _ShortReads:
    """A stream that refuses to be read in pieces larger than any sound tar header."""

    def __init__(self, stream: IO[bytes]):
        self.stream = stream
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int = -1) -> bytes:
        """Read `size` bytes, at most `LONGEST_HEADER_BYTES`."""
        if not 0 <= size <= LONGEST_HEADER_BYTES:
            raise tarfile.ReadError(f"a header asks for {size} bytes")
        return self.stream.read(size)


def _refuse_early_end(stream: _ShortReads, end: int) -> None:
    """After the last member a whole tar holds zeros only; tarfile takes anything it cannot read for the end."""
    stream.seek(end)
    padding = 0
    while piece := stream.read(PIECE_BYTES):
        padding += len(piece)
        if piece.strip(b"\0"):
            raise tarfile.ReadError(f"unreadable header at byte {end}")
    if padding < tarfile.BLOCKSIZE:
        raise tarfile.ReadError(f"no end mark at byte {end}")


def _write_member(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    stream = tar.extractfile(member)
    if stream is None:
        raise tarfile.ReadError(f"{member.name} is not a file")
    with stream:
        _copy(stream, target, member.size)


def _kind(mode: int) -> str:
    return KINDS.get(stat.S_IFMT(mode), "neither a file nor a folder")


def _tar_kind(member: tarfile.TarInfo) -> str:
    if member.isreg():
        return "file"
    kinds = {tarfile.DIRTYPE: "folder", tarfile.SYMTYPE: "a symbolic link", tarfile.LNKTYPE: "a hard link",
             tarfile.CHRTYPE: "a device", tarfile.BLKTYPE: "a device", tarfile.FIFOTYPE: "a fifo"}  # fmt: skip
    return kinds.get(member.type, "neither a file nor a folder")


def _common_parent(targets: Mapping[int, Path]) -> Path:
    return Path(os.path.commonpath([target.parent for target in targets.values()]))


def _encrypted(path: Path) -> UnpackError:
    return UnpackError(
        f"{path.name}: the archive at {path} is encrypted. Expected one that opens without a password.",
        remedy=BY_HAND,
        code="encrypted",
    )


def _not_an_archive(path: Path, head: bytes) -> UnpackError:
    size = path.stat().st_size
    return UnpackError(
        f"{path.name}: {path} is not an archive; it begins with {head[:24]!r} and holds {size} bytes. "
        "Expected zip, 7z, tar or tar.gz.",
        remedy="A web page saved under the archive's name looks like this. " + FETCH_AGAIN,
        code="not-an-archive",
    )


def _open(path: Path) -> Archive:
    with open(path, "rb") as stream:
        head = stream.read(512)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return Zip(path)
    if head.startswith(b"7z\xbc\xaf\x27\x1c"):
        return SevenZip(path)
    if head.startswith(b"\x1f\x8b"):
        return Tar(path, gzip.open)  # type: ignore[arg-type]
    if head[257:262] == b"ustar" or (path.suffix == ".tar" and head):
        return Tar(path, lambda plain: open(plain, "rb"))
    raise _not_an_archive(path, head)


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open an archive, and turn whatever its reader complains about into one error.

    Raises
    ------
    UnpackError
        Codes "not-an-archive", "encrypted", "unsupported" (a compression we cannot undo) or "damaged".
    """
    try:
        archive = _open(path)
        try:
            yield archive
        finally:
            archive.close()
    except (AveError, OSError) as error:
        # Two kinds of OSError speak of the archive and not of the disk: gzip's own, and a seek to a place before
        # the start, where a broken zip directory sends us.
        if isinstance(error, gzip.BadGzipFile) or getattr(error, "errno", None) == errno.EINVAL:
            raise _damaged(path, error) from error
        raise
    # The archive may be anything, and its readers were not written for that: py7zr alone ends on a broken
    # header with any of a dozen exceptions. Whatever it is, the archive cannot be read.
    except Exception as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> UnpackError:
    said = f"{type(error).__name__}: {error}".strip(": ")
    if isinstance(error, NotImplementedError) or type(error).__name__ == "UnsupportedCompressionMethodError":
        return UnpackError(
            f"{path.name}: {path} is packed in a way that cannot be undone here ({said}).",
            remedy=BY_HAND,
            code="unsupported",
        )
    if type(error).__name__ == "PasswordRequired":
        return _encrypted(path)
    return UnpackError(
        f"{path.name}: the archive at {path} ({path.stat().st_size} bytes) is damaged or cut short. {said}.",
        remedy=FETCH_AGAIN,
        code="damaged",
    )
