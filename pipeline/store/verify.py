"""Hash what is published again: the only way to see a flipped bit."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pipeline.store.disk import replace_json
from pipeline.store.fingerprint import sha256_of
from pipeline.store.folders import StageFolder
from pipeline.store.items import RECORD_NAME


def verify_store(folders: Iterable[tuple[str, StageFolder]]) -> tuple[list[str], int]:
    """Compare every output with its recorded SHA-256.

    The record of a damaged item is told what is wrong, so the next build makes it again and can say why; nothing
    else is touched.

    Returns
    -------
    damaged : list of str
        One line a damaged file: stage, corpus, item, file and what is wrong.
    n_files : int
        How many files were hashed.
    """
    damaged, n_files = [], 0
    for title, folder in folders:
        for record in folder.known_records():
            name, wrong = record.item.split("/", 1)[1], ""
            for output, (_size, sha) in record.outputs.items():
                path = record.path(folder.item_folder(name), output)
                n_files += 1
                found = _digest(path)
                if found != sha:
                    what = f"sha256 {sha[:12]}… was recorded, found {found[:12]}"
                    damaged.append(f"{title}: {path}: {what}")
                    wrong = wrong or f"output {output} is damaged: {what}"
            if wrong:
                # newer than the stage record, so this is the one that is read
                replace_json(folder.item_folder(name) / RECORD_NAME, {**record.to_json(), "damaged": wrong})
    return damaged, n_files


def _digest(path: Path) -> str:
    try:
        return sha256_of(path)
    except FileNotFoundError:
        return "no file"
