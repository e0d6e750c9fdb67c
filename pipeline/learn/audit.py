"""The audio audit as a stage: one run predicts a split with its own sound and with every other that can be made.

Conventions
-----------
Written: `audit.md`, `audit.csv` (a row a condition), `moved.parquet` (how far each map moved) and
`scores/<condition>.parquet`, score tables by the protocol `ours`. What the conditions are: `sounds`; what is made of
them: `evaluate.sound_audit`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.evaluate import sound_audit
from pipeline.evaluate.metrics import cc, sim
from pipeline.evaluate.score_table import SCORES, write_scores
from pipeline.evaluate.scores import fit_baselines, of_split
from pipeline.evaluate.scoring import score_video, scorers_of
from pipeline.evaluate.truth import truths_of_shards
from pipeline.export.clips import ClipStream
from pipeline.export.reader import ShardSet
from pipeline.learn import checkpoints
from pipeline.learn.predict import predict
from pipeline.learn.settings import PredictSettings, from_params
from pipeline.learn.shards import check_form, form_of, indexes_of
from pipeline.learn.sounds import ORIGINAL, OtherSound, conditions_of
from pipeline.store.job import Job

METRIC = "nss"

Maps = Mapping[str, list[tuple[int, NDArray[np.float32]]]]  # (frame, map) by stimulus


def build_item(job: Job) -> dict[str, Any]:
    """Stage function: audit a run.

    Parameters
    ----------
    job : Job
        `files`: "shards" {"corpus/split": index.json} (train, for the baseline, and the split), "weights" and "run" of
        a training. `params`: those of `PredictSettings`.

    Returns
    -------
    dict
        `verdict`, and by condition the correlation of the maps and the gain in NSS.

    Raises
    ------
    ModelError
        If the shards cannot give what the model wants.
    """
    settings = from_params(PredictSettings, job.params)
    model, run = checkpoints.open_run(job.files["weights"], job.files["run"])
    wants: Any = model.wants
    check_form(run["model"]["name"], wants)
    truths = list(truths_of_shards(of_split(job.files["shards"], settings.split)))
    mep, _ = fit_baselines(job.files["shards"])
    (scorer,) = scorers_of(["ours"], truths, mep)
    indexes = indexes_of(job.files["shards"], settings.split)
    size = ShardSet(indexes).head(0).density.shape[1:]
    conditions, not_made = conditions_of(ClipStream(indexes, **form_of(wants)).shards)
    scores: dict[str, pd.DataFrame] = {}
    moved: list[dict[str, Any]] = []
    own: Maps = {}
    (job.out / "scores").mkdir()
    for condition in conditions:
        clips = ClipStream(indexes, stride=settings.every, **form_of(wants))
        heard: Any = clips if condition == ORIGINAL else OtherSound(clips, condition)
        maps = by_stimulus(predict(model, heard, settings, run["settings"]["scale"], size))
        rows = [row for truth in truths for row in score_video([scorer], truth, maps.get(truth.stimulus, ()))]
        about = {"run": job.name, "sound": condition, "split": settings.split, "every": settings.every}
        write_scores(job.out / "scores" / f"{condition.replace(' ', '_')}.parquet", rows, about)
        scores[condition] = pd.DataFrame(rows).reindex(columns=SCORES.names)
        own = own or maps
        moved += list(_distances(condition, own, maps)) if condition != ORIGINAL else []
    table = pd.DataFrame(moved)
    table.to_parquet(job.out / "moved.parquet", index=False)
    found = sound_audit.audit(table, scores, ORIGINAL, METRIC, not_made)
    (job.out / "audit.md").write_text(sound_audit.to_markdown(found, job.name), encoding="utf-8")
    found.rows.to_csv(job.out / "audit.csv", index=False, lineterminator="\n")
    by_condition = found.rows.set_index("condition")
    return {"verdict": found.verdict, **by_condition[["maps_cc", "gain"]].to_dict()}


def by_stimulus(predicted: Iterator[tuple[str, int, NDArray[np.float32]]]) -> Maps:
    """(frame, map) of each stimulus."""
    found: dict[str, list[tuple[int, NDArray[np.float32]]]] = {}
    for stimulus, frame, saliency in predicted:
        found.setdefault(stimulus, []).append((frame, saliency))
    return found


def _distances(condition: str, own: Maps, other: Maps) -> Iterator[dict[str, Any]]:
    """How alike the maps of two sounds are, frame by frame."""
    for stimulus, pairs in own.items():
        for (frame, before), (_, after) in zip(pairs, other[stimulus], strict=True):
            where = {"condition": condition, "stimulus": stimulus, "frame": frame}
            yield {**where, "cc": _same_or(cc, after, before), "sim": _same_or(sim, after, before)}


def _same_or(metric: Any, after: NDArray, before: NDArray) -> float:
    """A metric of two maps; 1 of equal ones, constant ones among them."""
    return 1.0 if np.array_equal(after, before) else float(metric(after, before))
