"""Tables of runs: their numbers against the averages of the score table, and three renderings that say the same."""

from __future__ import annotations

import csv
import io
import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import AveError
from pipeline.evaluate.analysis.adding_up import check_overall, discrepancies
from pipeline.evaluate.analysis.bootstrap import bootstrap_interval
from pipeline.evaluate.analysis.rendering import DECIMALS, header, to_csv, to_latex, to_markdown
from pipeline.evaluate.score_table import AVERAGES, METRICS, means, video_means
from pipeline.evaluate.tables import centre_bias_table, fusion_table, leaderboard
from tests.evaluate.made_scores import random_runs, scores_of

NASTY = r"we_ird|*x*_&%$#{~^}\<a> [50%] 'q' \textbf{no}"


def rich_runs(names=("dave", "vinet")):
    """Runs with several metrics, one of them negative in places, some frames and videos without one of them."""
    runs = random_runs(seed=2)
    for name, scores in zip(names, (runs["a"], runs["c"]), strict=True):
        scores = scores.assign(cc=scores["nss"] / 10, kld=3 - scores["nss"], ig=scores["nss"] - 2)
        scores.loc[scores["stimulus"] == scores["stimulus"].iloc[0], "cc"] = np.nan
        scores.loc[scores.index[::9], ["nss", "cc", "kld", "ig", "n_fixations"]] = [np.nan] * 4 + [0]
        scores.loc[scores.index[4::17], ["nss", "cc", "kld", "ig", "note"]] = [np.nan] * 4 + ["no map"]
        yield name, scores


@pytest.fixture
def runs():
    return dict(rich_runs())


def rows_of(table, **wanted):
    own = table.rows
    for column, value in wanted.items():
        own = own[own[column] == value]
    return own.set_index([name for name in (*table.names, "metric") if name not in wanted])


# --- the leaderboard ---


@pytest.mark.parametrize("average", AVERAGES)
def test_its_means_are_those_of_the_score_table(runs, average):
    table = leaderboard(runs, average=average, n=50)
    for run, scores in runs.items():
        expected = means(scores, average).set_index("scope")
        for (scope, metric), row in rows_of(table, run=run).iterrows():
            assert row["mean"] == pytest.approx(expected.loc[scope, metric])
    assert list(dict.fromkeys(table.rows["metric"])) == ["nss", "cc", "kld", "ig"]  # those that somebody has
    assert list(dict.fromkeys(table.rows["scope"])) == ["all", "misc", "nature", "social"]


def test_its_intervals_are_over_the_videos_of_the_scope(runs):
    table = leaderboard(runs, n=700, seed=3, level=0.9)
    videos = video_means(runs["dave"])
    for scope, own in (("all", videos), ("social", videos[videos["category"] == "social"])):
        row = rows_of(table, run="dave", scope=scope).loc["nss"]
        alone = bootstrap_interval(own["nss"], n=700, seed=3, level=0.9)
        assert (row["low"], row["high"], row["videos"]) == pytest.approx((alone.low, alone.high, len(own)))


def test_what_was_counted_and_not_scored_by_hand():
    scores = scores_of({"diem.nature/1": [1.0, None, 2.0], "diem.social/2": [None, None, 3.0, "no map", 1.0]})
    scores.loc[1, "note"] = "no map"  # neither a map nor fixations: counted once
    scores.loc[scores["frame"] == 2, "cc"] = 0.5
    rows = rows_of(leaderboard({"dave": scores}, n=10), run="dave")
    counts = ["videos", "frames", "without_fixations", "without_map"]
    assert rows.loc[("all", "nss"), counts].tolist() == [2, 4, 3, 1]
    assert rows.loc[("nature", "nss"), counts].tolist() == [1, 2, 1, 0]
    assert rows.loc[("social", "nss"), counts].tolist() == [1, 2, 2, 1]
    assert rows.loc[("all", "cc"), counts].tolist() == [2, 2, 3, 1]
    assert np.isnan(rows.loc[("nature", "nss"), ["low", "high"]].astype(float)).all()  # one video


def test_the_order_of_rows_and_videos_changes_nothing(runs):
    mixed = {run: scores.sample(frac=1, random_state=1) for run, scores in runs.items()}
    pd.testing.assert_frame_equal(leaderboard(mixed, n=200).rows, leaderboard(runs, n=200).rows)


