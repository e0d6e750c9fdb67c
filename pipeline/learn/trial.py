"""Runs and baselines on the test split of a world whose truth is known, also with the sound of another video.

Conventions
-----------
`shards` is {"corpus/split": index.json}; a run is the folder with its `weights.safetensors` and `run.json`. The other
video is the next one of the split; its sound is taken at the same times, so that everything but the world behind the
sound is alike. Scores are those of the protocol `ours`, averaged over the frames of a video, then over videos.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from pipeline.evaluate.score_table import OVERALL, SCORES, means
from pipeline.evaluate.scores import fit_baselines, of_split
from pipeline.evaluate.scoring import score_video, scorers_of
from pipeline.evaluate.truth import truths_of_shards
from pipeline.export.clips import ClipStream
from pipeline.learn import checkpoints
from pipeline.learn.audit import by_stimulus
from pipeline.learn.predict import predict
from pipeline.learn.settings import PredictSettings
from pipeline.learn.shards import form_of, indexes_of
from pipeline.learn.sounds import ORIGINAL, OtherSound

METRICS = ("nss", "cc")
SWAPPED = "sound swapped"  # what is added to the name of a run

Maps = Mapping[str, Iterable[tuple[int, NDArray]]]


def score_test(shards: Mapping[str, Path], runs: Mapping[str, Path], *, every: int) -> dict[str, dict[str, float]]:
    """Score runs on the test split, each that hears and sees also with swapped sound, beside baselines and the truth.

    Parameters
    ----------
    shards : mapping
        Of the splits train (for the baselines) and test.
    runs : mapping of str to Path
        Name of each run, and its folder.
    every : int
        Score frames 0, every, 2 every … of each stimulus.

    Returns
    -------
    dict
        {run: {metric: score}}: the runs, "RUN, sound swapped", "truth", the density of each frame's own observers, and
        the baselines.
    """
    test = of_split(shards, "test")
    truths = list(truths_of_shards(test))
    mep, still = fit_baselines(shards)
    (scorer,) = scorers_of(["ours"], truths, mep)
    size = test.head(0).density.shape[1:]
    given: dict[str, Maps] = {name: maps_of(folder, shards, every, size) for name, folder in runs.items()}
    given |= {
        f"{name}, {SWAPPED}": maps_of(folder, shards, every, size, "swapped")
        for name, folder in runs.items()
        if hears_and_sees(folder)
    }
    frames = {truth.stimulus: range(0, truth.n_frames, every) for truth in truths}
    given["truth"] = {t.stimulus: [(k, t.density(k, size)) for k in frames[t.stimulus]] for t in truths}
    for name, baseline in still.items():
        given[name] = {t.stimulus: [(k, baseline.map(t, k)) for k in frames[t.stimulus]] for t in truths}
    return {
        name: _overall(row for truth in truths for row in score_video([scorer], truth, maps[truth.stimulus]))
        for name, maps in given.items()
    }


def maps_of(
    folder: Path, shards: Mapping[str, Path], every: int, size: tuple[int, int], condition: str = ORIGINAL
) -> Maps:
    """A run's (frame, map) of every test stimulus, with one of the `sounds.CONDITIONS`."""
    model, run = open_run(folder)
    wants: Any = model.wants
    clips = ClipStream(indexes_of(shards, "test"), stride=every, **form_of(wants))
    heard: Any = clips if condition == ORIGINAL else OtherSound(clips, condition)
    settings = PredictSettings(split="test", every=every)
    return by_stimulus(predict(model, heard, settings, run["settings"]["scale"], size))


def open_run(folder: Path) -> tuple[Any, dict[str, Any]]:
    """The model of a finished run, and its run.json."""
    return checkpoints.open_run(folder / "weights.safetensors", folder / "run.json")


def hears_and_sees(folder: Path) -> bool:
    """Whether a run's model takes both sound and picture."""
    model, run = open_run(folder)
    return model.wants.audio != "none" and run["model"]["options"].get("modality") != "audio"


def _overall(rows: Iterator[dict[str, Any]]) -> dict[str, float]:
    table = pd.DataFrame(rows).reindex(columns=SCORES.names)
    overall = means(table).set_index("scope").loc[OVERALL]
    return {name: float(overall[name]) for name in METRICS}
