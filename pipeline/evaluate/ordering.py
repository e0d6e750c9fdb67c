"""Whether sound and picture are both used: the order that scores must have in a world where sound decides the gaze.

Conventions
-----------
Scores are NSS on a test split, by what was scored (`ROWS`), one number a training seed. In that world who hears and
does not see knows as little as the mean eye position; who sees and does not hear has to split the bet over the objects;
who does both follows the sound, also when it is the sound of another video: then no better than without.

A difference counts from `MARGIN` of the truth's own score on. Checks are made on every seed: one that fails, fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

ROWS = ("uniform", "centre", "mep", "audio", "video", "av", "av, sound swapped", "truth")
MARGIN = 0.08  # of the truth's NSS

Scores = Mapping[str, Mapping[str, float]]  # by row, then by metric


@dataclass(frozen=True)
class Check:
    """One thing that must hold, the difference that shows it seed by seed, and whether it does."""

    words: str
    differences: tuple[float, ...]
    holds: bool


def checks(seeds: Sequence[Scores]) -> list[Check]:
    """The order, check by check.

    Parameters
    ----------
    seeds : sequence of {row: {"nss": score}}
        One table a training seed; the rows are `ROWS`.
    """
    margins = [MARGIN * seed["truth"]["nss"] for seed in seeds]

    def at_least(words: str, more: str, less: str, wanted: float) -> Check:
        """`more` beats `less` by `wanted` margins; a negative number lets it fall short by as many."""
        gains = [seed[more]["nss"] - seed[less]["nss"] for seed in seeds]
        holds = all(gain > wanted * margin for gain, margin in zip(gains, margins, strict=True))
        return Check(words, tuple(gains), holds)

    return [
        at_least("sound alone is no better than the mean eye position", "mep", "audio", -1),
        at_least("nor worse", "audio", "mep", -1),
        at_least("the picture beats sound alone", "video", "audio", 1),
        at_least("picture and sound beat the picture", "av", "video", 1),
        at_least("with another video's sound they do not", "video", "av, sound swapped", -1),
        at_least("nor does a wrong sound make it blind", "av, sound swapped", "mep", -1),
        at_least("it is the right sound that helps", "av", "av, sound swapped", 1),
    ]


def to_markdown(seeds: Mapping[int, Scores]) -> str:
    """Rows down; across NSS of every seed where there are several, then every metric over the seeds, mean ± spread."""
    metrics = list(next(iter(seeds.values()))[ROWS[0]])
    several = len(seeds) > 1
    head = [f"NSS, seed {seed}" for seed in seeds if several]
    head += [f"{metric.upper()} mean ± sd" if several else metric.upper() for metric in metrics]
    lines = [["model", *head], ["---", *["---:"] * len(head)]]
    for row in ROWS:
        each = [f"{scores[row]['nss']:.2f}" for scores in seeds.values() if several]
        spreads = [_spread([scores[row][metric] for scores in seeds.values()]) for metric in metrics]
        lines.append([row, *each, *spreads])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def verdict(made: Sequence[Check]) -> str:
    """A line a check, and a last one that says whether all hold."""
    lines = [f"{'ok' if check.holds else 'NOT SO'}: {check.words} ({_signed(check.differences)})" for check in made]
    failed = sum(not check.holds for check in made)
    last = (
        f"{failed} of {len(made)} do NOT hold." if failed else "MEP ≈ audio < video < av, and av needs its own sound."
    )
    return "\n".join([*lines, f"Ordering: {last}"])


def _spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation; the mean alone of a single seed."""
    return f"{mean(values):.2f} ± {stdev(values):.2f}" if len(values) > 1 else f"{values[0]:.2f}"


def _signed(differences: Sequence[float]) -> str:
    return ", ".join(f"{difference:+.2f}" for difference in differences)
