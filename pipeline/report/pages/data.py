"""What a report is of: plain tables and arrays, whoever gathered them.

Conventions
-----------
What is not there is empty or None; its section then says which command makes it. Frames count from 0, sizes are
(height, width), points are shares of the picture's width and height from its top left corner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from pipeline.evaluate import protocols
from pipeline.evaluate.analysis.bootstrap import RESAMPLES
from pipeline.evaluate.baselines.opening import Opening
from pipeline.evaluate.protocol import Protocol
from pipeline.evaluate.results import Result
from pipeline.evaluate.score_table import METRICS, scored

HUMAN = "human"
MAIN_METRIC = "nss"


@dataclass(frozen=True)
class Sample:
    """One frame as shown, where people looked, and what was predicted.

    Attributes
    ----------
    stimulus : str
    frame : int
    why : str
        What it was chosen for.
    picture : ndarray, shape (height, width, 3), uint8
    points : ndarray, shape (n, 2)
        Fixations, (x, y) in shares of the picture.
    density : ndarray, shape (h, w)
        The fixation density map, sum 1.
    maps : mapping of run to ndarray, shape (h, w)
        Saliency maps, not negative.
    scores : mapping of run to float
        Of the report's metric in this frame; a run may have a score and no map here.
    """

    stimulus: str
    frame: int
    why: str
    picture: NDArray
    points: NDArray
    density: NDArray
    maps: Mapping[str, NDArray]
    scores: Mapping[str, float]


@dataclass(frozen=True)
class Training:
    """A trained run: its `run.json`, its `curves.csv`, the SHA-256 of its weights, and all runs of the store."""

    name: str
    run: Mapping[str, Any]
    curves: pd.DataFrame
    weights_sha256: str
    others: pd.DataFrame


@dataclass(frozen=True)
class SoundAudit:
    """Whether a run uses the sound: rows as `evaluate.sound_audit.COLUMNS`, and what its page says."""

    run: str
    verdict: str
    rows: pd.DataFrame
    notes: tuple[str, ...]


@dataclass(frozen=True)
class ReportData:
    """Everything a report is made from.

    Attributes
    ----------
    title, split, protocol : str
        `protocol` is a name that `evaluate.protocols.get` knows.
    results : mapping of run to Result
        Scores on the split by the protocol.
    said : sequence of str
        What is not as was asked for.
    stimuli, rejected : DataFrame
        As published.
    audit : sequence of mapping
        Rows of audit.json.
    geometry : DataFrame
        One row a corpus, columns of `records.Geometry`.
    published : DataFrame
        Columns as `published.COLUMNS`.
    mep : mapping of str to ndarray
        Mean eye positions of the training split, sum 1: "all", categories, corpora.
    opening : Opening, optional
    samples : sequence of Sample
    training, sound : optional
    settings, provenance : mapping of str
    draws : int
        Resamples of bootstrap and permutation.
    """

    title: str
    split: str
    protocol: str
    results: Mapping[str, Result] = field(default_factory=dict)
    said: Sequence[str] = ()
    stimuli: pd.DataFrame = field(default_factory=pd.DataFrame)
    rejected: pd.DataFrame = field(default_factory=pd.DataFrame)
    audit: Sequence[Mapping[str, Any]] = ()
    geometry: pd.DataFrame = field(default_factory=pd.DataFrame)
    published: pd.DataFrame = field(default_factory=pd.DataFrame)
    mep: Mapping[str, NDArray] = field(default_factory=dict)
    opening: Opening | None = None
    samples: Sequence[Sample] = ()
    training: Training | None = None
    sound: SoundAudit | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    draws: int = RESAMPLES

    @property
    def scores(self) -> dict[str, pd.DataFrame]:
        """The score table of every run."""
        return {run: result.scores for run, result in self.results.items()}

    @property
    def models(self) -> list[str]:
        """Runs that are no baseline."""
        return [run for run, result in self.results.items() if not result.about.get("baseline")]

    @property
    def rules(self) -> Protocol:
        """The protocol."""
        return protocols.get(self.protocol)

    @property
    def metric(self) -> str:
        """What curves and tests are about: NSS, or the first metric that there is."""
        tables = [scored(table) for table in self.scores.values()]
        there = [name for name in METRICS if any(table[name].notna().any() for table in tables)]
        return MAIN_METRIC if MAIN_METRIC in there or not there else there[0]

    @property
    def n_frames(self) -> dict[str, int]:
        """Frames of each stimulus."""
        if self.stimuli.empty:
            return {}
        return dict(zip(self.stimuli["stimulus"], self.stimuli["n_frames"].astype(int), strict=True))
