"""Protocols by name: each peculiarity moves the number the way it is said to, and differences are put into words."""

from __future__ import annotations

import doctest
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import UsageError
from pipeline.evaluate import protocols
from pipeline.evaluate.protocol import BEYOND, MAP, VIDEO, densities, measures
from pipeline.evaluate.protocol.negatives import KINDS, NONE, OTHER_VIDEOS, SAME_VIDEO, TEN_FRAMES, TEN_VIDEOS
from pipeline.evaluate.protocol.preparing import RULES, Saving, Smoothing
from pipeline.evaluate.protocol.scorer import Scorer
from pipeline.evaluate.protocol.variants import binary
from pipeline.evaluate.protocol.variants_roc import sauc_expected
from pipeline.evaluate.protocols import get, names, why_they_differ
from pipeline.evaluate.score_table import AVERAGES, METRICS, SCORES, means
from tests.evaluate.gaze import predicted, truth_at, watched

ALL = names()
MATLAB = ["stavis", "vinet", "dhf1k", "mit", "dave"]


@pytest.fixture(scope="module")
def split():
    return [watched(seed, name=f"a/{seed}", n_frames=6) for seed in range(4)]


def scored(protocol, split, frame=1, saliency=None):
    """One frame of the split's first video."""
    truth = split[0]
    return Scorer(protocol, split).score(truth, frame, predicted(truth, frame) if saliency is None else saliency)


def with_measure(name, metric, measure):
    protocol = get(name)
    return replace(protocol, metrics={**protocol.metrics, metric: measure})


def test_the_examples_in_the_docstrings_are_true():
    result = doctest.testmod(protocols)
    assert result.attempted >= 2
    assert result.failed == 0


def test_the_protocols_of_the_field_are_there_and_ours_is_first():
    assert ALL[0] == "ours"
    assert {"dave", "stavis", "vinet", "dhf1k", "mit"} < set(ALL)
    assert all(get(name).name == name for name in ALL)


def test_an_unknown_protocol_is_named_with_the_nearest_known_one():
    with pytest.raises(UsageError, match=r"Unknown protocol 'stavs'. Did you mean 'stavis'\?"):
        get("stavs")
    with pytest.raises(UsageError, match="Choose one of: ours"):
        get("zzz")


def test_the_expected_protocol_draws_nothing_that_has_a_mean():
    assert get("stavis").draws and not get("stavis-expected").draws
    assert get("stavis-expected").name == "stavis-expected"
    assert get("ours-expected") is get("ours")
    assert not get("ours").draws


@pytest.mark.parametrize("name", ALL)
def test_every_field_has_a_meaning(name):
    protocol = get(name)
    assert protocol.size in (VIDEO, MAP) or min(protocol.size) > 0
    assert protocol.resize in RULES
    assert protocol.negatives in KINDS
    assert protocol.beyond in BEYOND
    assert protocol.average in AVERAGES
    assert set(protocol.metrics) <= set(METRICS) and set(protocol.empty) <= set(protocol.metrics)
    assert protocol.source


@pytest.mark.parametrize("name", ALL)
def test_everything_said_is_a_sentence_and_said_once(name):
    protocol = get(name)
    assert protocol.says and len(set(protocol.says)) == len(protocol.says)
    for sentence in protocol.says:
        assert sentence[0].isupper() or sentence.startswith("sAUC")
        assert sentence.endswith(".") and len(sentence) < 200
    for words in protocol.words().values():
        assert words and not words.endswith(".")


def test_definitions_are_those_that_were_agreed():
    ours = get("ours")
    assert (ours.size, ours.smoothing, ours.saved, ours.average) == ((256, 320), None, None, "video")
    assert ours.negatives == OTHER_VIDEOS and not ours.binary and not ours.empty
    assert list(ours.metrics) == ["nss", "auc_judd", "sauc", "cc", "sim", "kld", "ig"]


READ_IN_THE_CODE = {  # size, resize, smoothing, density, negatives, 8 bits, average
    "dave": ((480, 640), "lanczos", None, densities.exact, OTHER_VIDEOS, True, "video"),
    "stavis": (VIDEO, "bicubic", Smoothing(2, 6, "reflect", True), densities.eight_bit, SAME_VIDEO, True, "video"),
    "vinet": (VIDEO, "bicubic", None, densities.eight_bit, SAME_VIDEO, True, "video"),
    "vinet-py": (VIDEO, "bilinear", Smoothing(2, 5, "mirror", False), densities.eight_bit, NONE, False, "video"),
    "dhf1k": (VIDEO, "bicubic", None, densities.dhf1k, TEN_FRAMES, True, "frame"),
    "mit": (VIDEO, "bicubic", None, densities.eight_cycles, TEN_VIDEOS, True, "frame"),
}


