"""Publish the corpus: pooled tables, the audit, and every stimulus's files under one readable roof.

Conventions
-----------
`stimuli.parquet` is sorted by `stimulus`; `rejected.parquet` by subject (corpus, then name, then observer), level
and reason; both are the same bytes for the same input. Big files are hard links to what the stages wrote, so a
published corpus costs no second copy; where a file system has no links they are copied.
A stimulus is published when every one of its files is there. Nothing is published where a stimulus, or a video
of the same content under another name, would stand in two splits.

Tables are written as they are read, a stimulus at a time: memory does not grow with the corpus.
"""

from __future__ import annotations

import heapq
import json
import os
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import combinations, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import StoreError
from pipeline.ingest.audit import audit, opening_rows
from pipeline.records import Published, Rejection, StimulusEntry
from pipeline.schemas import REJECTED, STIMULI
from pipeline.store.job import Job

SUFFIXES = {  # kind of file → how it is called below STORE/corpus/<kind>/<corpus>/
    "fixations": ".parquet",
    "logmel": ".parquet",
    "frames": ".arrow",
    "density": ".npy",
    "steps": ".npy",
    "timeline": ".json",
}
LEVELS = ("corpus", "source", "stimulus", "recording", "sample")
ROWS_AT_ONCE = 16_384  # a row group of rejected.parquet: a few MB


def build_item(job: Job) -> dict[str, Any]:
    """Write STORE/corpus from what the stages published.

    Raises
    ------
    StoreError
        Code "leak" if a stimulus or a video's content would stand in two splits.
    """
    files, values = job.files, job.values
    names = sorted(name for name in files["stimulus"] if all(name in files[kind] for kind in SUFFIXES))
    entries = [StimulusEntry(**entry) for entry in values["entries"]]
    rows = [_read_json(files["stimulus"][name]) for name in names]
    refuse_leaks(entries, rows, values["video_digests"])

    pq.write_table(pa.Table.from_pylist(rows, STIMULI), job.out / "stimuli.parquet", compression="zstd")
    for kind, suffix in SUFFIXES.items():
        for name in names:
            link_or_copy(files[kind][name], job.out / kind / f"{name}{suffix}")
    n_rejected = write_rejected(job.out / "rejected.parquet", rejections(files["rejected"], set(names), values))
    audited = audit(
        [Published(**row) for row in values["published"]],
        rows,
        entries,
        refused=values["refused"],
        diem_names=len(values["diem_videos"]),
        observers=_observers_by_split(rows, files["fixations"]),
    )
    of_stimuli = [row for name in sorted(files["audit"]) for row in _read_json(files["audit"][name])]
    audited += [*opening_rows(rows, of_stimuli), *of_stimuli]
    text = json.dumps(audited, indent=1, ensure_ascii=False, allow_nan=False)
    (job.out / "audit.json").write_text(text, encoding="utf-8")
    return {
        "stimuli": len(rows),
        "frames": sum(row["n_frames"] for row in rows),
        "refused": len(values["refused"]),
        "rejected_rows": n_rejected,
    }


def refuse_leaks(
    entries: Iterable[StimulusEntry], rows: Sequence[Mapping[str, Any]], video_digests: Mapping[str, str]
) -> None:
    """Raise where a stimulus, or two videos of identical bytes, belong to two splits.

    Parameters
    ----------
    entries : iterable of StimulusEntry
        The whole list, built or not.
    rows : sequence of mapping
        Rows of stimuli.parquet.
    video_digests : mapping of str to str
        SHA-256 of each stimulus's video file.

    Raises
    ------
    StoreError
        Code "leak"; the message lists every pair.
    """
    splits = defaultdict(set)
    for entry in entries:
        splits[entry.stimulus].add(entry.split)
    pairs = [f"{name} is in {' and in '.join(sorted(found))}" for name, found in splits.items() if len(found) > 1]
    same_bytes = defaultdict(list)
    for row in rows:
        if row["stimulus"] in video_digests:
            same_bytes[video_digests[row["stimulus"]]].append((row["stimulus"], row["split"]))
    for group in same_bytes.values():
        pairs += [
            f"{name} ({split}) and {twin} ({twin_split}) are the same file"
            for (name, split), (twin, twin_split) in combinations(group, 2)
            if split != twin_split
        ]
    if pairs:
        raise StoreError(
            f"{len(pairs)} leak{'s' if len(pairs) > 1 else ''} between splits: {'; '.join(sorted(pairs))}.",
            remedy="Give both the same split in manifests/stimuli.csv, or take one out.",
            code="leak",
        )


def rejections(files: Mapping[str, Path], published: set[str], values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every row of rejected.parquet in its order, read one stimulus at a time.

    Parameters
    ----------
    files : mapping of str to Path
        `rejected.json` of each stimulus that was curated.
    published : set of str
        Stimuli that are in the corpus; of the others only the reason is kept, not every sample.
    values : mapping
        `missing`: rows known before, `refused`: {stimulus: reason}.
    """
    explained = {row["subject"] for row in values["missing"]} | set(values["refused"])
    early = list(values["missing"])
    for name in set(values["refused"]) - set(files):
        early.append(asdict(Rejection("stimulus", name, values["refused"][name], 1)))
    for name in set(files) - published - explained:
        early.append(asdict(Rejection("stimulus", name, "incomplete", 1, "a later stage did not finish it")))

    def of_items() -> Iterator[dict[str, Any]]:
        for name in sorted(files, key=lambda name: name.split("/")):
            rows = _read_json(files[name])
            yield from sorted((row for row in rows if name in published or row["level"] != "sample"), key=_order)

    return heapq.merge(sorted(early, key=_order), of_items(), key=_order)


def write_rejected(path: Path, rows: Iterator[Mapping[str, Any]]) -> int:
    """Write rows of schema REJECTED in row groups of a fixed size; returns how many there were."""
    n_rows = 0
    with pq.ParquetWriter(path, REJECTED, compression="zstd") as writer:
        while batch := list(islice(rows, ROWS_AT_ONCE)):
            writer.write_table(pa.Table.from_pylist(batch, REJECTED))
            n_rows += len(batch)
    return n_rows


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name; copy it where the file system cannot."""
    if not target.parent.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink():
        source = source.resolve()  # a link to a symbolic link would break when the stage's folder moves
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _observers_by_split(rows: Iterable[Mapping[str, Any]], fixations: Mapping[str, Path]) -> dict[str, set[str]]:
    """`corpus/observer` ids in each split, from the observer columns alone."""
    found: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        table = pq.ParquetFile(fixations[row["stimulus"]], read_dictionary=["observer"]).read(["observer"])
        found[row["split"]].update(f"{row['corpus']}/{one}" for one in table.column("observer").unique().to_pylist())
    return found


def _order(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Sort key: what belongs to one stimulus stays together, the widest level first."""
    return (row["subject"].split("/"), LEVELS.index(row["level"]), row["reason"], row["detail"])


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
