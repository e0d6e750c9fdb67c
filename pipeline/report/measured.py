"""What a card is rendered from, read from a published corpus, and the numbers that a program can check.

Conventions
-----------
Frames are those with both picture and gaze; minutes are theirs, rounded to 0.01. A corpus of None means all of them.
`files` maps paths relative to STORE/corpus to (bytes, SHA-256).
"""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.store.fingerprint import sha256_of

TABLES = ("audit.json", "rejected.parquet", "stimuli.parquet")
SPOKEN_OF = ("recording", "sample")  # levels that are grouped; wider ones are told row by row


@dataclass(frozen=True)
class Measured:
    """What a card is rendered from: rows of the published tables, already cut down to its corpora.

    `rejected` maps (level, reason) to [rows, count, detail]; `detail` is "" where the rows differ in it.
    `outside` are the rejected rows above the level of a recording, one by one.
    """

    stimuli: Sequence[Mapping[str, Any]]
    rejected: Mapping[tuple[str, str], Sequence[Any]]
    outside: Sequence[Mapping[str, Any]]
    audit: Sequence[Mapping[str, Any]]
    missing: Sequence[Mapping[str, Any]] = ()
    licences: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    geometry: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, tuple[int, str]] = field(default_factory=dict)


def read_rejected(path: Path, corpus: str | None) -> tuple[dict[tuple[str, str], list[Any]], list[dict[str, Any]]]:
    """Group rejected.parquet by level and reason, a row group at a time; see `Measured`."""
    groups: dict[tuple[str, str], list[Any]] = {}
    outside = []
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches():
            for row in batch.to_pylist():
                if corpus not in (None, row["subject"].split("/")[0]):
                    continue
                group = groups.setdefault((row["level"], row["reason"]), [0, 0, row["detail"]])
                group[0] += 1
                group[1] += row["count"]
                group[2] = row["detail"] if row["detail"] == group[2] else ""
                if row["level"] not in SPOKEN_OF:
                    outside.append(row)
    return groups, outside


def is_about(scope: str, corpus: str | None) -> bool:
    """Whether an audit row's scope names the corpus or one of its stimuli."""
    return corpus is None or corpus in scope.split("/")


def belongs(path: str, corpus: str | None) -> bool:
    """Whether a published file is the corpus's, or is about all corpora."""
    return corpus is None or "/" not in path or path.split("/")[1] == corpus


def recount(folder: Path, corpus: str | None) -> Measured:
    """Count a published corpus anew: fixations and observers in the fixation tables themselves.

    Parameters
    ----------
    folder : Path
        STORE/corpus.
    corpus : str or None

    Returns
    -------
    measured : Measured
        Without manifest rows and settings, which are not in the folder. `files` are hashed.
    """
    rejected, outside = read_rejected(folder / "rejected.parquet", corpus)
    stimuli = pq.read_table(folder / "stimuli.parquet").to_pylist()
    audit = json.loads((folder / "audit.json").read_text(encoding="utf-8"))
    paths = [folder / name for name in TABLES] + sorted(folder.glob("fixations/*/*.parquet"))
    names = [(path, path.relative_to(folder).as_posix()) for path in paths]
    return Measured(
        stimuli=[_recounted(folder, row) for row in stimuli if corpus in (None, row["corpus"])],
        rejected=rejected,
        outside=outside,
        audit=[row for row in audit if is_about(row["scope"], corpus)],
        files={name: (path.stat().st_size, sha256_of(path)) for path, name in names if belongs(name, corpus)},
    )


def numbers(measured: Measured) -> dict[str, Any]:
    """The numbers of a card by name: sums, observers, each split of each corpus, each kind of rejection."""
    rows = measured.stimuli
    found: dict[str, Any] = {**_sums(rows), **observers(rows)}
    for corpus, split in sorted({(row["corpus"], row["split"]) for row in rows}):
        part = [row for row in rows if (row["corpus"], row["split"]) == (corpus, split)]
        found |= {f"{name} of {corpus}/{split}": value for name, value in _sums(part).items()}
    for (level, reason), (n_rows, count, _) in sorted(measured.rejected.items()):
        found |= {f"rejected {level} rows, {reason}": n_rows, f"rejected {level} count, {reason}": count}
    return found


def observers(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Least, median and most observers a stimulus; empty without stimuli."""
    if not rows:
        return {}
    counts = [row["n_observers"] for row in rows]
    middle = statistics.median(counts)
    middle = int(middle) if middle == int(middle) else middle
    return {"observers_min": min(counts), "observers_median": middle, "observers_max": max(counts)}


def observers_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """The same in words; "" without stimuli."""
    if not rows:
        return ""
    least, middle, most = observers(rows).values()
    return f"{least} to {most} observers a stimulus (median {middle:g})"


def table_digests(files: Mapping[str, tuple[int, str]]) -> dict[str, str]:
    """SHA-256 of each table that a card is rendered from, and one for the fixation tables of each corpus.

    The one of a corpus is taken over lines "<sha256>  <path>", in the order of the paths.
    """
    digests = {name: files[name][1] for name in TABLES if name in files}
    for corpus in sorted({path.split("/")[1] for path in files if path.startswith("fixations/")}):
        paths = sorted(path for path in files if path.startswith(f"fixations/{corpus}/"))
        lines = "".join(f"{files[path][1]}  {path}\n" for path in paths)
        digests[f"fixations/{corpus}/*.parquet"] = hashlib.sha256(lines.encode()).hexdigest()
    return digests


def _sums(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "stimuli": len(rows),
        "frames": sum(row["n_frames"] for row in rows),
        "minutes": round(sum(row["duration_s"] for row in rows) / 60, 2),
        "fixations": sum(row["n_fixations"] for row in rows),
    }


def _recounted(folder: Path, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of stimuli.parquet with its fixations and observers counted; None of them where the table is gone."""
    path = folder / "fixations" / f"{row['stimulus']}.parquet"
    if not path.is_file():
        return {**row, "n_fixations": 0, "n_observers": 0}
    observer = pq.read_table(path, columns=["observer"]).column("observer")
    return {**row, "n_fixations": len(observer), "n_observers": pc.count_distinct(observer).as_py()}
