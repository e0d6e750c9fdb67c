"""Sound: log-mel features and resampling beside DAVE's code, librosa and SciPy, and how far sound is from picture."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import librosa
import numpy as np
from numpy.typing import NDArray
from scipy import signal

from benchmarks import peers
from benchmarks.harness import Asked, Case, Disagreement, Peer, Row, Target, measure
from pipeline.signals import audio

RATE_HZ = audio.RATE_HZ
RATES = [Fraction(n) for n in (15, 24, 25, 30, 50, 60)] + [Fraction(n * 1000, 1001) for n in (24, 30, 60)]
LENGTH_S = 60  # of features and resampling, in quick runs, too: what fits into a cache is no fair input
VIDEO_S = 180
SOUND_S = 182  # the last frame's example has to end before the sound does


def rows(asked: Asked) -> Iterator[Row]:
    """Features, resampling, then an error for each frame rate."""
    dave = load_dave(asked.peers["DAVE"]) if "DAVE" in asked.peers else None
    yield from measure("sound", log_mel_case(LENGTH_S, dave), asked.rounds)
    yield from measure("sound", resampling_case(LENGTH_S), asked.rounds)
    yield from sync_rows(dave)


def load_dave(checkout: Path) -> ModuleType:
    """`process_video_audio` with its own `audio_features`, `audio_params` and `mel_features` behind it."""
    own = {f"utils.{name}": peers.load(checkout / "utils" / f"{name}.py") for name in ("mel_features", "audio_params")}
    resampy = () if importlib.util.find_spec("resampy") else ("resampy",)
    features = peers.load(checkout / "utils" / "audio_features.py", stand_ins=resampy, beside=own)
    unused = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional")
    path = checkout / "utils" / "process_video_audio.py"
    return peers.load(path, stand_ins=unused, beside={**own, "utils.audio_features": features})


def log_mel_case(length_s: int, dave: ModuleType | None) -> Case:
    """Log-mel features of mono sound at 16 kHz, one thread."""
    sound = some_sound(length_s, RATE_HZ)
    others = {"librosa (other features)": Peer(partial(librosa_log_mel, sound))}
    if dave is not None:
        others["DAVE mel_features"] = Peer(partial(dave_log_mel, dave, sound), Target(2.0))
    return Case(
        what=f"log-mel, {length_s} s at 16 kHz",
        ours=partial(audio.log_mel, sound, RATE_HZ),
        peers=others,
        agree=log_mels_agree,
        unit="ms/minute",
        work=length_s / 60,
    )


def some_sound(length_s: float, rate_hz: int) -> NDArray[np.float32]:
    """Tones up to 6 kHz that wander, over soft noise below 6 kHz: nothing that a resampler may cut."""
    rng = np.random.default_rng(rate_hz)
    time_s = np.arange(round(length_s * rate_hz)) / rate_hz
    tones = sum(np.sin(2 * np.pi * (base * time_s + 40 * np.sin(time_s + base))) for base in (220, 880, 3000, 5000))
    low_pass = signal.butter(8, 6000, fs=rate_hz, output="sos")
    noise = signal.sosfilt(low_pass, rng.normal(0, 0.05, time_s.size))
    return (0.15 * tones + noise).astype(np.float32)


def dave_log_mel(dave: ModuleType, sound: NDArray[np.float32]) -> NDArray[np.float64]:
    """The peer's features of the whole sound, with its own settings, before it cuts them into examples."""
    settings = dave.audio_params
    mel = dave.waveform_to_feature.__globals__["mel_features"]
    features: NDArray[np.float64] = mel.log_mel_spectrogram(
        sound,
        audio_sample_rate=settings.SAMPLE_RATE,
        log_offset=settings.LOG_OFFSET,
        window_length_secs=settings.STFT_WINDOW_LENGTH_SECONDS,
        hop_length_secs=settings.STFT_HOP_LENGTH_SECONDS,
        num_mel_bins=settings.NUM_MEL_BINS,
        lower_edge_hertz=settings.MEL_MIN_HZ,
        upper_edge_hertz=settings.MEL_MAX_HZ,
    )
    return features


