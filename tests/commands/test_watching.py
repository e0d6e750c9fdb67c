"""`ave status --watch`, as it is run in another terminal: a build followed to its end, one that is killed, and none."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import settings as settings_file
from pipeline.cli import main
from pipeline.settings import Settings
from pipeline.store.buildlog import LogReader, log_paths
from tests.recipe import tiny
from tests.store import toy_build

ROOT = Path(__file__).resolve().parents[2]
AVE = [sys.executable, "-m", "pipeline.cli"]


@pytest.fixture
def build(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A toy build that is at its last item."""
    process = toy_build.start(tmp_path / "store")
    yield process
    process.kill()
    process.wait()


def watch(store: Path, *words: str) -> subprocess.Popen[str]:
    command = [*AVE, "status", "--watch", "--store", str(store), "--interval", "0.05", *words]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def rows_of(watcher: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert watcher.stdout is not None
    return (json.loads(line) for line in watcher.stdout)


def test_a_build_is_followed_to_its_end(build, tmp_path):
    watcher = watch(tmp_path / "store", "--json")
    rows = rows_of(watcher)
    first = next(rows)
    assert (first["state"], first["pid"], first["executor"], first["items"]) == ("at work", build.pid, "serial", 3)
    assert [tally["stage"] for tally in first["ended"]] == ["fetch"]
    assert first["failures"] == [{"stage": "density", "item": "diem/b", "error": "half of it\nis missing"}]
    assert first["slowest"][0] == {"stage": "density", "item": "diem/a", "seconds": 2.5}
    (tmp_path / "store" / "go").touch()
    *_, last = rows
    assert (last["state"], last["now"], last["failed"]) == ("failed", None, 1)
    assert [(tally["stage"], tally["done"], tally["kept"]) for tally in last["ended"]] == [
        ("fetch", 1, 0),
        ("density", 3, 4),
    ]
    assert watcher.wait() == 1


def test_without_a_terminal_the_same_is_said_in_lines(build, tmp_path):
    watcher = watch(tmp_path / "store")
    assert watcher.stdout is not None
    lines = [watcher.stdout.readline() for _ in range(4)]
    assert lines[0].startswith(f"{tmp_path / 'store'}: built by pid {build.pid} on ")
    assert lines[0].endswith("(executor serial); at most 3 items to make\n")
    assert lines[1] == "fetch      diem      1 made in 0.0 s\n"
    assert "waiting for somebody\n" in lines[2:] or lines[2].startswith("density    diem      2 of 3")
    (tmp_path / "store" / "go").touch()
    said = watcher.stdout.read()
    assert "density    diem      2 made, 4 kept, 1 failed in " in said
    assert "failed, 3 made, 1 failed in 0:0" in said
    assert "; the next build goes on from there\n" in said
    assert "\n  density diem/b: half of it is missing\n" in said
    assert "\n       2.5 s  density diem/a\n" in said
    assert watcher.wait() == 1


def test_a_killed_build_is_noticed(build, tmp_path):
    watcher = watch(tmp_path / "store", "--json")
    rows = rows_of(watcher)
    assert next(rows)["state"] == "at work"
    build.kill()
    *_, last = rows
    assert last["state"] == "ended without a word"
    assert watcher.wait() == 1


def test_where_none_is_at_work_the_last_one_is_told_of_at_once(build, tmp_path, capsys):
    build.kill()
    build.wait()
    words = ["status", "--watch", "--store", str(tmp_path / "store")]
    assert main(words) == 1
    said = capsys.readouterr().out
    assert said.startswith("no build is at work here; the last one was last heard of ")
    assert "ended without a word in density diem (killed, " in said
    assert "the next build goes on" in said
    assert main([*words, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["state"] == "ended without a word"


def test_where_none_has_ever_built_it_says_so(tmp_path, capsys):
    words = ["status", "--watch", "--store", str(tmp_path)]
    assert main(words) == 2
    assert "is not a store yet" in capsys.readouterr().err
    settings_file.save(Settings(), tmp_path)
    assert main(words) == 1
    assert capsys.readouterr().out == "no build is at work here, and none has left a log.\n"
    assert main([*words, "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {"state": "none"}


def test_an_interval_of_nothing_is_wrong_usage(tmp_path, capsys):
    assert main(["status", "--watch", "--interval", "0", "--store", str(tmp_path)]) == 2
    assert "expected seconds above 0" in capsys.readouterr().err


def test_a_real_build_is_followed_and_its_numbers_are_those_of_its_log(tmp_path):
    tiny.write(tmp_path)
    store = tmp_path / "store"
    words = ["--store", str(store), "--raw", str(tmp_path / "raw"), "--manifests", str(tmp_path / "manifests")]
    building = subprocess.Popen(
        [*AVE, "build", *words, "--accept", "coutrot1", "diem", "--executor", "serial"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while building.poll() is None and not any(LogReader(path).read() for path in log_paths(store)):
        time.sleep(0.01)
    watcher = watch(store, "--json")
    *_, last = rows_of(watcher)
    said, _ = building.communicate()
    assert building.returncode == 0, said
    assert (watcher.wait(), last["state"], last["failures"]) == (0, "done", [])
    (log,) = log_paths(store)
    events = LogReader(log).read()
    items = [event for event in events if event["event"] == "item"]
    assert sum(tally["done"] for tally in last["ended"]) == len(items) > 10
    assert sum(tally["bytes"] for tally in last["ended"]) == sum(event["bytes"] for event in items)
    assert last["slowest"][0]["seconds"] == max(event["seconds"] for event in items)
    assert last["ended"][-1]["build_done"] == last["ended"][-1]["build_total"] == len(items)
    for tally in last["ended"]:
        assert f"{tally['stage']:<11}{tally['corpus']:<10}{tally['done']} made" in said
