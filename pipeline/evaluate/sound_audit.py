"""Does a model use the sound? Its maps and scores with other sounds than the clips' own, and a verdict.

Conventions
-----------
`moved` is one row a condition, stimulus and frame: `cc` and `sim` between the map made with the clip's own sound and
the one made with the other. Scores are tables as `score_table` has them, by condition, of one protocol. Averages are
over the frames of a video, then over videos.

A model is called *agnostic to sound* where no other sound moves its maps: CC of at least `SAME` in every condition on
average. It *uses the sound* where a sound that is not silence moves the maps and its own scores better (a paired
permutation test over videos, Holm-corrected over the conditions); where only silence does, it *reacts to silence*. Else
its maps move and no gain is shown, or there are too few videos for the test to show any.

Source
------
Jain et al. 2021: AViNet's maps hardly change with silence or noise for its sound ("agnostic to audio").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from pipeline.evaluate.analysis.bootstrap import bootstrap_interval
from pipeline.evaluate.analysis.paired_tests import holm, paired_permutation
from pipeline.evaluate.analysis.pairing import sign_of, together
from pipeline.evaluate.score_table import METRICS

SAME = 0.995  # correlation of two maps that are taken for the same
ALPHA = 0.05
AGNOSTIC, USES, SILENCE = (
    "agnostic to sound",
    "uses the sound",
    "reacts to silence, and shows no gain over other sounds",
)
MOVES, TOO_FEW = (
    "its maps move with the sound, but no gain is shown",
    "its maps move; too few videos ({}) to show a gain",
)
SILENT = "muted"  # the condition that is no sound
COLUMNS = ("condition", "videos", "frames", "maps_cc", "maps_sim", "metric", "own", "other", "gain", "low", "high", "p")


@dataclass(frozen=True)
class Audit:
    """What was found.

    Attributes
    ----------
    rows : DataFrame
        Columns `COLUMNS`, one row a condition: how far the maps moved, and what the own sound gains in the metric
        (positive: better), from `low` to `high`, with the corrected p of the test.
    verdict : str
        `AGNOSTIC`, `USES`, `SILENCE`, `MOVES`, or `TOO_FEW` with the number of videos.
    not_made : mapping of condition to why
    """

    rows: pd.DataFrame
    verdict: str
    not_made: Mapping[str, str]


def audit(
    moved: pd.DataFrame,
    scores: Mapping[str, pd.DataFrame],
    original: str,
    metric: str = "nss",
    not_made: Mapping[str, str] | None = None,
) -> Audit:
    """Sum up what other sounds did.

    Parameters
    ----------
    moved : DataFrame
        Columns condition, stimulus, frame, cc, sim.
    scores : mapping of condition to DataFrame
        The original's among them.
    original : str
        Name of the condition that is the clips' own sound.
    metric : str
        A key of `score_table.METRICS`.
    not_made : mapping, optional
        Conditions that could not be made, and why.

    Raises
    ------
    AveError
        If there is no such metric, or no frame has a score in both.
    """
    others = [condition for condition in scores if condition != original]
    rows = [_row(condition, moved[moved["condition"] == condition], scores, original, metric) for condition in others]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["p"] = holm(table["p"])
    return Audit(table, _verdict(table), dict(not_made or {}))


def _row(
    condition: str, moved: pd.DataFrame, scores: Mapping[str, pd.DataFrame], original: str, metric: str
) -> dict[str, object]:
    runs = {original: scores[original], condition: scores[condition]}
    pair = together(runs, metric).pair(original, condition)
    gains = sign_of(metric) * pair.differences()
    interval = bootstrap_interval(gains)
    own, other = pair.values.groupby(level="stimulus").mean().mean()
    distance = moved.groupby("stimulus")[["cc", "sim"]].mean().mean()
    return {
        "condition": condition,
        "videos": interval.videos,
        "frames": len(pair.values),
        "maps_cc": float(distance["cc"]),
        "maps_sim": float(distance["sim"]),
        "metric": metric,
        "own": float(own),
        "other": float(other),
        "gain": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "p": paired_permutation(gains),
    }


def _verdict(table: pd.DataFrame) -> str:
    if (table["maps_cc"] >= SAME).all():
        return AGNOSTIC
    gains = (table["gain"] > 0) & (table["p"] <= ALPHA) & (table["maps_cc"] < SAME)
    if (gains & (table["condition"] != SILENT)).any():
        return USES
    if gains.any():
        return SILENCE
    videos = int(table["videos"].max())
    smallest_p = 2.0 ** (1 - videos) * len(table)  # where all videos agree
    return MOVES if smallest_p <= ALPHA else TOO_FEW.format(videos)


def to_markdown(found: Audit, run: str) -> str:
    """A page: the verdict, how it was come by, and a row a condition."""
    title = METRICS[found.rows["metric"].iloc[0]][0] if len(found.rows) else ""
    head = ["sound", "videos", "frames", "CC of maps", "SIM of maps", f"{title} own", f"{title} other", "gain", "p"]
    grid = [head, [":--", *["--:"] * (len(head) - 1)]]
    for row in found.rows.itertuples():
        gain = f"{row.gain:+.3f}" + ("" if pd.isna(row.low) else f" [{row.low:+.3f}, {row.high:+.3f}]")
        numbers = [f"{row.maps_cc:.4f}", f"{row.maps_sim:.4f}", f"{row.own:.3f}", f"{row.other:.3f}", gain]
        grid.append([str(row.condition), str(row.videos), str(row.frames), *numbers, f"{row.p:.3g}"])
    lines = [
        f"# Does {run} use the sound?",
        "",
        f"**Verdict: {found.verdict}.**",
        "",
        f"* CC and SIM compare the maps with those made with the clips' own sound; maps of CC {SAME} or more are taken "
        "for the same.",
        "* Gain: what the own sound scores better; in brackets the 95 % interval over videos; p of a paired "
        "permutation test over videos, Holm-corrected.",
        *(f"* Not made: {condition}: {why}" for condition, why in found.not_made.items()),
        "",
        *(f"| {' | '.join(cells)} |" for cells in grid),
    ]
    return "\n".join(lines) + "\n"
