"""Every raw file comes through here: what a person put into RAW is checked like what a program downloads.

Conventions
-----------
RAW/<corpus>/ holds the releases as their owners ship them. Paths are relative to RAW/<corpus>/, sizes are
bytes, checksums as in `digests`. A packed file is preferred to a folder of the same content, because only
the file has a checksum somebody published. Nothing is asked of the network before the corpus's terms are
accepted, and nothing large is fetched that was not asked for.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pipeline.errors import FetchError
from pipeline.ingest import digests, disk
from pipeline.records import Artifact, Source
from pipeline.store.job import Job

BUNDLE_ENDINGS = (".tar", ".tar.gz", ".tgz")
WORDS_OF_A_LICENCE = ("title", "licence", "terms", "citation", "homepage")
AGAIN = "Then run the build again."


def survey(raw: Path, corpus: str, artifact: Artifact) -> list[list[str | int]]:
    """Say what lies in RAW of one artifact, without reading any file.

    Parameters
    ----------
    raw : Path
        The RAW folder, which may not exist.
    corpus : str
    artifact : Artifact

    Returns
    -------
    found : list of [path, size in bytes, mtime in ns]
        The first of the packed files that is there; otherwise every file below the folder, sorted by
        path. Empty where there is nothing. Hidden, `.part` and `.bad` files are nothing.
    """
    home = os.path.join(raw, corpus)  # strings, not path objects: a build that has nothing to do spends its time here
    for name in artifact.packed:
        try:
            facts = os.stat(os.path.join(home, name))
        except (FileNotFoundError, NotADirectoryError):
            continue
        if stat.S_ISREG(facts.st_mode):
            return [[name, facts.st_size, facts.st_mtime_ns]]
    if artifact.folder is None:
        return []
    found = disk.files_below(os.path.join(home, artifact.folder))
    return sorted([f"{artifact.folder}/{path}", *facts] for path, *facts in found)


def may_give(raw: Path, corpus: str, artifact: Artifact) -> bool:
    """Whether RAW holds the artifact, or a bundle that it may be taken from."""
    home = Path(raw) / corpus
    bundles = any((home / f"{corpus}{ending}").is_file() for ending in BUNDLE_ENDINGS)
    return bool(bundles or survey(raw, corpus, artifact))


@dataclass(frozen=True)
class Request:
    """One artifact that a build needs, and every row of manifests/sources.csv that may give it."""

    item: str
    corpus: str
    home: Path
    artifact: Artifact
    sources: tuple[Source, ...]

    @classmethod
    def of(cls, job: Job) -> Request:
        """Read a job of the fetch stage."""
        artifact = dict(job.values["artifact"])
        sources = [Source(**{**source, "urls": tuple(source["urls"])}) for source in job.values["sources"]]
        home = Path(os.path.abspath(job.values["raw"])) / job.corpus
        return cls(
            job.item, job.corpus, home, Artifact(**{**artifact, "packed": tuple(artifact["packed"])}), tuple(sources)
        )

    def rows(self, file_name: str) -> list[Source]:
        """Rows for one packed file: those that name it, otherwise those whose `{name}` stands for it."""
        exact = [source for source in self.sources if source.artifact == file_name]
        return exact or [source for source in self.sources if self._filled(source.artifact) == file_name]

    def urls(self, source: Source) -> list[str]:
        """The addresses of a row, with `{name}` filled in."""
        return [url.replace("{name}", quote(self.artifact.name)) for url in source.urls]

    def known(self, file_name: str) -> tuple[int | None, str]:
        """Size and checksum that the manifest knows of a packed file."""
        rows = self.rows(file_name)
        sizes = [row.size_bytes for row in rows if row.size_bytes is not None]
        checksums = [row.checksum for row in rows if row.checksum not in ("", "unknown")]
        return (sizes[0] if sizes else None), (checksums[0] if checksums else "unknown")

    def bundles(self) -> list[Source]:
        """Rows of larger archives that hold this artifact's packed file among others."""
        own = {row.artifact for name in self.artifact.packed for row in self.rows(name)}
        return [row for row in self.sources if row.artifact not in own and row.artifact.endswith(BUNDLE_ENDINGS)]

    def places(self) -> str:
        """Where in RAW the artifact may lie, for a message."""
        places = [str(self.home / name) for name in self.artifact.packed]
        return " or ".join(places + ([f"{self.home / self.artifact.folder}/"] if self.artifact.folder else []))

    def _filled(self, pattern: str) -> str:
        return pattern.replace("{name}", self.artifact.name)


