"""Log-mel features of a soundtrack, and the piece of them that belongs to each video frame.

Conventions
-----------
A waveform is mono, one-dimensional, floating point, full scale ±1; `rate_hz` samples a second.
Features are [step, band]: step k covers samples [160 k, 160 k + 400) at 16 kHz, that is, 25 ms
beginning at k × 10 ms. Nothing is centred or padded, so T steps need 160 (T - 1) + 400 samples.
Times are seconds on the soundtrack's clock; they are rounded once, when a frame's first step is
chosen, and never accumulated.

Source
------
The settings are VGGish's (Hershey et al. 2017), which DAVE (Tavakoli et al. 2019) took over, and
the audio weights in use expect them.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import soxr
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from pipeline.errors import MediaError, did_you_mean

RATE_HZ = 16000
WINDOW_SAMPLES = 400  # 25 ms
HOP_SAMPLES = 160  # 10 ms
HOP_S = HOP_SAMPLES / RATE_HZ
WINDOW_S = WINDOW_SAMPLES / RATE_HZ
FFT_SAMPLES = 512
BANDS = 64
MEL_MIN_HZ = 125.0
MEL_MAX_HZ = 7500.0
LOG_OFFSET = 0.01
SILENCE = math.log(LOG_OFFSET)

EXAMPLE_STEPS = 64  # 0.64 s
# Steps before the frame's own at which its example begins.
ANCHORS = {"start": 0, "centre": EXAMPLE_STEPS // 2, "end": EXAMPLE_STEPS}

# Part of the features' definition: another resampler moves them by up to half a log unit.
RESAMPLER_QUALITY = "HQ"
# Lossy sound overshoots ±1 by a few decibels and noise of deviation 1 peaks at 5; unscaled 8-bit integers peak at 127.
LARGEST_PEAK = 64.0
BLOCK_STEPS = 256  # transformed at a time: 1 MB, whatever the length of the soundtrack


class WaveformError(MediaError, ValueError):
    """Numbers that cannot be a waveform: bad input of a build, a wrong argument of a function."""

    code = "waveform"


def log_mel(waveform: ArrayLike, rate_hz: float, *, bands: int = BANDS) -> NDArray[np.float32]:
    """Log-mel features of a soundtrack at 10 ms steps.

    25 ms periodic Hann window, 512-point FFT, magnitude, HTK mel bands of 125–7500 Hz,
    log(x + 0.01).

    Parameters
    ----------
    waveform : array_like, shape (n,), floating point
        Mono, full scale ±1.
    rate_hz : float
        Of the waveform; anything but 16000 is resampled first (soxr HQ).
    bands : int
        Mel bands.

    Returns
    -------
    log_mel : ndarray, shape (T, bands), float32
        At least log(0.01), which is digital silence. Empty under 400 samples at 16 kHz.
        Within 1e-5 of the same in double precision.

    Raises
    ------
    WaveformError
        If the waveform is not mono, not floating point, not finite or far beyond ±1.
    ValueError
        If the rate is not positive.

    Source
    ------
    Hershey et al. 2017 (VGGish).

    Examples
    --------
    >>> log_mel(np.zeros(16000), 16000).shape
    (98, 64)
    >>> log_mel(np.zeros(399), 16000).shape
    (0, 64)
    """
    samples = resample(waveform, rate_hz)
    n_steps = max(0, 1 + (samples.size - WINDOW_SAMPLES) // HOP_SAMPLES)
    features = np.empty((n_steps, bands), dtype=np.float32)
    if n_steps == 0:
        return features
    filterbank = mel_filterbank(bands)
    low, high = np.flatnonzero(filterbank.any(axis=1))[[0, -1]] + (0, 1)  # the bins that any band hears
    filterbank = filterbank[low:high].astype(np.float32)
    # The transform is in float64: in float32 a loud tone leaks a millionth of itself into every silent
    # band, which log(x + 0.01) shows as up to 0.002. What follows is in float32, where it costs half.
    padded = np.zeros((min(n_steps, BLOCK_STEPS), FFT_SAMPLES))
    for start in range(0, n_steps, BLOCK_STEPS):
        block = features[start : start + BLOCK_STEPS]
        first = start * HOP_SAMPLES
        heard = samples[first : first + (len(block) - 1) * HOP_SAMPLES + WINDOW_SAMPLES].astype(np.float64)
        windows = sliding_window_view(heard, WINDOW_SAMPLES)[::HOP_SAMPLES]
        np.multiply(windows, _hann(), out=padded[: len(block), :WINDOW_SAMPLES])
        spectra = np.fft.rfft(padded[: len(block)])[:, low:high].astype(np.complex64)
        np.matmul(np.abs(spectra), filterbank, out=block)
        block += LOG_OFFSET
        np.log(block, out=block)
    return features


def frame_examples(
    log_mel: NDArray[np.floating], frame_times_s: ArrayLike, *, anchor: str = "start"
) -> NDArray[np.float32]:
    """Cut out each video frame's log-mel example: 64 consecutive steps at its presentation time.

    Each frame's first step is rint(t / 10 ms) from its own time, so sound and picture are at most
    5 ms apart at any frame rate, constant or variable, after a minute as after an hour.

    Parameters
    ----------
    log_mel : ndarray, shape (T, bands)
        The whole soundtrack's features; a memory-mapped array is read only where it is needed.
    frame_times_s : array_like, shape (n,)
        Presentation times on the soundtrack's clock.
    anchor : {"start", "centre", "end"}
        Whether the 0.64 s of an example begin at the frame's time (as DAVE meant it), have it in
        the middle, or end there.

    Returns
    -------
    examples : ndarray, shape (n, 64, bands), float32
        Time-major. Silence, log(0.01), before the first step and beyond the last.

    Raises
    ------
    ValueError
        If `log_mel` is not two-dimensional, a time is not finite, or the anchor is unknown.

    Examples
    --------
    >>> steps = np.arange(200.0)[:, None]  # one band that tells the step's number
    >>> frame_examples(steps, [0.0, 1 / 30, 1.5])[:, [0, 63], 0].tolist()
    [[0.0, 63.0], [3.0, 66.0], [150.0, -4.605170249938965]]
    """
    if log_mel.ndim != 2:
        raise ValueError(f"log_mel must be [steps, bands], got shape {log_mel.shape}.")
    first = first_steps(frame_times_s, anchor)
    n_steps, bands = log_mel.shape
    steps = first[:, None] + np.arange(EXAMPLE_STEPS)
    examples = np.full((first.size, EXAMPLE_STEPS, bands), SILENCE, dtype=np.float32)
    if n_steps:
        inside = (steps >= 0) & (steps < n_steps)
        examples[inside] = log_mel[steps[inside]]
    return examples


def first_steps(frame_times_s: ArrayLike, anchor: str = "start") -> NDArray[np.int64]:
    """Number of the step at which each frame's example begins; negative before the soundtrack.

    Raises
    ------
    ValueError
        If a time is not finite, or the anchor is unknown.

    Examples
    --------
    >>> first_steps([0.0, 1 / 30, 1.0], anchor="centre").tolist()
    [-32, -29, 68]
    """
    if anchor not in ANCHORS:
        raise ValueError(f"Unknown anchor {anchor!r}. {did_you_mean(anchor, ANCHORS)}")
    times_s = np.asarray(frame_times_s, dtype=np.float64)
    if times_s.ndim != 1 or not np.isfinite(times_s).all():
        raise ValueError(f"Frame times must be one list of finite seconds, got shape {times_s.shape}.")
    return np.rint(times_s / HOP_S).astype(np.int64) - ANCHORS[anchor]


def resample(waveform: ArrayLike, rate_hz: float, to_hz: float = RATE_HZ) -> NDArray[np.float32]:
    """Bring a waveform to another rate with soxr, quality HQ, in float32.

    Parameters
    ----------
    waveform : array_like, shape (n,), floating point
        Mono, full scale ±1.
    rate_hz, to_hz : float
        Samples a second, before and after. The same rate returns the samples unchanged.

    Returns
    -------
    samples : ndarray, shape (about n × to_hz / rate_hz,), float32

    Raises
    ------
    WaveformError, ValueError
        As `log_mel`.
    """
    samples = _check_waveform(waveform)
    if not (0 < rate_hz < math.inf and 0 < to_hz < math.inf):
        raise ValueError(f"Rates must be positive, got {rate_hz} Hz to {to_hz} Hz.")
    samples = samples.astype(np.float32, copy=False)
    if rate_hz == to_hz or samples.size == 0:
        return samples
    return soxr.resample(samples, rate_hz, to_hz, quality=RESAMPLER_QUALITY)


@lru_cache(maxsize=8)
def mel_filterbank(
    bands: int = BANDS,
    *,
    fft_samples: int = FFT_SAMPLES,
    rate_hz: float = RATE_HZ,
    min_hz: float = MEL_MIN_HZ,
    max_hz: float = MEL_MAX_HZ,
) -> NDArray[np.float64]:
    """Weights that gather the bins of a spectrum into mel bands.

    Band b is a triangle over three neighbouring of `bands + 2` points that lie evenly on the mel
    scale. Its two slopes are straight lines in *mel*; librosa's are straight in Hz.

    Returns
    -------
    weights : ndarray, shape (fft_samples // 2 + 1, bands), float64, read-only
        0 .. 1. The row of the DC bin is zero, because no band begins below 0 Hz.

    Raises
    ------
    ValueError
        If there is no band, or the band edges are not 0 <= min < max <= half the rate.

    Source
    ------
    HTK book (mel = 1127 ln(1 + f / 700)); Hershey et al. 2017 for the slopes and the DC bin.
    """
    if bands < 1 or not 0 <= min_hz < max_hz <= rate_hz / 2:
        raise ValueError(f"Cannot lay {bands} mel bands over {min_hz}–{max_hz} Hz at a rate of {rate_hz} Hz.")
    bins_mel = _hz_to_mel(np.arange(fft_samples // 2 + 1) * (rate_hz / fft_samples))[:, None]
    points_mel = np.linspace(_hz_to_mel(min_hz), _hz_to_mel(max_hz), bands + 2)
    low, centre, high = points_mel[:-2], points_mel[1:-1], points_mel[2:]
    rising = (bins_mel - low) / (centre - low)
    falling = (high - bins_mel) / (high - centre)
    weights = np.maximum(0.0, np.minimum(rising, falling))
    weights.setflags(write=False)  # the cache hands the same array to everybody
    return weights


def level_dbfs(waveform: ArrayLike) -> float:
    """Mean level of a waveform in decibels: its root mean square against full scale (1.0).

    Returns
    -------
    level : float
        0 for a square wave of ±1, -3.01 for a full sine, -inf for digital silence or no samples.

    Raises
    ------
    WaveformError
        As `log_mel`.

    Examples
    --------
    >>> round(level_dbfs(np.sin(np.arange(16000) * 2 * np.pi / 100)), 2)
    -3.01
    >>> level_dbfs(np.zeros(100))
    -inf
    """
    samples = _check_waveform(waveform)
    block = 1 << 20  # squares in float64 of an hour of sound would not be a small array
    power = sum(
        float(np.square(samples[start : start + block], dtype=np.float64).sum())
        for start in range(0, samples.size, block)
    )
    return 10 * math.log10(power / samples.size) if power > 0 else -math.inf


def _hz_to_mel(frequency_hz: ArrayLike) -> NDArray[np.float64]:
    return 1127.0 * np.log1p(np.asarray(frequency_hz, dtype=np.float64) / 700.0)


@lru_cache(maxsize=1)
def _hann() -> NDArray[np.float64]:
    """Periodic Hann window: its period is 400 samples, so its last sample is not zero."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi / WINDOW_SAMPLES * np.arange(WINDOW_SAMPLES))
    window.setflags(write=False)
    return window


def _check_waveform(waveform: ArrayLike) -> NDArray[np.floating]:
    samples = np.asarray(waveform)
    if samples.ndim != 1:
        raise WaveformError(
            f"A waveform must be mono and one-dimensional, got shape {samples.shape}.", remedy="Mix it down first."
        )
    if not np.issubdtype(samples.dtype, np.floating):
        raise WaveformError(
            f"A waveform must be floating point with full scale ±1, got {samples.dtype}.",
            remedy="Divide by the integer type's range first (32768 for 16 bit).",
        )
    peak = float(max(-samples.min(), samples.max())) if samples.size else 0.0
    if not peak <= LARGEST_PEAK:  # also true of NaN
        raise WaveformError(
            f"A waveform must be finite with full scale ±1, but its peak is {peak:g}.",
            remedy="Divide integers by their type's range (32768 for 16 bit); look for NaN.",
        )
    return samples
