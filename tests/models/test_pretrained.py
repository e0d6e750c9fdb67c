"""Published weights: their names map onto ours, and they are fetched, or said to be missing, as the table says.

The checkpoints here have the published names and shapes (`golden.json` proves that) and numbers of our own.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import re
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch

from pipeline import models
from pipeline.errors import FetchError, ManifestError, ModelError
from pipeline.models import pretrained
from pipeline.models.resnet3d import ResNet3d
from pipeline.models.s3d import S3d
from pipeline.settings import default_manifests
from tests.models.formula import digest
from tests.models.test_golden import GOLDEN

POOLS = {"base1": 0, "base2": 5, "base3": 8, "base4": 14}  # places of each group's first layer in Kinetics S3D


def kinetics_s3d(width=64):
    """An S3D state dict as kylemin/S3D publishes it: layers counted through, with a classifier."""
    published = {}
    for name, tensor in S3d(width).state_dict().items():
        group, layer, rest = name.split(".", 2)
        published[f"base.{POOLS[group] + int(layer)}.{rest}"] = tensor
    channels = 1024 * width // 64
    return {**published, "fc.0.weight": torch.ones(400, channels, 1, 1, 1), "fc.0.bias": torch.ones(400)}


def kinetics_resnet(width=64):
    """A 3D ResNet-18 state dict as kenshohara/3D-ResNets-PyTorch publishes it."""
    state = ResNet3d(classes=400, width=width).state_dict()
    return {re.sub("^fc_new", "fc", name): tensor for name, tensor in state.items()}


@pytest.mark.parametrize(("label", "make"), [("s3d-kinetics400", kinetics_s3d), ("resnet18-kinetics", kinetics_resnet)])
def test_the_checkpoints_of_these_tests_have_the_published_names(label, make):
    with torch.device("meta"):
        state = make()
    assert len(state) == GOLDEN["names"][label]["tensors"]
    assert digest(state) == GOLDEN["names"][label]["digest"]


def save(folder, file, state):
    folder.mkdir(exist_ok=True)
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}, folder / file)


@pytest.fixture(scope="module")
def listed():
    return pretrained.load(default_manifests())


@pytest.fixture
def start(tmp_path, listed):
    """Start a model from weights; what was told is in `start.told`."""
    told: list[str] = []

    def run(model, name, asked, rows=listed):
        return pretrained.initialise(model, name, asked, tmp_path / "weights", listed=rows, tell=told.append)

    run.folder, run.told = tmp_path / "weights", told
    return run


def test_the_kinetics_resnet_fills_the_video_stream_of_dave(start):
    model, state = models.build("dave", width=4), kinetics_resnet(width=4)
    save(start.folder, "resnet-18-kinetics.pth", state)
    loaded = start(model, "dave", "resnet18-kinetics")
    assert loaded.fit.whole
    assert loaded.part == "video_branch"
    assert torch.equal(model.video_branch.layer4[1].conv2.weight, state["layer4.1.conv2.weight"])
    assert torch.equal(model.video_branch.fc_new.weight, state["fc.weight"])
    assert str(loaded).splitlines()[0].startswith("resnet18-kinetics -> video_branch (sha256 ")


@pytest.mark.parametrize(
    ("name", "options", "part"),
    [("vinet", {"frames": 8}, "backbone"), ("avinet", {"size": (32, 32)}, "visual_model.backbone")],
)
def test_kinetics_s3d_fills_the_encoder_but_for_its_classifier(start, name, options, part):
    model, state = models.build(name, width=8, **options), kinetics_s3d(width=8)
    save(start.folder, "S3D_kinetics400.pt", state)
    loaded = start(model, name, "s3d-kinetics400")
    assert (loaded.part, loaded.fit.missing, loaded.fit.reshaped) == (part, (), ())
    assert loaded.fit.left_over == ("fc.0.bias", "fc.0.weight")
    encoder = model.get_submodule(part)
    assert torch.equal(encoder.base3[1].branch0[0].conv.weight, state["base.9.branch0.0.conv.weight"])
    assert torch.equal(encoder.base4[1].branch3[1].bn.weight, state["base.15.branch3.1.bn.weight"])


@pytest.mark.parametrize(("name", "part"), [("soundnet", ""), ("avinet", "audionet")])
def test_soundnet_fills_the_whole_model_or_the_sound_stream(start, name, part):
    state = models.build("soundnet", width=2).state_dict()
    save(start.folder, "soundnet8_final.pth", state)
    model = models.build(name, width=2 if name == "soundnet" else 8)
    loaded = start(model, name, "soundnet8")
    assert (loaded.part, loaded.fit.whole) == (part, True)
    assert torch.equal(model.get_submodule(part).conv7.weight, state["conv7.weight"])


def test_vinet_fills_the_visual_model_of_avinet(start):
    save(start.folder, "ViNet_DHF1K.pt", models.build("vinet", width=8).state_dict())
    loaded = start(models.build("avinet", width=8), "avinet", "vinet-dhf1k")
    assert (loaded.part, loaded.fit.whole) == ("visual_model", True)


def test_the_published_dave_fills_all_of_dave(start):
    save(start.folder, "model.pth.tar", models.build("dave", width=2).state_dict())
    assert start(models.build("dave", width=2), "dave", "dave-ave").fit.whole


def test_weights_that_only_a_person_can_fetch_are_told_and_the_model_stays(start):
    model = models.build("dave", width=2)
    before = model.video_branch.conv1.weight.clone()
    assert start(model, "dave", "resnet18-kinetics") is None
    assert torch.equal(model.video_branch.conv1.weight, before)
    [sentence] = start.told
    assert "resnet-18-kinetics.pth is not there" in sentence
    assert "Open the folder in a browser" in sentence
    assert sentence.endswith("starts from scratch.")


def with_source(listed, name, urls, checksum="unknown"):
    row = listed[name]
    return {name: pretrained.Published(**{**vars(row), "kind": "direct", "urls": urls, "checksum": checksum})}


def test_a_direct_source_is_fetched_over_http_and_checked(start, listed, tmp_path):
    state = models.build("soundnet", width=2).state_dict()
    save(tmp_path / "served", "s.pth", state)
    sha256 = hashlib.sha256((tmp_path / "served" / "s.pth").read_bytes()).hexdigest()
    handler = functools.partial(Quiet, directory=str(tmp_path / "served"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/s.pth"
        rows = with_source(listed, "soundnet8", (url,), f"sha256:{sha256}")
        loaded = start(models.build("soundnet", width=2), "soundnet", "soundnet8", rows)
        server.shutdown()
    assert loaded.fit.whole
    assert loaded.sha256 == sha256
    assert (start.folder / "soundnet8_final.pth").is_file()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_a_source_that_does_not_answer_is_told_and_the_training_goes_on(start, listed, tmp_path):
    rows = with_source(listed, "soundnet8", ((tmp_path / "nothing.pth").as_uri(),))
    assert start(models.build("soundnet", width=2), "soundnet", "soundnet8", rows) is None
    assert "could not be downloaded" in start.told[0]


def test_a_file_that_is_not_the_tables_is_set_aside(start, listed):
    save(start.folder, "soundnet8_final.pth", models.build("soundnet", width=2).state_dict())
    rows = with_source(listed, "soundnet8", ("https://example.org/s.pth",), f"sha256:{'0' * 64}")
    with pytest.raises(FetchError, match="does not match the manifest"):
        start(models.build("soundnet", width=2), "soundnet", "soundnet8", rows)
    assert [file.name for file in start.folder.iterdir()] == ["soundnet8_final.pth.bad"]


def test_weights_of_another_model_are_refused_by_name_and_by_content(start):
    with pytest.raises(ModelError, match="not for model 'dave'; they are for vinet, avinet"):
        start(models.build("dave", width=2), "dave", "s3d-kinetics400")
    save(start.folder, "S3D_kinetics400.pt", models.build("soundnet", width=2).state_dict())
    with pytest.raises(ModelError, match="Not one tensor fits"):
        start(models.build("vinet", width=8, frames=8), "vinet", "s3d-kinetics400")


def test_the_stream_that_was_not_built_cannot_be_filled(start):
    save(start.folder, "resnet-18-kinetics.pth", kinetics_resnet(width=2))
    with pytest.raises(ModelError, match=r"has no part 'video_branch'.*Choose|Did you mean"):
        start(models.build("dave", width=2, modality="audio"), "dave", "resnet18-kinetics")


@pytest.mark.parametrize("part", ["", "audio_branch"])
def test_a_file_of_ones_own_fills_the_model_or_a_part_of_it(start, tmp_path, part):
    source = models.build("dave", width=2)
    save(tmp_path, "mine.pth", source.get_submodule(part).state_dict())
    asked = f"{part}={tmp_path / 'mine.pth'}" if part else str(tmp_path / "mine.pth")
    model = models.build("dave", width=2)
    assert start(model, "dave", asked).fit.whole
    assert torch.equal(model.audio_branch.conv1.weight, source.audio_branch.conv1.weight)


def test_an_unknown_name_names_the_nearest(start):
    with pytest.raises(ModelError, match=r"No weights are called 'soundnet9', and no file is.*'soundnet8'"):
        start(models.build("soundnet", width=2), "soundnet", "soundnet9")


def test_every_row_of_the_table_is_for_models_that_exist(listed):
    for row in listed.values():
        for name, part in row.fits.items():
            with torch.device("meta"):
                models.build(name).get_submodule(part)


def test_all_problems_of_the_table_are_told_at_once(tmp_path):
    with open(default_manifests() / "weights.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    rows[0] |= {"checksum": "12ab", "licence": ""}
    rows[1] |= {"how_to": ""}
    rows[3] |= {"urls": ""}
    with open(tmp_path / "weights.csv", "w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    with pytest.raises(ManifestError) as caught:
        pretrained.load(tmp_path)
    told = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 4
    assert re.search("line 2, checksum: is '12ab'", told)
    assert re.search("line 2, licence: is empty", told)
    assert re.search("line 3, how_to: is empty", told)
    assert re.search("line 5, urls: is empty", told)
