"""How long a build takes that has nothing to do, beside the limit: a stat of every output.

    python -m benchmarks.noop --stimuli 151 [--store DIR]

Makes a store of N copies of one short miniature stimulus (kept in DIR for the next run), then times `ave build` as
a whole process, the interpreter's start included, in turn with the limit.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pipeline import mini
from pipeline.cli import main as ave
from pipeline.ingest.unpack import Limits, extract

MODEL = "clock_workshop_320x240"
ROUNDS = 5


def main() -> None:
    """Make the store if it is not there, then measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stimuli", type=int, default=151)
    parser.add_argument("--store", type=Path, default=Path(tempfile.gettempdir()) / "ave-noop")
    arguments = parser.parse_args()
    home = arguments.store / str(arguments.stimuli)
    store = home / "store"
    started = time.perf_counter()
    if not (store / "corpus" / "stimuli.parquet").is_file():
        prepare(home, arguments.stimuli)
        options = ["--raw", str(home / "raw"), "--manifests", str(home / "manifests"), "--corpus", "diem"]
        assert ave(["build", "--store", str(store), *options]) == 0
        print(f"fresh build of {arguments.stimuli} stimuli: {time.perf_counter() - started:.1f} s")
    outputs = [str(path) for path in (store / "stages").rglob("*") if path.is_file()]
    ours, limit = [], []
    for _ in range(ROUNDS):
        ours.append(seconds(lambda: subprocess.run(_build(store), check=True, stdout=subprocess.DEVNULL)))
        limit.append(seconds(lambda: [os.stat(path) for path in outputs]))
    print(f"no-op build, {arguments.stimuli} stimuli, {len(outputs)} files; median (least to most) of {ROUNDS}")
    print(f"  ours, whole process   {_summary(ours)}")
    print(f"  stat of every output  {_summary(limit)}")
    print(f"  ratio                 {statistics.median(ours) / statistics.median(limit):.0f}")


def prepare(home: Path, n_stimuli: int) -> None:
    """RAW and manifests with `n_stimuli` copies (hard links) of one short stimulus, all in the train split."""
    shutil.rmtree(home, ignore_errors=True)
    small = mini.make(home / "mini", scale=0.3)
    extract(small.releases / "diem" / f"{MODEL}.7z", home / "model", limits=Limits())
    shutil.copytree(small.manifests, home / "manifests")
    names = [f"copy{number:05d}_320x240" for number in range(n_stimuli)]
    for name in names:
        for path in sorted((home / "model").rglob("*.*")):
            target = (
                home / "raw" / "diem" / name / path.relative_to(home / "model").parent / path.name.replace(MODEL, name)
            )
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, target)
    _repeat(home / "manifests" / "stimuli.csv", names, {"split": "train", "split_sheet": "train"}, also="ave_name")
    _repeat(home / "manifests" / "diem_videos.csv", names, {})


def _repeat(table: Path, names: list[str], cells: dict[str, str], also: str = "name") -> None:
    """Replace a table's rows by copies of the model stimulus's row, one a name."""
    with open(table, encoding="utf-8", newline="") as file:
        model = next(row for row in csv.DictReader(file) if row["name"] == MODEL)
    with open(table, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(model), lineterminator="\n")
        writer.writeheader()
        writer.writerows({**model, **cells, "name": name, also: name} for name in names)


def seconds(action: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def _build(store: Path) -> list[str]:
    return [sys.executable, "-m", "pipeline.cli", "build", "--store", str(store)]


def _summary(values: list[float]) -> str:
    return f"{statistics.median(values):.3f} s ({min(values):.3f} to {max(values):.3f})"


if __name__ == "__main__":
    main()
