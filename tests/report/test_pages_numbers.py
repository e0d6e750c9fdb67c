"""The numbers of a report: those of the score table, and somebody else's marked as such."""

from __future__ import annotations

import doctest
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import AveError, ManifestError
from pipeline.evaluate.analysis.rendering import DECIMALS, escape_latex
from pipeline.evaluate.curves import win_share
from pipeline.evaluate.results import Result
from pipeline.evaluate.score_table import video_means
from pipeline.report.pages import corpus, published
from pipeline.report.pages import grids as grids_module
from pipeline.report.pages.blocks import Grid, Section
from pipeline.report.pages.data import ReportData
from pipeline.report.pages.grids import Column, of_rows, printed
from pipeline.report.pages.pictures import marked, overlaid
from pipeline.report.pages.sections import ORDER, sections
from tests.evaluate.made_scores import scores_of
from tests.report.reading import made_data


@pytest.fixture(scope="module")
def data() -> ReportData:
    return made_data()


@pytest.fixture(scope="module")
def parts(data: ReportData) -> list[Section]:
    return sections(data)


@pytest.fixture(scope="module")
def grids(parts: list[Section]) -> dict[str, Grid]:
    """Every table of a report by its name."""
    return {block.name: block for part in parts for block in part.blocks if isinstance(block, Grid)}


def rows_of(grid: Grid) -> list[dict[str, str]]:
    heads = [cell.text for cell in grid.head]
    return [dict(zip(heads, (cell.words for cell in row), strict=True)) for group in grid.groups for row in group]


def numbers_of(grid: Grid) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(grid.files[f"{grid.name}.csv"]))


def test_sections_come_in_the_order_of_the_page(parts):
    assert [section.id for section in parts] == list(ORDER)
    assert all(section.how.endswith(".") for section in parts)


def test_the_leaderboard_has_the_mean_over_videos(data, grids):
    for row in rows_of(grids["leaderboard"]):
        mean = video_means(data.scores[row["run"]])["nss"].mean()
        assert row["NSS ↑"].startswith(f"{mean:.2f} [")


def test_csv_has_the_digits_that_the_page_rounds(grids):
    for name in ("leaderboard", "categories"):
        shown = iter(rows_of(grids[name]))
        for number in numbers_of(grids[name]).itertuples():
            mean, low, high = (f"{value:.{DECIMALS['nss']}f}" for value in (number.mean, number.low, number.high))
            assert next(shown)["NSS ↑"] == f"{mean} [{low}, {high}]"


def test_every_number_printed_is_one_of_its_row_in_the_csv_rounded(grids):
    """In whatever form: the words of a table are the same on the page, in Markdown and in LaTeX (`test_pages`)."""
    checked = 0
    for name, grid in grids.items():
        shown = [row for group in grid.groups for row in group]
        behind = numbers_of(grid)
        assert len(behind) % max(len(shown), 1) == 0, name
        lines = np.array_split(np.arange(len(behind)), max(len(shown), 1))  # a table of runs: a line each metric
        for row, places in zip(shown, lines, strict=False):
            known = pd.to_numeric(pd.Series(behind.iloc[places].to_numpy().ravel()), errors="coerce").dropna()
            for text in (number for cell in row if not cell.left for number in numbers_in(cell.words)):
                assert any(is_rounded(text, value) for value in known), (name, text)
                checked += 1
    assert checked > 200


def numbers_in(words: str) -> list[str]:
    return re.findall(r"[-+]?\d[\d,]*\.?\d*(?:e[-+]\d+)?%?", words)


def is_rounded(text: str, value: float) -> bool:
    """Whether a printed number is a value as its digits allow."""
    share, plain = text.endswith("%"), text.strip("%+").replace(",", "")
    mantissa, _, exponent = plain.partition("e")
    decimals = len(mantissa.partition(".")[2])
    half = 0.5000001 * 10.0 ** (int(exponent or 0) - decimals)
    return abs(float(plain) - value * (100 if share else 1)) <= half