def test_it_says_what_makes_runs_hard_to_compare(runs):
    one = {"a": scores_of({"diem.nature/1": [1.0, 2.0]}, n_fixations=3)}
    assert leaderboard(one, n=10).remarks == (
        "Too few videos for more than a glance: nature (1).",
        "Few observers: 3 fixations in the median frame.",
    )
    fewer = {**runs, "vinet": runs["vinet"].iloc[3:]}
    assert any("not all scored on the same frames" in remark for remark in leaderboard(fewer, n=10).remarks)
    enough = random_runs(videos=18)
    assert leaderboard(enough, n=10).remarks == ()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"average": "vidoe"}, "Did you mean 'video'"),
        ({"metrics": ["ncc"]}, "Unknown metric 'ncc'"),
        ({"scores_by_run": {"a": scores_of({"x/1": [None, "no map"]})}}, "No frame of a has a score"),
        ({"scores_by_run": {}}, "no run hold no row"),
    ],
)
def test_what_cannot_be_tabled_is_refused(options, words):
    with pytest.raises(AveError, match=words):
        leaderboard(**{"scores_by_run": {"a": scores_of({"x/1": [1.0]})}, **options})


# --- adding up ---


@pytest.mark.parametrize("average", ["video", "frame"])
def test_the_overall_rows_follow_from_the_categories(runs, average):
    check_overall(leaderboard(runs, average=average, n=10))
    assert discrepancies(centre_bias_table({"m": runs["dave"], "m+mep": runs["vinet"]}, n=10)).empty


def test_a_number_that_does_not_follow_is_found(runs):
    table = leaderboard(runs, n=10)
    wrong = table.rows.copy()
    wrong.loc[0, "mean"] += 0.01
    wrong.loc[wrong.index[-1], "videos"] += 1
    found = discrepancies(replace(table, rows=wrong))
    assert found[["run", "metric", "what"]].to_numpy().tolist()[0] == ["dave", "nss", "mean"]
    assert {tuple(row) for row in found[["run", "metric", "what"]].to_numpy().tolist()} == {
        ("dave", "nss", "mean"), ("vinet", "ig", "mean"), ("vinet", "ig", "videos"),
    }  # fmt: skip
    with pytest.raises(AveError, match=r"dave nss: mean is .*, its categories make"):
        check_overall(replace(table, rows=wrong))
    assert len(discrepancies(replace(table, rows=wrong), tolerance=2)) == 0


def test_weights_by_frames_are_not_weights_by_videos(runs):
    per_frame = leaderboard(runs, average="frame", n=10)
    assert len(discrepancies(replace(per_frame, average="video")))


def test_a_video_without_a_category_is_noticed():
    scores = scores_of({"diem.nature/1": [1.0], "diem.social/2": [3.0]})
    scores.loc[scores["category"] == "social", "category"] = None
    with pytest.raises(AveError, match="nss: videos is 2, its categories make 1"):
        check_overall(leaderboard({"a": scores}, n=10))


# --- centre bias and fusion ---


def test_the_centre_bias_table_by_hand():
    plain = scores_of({"diem.nature/1": [1.0, 2.0], "diem.nature/2": [4.0, "no map"]})
    biased = scores_of({"diem.nature/1": [2.0, 2.0], "diem.nature/2": [7.0, 100.0]})
    rows = rows_of(centre_bias_table({"m+mep": biased, "m": plain, "other": plain}, n=100), scope="all", run="m")
    assert rows["mean"].to_dict() == {("without", "nss"): 2.75, ("with", "nss"): 4.5, ("gain", "nss"): 1.75}
    assert rows["frames"].tolist() == [3, 3, 3]  # the frame without a map counts in neither
    assert rows["without_map"].tolist() == [1, 1, 1]
    assert rows.loc[("gain", "nss"), ["low", "high"]].tolist() == [0.5, 3]
    assert rows["ranked"].tolist() == [True, True, False]


def test_pairs_are_given_or_found_and_must_be_there(runs):
    given = centre_bias_table(runs, {"dave": "vinet"}, n=10)
    assert set(given.rows["run"]) == {"dave"}
    with pytest.raises(AveError, match="No pair"):
        centre_bias_table(runs)
    with pytest.raises(AveError, match="No scores of run 'vinett'"):
        centre_bias_table(runs, {"dave": "vinett"})


def test_the_fusion_table_keeps_the_runs_of_a_fusion_together(runs):
    three = {**runs, "dave 2": runs["dave"]}
    fusions = {"dave": "concat", "vinet": "sum", "dave 2": "concat"}
    table = fusion_table(three, fusions, n=50)
    overall = table.rows[(table.rows["scope"] == "all") & (table.rows["metric"] == "nss")]
    assert list(zip(overall["fusion"], overall["run"], strict=True)) == [
        ("concat", "dave"), ("concat", "dave 2"), ("sum", "vinet"),
    ]  # fmt: skip
    assert overall["mean"].tolist()[0] == means(runs["dave"])["nss"][0]
    with pytest.raises(AveError, match="No scores of run 'dav'"):
        fusion_table(runs, {"dav": "sum"})