def build_item(job: Job) -> dict[str, Any]:
    """Have one artifact in RAW, checked: the stage function of `fetch`.

    Parameters
    ----------
    job : Job
        `values`: `sources` (rows of manifests/sources.csv as dictionaries), `artifact`, `raw`, `accepted`
        (the corpus's terms), `partial` (go on with what is in RAW) and `licence`.

    Returns
    -------
    facts : dict
        `external`: `root` (RAW/<corpus>) and `files` ({path: [bytes, sha256]}); `note`: how we know them;
        `listing`: what `survey` says of them now, so that a later build sees when they change.

    Raises
    ------
    FetchError
        Code "checksum" or "empty" for a file that is not the manifest's (kept as `.bad`), "missing" under
        `partial`, "terms" before they are accepted, "manual" where only a person can fetch it, "manifest"
        where no row tells how, "unreadable", "unwritable", "download" or "disk-full".
    """
    request = Request.of(job)
    facts = _have(request, job)
    return {**facts, "listing": survey(Path(job.values["raw"]), job.corpus, request.artifact)}


def _have(request: Request, job: Job) -> dict[str, Any]:
    """Whatever way gives the artifact first: RAW, a bundle in RAW, a download."""
    found = survey(Path(job.values["raw"]), job.corpus, request.artifact)
    try:
        if found:
            return _admit(request, [str(path) for path, *_ in found])
        if taken := _take_from_bundle(request):
            return taken
        if job.values["partial"]:
            raise _missing(request)
        if not job.values["accepted"]:
            raise _terms(request, job.values["licence"])
        return _download(request)
    except OSError as error:
        if disk.is_full(error):
            raise disk.disk_full(FetchError, request.item, request.home, None) from error
        raise FetchError(
            f"{request.item}: {error.filename or request.home} cannot be used ({error.strerror or error}).",
            remedy="Check that it exists and that you may read it (and, for a download, write into RAW).",
            code="unreadable",
        ) from error


def _facts(request: Request, files: Mapping[str, digests.Digests], note: str) -> dict[str, Any]:
    listed = {path: [file.size_bytes, file.sha256] for path, file in sorted(files.items())}
    return {"external": {"root": str(request.home), "files": listed}, "note": note}


def _admit(request: Request, found: Sequence[str]) -> dict[str, Any]:
    """Check what lies in RAW already."""
    if found[0] in request.artifact.packed:
        size_bytes, checksum = request.known(found[0])
        file = digests.verify(request.home / found[0], size_bytes, checksum)
        return _facts(request, {found[0]: file}, _how_known(size_bytes, checksum))
    files = {path: digests.digest_file(request.home / path) for path in found}
    empty = sorted(path for path, file in files.items() if file.size_bytes == 0)
    note = f"{len(files)} unpacked files; a folder has no published checksum, recorded as found"
    return _facts(request, files, note + (f"; empty (0 bytes): {', '.join(empty)}" if empty else ""))


def _how_known(size_bytes: int | None, checksum: str) -> str:
    if expected := digests.parse_checksum(checksum):
        return f"{expected[0]} as in the manifest"
    size = "size as in the manifest, " if size_bytes is not None else ""
    return f"{size}checksum unknown to the manifest, recorded as found"


