"""Clips by number: the same tensors from every format, and equal to what the stage outputs say."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from pipeline.errors import ExportError, UsageError
from pipeline.export.clips import ClipDataset, collate
from pipeline.export.shards import build_item
from pipeline.features.frames import decode_jpeg
from pipeline.signals.audio import frame_examples

from .conftest import FORMATS, MAP_SIZE, PICTURE_SIZE, make_job

KINETICS_MEAN = np.array([110.63666788, 103.16065604, 96.29023126]) / 255
KINETICS_STD = np.array([38.7568578, 37.88248729, 40.02898126]) / 255


def expected_clip(stimulus, frame, frames=16, anchor="start"):
    """A clip from the stage outputs, by the definitions alone."""
    numbers = np.maximum(np.arange(frame - frames + 1, frame + 1), 0)
    pictures = np.stack([decode_jpeg(stimulus.jpegs[k]) for k in numbers]) / 255
    audio = frame_examples(stimulus.steps, stimulus.times_s, anchor=anchor)[numbers]
    counts = np.zeros(MAP_SIZE, int)
    for row in stimulus.fixations.to_pylist():
        if row["frame"] == frame:
            counts[int(row["y_px"] * MAP_SIZE[0] / 240), int(row["x_px"] * MAP_SIZE[1] / 400)] += 1
    return {
        "video": ((pictures - KINETICS_MEAN) / KINETICS_STD).transpose(3, 0, 1, 2),
        "audio": np.stack([audio] * 3),
        "target": stimulus.density[frame],
        "fixations": counts,
    }


def assert_equal_clips(one, other):
    assert one.keys() == other.keys()
    for key, value in one.items():
        assert torch.equal(value, other[key]) if isinstance(value, torch.Tensor) else value == other[key], key


@pytest.fixture(params=FORMATS)
def diem(request, items):
    """A dataset of diem/train in each format."""
    return ClipDataset(items[request.param]["diem", "train"])


def test_clip_has_the_shapes_and_types_that_models_expect(diem):
    clip = diem[30]
    assert (clip["video"].shape, clip["video"].dtype) == ((3, 16, *PICTURE_SIZE), torch.float32)
    assert (clip["audio"].shape, clip["audio"].dtype) == ((3, 16, 64, 64), torch.float32)
    assert (clip["target"].shape, clip["target"].dtype) == (MAP_SIZE, torch.float32)
    assert (clip["fixations"].shape, clip["fixations"].dtype) == (MAP_SIZE, torch.int32)
    assert isinstance(clip["frame"], int)


def test_each_clip_is_what_the_stage_outputs_say(diem, world):
    assert len(diem) == 9 + 75
    for number, clip in enumerate(diem[k] for k in range(len(diem))):
        stimulus = world["diem/short_400x240" if number < 9 else "diem/v1.0_400x240"]
        assert (clip["stimulus"], clip["frame"]) == (stimulus.id, number if number < 9 else number - 9)
        assert clip["category"] == stimulus.row["category"]
        expected = expected_clip(stimulus, clip["frame"])
        np.testing.assert_allclose(clip["video"], expected["video"], atol=2e-6)
        for key in ("audio", "target", "fixations"):
            np.testing.assert_array_equal(clip[key], expected[key], err_msg=key)


def test_all_formats_give_exactly_the_same_tensors(items):
    sets = [ClipDataset(items[name].values()) for name in FORMATS]
    assert len(sets[0]) == 9 + 75 + 40
    for number in range(len(sets[0])):
        for other in sets[1:]:
            assert_equal_clips(sets[0][number], other[number])


def test_before_the_start_the_first_frame_repeats_with_its_sound(items):
    clip = ClipDataset(items["wds"]["diem", "train"])[9 + 2]
    assert clip["frame"] == 2
    for part in ("video", "audio"):
        assert all(torch.equal(clip[part][:, k], clip[part][:, 0]) for k in range(14))
        assert not torch.equal(clip[part][:, 14], clip[part][:, 0])


def test_beyond_the_soundtrack_there_is_silence(items):
    clip = ClipDataset(items["wds"]["diem", "train"])[9 + 74]  # at 2.47 s; the sound has 200 steps
    assert torch.equal(clip["audio"], torch.full_like(clip["audio"], np.float32(np.log(0.01)))) is False
    last = clip["audio"][0, -1]
    assert torch.equal(last, torch.full_like(last, float(np.float32(np.log(0.01)))))


@pytest.mark.parametrize("anchor", ["centre", "end"])
def test_other_anchors_move_the_sound_of_each_frame(tmp_path, world, anchor):
    stimulus = world["coutrot1/clip_1"]
    build_item(make_job(tmp_path, "coutrot1", "val", [stimulus], segment_frames=20, anchor=anchor))
    clips = ClipDataset(tmp_path)
    for frame in (0, 25, 39):
        np.testing.assert_array_equal(clips[frame]["audio"], expected_clip(stimulus, frame, anchor=anchor)["audio"])


@pytest.mark.parametrize("size", [(32, 40), (240, 400), (1, 1)])
def test_count_pictures_of_any_size_count_every_fixation(items, world, size):
    clips = ClipDataset(items["wds"]["coutrot1", "val"], fixation_size=size)
    frames = world["coutrot1/clip_1"].fixations["frame"].to_numpy()
    for frame in range(40):
        counts = clips[frame]["fixations"]
        assert counts.shape == size
        assert counts.sum() == (frames == frame).sum()


@pytest.mark.parametrize(
    ("normalise", "mean", "std"),
    [
        (None, [0, 0, 0], [1, 1, 1]),
        ("kinetics", KINETICS_MEAN, KINETICS_STD),
        ("imagenet", [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ],
)
def test_normalisations_shift_and_scale_each_channel(items, world, normalise, mean, std):
    video = ClipDataset(items["wds"]["coutrot1", "val"], normalise=normalise)[20]["video"]
    picture = decode_jpeg(world["coutrot1/clip_1"].jpegs[20]) / 255
    np.testing.assert_allclose(video[:, -1].permute(1, 2, 0), (picture - mean) / std, atol=2e-6)


def test_clips_of_another_length_are_cut_from_the_same_samples(items):
    long, short = (ClipDataset(items["wds"]["coutrot1", "val"], frames=n) for n in (16, 8))
    assert torch.equal(long[33]["video"][:, 8:], short[33]["video"])


def test_longer_clips_than_the_lead_in_allows_are_refused(items):
    with pytest.raises(ExportError, match=r"v1=2E0_400x240--000020: 15 lead-in frames. Expected 16"):
        ClipDataset(items["wds"]["diem", "train"], frames=17)


def test_short_segments_whose_lead_in_begins_with_the_video_are_no_shorter_lead_in(tmp_path, world):
    stimulus = world["coutrot1/clip_1"]
    build_item(make_job(tmp_path, "coutrot1", "val", [stimulus], segment_frames=4))
    clips = ClipDataset(tmp_path)
    assert clips.shards.head(1).facts.n_lead_in == 4
    for frame in (5, 11, 39):
        np.testing.assert_allclose(clips[frame]["video"], expected_clip(stimulus, frame)["video"], atol=2e-6)


@pytest.mark.parametrize("stride", [1, 3, 16, 50])
def test_stride_takes_the_same_frames_however_the_stimulus_was_cut(items, stride):
    clips = ClipDataset(items["wds"]["diem", "train"], stride=stride)
    found = [(clip["stimulus"], clip["frame"]) for clip in (clips[k] for k in range(len(clips)))]
    assert found == [
        (s, f) for s, n in (("diem/short_400x240", 9), ("diem/v1.0_400x240", 75)) for f in range(0, n, stride)
    ]


def test_split_and_corpus_choose_samples(items):
    folders = list(items["wds"].values())
    assert len(ClipDataset(folders, split="val")) == 40
    assert len(ClipDataset(folders, corpus="diem")) == 84
    assert len(ClipDataset(folders, corpus=["diem", "coutrot1"], split=["train", "test"])) == 84
    assert len(ClipDataset(folders, split="test")) == 0


def test_unknown_split_names_the_nearest_known_one(items):
    with pytest.raises(UsageError, match=r"no split 'tran'. Did you mean 'train'"):
        ClipDataset(items["wds"].values(), split="tran")


def test_unknown_normalisation_names_the_nearest_known_one(items):
    with pytest.raises(UsageError, match=r"Unknown normalisation 'kinetic'. Did you mean 'kinetics'"):
        ClipDataset(items["wds"].values(), normalise="kinetic")


@pytest.mark.parametrize("wrong", [{"frames": 0}, {"stride": 0}, {"rank": 2, "world_size": 2}, {"rank": -1}])
def test_impossible_arguments_are_refused(items, wrong):
    with pytest.raises(UsageError, match="Expected numbers of at least 1"):
        ClipDataset(items["wds"].values(), **wrong)


def test_index_files_serve_as_well_as_folders(items):
    folders = list(items["tensors"].values())
    assert len(ClipDataset([folder / "index.json" for folder in folders])) == len(ClipDataset(folders))


def test_shuffling_permutes_anew_in_each_epoch(items):
    clips = ClipDataset(items["wds"]["diem", "train"], shuffle=True, seed=3)
    orders = []
    for epoch in (0, 1, 0):
        clips.set_epoch(epoch)
        orders.append([(clips[k]["stimulus"], clips[k]["frame"]) for k in range(len(clips))])
    assert orders[0] == orders[2] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])
    assert len(set(orders[0])) == 84


def test_ranks_divide_a_shuffled_epoch(items):
    ranks = [ClipDataset(items["wds"]["diem", "train"], shuffle=True, rank=r, world_size=5) for r in range(5)]
    found = [(clip["stimulus"], clip["frame"]) for rank in ranks for clip in (rank[k] for k in range(len(rank)))]
    assert len(found) == len(set(found)) == 84


def test_numbers_beyond_the_end_are_index_errors(items):
    clips = ClipDataset(items["wds"]["coutrot1", "val"])
    assert clips[-1]["frame"] == 39
    with pytest.raises(IndexError):
        clips[40]
    with pytest.raises(IndexError):
        clips[-41]


def test_changing_a_clip_in_place_does_not_reach_the_next(items):
    clips = ClipDataset(items["tensors"]["coutrot1", "val"])
    before = {key: value.clone() for key, value in clips[20].items() if isinstance(value, torch.Tensor)}
    for value in (clip := clips[20]).values():
        if isinstance(value, torch.Tensor):
            value.zero_()
    assert not clip["video"].any()
    assert all(torch.equal(clips[20][key], value) for key, value in before.items())


@pytest.mark.slow
@pytest.mark.parametrize(("name", "context"), [("wds", "spawn"), ("parquet", "forkserver"), ("tensors", "forkserver")])
def test_loader_with_two_worker_processes_gives_the_same_clips(items, name, context):
    clips = ClipDataset(items[name]["coutrot1", "val"], stride=5)
    clips[0]  # a handle of this process is open, and must not travel
    loader = DataLoader(clips, batch_size=3, num_workers=2, multiprocessing_context=context, collate_fn=collate)
    videos = torch.cat([batch["video"] for batch in loader])
    assert torch.equal(videos, torch.stack([clips[k]["video"] for k in range(len(clips))]))


@pytest.mark.parametrize("name", FORMATS)
def test_what_travels_to_a_worker_holds_no_files_and_no_data(items, name):
    clips = ClipDataset(items[name]["coutrot1", "val"])
    before = pickle.dumps(clips)
    first = clips[0]["video"]
    assert len(pickle.dumps(clips)) == len(before)
    assert torch.equal(pickle.loads(pickle.dumps(clips))[0]["video"], first)


def test_forked_process_opens_files_of_its_own(items):
    clips = ClipDataset(items["wds"]["coutrot1", "val"], stride=5)
    first = clips[0]["video"]
    loader = DataLoader(clips, batch_size=None, num_workers=2, multiprocessing_context="fork")
    assert torch.equal(next(iter(loader))["video"], first)


def test_collate_keeps_the_memory_layout_and_the_values(items):
    clips = [ClipDataset(items["wds"]["coutrot1", "val"])[k] for k in (3, 30)]
    batch = collate(clips)
    assert batch["video"].is_contiguous(memory_format=torch.channels_last_3d)
    assert torch.equal(batch["video"], torch.stack([clip["video"] for clip in clips]))
    assert batch["frame"].tolist() == [3, 30]
    assert batch["stimulus"] == ["coutrot1/clip_1"] * 2
