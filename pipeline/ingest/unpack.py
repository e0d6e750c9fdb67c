"""Unpack an archive of a raw release, or refuse it before anything is written.

Conventions
-----------
What an archive calls a file is a claim of a stranger. Every name is checked before the first byte is
written: it must be relative, stay inside the target, name a plain file, and differ from every other name
by more than case. A backslash separates folders, as Windows tools mean it. Names come out in Unicode NFC,
without a leading "./", sorted. Folders without files and what desktops leave behind are not unpacked.
Sizes are bytes; the compression ratio is bytes unpacked / bytes packed, of the archive as a whole.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.errors import UnpackError
from pipeline.ingest import archives, disk
from pipeline.store.job import Job

LONGEST_NAME_BYTES = 255  # of one folder or file name: ext4, APFS and NTFS agree on it
NAMES_SHOWN = 5
OWNER = "Nothing was unpacked. Get the archive from its owner again; a sound release holds nothing of that kind."


@dataclass(frozen=True)
class Limits:
    """How much an archive may hold before it is taken for a bomb.

    Video hardly shrinks and DIEM's gaze text shrinks fivefold, so an archive that grows 200 times, once it
    has grown to a size that matters, is no recording of anything.
    """

    total_bytes: int = 64 << 30
    entries: int = 200_000
    ratio: float = 200.0
    ratio_from_bytes: int = 100_000_000


def build_item(job: Job) -> dict[str, Any]:
    """Unpack one artifact: the stage function of `unpack`.

    Parameters
    ----------
    job : Job
        `files["packed"]`: the archive, the plain file, or the files of a folder. `values`: `artifact`
        (an `Artifact` as a dictionary), `root` and `files` (what fetch recorded).

    Returns
    -------
    facts : dict
        Empty for an archive, whose content is now in `job.out`. What already lies unpacked in RAW is not
        copied: `external` then says where it is, with sizes and digests.

    Raises
    ------
    UnpackError
        See `extract`.
    """
    packed = job.files["packed"]
    artifact: Mapping[str, Any] = job.values["artifact"]
    if artifact["folder"] is not None and len(packed) == 1 and list(job.values["files"]) == [packed[0].name]:
        extract(packed[0], job.out)
        return {}
    return {"external": {"root": job.values["root"], "files": job.values["files"]}}


def extract(archive: Path, out: Path, *, limits: Limits | None = None) -> list[str]:
    """Unpack a zip, 7z, tar or tar.gz into an empty folder.

    Parameters
    ----------
    archive : Path
    out : Path
        Made if it does not exist; must hold nothing of the archive's names yet.
    limits : Limits, optional

    Returns
    -------
    names : list of str
        The files written, relative to `out`, with "/", sorted.

    Raises
    ------
    UnpackError
        With code "unsafe" (a name or a kind of entry that must not be unpacked), "case-clash", "bomb",
        "encrypted", "unsupported", "not-an-archive", "damaged", "empty" or "disk-full". Only "damaged" and
        "disk-full" may leave files behind: what was written before the damage was met.
    """
    limits = limits or Limits()
    total_bytes = 0
    try:
        with archives.opened(archive) as reader:
            names, total_bytes = _plan(archive, reader, limits)
            disk.require_room(UnpackError, archive.name, out, total_bytes)
            for folder in sorted({PurePosixPath(name).parent for name in names.values()}):
                (out / folder).mkdir(parents=True, exist_ok=True)
            reader.write({number: out / name for number, name in names.items()})
    except OSError as error:
        if disk.is_full(error):
            raise disk.disk_full(UnpackError, archive.name, out, total_bytes) from error
        raise UnpackError(
            f"{archive.name}: {error.strerror or error} ({error.filename or archive}) while unpacking into {out}.",
            remedy="Check that the archive can be read and the store can be written.",
        ) from error
    return sorted(names.values())


def _plan(archive: Path, reader: archives.Archive, limits: Limits) -> tuple[dict[int, str], int]:
    """Decide from the declared names and sizes alone what is written where: {entry number: path}, total bytes."""
    files: dict[int, str] = {}
    folders: set[str] = set()
    problems: list[str] = []
    total_bytes, packed_bytes = 0, archive.stat().st_size
    for number, entry in enumerate(reader.entries()):
        total_bytes += entry.size_bytes
        if problem := _too_much(number + 1, total_bytes, packed_bytes, limits):
            raise _bomb(archive, problem)
        if problem := _unsafe(entry):
            problems.append(f"{entry.name!r} ({problem})")
            continue
        name = normalise(entry.name)
        if entry.kind == "folder":
            folders.add(name)
        elif not disk.is_junk(name):
            files[number] = name
    if problems:
        raise _unsafe_error(archive, problems)
    if not files:
        raise UnpackError(f"{archive.name}: the archive at {archive} holds no file.", remedy=OWNER, code="empty")
    _refuse_clashes(archive, list(files.values()), folders)
    return files, total_bytes


def normalise(name: str) -> str:
    """Write a stored name as we use it: "/" between folders, no ".", NFC.

    Examples
    --------
    >>> normalise("./ERB3_Stimuli\\\\clip_1.avi")
    'ERB3_Stimuli/clip_1.avi'
    """
    parts = unicodedata.normalize("NFC", name.replace("\\", "/")).split("/")
    return "/".join(part for part in parts if part not in ("", "."))


def _unsafe(entry: archives.Entry) -> str:
    """Why an entry must not be unpacked; "" if it may."""
    name = entry.name.replace("\\", "/")
    if entry.kind not in ("file", "folder"):
        return entry.kind
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name):
        return "control characters or broken Unicode in the name"
    if name.startswith("/"):
        return "an absolute path"
    if re.match(r"[A-Za-z]:", name):
        return "a drive letter"
    if ".." in name.split("/"):
        return "leaves the target folder"
    if max(len(part.encode()) for part in name.split("/")) > LONGEST_NAME_BYTES:
        return f"a name longer than {LONGEST_NAME_BYTES} bytes"
    if entry.kind == "file" and not normalise(name):
        return "a file without a name"
    return ""


def _unsafe_error(archive: Path, problems: Sequence[str]) -> UnpackError:
    shown = ", ".join(problems[:NAMES_SHOWN])
    more = f" and {len(problems) - NAMES_SHOWN} more" if len(problems) > NAMES_SHOWN else ""
    count = f"{len(problems)} entries" if len(problems) != 1 else "an entry"
    return UnpackError(
        f"{archive.name}: {count} of {archive} must not be unpacked: {shown}{more}. "
        "Expected plain files with relative names.",
        remedy=OWNER,
        code="unsafe",
    )


def _refuse_clashes(archive: Path, files: Sequence[str], folders: set[str]) -> None:
    """Refuse two entries of one name, and two names that differ only in case."""
    parents = {str(parent) for name in files for parent in PurePosixPath(name).parents}
    spelled: dict[str, str] = {}
    for name in (*files, *sorted((folders | parents) - {"", "."})):
        known = spelled.get(name.casefold())
        spelled[name.casefold()] = name
        if known == name:
            raise UnpackError(f"{archive.name}: {name!r} stands twice in {archive}.", remedy=OWNER, code="unsafe")
        if known is not None:
            raise UnpackError(
                f"{archive.name}: {known!r} and {name!r} in {archive} differ only in case and would be one on some "
                "disks. Expected names that differ by more.",
                remedy="Rename one of them and pack it again, or unpack by hand what is needed.",
                code="case-clash",
            )


def _too_much(entries: int, total_bytes: int, packed_bytes: int, limits: Limits) -> str:
    """Which limit an archive exceeds with the entries seen so far; "" while it exceeds none."""
    if entries > limits.entries:
        return f"more than {limits.entries} entries"
    if total_bytes > limits.total_bytes:
        return f"at least {total_bytes} bytes, more than the limit of {limits.total_bytes}"
    ratio = total_bytes / packed_bytes
    if total_bytes > limits.ratio_from_bytes and ratio > limits.ratio:
        most = f"at most {limits.ratio:g} to 1 is taken for real data"
        return f"at least {total_bytes} bytes packed into {packed_bytes}, {ratio:.0f} to 1; {most}"
    return ""


def _bomb(archive: Path, problem: str) -> UnpackError:
    return UnpackError(f"{archive.name}: {archive} looks like a bomb. It holds {problem}.", remedy=OWNER, code="bomb")
