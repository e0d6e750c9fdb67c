"""`ave compare`: is one run better than another? Tests over videos, win shares, best and worst sequences."""

from __future__ import annotations

import itertools
import json
from argparse import Namespace
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from pipeline.errors import UsageError, did_you_mean
from pipeline.evaluate import protocols, significance
from pipeline.evaluate.analysis.bootstrap import Interval
from pipeline.evaluate.analysis.extremes import best_and_worst
from pipeline.evaluate.analysis.pairing import ScoresByRun, sign_of
from pipeline.evaluate.curves import win_share
from pipeline.evaluate.results import FOLDER, results
from pipeline.evaluate.score_table import METRICS
from pipeline.evaluate.significance import Anova, anova_over_frames


def compare(arguments: Namespace) -> int:
    """Print every pair of runs with difference, interval, corrected p and verdict, and what else tells them apart."""
    sign_of(arguments.metric)
    runs = _chosen(arguments)
    tests, anova = significance.compare(runs, arguments.metric), anova_over_frames(runs, arguments.metric)
    wins = {(a, b): win_share(runs[a], runs[b], arguments.metric) for a, b in itertools.combinations(runs, 2)}
    if arguments.json:
        told = {"tests": tests.to_dict("records"), "anova": vars(anova)}
        told["win_shares"] = [{"a": a, "b": b, **vars(win.share)} for (a, b), win in wins.items()]
        print(json.dumps(told, indent=1, default=str))
        return 0
    title = METRICS[arguments.metric][0]
    print(f"# {title} on the {arguments.split} split, protocol {arguments.protocol}\n")
    rows = (_row(row, wins[row["a"], row["b"]].share) for row in tests.to_dict("records"))
    print("\n".join(f"| {' | '.join(cells)} |" for cells in (*_HEAD, *rows)))
    print("\n".join(["", *_notes(anova)]))
    for name, scores in runs.items():
        print(f"\n{name}, best and worst:")
        print("\n".join(_extremes(best_and_worst(scores, arguments.metric, 3))))
    return 0


_HEAD = (
    ["a", "b", "videos", "a − b", "95 %", "p permutation", "p Wilcoxon", "frames on which a wins", "verdict"],
    [":--", ":--", *["--:"] * 6, ":--"],
)


def _chosen(arguments: Namespace) -> ScoresByRun:
    """The runs asked for, or all that were scored on the split by the protocol.

    Raises
    ------
    UsageError
        If one is not there, or there are fewer than two.
    """
    protocols.get(arguments.protocol)
    arguments.split = arguments.split or _split_with_runs(arguments)
    found = results(arguments.store / FOLDER, arguments.split, arguments.protocol)
    names = list(dict.fromkeys(arguments.runs or found))
    for name in names:
        if name not in found:
            raise UsageError(
                f"No scores of {name!r} on the {arguments.split} split by {arguments.protocol}.",
                remedy=did_you_mean(name, found) if found else "Score it first: ave score, ave baselines.",
            )
    if len(names) < 2:
        raise UsageError(
            f"A comparison needs two runs; {len(names)} scored on the {arguments.split} split by {arguments.protocol}.",
            remedy="Score another run, or a baseline: ave score, ave baselines; or name another --split.",
        )
    without = [name for name in names if found[name].scores[arguments.metric].isna().all()]
    if without:
        raise UsageError(
            f"No {arguments.metric} in the scores of {', '.join(without)}.",
            remedy=f"Score them with it: --metric {arguments.metric}; `ave score --help` lists the metrics.",
        )
    return {name: found[name].scores for name in names}


def _split_with_runs(arguments: Namespace) -> str:
    """The test split, or where fewer than two runs were scored on it, another one that has them."""
    counts = {
        split: len(results(arguments.store / FOLDER, split, arguments.protocol)) for split in ("test", "val", "train")
    }
    return next((split for split, count in counts.items() if count > 1), "test")


def _row(row: Mapping[str, Any], share: Interval) -> list[str]:
    interval = "–" if pd.isna(row["low"]) else f"[{row['low']:+.3f}, {row['high']:+.3f}]"
    p = [f"{row[test]:.3g}" for test in ("p_permutation_holm", "p_wilcoxon_holm")]
    words = row["verdict"] + (f" ({row['remark']})" if row["remark"] else "")
    numbers = [str(row["videos"]), f"{row['difference']:+.3f}", interval, *p, f"{share.mean:.1%}"]
    return [row["a"], row["b"], *numbers, words]


def _notes(anova: Anova) -> Iterator[str]:
    yield "* Differences and intervals are over videos (paired, common frames only); p values are Holm-corrected."
    yield "* A frame on which both are equal counts half; per video, then over videos."
    yield f"* The papers' ANOVA over frames: F = {anova.f:.2f}, p = {anova.p:.3g}. {anova.remark}"


def _extremes(table: pd.DataFrame) -> Iterator[str]:
    """A line a video or sequence."""
    for row in table.to_dict("records"):
        where = "" if row["what"] == "video" else f", frames {row['first_frame']} to {row['last_frame']}"
        kind = f"{row['which']} {row['what']} {row['rank']}"
        yield f"  {kind:<17} {row['mean']:6.3f}  {row['stimulus']} ({row['category']}){where}"
