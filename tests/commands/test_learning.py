"""`ave demo --learn`, with world and training taken as done: what it prints and keeps, and when it ends with 1."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline import cli, mini
from pipeline.commands import learning
from pipeline.commands.memory import MemoryPeak
from pipeline.settings import Settings

SCORES = {
    "uniform": 0.0,
    "centre": 0.6,
    "mep": 0.7,
    "audio": 0.8,
    "video": 3.4,
    "av": 6.0,
    "av, sound swapped": 3.6,
    "truth": 6.1,
}


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """Nothing is made or trained; the scores are `SCORES`, a little higher with every seed. What was asked for."""
    asked: list[Settings] = []

    def build(store: Path, settings: Settings, executor: str) -> None:
        store.mkdir(parents=True, exist_ok=True)
        asked.append(settings)

    def train(store: Path, world: Settings, seed: int, modality: str, executor: str) -> tuple[Path, float]:
        return Path(f"{modality}-{seed}"), 60.0 * seed

    def score(store: Path, world: Settings, runs: list[Path]) -> dict[str, dict[str, float]]:
        seed = int(runs[0].name[-1])
        assert [run.name for run in runs] == [f"audio-{seed}", f"video-{seed}", f"av-{seed}"]
        return {row: {"nss": nss + seed / 100, "cc": nss / 10} for row, nss in SCORES.items()}

    monkeypatch.setattr(mini, "make", lambda folder, *, stimuli: SimpleNamespace(scenes=stimuli, corpora=("diem",)))
    for name, stub in (("_build", build), ("_train", train), ("_score", score)):
        monkeypatch.setattr(learning, name, stub)
    return asked


def test_a_store_of_its_own_with_everything_that_the_table_says(
    trained: list[Settings], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert cli.main(["demo", "--learn", "--seeds", "2", "--store", str(tmp_path)]) == 0
    (world,) = trained
    assert world.goals == ("corpus", "shards") and world.accept == ("diem",)
    said = capsys.readouterr().out
    assert "| av | 6.01 | 6.02 | 6.01 ± 0.01 | 0.60 ± 0.00 |" in said
    assert "Seed 2: minutes of training: audio 2.0, video 2.0, av 2.0." in said
    assert "MEP ≈ audio < video < av" in said
    assert (tmp_path / "learn" / "ordering.md").read_text() in said + "\n"
    kept = json.loads((tmp_path / "learn" / "ordering.json").read_text())
    assert kept["scores"]["1"]["truth"]["nss"] == pytest.approx(6.11)


def test_it_ends_with_1_where_the_order_does_not_hold(
    trained: list[Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setitem(SCORES, "av", 3.5)
    assert cli.main(["demo", "--learn", "--store", str(tmp_path)]) == 1
    assert "NOT SO: picture and sound beat the picture" in capsys.readouterr().out


def test_no_seed_is_wrong_usage(trained: list[Settings], tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert cli.main(["demo", "--learn", "--seeds", "0", "--store", str(tmp_path)]) == 2
    assert "--seeds 0" in capsys.readouterr().err and not trained


def test_a_store_that_is_not_on_this_machine_is_wrong_usage(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(learning, "is_remote", lambda store: True)
    with pytest.raises(learning.UsageError, match="a folder of this machine"):
        learning.learn(Namespace(store=Path("bucket"), seeds=1, executor="serial"))


def test_memory_of_a_child_counts():
    import subprocess
    import sys

    with MemoryPeak() as alone:
        pass
    with MemoryPeak() as both:
        subprocess.run([sys.executable, "-c", "import time; kept = b'1' * 200_000_000; time.sleep(1.5)"], check=True)
    assert both.megabytes > alone.megabytes + 150
