"""Hash what is published again: the only way to see a flipped bit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.store.disk import replace_json
from pipeline.store.fingerprint import sha256_of
from pipeline.store.folders import StageFolder
from pipeline.store.items import RECORD_NAME, ItemRecord


@dataclass(frozen=True)
class Damaged:
    """An item one of whose outputs is not what its record says."""

    folder: StageFolder
    name: str


def verify_store(folders: Iterable[tuple[str, StageFolder]]) -> tuple[list[str], list[Damaged], int]:
    """Compare every output with its recorded SHA-256; changes nothing, see `note_down`.

    Returns
    -------
    lines : list of str
        One line a damaged file: stage, corpus, item, file and what is wrong.
    damaged : list of Damaged
        The items they belong to.
    n_files : int
        How many files were hashed.
    """
    lines: list[str] = []
    damaged: list[Damaged] = []
    n_files = 0
    for title, folder in folders:
        for record in folder.known_records():
            n_files += len(record.outputs)
            differing = _differing(folder, record)
            lines += [
                f"{title}: {record.path(folder.item_folder(record.name), file)}: {what}" for file, what in differing
            ]
            if differing:
                damaged.append(Damaged(folder, record.name))
    return lines, damaged, n_files


def note_down(damaged: Iterable[Damaged]) -> None:
    """Tell the records of damaged items what is wrong, so that the next build makes them again and can say why.

    Needs the lock of the whole store: a build holds records in memory and would write over what is noted beside it.
    The items are hashed once more, because one may have been made anew before the lock was had, by the same record.
    """
    for item in damaged:
        record = item.folder.record(item.name)
        if record is None:
            continue
        for file, what in _differing(item.folder, record)[:1]:
            # newer than the stage record, so this is the one that is read
            beside = item.folder.item_folder(item.name) / RECORD_NAME
            replace_json(beside, {**record.to_json(), "damaged": f"output {file} is damaged: {what}"})


def _differing(folder: StageFolder, record: ItemRecord) -> list[tuple[str, str]]:
    """Outputs whose bytes are not the recorded ones, each with what is wrong in words."""
    hashes = [
        (file, sha, _digest(record.path(folder.item_folder(record.name), file)))
        for file, (_, sha) in record.outputs.items()
    ]
    return [
        (file, f"sha256 {sha[:12]}… was recorded, found {found[:12]}") for file, sha, found in hashes if found != sha
    ]


def _digest(path: Path) -> str:
    try:
        return sha256_of(path)
    except FileNotFoundError:
        return "no file"
