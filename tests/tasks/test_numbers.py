"""What a running task tells: the same numbers to Luigi and to the log, and in the log how the build began and ended."""

from __future__ import annotations

import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import luigi
import pytest
from luigi.worker import TaskStatusReporter

from pipeline import settings as settings_file
from pipeline.cli import main
from pipeline.recipe.build import Build
from pipeline.settings import Settings
from pipeline.store.buildlog import LogReader, log_paths
from pipeline.store.following import ended_last
from pipeline.store.tally import Tally, in_words
from tasks.ave import run
from tasks.features import Density


@pytest.fixture
def told(monkeypatch) -> dict[str, list[Any]]:
    """Everything that Luigi's scheduler was told of each task, by the task's id: words and percentages in turn."""
    found: dict[str, list[Any]] = defaultdict(list)
    for name in ("update_status_message", "update_progress_percentage"):
        monkeypatch.setattr(TaskStatusReporter, name, lambda self, value: found[self._task_id].append(value))
    return found


@pytest.fixture
def store(mini_store: Path) -> Path:
    """A store in which one corpus has lost its density maps."""
    shutil.rmtree(next(mini_store.glob("stages/density/*/coutrot1")))
    return mini_store


def remembered(store: Path) -> Settings:
    settings = settings_file.load(store)
    assert settings is not None
    return settings


def logged(store: Path, event: str) -> list[dict[str, Any]]:
    return [row for row in LogReader(log_paths(store)[0]).read() if row["event"] == event]


def test_luigi_is_told_the_numbers_of_the_log(store, told):
    run(store, remembered(store), "serial")
    rows = [{key: row[key] for key in row if key not in ("event", "time")} for row in logged(store, "progress")]
    tallies = [Tally(**row) for row in rows if (row["stage"], row["corpus"]) == ("density", "coutrot1")]
    assert len(tallies) >= 2
    (words,) = (words for task, words in told.items() if task.startswith("Density_coutrot1"))
    assert words == [word for tally in tallies for word in (in_words(tally), tally.percent)]
    assert (words[1], words[-1]) == (0, 100)
    assert words[-2].startswith("5 of 5, ")


def test_a_build_says_what_is_asked_and_planned_and_that_it_is_done(store):
    settings = remembered(store)
    planned = Build(settings, store)
    n_planned = sum(planned.state(stage.name, corpus).n_to_run for stage, corpus in planned.targets())
    run(store, settings, "serial")
    (begin,) = logged(store, "begin")
    assert begin["items"] == sum(row["items"] for row in begin["plan"]) == n_planned > 5
    assert begin["asked"]["accept"] == ["diem", "coutrot1", "coutrot2"]
    assert "sigma_dva" not in begin["asked"], "what is at its default was not asked"
    (end,) = logged(store, "end")
    assert (end["word"], end["made"], end["failed"], end["error"]) == ("done", len(logged(store, "item")), 0, "")
    last = logged(store, "progress")[-1]
    assert last["build_done"] == end["made"] <= last["build_total"] <= n_planned


def test_one_task_alone_tells_the_same_without_a_plan(store, told):
    task = Density(store=str(store), corpus="coutrot1", executor="serial")
    assert luigi.build([task], local_scheduler=True, workers=1, log_level="CRITICAL")
    assert logged(store, "begin")[0]["items"] is None
    assert logged(store, "end")[0]["word"] == "done"
    assert told[task.task_id][-2].startswith("5 of 5, ")
    assert "build" not in told[task.task_id][-2]


def test_a_build_with_nothing_to_do_says_so(mini_store):
    run(mini_store, remembered(mini_store), "serial")
    story = ended_last(mini_store)
    assert story is not None
    assert (story.word, story.well, story.ended) == ("nothing to do", True, [])


def test_a_build_that_publishes_nothing_has_failed_and_says_why(tmp_path, capsys):
    words = ["--store", str(tmp_path / "store"), "--raw", str(tmp_path), "--corpus", "coutrot1", "--executor", "serial"]
    assert main(["build", *words, "--partial"]) == 1
    story = ended_last(tmp_path / "store")
    assert story is not None
    assert (story.word, story.well) == ("failed", False)
    assert story.end["error"] == "Nothing of what was asked for is published."
    assert main(["status", "--watch", "--store", str(tmp_path / "store")]) == 1
    assert "Nothing of what was asked for is published." in capsys.readouterr().out


def test_an_error_that_stops_the_build_is_in_its_log(store, monkeypatch):
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(Build, "run", broken)
    session = run(store, remembered(store), "serial")
    assert isinstance(session.stopped, ZeroDivisionError)
    (end,) = logged(store, "end")
    assert (end["word"], end["made"], end["error"]) == ("stopped", 0, "a bug")
