"""Bring the shards of all corpora and splits into one folder, and check such a folder.

Conventions
-----------
The folder is flat: shards are named after their corpus and split, so names never clash. Files arrive under a
temporary name and are renamed; the index comes last. Only what an earlier index lists is ever removed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import ExportError, UsageError
from pipeline.export import croissant
from pipeline.export import provenance as provenance_file
from pipeline.export.index import (
    INDEX_NAME,
    LICENCE_NAME,
    SCHEMA_NAME,
    SCHEMA_VERSION,
    licence_page,
    load_index,
    sample_schema,
    totals,
    write_json,
)
from pipeline.export.reader import Shard, broken_shard, check_size
from pipeline.store.fingerprint import sha256_of


def materialise(
    items: Mapping[tuple[str, str], Path], out: Path, provenance: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Make `out` an export of these items; running it again changes nothing.

    Shards are hard links to the store where the file system allows it, copies elsewhere. A file that is
    already in place is left alone, and shards of an earlier export that are no longer wanted are removed.

    Parameters
    ----------
    items : mapping of (corpus, split) to Path
        Folders that `shards.build_item` wrote, all of one format.
    out : Path
        The export's folder, made where absent.
    provenance : mapping, optional
        What the items were made from (see `provenance.compose`), written as provenance.json. Without it the
        export has none, and that of an earlier export is removed: it would speak of other shards.

    Returns
    -------
    dict
        The totals over all items (`samples`, `shards`, `bytes` …), `format`, `folder`, `removed` (names of
        stale shards), and how many files were `linked`, `copied` or `kept`.

    Raises
    ------
    ExportError
        If `out` holds an index.json of somebody else, or an item is damaged.
    UsageError
        If there are no items, or they are of different formats.
    """
    parts = {key: load_index(Path(folder)) for key, folder in sorted(items.items())}
    formats = sorted({index["format"] for index in parts.values()})
    if len(formats) != 1:
        raise UsageError(
            f"{out}: an export has one format, got {', '.join(formats) or 'no shards at all'}.",
            remedy="Build the shards of one format first: ave export --format wds --out DIR.",
        )
    earlier = _listed(out)
    out.mkdir(parents=True, exist_ok=True)
    index_items = [index["items"][0] for index in parts.values()]
    how = {"linked": 0, "copied": 0, "kept": 0}
    for key, index in parts.items():
        for row in index["items"][0]["shards"]:
            how[_place(Shard(Path(items[key]) / row["file"], formats[0], row["bytes"], row["sha256"]), out)] += 1
    wanted = {row["file"] for item in index_items for row in item["shards"]}
    # Stale files go before the index that names them does: after a kill in between, the next run still knows them.
    removed = sorted(earlier - wanted)
    for name in removed:
        (out / name).unlink(missing_ok=True)
    licences = {item["corpus"]: item["licence"] for item in index_items}
    (out / LICENCE_NAME).write_text(licence_page(licences.values()), encoding="utf-8")
    write_json(out / SCHEMA_NAME, sample_schema(formats[0]))
    if provenance is None:
        (out / provenance_file.PROVENANCE_NAME).unlink(missing_ok=True)
    else:
        provenance_file.write(out, provenance)
    overall = totals(row for item in index_items for row in item["shards"])
    index = {"schema_version": SCHEMA_VERSION, "format": formats[0], "items": index_items, "totals": overall}
    write_json(out / croissant.CROISSANT_NAME, croissant.document(index, out))
    write_json(out / INDEX_NAME, index)
    return {"format": formats[0], "folder": str(out), "removed": removed, **how, **overall}


def verify_export(folder: Path) -> dict[str, Any]:
    """Hash every shard of an export or an item against its index.

    Returns
    -------
    dict
        `shards` and `bytes` that were hashed.

    Raises
    ------
    ExportError
        Naming every file that is absent or differs, with what was expected.
    """
    problems: list[ExportError] = []
    n_shards = n_bytes = 0
    index = load_index(folder)
    folder = folder if folder.is_dir() else folder.parent
    for item in index["items"]:
        for row in item["shards"]:
            shard = Shard(folder / row["file"], index["format"], row["bytes"], row["sha256"])
            try:
                check_size(shard)
                if (found := sha256_of(shard.path)) != shard.sha256:
                    raise broken_shard(shard, f"has sha256 {found}")
            except ExportError as error:
                problems.append(error)
            n_shards, n_bytes = n_shards + 1, n_bytes + shard.bytes
    if problems:
        lines = "\n".join(f"  - {problem.message}" for problem in problems)
        raise ExportError(
            f"{folder}: {len(problems)} of {n_shards} shards are not what the index says.\n{lines}\n",
            remedy="Copy these files again, or run `ave export` again.",
            code="broken-shard",
        )
    return {"shards": n_shards, "bytes": n_bytes}


def _listed(out: Path) -> set[str]:
    """Shards that an earlier export into the same folder wrote."""
    if not (out / INDEX_NAME).exists():
        return set()
    try:
        names = {row["file"] for item in load_index(out)["items"] for row in item["shards"]}
    except ExportError as error:
        raise ExportError(
            f"{out}: holds an {INDEX_NAME} that is not ours to replace ({error.message})",
            remedy="Give another folder with --out.",
        ) from error
    return {name for name in names if name == Path(name).name}  # an index that points elsewhere removes nothing there


def _place(shard: Shard, out: Path) -> str:
    """Bring one shard into the folder; returns how."""
    check_size(shard)
    target = out / shard.path.name
    if target.exists() and (target.samefile(shard.path) or sha256_of(target) == shard.sha256):
        return "kept"
    draft = out / f".{shard.path.name}.part"
    draft.unlink(missing_ok=True)
    try:
        os.link(shard.path, draft)
        how = "linked"
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(shard.path, draft)
        how = "copied"
    os.replace(draft, target)
    return how
