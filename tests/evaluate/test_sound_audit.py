"""The verdict of the audio audit: on maps that do not move, that move for nothing, and that need their own sound."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipeline.evaluate.sound_audit import AGNOSTIC, MOVES, SILENCE, TOO_FEW, USES, audit, to_markdown
from tests.evaluate.made_scores import scores_of

VIDEOS = [f"a/v{number:02d}" for number in range(10)]


def scores(offset: float) -> pd.DataFrame:
    """Two frames of each video, NSS 1 and 2 above the video's own level, and an offset."""
    return scores_of({video: [level + 1 + offset, level + 2 + offset] for level, video in enumerate(VIDEOS)})


def moved(cc: float, conditions=("muted", "swapped")) -> pd.DataFrame:
    rows = [(condition, video, frame, cc, cc) for condition in conditions for video in VIDEOS for frame in (0, 1)]
    return pd.DataFrame(rows, columns=["condition", "stimulus", "frame", "cc", "sim"])


@pytest.mark.parametrize(
    ("cc", "muted", "swapped", "verdict"),
    [
        (1.0, 0.0, 0.0, AGNOSTIC),
        (0.9, 0.0, 0.0, MOVES),
        (0.9, 0.0, -0.5, USES),  # worse with another video's sound in every video
        (0.9, 0.5, 0.5, MOVES),  # better without its own: that is no use of it
        (0.9, -0.5, 0.0, SILENCE),  # another sound will do as well as its own
        (0.999, -0.5, -0.5, AGNOSTIC),  # the maps are the same, whatever the scores say
    ],
)
def test_the_verdict_follows_from_maps_and_scores(cc, muted, swapped, verdict):
    found = audit(moved(cc), {"original": scores(0), "muted": scores(muted), "swapped": scores(swapped)}, "original")
    assert found.verdict == verdict
    rows = found.rows.set_index("condition")
    assert rows.loc["swapped", "gain"] == pytest.approx(-swapped)
    assert rows.loc["swapped", "own"] == pytest.approx(4.5 + 1.5)
    assert (rows["videos"] == 10).all() and (rows["frames"] == 20).all()
    assert rows.loc["muted", "maps_cc"] == pytest.approx(cc)


def test_p_values_are_corrected_over_the_conditions():
    conditions = ["muted", "swapped", "shifted"]
    own = {"original": scores(0)} | dict.fromkeys(conditions, scores(-0.5))
    p = audit(moved(0.9, conditions), own, "original").rows["p"]
    assert np.allclose(p, 3 * 2 / 2**10)  # all ten videos agree: 2 of 1024 sign flips, three conditions


def test_of_a_metric_where_less_is_better_the_gain_is_what_is_saved():
    own, other = (frame.assign(kld=frame["nss"]) for frame in (scores(0), scores(0.25)))
    found = audit(moved(0.9, ["muted"]), {"original": own, "muted": other}, "original", "kld")
    assert found.rows["gain"].item() == pytest.approx(0.25)


def test_the_page_says_verdict_numbers_and_what_was_not_made():
    found = audit(
        moved(0.9), {"original": scores(0), "muted": scores(0), "swapped": scores(-0.5)}, "original",
        not_made={"phase-scrambled": "the shards hold no samples of the sound."},
    )  # fmt: skip
    page = to_markdown(found, "dave-av")
    assert f"**Verdict: {USES}.**" in page
    assert "| swapped | 10 | 20 | 0.9000 | 0.9000 | 6.000 | 5.500 | +0.500 [+0.500, +0.500] |" in page
    assert "Not made: phase-scrambled: the shards hold no samples" in page


@pytest.mark.parametrize(("n_conditions", "verdict"), [(1, USES), (9, TOO_FEW.format(8))])
def test_too_few_videos_for_so_many_conditions_is_said_and_not_taken_for_no_gain(n_conditions, verdict):
    conditions = [f"shifted {number}" for number in range(n_conditions)]
    few = lambda offset: scores(offset).query("stimulus < 'a/v08'")  # noqa: E731
    own = {"original": few(0)} | dict.fromkeys(conditions, few(-1.0))
    assert audit(moved(0.5, conditions), own, "original").verdict == verdict