def test_a_rounded_number_is_told_from_another():
    assert is_rounded("1.23", 1.2345) and is_rounded("-0.5%", -0.0049) and is_rounded("1,234", 1234.0)
    assert is_rounded("4.98e-270", 4.979e-270)
    assert not is_rounded("1.23", 1.2361) and not is_rounded("12%", 0.13) and not is_rounded("1", 1.6)


def test_the_human_ceiling_is_never_called_best(grids):
    best = [
        row[1].text
        for name in ("leaderboard", "categories")
        for group in grids[name].groups
        for row in group
        if any(cell.is_best for cell in row)
    ]
    assert best and "human" not in best


def test_published_numbers_stand_beside_ours_in_columns_of_their_own(data, grids):
    grid = grids["published"]
    heads = [cell.text for cell in grid.head]
    place = heads.index("NSS ↑ (published)")
    assert heads[place - 1] == "NSS ↑ ours" and grid.head[place].published and not grid.head[place - 1].published
    row = rows_of(grid)[0]
    own = data.scores["vinet"]
    mean = video_means(own[own["corpus"] == "diem"])["nss"].mean()
    assert row["NSS ↑ ours"].startswith(f"{mean:.2f} [") and row["NSS ↑ (published)"] == "2.47"
    assert r"NSS $\uparrow$ (published)" in grid.files["published.tex"]
    assert "nss_published" in numbers_of(grid)


def test_shares_of_frames_are_those_of_the_analysis(data, grids):
    shown = numbers_of(grids["wins"]).set_index(["a", "b"])
    found = win_share(data.scores["vinet"], data.scores["human"], "nss", n=data.draws)
    assert shown.loc[("vinet", "human"), "share"] == pytest.approx(found.share.mean)
    assert ("human", "vinet") not in shown.index


def test_models_are_tested_among_themselves_and_then_with_all(grids):
    assert [(row["first"], row["second"]) for row in rows_of(grids["tests-models"])] == [("vinet", "vinet+mep")]
    assert len(rows_of(grids["tests"])) == 3
    assert "not independent" in " ".join(grids["anova"].notes)


def test_no_p_is_nothing():
    """Three hundred frames each, a thousand standard deviations apart: p is below what a number can hold."""
    noise = np.random.default_rng(0).normal(size=300)
    runs = {
        name: Result(scores_of({"diem/a": list(noise[:150] + level), "diem/b": list(noise[150:] + level)}), {})
        for name, level in (("a", 0.0), ("b", 1e3))
    }
    (section,) = (part for part in sections(ReportData("t", "test", "ours", runs, draws=10)) if part.id == "tests")
    (grid,) = (block for block in section.blocks if isinstance(block, Grid) and block.name == "anova")
    assert [row["p"] for row in rows_of(grid)] == ["2.23e-308"]
    assert "smaller still" in grid.notes[-1]


def test_centre_bias_and_fusion_find_their_runs(grids):
    assert {row["MEP"] for row in rows_of(grids["centre-bias"])} == {"without", "with", "gain"}
    assert {(row["fusion"], row["run"]) for row in rows_of(grids["fusion"])} == {("sum", "vinet")}


def test_a_category_without_an_overall_row_is_refused():
    rows = scores_of({"diem/a": [1.0], "diem/b": [2.0]})
    rows.loc[rows["stimulus"] == "diem/b", "category"] = None
    with pytest.raises(AveError, match="do not follow"):
        sections(ReportData("t", "test", "ours", {"a": Result(rows, {})}, draws=10))


def test_curves_have_a_thousand_bins(data, parts):
    (time,) = (section for section in parts if section.id == "time")
    numbers = pd.read_csv(io.StringIO(time.blocks[0].files["over-time.csv"]))
    assert numbers.groupby("run").size().to_dict() == dict.fromkeys(data.results, 1000)


