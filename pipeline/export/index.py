"""What lies beside the shards: index.json, schema.json and LICENCE.md.

Conventions
-----------
An *item* is one (corpus, split) of one format, as the shards stage writes it. Its `index.json` is
`{schema_version, format, corpus, split, settings, licence, shards, totals}`; an export's `index.json` is
`{schema_version, format, items: [the same without the first two], totals}`. A shard is
`{file, bytes, sha256, samples}`, its file name relative to the index, its samples in the order of the file.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import ExportError
from pipeline.export import formats
from pipeline.export.sample import ARRAYS, FACTS, FIXATION_DTYPE

SCHEMA_VERSION = 2
INDEX_NAME = "index.json"
SCHEMA_NAME = "schema.json"
LICENCE_NAME = "LICENCE.md"

_COUNTED = ("shards", "bytes", "stimuli", "samples", "target_frames", "stored_frames", "fixations")


def totals(shards: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Count what the shards hold; `categories` counts stimuli."""
    count: Counter[str] = Counter(dict.fromkeys(_COUNTED, 0))
    category_of = {}
    for shard in shards:
        count.update(shards=1, bytes=shard["bytes"], samples=len(shard["samples"]))
        for row in shard["samples"]:
            category_of[row["stimulus"]] = row["category"]
            count.update(
                target_frames=row["n_targets"],
                stored_frames=row["n_lead_in"] + row["n_targets"],
                fixations=row["n_fixations"],
            )
    count["stimuli"] = len(category_of)
    return {**count, "categories": dict(sorted(Counter(category_of.values()).items()))}


def sample_schema(format_name: str) -> dict[str, Any]:
    """What a sample holds, field by field, and where the format keeps it."""
    arrays = {
        name: {"dtype": dtype, "shape": shape, "meaning": meaning} for name, (dtype, shape, meaning) in ARRAYS.items()
    }
    return {
        "schema_version": SCHEMA_VERSION,
        "format": format_name,
        "layout": formats.get(format_name).LAYOUT,
        "facts": FACTS,
        "arrays": arrays,
        "fixation_fields": {name: FIXATION_DTYPE[name].name for name in FIXATION_DTYPE.names or ()},
        "jpeg": "one JPEG per stored frame, exactly as the frames stage encoded it",
    }


def licence_page(licences: Iterable[Mapping[str, Any]]) -> str:
    """LICENCE.md: terms and citation of every corpus inside."""
    sections = [
        f"## {row['corpus']}: {row['title']}\n\n"
        f"* Licence: {row['licence']}\n* Terms: {row['terms']}\n* Home page: {row['homepage']}\n\n"
        f"Please cite:\n\n> {row['citation']}\n"
        for row in licences
    ]
    return "# Licence\n\nThese files hold material of others; their terms go with it.\n\n" + "\n".join(sections)


def write_json(path: Path, data: Any) -> None:
    """Write JSON in one rename: a reader sees the old file or the new one."""
    draft = path.with_name(f".{path.name}.part")
    draft.write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    os.replace(draft, path)


def load_index(path: Path) -> dict[str, Any]:
    """Read an index of either kind, always in the form of an export's.

    Parameters
    ----------
    path : Path
        A folder that holds an index.json, or the index.json itself.

    Raises
    ------
    ExportError
        If there is none, or it is not an index of ours, or of a schema that this version cannot read.
    """
    path = path / INDEX_NAME if path.is_dir() else path
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ExportError(f"{path}: no such file.", remedy="Make shards with `ave export --out DIR`.") from None
    except (OSError, ValueError) as error:
        raise ExportError(f"{path}: not readable as JSON ({error}).", remedy="Export again.") from error
    if not isinstance(index, dict) or "schema_version" not in index or "format" not in index:
        raise ExportError(f"{path}: not an index of shards.", remedy="Give a folder that `ave export` wrote.")
    if index["schema_version"] != SCHEMA_VERSION:
        raise ExportError(
            f"{path}: schema version {index['schema_version']}. Expected {SCHEMA_VERSION}.",
            remedy="Export again with this version of the program.",
        )
    if "items" not in index:
        own = ("schema_version", "format")
        index = {**{key: index[key] for key in own}, "items": [{k: v for k, v in index.items() if k not in own}]}
    if any(part not in item for item in index["items"] for part in ("corpus", "split", "licence", "shards")):
        raise ExportError(f"{path}: lacks parts of an index of shards.", remedy="Export again.")
    formats.get(index["format"])
    return index
