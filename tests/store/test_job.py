"""What a job is given: the same output of many items, without a path for each of them in memory."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from pipeline.store.job import EachFile, of_each_file

STORE = Path("/store/stages/density/sigma")
FILES = EachFile(
    {"diem": STORE / "diem", "coutrot1": STORE / "coutrot1"},
    "density.npy",
    {"diem/a": "1" * 64, "coutrot1/b": "2" * 64},
)


def test_each_stimulus_has_its_path_and_no_other_has_one():
    assert dict(FILES) == {
        "diem/a": STORE / "diem" / "a" / "density.npy",
        "coutrot1/b": STORE / "coutrot1" / "b" / "density.npy",
    }
    assert "diem/a" in FILES
    assert "diem/b" not in FILES
    with pytest.raises(KeyError):
        FILES["diem/b"]


def test_it_is_the_same_in_another_process():
    assert pickle.loads(pickle.dumps(FILES)) == FILES


def test_the_digests_of_all_of_them_are_known_by_path():
    found = of_each_file({"density": FILES, "video": Path("/v.mp4"), "few": {"x": Path("/x")}})
    assert found == {str(FILES["diem/a"]): "1" * 64, str(FILES["coutrot1/b"]): "2" * 64}


def test_its_size_grows_by_a_name_and_a_digest_and_not_by_paths():
    deep = Path("/a/very/deep/folder" * 20)
    many = EachFile({"diem": deep}, "density.npy", {f"diem/{number}": f"{number:064}" for number in range(1000)})
    assert len(pickle.dumps(many)) < 100 * len(many)
