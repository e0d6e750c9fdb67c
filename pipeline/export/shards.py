"""Write the shards of one (corpus, split): the last, cheap stage of a build.

Conventions
-----------
An item's folder holds `<corpus>-<split>-<index>.tar|parquet|safetensors`, `index.json`, `schema.json` and
`LICENCE.md`. Samples stand in order of stimulus, then time; the same input gives the same bytes. Because
shards never span two corpora or two splits, adding a corpus moves no sample that exists. JPEGs are copied as
stored and never encoded again. One sample at a time is in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from pipeline.errors import ExportError, UsageError
from pipeline.export import formats
from pipeline.export.cut import OPTIONAL, ROLES, StimulusFiles
from pipeline.export.index import (
    INDEX_NAME,
    LICENCE_NAME,
    SCHEMA_NAME,
    SCHEMA_VERSION,
    licence_page,
    sample_schema,
    totals,
    write_json,
)
from pipeline.export.release import materialise, verify_export
from pipeline.export.sample import Sample
from pipeline.store.fingerprint import sha256_of
from pipeline.store.job import Job

__all__ = ["ShardSettings", "build_item", "materialise", "verify_export"]


@dataclass(frozen=True)
class ShardSettings:
    """How a split is cut up.

    Attributes
    ----------
    format : str
        "wds", "parquet" or "tensors".
    segment_frames : int
        Target frames of a sample, at least 1.
    lead_in_frames : int
        Frames stored before them; 15 lets a clip of 16 frames end at any target.
    samples_per_shard : int
        Samples of a full shard, at least 1.
    """

    format: str = "wds"
    segment_frames: int = 64
    lead_in_frames: int = 15
    samples_per_shard: int = 64

    def __post_init__(self) -> None:
        if min(self.segment_frames, self.samples_per_shard) < 1 or self.lead_in_frames < 0:
            raise UsageError(
                f"segment_frames={self.segment_frames}, lead_in_frames={self.lead_in_frames}, "
                f"samples_per_shard={self.samples_per_shard}. Expected at least 1, 0 and 1.",
                remedy="Change the settings of the shards stage.",
            )


def build_item(job: Job) -> dict[str, Any]:
    """Write the shards of one corpus and split.

    Parameters
    ----------
    job : Job
        `files` holds for each of `cut.ROLES` a dictionary {stimulus: Path}; empty ones make an empty split, which
        has an index too. `values`: `licence` (the corpus's Licence as a dictionary), `split` (where absent, the
        item's name), `settings` (what the earlier stages were asked for, copied into the index; its `anchor` says
        which log-mel steps belong to a frame, its `waveform_rate_hz`, where above 0, that `files` holds waveforms).
        `params` are those of `ShardSettings`.

    Returns
    -------
    dict
        The totals of the index.

    Raises
    ------
    ExportError
        If a stimulus belongs to another split, or its files are of different builds.
    UsageError
        If the format is unknown, or a setting impossible.
    """
    own = {name: value for name, value in job.params.items() if name != "settings"}
    settings = ShardSettings(**own)
    upstream = {**job.params.get("settings", {}), **job.values.get("settings", {})}
    split, licence = job.values.get("split", job.name), dict(job.values["licence"])
    samples = _samples(job, split, settings, upstream)
    shards = list(_write_shards(job.out, f"{job.corpus}-{split}", samples, settings))
    index = {
        "schema_version": SCHEMA_VERSION,
        "format": settings.format,
        "corpus": job.corpus,
        "split": split,
        "settings": {**upstream, **asdict(settings)},
        "licence": licence,
        "shards": shards,
        "totals": totals(shards),
    }
    write_json(job.out / INDEX_NAME, index)
    write_json(job.out / SCHEMA_NAME, sample_schema(settings.format))
    (job.out / LICENCE_NAME).write_text(licence_page([licence]), encoding="utf-8")
    return dict(index["totals"])


def _samples(job: Job, split: str, settings: ShardSettings, upstream: Mapping[str, Any]) -> Iterator[Sample]:
    """All samples of the split, stimulus after stimulus."""
    rate_hz = upstream.get("waveform_rate_hz", 0)
    roles = (*ROLES, *(OPTIONAL if rate_hz else ()))
    for stimulus in sorted(job.files["stimulus"]):
        files = StimulusFiles({role: job.files[role][stimulus] for role in roles}, rate_hz)
        row = files.stimulus
        if (row["corpus"], row["split"]) != (job.corpus, split):
            raise ExportError(
                f"{stimulus}: belongs to {row['corpus']}/{row['split']}. Expected {job.corpus}/{split}.",
                remedy="Check the split in manifests/stimuli.csv and build again.",
            )
        yield from files.samples(
            segment_frames=settings.segment_frames,
            lead_in_frames=settings.lead_in_frames,
            anchor=upstream.get("anchor", "start"),
        )


def _write_shards(out: Path, stem: str, samples: Iterator[Sample], settings: ShardSettings) -> Iterator[dict[str, Any]]:
    """Write shard after shard; yield what the index says about each."""
    module = formats.get(settings.format)
    for number, first in enumerate(samples):
        path = out / f"{stem}-{number:05d}{module.SUFFIX}"
        rows = []
        with module.Writer(path) as writer:
            for sample in chain([first], islice(samples, settings.samples_per_shard - 1)):
                rows.append({**_index_row(sample), **writer.add(sample)})
        yield {"file": path.name, "bytes": path.stat().st_size, "sha256": sha256_of(path), "samples": rows}


def _index_row(sample: Sample) -> dict[str, Any]:
    facts = sample.head.facts
    row = {
        name: getattr(facts, name) for name in ("key", "stimulus", "category", "first_frame", "n_lead_in", "n_targets")
    }
    return {**row, "n_fixations": len(sample.head.fixations)}
