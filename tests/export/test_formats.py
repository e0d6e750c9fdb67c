"""Other people's programs open the shards: webdataset, tar, pandas, Hugging Face datasets, safetensors."""

from __future__ import annotations

import io
import itertools
import json
import tarfile

import numpy as np
import pandas as pd
import pytest
import safetensors
import safetensors.torch
import simplejpeg

from pipeline.export.sample import FIXATION_DTYPE

KEY = "coutrot1--clip_1--000020"


@pytest.fixture
def clip_1(world):
    """The one stimulus of coutrot1/val: 40 frames, cut into two samples of 20."""
    return world["coutrot1/clip_1"]


@pytest.fixture
def shard(items):
    """The one shard of coutrot1/val in a format."""
    return lambda name: next(items[name]["coutrot1", "val"].glob("coutrot1-val-00000.*"))


def test_webdataset_reads_the_tar(shard, clip_1):
    webdataset = pytest.importorskip("webdataset", reason="webdataset is not installed")
    samples = list(webdataset.WebDataset(str(shard("wds")), shardshuffle=False).decode())
    assert [sample["__key__"] for sample in samples] == ["coutrot1--clip_1--000000", KEY]
    second = samples[1]
    assert second["json"]["n_lead_in"] == 15
    np.testing.assert_array_equal(second["density.npy"], clip_1.density[20:])
    assert second["fixations.npy"].dtype == FIXATION_DTYPE
    pictures = sorted(name for name in second if name.endswith(".jpg"))
    assert pictures == [f"{k:03d}.jpg" for k in range(35)]


def test_tar_members_are_what_a_tar_program_sees(shard, clip_1):
    with tarfile.open(shard("wds")) as tar:
        names = tar.getnames()
        assert names[:7] == [
            f"coutrot1--clip_1--000000.{end}"
            for end in (
                "json", "times_s.npy", "example_step.npy", "logmel.npy", "waveform.npy", "density.npy", "fixations.npy"
            )
        ]  # fmt: skip
        assert tar.extractfile(f"{KEY}.000.jpg").read() == clip_1.jpegs[5]
        steps = np.load(io.BytesIO(tar.extractfile(f"{KEY}.logmel.npy").read()))
        about = json.loads(tar.extractfile(f"{KEY}.json").read())
    # frame 5 is at 0.2 s, so its example starts at step 20; frame 39 is at 1.56 s
    assert about["first_step"] == 20
    np.testing.assert_array_equal(steps, clip_1.steps[20 : 156 + 64])


def test_pandas_reads_the_parquet(shard, clip_1):
    table = pd.read_parquet(shard("parquet"))
    row = table.iloc[1]
    assert list(table["key"]) == ["coutrot1--clip_1--000000", KEY]
    assert [frame["bytes"] for frame in row["frames"]] == clip_1.jpegs[5:40]
    assert row["frames"][0]["path"] == f"{KEY}.000.jpg"
    maps = np.stack(row["density"]).reshape(row["n_targets"], row["density_rows"], -1)
    np.testing.assert_array_equal(maps, clip_1.density[20:])
    fixations = clip_1.fixations.to_pandas().query("frame >= 20")
    np.testing.assert_array_equal(row["fixation_x_px"], fixations["x_px"])


def test_datasets_sees_pictures_in_the_parquet(shard, clip_1, tmp_path):
    datasets = pytest.importorskip("datasets", reason="Hugging Face datasets is not installed")
    table = datasets.Dataset.from_parquet(str(shard("parquet")), cache_dir=str(tmp_path))
    assert isinstance(table.features["frames"].feature, datasets.Image)
    picture = np.asarray(table[1]["frames"][0].convert("RGB"))
    expected = simplejpeg.decode_jpeg(clip_1.jpegs[5])
    assert np.abs(picture.astype(int) - expected).max() <= 2  # another decoder
    assert table[1]["observers"] == ["s1", "s10", "s2"]


def test_safetensors_reads_the_tensors(shard, clip_1):
    tensors = safetensors.torch.load_file(shard("tensors"))
    offsets = tensors[f"{KEY}/jpeg_offsets"].tolist()
    run = tensors[f"{KEY}/jpeg"].numpy().tobytes()
    assert [run[a:b] for a, b in itertools.pairwise(offsets)] == clip_1.jpegs[5:40]
    np.testing.assert_array_equal(tensors[f"{KEY}/density"].numpy(), clip_1.density[20:])
    with safetensors.safe_open(shard("tensors"), framework="numpy") as file:
        assert json.loads(file.metadata()[KEY])["category"] == "social"


def test_each_tensor_lies_on_a_multiple_of_its_item_size(items):
    for path in items["tensors"]["diem", "train"].glob("*.safetensors"):
        raw = path.read_bytes()
        header_bytes = int.from_bytes(raw[:8], "little")
        header = json.loads(raw[8 : 8 + header_bytes])
        del header["__metadata__"]
        size_of = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "U8": 1}
        for name, tensor in header.items():
            assert (8 + header_bytes + tensor["data_offsets"][0]) % size_of[tensor["dtype"]] == 0, name