# --- renderings ---

NUMBERS = re.compile(r"(?P<mean>–|-?[\d.]+)( \[(?P<low>-?[\d.]+), (?P<high>-?[\d.]+)\])?( \(n = (?P<n>\d+)\))?$")


def read_cell(text, videos):
    """(mean, low, high, videos, is bold) of one cell, numbers as printed, None for none."""
    bold = text.startswith("**")
    found = NUMBERS.match(text.replace("**", ""))
    assert found, text
    numbers = [None if found[key] in (None, "–") else found[key] for key in ("mean", "low", "high")]
    n = int(found["n"] or videos) if numbers[0] is not None else 0
    return (*numbers, n, bold)


def read_grid(lines, n_names):
    """{(names …, title of the metric): cell} of a grid of texts whose first line holds the titles."""
    titles, *body = lines
    assert titles[n_names : n_names + 2] == ["videos", "frames"]
    return {
        (*line[:n_names], title): read_cell(cell, line[n_names])
        for line in body
        for title, cell in zip(titles[n_names + 2 :], line[n_names + 2 :], strict=True)
    }


def read_markdown(page, n_names):
    lines = [line[2:-2] for line in page.splitlines() if line.startswith("| ")]
    grid = [[re.sub(r"\\([^\w\s])|\\(_)", r"\1\2", cell) for cell in re.split(r" \| ", line)] for line in lines]
    return read_grid([grid[0], *grid[2:]], n_names)


def plain(latex):
    """What a cell of LaTeX prints."""
    words = {"textbackslash": "\\", "textasciitilde": "~", "textasciicircum": "^", "textless": "<", "textgreater": ">"}
    words["textbar"] = "|"
    text = re.sub(r"\\textbf\{([^\\{}]*)\}", r"**\1**", latex)
    text = text.replace(r"$\uparrow$", "↑").replace(r"$\downarrow$", "↓").replace("$-$", "-").replace("--", "–")
    text = re.sub(r"\\(text\w+)\{\}", lambda found: words[found[1]], text)
    return re.sub(r"\\([{}$&#%_])", r"\1", text)


def read_latex(source, n_names):
    body = source.split("\\toprule\n")[1].split("\\bottomrule")[0]
    lines = [line.removesuffix(r" \\") for line in body.splitlines() if " & " in line]
    return read_grid([[plain(cell) for cell in re.split(r" (?<!\\)& ", line)] for line in lines], n_names)


def title_of(metric):
    title, more_is_better = METRICS[metric]
    return f"{title} {'↑' if more_is_better else '↓'}"


def read_csv(text, n_names):
    """The same from the long file, rounded as the others are."""
    found = {}
    for row in csv.DictReader(io.StringIO(text)):
        title = title_of(row["metric"])
        numbers = [
            None if row[key] == "" else re.sub(r"^-(0\.0+)$", r"\1", f"{float(row[key]):.{DECIMALS[row['metric']]}f}")
            for key in ("mean", "low", "high")
        ]
        found[(*list(row.values())[:n_names], title)] = (*numbers, int(row["videos"]))
    return found


@pytest.fixture(params=["leaderboard", "nasty names", "centre bias", "fusion", "no score somewhere"])
def table(request, runs):
    if request.param == "nasty names":
        return leaderboard(dict(rich_runs((NASTY, "–a_b_ c"))), n=50)
    if request.param == "centre bias":
        return centre_bias_table({"m": runs["dave"], "m+mep": runs["vinet"]}, n=50)
    if request.param == "fusion":
        return fusion_table(runs, {"dave": "sum", "vinet": "concat"}, n=50)
    if request.param == "no score somewhere":
        runs["vinet"].loc[:, "kld"] = np.nan
        runs["dave"].loc[runs["dave"]["category"] == "misc", "nss"] = np.nan
    return leaderboard(runs, n=50)


def test_three_renderings_hold_the_same_numbers(table):
    n_names = len(table.names)
    markdown = read_markdown(to_markdown(table), n_names)
    latex, numbers = read_latex(to_latex(table), n_names), read_csv(to_csv(table), n_names)
    assert markdown == latex
    assert {key: cell[:4] for key, cell in markdown.items()} == numbers
    assert len(numbers) == len(table.rows)
    for row in table.rows.itertuples():
        names = tuple(str(getattr(row, name)) for name in table.names)
        printed = numbers[(*names, title_of(row.metric))][0]
        if printed is None:
            assert math.isnan(row.mean)
        else:
            assert float(printed) == pytest.approx(row.mean, abs=0.5001 * 10 ** -DECIMALS[row.metric])


