"""What lies in the folders that learning reads besides shards, without opening a file: torch-free, for plans.

Conventions
-----------
A folder is known by the names and sizes of its files: a file replaced by another of the very same size goes unnoticed.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.errors import ModelError
from pipeline.store.fingerprint import digest

NOISE = "_background_noise_"  # a folder of Speech Commands that is no word


def still_images(folder: Path) -> dict[str, Any]:
    """The files of a folder of still images in SALICON layout; see `pipeline.learn.stills`.

    Raises
    ------
    ModelError
        If there is none.
    """
    found = [path for kind in ("images", "maps", "fixations") for path in (folder / kind).rglob("*")]
    return _known(folder, found, "still images", "Expected images/, maps/ and fixations/ as SALICON has them.")


def spoken_words(folder: Path) -> dict[str, Any]:
    """The recordings of a folder laid out as Speech Commands: FOLDER/WORD/SPEAKER_nohash_N.wav.

    Raises
    ------
    ModelError
        If there is none.
    """
    found = [path for path in folder.glob("*/*.wav") if path.parent.name != NOISE]
    return _known(folder, found, "spoken words", "Expected a folder a word, as Speech Commands has them.")


def _known(folder: Path, paths: Iterable[Path], what: str, remedy: str) -> dict[str, Any]:
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in paths if path.is_file()}
    if not sizes:
        raise ModelError(f"{folder} holds no {what}.", remedy=remedy, code="nothing-to-learn-from")
    return {"files": len(sizes), "digest": digest(sizes)}
