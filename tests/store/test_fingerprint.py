"""Fingerprints move with what an item depends on, and with nothing else."""

from __future__ import annotations

import hashlib

import pytest

from pipeline.store.fingerprint import digest, item_fingerprint, sha256_of

BASE = {"stage": "density", "version": 1, "params": {"sigma": 1.0}, "item": "diem/a", "inputs": {"x": "1"}}


@pytest.mark.parametrize(
    "change",
    [
        {"stage": "frames"},
        {"version": 2},
        {"params": {"sigma": 1.5}},
        {"item": "diem/b"},
        {"inputs": {"x": "2"}},
        {"inputs": {"x": "1", "y": "1"}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_everything_an_item_depends_on_moves_its_fingerprint(change):
    assert item_fingerprint(**BASE) != item_fingerprint(**{**BASE, **change})


def test_the_order_of_keys_does_not_move_a_fingerprint():
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})


def test_nan_is_refused_because_it_would_never_equal_itself():
    with pytest.raises(ValueError, match="JSON"):
        digest({"a": float("nan")})


def test_a_files_digest_is_sha256_over_all_blocks(tmp_path):
    data = bytes(range(256)) * 10_000
    (tmp_path / "f").write_bytes(data)
    assert sha256_of(tmp_path / "f") == hashlib.sha256(data).hexdigest()
