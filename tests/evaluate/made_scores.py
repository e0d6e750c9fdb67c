"""Score tables made by hand, for the analyses derived from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pipeline.evaluate.score_table import METRICS, SCORES


def scores_of(videos: Mapping[str, Sequence[Any]], metric: str = "nss", step: int = 1, **columns: Any) -> pd.DataFrame:
    """One row a frame of {stimulus: scores}; None is a frame without fixations, a word a frame with that note.

    The stimulus's corpus and category are the words before the slash: "diem.nature/x"; without a dot, both are.
    """
    rows = []
    for stimulus, values in videos.items():
        corpus, _, category = stimulus.split("/")[0].partition(".")
        for place, value in enumerate(values):
            row = {"protocol": "ours", "stimulus": stimulus, "corpus": corpus, "category": category or corpus}
            row |= {"frame": place * step, "n_fixations": 0 if value is None else 20, **columns}
            rows.append(row | ({"note": value} if isinstance(value, str) else {metric: value}))
    table = pd.DataFrame(rows, columns=SCORES.names)
    table["note"] = table["note"].astype(object)
    return table.astype(dict.fromkeys(METRICS, np.float64) | {"frame": np.int32, "n_fixations": np.int32})


def random_runs(seed: int = 0, videos: int = 12, metric: str = "nss", shifts: Sequence[float] = (0, 0.3, 0.6)) -> dict:
    """Runs "a", "b", "c" … on the same videos of three categories, each a little better than the last."""
    random = np.random.default_rng(seed)
    names = [f"{'diem' if k % 2 else 'coutrot1'}.{('nature', 'social', 'misc')[k % 3]}/v{k}" for k in range(videos)]
    level, lengths = random.normal(1, 1, videos), random.integers(5, 20, videos)
    runs = {}
    for run, shift in zip("abcdefgh", shifts, strict=False):
        own = {
            name: (level[k] + shift + random.normal(0, 0.3) + random.normal(0, 0.5, lengths[k])).tolist()
            for k, name in enumerate(names)
        }
        runs[run] = scores_of(own, metric)
    return runs
