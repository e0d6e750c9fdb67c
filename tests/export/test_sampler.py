"""Order and sharing of clips: laws that hold for every number of samples, ranks and workers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pipeline.export.sampler import epoch_plan, from_runs, rank_share, share, to_runs

SAMPLES = np.repeat(np.arange(12), [5, 64, 64, 1, 30, 64, 64, 7, 64, 64, 2, 64])


def plan(**how):
    return epoch_plan(SAMPLES, **{"seed": 1, "epoch": 0, "shuffle": True, "mix": 4, **how})


@pytest.mark.parametrize("mix", [1, 3, 4, 12, 1000])
def test_plan_holds_each_clip_once(mix):
    assert sorted(plan(mix=mix)) == list(range(len(SAMPLES)))


def test_plan_without_shuffling_is_the_order_of_the_shards():
    assert list(plan(shuffle=False, seed=9, epoch=3)) == list(range(len(SAMPLES)))


def test_plan_follows_seed_and_epoch_and_nothing_else():
    assert (plan() == plan()).all()
    assert (plan() != plan(epoch=1)).any()
    assert (plan() != plan(seed=2)).any()


def test_plan_is_the_same_on_every_machine_and_version():
    assert epoch_plan(np.repeat([0, 1, 2], 3), seed=5, epoch=7, shuffle=True, mix=2).tolist() == [
        3,
        1,
        2,
        5,
        0,
        4,
        6,
        7,
        8,
    ]


@pytest.mark.parametrize("mix", [1, 4])
def test_plan_needs_no_more_than_mix_samples_at_a_time(mix):
    order = SAMPLES[plan(mix=mix)]
    first, last = {}, {}
    for place, sample in enumerate(order):
        first.setdefault(sample, place)
        last[sample] = place
    open_at = [sum(first[s] <= place <= last[s] for s in first) for place in range(len(order))]
    assert max(open_at) <= mix


def test_plan_mixes_the_clips_of_neighbouring_samples():
    order = SAMPLES[plan(mix=4)]
    changes = np.count_nonzero(np.diff(order))
    assert changes > 0.4 * len(order)


def test_plan_of_nothing_is_empty():
    assert len(epoch_plan(np.zeros(0, int), seed=0, epoch=0, shuffle=True, mix=4)) == 0


@pytest.mark.parametrize(
    ("n", "world_size", "workers"), list(itertools.product([0, 1, 5, 12, 500], [1, 2, 3, 16], [1, 2, 7]))
)
def test_ranks_and_workers_share_without_repeats_or_losses(n, world_size, workers):
    given = []
    for rank in range(world_size):
        start, stop = rank_share(n, rank, world_size, even=False)
        for worker in range(workers):
            a, b = share(stop - start, worker, workers)
            given += range(start + a, start + b)
    assert given == list(range(n))


@pytest.mark.parametrize(("n", "world_size"), list(itertools.product([0, 1, 5, 12, 500], [1, 2, 3, 16])))
def test_even_shares_are_equal_and_leave_out_less_than_one_clip_a_rank(n, world_size):
    shares = [rank_share(n, rank, world_size, even=True) for rank in range(world_size)]
    assert len({stop - start for start, stop in shares}) == 1
    assert n - shares[-1][1] < world_size
    assert all(before[1] == after[0] for before, after in itertools.pairwise(shares))


def test_runs_give_the_yes_no_list_back():
    rng = np.random.default_rng(0)
    for _ in range(50):
        pending = rng.random(40) < rng.random()
        assert (from_runs(to_runs(pending), 40) == pending).all()