@pytest.mark.parametrize("name", READ_IN_THE_CODE)
def test_published_protocols_are_as_their_code_was_read(name):
    p = get(name)
    fields = (p.size, p.resize, p.smoothing, p.density, p.negatives, p.saved is not None, p.average)
    assert fields == READ_IN_THE_CODE[name]
    assert p.binary


# --- each peculiarity moves the number the way it is said to


def test_stavis_smoothing_takes_off_a_map_of_few_pixels(split):
    without = scored(replace(get("stavis"), smoothing=None), split)
    smoothed = scored(get("stavis"), split)
    for metric in ("nss", "cc", "sim"):
        assert smoothed[metric] < 0.97 * without[metric]
    fine = predicted(split[0], 1, (120, 160))
    assert (
        scored(get("stavis"), split, saliency=fine)["nss"]
        > 0.99 * (scored(replace(get("stavis"), smoothing=None), split, saliency=fine)["nss"])
    ), "two pixels of a large map are little"


def test_vinet_s_python_smooths_at_the_video_s_size(split):
    dots = split[0].counts(1, split[0].size_px).astype(np.float32)
    smoothed = scored(get("vinet-py"), split, saliency=dots)
    plain = scored(replace(get("vinet-py"), smoothing=None), split, saliency=dots)
    assert smoothed["nss"] < 0.5 * plain["nss"]
    assert smoothed["cc"] > 2 * plain["cc"]


@pytest.mark.parametrize("name", MATLAB)
def test_lines_between_thresholds_raise_auc_judd(name, split):
    by_ranks = scored(with_measure(name, "auc_judd", measures.auc_judd_exact), split)["auc_judd"]
    assert scored(get(f"{name}-expected"), split)["auc_judd"] > by_ranks


@pytest.mark.parametrize("name", MATLAB)
def test_a_pedestal_under_a_picture_costs_sim_in_ours_only(name, split):
    picture = Saving().picture(predicted(split[0], 1)) // 2
    flat, raised = (scored(get(name), split, saliency=each)["sim"] for each in (picture, picture + np.uint8(100)))
    assert raised == pytest.approx(flat, abs=0.01)
    flat, raised = (scored(get("ours"), split, saliency=each)["sim"] for each in (picture, picture + np.uint8(100)))
    assert raised < flat - 0.2


def test_negatives_of_the_same_video_lower_the_shuffled_auc_where_videos_differ():
    """Each video is looked at in a corner of its own: a map of the corner beats the other videos, not this one."""
    corners = [(0.2, 0.2), (0.8, 0.2), (0.2, 0.8), (0.8, 0.8)]
    rng = np.random.default_rng(0)
    split = [
        truth_at(
            [(f, x * 80, y * 60) for f in range(6) for x, y in rng.normal(corner, 0.07, (12, 2)).clip(0, 0.99)],
            name=f"a/{k}",
            n_frames=6,
        )
        for k, corner in enumerate(corners)
    ]
    same = scored(get("vinet-expected"), split)["sauc"]
    other = scored(replace(get("vinet-expected"), negatives=OTHER_VIDEOS), split)["sauc"]
    assert same < other - 0.1
    assert scored(replace(get("ours"), negatives=SAME_VIDEO), split)["sauc"] < scored(get("ours"), split)["sauc"] - 0.1


def test_a_pixel_that_many_frames_fixate_is_one_negative_which_raises_the_shuffled_auc_of_a_small_picture():
    split = [watched(seed, name=f"a/{seed}", n_frames=40) for seed in range(4)]

    def gain(protocol):
        protocol = replace(protocol, negatives=OTHER_VIDEOS)
        small, large = (
            np.mean([scored(replace(protocol, size=size), split, frame)["sauc"] for frame in range(0, 40, 5)])
            for size in ((15, 20), (240, 320))
        )
        return small - large

    assert gain(get("vinet-expected")) > 0.01
    assert gain(with_measure("vinet", "sauc", measures.sauc_exact)) < 0.005, "not where every fixation is a negative"


