"""Whole epochs: each clip once over ranks and workers, each picture decoded once, and going on after a stop."""

from __future__ import annotations

import itertools
import json
from types import SimpleNamespace

import pytest
import torch
from torch.utils.data import DataLoader

from pipeline.errors import ExportError
from pipeline.export import clips as clips_module
from pipeline.export import pictures
from pipeline.export.clips import ClipDataset, ClipStream, collate

ALL = 9 + 75


@pytest.fixture
def train(items):
    """The folder of diem/train: 5 samples in 2 shards, 84 clips."""
    return items["wds"]["diem", "train"]


def names(clips):
    return [(clip["stimulus"], clip["frame"]) for clip in clips]


def test_stream_gives_the_clips_of_the_dataset_in_their_order(train):
    for streamed, expected in zip(ClipStream(train), itertools.chain(map_of(train)), strict=True):
        assert streamed.pop("position") >= 0
        assert streamed.keys() == expected.keys()
        for key, value in expected.items():
            assert torch.equal(streamed[key], value) if isinstance(value, torch.Tensor) else streamed[key] == value


def map_of(folder):
    clips = ClipDataset(folder)
    return (clips[k] for k in range(len(clips)))


@pytest.fixture
def decoded(monkeypatch):
    """The JPEGs that have been decoded."""
    seen = []
    original = pictures.decode
    monkeypatch.setattr(pictures, "decode", lambda jpegs, out: seen.extend(jpegs) or original(jpegs, out))
    return seen


def test_each_picture_is_decoded_once_though_lead_ins_are_stored_twice(train, decoded):
    stream = ClipStream(train)
    assert len(list(stream)) == ALL
    assert len(decoded) == ALL < sum(stream.shards.head(k).n_stored for k in range(len(stream.shards)))


def test_shuffled_each_stored_picture_is_decoded_at_most_once(train, decoded):
    stream = ClipStream(train, shuffle=True, mix=2)
    assert len(list(stream)) == ALL
    assert ALL <= len(decoded) <= sum(stream.shards.head(k).n_stored for k in range(len(stream.shards)))


def test_pictures_that_no_clip_needs_are_not_decoded(train, decoded):
    list(ClipStream(train, stride=40, frames=4))
    assert len(decoded) == 1 + 1 + 4


@pytest.mark.parametrize(("world_size", "workers"), [(1, 1), (1, 3), (2, 1), (2, 3), (3, 2), (5, 5), (7, 20), (100, 2)])
@pytest.mark.parametrize("shuffle", [False, True])
def test_ranks_and_workers_give_each_clip_once(train, monkeypatch, world_size, workers, shuffle):
    found = []
    for rank in range(world_size):
        stream = ClipStream(train, shuffle=shuffle, rank=rank, world_size=world_size, seed=4)
        given = 0
        for worker in range(workers):
            info = SimpleNamespace(id=worker, num_workers=workers)
            monkeypatch.setattr(clips_module, "get_worker_info", lambda info=info: info)
            stream._passes_in_worker = 0  # every worker has a copy of its own
            clips = names(stream)
            found += clips
            given += len(clips)
        assert given == len(stream)
    assert len(found) == len(set(found)) == ALL


def test_even_ranks_give_equally_many(train):
    found = [names(ClipStream(train, shuffle=True, rank=rank, world_size=5, even=True)) for rank in range(5)]
    assert [len(clips) for clips in found] == [16] * 5
    assert len(set(itertools.chain(*found))) == 80


def test_epochs_differ_and_come_back(train):
    stream = ClipStream(train, shuffle=True, seed=2)
    orders = []
    for epoch in (0, 1, 0):
        stream.set_epoch(epoch)
        orders.append(names(stream))
    assert orders[0] == orders[2] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])


def test_a_second_pass_begins_anew(train):
    stream = ClipStream(train, stride=10)
    assert names(itertools.islice(stream, 3)) == names(stream)[:3]
    assert names(stream) == names(stream)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("stop", [0, 1, 40, ALL - 1, ALL])
