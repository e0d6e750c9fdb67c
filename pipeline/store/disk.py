"""Small files and folders of a store, written so that they survive a power cut whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pipeline.store.leftovers import temporary


def changed_ns(path: Path) -> int | None:
    """When a file was last changed; None where there is none."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None


def read_json(path: Path) -> Any:
    """What a JSON file holds; None where it is absent or torn."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def replace_json(path: Path, data: Any) -> None:
    """Write a JSON file in one rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = temporary(path)
    with open(draft, "w", encoding="utf-8") as file:
        json.dump(data, file, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)


def write_durably(path: Path, text: str) -> None:
    """Write a new file and flush it, and its folder's entry, to the disk."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fsync_folder(path.parent)


def fsync_folder(folder: Path) -> None:
    """Flush a folder's own entries, so that a rename in it survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