def test_a_run_alone_is_compared_with_nobody():
    alone = ReportData("t", "test", "ours", {"a": Result(scores_of({"diem/a": [1.0, 2.0]}), {})}, draws=10)
    by_id = {section.id: section for section in sections(alone)}
    assert "two runs" in by_id["tests"].missing and "two runs" in by_id["wins"].missing
    assert not by_id["leaderboard"].missing


def test_a_protocol_without_nss_is_shown_by_what_it_has():
    runs = {
        name: scores_of({"diem/a": [0.5, shift], "diem/b": [shift]}, metric="cc")
        for name, shift in (("a", 0.1), ("b", 0.2))
    }
    data = ReportData("t", "test", "ours", {name: Result(scores, {}) for name, scores in runs.items()}, draws=10)
    assert data.metric == "cc"
    assert {section.id: section.title for section in sections(data)}["time"] == "CC over time"


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (None, "", "–"),
        (np.nan, "d", "–"),
        (0.0004, "+.2f", "0.00"),
        (-1.5, "+.1f", "-1.5"),
        (3.0, ",d", "3"),
        ("", "", "–"),
    ],
)
def test_values_are_printed_plainly(value, form, text):
    assert printed(value, form) == text


def test_marks_in_words_change_no_table():
    rows = pd.DataFrame([{"name": "a|b_c", "value": -0.5, "low": -1.0, "high": 0.25}])
    grid = of_rows("x", "T", rows, [Column("name", "name"), Column("value", "v", "+.2f", ("low", "high"))])
    assert grid.files["x.md"].splitlines()[-1] == r"| a\|b_c | -0.50 \[-1.00, +0.25\] |"
    assert r"a\textbar{}b\_c & $-$0.50 [$-$1.00, +0.25] \\" in grid.files["x.tex"]
    assert grid.files["x.csv"] == "name,value,low,high\na|b_c,-0.5,-1.0,0.25\n"


def test_what_latex_has_no_letter_for_becomes_mathematics():
    assert escape_latex("σ = 1 ± 0.5 → 3_4") == r"$\sigma$ = 1 $\pm$ 0.5 $\rightarrow$ 3\_4"


def test_a_fixation_is_marked_where_it_is():
    picture = np.zeros((40, 80, 3), np.uint8)
    (rows, columns, _) = np.nonzero(marked(picture, np.array([[0.25, 0.5]])))
    assert (columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx((20, 20))


def test_a_map_is_brightest_at_its_peak_and_nothing_is_laid_over_by_none():
    picture = np.full((30, 40, 3), 100, np.uint8)
    density = np.zeros((3, 4))
    density[2, 3] = 1
    shown = overlaid(picture, density).astype(int).sum(axis=2)
    assert np.unravel_index(shown.argmax(), shown.shape) >= (20, 30)
    assert (overlaid(picture, np.zeros((3, 4))) == 60).all()


def test_the_reviewed_published_scores_can_be_read(manifests: Path):
    rows = published.read(Path(__file__).resolve().parents[2] / "manifests" / published.FILE)
    assert rows["value"].between(0, 10).all() and len(rows)
    assert rows["source"].str.len().gt(20).all()


def test_a_wrong_published_table_is_refused_with_all_its_problems(tmp_path):
    file = tmp_path / published.FILE
    file.write_text(",".join(published.COLUMNS) + "\n,t,diem,,M,,nss,much,s\np,t,diem,,M,,nsss,1,\n")
    with pytest.raises(ManifestError) as raised:
        published.read(file)
    assert len(raised.value.problems) == 4
    file.write_text("paper,value\n")
    with pytest.raises(ManifestError, match="expected paper, table"):
        published.read(file)
    assert published.read(tmp_path / "none.csv").empty


def test_scores_of_videos_that_are_gone_still_make_a_curve(data):
    shorter = replace(data, stimuli=data.stimuli.assign(n_frames=2).iloc[:3], draws=50)
    assert not next(section for section in sections(shorter) if section.id == "time").missing


@pytest.mark.parametrize("module", [corpus, grids_module])
def test_examples_in_docstrings_hold(module):
    found = doctest.testmod(module)
    assert found.attempted and not found.failed