def _download(request: Request) -> dict[str, Any]:
    from pipeline.ingest import download  # urllib and ssl: plan and status do without

    for name in request.artifact.packed:
        direct = [row for row in request.rows(name) if row.kind == "direct"]
        if not direct:
            continue
        size_bytes, checksum = request.known(name)
        urls = [url for row in direct for url in request.urls(row)]
        file = download.download(urls, request.home / name, size_bytes=size_bytes, checksum=checksum)
        return _facts(request, {name: file}, _how_known(size_bytes, checksum))
    raise _manual(request)


def _take_from_bundle(request: Request) -> dict[str, Any] | None:
    """Take the packed file out of a bundle that somebody put into RAW; None where there is no such bundle."""
    for row in request.bundles():
        bundle = request.home / row.artifact
        if not bundle.is_file():
            continue
        facts = bundle.stat()
        _verified_bundle(bundle, row.size_bytes, row.checksum, facts.st_size, facts.st_mtime_ns)
        for name in request.artifact.packed:
            if _take(bundle, request.home / name):
                return _admit(request, [name])
    return None


@lru_cache(maxsize=8)  # a bundle is asked for once per video, and reading it takes minutes
def _verified_bundle(bundle: Path, size_bytes: int | None, checksum: str, _size: int, _mtime_ns: int) -> None:
    """Check a bundle against what the manifest knows; `_size` and `_mtime_ns` tell it from one put there later."""
    if size_bytes is not None or digests.parse_checksum(checksum):
        digests.verify(bundle, size_bytes, checksum)


def _take(bundle: Path, target: Path) -> bool:
    from pipeline.ingest import archives

    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    with archives.opened(bundle) as archive:
        if not isinstance(archive, archives.Tar) or not archive.take(target.name, part):
            return False
    part.replace(target)
    return True


def _missing(request: Request) -> FetchError:
    return FetchError(
        f"{request.item}: not in RAW. Expected {request.places()}.",
        remedy="The build goes on without it (--partial); leave --partial out to have it fetched, or to be told how.",
        code="missing",
    )


def _terms(request: Request, licence: Mapping[str, Any]) -> FetchError:
    said = {word: str(licence.get(word) or "unknown").rstrip(".") for word in WORDS_OF_A_LICENCE}
    return FetchError(
        f"{request.item}: the terms of {request.corpus} are not accepted yet, so nothing of it is fetched.",
        # The same for every file of the corpus, and so said once: failures are listed by their remedy.
        remedy=f"{said['title']}. Licence: {said['licence']}. Terms: {said['terms']}. Cite: {said['citation']}. "
        f"Home page: {said['homepage']}. If you accept them, run again with `--accept {request.corpus}`, "
        f'or write the line `accept = ["{request.corpus}"]` into the settings file.',
        code="terms",
    )


def _manual(request: Request) -> FetchError:
    """Tell a person exactly what to fetch, from where, and where to put it."""
    ways = []
    for name in request.artifact.packed:
        for row in request.rows(name):
            ways.append(f"Fetch {name} from {_where(request, row)} and put it at {request.home / name}.")
    if not ways:
        return FetchError(
            f"{request.item}: no row of manifests/sources.csv says where it comes from. "
            f"Expected one for {' or '.join(request.artifact.packed)}.",
            remedy=f"Add the row, or put the release at {request.places()}. {AGAIN}",
            code="manifest",
        )
    if request.artifact.folder:
        ways.append(f"Already unpacked, it may lie at {request.home / request.artifact.folder}/.")
    for row in request.bundles():
        bundle = request.home / row.artifact
        if bundle.is_file():
            ways.append(f"The bundle {bundle} lies there but does not hold it.")
        else:
            ways.append(f"Or fetch the bundle {row.artifact} from {_where(request, row)} and put it at {bundle}: "
                        "what is needed is then taken out of it.")  # fmt: skip
    return FetchError(
        f"{request.item}: not in RAW, and only a person can fetch it.",
        remedy=" ".join([*ways, AGAIN]),
        code="manual",
    )


def _where(request: Request, row: Source) -> str:
    addresses = " or ".join(request.urls(row)) or "its owner"
    return f"{addresses} ({row.how_to.rstrip('.')})" if row.how_to else addresses
