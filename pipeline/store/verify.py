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
    """An item one of whose outputs is not what its record says, and `wrong`, what is wrong with it in words."""

    folder: StageFolder
    record: ItemRecord
    wrong: str


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
            name, wrong = record.item.split("/", 1)[1], ""
            for output, (_size, sha) in record.outputs.items():
                path = record.path(folder.item_folder(name), output)
                n_files += 1
                found = _digest(path)
                if found != sha:
                    what = f"sha256 {sha[:12]}… was recorded, found {found[:12]}"
                    lines.append(f"{title}: {path}: {what}")
                    wrong = wrong or f"output {output} is damaged: {what}"
            if wrong:
                damaged.append(Damaged(folder, record, wrong))
    return lines, damaged, n_files


def note_down(damaged: Iterable[Damaged]) -> None:
    """Tell the records of damaged items what is wrong, so that the next build makes them again and can say why.

    Needs the lock of the whole store: a build holds records in memory and would write over what is noted beside it.
    """
    for item in damaged:
        if item.folder.record(item.record.name) == item.record:  # and not made again since it was hashed
            # newer than the stage record, so this is the one that is read
            file = item.folder.item_folder(item.record.name) / RECORD_NAME
            replace_json(file, {**item.record.to_json(), "damaged": item.wrong})


def _digest(path: Path) -> str:
    try:
        return sha256_of(path)
    except FileNotFoundError:
        return "no file"
