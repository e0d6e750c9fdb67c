"""Spoken words as recordings, and which speakers are held out.

Conventions
-----------
FOLDER/WORD/SPEAKER_nohash_N.wav, 16-bit mono, one second or a little less (then silence follows). Features are the
log-mel steps of `pipeline.signals.audio`: [98 steps, 64 bands] for one second.

Source
------
Warden 2018, arXiv 1804.03209 (Speech Commands); the split is the one its authors define: SHA-1 of the file's name up
to `_nohash_`, modulo 2²⁷, as a share of 2²⁷ − 1; below 10 % validation, below 20 % testing. A speaker is in one split.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile

from pipeline.errors import ModelError
from pipeline.learn.survey import NOISE
from pipeline.signals.audio import log_mel

SECOND = 16000  # samples
STEPS = 98  # log-mel steps of a second
FULL_SCALE = 32768.0  # of 16-bit samples
HASHES = 2**27 - 1
HELD_OUT = 0.1  # of the speakers, for validation and again for testing


@dataclass(frozen=True)
class Words:
    """Recordings of one split: features [n, 98, 64] float32, and the word of each as a number."""

    features: NDArray[np.float32]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


def split_of(file_name: str) -> str:
    """ "train", "val" or "test", by the speaker in a file's name.

    Examples
    --------
    >>> split_of("any_nohash_0.wav") == split_of("any_nohash_3.wav")
    True
    """
    speaker = file_name.partition("_nohash_")[0]
    share = int(hashlib.sha1(speaker.encode()).hexdigest(), 16) % (HASHES + 1) / HASHES
    return "val" if share < HELD_OUT else "test" if share < 2 * HELD_OUT else "train"


def words_of(folder: Path) -> list[str]:
    """The words that a folder has recordings of, sorted."""
    return sorted({path.parent.name for path in folder.glob("*/*.wav")} - {NOISE})


def load(folder: Path, words: list[str]) -> dict[str, Words]:
    """Every recording of the words, by split.

    Raises
    ------
    ModelError
        If a file is no 16-bit mono recording of at most a second, or a split is empty.
    """
    found: dict[str, list[tuple[NDArray[np.float32], int]]] = {"train": [], "val": [], "test": []}
    for label, word in enumerate(words):
        for path in sorted((folder / word).glob("*.wav")):
            found[split_of(path.name)].append((features_of(path), label))
    for split, rows in found.items():
        if not rows:
            raise ModelError(
                f"{folder}: no recording of the {split} speakers.",
                remedy="Take more recordings; a tenth of the speakers each is for validation and for testing.",
                code="empty-split",
            )
    return {
        split: Words(np.stack([row for row, _ in rows]), np.array([label for _, label in rows], np.int64))
        for split, rows in found.items()
    }


def features_of(path: Path) -> NDArray[np.float32]:
    """Log-mel steps [98, 64] of one recording.

    Raises
    ------
    ModelError
        If it is no 16-bit mono recording at 16 kHz of at most a second.
    """
    try:
        rate_hz, samples = wavfile.read(path)
    except (OSError, ValueError) as error:
        raise _not_a_word(path, str(error)) from error
    if rate_hz != SECOND or samples.dtype != np.int16 or samples.ndim != 1 or not 0 < len(samples) <= SECOND:
        raise _not_a_word(path, f"{samples.shape} samples of {samples.dtype} at {rate_hz} Hz")
    waveform = np.zeros(SECOND, np.float32)
    waveform[: len(samples)] = samples / FULL_SCALE
    return log_mel(waveform, rate_hz)


def nearest_mean(train: Words, test: Words) -> float:
    """Accuracy on `test` of naming the word whose mean features are nearest: what a network has to beat."""
    labels = np.unique(train.labels)
    means = np.stack([train.features[train.labels == label].mean(0) for label in labels])
    distance = np.square(test.features[:, None] - means[None]).sum((2, 3))
    return float(np.mean(labels[distance.argmin(1)] == test.labels))


def _not_a_word(path: Path, what: str) -> ModelError:
    return ModelError(
        f"{path}: not a spoken word ({what}).",
        remedy="Expected 16-bit mono WAV at 16 kHz of at most one second, as in Speech Commands.",
        code="not-a-word",
    )
