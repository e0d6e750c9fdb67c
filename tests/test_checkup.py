"""`ave doctor --executor`: each lack of a worker is a finding with a remedy, and the store is left as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import checkup
from pipeline.checkup import Look, examine_executor
from pipeline.cli import main
from pipeline.doctor import Finding
from pipeline.store import cluster
from tests.dask_processes import dask_scheduler, dask_workers


@pytest.fixture(autouse=True)
def code_may_be_edited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let whoever edits this package while its tests run: what a worker says of its code is compared in one test."""
    monkeypatch.setattr(Look, "has_our_code", property(lambda _look: True))


@pytest.fixture(scope="module")
def somebodys_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The host:port of a scheduler with a worker of two threads."""
    folder = tmp_path_factory.mktemp("dask")
    with dask_scheduler(folder) as (address, _), dask_workers(address, folder, threads=2):
        yield address


def lacks(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if not finding.ok]


def test_a_fit_cluster_has_its_versions_package_store_and_ffmpeg_told(somebodys_cluster, tmp_path, capsys):
    words = ["--store", str(tmp_path), "--executor", f"dask://{somebodys_cluster}"]
    assert main(["doctor", *words, "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)
    told = [(row["subject"], row["ok"]) for row in findings][-6:]
    assert told == [
        ("scheduler", True),
        ("worker", False),
        ("versions", True),
        ("package", True),
        ("store", True),
        ("ffmpeg", True),
    ]
    threads = findings[-5]
    assert threads["detail"].endswith("has 2 threads, and items take turns in it")
    assert (threads["remedy"], threads["needed"]) == ("start it with --nworkers 2 --nthreads 1", False)
    assert "numpy " in findings[-4]["detail"]
    assert f"1 workers see {tmp_path}" in findings[-2]["detail"]
    assert list(tmp_path.iterdir()) == [], "the probe was left in the store"


def test_what_a_worker_lacks_is_said_with_its_address_and_a_remedy(somebodys_cluster, tmp_path, monkeypatch):
    blind = Look("far", "/elsewhere/pipeline", "other", sees_store=False, ffmpeg="", problem="ffmpeg is not found.")
    monkeypatch.setattr(checkup, "packed", lambda _look, *_: cluster.packed(_say, blind))
    monkeypatch.setattr(Look, "has_our_code", property(lambda _look: False))
    rows = lacks([*_examined(somebodys_cluster, tmp_path)])
    found = {(row.subject, row.detail.partition(": ")[2]): row for row in rows}
    assert found.pop(("worker", "has 2 threads, and items take turns in it"))
    code = found.pop(("worker", "has other code than here, from /elsewhere/pipeline on far"))
    assert "start the worker anew" in code.remedy
    store = found.pop(("worker", f"does not see {tmp_path} on far"))
    assert "file system that all share" in store.remedy
    assert found.pop(("worker", "on far, ffmpeg is not found.")).needed
    scheduler = found.pop(("scheduler", "has other code than here, from /elsewhere/pipeline on far"))
    assert not scheduler.needed
    assert [subject for subject, _ in found] == ["package"]


def test_another_version_somewhere_is_a_finding(somebodys_cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(checkup, "_packages", _of_another_time(checkup._packages))
    found = {row.detail.partition(":")[0]: row for row in lacks([*_examined(somebodys_cluster, tmp_path)])}
    assert found["numpy"].needed is False
    assert found["distributed"].needed
    assert "distributed: 0.0 here, " in found["distributed"].detail
    assert " on scheduler, " in found["distributed"].detail
    assert found["distributed"].remedy.startswith("make both sides alike: pip install")


def test_a_worker_and_a_scheduler_without_this_package_are_told(tmp_path):
    with (
        dask_scheduler(tmp_path, knows_us=False) as (address, _),
        dask_workers(address, tmp_path, knows_us=False),
    ):
        found = {row.subject: row for row in lacks([*_examined(address, tmp_path / "no store yet")])}
    assert "cannot import this package (No module named 'pipeline" in found["worker"].detail
    assert found["worker"].needed
    assert not found["scheduler"].needed
    assert found["store"].detail == f"there is no {tmp_path / 'no store yet'} yet to look for"


def test_an_address_where_nobody_answers_is_a_finding(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cluster, "_CONNECT_S", 0.5)
    assert main(["doctor", "--store", str(tmp_path), "--executor", "dask://127.0.0.1:9"]) == 1
    assert "MISSING scheduler       No Dask scheduler answers at tcp://127.0.0.1:9 " in capsys.readouterr().out


def test_a_scheduler_without_workers_is_a_finding(tmp_path, monkeypatch):
    monkeypatch.setattr(checkup, "_WAIT_S", 0.5)
    with dask_scheduler(tmp_path) as (address, _):
        [finding] = _examined(address, tmp_path)
    assert f"tcp://{address} answers, but no worker came" in finding.detail
    assert f"dask worker tcp://{address}" in finding.remedy


def test_a_slurm_that_is_not_set_up_is_a_finding_with_the_lines_to_write(tmp_path):
    [finding] = examine_executor("slurm", tmp_path)
    assert not finding.ok
    assert "slurm_jobs = 4" in finding.remedy


def test_executors_of_this_machine_have_what_it_has_and_an_unknown_word_is_wrong_usage(tmp_path, capsys):
    [finding] = examine_executor("pool:2", tmp_path)
    assert finding.ok
    for word in ("dusk", "dask:x"):
        assert main(["doctor", "--store", str(tmp_path), "--executor", word]) == 2
        assert f"Unknown executor '{word}'" in capsys.readouterr().err


def _examined(address: str, store: Path) -> Iterator[Finding]:
    return examine_executor(f"dask://{address}", store)


def _say(look: Look) -> Look:
    return look


def _of_another_time(packages):
    """The first one asked, which is this process, has other versions."""
    asked = []

    def told(said):
        asked.append(said)
        return dict.fromkeys(packages(said), "0.0") if len(asked) == 1 else packages(said)

    return told
