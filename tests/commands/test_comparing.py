"""`ave compare`: a verdict a pair, and what is wrong usage."""

from __future__ import annotations

import json

import pytest

from pipeline.cli import main
from pipeline.evaluate.results import write_result
from tests.evaluate.made_scores import random_runs


@pytest.fixture
def store(tmp_path):
    """Three runs on twelve videos, each better than the one before."""
    for run, table in random_runs(videos=12, shifts=(0, 0.6, 1.2)).items():
        rows = table.astype(object).where(table.notna(), None).to_dict("records")
        write_result(tmp_path, rows, {"run": run, "split": "test", "protocols": ["ours"]})
    return tmp_path


def ave(*words):
    return main([str(word) for word in words])


def test_every_pair_has_a_verdict(store, capsys):
    assert ave("compare", "--store", store) == 0
    said = capsys.readouterr().out
    for pair, better in (("a | b", "b"), ("a | c", "c"), ("b | c", "c")):
        assert f"{better} is better" in next(line for line in said.splitlines() if line.startswith(f"| {pair} | 12 |"))
    assert "ANOVA over frames" in said and "not independent" in said
    assert "best sequence 1" in said


def test_json_holds_the_same_and_only_the_runs_asked_for(store, capsys):
    assert ave("compare", "c", "a", "--store", store, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    (row,) = told["tests"]
    assert (row["a"], row["b"], row["verdict"]) == ("c", "a", "c is better")
    assert told["win_shares"][0]["mean"] > 0.5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("a", "bb"), "No scores of 'bb' on the test split by ours. Did you mean 'b'?"),
        (("a",), "A comparison needs two runs"),
        (("--metric", "nzz"), "Unknown metric 'nzz'"),
        (("--protocol", "ourss"), "Unknown protocol 'ourss'"),
        (("--split", "val"), "0 scored on the val split"),
        (("--metric", "emd"), "No emd in the scores of a, b, c. Score them with it: --metric emd"),
    ],
)
def test_what_cannot_be_compared_is_one_clear_error(store, capsys, words, said):
    assert ave("compare", *words, "--store", store) in (1, 2)
    assert said in capsys.readouterr().err
