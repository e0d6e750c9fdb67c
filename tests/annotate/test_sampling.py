"""Sampled frames: the same for the same seed, far enough apart, and every choice as likely as any other."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from fractions import Fraction
from types import SimpleNamespace

import pandas as pd
import pytest

from pipeline.annotate.sampling import chosen_stimuli, draw_apart, sample_frames
from pipeline.errors import UsageError


def video(name: str, n_frames: int = 300, rate: Fraction = Fraction(25), split: str = "test"):
    return SimpleNamespace(stimulus=name, corpus=name.split("/")[0], n_frames=n_frames, rate=rate, split=split)


VIDEOS = [video(f"a/{number}") for number in range(6)] + [video("b/1", 700, Fraction(30000, 1001))]


GOLDEN = [("a/2", 170), ("a/1", 243), ("a/2", 244), ("a/1", 136)]


class Published(list):
    """A corpus as far as choosing from it goes."""

    @property
    def stimuli(self) -> pd.DataFrame:
        return pd.DataFrame([vars(video) for video in self])


def test_the_same_seed_gives_the_same_frames_and_another_seed_others():
    assert sample_frames(VIDEOS, seed=4) == sample_frames(list(reversed(VIDEOS)), seed=4)
    assert sample_frames(VIDEOS, seed=4) != sample_frames(VIDEOS, seed=5)


def test_the_frames_of_a_seed_stay_the_same_from_version_to_version():
    assert sample_frames([video("a/1"), video("a/2")], per_video=2, seed=0) == GOLDEN


@pytest.mark.parametrize("seed", range(20))
def test_frames_are_distinct_inside_the_video_and_a_second_apart(seed: int):
    sampled = sample_frames(VIDEOS, per_video=5, apart_s=1.0, seed=seed)
    assert Counter(name for name, _ in sampled) == {video.stimulus: 5 for video in VIDEOS}
    for one in VIDEOS:
        frames = sorted(frame for name, frame in sampled if name == one.stimulus)
        assert 0 <= frames[0] <= frames[-1] < one.n_frames
        assert all(after - before >= one.rate for before, after in itertools.pairwise(frames))


def test_a_video_of_its_own_and_another_corpus_changes_nothing():
    few, all_of_them = sample_frames(VIDEOS[:3], seed=2), sample_frames(VIDEOS, seed=2)
    names = {name for name, _ in few}
    assert [key for key in all_of_them if key[0] in names] == few


def test_every_video_comes_once_before_any_comes_twice():
    sampled = sample_frames(VIDEOS, per_video=3)
    rounds = [[name for name, _ in sampled[start : start + len(VIDEOS)]] for start in range(0, len(sampled), 7)]
    assert all(sorted(names) == sorted(video.stimulus for video in VIDEOS) for names in rounds)
    assert rounds[0] != sorted(rounds[0])


def test_a_short_video_gives_as_many_as_fit():
    assert len(sample_frames([video("a/1", n_frames=26)], per_video=3)) == 2
    assert len(sample_frames([video("a/1", n_frames=25)], per_video=3)) == 1
    assert sample_frames([video("a/1", n_frames=2)], per_video=9, apart_s=0) in (
        [("a/1", 0), ("a/1", 1)],
        [("a/1", 1), ("a/1", 0)],
    )


def test_every_set_of_frames_that_are_far_enough_apart_is_equally_likely():
    """Two of six frames, three apart: the six sets come a sixth of the time each (six deviations of slack)."""
    draw, times = random.Random(1), 6000
    found = Counter(tuple(sorted(draw_apart(6, 2, 3, draw))) for _ in range(times))
    assert set(found) == {(a, b) for a, b in itertools.combinations(range(6), 2) if b - a >= 3}
    expected, deviation = times / 6, (times * (1 / 6) * (5 / 6)) ** 0.5
    assert all(abs(count - expected) < 6 * deviation for count in found.values())


@pytest.mark.parametrize(("per_video", "apart_s"), [(0, 1.0), (3, -1.0), (3, float("inf")), (3, float("nan"))])
def test_a_sample_that_cannot_be_drawn_is_refused(per_video: int, apart_s: float):
    with pytest.raises(UsageError, match="cannot be drawn"):
        sample_frames(VIDEOS, per_video=per_video, apart_s=apart_s)


def test_stimuli_are_chosen_by_split_and_corpus():
    corpus = Published([video("a/1"), video("a/2", split="train"), video("b/1", split="train")])
    assert [one.stimulus for one in chosen_stimuli(corpus, "train")] == ["a/2", "b/1"]
    assert [one.stimulus for one in chosen_stimuli(corpus, None, ["a"])] == ["a/1", "a/2"]
    assert [one.stimulus for one in chosen_stimuli(corpus, "train", ["a"])] == ["a/2"]
    assert len(chosen_stimuli(corpus)) == 3


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [(("tset", None), "no split 'tset'"), ((None, ["c"]), "no corpus 'c'"), (("test", ["b"]), "No stimulus of b")],
)
def test_a_choice_of_nothing_is_refused(asked, complaint: str):
    corpus = Published([video("a/1"), video("a/2", split="train"), video("b/1", split="train")])
    with pytest.raises(UsageError, match=complaint):
        chosen_stimuli(corpus, *asked)
