"""The training stage: starts `pipeline.learn.loop` in a child process and says what came of it.

Conventions
-----------
This side runs in the builder and imports no torch. Written by the child: `weights.safetensors` (best on val);
`run.json` (model, settings, digests of the shards, code version, metrics, losses); `log.jsonl`, `curves.csv` and
`curves.png`; `bad_batch.safetensors` where the loss went bad. A killed training leaves its last resume point in
`job.values["keep"]` and goes on there the next time it is asked for.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from pipeline.learn import launch
from pipeline.learn.settings import TrainSettings, from_params
from pipeline.store.job import Job


def build_item(job: Job) -> dict[str, Any]:
    """Stage function: train in a child process.

    Parameters
    ----------
    job : Job
        `files`: "shards" {"corpus/split": index.json}, and perhaps "audio", the weights of a pretrained sound stream.
        `values`: "keep", a folder that outlives a killed run; more in `pipeline.learn.start`.
        `params`: those of `TrainSettings`.

    Returns
    -------
    dict
        The figures worth a line in the record; `stopped` says at which step and clips the loss went bad.

    Raises
    ------
    ModelError
        If a setting, the shards or the loss are no good (told by the child), or the child dies.
    """
    settings = from_params(TrainSettings, job.params)  # a typing error should not cost a process
    launch.run_child("pipeline.learn.loop", job, settings.processes)
    timing = launch.take_timing(job)
    run = json.loads((job.out / "run.json").read_text(encoding="utf-8"))
    clips = run["steps_done"] * settings.batch * settings.accumulate * settings.processes
    if job.values.get("keep"):  # what was learnt is all in `job.out` now
        shutil.rmtree(Path(job.values["keep"]) / timing.pop("identity"), ignore_errors=True)
    facts = {name: run[name] for name in ("parameters", "steps_done", "best", "stopped", "device")}
    wait = timing["loader_wait_share"]
    return {**facts, "loader_wait_share": wait, "clips_per_s": round(clips / timing["seconds"], 2)}
