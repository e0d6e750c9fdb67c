"""Which clips a step takes: every clip once an epoch, the same ones however the way is cut, and shared by processes."""

from __future__ import annotations

import pytest
import torch

from pipeline.errors import ModelError
from pipeline.learn.course import Course, Source, Stretch
from pipeline.learn.processes import World
from pipeline.learn.settings import TrainSettings
from pipeline.learn.shards import open_clips
from pipeline.models import Wants

WANTS = Wants(frames=2, size=(256, 320), normalisation="kinetics", audio="none", map_size=(32, 40))
ALONE = World(0, 1, torch.device("cpu"))


def source(shards, world=ALONE, **params):
    settings = TrainSettings(**{"batch": 2, "every": 4, "threads": 1, **params})
    clips = open_clips(shards, "train", settings, WANTS, stride=settings.every, shuffle=True)
    return Source(clips, settings, world), settings


def clips_of(source, stretch):
    """Step by step, the clips that are taken."""
    return [
        [
            f"{name}:{frame}"
            for batch in step
            for name, frame in zip(batch["stimulus"], batch["frame"].tolist(), strict=True)
        ]
        for step in source.steps_of(stretch)
    ]


def stretch(first, stop, epoch=0, within=None):
    return Stretch(first, stop, epoch, first if within is None else within, stills=False)


def test_an_epoch_has_every_clip_once_and_the_next_one_another_order(shards):
    whole, _ = source(shards)
    first, second = (clips_of(whole, stretch(0, whole.steps, epoch)) for epoch in (0, 1))
    names = sorted(name for step in first for name in step)
    assert len(names) == len(set(names)) == 10
    assert sorted(name for step in second for name in step) == names
    assert first != second


def test_a_way_that_is_cut_has_the_same_steps(shards):
    whole, _ = source(shards)
    cut = clips_of(whole, stretch(0, 2)) + clips_of(whole, stretch(2, 5))
    assert cut == clips_of(whole, stretch(0, 5))


def test_two_processes_take_what_one_with_the_larger_batch_takes(shards):
    one, _ = source(shards, batch=4)
    two = [source(shards, World(rank, 2, torch.device("cpu")))[0] for rank in (0, 1)]
    assert one.steps == two[0].steps == 2
    halves = [clips_of(half, stretch(0, 2)) for half in two]
    assert [left + right for left, right in zip(*halves, strict=True)] == clips_of(one, stretch(0, 2))


def test_two_batches_can_make_a_step(shards):
    twice, _ = source(shards, accumulate=2)
    once, _ = source(shards, batch=4)
    assert clips_of(twice, stretch(0, 2)) == clips_of(once, stretch(0, 2))


@pytest.mark.slow
def test_workers_give_every_step_its_clips(shards):
    with_workers, _ = source(shards, loader_workers=2, batch=1)
    names = [name for step in clips_of(with_workers, stretch(0, 10)) for name in step]
    assert len(names) == len(set(names)) == 10


def test_fewer_clips_than_a_step_takes_make_one_short_batch(shards):
    few, _ = source(shards, batch=64)
    assert (few.steps, few.per_step) == (1, 10)
    with pytest.raises(ModelError, match=r"A step takes 128 clips .* an epoch has 10"):
        source(shards, batch=64, accumulate=2)


def test_the_way_is_cut_at_parts_of_epochs_and_where_val_is_looked_at(shards):
    clips, settings = source(shards, epochs=2, parts=2)
    course = Course(settings, clips)
    assert [(part.first, part.stop, part.epoch, part.within) for part in course.stretches(0)] == [
        *((0, 2, 0, 0), (2, 5, 0, 2)),
        *((5, 7, 1, 0), (7, 10, 1, 2)),
    ]
    assert [done for done in range(11) if course.is_evaluated(done)] == [5, 10]
    assert [part.first for part in course.stretches(7)] == [7]


def test_steps_and_evaluations_can_be_counted_instead_of_epochs(shards):
    clips, settings = source(shards, steps=7, evaluations=2, parts=1)
    course = Course(settings, clips)
    assert [(part.first, part.stop) for part in course.stretches(0)] == [(0, 4), (4, 5), (5, 7)]
    assert [done for done in range(8) if course.is_evaluated(done)] == [4, 7]


def test_with_still_images_every_epoch_is_followed_by_one_of_them(shards):
    clips, settings = source(shards, epochs=2, parts=1)
    stills, _ = source(shards, every=10)
    course = Course(settings, clips, stills)
    assert course.steps == 2 * (5 + 2)
    parts = [(part.first, part.stop, part.epoch, part.within, part.stills) for part in course.stretches(0)]
    assert parts == [(0, 5, 0, 0, False), (5, 7, 0, 0, True), (7, 12, 1, 0, False), (12, 14, 1, 0, True)]
