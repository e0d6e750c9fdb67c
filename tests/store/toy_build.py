"""A build of three toy items in a process of its own, for whoever watches one: `python -m tests.store.toy_build STORE`.

It makes one item, fails another, and waits for the file STORE/go before it makes the third and ends.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console

from pipeline import settings as settings_file
from pipeline.settings import Settings
from pipeline.store.buildlog import log_path
from pipeline.store.lock import Locks
from pipeline.store.progress import Progress

ROOT = Path(__file__).resolve().parents[2]


def start(store: Path) -> subprocess.Popen[str]:
    """Start the build, and wait until it has come to its third item."""
    build = subprocess.Popen([sys.executable, "-m", "tests.store.toy_build", str(store)], cwd=ROOT, text=True)
    while build.poll() is None and not (store / "waiting").exists():
        time.sleep(0.01)
    assert build.poll() is None
    return build


def main(store: Path) -> None:
    """Build."""
    store.mkdir(parents=True)
    settings_file.save(Settings(), store)
    with Locks(store) as locks, open(os.devnull, "w") as nowhere:
        locks.take(["diem"])
        progress = Progress(log_path(store), Console(file=nowhere), tick_s=0.02)
        progress.begin(executor="serial", asked={}, plan={("density", "diem"): 3})
        with progress.stage("fetch", "diem", n_items=1, n_kept=0) as stage:
            stage.item("diem/archive", seconds=0.25)
        with progress.stage("density", "diem", n_items=3, n_kept=4) as stage:
            stage.item("diem/a", seconds=2.5, n_bytes=10)
            stage.item("diem/b", error="half of it\nis missing")
            progress.say("waiting for somebody")
            (store / "waiting").touch()
            while not (store / "go").exists():
                time.sleep(0.01)
            stage.item("diem/c", seconds=0.5, n_bytes=20)
        progress.end(n_failed=1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
