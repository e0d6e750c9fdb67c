"""`python -m benchmarks`: what is printed, what is written, and what is refused."""

from __future__ import annotations

import json
import sys
import types

import pytest

from benchmarks import __main__ as command
from benchmarks.harness import Disagreement, Row, Target


@pytest.fixture
def benchmark(monkeypatch):
    """Put rows in the place of a real benchmark."""

    def put(name, rows):
        module = types.ModuleType(f"benchmarks.{name}")
        module.rows = rows
        monkeypatch.setitem(sys.modules, f"benchmarks.{name}", module)

    return put


def rows_of(ours):
    return [Row("density", "here", "ms/map", "scipy", ours, (8.0, 8.0, 9.0), Target(3.0), "off by 1e-7")]


def test_table_and_json_hold_the_same_numbers(benchmark, tmp_path, capsys):
    benchmark("density", lambda asked: rows_of((2.0, 4.0, 3.0)))
    assert command.main(["density", "--json", str(tmp_path / "found.json")]) == 0
    (written,) = json.loads((tmp_path / "found.json").read_text())["rows"]
    printed = " ".join(capsys.readouterr().out.splitlines()[-1].split())
    assert printed == "density here scipy ms/map 3 (2-4) 8 (8-9) 3x >= 3x yes off by 1e-7"
    assert (written["ours"], written["theirs"]) == ([2.0, 4.0, 3.0], [8.0, 8.0, 9.0])
    assert (written["ratio"], written["target"], written["met"]) == (3.0, ">= 3x", True)


def test_rounds_and_speed_reach_the_benchmark(benchmark):
    seen = []
    benchmark("density", lambda asked: seen.append((asked.quick, asked.rounds)) or [])
    for words in ([], ["--quick"], ["--quick", "--rounds", "1"]):
        command.main(["density", *words])
    assert seen == [(False, 5), (True, 3), (True, 1)]


def test_a_disagreement_is_an_error_and_the_others_go_on(benchmark, capsys):
    def disagree(asked):
        yield from rows_of((2.0, 4.0, 3.0))
        raise Disagreement("two maps differ.")

    benchmark("density", disagree)
    benchmark("sound", lambda asked: rows_of((1.0, 1.0, 1.0)))
    assert command.main(["density", "sound"]) == 1
    printed = capsys.readouterr()
    assert "density: two maps differ. That input was not timed." in printed.err
    assert len([line for line in printed.out.splitlines() if line.startswith("density")]) == 2


@pytest.mark.parametrize("failure", [AttributeError("no loss here"), SystemExit("no such file")])
def test_a_peer_that_fails_takes_no_row_with_it(benchmark, tmp_path, capsys, failure):
    def fail(asked):
        yield from rows_of((2.0, 4.0, 3.0))
        raise failure

    benchmark("density", fail)
    benchmark("sound", lambda asked: rows_of((1.0, 1.0, 1.0)))
    assert command.main(["density", "sound", "--json", str(tmp_path / "found.json")]) == 1
    assert str(failure) in capsys.readouterr().err
    assert len(json.loads((tmp_path / "found.json").read_text())["rows"]) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--rounds", "0"], "expected 1 or more"), (["--json", "absent/found.json"], "there is no folder")],
)
def test_what_cannot_be_is_said_before_anything_is_measured(benchmark, capsys, words, said):
    benchmark("density", lambda asked: pytest.fail("measured"))
    with pytest.raises(SystemExit):
        command.main(["density", *words])
    assert said in capsys.readouterr().err


def test_a_target_that_is_missed_is_no_error(benchmark):
    benchmark("density", lambda asked: rows_of((8.0, 8.0, 8.0)))
    assert command.main(["density"]) == 0


def test_an_unknown_name_is_refused_with_the_known_ones(capsys):
    with pytest.raises(SystemExit):
        command.main(["densty"])
    assert "there is no benchmark densty; there are build, frames, density" in capsys.readouterr().err


def test_a_folder_that_is_no_known_checkout_is_refused(tmp_path):
    with pytest.raises(SystemExit, match=r"a checkout of no project that is known here.*DAVE \(predict\.py"):
        command.main(["density", "--peer", str(tmp_path)])


def test_every_name_is_a_module_with_rows():
    for name in command.NAMES:
        assert callable(command.importlib.import_module(f"benchmarks.{name}").rows)
