"""What the shards of an export were made from: provenance.json, and where a store's exports are.

Conventions
-----------
`provenance.json` is `{schema_version, shards, items}`. `shards` gives for each shard file the item it belongs to.
`items` holds every item on the way from there to the raw files, by its place in the store
(`density/sigma=1.0dva-32x40-00a1ca/diem/<name>`): `fingerprint, version, params, inputs, outputs` and `made_with`
(library versions) as in the item's record, and `made_from`, the places of the items it read. What `fetch` put out are
the raw files themselves, each with its size in bytes and its SHA-256. No clock is in it: the same store gives the same
bytes.

A store remembers its exports in STORE/exports.json; one inside the store is remembered relative to it, and so moves
with it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import ExportError
from pipeline.export.index import INDEX_NAME, LICENCE_NAME, SCHEMA_NAME, load_index
from pipeline.store.disk import fsync_folder, replace_json
from pipeline.store.items import ItemRecord
from pipeline.store.places import inside, is_remote

SCHEMA_VERSION = 1
PROVENANCE_NAME = "provenance.json"
EXPORTS_NAME = "exports.json"
_TOLD = ("fingerprint", "version", "params", "inputs", "outputs", "made_with")
_BESIDE_SHARDS = (INDEX_NAME, LICENCE_NAME, SCHEMA_NAME)


@dataclass(frozen=True)
class Made:
    """An item's record, and the places of the items it was made from."""

    record: ItemRecord
    made_from: tuple[str, ...]


def compose(roots: Iterable[str], made: Mapping[str, Made]) -> dict[str, Any]:
    """Put together what goes into provenance.json.

    Parameters
    ----------
    roots : iterable of str
        Places of the shards items.
    made : mapping of str to Made
        By place: the shards items and everything they were made from.
    """
    items = {}
    for place, item in sorted(made.items()):
        record = item.record.to_json()
        items[place] = {**{name: record[name] for name in _TOLD}, "made_from": list(item.made_from)}
    files = {output: place for place in sorted(roots) for output in made[place].record.outputs}
    shards = {file: place for file, place in files.items() if file not in _BESIDE_SHARDS}
    return {"schema_version": SCHEMA_VERSION, "shards": shards, "items": items}


def write(folder: Path, provenance: Mapping[str, Any]) -> None:
    """Write provenance.json in one rename, one line an item: there are eight for every stimulus."""
    rows = [f"{_text(place)}: {_text(item)}" for place, item in provenance["items"].items()]
    head = _text({name: value for name, value in provenance.items() if name != "items"}).removesuffix("}")
    draft = folder / f".{PROVENANCE_NAME}.part"
    draft.write_text(f'{head}, "items": {{\n' + ",\n".join(rows) + "\n}}\n", encoding="utf-8")
    os.replace(draft, folder / PROVENANCE_NAME)


def load(folder: Path) -> dict[str, Any] | None:
    """The provenance of an export; None where the folder holds none.

    Raises
    ------
    ExportError
        If it cannot be read: then nobody knows what this export was made from.
    """
    path = folder / PROVENANCE_NAME
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["schema_version"] == SCHEMA_VERSION and found["items"].keys() >= set(found["shards"].values()):
            return dict(found)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(path, str(error)) from error
    raise _unreadable(path, f"schema version {found['schema_version']}, expected {SCHEMA_VERSION}, with every item")


def origin(folder: Path, sample: str) -> dict[str, Any]:
    """What one sample was made from, down to the raw files, told from the export alone.

    Parameters
    ----------
    folder : Path
        The export.
    sample : str
        The sample's key, e.g. "coutrot1--clip_1--000000".

    Returns
    -------
    dict
        `shard` and `stimulus`; `items`, every item on the way by its place, as in provenance.json; `sources`,
        {corpus/path in RAW: [bytes, sha256]}.

    Raises
    ------
    ExportError
        If the export holds no such sample, or no provenance.
    """
    shards = (shard for item in load_index(folder)["items"] for shard in item["shards"])
    found = next(((shard["file"], row) for shard in shards for row in shard["samples"] if row["key"] == sample), None)
    provenance = load(folder)
    if found is None or provenance is None:
        lacks = "no provenance.json" if provenance is None else f"no sample {sample!r}"
        raise ExportError(f"{folder}: holds {lacks}.", remedy="index.json lists the samples; `ave export` writes both.")
    shard, stimulus = found[0], found[1]["stimulus"]
    items, root = provenance["items"], provenance["shards"][shard]
    chosen = {root: items[root]}
    waiting = [place for place in items[root]["made_from"] if place.split("/", 2)[2] == stimulus]
    while waiting:
        place = waiting.pop()
        chosen[place] = items[place]
        waiting += [earlier for earlier in items[place]["made_from"] if earlier not in chosen]
    sources = {
        f"{place.split('/')[2]}/{path}": measured
        for place, item in chosen.items()
        if place.startswith("fetch/")
        for path, measured in item["outputs"].items()
    }
    return {"shard": shard, "stimulus": stimulus, "items": chosen, "sources": dict(sorted(sources.items()))}


def remember(store: Path, folder: Path) -> None:
    """Let a store know of an export, before its first file is there."""
    place = folder.resolve()
    is_inside = not is_remote(store) and place.is_relative_to(store.resolve())
    word = place.relative_to(store.resolve()).as_posix() if is_inside else str(place)
    known = _remembered(store)
    if word not in known:
        replace_json(store / EXPORTS_NAME, sorted([*known, word]))
        fsync_folder(store)


def known_exports(store: Path) -> list[Path]:
    """Every folder that an export of this store was written to, and those in STORE/export that came there otherwise."""
    there = [] if is_remote(store) else store.glob(f"export/*/{PROVENANCE_NAME}")  # none are ever on S3
    words = {path.parent.relative_to(store).as_posix() for path in there}
    return [inside(store, word) for word in sorted(words.union(_remembered(store)))]


def _remembered(store: Path) -> list[str]:
    path = store / EXPORTS_NAME
    try:
        return list(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        remedy = "Mend it (a JSON list of folders), or delete it and run `ave export` again for every export you keep."
        raise ExportError(f"{path}: cannot be read ({error}).", remedy=remedy, code="provenance") from error


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _unreadable(path: Path, problem: str) -> ExportError:
    return ExportError(
        f"{path}: cannot be read ({problem}), so nobody knows what that export was made from.",
        remedy="Run `ave export` again with the same --out, or delete the folder if you no longer need it.",
        code="provenance",
    )
