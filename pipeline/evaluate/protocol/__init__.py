"""What a scoring protocol is: what is done to a map, what it is held against, by which code, how it is averaged.

Conventions
-----------
A protocol begins where a paper's scoring script does: with the picture it reads. A map of floats is first written as
that picture; an 8-bit map was written by somebody else and is taken as it is. Sizes are (height, width), pixels are
those of the picture that is scored unless said otherwise. Two scores may be compared only within one protocol.

Peculiarities (`says`) are reproduced unless the sentence says "not reproduced"; what no source states and is assumed
here begins with "Assumed".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from pipeline.errors import UsageError, did_you_mean
from pipeline.evaluate.protocol import negatives
from pipeline.evaluate.protocol.densities import Density
from pipeline.evaluate.protocol.measures import EXPECTED, OPTIONAL, Measure
from pipeline.evaluate.protocol.preparing import RULES, Saving, Smoothing
from pipeline.evaluate.score_table import AVERAGES, METRICS

VIDEO, MAP = "video", "map"  # sizes: the video's own, the saliency map's own
REFUSED, SKIPPED, ZERO = "refused", "skipped", "zero"
BEYOND = {  # a map of a frame after the last annotated one
    REFUSED: "an error",
    SKIPPED: "left out",
    ZERO: "scored 0 in every metric",
}
EXPECTED_SUFFIX = "-expected"


@dataclass(frozen=True)
class Protocol:
    """Everything that decides a score besides the map and the gaze.

    Attributes
    ----------
    name, source : str
        The source names the script that was read.
    size : (int, int) or str
        At which maps are scored; `VIDEO` or `MAP`.
    saved : Saving, optional
        How a map of floats becomes the picture that the script reads.
    resize : str
        One of `preparing.RULES`.
    smoothing : Smoothing, optional
        Of the saliency map.
    stretched : bool
        The map is stretched to 0..1 before it is smoothed, so that an all-zero map has no score at all.
    binary : bool
        Whether a pixel hit twice counts once.
    density : callable
        One of `pipeline.evaluate.protocol.densities`.
    negatives : str
        One of `negatives.KINDS`.
    metrics : {metric: Measure}
        Keys of `score_table.METRICS`.
    non_negative : bool
        Whether a map with negative values is refused.
    empty : {metric: float}
        Scores that a frame without fixations gets all the same; other metrics have none.
    beyond : str
        One of `BEYOND`.
    all_or_none : bool
        Whether a frame without a number in one metric is left out of all.
    average : str
        One of `score_table.AVERAGES`.
    says : tuple of str
        Peculiarities, a plain sentence each.
    """

    name: str
    source: str
    size: tuple[int, int] | str
    resize: str
    density: Density
    negatives: str
    metrics: Mapping[str, Measure]
    average: str = "video"
    saved: Saving | None = None
    smoothing: Smoothing | None = None
    stretched: bool = False
    binary: bool = True
    non_negative: bool = False
    empty: Mapping[str, float] = field(default_factory=dict)
    beyond: str = REFUSED
    all_or_none: bool = False
    says: tuple[str, ...] = ()

    @property
    def draws(self) -> bool:
        """Whether any score depends on the seed."""
        drawn = any(measure in EXPECTED for measure in self.metrics.values())
        return drawn or self.negatives in (negatives.TEN_FRAMES, negatives.TEN_VIDEOS)

    def expected(self) -> Protocol:
        """The same with the mean over all jitters and splits in place of drawn ones; quicker, and without noise."""
        metrics = {name: EXPECTED.get(measure, measure) for name, measure in self.metrics.items()}
        return replace(self, name=self.name + EXPECTED_SUFFIX, metrics=metrics) if metrics != self.metrics else self

    def with_metrics(self, names: Iterable[str]) -> Protocol:
        """The same with further metrics, exact ones: "auc_borji", "emd"; those it has already stay as they are.

        Raises
        ------
        UsageError
            If one is no metric that can be added.
        """
        added = {name: OPTIONAL[name] for name in _known(names) if name not in self.metrics}
        return replace(self, metrics={**self.metrics, **added})

    def words(self) -> dict[str, str]:
        """Every field in words, under a title; the metrics under theirs."""
        empty = ", ".join(f"{METRICS[name][0]} {score:g}" for name, score in self.empty.items())
        return {
            "Size": _size_in_words(self.size),
            "Picture": str(self.saved) if self.saved else "the map's own numbers",
            "Smoothing": str(self.smoothing) if self.smoothing else "none",
            "Resizing": RULES[self.resize],
            "Fixations": "a pixel hit twice counts once" if self.binary else "every fixation counts",
            "Density": said_of(self.density),
            "sAUC negatives": negatives.KINDS[self.negatives],
            "Maps with negative values": "not scored" if self.non_negative else "scored",
            "All-zero maps": "no score in any metric" if self.stretched else "as any constant map",
            "Frames without fixations": f"{empty}, nothing else" if empty else "not scored",
            "Maps beyond the last frame": BEYOND[self.beyond],
            "No number in one metric": "left out of all" if self.all_or_none else "left out of that one",
            "Average": AVERAGES[self.average],
            **{METRICS[name][0]: said_of(measure) for name, measure in self.metrics.items()},
        }


def _known(names: Iterable[str]) -> list[str]:
    for name in names:
        if name not in OPTIONAL:
            raise UsageError(f"Unknown further metric {name!r}.", remedy=did_you_mean(name, OPTIONAL))
    return list(dict.fromkeys(names))


def said_of(function: Callable) -> str:
    """The first line of a docstring, which is written to stand in a table, without its full stop."""
    return (function.__doc__ or "").strip().split("\n")[0].rstrip(".")


def _size_in_words(size: tuple[int, int] | str) -> str:
    if isinstance(size, str):
        return {VIDEO: "the video's own", MAP: "the map's own"}[size]
    return f"{size[0]} × {size[1]}"
