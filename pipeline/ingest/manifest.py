"""The reviewed tables of `manifests/`, read into frozen records and checked as a whole.

Conventions
-----------
Six CSV tables in one folder, UTF-8, one header row, exactly the columns listed here; an empty cell is "unknown"
where that is allowed. `manifests/README.md` says what each column means and in which unit.

All problems of all tables are collected and raised together, once, as a `ManifestError`: table, line, column,
what was found and what was expected. What two tables say together is looked at when each is right by itself, so
that one mistake is reported once.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.corpora.diem import picture_size
from pipeline.errors import GazeError, ManifestError, UsageError, did_you_mean
from pipeline.ingest import cells
from pipeline.ingest.cells import PATTERN, Cell, maybe, number, one_of
from pipeline.records import CATEGORIES, SPLITS, DiemVideo, Geometry, Licence, Published, Source, StimulusEntry

MAX_GEOMETRY_ERROR = 0.01  # between the declared px_per_dva and what screen and distance give


@dataclass(frozen=True)
class Manifest:
    """What the corpus is, before any of its files is there.

    Attributes
    ----------
    licences, geometry : mapping of str
        By corpus.
    diem_videos : mapping of str
        By name, all 84 of the release.
    """

    sources: tuple[Source, ...]
    licences: Mapping[str, Licence]
    stimuli: tuple[StimulusEntry, ...]
    geometry: Mapping[str, Geometry]
    diem_videos: Mapping[str, DiemVideo]
    published: tuple[Published, ...]

    def entry(self, stimulus: str) -> StimulusEntry:
        """The row of `corpus/name`; raises UsageError with the nearest known id."""
        for entry in self.stimuli:
            if entry.stimulus == stimulus:
                return entry
        known = [entry.stimulus for entry in self.stimuli]
        raise UsageError(
            f"Unknown stimulus {stimulus!r}. {_nearest(stimulus, known)}",
            remedy="Stimuli are called corpus/name, as in manifests/stimuli.csv.",
        )

    def entries(self, corpora: Sequence[str] | None = None, official_150: bool = False) -> tuple[StimulusEntry, ...]:
        """Rows of the named corpora (all when None or empty), in the table's order.

        `official_150` leaves out what is in the AVE lists (an `ave_name`) but in no published sheet (an empty
        `split_sheet`): `coutrot1/clip_42`.
        """
        for name in corpora or ():
            if name not in self.licences:
                raise UsageError(
                    f"Unknown corpus {name!r}. {did_you_mean(name, self.licences)}",
                    remedy="Corpora are the rows of manifests/licences.csv.",
                )
        return tuple(
            entry
            for entry in self.stimuli
            if (not corpora or entry.corpus in corpora)
            and not (official_150 and entry.ave_name and not entry.split_sheet)
        )

    def sources_of(self, corpus: str, artifact: str) -> tuple[Source, ...]:
        """Where one file of RAW/<corpus>/ may come from; rows that name it win over the `{name}` pattern.

        A pattern's row comes back with the name put in, in the artifact, the URLs and the instructions.

        Parameters
        ----------
        corpus : str
        artifact : str
            The file's name, e.g. "arctic_bears_1066x710.7z".

        Returns
        -------
        sources : tuple of Source
            Empty where no row speaks of this file.
        """
        named = self._sources.get((corpus, artifact))
        patterns = self._sources.get((corpus, PATTERN), ())
        return named or tuple(made for row in patterns if (made := _named_by_pattern(row, artifact)) is not None)

    @cached_property
    def _sources(self) -> Mapping[tuple[str, str], tuple[Source, ...]]:
        """Rows by corpus and artifact, patterns under `PATTERN`: a release may have a row for each of its thousands."""
        found: dict[tuple[str, str], tuple[Source, ...]] = {}
        for source in self.sources:
            key = (source.corpus, PATTERN if PATTERN in source.artifact else source.artifact)
            found[key] = (*found.get(key, ()), source)
        return found


def load(folder: Path) -> Manifest:
    """Read and check all six tables of a folder.

    Parameters
    ----------
    folder : Path
        Holds sources.csv, licences.csv, stimuli.csv, geometry.csv, diem_videos.csv and published.csv.

    Raises
    ------
    ManifestError
        Once, with the problems of all tables; `problems` holds them one by one.
    """
    rows: dict[str, list[tuple[int, Any]]] = {}
    problems: list[str] = []
    for table in _TABLES:
        rows[table], found = read_table(folder / table, *_TABLES[table])
        problems += found
    wrong = {table for table in _TABLES if any(problem.startswith(table) for problem in problems)}
    problems += _check_between_tables({table: found for table, found in rows.items() if table not in wrong})
    problems += _check_splits(rows["stimuli.csv"])
    if problems:
        tables = [table for table in _TABLES if any(problem.startswith(table) for problem in problems)]
        remedy = f"The tables are in {folder}; its README.md explains the columns."
        raise ManifestError(", ".join(tables), problems, remedy=remedy)
    records = {table: tuple(record for _, record in found) for table, found in rows.items()}
    return Manifest(
        sources=records["sources.csv"],
        licences={record.corpus: record for record in records["licences.csv"]},
        stimuli=records["stimuli.csv"],
        geometry={record.corpus: record for record in records["geometry.csv"]},
        diem_videos={record.name: record for record in records["diem_videos.csv"]},
        published=records["published.csv"],
    )


def _named_by_pattern(row: Source, artifact: str) -> Source | None:
    """The row of a `{name}` pattern written out for one file; None where the pattern does not fit."""
    before, found, after = row.artifact.partition(PATTERN)
    name = artifact[len(before) : len(artifact) - len(after)]
    if not found or not name or artifact != f"{before}{name}{after}":
        return None
    return replace(
        row,
        artifact=artifact,
        urls=tuple(url.replace(PATTERN, name) for url in row.urls),
        how_to=row.how_to.replace(PATTERN, name),
    )


_positive, _positive_count = number(float, above=0), number(int, above=0)

_TABLES: dict[str, tuple[type, tuple[str, ...], dict[str, Cell]]] = {  # record, unique key, columns
    "sources.csv": (
        Source,
        ("corpus", "artifact", "kind"),
        {
            "corpus": cells.corpus,
            "artifact": cells.artifact,
            "kind": one_of("direct", "manual"),
            "urls": cells.urls,
            "size_bytes": maybe(_positive_count),
            "checksum": cells.checksum,
            "how_to": str,
            "note": str,
        },
    ),
    "licences.csv": (
        Licence,
        ("corpus",),
        {
            "corpus": cells.corpus,
            "title": cells.text,
            "licence": cells.text,
            "terms": cells.text,
            "citation": cells.text,
            "homepage": str,
        },
    ),
    "stimuli.csv": (
        StimulusEntry,
        ("corpus", "name"),
        {
            "corpus": cells.corpus,
            "name": cells.safe_name,
            "ave_name": maybe(cells.safe_name, ""),
            "category": one_of(*CATEGORIES),
            "split": one_of(*SPLITS),
            "category_sheet": maybe(one_of("Nature", "Social", "Other", *CATEGORIES), ""),
            "split_sheet": maybe(one_of(*SPLITS), ""),
            "audio_presented": one_of("yes", "no"),
            "audio_evidence": cells.text,
            "frame_offset": maybe(number(int), 0),
            "frames_reported": maybe(_positive_count),
            "note": str,
        },
    ),
    "geometry.csv": (
        Geometry,
        ("corpus",),
        {
            "corpus": cells.corpus,
            "placement": one_of("centred", "video"),
            "px_per_dva": _positive,
            "px_per_dva_low": maybe(_positive),
            "px_per_dva_high": maybe(_positive),
            "screen_width_px": maybe(_positive_count),
            "screen_height_px": maybe(_positive_count),
            "screen_width_cm": maybe(_positive),
            "screen_height_cm": maybe(_positive),
            "distance_cm": maybe(_positive),
            "source": cells.text,
            "confidence": cells.text,
        },
    ),
    "diem_videos.csv": (
        DiemVideo,
        ("name",),
        {
            "name": cells.safe_name,
            "width_px": _positive_count,
            "height_px": _positive_count,
            "n_frames": maybe(_positive_count),
            "in_ave": cells.yes_or_no,
            "why_out": str,
        },
    ),
    "published.csv": (
        Published,
        ("quantity", "scope", "source"),
        {
            "quantity": cells.safe_name,
            "scope": cells.scope,
            "value": number(float),
            "tolerance": maybe(number(float, at_least=0), 0.0),
            "source": cells.text,
            "note": str,
        },
    ),
}


# -- one table --------------------------------------------------------------------------------------------------


def read_table(
    path: Path, record: type, key: tuple[str, ...], columns: Mapping[str, Cell]
) -> tuple[list[tuple[int, Any]], list[str]]:
    """Rows that are right, as (line, record), and the problems of the others; `key` names a row and is unique."""
    try:
        reader = csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline=""))
        lines = [(reader.line_num, row) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = "is not there" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
        return [], [f"{path.name} {reason}; expected a CSV table with the columns {', '.join(columns)}"]
    header = lines[0][1] if lines else []
    problems = list(_check_header(path.name, header, columns))
    if problems:
        return [], problems
    rows: list[tuple[int, Any]] = []
    seen: dict[tuple[str, ...], int] = {}
    for line, row in lines[1:]:
        where = f"{path.name}, line {line}"
        values, found = _read_row(where, header, row, columns)
        if not found:
            made = record(**values)
            found += _check_row(where, made)
            words = tuple(values[column] for column in key)
            if seen.setdefault(words, line) != line:
                found.append(f"{where}, {' and '.join(key)}: {' '.join(words)} is already on line {seen[words]}")
            rows.append((line, made))
        problems += found
    return rows, problems


def _check_header(table: str, header: Sequence[str], columns: Mapping[str, Cell]) -> Iterator[str]:
    missing = [column for column in columns if column not in header]
    for column in header:
        if column not in columns:
            yield f"{table}, line 1: unknown column {column!r}. {did_you_mean(column, missing or columns)}"
        elif header.count(column) > 1:
            yield f"{table}, line 1: column {column!r} stands there {header.count(column)} times"
    yield from (f"{table}, line 1: column {column!r} is missing" for column in missing)


def _read_row(
    where: str, header: Sequence[str], row: Sequence[str], columns: Mapping[str, Cell]
) -> tuple[dict[str, Any], list[str]]:
    """The cells of one row as values, and what is wrong with the others."""
    if len(row) != len(header):
        return {}, [f"{where}: {len(row)} cells; expected {len(header)} (quote text that holds a comma)"]
    values: dict[str, Any] = {}
    problems = []
    for column, cell in zip(header, row, strict=True):
        try:
            values[column] = columns[column](cell.strip())
        except ValueError as error:
            problems.append(f"{where}, {column}: {error}")
    return values, problems


def _check_row(where: str, row: Any) -> list[str]:
    """What the cells of one row must say together."""
    if isinstance(row, Source):
        if row.kind == "direct" and not row.urls:
            return [f"{where}, urls: is empty; a direct source needs an address"]
        if row.kind == "manual" and not row.how_to:
            return [f"{where}, how_to: is empty; only a person can fetch a manual source, say how"]
    if isinstance(row, Geometry):
        return list(_check_geometry(where, row))
    if isinstance(row, DiemVideo):
        problems = _check_picture_size(where, row.name, row.width_px, row.height_px)
        if row.in_ave == bool(row.why_out):
            problems.append(f"{where}, why_out: {row.why_out!r} with in_ave {'yes' if row.in_ave else 'no'}")
        return problems
    return []


def _check_geometry(where: str, row: Geometry) -> Iterator[str]:
    computed = row.computed_px_per_dva()
    if computed is not None and abs(row.px_per_dva - computed) > MAX_GEOMETRY_ERROR * computed:
        yield (
            f"{where}, px_per_dva: is {row.px_per_dva:g}; screen and distance give {computed:.2f}, "
            f"expected to agree within {MAX_GEOMETRY_ERROR:.0%}"
        )
    low, high = row.px_per_dva_low or row.px_per_dva, row.px_per_dva_high or row.px_per_dva
    if not low <= row.px_per_dva <= high:
        yield f"{where}, px_per_dva: {row.px_per_dva:g} is outside its own range {low:g} to {high:g}"
    if row.placement == "centred" and (row.screen_width_px is None or row.screen_height_px is None):
        yield f"{where}, placement: a centred video needs screen_width_px and screen_height_px"


def _check_picture_size(where: str, name: str, width_px: int, height_px: int) -> list[str]:
    try:
        size = picture_size(name)
    except GazeError as error:
        return [f"{where}, name: {error.message}"]
    if size != (width_px, height_px):
        return [f"{where}, width_px and height_px: {width_px} x {height_px}, but the name says {size[0]} x {size[1]}"]
    return []


# -- between tables ---------------------------------------------------------------------------------------------


def _check_splits(stimuli: Sequence[tuple[int, StimulusEntry]]) -> Iterator[str]:
    """AVE names that are in two splits: a model would be tested on what it was trained on."""
    first: dict[str, tuple[int, StimulusEntry]] = {}
    for line, entry in stimuli:
        if not entry.ave_name:
            continue
        earlier_line, earlier = first.setdefault(entry.ave_name, (line, entry))
        if earlier.split != entry.split:
            yield (
                f"stimuli.csv, line {line}, ave_name: {entry.ave_name} is in {entry.split} here and "
                f"in {earlier.split} on line {earlier_line}"
            )


def _check_between_tables(rows: Mapping[str, Sequence[tuple[int, Any]]]) -> Iterator[str]:
    """Stimuli without licence, geometry or sources, or with a DIEM name that does not exist; right tables only."""
    stimuli = rows.get("stimuli.csv", ())
    for table in sorted({"licences.csv", "geometry.csv", "sources.csv"} & rows.keys()):
        have = {row.corpus for _, row in rows[table]}
        for corpus in sorted({entry.corpus for _, entry in stimuli} - have):
            yield f"{table}: no row for {corpus}, which stimuli.csv uses"
    if "diem_videos.csv" not in rows:
        return
    videos = {video.name: video for _, video in rows["diem_videos.csv"]}
    for line, entry in stimuli:
        if entry.corpus == "diem" and entry.name not in videos:
            near = _nearest(entry.name, list(videos))
            yield f"stimuli.csv, line {line}, name: {entry.name} has no row in diem_videos.csv. {near}"
        elif entry.corpus == "diem" and not videos[entry.name].in_ave:
            yield f"stimuli.csv, line {line}, name: {entry.name} is not in AVE according to diem_videos.csv"


def _nearest(word: str, known: Sequence[str]) -> str:
    """The nearest known word, or how many there are: 151 names are no help."""
    hint = did_you_mean(word, known)
    return hint if len(known) <= 20 or hint.startswith("Did") else f"{len(known)} are known, none of them near."
