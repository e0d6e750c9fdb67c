"""Kill -9 at random moments of a build: the next run ends with what an undisturbed build makes, and repeats nothing.

    AVE_KILLS=50 python -m pytest tests/recipe/test_killed.py -s

More kills than the nine of every run; a third of them hit the serial executor, a third the pool, a third Dask.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from pipeline import settings as settings_file
from pipeline.cli import main
from pipeline.settings import Settings
from pipeline.store.buildlog import LogReader

ROOT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("AVE_KILLS", "9"))
EXECUTORS = ("serial", "pool:2", "dask:2")
LATEST = 0.9  # share of the items after which no kill is aimed: it could come too late to hit anything
GRACE_S = 20.0  # for what was orphaned to notice that its reader is gone


@dataclass(frozen=True)
class Moment:
    """When to kill: after this share of all items is finished, and then this much later."""

    executor: str
    share: float
    delay_s: float

    def __str__(self) -> str:
        return f"{self.executor} after {self.share:.0%} of the items and {1000 * self.delay_s:.0f} ms"


def moments(n_kills: int) -> Iterator[Moment]:
    """Random moments, the same at every run, spread so that each part of a build is hit by each executor."""
    dice = random.Random(20)
    for number in range(n_kills):
        part, parts = number // len(EXECUTORS), math.ceil(n_kills / len(EXECUTORS))
        share = LATEST * (part + dice.random()) / parts
        yield Moment(EXECUTORS[number % len(EXECUTORS)], share, dice.uniform(0, 0.1))


@pytest.mark.slow
@pytest.mark.parametrize("moment", [*moments(KILLS)], ids=str)
def test_after_a_kill_the_next_run_ends_with_the_same_digests(
    moment: Moment, built_store: Path, mini_settings: Settings, tmp_path: Path
):
    store, undisturbed = tmp_path / "store", digests(built_store)
    store.mkdir()
    settings_file.save(mini_settings, store)

    kill_a_build(store, moment, n_items=round(moment.share * len(undisturbed)))
    survived, logged = set(digests(store)), items_logged(store)
    in_flight = leftovers(store)
    assert set(logged) <= survived, "an item was reported as finished before it was published"
    assert len(in_flight) <= (1 if moment.executor == "serial" else 2)
    assert not (store / "corpus").exists() or "publish/all/corpus" in survived

    assert main(["build", "--store", str(store), "--executor", moment.executor]) == 0
    assert digests(store) == undisturbed
    assert files(store) == files(built_store)
    assert verified(store) == verified(built_store)
    made_afterwards = items_logged(store)[len(logged) :]
    assert not survived & set(made_afterwards), "an item that had survived was made again"
    assert survived | set(made_afterwards) == set(undisturbed)
    print(f"{moment}: {len(survived)} items survived, {len(in_flight)} in flight made again")  # shown with -s


def kill_a_build(store: Path, moment: Moment, n_items: int) -> None:
    """Start `ave build` as a person does, kill its whole process group at the moment, and see everything end."""
    command = [sys.executable, "-m", "pipeline.cli", "build", "--store", str(store), "--executor", moment.executor]
    output = open(store.parent / "killed.txt", "w")  # noqa: SIM115 - a pipe could fill up and stop the build
    build = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, start_new_session=True)
    while build.poll() is None and (not any(store.glob("logs/*.jsonl")) or len(items_logged(store)) < n_items):
        time.sleep(0.005)
    time.sleep(moment.delay_s)
    family = psutil.Process(build.pid).children(recursive=True)
    os.killpg(build.pid, signal.SIGKILL)
    output.close()
    assert build.wait() == -signal.SIGKILL, (store.parent / "killed.txt").read_text()
    deadline = time.monotonic() + GRACE_S
    while living := [process for process in family if lives(process)]:
        assert time.monotonic() < deadline, f"these outlived the build: {living}"
        time.sleep(0.01)


def lives(process: psutil.Process) -> bool:
    """Whether a process still runs; one that only nobody has waited for does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def digests(store: Path) -> dict[str, dict[str, str]]:
    """SHA-256 of every output of every published item, by stage/corpus/name."""
    found = {}
    for path in store.rglob("record.json"):
        if not any(part.startswith(".") for part in path.relative_to(store).parts):
            record = json.loads(path.read_text(encoding="utf-8"))
            outputs = {name: sha for name, (_, sha) in record["outputs"].items()}
            found[f"{stage_of(store, path)}/{record['item']}"] = outputs
    return found


def stage_of(store: Path, record: Path) -> str:
    """The stage that a record belongs to, told by its place."""
    parts = record.relative_to(store).parts
    return parts[1] if parts[0] == "stages" else {"corpus": "publish", "cards": "card"}[parts[0]]


def items_logged(store: Path) -> list[str]:
    """Every item that the logs report as made, in order, as stage/corpus/name."""
    logs = sorted(store.glob("logs/*.jsonl"), key=os.path.getmtime)
    events = [event for log in logs for event in LogReader(log).read()]  # whole lines alone: a build may be at work
    return [f"{event['stage']}/{event['item']}" for event in events if event["event"] == "item" and not event["error"]]


def verified(store: Path) -> int:
    """Hash every file of a store against its record, and count them."""
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert main(["verify", "--store", str(store), "--json"]) == 0
    return int(json.loads(said.getvalue())["files"])


def leftovers(store: Path) -> list[str]:
    """Half-made and half-removed folders."""
    return [path.name for path in store.rglob(".t*") if path.name.startswith((".tmp-", ".trash-"))]


def files(store: Path) -> set[str]:
    """Every file of a store but its logs, its caches and the mark of the fixture that built it."""
    paths = {path.relative_to(store).as_posix() for path in store.rglob("*") if path.is_file()}
    return {path for path in paths if not path.startswith("logs/") and not path.endswith("/_STAGE.json")} - {"built"}
