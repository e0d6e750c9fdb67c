"""Still images in SALICON layout, and DAVE's image epochs: what they read, and what rests meanwhile."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from pipeline import models
from pipeline.errors import ModelError
from pipeline.learn import loop, losses
from pipeline.learn.routing import Network
from pipeline.learn.stills import StillImages
from pipeline.models.weights import read

SIZE, MAP_SIZE = (64, 80), (8, 10)


@pytest.fixture
def salicon(tmp_path):
    """Three pictures of 120 × 160 pixels, everybody looking at one place in each."""
    for kind in ("images", "maps", "fixations"):
        (tmp_path / "salicon" / kind / "train").mkdir(parents=True)
    for number, (row, column) in enumerate([(37, 40), (90, 120), (60, 10)]):
        write_still(tmp_path / "salicon", f"still_{number}", row, column)
    return tmp_path / "salicon"


def write_still(folder, name, row, column):
    picture = np.full((120, 160, 3), 90, np.uint8)
    picture[row - 8 : row + 8, max(0, column - 8) : column + 8] = 240
    Image.fromarray(picture).save(folder / "images" / "train" / f"{name}.jpg")
    grey = np.zeros((120, 160), np.uint8)
    grey[row - 5 : row + 5, max(0, column - 5) : column + 5] = 255
    Image.fromarray(grey).save(folder / "maps" / "train" / f"{name}.png")
    points = np.array([[column + 1, row + 1], [column + 1, row + 1]], np.uint16)  # SALICON counts from 1
    gaze = np.zeros((2, 1), dtype=[("fixations", object)])
    gaze["fixations"][:, 0] = [points, np.array([[column + 1, row + 1], [0, 300]], np.int32)]
    savemat(folder / "fixations" / "train" / f"{name}.mat", {"gaze": gaze, "resolution": [[120, 160]]})


def stills(folder):
    return StillImages(folder, "train", size=SIZE, map_size=MAP_SIZE, normalise="kinetics")


def test_a_still_image_is_a_clip_of_one_frame_with_its_map_and_fixations(salicon):
    found = stills(salicon)
    assert len(found) == 3
    still = found[0]
    assert still["video"].shape == (3, 1, *SIZE)
    assert still["target"].sum().item() == pytest.approx(1)
    assert divmod(still["target"].argmax().item(), MAP_SIZE[1]) == (2, 2)  # 37 / 120 × 8, 40 / 160 × 10, rounded down
    assert (still["fixations"].sum().item(), still["fixations"][2, 2].item()) == (3, 3)  # the one outside is left out


def test_fixations_may_be_a_picture_or_absent(salicon):
    for path in (salicon / "fixations" / "train").iterdir():
        path.unlink()
    hit = np.zeros((120, 160), np.uint8)
    hit[90, 120] = 255
    Image.fromarray(hit).save(salicon / "fixations" / "train" / "still_1.png")
    counts = [still["fixations"] for still in (stills(salicon)[number] for number in range(3))]
    assert [count.sum().item() for count in counts] == [0, 1, 0]
    assert counts[1][6, 7] == 1


def test_folders_without_splits_are_read_as_they_are(salicon):
    for kind in ("images", "maps"):
        for path in (salicon / kind / "train").iterdir():
            path.rename(salicon / kind / path.name)
        (salicon / kind / "train").rmdir()
    assert len(stills(salicon)) == 3


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "maps" / "train" / "still_1.png").unlink(), r"1 pictures have no map \(still_1\)"),
        (lambda folder: (folder / "images").rename(folder / "pictures"), "has no folder images/"),
    ],
)
def test_a_folder_of_another_layout_is_refused(salicon, spoil, said):
    spoil(salicon)
    with pytest.raises(ModelError, match=said):
        stills(salicon)


def test_a_broken_picture_is_named(salicon):
    (salicon / "images" / "train" / "still_2.jpg").write_bytes(b"no picture")
    with pytest.raises(ModelError, match=r"still_2\.jpg: no readable picture"):
        stills(salicon)[2]


def test_sound_and_mixing_layer_rest_in_an_image_step():
    model = models.build("dave", width=2).train()
    network = Network(model, 1)
    density = torch.rand(2, 32, 40)
    loss = losses.kl(network(torch.rand(2, 3, 1, 256, 320), None), density).sum()
    before = {name: value.clone() for name, value in model.audio_branch.named_buffers()}
    loss.backward()
    moved = {name.split(".")[0] for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert moved == {"video_branch", "upscale1", "upscale2", "saliency"}
    assert all(torch.equal(value, before[name]) for name, value in model.audio_branch.named_buffers())


@pytest.mark.parametrize("own_folder", [True, False], ids=["a folder of stills", "frames of the corpus"])
def test_image_epochs_alternate_with_epochs_of_clips(train_job, salicon, own_folder):
    values = {"stills": str(salicon)} if own_folder else {}
    job = train_job(routing=True, steps=0, epochs=1, every=10, parts=1, batch=2, values=values)
    loop.train(job)
    lines = [json.loads(line) for line in (job.out / "log.jsonl").read_text().splitlines()]
    routes = [line["route"] for line in lines if "train_loss" in line]
    assert routes == ["clips", "clips", "stills"] + (["stills"] if not own_folder else [])
    weights = read(job.out / "weights.safetensors")
    assert all(torch.isfinite(tensor).all() for tensor in weights.values())
