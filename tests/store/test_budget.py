"""Where a build's time went: what an item costs, what the log keeps of it, and the table that is made from it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.cli import main
from pipeline.store import buildlog
from pipeline.store.budget import StageBudget, in_words, stage_budgets
from pipeline.store.cost import Cost, spent
from pipeline.store.progress import Progress

SPIN = "import time\nend = time.process_time() + {}\nwhile time.process_time() < end: pass"


def item(stage: str, name: str, seconds: float, cpu_s: float, tools_s: float, n_bytes: int = 0) -> buildlog.Event:
    """One item's line of a log."""
    times = {"seconds": seconds, "cpu_s": cpu_s, "tools_cpu_s": tools_s}
    return {"event": "item", "stage": stage, "item": name, "bytes": n_bytes, "error": "", **times}


def stage(name: str, corpus: str, seconds: float) -> buildlog.Event:
    """The line that ends a stage of one corpus."""
    return {"event": "stage", "stage": name, "corpus": corpus, "seconds": seconds, "done": 1, "failed": 0, "kept": 0}


def test_a_program_that_was_run_counts_beside_what_this_process_did():
    before = spent()
    subprocess.run([sys.executable, "-c", SPIN.format(0.3)], check=True)
    end = time.process_time() + 0.05
    while time.process_time() < end:
        pass
    cost = spent().since(before)
    assert cost.tools_s >= 0.3
    assert 0.05 <= cost.own_s < cost.tools_s


def test_stages_add_up_over_corpora_and_what_made_nothing_is_left_out():
    events = [
        {"event": "begin"},
        item("frames", "diem/a", 2.0, 0.5, 1.5, 1_000_000),
        item("frames", "diem/b", 3.0, 0.5, 2.5, 2_000_000),
        stage("frames", "diem", 4.0),
        stage("curate", "diem", 0.0),
        item("frames", "coutrot1/c", 1.0, 0.25, 0.5),
        item("frames", "coutrot1/broken", 0.0, 0.0, 0.0) | {"error": "cut short"},
        item("card", "all/card", 0.0, 0.0, 0.0) | {"error": "nothing published"},
        stage("frames", "coutrot1", 1.0),
    ]
    assert stage_budgets(events) == [
        StageBudget("frames", items=3, wall_s=5.0, own_s=1.25, tools_s=4.5, bytes=3_000_000)
    ]


def test_the_table_tells_shares_processor_time_a_frame_and_what_lies_between():
    frames = StageBudget("frames", 2, wall_s=6.0, own_s=1.0, tools_s=7.0, bytes=5_000_000)
    budgets = [frames, StageBudget("card", 1, 2.0)]
    lines = in_words(budgets, total_s=10.0, main_cpu_s=0.5, n_frames=4000).splitlines()
    assert lines[0].startswith("10.0 s in all, 4,000 frames")
    assert lines[2].split() == ["frames", "2", "6.0", "60", "1.0", "7.0", "2.000", "5.0"]
    assert lines[4].split() == ["all", "stages", "3", "8.0", "80", "1.0", "7.0", "2.000", "5.0"]
    assert lines[5].split()[:4] == ["between", "them", "2.0", "20"]
    assert lines[6] == "this process took 0.5 processor seconds"


def test_without_frames_nothing_is_divided_by_them():
    lines = in_words([StageBudget("fetch", 1, wall_s=1.0)], 1.0, 0.1, n_frames=0).splitlines()
    assert "frames" not in lines[0]
    assert lines[2].split() == ["fetch", "1", "1.0", "100", "0.0", "0.0", "0.0"]


def test_a_log_keeps_what_an_item_cost_and_how_long_a_stage_took(tmp_path: Path):
    log = tmp_path / "build.jsonl"
    progress = Progress(log, tick_s=None)
    with progress.stage("frames", "diem", n_items=1, n_kept=0) as bar:
        bar.item("diem/a", seconds=1.5, n_bytes=7, cost=Cost(0.25, 1.0))
    progress.close()
    (found,) = stage_budgets(buildlog.LogReader(log).read())
    assert (found.own_s, found.tools_s, found.bytes) == (0.25, 1.0, 7)
    assert found.wall_s >= 0


@pytest.mark.parametrize("executor", ["serial", "pool:2"])
def test_a_build_says_where_its_time_went_and_one_that_ran_nothing_says_so(
    mini_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture, executor: str
):
    words = ["build", "--store", str(tmp_path / "store"), "--profile", "--executor", executor]
    where = ["--raw", str(mini_world / "releases"), "--manifests", str(mini_world / "manifests"), "--partial"]
    assert main([*words, *where, "--accept", "coutrot1", "--corpus", "coutrot1"]) == 0
    rows = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines() if line}
    assert float(rows["frames"][5]) > 0, "ffmpeg's own seconds"
    assert {"fetch", "unpack", "curate", "logmel", "density", "publish", "between"} <= set(rows)
    assert main(words) == 0
    assert "nothing ran" in capsys.readouterr().out