def librosa_log_mel(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """The library's nearest: slopes straight in Hz, the window in the middle of the 512 samples, a step fewer."""
    spectra = librosa.feature.melspectrogram(
        y=sound,
        sr=RATE_HZ,
        n_fft=audio.FFT_SAMPLES,
        win_length=audio.WINDOW_SAMPLES,
        hop_length=audio.HOP_SAMPLES,
        center=False,
        power=1.0,
        n_mels=audio.BANDS,
        fmin=audio.MEL_MIN_HZ,
        fmax=audio.MEL_MAX_HZ,
        htk=True,
        norm=None,
    )
    features: NDArray[np.float32] = np.log(spectra.T + audio.LOG_OFFSET)
    return features


def log_mels_agree(made: Mapping[str, Any]) -> str:
    """DAVE's within 1e-4; librosa's are other features, of which only the size is looked at."""
    ours = made["ours"]
    if not 0 <= len(ours) - len(made["librosa (other features)"]) <= 1:
        raise Disagreement("librosa makes another number of steps.")
    if "DAVE mel_features" not in made:
        return "librosa: same size only"
    theirs = made["DAVE mel_features"]
    error = float(np.abs(ours - theirs).max()) if ours.shape == theirs.shape else np.inf
    if not error <= 1e-4:
        raise Disagreement(f"our features and DAVE's are {error:.1e} apart.")
    return f"DAVE within {error:.0e}; librosa: same size only"


def resampling_case(length_s: int) -> Case:
    """One channel from 44.1 to 16 kHz."""
    from_hz = 44_100
    sound = some_sound(length_s, from_hz)
    soxr_hq = partial(librosa.resample, sound, orig_sr=from_hz, target_sr=RATE_HZ, res_type="soxr_hq")
    others = {
        "librosa soxr_hq": Peer(soxr_hq, Target(1.0)),
        "scipy resample_poly": Peer(partial(signal.resample_poly, sound, 160, 441)),
    }
    if importlib.util.find_spec("resampy"):  # not a dependency, but where it is
        resampy = importlib.import_module("resampy")
        best = partial(resampy.resample, sound, from_hz, RATE_HZ, filter="kaiser_best")
        others["resampy kaiser_best"] = Peer(best, Target(50.0))
    return Case(
        what=f"resampling, {length_s} s, 44.1 to 16 kHz",
        ours=partial(audio.resample, sound, from_hz),
        peers=others,
        agree=resamplings_agree,
        unit="ms/minute",
        work=length_s / 60,
    )


def resamplings_agree(made: Mapping[str, Any]) -> str:
    """The same resampler within 1e-6 of full scale, others within 1 %, half a second from both ends."""
    inside = slice(RATE_HZ // 2, -RATE_HZ // 2)
    told = []
    for name, samples in made.items():
        length = min(len(samples), len(made["ours"]))
        error = float(np.abs(samples[:length] - made["ours"][:length])[inside].max())
        if not error <= (1e-6 if "soxr" in name else 1e-2) or abs(len(samples) - len(made["ours"])) > 1:
            raise Disagreement(f"{name} and ours are {error:.1e} of full scale apart.")
        told.append(f"{name.split()[0]} {error:.0e}")
    return "of full scale: " + ", ".join(told[1:])


def sync_rows(dave: ModuleType | None) -> Iterator[Row]:
    """The largest distance of a frame from the sound it is given, for each frame rate over three minutes."""
    if dave is not None:
        sound = louder_and_louder(SOUND_S)
        brightness = dave_log_mel(dave, sound).sum(axis=1)  # grows with time: tells the step
    steps = np.arange(VIDEO_S * 101, dtype=np.float32)[:, None]  # one band that tells the step
    for rate in (*RATES, None):
        times_s = moments() if rate is None else np.array([float(k / rate) for k in range(int(VIDEO_S * rate))])
        heard_s = audio.frame_examples(steps, times_s)[:, 0, 0].astype(np.float64) * audio.HOP_S
        ours_ms = round(1000 * float(np.abs(heard_s - times_s).max()), 9)
        theirs = {"half a step": 1000 * audio.HOP_S / 2}
        if dave is not None and rate is not None:
            theirs["DAVE"] = 1000 * dave_error_s(dave, sound, brightness, times_s, int(rate))
        for name, error_ms in theirs.items():
            told = "variable rate" if rate is None else f"{float(rate):.5g} fps"
            what = f"sound against picture, {told}, {VIDEO_S} s"
            target = Target(5.0, limit=True, unit="ms")
            yield Row("sound", what, "ms off", name, (ours_ms,), (error_ms,), target, f"all {len(times_s)} frames")


def moments() -> NDArray[np.float64]:
    """Times of pictures that come when they like, 25 a second on the mean."""
    return np.sort(np.random.default_rng(0).random(25 * VIDEO_S)) * VIDEO_S


def louder_and_louder(length_s: int) -> NDArray[np.float32]:
    """A tone of ten periods a step that grows a hundredfold: every step is louder than the one before."""
    time_s = np.arange(length_s * RATE_HZ) / RATE_HZ
    return (0.01 * 100 ** (time_s / length_s) * np.sin(2 * np.pi * 1000 * time_s)).astype(np.float32)


def dave_error_s(
    dave: ModuleType, sound: NDArray[np.float32], brightness: NDArray, times_s: NDArray[np.float64], fps: int
) -> float:
    """What the peer's code gives a frame a second, told the video's own rate as it reads it: a whole number.

    It is told before the examples are cut, which its loader does the other way round: the first video of a process
    gets the default's examples, every other one those of the video before.
    """
    dave.audio_params.EXAMPLE_HOP_SECONDS = 1 / fps
    examples = dave.waveform_to_feature(sound, RATE_HZ)
    errors_s = []
    for frame in range(0, len(times_s), fps):
        clip, _ = dave.create_data_packet(examples, frame + 1)  # files count from 1
        step = int(np.argmin(np.abs(brightness - clip[0, -1, 0].sum())))
        errors_s.append(abs(step * audio.HOP_S - times_s[frame]))
    return max(errors_s)
