"""The ground truth of a stimulus: from the published tables, at any size, for any observers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import pipeline
from pipeline.evaluate.truth import truth_of, truths, truths_of_shards
from pipeline.export.reader import ShardSet


@pytest.fixture(scope="module")
def corpus(built_store):
    return pipeline.Corpus(built_store)


def test_the_truth_is_what_the_tables_say(corpus):
    for stimulus in corpus:
        truth = truth_of(stimulus)
        table = stimulus.fixations()
        assert [truth.observers[number] for number in truth.observer] == table["observer"].tolist()
        assert truth.frame.size == stimulus.n_fixations
        frame = int(table["frame"].iloc[len(table) // 2])
        assert truth.n_fixations(frame) == (table["frame"] == frame).sum()
        assert truth.counts(frame, (7, 9)).sum() == truth.n_fixations(frame)
        assert truth.all_counts((7, 9)).sum() == len(table)
        assert np.array_equal(truth.density(frame, (16, 20)), stimulus.density(frame, (16, 20)))


def test_shards_hold_the_same_truth(corpus, built_store):
    for split in ("train", "val", "test"):
        indexes = sorted(built_store.glob(f"stages/shards/*/*/{split}.wds/index.json"))
        from_shards = {truth.stimulus: truth for truth in truths_of_shards(ShardSet(indexes))}
        from_tables = {truth.stimulus: truth for truth in truths(corpus, split)}
        assert from_shards.keys() == from_tables.keys()
        for name, truth in from_tables.items():
            for field in dataclasses.fields(truth):
                ours, theirs = getattr(truth, field.name), getattr(from_shards[name], field.name)
                same = np.array_equal(ours, theirs) if isinstance(ours, np.ndarray) else ours == theirs
                assert same, (name, field.name)


def test_observers_can_be_taken_apart_and_make_up_the_whole(corpus):
    truth = truth_of(next(iter(corpus)))
    half = range(0, len(truth.observers), 2)
    rest = range(1, len(truth.observers), 2)
    frame = int(truth.frame[0])
    parts = truth.of_observers(half).counts(frame, (8, 10)) + truth.of_observers(rest).counts(frame, (8, 10))
    assert np.array_equal(parts, truth.counts(frame, (8, 10)))
    assert truth.of_observers(half).observers == truth.observers
    assert truth.of_observers([]).frame.size == 0


def test_a_frame_that_is_not_there_is_an_error(corpus):
    truth = truth_of(next(iter(corpus)))
    for frame in (-1, truth.n_frames):
        with pytest.raises(IndexError, match=f"frame {frame} asked for"):
            truth.points(frame)


def test_a_split_holds_its_stimuli_only(corpus):
    table = corpus.stimuli
    for split in ("train", "val", "test"):
        assert [truth.stimulus for truth in truths(corpus, split)] == table[table["split"] == split][
            "stimulus"
        ].tolist()
    assert len(list(truths(corpus))) == len(corpus)
