"""Run benchmarks and print the target table: `python -m benchmarks [NAME…] [--peer DIR] [--json FILE]`."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

import pipeline.learn.device  # noqa: F401 - as a training or prediction does, before torch makes a tensor
from benchmarks import peers
from benchmarks.harness import Asked, Disagreement, Row, table

# In the order of the target table; each is a module with `rows(asked)`.
NAMES = ("build", "frames", "density", "sound", "clips", "metrics", "models", "train")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what was asked for; 1 if a benchmark did not come to its end, whatever the ratios are."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Ours beside peers and limits.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all without a name")
    parser.add_argument("--peer", type=Path, action="append", default=[], metavar="DIR", help="checkout of public code")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every time, ratio and target there")
    parser.add_argument("--quick", action="store_true", help="less of everything: under three minutes in all")
    parser.add_argument("--rounds", type=int, help="5, or 3 of the quick ones")
    given = parser.parse_args(argv)
    if unknown := sorted(set(given.names) - set(NAMES)):
        alone = "growth and scoring run by themselves: python -m benchmarks.growth"
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)} ({alone})")
    torch.set_num_threads(1)
    if given.rounds is not None and given.rounds < 1:
        parser.error(f"--rounds {given.rounds}: expected 1 or more")
    if given.json and not given.json.absolute().parent.is_dir():
        parser.error(f"--json {given.json}: there is no folder {given.json.absolute().parent}")
    asked = Asked(given.quick, given.rounds or (3 if given.quick else 5), peers.recognise(given.peer))
    machine = facts()
    if absent := [name for name in peers.MARKS if name not in asked.peers]:
        print(f"public code not given, and left out: {', '.join(absent)}", file=sys.stderr)
    print(", ".join(f"{name} {value}" for name, value in machine.items()), flush=True)
    found, unfinished = run(given.names or NAMES, asked)
    print(table(found))
    if given.json:
        result = {"machine": machine, "load_after": os.getloadavg()[0], "rows": [row.as_json() for row in found]}
        given.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return int(bool(unfinished))


def run(names: Sequence[str], asked: Asked) -> tuple[list[Row], list[str]]:
    """All rows of these benchmarks, and which of them did not come to their end; what was measured before stays."""
    found: list[Row] = []
    unfinished: list[str] = []
    for name in names:
        started = time.perf_counter()
        try:
            rows = importlib.import_module(f"benchmarks.{name}").rows  # loads the libraries that are held to one thread
            with threadpool_limits(1, user_api="blas"):
                for row in rows(asked):
                    found.append(row)
        except Disagreement as what:
            print(f"{name}: {what} That input was not timed.", file=sys.stderr)
            unfinished.append(name)
        except (Exception, SystemExit):  # a peer's code may fail in any way, and must not take the other rows with it
            traceback.print_exc()
            print(f"{name}: ended by that; the rows that it had measured are kept.", file=sys.stderr)
            unfinished.append(name)
        print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    return found, unfinished


def facts() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    sys.exit(main())
