"""Sample frames for a report: of the videos that a run scores best, middling and worst on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from pipeline.corpus import Corpus, Stimulus
from pipeline.evaluate.analysis.pairing import sign_of
from pipeline.evaluate.results import Result
from pipeline.evaluate.score_table import scored
from pipeline.evaluate.truth import truth_of
from pipeline.report.pages import Sample
from pipeline.report.pages.data import MAIN_METRIC

MAP_SIZE = (32, 40)
PICTURE_PX = 360
CHOSEN = (("the best video", 0.0), ("the middle video", 0.5), ("the worst video", 1.0))


def samples(
    corpus: Corpus,
    split: str,
    found: Mapping[str, Result],
    run: str,
    maps: Path | None,
    prior: NDArray[np.float64] | None,
) -> Iterator[Sample]:
    """Three frames, each the one of the median score in its video; with nothing scored, the middles of three videos.

    Parameters
    ----------
    corpus : Corpus
    split : str
    found : mapping of run to Result
    run : str
        Whose best, middle and worst videos are taken; empty where nothing is scored.
    maps : Path, optional
        `maps.parquet` of this run.
    prior : ndarray, optional
        The mean eye position, shown beside the run's map.
    """
    for why, stimulus, frame in _chosen(corpus, split, found, run):
        if stimulus not in corpus or frame >= corpus[stimulus].n_frames:  # scored before the corpus was built anew
            continue
        shown, truth = corpus[stimulus], truth_of(corpus[stimulus])
        x_px, y_px = truth.points(frame)
        predicted = {run: own} if maps and (own := _map_of(maps, stimulus, frame)) is not None else {}
        yield Sample(
            stimulus=stimulus,
            frame=frame,
            why=why,
            picture=_in_shape(shown, frame),
            points=np.stack([x_px / shown.width_px, y_px / shown.height_px], axis=1),
            density=truth.density(frame, MAP_SIZE),
            maps={**predicted, **({"mep": prior} if prior is not None else {})},
            scores=_frame_scores(found, stimulus, frame),
        )


def _in_shape(shown: Stimulus, frame: int) -> NDArray[np.uint8]:
    """A stored frame in the video's own shape again, `PICTURE_PX` on its longer side."""
    larger = max(shown.height_px, shown.width_px)
    size = (round(PICTURE_PX * shown.width_px / larger), round(PICTURE_PX * shown.height_px / larger))
    return np.asarray(Image.fromarray(shown.frames(frame, frame + 1)[0]).resize(size, Image.Resampling.BICUBIC))


def _chosen(corpus: Corpus, split: str, found: Mapping[str, Result], run: str) -> Iterator[tuple[str, str, int]]:
    """Why, stimulus and frame of each sample."""
    table = scored(found[run].scores).dropna(subset=[MAIN_METRIC]) if run else pd.DataFrame()
    if table.empty:
        own = corpus.stimuli[corpus.stimuli["split"] == split].head(len(CHOSEN))
        yield from (
            ("the middle of the video", str(stimulus), int(n_frames) // 2)
            for stimulus, n_frames in zip(own["stimulus"], own["n_frames"], strict=True)
        )
        return
    means = sign_of(MAIN_METRIC) * table.groupby("stimulus")[MAIN_METRIC].mean()
    order = means.sort_values(ascending=False, kind="stable").index
    seen = set()
    for why, place in CHOSEN:
        stimulus = str(order[round(place * (len(order) - 1))])
        if stimulus not in seen:
            seen.add(stimulus)
            own = table[table["stimulus"] == stimulus].sort_values([MAIN_METRIC, "frame"])
            yield f"{why} of {run}, its median frame", stimulus, int(own["frame"].iloc[len(own) // 2])


def _map_of(file: Path, stimulus: str, frame: int) -> NDArray[np.float64] | None:
    about = json.loads((pq.read_schema(file).metadata or {}).get(b"ave", b"{}"))
    rows = pq.read_table(file, filters=[("stimulus", "=", stimulus), ("frame", "=", frame)], columns=["map"])
    if not len(rows):
        return None
    return np.asarray(rows["map"][0].as_py(), dtype=np.float64).reshape(about["height"], about["width"])


def _frame_scores(found: Mapping[str, Result], stimulus: str, frame: int) -> dict[str, float]:
    scores = {}
    for run, result in found.items():
        table = result.scores
        own = table[(table["stimulus"] == stimulus) & (table["frame"] == frame)]
        if len(own) and pd.notna(own[MAIN_METRIC].iloc[0]):
            scores[run] = float(own[MAIN_METRIC].iloc[0])
    return scores