def test_a_resumed_stream_goes_on_exactly_where_it_stopped(train, shuffle, stop):
    whole = ClipStream(train, shuffle=shuffle, seed=6)
    whole.set_epoch(3)
    expected = names(whole)
    stopped = ClipStream(train, shuffle=shuffle, seed=6)
    stopped.set_epoch(3)
    before = names(itertools.islice(stopped, stop))
    state = json.loads(json.dumps(stopped.state_dict()))
    resumed = ClipStream(train, shuffle=shuffle, seed=6)
    resumed.load_state_dict(state)
    resumed.set_epoch(3)  # a training loop says so again; it changes nothing
    assert before + names(resumed) == expected


def test_after_the_rest_of_a_resumed_epoch_the_next_is_whole(train):
    stream = ClipStream(train, shuffle=True)
    list(itertools.islice(stream, 50))
    resumed = ClipStream(train, shuffle=True)
    resumed.load_state_dict(stream.state_dict())
    assert len(names(resumed)) == ALL - 50
    resumed.set_epoch(1)
    assert len(names(resumed)) == ALL


@pytest.mark.parametrize(
    "other", [{"seed": 1}, {"shuffle": False}, {"stride": 2}, {"mix": 3}, {"rank": 1}, {"world_size": 3}]
)
def test_a_state_of_another_stream_is_refused(train, other):
    state = ClipStream(train, shuffle=True, world_size=2).state_dict()
    with pytest.raises(ExportError, match=f"another stream: .*{next(iter(other))}"):
        ClipStream(train, **{"shuffle": True, "world_size": 2, **other}).load_state_dict(state)


def test_a_state_of_other_shards_is_refused(train, items):
    with pytest.raises(ExportError, match="another stream: shards"):
        ClipStream(items["wds"]["coutrot1", "val"]).load_state_dict(ClipStream(train).state_dict())


@pytest.mark.slow
def test_an_epoch_stopped_with_two_worker_processes_goes_on_without_any(train):
    stream = ClipStream(train, shuffle=True, seed=8)
    loader = DataLoader(stream, 4, num_workers=2, multiprocessing_context="forkserver", collate_fn=collate)
    used, batches = [], iter(loader)
    for batch in itertools.islice(batches, 7):  # the workers are ahead of what was used here
        used += batch["position"].tolist()
        stream.advance(batch)
    resumed = ClipStream(train, shuffle=True, seed=8)
    resumed.load_state_dict(stream.state_dict())
    assert len(used) == 28
    assert sorted(used + [clip["position"] for clip in resumed]) == list(range(ALL))
    used += [position for batch in batches for position in batch["position"].tolist()]
    assert sorted(used) == list(range(ALL))


def test_a_loader_made_again_in_the_resumed_epoch_does_not_resume_twice(train):
    stream = ClipStream(train, stride=10)
    stream.load_state_dict({**stream.state_dict(), "pending": [[0, 2]]})
    assert len(names(stream)) == 2
    assert len(names(stream)) == len(stream)


def test_persistent_workers_cannot_repeat_the_first_epoch_unnoticed(train, monkeypatch):
    stream = ClipStream(train, shuffle=True, stride=20)
    monkeypatch.setattr(clips_module, "get_worker_info", lambda: SimpleNamespace(id=0, num_workers=1))
    assert len(names(stream)) == 5
    with pytest.raises(ExportError, match="persistent_workers=False"):
        names(stream)


def test_persistent_workers_may_read_an_unshuffled_stream_again(train, monkeypatch):
    stream = ClipStream(train, stride=20)
    monkeypatch.setattr(clips_module, "get_worker_info", lambda: SimpleNamespace(id=0, num_workers=1))
    assert names(stream) == names(stream)


def test_changing_a_clip_in_place_does_not_reach_the_next(train):
    untouched = [clip["video"].clone() for clip in ClipStream(train, stride=5)]
    for clip, expected in zip(ClipStream(train, stride=5), untouched, strict=True):
        assert torch.equal(clip["video"], expected)
        clip["video"].zero_()


def test_no_more_than_mix_samples_are_kept(train, monkeypatch):
    alive = []

    class Counted(pictures.SegmentPictures):
        def __init__(self, *args):
            super().__init__(*args)
            alive.append(1)

        def __del__(self):
            alive.pop()

    monkeypatch.setattr(clips_module, "SegmentPictures", Counted)
    peak = max(len(alive) for _ in ClipStream(train, shuffle=True, mix=2))
    assert peak == 2