def test_leaving_out_the_frame_s_own_pixels_raises_the_shuffled_auc(split):
    truth, scorer = split[0], Scorer(get("vinet-expected"), split)
    prepared, fixations = scorer.prepare(truth, predicted(truth, 1)), truth.counts(1, truth.size_px)
    with_own = sauc_expected(prepared, fixations, truth.all_counts(truth.size_px))
    assert scored(get("vinet-expected"), split)["sauc"] > with_own + 0.01
    alone = [watched(7, n_frames=1)]
    assert scored(get("vinet-expected"), alone, 0)["sauc"] is None, "nothing is left"


def test_eleven_thresholds_make_the_shuffled_auc_of_a_faint_map_chance(split):
    """Below the first threshold above 0 nothing is told apart, whereas ranks tell everything."""
    saliency = predicted(split[0], 1, split[0].size_px)
    saliency = (saliency - saliency.min()) / np.ptp(saliency) * 0.09
    saliency[:2, :2] = 1  # where nobody looks
    others = {"negatives": OTHER_VIDEOS}
    exact = scored(replace(with_measure("vinet", "sauc", measures.sauc_exact), **others), split, saliency=saliency)
    steps = scored(replace(get("vinet-expected"), **others), split, saliency=saliency)
    assert exact["sauc"] > 0.8
    assert steps["sauc"] == pytest.approx(0.5, abs=0.02)


def test_vinet_s_python_counts_a_false_positive_too_many(split):
    right = scored(with_measure("vinet-py", "auc_judd", measures.auc_judd_expected), split)["auc_judd"]
    n, others = 12, 60 * 80 - 12
    wrong = scored(get("vinet-py-expected"), split)["auc_judd"]
    assert right - wrong == pytest.approx((2 * n - 1) / (2 * n * others), rel=1e-6)


def test_jitter_scrambles_a_small_map_of_floats_and_no_picture(split):
    faint = predicted(split[0], 1) * 1e-8
    good = scored(get("vinet-py-expected"), split)["auc_judd"]
    assert scored(get("vinet-py"), split, saliency=faint)["auc_judd"] < good - 0.05
    assert scored(get("vinet"), split, saliency=faint)["auc_judd"] > good - 0.01


def test_single_precision_shows_in_late_digits_only(split):
    single = scored(get("vinet-py"), split)
    double = scored(with_measure("vinet-py", "cc", measures.cc_matlab), split)
    assert 0 < abs(single["cc"] - double["cc"]) < 1e-5


def test_dhf1k_s_narrow_density_lowers_cc_where_a_degree_has_many_pixels():
    size = (240, 320)
    truth = replace(watched(0, size), px_per_dva=50.0)
    saliency = truth.density(0, size).astype(np.float32)
    narrow = Scorer(get("dhf1k"), [truth]).score(truth, 0, saliency)["cc"]
    degree = Scorer(replace(get("dhf1k"), density=densities.eight_bit), [truth]).score(truth, 0, saliency)["cc"]
    assert degree > 0.999 and narrow < 0.9


def test_dhf1k_s_density_rewards_a_map_that_is_two_pixels_off(split):
    truth = split[0]
    sharp = densities.dhf1k(truth, 1, truth.counts(1, truth.size_px))
    back = np.roll(sharp, (-2, -2), axis=(0, 1))
    assert scored(get("dhf1k"), split, saliency=sharp)["cc"] > scored(get("dhf1k"), split, saliency=back)["cc"] + 0.005


def test_a_binary_picture_takes_off_where_people_agree():
    points = [(0, 40.5, 30.5)] * 6 + [(0, 10.5, 10.5), (0, 70.5, 50.5)]
    split = [truth_at(points, n_frames=1), watched(1, name="a/other")]
    for metric in ("nss", "auc_judd"):
        assert scored(replace(get("ours"), binary=True), split, 0)[metric] < scored(get("ours"), split, 0)[metric]
    assert binary(split[0].counts(0, (60, 80))).sum() == 3


def test_eight_bits_lose_what_is_below_one_level(split):
    saliency = predicted(split[0], 1)
    saliency -= saliency.min()
    saliency *= 1e-3
    saliency[0, 0] = 1  # one bright pixel takes all the levels
    float_map = scored(replace(get("vinet-expected"), saved=None), split, saliency=saliency)["auc_judd"]
    assert scored(get("vinet-expected"), split, saliency=saliency)["auc_judd"] < float_map - 0.2


