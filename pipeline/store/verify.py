"""Hash what is published again: the only way to see a flipped bit."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.store.fingerprint import sha256_of
from pipeline.store.folders import StageFolder
from pipeline.store.items import RECORD_NAME


def verify_store(folders: Iterable[tuple[str, StageFolder]]) -> tuple[list[str], int]:
    """Compare every output with its recorded SHA-256.

    A damaged item loses its record, so the next build makes it again; nothing else is touched.

    Returns
    -------
    damaged : list of str
        One line a damaged file: stage, corpus, item, file and what is wrong.
    n_files : int
        How many files were hashed.
    """
    damaged, n_files = [], 0
    for title, folder in folders:
        lost = []
        for record in folder.known_records():
            name = record.item.split("/", 1)[1]
            for output, (_size, sha) in record.outputs.items():
                path = record.path(folder.item_folder(name), output)
                n_files += 1
                found = sha256_of(path) if path.is_file() else "no file"
                if found != sha:
                    damaged.append(f"{title}: {path}: sha256 {sha[:12]}… was recorded, found {found[:12]}")
                    lost.append(name)
        for name in dict.fromkeys(lost):
            (folder.item_folder(name) / RECORD_NAME).unlink(missing_ok=True)
        folder.forget(lost)
    return damaged, n_files
