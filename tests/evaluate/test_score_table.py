"""The score table: what is averaged, how, and what is only counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.evaluate.score_table import SCORES, means, read_scores, video_means, write_scores

ROWS = [
    # one video of three frames, one of one, in two corpora and categories
    {"stimulus": "a/x", "corpus": "a", "category": "nature", "frame": 0, "n_fixations": 2, "nss": 1.0},
    {"stimulus": "a/x", "corpus": "a", "category": "nature", "frame": 1, "n_fixations": 1, "nss": 2.0},
    {"stimulus": "a/x", "corpus": "a", "category": "nature", "frame": 2, "n_fixations": 0},
    {"stimulus": "a/x", "corpus": "a", "category": "nature", "frame": 3, "n_fixations": 4, "note": "no map"},
    {"stimulus": "a/y", "corpus": "a", "category": "social", "frame": 0, "n_fixations": 1, "nss": 4.5},
    {"stimulus": "b/x", "corpus": "b", "category": "nature", "frame": 0, "n_fixations": 1, "nss": 9.0},
]


@pytest.fixture
def scores(tmp_path: Path) -> pd.DataFrame:
    write_scores(tmp_path / "run.parquet", ({"protocol": "ours", **row} for row in ROWS), {"run": "mine"})
    table, about = read_scores(tmp_path / "run.parquet")
    assert about == {"run": "mine"}
    assert list(table.columns) == SCORES.names
    return table


@pytest.mark.parametrize(
    ("average", "nss"), [("video", (1.5 + 4.5 + 9) / 3), ("frame", (1 + 2 + 4.5 + 9) / 4), ("corpus", (3 + 9) / 2)]
)
def test_each_average_weighs_as_it_says(scores, average, nss):
    overall = means(scores, average).set_index("scope").loc["all"]
    assert overall["nss"] == pytest.approx(nss)
    assert (overall["videos"], overall["frames"]) == (3, 4)


def test_categories_stand_below_and_hold_their_own_videos(scores):
    table = means(scores).set_index("scope")
    assert list(table.index) == ["all", "nature", "social"]
    assert table.loc["nature", "nss"] == pytest.approx((1.5 + 9) / 2)
    assert np.isnan(table.loc["all", "sim"])  # not computed by anybody


def test_the_mean_of_a_video_leaves_out_what_was_not_scored(scores):
    videos = video_means(scores)
    assert videos["nss"].to_dict() == {"a/x": 1.5, "a/y": 4.5, "b/x": 9.0}
    assert videos.loc["b/x", "category"] == "nature"
