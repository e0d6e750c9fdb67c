"""The sound of a page: one channel, as long as the pictures, in µ-law, which every browser plays.

Conventions
-----------
Samples are float32, full scale ±1; sample n is heard n / rate_hz seconds after the first picture.

µ-law takes half of what 16 bits a sample would, needs no encoder that may be missing, and keeps noise some 38 dB below
the sound, however soft that is. What a page has to save beyond that it saves at the high end.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.signals.audio import resample

RATES_HZ = (16000, 12000, 8000, 6000, 4000)  # 16 kHz is all that the log-mel features hear
BIAS, CLIP = 132, 32635  # G.711, 16-bit scale: 33 and 8158 times four


@dataclass(frozen=True)
class Sound:
    """A WAV file and what was done to make it small; an empty `wav` is no sound."""

    wav: bytes
    note: str


def embed_sound(samples: NDArray[np.float32], rate_hz: int, duration_s: float, budget_bytes: int) -> Sound:
    """Make a soundtrack small: the highest rate at which it fits.

    Parameters
    ----------
    samples : ndarray, shape (n,), float32
        Mono, full scale ±1, the first heard with the first picture.
    rate_hz : int
    duration_s : float
        Length of the pictures: what is longer is cut, what is shorter goes on with silence.
    budget_bytes : int
        Of the WAV file.

    Returns
    -------
    sound : Sound
        Nothing where not even the lowest rate fits; the note says so.

    Raises
    ------
    WaveformError
        If the samples are no sound (`signals.audio.resample`).
    """
    for to_hz in RATES_HZ:
        if round(duration_s * to_hz) + 64 <= budget_bytes:
            at_rate = resample(samples, rate_hz, min(to_hz, rate_hz))
            to_hz = min(to_hz, rate_hz)
            wav = mu_law_wav(fit_length(at_rate, round(duration_s * to_hz)), to_hz)
            return Sound(wav, f"The sound is one channel at {to_hz / 1000:g} kHz, 8 bits a sample (µ-law).")
    return Sound(b"", f"The sound is left out: {duration_s:.0f} s of it are too much for one page.")


def fit_length(samples: NDArray[np.float32], n_samples: int) -> NDArray[np.float32]:
    """The first `n_samples` samples, silence where there are none."""
    return np.pad(samples[:n_samples], (0, max(0, n_samples - samples.size)))


def mu_law_wav(samples: NDArray[np.float32], rate_hz: int) -> bytes:
    """A WAV file of µ-law bytes (format 7), mono."""
    content = encode_mu_law(samples)
    form = struct.pack("<HHIIHHH", 7, 1, rate_hz, rate_hz, 1, 8, 0)
    fact = struct.pack("<I", len(content))
    body = b"WAVE" + _chunk(b"fmt ", form) + _chunk(b"fact", fact) + _chunk(b"data", content)
    return _chunk(b"RIFF", body)


def encode_mu_law(samples: NDArray[np.float32]) -> bytes:
    """One byte a sample: sign, three bits of exponent, four of mantissa, all inverted.

    Source
    ------
    ITU-T G.711, table 2a; samples beyond full scale are clipped.

    Examples
    --------
    >>> encode_mu_law(np.array([0.0, 1.0, -1.0], np.float32)).hex()
    'ff8000'
    """
    pcm = np.rint(np.asarray(samples, np.float64) * 32767).astype(np.int64)
    biased = np.minimum(np.abs(pcm), CLIP) + BIAS
    exponent = np.floor(np.log2(biased)).astype(np.int64) - 7
    mantissa = (biased >> (exponent + 3)) & 15
    sign = np.where(pcm < 0, 0x80, 0)
    return (~(sign | exponent << 4 | mantissa) & 0xFF).astype(np.uint8).tobytes()


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
