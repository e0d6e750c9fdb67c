"""How `ave demo` ends: scores of what was trained beside the baselines, pages with something in every section."""

from __future__ import annotations

import re
from dataclasses import replace

import pandas as pd

from pipeline.commands import making, showing
from pipeline.commands.showing import show
from pipeline.corpus import Corpus
from pipeline.evaluate.baselines import registry
from pipeline.evaluate.results import results
from pipeline.store.fingerprint import sha256_of
from tests.conftest import copy_store
from tests.report.reading import read

ABSENT = {
    "centre-bias",  # a run with and without the mean eye position: nobody scores such maps in a demo
    "sound",  # ten predictions, which a demo does not wait for
}


def test_the_run_stands_beside_every_baseline_on_the_same_frames(report_index):
    store = report_index.parents[1]
    found = results(store / "scores", "test", "ours")
    assert set(found) == {"dave-av", *registry.names(), "human"}
    frames = {name: set(zip(one.scores["stimulus"], one.scores["frame"], strict=True)) for name, one in found.items()}
    assert all(own == frames["dave-av"] for own in frames.values())


def test_every_section_holds_something_or_says_which_command_makes_it(report_index):
    page = read(report_index)
    parts = re.findall(r'<section id="([^"]+)".*?</section>', page.text, flags=re.DOTALL)
    missing = re.findall(r'<section id="([^"]+)"(?:(?!</section>).)*class="missing">(.*?)</p>', page.text, re.DOTALL)
    assert len(parts) == 21 and {name for name, _ in missing} == ABSENT
    assert all("<code>ave " in words for _, words in missing)


def test_what_is_shown_is_left_alone_until_something_differs(report_index, trained_settings, tmp_path, monkeypatch):
    store = copy_store(report_index.parents[1], tmp_path / "store")
    monkeypatch.setattr(showing, "_score", None)
    monkeypatch.setattr(showing, "write_report", None)
    assert show(store, trained_settings) == store / "pages" / "index.html"
    monkeypatch.undo()
    written = []
    monkeypatch.setattr(showing, "write_report", lambda out, _: written.append(out) or out / "index.html")
    (store / "scores" / "mep.parquet").unlink()
    show(store, trained_settings)
    assert (store / "scores" / "mep.parquet").is_file() and written == []  # the same bytes again, so the same pages
    show(store, replace(trained_settings, slurm_jobs=3))
    assert written == [store / "pages"]


def test_the_index_is_small_and_so_is_all_beside_it(report_index):
    assert report_index.stat().st_size < 1_000_000
    beside = [file.stat().st_size for file in (report_index.parent / "files").iterdir()]
    assert max(beside) < 1_000_000 and sum(beside) < 10_000_000


def test_without_a_prediction_there_is_nothing_to_show(built_store, mini_settings):
    assert show(built_store, mini_settings) is None


def test_a_miniature_report_says_that_it_is_one(report_index):
    assert "made by a program" in " ".join(re.findall(r'<p class="said">(.*?)</p>', report_index.read_text()))


def test_a_stranger_is_answered_by_the_page_alone_with_what_the_store_says(report_index):
    store = report_index.parents[1]
    corpus, page = Corpus(store), read(report_index)
    rejected = pd.read_parquet(store / "corpus" / "rejected.parquet")
    n_samples = rejected[rejected["level"] == "sample"]["count"].sum()
    n_test = (corpus.stimuli["split"] == "test").sum()
    (weights,) = store.glob("stages/train/*/all/dave-av/weights.safetensors")
    expected = {
        "Which videos?": f"{n_test} videos of the test split, of {len(corpus.stimuli)} in coutrot1, coutrot2, diem.",
        "Whose gaze?": f"{corpus.stimuli['n_fixations'].sum():,} fixations.",
        "Which screen and distance?": "diem: 90 cm, 49.5 px per degree",
        "What σ?": "1 degree of visual angle, standard deviation, in the published maps; protocol ours scores against "
        "a Gaussian of 1 dva",
        "What was rejected, and why?": f"{n_samples:,} samples, 2 videos; {rejected['reason'].nunique()} reasons.",
        "Which split?": "The test split.",
        "Which weights?": sha256_of(weights)[:12],
        "Which protocol?": "ours",
        "Is the difference significant?": "have too few videos to tell",
        "Does the model use sound?": "Not audited yet.",
    }
    asked = re.findall(r'<dt><a href="#([\w-]+)">(.*?)</a></dt>\s*<dd>(.*?)</dd>', page.text)
    assert [question for _, question, _ in asked] == list(expected)
    for place, question, answer in asked:
        assert expected[question] in answer, question
        assert f'<section id="{place}"' in page.text
    listed = {row[0] for row in page.tables["stimuli"][1:]}
    assert listed == set(corpus.stimuli[corpus.stimuli["split"] == "test"]["stimulus"])
    assert sha256_of(weights) in {cell for row in page.tables["weights"] for cell in row}


def test_the_last_line_names_the_page_to_open(report_index, trained_settings, capsys):
    making._show(report_index.parents[1], trained_settings)
    *_, inspect, last = capsys.readouterr().out.splitlines()
    assert last == f"open the report: {report_index}"
    assert inspect.split("ave inspect ")[1].split()[0] in Corpus(report_index.parents[1])
