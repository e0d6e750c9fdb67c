"""What a model makes of the sound: the test split predicted with each clip's own sound and with another video's.

Conventions
-----------
`shards` is {"corpus/split": index.json}; a run is the folder with its `weights.safetensors` and `run.json`.
The other video is the next one of the split; its sound is taken at the same frames, so that everything but the world
behind the sound is alike. Scores are averaged as in `evaluate.scores`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor, nn
from torch.utils.data import IterableDataset

from pipeline.evaluate.scores import METRICS, OVERALL, Truth, fit_baselines, read_truth, score_frames, summarise
from pipeline.export.clips import Clip, ClipStream
from pipeline.export.reader import ShardSet
from pipeline.learn import checkpoints
from pipeline.learn.predict import predict
from pipeline.learn.settings import PredictSettings
from pipeline.learn.shards import indexes_of

SWAPPED = "sound swapped"  # what is added to the name of a run


class OtherSound(IterableDataset[Clip]):
    """The clips of a stream, in its order, each with the sound of the next stimulus at the same place.

    Parameters
    ----------
    clips : ClipStream
        Not shuffled, of two stimuli at least; read through once for its sounds.
    """

    def __init__(self, clips: ClipStream):
        self._clips = clips
        self._sounds: dict[str, list[Tensor]] = {}
        for clip in clips:
            self._sounds.setdefault(clip["stimulus"], []).append(clip["audio"][:1].clone())  # its channels are alike
        names = list(self._sounds)
        self._other = dict(zip(names, [*names[1:], names[0]], strict=True))

    def __iter__(self) -> Iterator[Clip]:
        for stimulus, clips in itertools.groupby(self._clips, key=lambda clip: clip["stimulus"]):
            sounds = self._sounds[self._other[stimulus]]
            for place, clip in enumerate(clips):
                sound = sounds[min(place, len(sounds) - 1)]  # stimuli may differ in length
                yield {**clip, "audio": sound.expand_as(clip["audio"])}


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
        {model: {metric: score}}: the baselines, the runs, "RUN, sound swapped", and "truth", the density of each
        frame's own observers.
    """
    test = ShardSet(indexes_of(shards, "test"))
    size = test.head(0).density.shape[1:]
    truths = {truth.stimulus: truth for truth in read_truth(test, size)}
    maps = {name: _maps(folder, shards, every, size) for name, folder in runs.items()}
    maps |= {
        f"{name}, {SWAPPED}": _maps(folder, shards, every, size, swapped=True)
        for name, folder in runs.items()
        if _hears_and_sees(folder)
    }
    frames = {stimulus: np.arange(0, len(truth.counts), every) for stimulus, truth in truths.items()}
    rows: list[dict[str, Any]] = []
    for stimulus, truth in truths.items():
        here = {name: predicted[stimulus] for name, predicted in maps.items()}
        here["truth"] = truth.density[frames[stimulus]]
        rows += _rows(truth, frames[stimulus], here)
    rows += _baseline_rows(shards, truths, frames, size)
    averages = summarise(pd.DataFrame(rows))["rows"]
    return {row["model"]: {name: row[name] for name in METRICS} for row in averages if row["scope"] == OVERALL}


def _rows(truth: Truth, frames: np.ndarray, maps: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    return [row for name, predicted in maps.items() for row in score_frames(truth, frames, predicted, name)]


def _baseline_rows(
    shards: Mapping[str, Path], truths: Mapping[str, Truth], frames: Mapping[str, np.ndarray], size: tuple[int, int]
) -> list[dict[str, Any]]:
    still = fit_baselines(ShardSet(indexes_of(shards, "train")), size)
    rows = []
    for stimulus, truth in truths.items():
        repeated = {name: np.broadcast_to(one, (len(frames[stimulus]), *size)) for name, one in still.items()}
        rows += _rows(truth, frames[stimulus], repeated)
    return rows


def _maps(
    folder: Path, shards: Mapping[str, Path], every: int, size: tuple[int, int], *, swapped: bool = False
) -> dict[str, np.ndarray]:
    """A run's maps [frames, height, width] of every test stimulus."""
    model, run = _open(folder)
    wants: Any = model.wants
    clips = ClipStream(indexes_of(shards, "test"), frames=wants.frames, normalise=wants.normalisation, stride=every)
    heard: Any = OtherSound(clips) if swapped else clips
    settings = PredictSettings(split="test", every=every)
    predicted = predict(model, heard, settings, run["settings"]["scale"], size)
    return {
        stimulus: np.stack([saliency for *_, saliency in rows])
        for stimulus, rows in itertools.groupby(predicted, key=lambda row: row[0])
    }


def _open(folder: Path) -> tuple[nn.Module, dict[str, Any]]:
    return checkpoints.open_run(folder / "weights.safetensors", folder / "run.json")


def _hears_and_sees(folder: Path) -> bool:
    return _open(folder)[1]["model"]["options"]["modality"] == "av"
