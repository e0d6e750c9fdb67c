"""The audio pretraining stage: a network learns spoken words, so that DAVE's sound stream need not start from nothing.

Conventions
-----------
This side runs in the builder and imports no torch; `pipeline.learn.spoken` is the child. Written: `weights.safetensors`
(for "3d" the names of DAVE's `audio_branch`), `run.json` and `curves.csv`. The weights kept are those of the epoch with
the lowest loss on the validation speakers; the test speakers are asked once, at the end.

Source
------
Tavakoli et al. 2020, sec. III (30 words of Speech Commands v0.01; 88.68 % for the 3D network, 82.55 % for the 2D one).
"""

from __future__ import annotations

import json
from typing import Any

from pipeline.learn import launch
from pipeline.learn.settings import PretrainSettings, from_params
from pipeline.store.job import Job

FACTS = ("network", "parameters", "recordings", "accuracy", "nearest_mean", "chance", "best_epoch")


def build_item(job: Job) -> dict[str, Any]:
    """Stage function: pretrain in a child process.

    Parameters
    ----------
    job : Job
        `values`: "folder", laid out as Speech Commands. `params`: those of `PretrainSettings`.

    Returns
    -------
    dict
        Accuracy on the held-out test speakers beside a nearest-mean classifier's and chance, and how many recordings.

    Raises
    ------
    ModelError
        If a setting or a recording is no good (told by the child), or the child dies.
    """
    from_params(PretrainSettings, job.params)
    launch.run_child("pipeline.learn.spoken", job)
    run = json.loads((job.out / "run.json").read_text(encoding="utf-8"))
    return {name: run[name] for name in FACTS}