def test_all_digits_are_in_the_csv(table):
    back = pd.read_csv(io.StringIO(to_csv(table)), keep_default_na=False, na_values=[""])
    columns = ["mean", "low", "high"]
    pd.testing.assert_frame_equal(back[columns], table.rows[columns], check_exact=False, rtol=1e-15)
    assert set(back["protocol"]) == {"ours"}
    assert set(back["average"]) == {"video"}


def test_the_best_of_a_scope_is_bold_and_less_is_better_where_it_is(runs):
    cells = read_markdown(to_markdown(leaderboard(runs, n=50)), 2)
    bold = {key for key, cell in cells.items() if cell[-1]}
    assert ("all", "vinet", "NSS ↑") in bold
    assert ("all", "vinet", "KLD ↓") in bold  # made as 3 - NSS
    assert not any(run == "dave" for scope, run, _ in bold if scope == "all")
    twins = read_markdown(to_markdown(leaderboard({"a": runs["dave"], "b": runs["dave"]}, n=50)), 2)
    assert all(cell[-1] for cell in twins.values())
    alone = read_markdown(to_markdown(leaderboard({"a": runs["dave"]}, n=50)), 2)
    assert not any(cell[-1] for cell in alone.values())


def test_neither_a_reference_nor_a_gain_is_called_best(runs):
    three = {**runs, "human": runs["vinet"].assign(nss=runs["vinet"]["nss"] + 5)}
    cells = read_markdown(to_markdown(leaderboard(three, references=["human"], n=50)), 2)
    assert cells["all", "vinet", "NSS ↑"][-1]
    assert not cells["all", "human", "NSS ↑"][-1]
    gains = read_markdown(to_markdown(centre_bias_table({"m": runs["dave"], "m+mep": three["human"]}, n=50)), 3)
    assert gains["all", "m", "with", "NSS ↑"][-1]
    assert not any(cell[-1] for key, cell in gains.items() if key[2] == "gain")


@pytest.mark.parametrize("render", [to_markdown, to_latex])
def test_the_head_says_how_it_was_made_and_what_was_counted(runs, render):
    table = leaderboard(runs, n=50, seed=7)
    page = plain(render(table)).replace("\\", "")
    for said in header(table):
        assert said in page
    head = " ".join(header(table))
    counts = table.rows.iloc[0]
    assert "Protocol: ours." in head
    assert AVERAGES["video"] in head
    assert "95 % percentile bootstrap over videos, 50 resamples, seed 7" in head
    assert (
        f"12 videos; frames: {counts['frames']} scored, {counts['without_fixations']} without fixations, "
        f"{counts['without_map']} without a map"
    ) in head


def test_runs_with_other_counts_are_counted_apart(runs):
    head = " ".join(header(leaderboard({**runs, "twin": runs["dave"], "short": runs["dave"].iloc[10:]}, n=10)))
    assert "dave, vinet, twin: 12 videos" in head
    assert "short: " in head


def test_a_metric_of_fewer_videos_says_so(runs):
    table = leaderboard(runs, n=10)
    page = to_markdown(table)
    cells = read_markdown(page, 2)
    assert (cells["all", "dave", "NSS ↑"][3], cells["all", "dave", "CC ↑"][3]) == (12, 11)
    frames = rows_of(table, run="dave", scope="all")["frames"]
    assert frames["nss"] > frames["cc"]
    assert f"| all | dave | 12 | {frames['nss']} |" in page


def test_latex_opens_and_closes_and_has_as_many_cells_as_columns(table):
    source = to_latex(table)
    assert re.findall(r"\\begin\{(\w+)\}", source) == re.findall(r"\\end\{(\w+)\}", source)[::-1]
    columns = len(re.search(r"\\begin\{tabular\}\{([lr]+)\}", source)[1])
    body = source.split("\\toprule")[1].split("\\bottomrule")[0]
    assert {len(re.findall(r"(?<!\\)&", line)) for line in body.splitlines() if line.endswith(r"\\")} == {columns - 1}
    bare = re.sub(r"\\[{}$&#%_]|\\[a-z]+", "", source)
    assert bare.count("{") == bare.count("}")
    assert not set(bare) & set('#%_~^<>|"↑↓–')  # everything special is escaped


def test_no_minus_before_nothing_and_a_minus_that_is_one():
    table = leaderboard({"a": scores_of({"x/1": [-0.001]}), "b": scores_of({"x/1": [-1.234]})}, n=10)
    assert "| **0.00** |" in to_markdown(table)
    assert "| -1.23 |" in to_markdown(table)
    assert "$-$1.23" in to_latex(table)
