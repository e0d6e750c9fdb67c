"""The soundtrack of a scene: each kind of object has its own timbre, and one sounds at a time.

Conventions
-----------
Waveforms are float32 in −1…1, [n_samples, n_channels], sample 0 at time 0 s. The three timbres live in different
bands so that a spectrum tells them apart: a disc hums below 2 kHz, a triangle whistles around 1–3 kHz in quick
glides, a square rattles above 3 kHz.
"""

from __future__ import annotations

import numpy as np

from pipeline.mini.world import Scene, stream

LEVEL = 0.1  # root mean square of a sounding object, −20 dBFS as speech in a film
AMBIENCE = 0.002  # of the room that never falls quite silent, −54 dBFS
RAMP_S = 0.01  # fade between turns: no clicks
HUM_HZ = 200.0
GLIDE_HZ, GLIDES_PER_S = (1000.0, 2600.0), 3.0
RATTLE_HZ, BURSTS_PER_S = (3200.0, 6800.0), 9.0
STEREO_BALANCE = (1.0, 0.6)  # the two channels of a "stereo" stimulus: a reader that drops one is found out


def soundtrack(scene: Scene, *, seed: int = 1) -> np.ndarray:
    """Everything that is heard with a scene, float32 [n_samples, 1 or 2].

    A "silent" stimulus is digital silence; a "sound-longer" one goes on for 0.2 s after the last picture.
    """
    plan = scene.plan
    duration_s = scene.duration_s + (0.2 if plan.has("sound-longer") else 0.0)
    times_s = np.arange(round(duration_s * plan.sound_rate_hz)) / plan.sound_rate_hz
    if plan.has("silent"):
        return np.zeros((times_s.size, 1), dtype=np.float32)
    random = stream(seed, plan.stimulus, "sound")
    mix = AMBIENCE * random.standard_normal(times_s.size)
    for index, kind in enumerate(plan.kinds):
        mix += _gate(scene, index, times_s, plan.sound_rate_hz) * timbre(kind, times_s, random)
    balance = STEREO_BALANCE if plan.has("stereo") else (1.0,)
    return (mix[:, None] * np.array(balance)).astype(np.float32)


def timbre(kind: str, times_s: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """What one kind of object sounds like, going on for ever, float64 [n], root mean square `LEVEL`."""
    if kind == "disc":
        sway = 0.02 * np.sin(2 * np.pi * 5 * times_s)  # a little vibrato, in periods
        wave = sum(np.sin(2 * np.pi * n * (HUM_HZ * times_s + sway)) / n for n in range(1, 7))
    elif kind == "triangle":
        low_hz, high_hz = GLIDE_HZ
        part = (times_s * GLIDES_PER_S) % 1.0
        wave = np.sin(2 * np.pi * (low_hz * part + (high_hz - low_hz) * part**2 / 2) / GLIDES_PER_S)
        wave = wave * np.sin(np.pi * part)
    else:
        burst = ((times_s * BURSTS_PER_S) % 1.0) < 0.5
        wave = _band_noise(random, times_s) * burst
    return np.asarray(LEVEL * wave / np.sqrt(np.mean(wave**2)))


def _band_noise(random: np.random.Generator, times_s: np.ndarray) -> np.ndarray:
    """White noise between the two frequencies of `RATTLE_HZ`, float64 [n]."""
    spectrum = np.fft.rfft(random.standard_normal(times_s.size))
    frequency_hz = np.fft.rfftfreq(times_s.size, times_s[1] - times_s[0])
    low_hz, high_hz = RATTLE_HZ
    return np.fft.irfft(spectrum * ((frequency_hz > low_hz) & (frequency_hz < high_hz)), n=times_s.size)


def _gate(scene: Scene, index: int, times_s: np.ndarray, rate_hz: int) -> np.ndarray:
    """1 while the object sounds, 0 while it does not, with short ramps, float64 [n]."""
    is_on = np.concatenate([[0.0], np.cumsum(scene.sounding(times_s) == index)])
    width = round(RAMP_S * rate_hz)
    first = np.clip(np.arange(times_s.size) - width // 2, 0, times_s.size - width)
    return (is_on[first + width] - is_on[first]) / width
