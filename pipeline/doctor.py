"""What a machine has and lacks for this pipeline, each lack with the command that mends it."""

from __future__ import annotations

import importlib.util
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from pipeline.store.places import cache_folder, is_remote

INSTALL = 'pip install -c constraints.txt -e ".[dev]"'
_NEEDED: tuple[str, ...] = ("luigi", "ffmpeg-python", "librosa", "numpy", "scipy", "pandas", "pyarrow", "torch")
_NEEDED += ("soxr", "py7zr", "simplejpeg", "safetensors", "matplotlib", "rich", "psutil")
_OPTIONAL = {
    "s3fs": "a store on S3",
    "webdataset": "reading exported tars the way others do (tests only)",
    "datasets": "reading exported Parquet the way Hugging Face users do (tests only)",
}
_REMEDIES = {"s3fs": 'pip install -c constraints.txt -e ".[s3]"', "datasets": "pip install datasets"}
_LOW_DISK_GB = 20


@dataclass(frozen=True)
class Finding:
    """One line of the examination; `needed` findings that are not `ok` make `ave doctor` end with 1."""

    subject: str
    ok: bool
    detail: str
    remedy: str = ""
    needed: bool = True

    def line(self) -> str:
        """The finding as one line for a terminal."""
        mark = "ok" if self.ok else ("MISSING" if self.needed else "absent")
        remedy = f"  → {self.remedy}" if self.remedy and not self.ok else ""
        return f"{mark:<8}{self.subject:<16}{self.detail}{remedy}"


def examine(store: Path) -> list[Finding]:
    """Look at Python, the libraries, ffmpeg, the GPU, the disk and the cores; changes nothing."""
    return [*_python(), *_libraries(), *_ffmpeg(), _gpu(), _disk(store), _cores()]


def _python() -> Iterator[Finding]:
    version = platform.python_version_tuple()
    ok = (int(version[0]), int(version[1])) >= (3, 10)
    yield Finding("python", ok, platform.python_version(), "install Python 3.10 or newer (3.11 is what we run on)")


def _libraries() -> Iterator[Finding]:
    for name in (*_NEEDED, *_OPTIONAL):
        needed = name in _NEEDED
        try:
            yield Finding(name, True, metadata.version(name), needed=needed)
        except metadata.PackageNotFoundError:
            detail = "not installed" if needed else f"not installed; for {_OPTIONAL[name]}"
            yield Finding(name, False, detail, _REMEDIES.get(name, INSTALL), needed)


def _ffmpeg() -> Iterator[Finding]:
    from pipeline.signals import media

    for tool, facts in media.tool_versions().items():
        if facts["problem"]:
            yield Finding(tool, False, facts["problem"])
        else:
            yield Finding(tool, True, f"{facts['version']}, from {facts['found']}: {facts['path']}")


def _gpu() -> Finding:
    if importlib.util.find_spec("torch") is None:
        return Finding("gpu", False, "torch is not installed", INSTALL, needed=False)
    import torch

    if torch.cuda.is_available():
        return Finding("gpu", True, torch.cuda.get_device_name(), needed=False)
    return Finding("gpu", False, "none: training runs on the CPU", needed=False)


def _disk(store: Path) -> Finding:
    store = cache_folder() if is_remote(store) else store  # what passes through this machine on its way to S3
    existing = next(folder for folder in (store.absolute(), *store.absolute().parents) if folder.exists())
    free_gb = shutil.disk_usage(existing).free / 1e9
    detail = f"{free_gb:.0f} GB free at {existing} (the whole corpus takes about {_LOW_DISK_GB} GB, raw releases apart)"
    return Finding("disk", free_gb > _LOW_DISK_GB, detail, "choose another disk with --store", needed=False)


def _cores() -> Finding:
    from pipeline.store.executors import Pool, make

    executor = make("auto")
    detail = f"auto is pool:{executor.workers}" if isinstance(executor, Pool) else "auto is serial"
    return Finding("executor", True, detail, needed=False)
