"""A published corpus of two short videos, 64 × 48 px, whose stored pictures are squeezed to 10 × 8."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import pipeline
from pipeline.schemas import STIMULI
from tests.test_corpus import N_FRAMES, RATE, write_stimulus


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Read only."""
    store = tmp_path_factory.mktemp("store")
    row = {"corpus": "diem", "category": "nature", "rate_num": 30000, "rate_den": 1001, "n_frames": N_FRAMES}
    row |= {"duration_s": N_FRAMES / float(RATE), "width_px": 64, "height_px": 48, "px_per_dva": 4.0}
    row |= {"audio_rate_hz": 16000, "audio_channels": 1, "audio_presented": "heard", "n_observers": 1}
    row |= {"n_fixations": 5, "licence": "CC BY"}
    rows = []
    for name, split in (("bears", "test"), ("frogs", "train")):
        write_stimulus(store, name)
        rows.append({**row, "stimulus": f"diem/{name}", "name": name, "split": split})
    pq.write_table(pa.Table.from_pylist(rows, STIMULI), store / "corpus" / "stimuli.parquet")
    return store


@pytest.fixture(scope="session")
def corpus(store: Path) -> pipeline.Corpus:
    return pipeline.Corpus(store)