def test_dave_s_picture_is_640_wide_whatever_the_video():
    tall = watched(0, (90, 60))
    scorer = Scorer(get("dave"), [tall, watched(1, name="a/other")])
    prepared = scorer.prepare(tall, predicted(tall, 0, (32, 40)))
    assert prepared.shape == (480, 640)
    levels = prepared * 255
    assert np.array_equal(levels, np.rint(levels)) and levels.max() > 200
    assert scorer.score(tall, 0, predicted(tall, 0, (32, 40)))["nss"] > 1.5


def test_dave_cuts_and_vinet_rounds():
    assert get("dave").saved == Saving(cut=True, jpeg=75)
    assert get("vinet").saved == Saving(cut=False, jpeg=100)


def test_mit_s_information_gain_punishes_a_fixation_on_the_lowest_pixel():
    split = [truth_at([(0, 0.5, 0.5), (0, 79.5, 59.5)], n_frames=1), watched(1, name="a/other")]
    saliency = np.linspace(1, 1.01, 60 * 80).reshape(60, 80)
    bump = np.outer(np.hanning(60), np.hanning(80)) + 0.01 * np.random.default_rng(0).random((60, 80)) + 0.1
    ours, mit = (Scorer(get(name), split, bump).score(split[0], 0, saliency)["ig"] for name in ("ours", "mit"))
    assert mit < ours - 10


@pytest.mark.parametrize(("name", "average"), [("dhf1k", "frame"), ("mit", "frame"), ("stavis", "video"),
                                               ("vinet", "video"), ("dave", "video"), ("ours", "video")])  # fmt: skip
def test_long_videos_weigh_more_only_where_frames_are_averaged(name, average):
    assert get(name).average == average
    rows = [("a/long", score) for score in (1.0, 1.0, 1.0)] + [("a/short", 3.0)]
    table = pd.DataFrame(
        [
            {"stimulus": stimulus, "corpus": "a", "category": "nature", "n_fixations": 5, "nss": score}
            for stimulus, score in rows
        ]
    ).reindex(columns=SCORES.names)
    assert means(table, get(name).average).iloc[0]["nss"] == (1.5 if average == "frame" else 2.0)


# --- why two of them differ


def test_a_protocol_does_not_differ_from_itself():
    for name in ALL:
        assert why_they_differ(get(name), get(name)) == []


def test_stavis_and_ours_differ_in_what_the_papers_do_not_write_down():
    told = "\n".join(why_they_differ(get("stavis"), get("ours")))
    for words in (
        "Size: stavis – the video's own; ours – 256 × 320.",
        "Smoothing: stavis – a Gaussian of sigma 2 in its own pixels, before it is resized; ours – none.",
        "sAUC negatives: stavis – every pixel fixated in another frame of the same video",
        "ours – all fixations of all other videos of the split",
        "Frames without fixations: stavis – SIM 0, nothing else; ours – not scored.",
        "Fixations: stavis – a pixel hit twice counts once; ours – every fixation counts.",
        "AUC-J: stavis – lines between the thresholds",
        "SIM: stavis – minimum of both maps subtracted",
        "Only ours has KLD, IG.",
        "takes 5 % off NSS",
    ):
        assert words in told
    assert "Average" not in told, "both are means over videos"


def test_stavis_and_vinet_share_their_metrics_and_differ_in_smoothing():
    told = why_they_differ(get("stavis"), get("vinet"))
    titles = {sentence.split(":")[0] for sentence in told}
    assert {"Smoothing", "Picture", "Maps beyond the last frame"} <= titles
    assert not titles & {"Size", "NSS", "AUC-J", "sAUC", "CC", "SIM", "Density", "sAUC negatives", "Average"}
    assert not any("eleven thresholds" in sentence for sentence in told), "said of both"


def test_what_is_changed_in_a_protocol_is_told_and_nothing_else():
    changed = replace(get("ours"), name="mine", size=(32, 40), average="frame")
    told = why_they_differ(changed, get("ours"))
    assert [sentence.split(":")[0] for sentence in told] == ["Size", "Average"]
    assert told[0] == "Size: mine – 32 × 40; ours – 256 × 320."


def test_order_changes_the_order_of_names_only():
    there, back = why_they_differ(get("mit"), get("dave")), why_they_differ(get("dave"), get("mit"))
    assert len(there) == len(back)
    assert there[0] == "Size: mit – the video's own; dave – 480 × 640."
    assert back[0] == "Size: dave – 480 × 640; mit – the video's own."
