"""Kill -9 before every single change to the disk, one after another, while an item is replaced and recorded.

Random moments (tests/recipe/test_killed.py) hardly ever hit the instant between two renames; here each is hit once.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.store.fingerprint import sha256_of
from pipeline.store.folders import StageFolder
from pipeline.store.items import ItemTask, execute, read_record
from pipeline.store.leftovers import sweep
from pipeline.store.lock import store_lock

ROOT = Path(__file__).resolve().parents[2]
MOST_STEPS = 80
CHILD = """
import os, signal, sys
from pathlib import Path
from tests.store import toy_stages
from tests.store.test_killed_between_steps import replace_the_item

left = int(sys.argv[2])
def before(event, args):
    global left
    opens_to_write = event == "open" and args[2] & (os.O_WRONLY | os.O_RDWR)
    if opens_to_write or event in ("os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir"):
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
sys.addaudithook(before)
replace_the_item(Path(sys.argv[1]))
"""


def make(store: Path, number: int) -> None:
    """Make the item from a number and write the stage record."""
    folder = StageFolder(store / "stages" / "toy" / "plain" / "corpus")
    task = ItemTask(
        stage="toy",
        item="corpus/a",
        function="tests.store.toy_stages:double",
        folder=folder.item_folder("a"),
        fingerprint=f"made from {number}",
        version=1,
        params={},
        inputs={"number": number},
        files={},
        values={"number": number},
    )
    folder.write([execute(task)], [], {"stage": "toy"})


def replace_the_item(store: Path) -> None:
    """What a build does to the disk when one item of a store has changed."""
    with store_lock(store):
        sweep(store)
        make(store, number=2)


def contents(store: Path) -> dict[str, str]:
    """SHA-256 of every file; the record's own, which holds the seconds it took, by what it says of the outputs."""
    found = {}
    for path in store.rglob("*"):
        if path.is_file() and path.name not in ("record.json", "_STAGE.json"):
            found[path.relative_to(store).as_posix()] = sha256_of(path)
    for record in StageFolder(store / "stages" / "toy" / "plain" / "corpus").known_records():
        found[record.item] = record.fingerprint
    return found


@pytest.mark.slow
def test_a_kill_before_any_change_to_the_disk_leaves_the_old_item_the_new_one_or_none(tmp_path: Path):
    undisturbed = tmp_path / "undisturbed"
    for number in (1, 2):
        make(undisturbed, number)
    seen, step = set(), 0
    while True:
        store = tmp_path / f"store{step}"
        make(store, number=1)
        child = subprocess.run([sys.executable, "-B", "-c", CHILD, str(store), str(step)], cwd=ROOT)
        if child.returncode == 0:
            break
        assert child.returncode == -signal.SIGKILL
        item = store / "stages" / "toy" / "plain" / "corpus" / "a"
        record = read_record(item)
        if record is not None:
            assert record.damage(item) == ""
            assert all(sha256_of(item / name) == sha for name, (_, sha) in record.outputs.items())
            assert StageFolder(item.parent).record("a") == record
        seen.add(record.fingerprint if record else "none")
        replace_the_item(store)
        assert contents(store) == contents(undisturbed), f"after a kill before step {step}"
        step += 1
        assert step < MOST_STEPS
    assert seen == {"made from 1", "none", "made from 2"}
    assert step > 12
