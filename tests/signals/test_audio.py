"""The log-mel is the one that VGGish defined, and each frame gets the piece that was heard with it."""

from __future__ import annotations

import doctest
import math
import tracemalloc
from fractions import Fraction

import librosa
import numpy as np
import pytest

from pipeline.errors import AveError
from pipeline.signals import audio

RATES = [Fraction(24), Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(30), Fraction(50),
         Fraction(60000, 1001), Fraction(60)]  # fmt: skip


def seconds(duration_s, rate_hz=16000):
    return np.arange(int(duration_s * rate_hz)) / rate_hz


def sounds():
    """Waveforms that are hard in different ways: quiet beside loud, at the rim of the bands, clipped."""
    t = seconds(3)
    rng = np.random.default_rng(0)
    tones = {f"a full-scale tone of {hz} Hz": np.sin(2 * np.pi * hz * t) for hz in (60, 200, 1003, 7000)}
    return tones | {
        "noise": rng.uniform(-1, 1, t.size),
        "whispered noise": rng.normal(0, 1e-3, t.size),
        "a sweep": np.sin(2 * np.pi * 600 * t**2),
        "a square wave": np.sign(np.sin(2 * np.pi * 440 * t)),
        "clicks": (np.arange(t.size) % 4001 == 0).astype(float),
        "a constant": np.full(t.size, 0.9),
    }


def log_mel_by_definition(waveform):
    """One frame after the other, a discrete Fourier transform written as a sum, all in float64."""
    n = np.arange(400)
    hann = 0.5 * (1 - np.cos(2 * np.pi * n / 400))
    transform = np.exp(-2j * np.pi * np.outer(n, np.arange(257)) / 512)
    mel = 1127 * np.log(1 + np.arange(257) * 16000 / 512 / 700)
    edges = np.linspace(1127 * np.log(1 + 125 / 700), 1127 * np.log(1 + 7500 / 700), 66)
    steps = []
    for start in range(0, len(waveform) - 399, 160):
        magnitude = np.abs((waveform[start : start + 400].astype(np.float64) * hann) @ transform)
        magnitude[0] = 0
        bands = [
            sum(
                magnitude[k] * min((mel[k] - low) / (centre - low), (high - mel[k]) / (high - centre))
                for k in np.flatnonzero((mel > low) & (mel < high))
            )
            for low, centre, high in zip(edges, edges[1:], edges[2:], strict=False)
        ]
        steps.append(np.log(np.array(bands) + 0.01))
    return np.array(steps)


def test_the_examples_in_the_docstrings_are_true():
    result = doctest.testmod(audio)
    assert result.attempted > 0
    assert result.failed == 0


class TestLogMel:
    @pytest.mark.parametrize("name", sounds())
    def test_it_is_the_definition_in_double_precision_to_a_hundred_thousandth(self, name):
        waveform = sounds()[name].astype(np.float32)[:8000]
        made = audio.log_mel(waveform, 16000)
        assert made.dtype == np.float32
        assert np.abs(made - log_mel_by_definition(waveform)).max() < 1e-5

    @pytest.mark.parametrize("name", sounds())
    def test_librosa_gives_the_same_when_its_window_stands_where_ours_does(self, name):
        waveform = sounds()[name].astype(np.float32)
        # librosa puts a 400-sample window in the middle of 512 samples. A 512-sample window that is zero from
        # 400 on begins with the step, as ours does, but asks for 112 samples more at the end.
        window = np.pad(librosa.filters.get_window("hann", 400, fftbins=True), (0, 112))
        spectra = librosa.stft(
            np.pad(waveform.astype(np.float64), (0, 112)),
            n_fft=512, hop_length=160, win_length=512, window=window, center=False, dtype=np.complex128,
        )  # fmt: skip
        theirs = np.log(np.abs(spectra).T @ mel_weights_from_librosa_scale() + 0.01)
        made = audio.log_mel(waveform, 16000)
        assert made.shape == theirs.shape
        assert np.abs(made - theirs).max() < 1e-5

    @pytest.mark.parametrize(
        ("n_samples", "n_steps"), [(0, 0), (1, 0), (399, 0), (400, 1), (559, 1), (560, 2), (16000, 98), (41360, 257)]
    )
    def test_a_step_needs_its_400_samples(self, n_samples, n_steps):
        assert audio.log_mel(np.zeros(n_samples, dtype=np.float32), 16000).shape == (n_steps, 64)

    def test_silence_is_the_logarithm_of_the_offset(self):
        np.testing.assert_array_equal(audio.log_mel(np.zeros(16000), 44100), np.float32(math.log(0.01)))

    def test_step_k_covers_exactly_its_own_400_samples(self):
        waveform = np.zeros(16000, dtype=np.float32)
        waveform[1600] = 1.0
        heard = np.flatnonzero((audio.log_mel(waveform, 16000) > audio.SILENCE + 1e-6).any(axis=1))
        # Sample 1600 is the first of step 10, where the window is zero, and the 400th from step 7.5.
        assert heard.tolist() == [8, 9]

    def test_cutting_160_samples_off_the_front_drops_one_step(self):
        waveform = sounds()["a sweep"].astype(np.float32)
        whole, cut = audio.log_mel(waveform, 16000), audio.log_mel(waveform[160:], 16000)
        np.testing.assert_allclose(cut, whole[1:], atol=1e-5)

    def test_the_size_of_a_block_leaves_no_trace(self, monkeypatch):
        waveform = sounds()["noise"].astype(np.float32)
        whole = audio.log_mel(waveform, 16000)
        monkeypatch.setattr(audio, "BLOCK_STEPS", 7)
        np.testing.assert_allclose(audio.log_mel(waveform, 16000), whole, atol=1e-6)

    def test_a_tone_is_loudest_in_the_band_around_it(self):
        edges_hz = librosa.mel_frequencies(66, fmin=125, fmax=7500, htk=True)
        for hz in (300, 1000, 4000):
            band = audio.log_mel(np.sin(2 * np.pi * hz * seconds(1)), 16000).mean(axis=0).argmax()
            assert edges_hz[band] < hz < edges_hz[band + 2]

    def test_the_number_of_bands_is_a_parameter(self):
        assert audio.log_mel(np.zeros(16000), 16000, bands=40).shape == (98, 40)

    def test_memory_does_not_grow_with_the_length_beyond_the_result(self):
        waveform = np.random.default_rng(0).uniform(-1, 1, 16000 * 300).astype(np.float32)
        tracemalloc.start()
        made = audio.log_mel(waveform, 16000)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak - made.nbytes < 8e6

    @pytest.mark.parametrize("rate_hz", [8000, 11024, 22050, 44100, 48000, 96000])
    def test_a_beep_at_any_sampling_rate_lands_in_the_step_of_its_time(self, rate_hz):
        t = seconds(4, rate_hz)
        beep = np.where((t >= 2.5) & (t < 2.6), 0.5 * np.sin(2 * np.pi * 1000 * t), 0).astype(np.float32)
        loud = np.flatnonzero(audio.log_mel(beep, rate_hz).max(axis=1) > 0)
        # A step hears 25 ms: the first that hears the beep began 20 ms before, the last 10 ms before its end.
        assert abs(loud[0] - 248) <= 1
        assert abs(loud[-1] - 259) <= 1

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    def test_any_floating_point_type_is_accepted(self, dtype):
        waveform = (0.5 * np.sin(2 * np.pi * 500 * seconds(0.5))).astype(dtype)
        made = audio.log_mel(waveform, 16000)
        np.testing.assert_array_equal(made, audio.log_mel(waveform.astype(np.float32), 16000))

    @pytest.mark.parametrize(
        ("waveform", "says"),
        [
            (np.zeros(800, dtype=np.int16), "32768"),
            (np.zeros((800, 2)), "Mix it down"),
            (np.full(800, 32768.0), "peak is 32768"),
            (np.array([0.0, math.nan]), "peak is nan"),
            (np.array([0.0, math.inf]), "peak is inf"),
            (np.array([0.0, -100.0]), "peak is 100"),
        ],
        ids=["integers", "stereo", "unscaled", "NaN", "infinite", "negative peak"],
    )
    def test_what_is_no_waveform_is_refused_with_what_to_do(self, waveform, says):
        with pytest.raises(audio.WaveformError, match=says) as caught:
            audio.log_mel(waveform, 16000)
        assert isinstance(caught.value, ValueError)
        assert isinstance(caught.value, AveError)
        assert caught.value.code == "waveform"
        assert caught.value.remedy

    def test_lossy_sound_that_overshoots_full_scale_is_accepted(self):
        assert audio.log_mel(np.full(400, 1.8), 16000).shape == (1, 64)

    @pytest.mark.parametrize("rate_hz", [0, -16000, math.nan, math.inf])
    def test_an_impossible_rate_is_refused(self, rate_hz):
        with pytest.raises(ValueError, match="positive"):
            audio.log_mel(np.zeros(400), rate_hz)


def mel_weights_from_librosa_scale():
    """Triangles over librosa's HTK mel scale, drawn by interpolation: another way to the same weights."""
    bins = librosa.hz_to_mel(librosa.fft_frequencies(sr=16000, n_fft=512), htk=True)
    edges = librosa.hz_to_mel(librosa.mel_frequencies(66, fmin=125, fmax=7500, htk=True), htk=True)
    weights = np.array([np.interp(bins, edges[b : b + 3], [0, 1, 0]) for b in range(64)]).T
    weights[0] = 0
    return weights


class TestFilterbank:
    def test_it_is_triangles_on_librosas_htk_mel_scale(self):
        np.testing.assert_allclose(audio.mel_filterbank(), mel_weights_from_librosa_scale(), atol=1e-9)

    def test_it_differs_from_librosas_filters_only_as_mel_straight_slopes_differ_from_hz_straight_ones(self):
        ours = audio.mel_filterbank()
        theirs = librosa.filters.mel(
            sr=16000, n_fft=512, n_mels=64, fmin=125, fmax=7500, htk=True, norm=None, dtype=np.float64
        ).T
        np.testing.assert_array_equal(ours > 1e-9, theirs > 1e-9)
        bins_hz = librosa.fft_frequencies(sr=16000, n_fft=512)[:, None]
        centres_hz = librosa.mel_frequencies(66, fmin=125, fmax=7500, htk=True)[1:-1]
        # Mel grows ever slower with Hz, so a slope straight in mel lies above one straight in Hz where it
        # rises and below it where it falls; with 64 bands never by much.
        difference = ours - theirs
        assert (difference[(bins_hz <= centres_hz) & (ours > 0)] >= -1e-9).all()
        assert (difference[(bins_hz >= centres_hz) & (ours > 0)] <= 1e-9).all()
        assert 1e-3 < np.abs(difference).max() < 0.02

    def test_it_starts_and_ends_where_it_should_and_hears_no_constant(self):
        weights = audio.mel_filterbank()
        heard_hz = np.flatnonzero(weights.any(axis=1)) * 31.25
        assert weights.shape == (257, 64)
        assert weights.min() == 0
        assert weights.max() <= 1
        assert (heard_hz[0], heard_hz[-1]) == (156.25, 7468.75)
        assert not audio.mel_filterbank(min_hz=0.0)[0].any()

    def test_nobody_can_change_the_weights_that_all_share(self):
        with pytest.raises(ValueError, match="read-only"):
            audio.mel_filterbank()[3, 3] = 1

    @pytest.mark.parametrize(
        "options", [{"bands": 0}, {"min_hz": 8000.0}, {"max_hz": 9000.0}, {"min_hz": -1.0}], ids=str
    )
    def test_bands_that_cannot_be_laid_are_refused(self, options):
        with pytest.raises(ValueError, match="mel bands"):
            audio.mel_filterbank(**options)


class TestFrameExamples:
    @pytest.mark.parametrize("rate", RATES, ids=str)
    def test_sound_and_picture_are_at_most_5_ms_apart_over_ten_minutes(self, rate):
        n_frames = int(600 * rate)
        clock = np.arange(60_100, dtype=np.float32)[:, None]  # one band, in which step k says k
        times_s = [float(frame / rate) for frame in range(n_frames)]
        examples = audio.frame_examples(clock, times_s)
        assert examples.shape == (n_frames, 64, 1)
        starts = [Fraction(int(step), 100) for step in examples[:, 0, 0]]
        errors = [abs(start - frame / rate) for frame, start in enumerate(starts)]
        assert max(errors) <= Fraction(1, 200) + Fraction(1, 10**9)
        np.testing.assert_array_equal(np.diff(examples[:, :, 0], axis=1), 1)

    def test_frames_of_variable_duration_get_the_sound_of_their_own_time(self):
        clock = np.arange(1000, dtype=np.float32)[:, None]
        times_s = [0.0, 0.033, 0.218, 0.251, 3.9999]
        assert audio.frame_examples(clock, times_s)[:, 0, 0].tolist() == [0, 3, 22, 25, 400]

    @pytest.mark.parametrize(
        ("anchor", "first", "last"), [("start", 200, 263), ("centre", 168, 231), ("end", 136, 199)]
    )
    def test_the_anchor_says_where_in_its_sound_the_frame_stands(self, anchor, first, last):
        clock = np.arange(400, dtype=np.float32)[:, None]
        example = audio.frame_examples(clock, [2.0], anchor=anchor)[0, :, 0]
        assert (example[0], example[-1]) == (first, last)

    def test_before_the_first_step_and_beyond_the_last_there_is_silence(self):
        clock = np.arange(100, dtype=np.float32)[:, None]
        silence = np.float32(math.log(0.01))
        start, end = audio.frame_examples(clock, [0.9, 0.99])[:, :, 0]
        assert start.tolist() == [*range(90, 100), *[silence] * 54]
        assert end.tolist() == [99, *[silence] * 63]
        before = audio.frame_examples(clock, [0.1], anchor="end")[0, :, 0]
        assert before.tolist() == [*[silence] * 54, *range(10)]
        far = audio.frame_examples(clock, [-1000.0, 5.0, 1e6])
        np.testing.assert_array_equal(far, silence)

    def test_a_soundtrack_without_a_single_step_is_silent(self):
        examples = audio.frame_examples(np.empty((0, 64), dtype=np.float32), [0.0, 0.04])
        assert examples.shape == (2, 64, 64)
        np.testing.assert_array_equal(examples, np.float32(math.log(0.01)))

    def test_no_frames_give_no_examples(self):
        assert audio.frame_examples(np.zeros((5, 64), dtype=np.float32), []).shape == (0, 64, 64)

    def test_features_mapped_from_a_file_are_read_alike(self, tmp_path):
        steps = np.random.default_rng(0).normal(size=(300, 64)).astype(np.float32)
        np.save(tmp_path / "steps.npy", steps)
        mapped = np.load(tmp_path / "steps.npy", mmap_mode="r")
        times_s = np.arange(90) / 30
        examples = audio.frame_examples(mapped, times_s)
        assert type(examples) is np.ndarray
        np.testing.assert_array_equal(examples, audio.frame_examples(steps, times_s))

    def test_an_example_is_64_consecutive_steps_time_major(self):
        steps = np.random.default_rng(0).normal(size=(300, 64)).astype(np.float32)
        np.testing.assert_array_equal(audio.frame_examples(steps, [1.0])[0], steps[100:164])

    def test_a_beep_is_in_the_example_of_the_frame_it_was_heard_with(self):
        rate = Fraction(30000, 1001)
        frame = 1500
        t = seconds(60)
        beep_s = float(frame / rate)
        waveform = np.where((t >= beep_s) & (t < beep_s + 0.05), np.sin(2 * np.pi * 1000 * t), 0).astype(np.float32)
        steps = audio.log_mel(waveform, 16000)
        times_s = [float(k / rate) for k in range(int(60 * rate))]
        loudness = audio.frame_examples(steps, times_s).max(axis=2)  # [frame, step]
        first_loud = np.argmax(loudness[frame] > 0)
        assert first_loud <= 1, "the frame's own example begins with the beep"
        heard = np.flatnonzero((loudness > 0).any(axis=1))
        assert heard[-1] - frame <= 2, "once the beep is over it is in no later frame's example"
        assert frame - heard[0] == pytest.approx(0.64 * float(rate), abs=2)

    @pytest.mark.parametrize(
        ("steps", "times_s", "anchor", "says"),
        [
            (np.zeros(64), [0.0], "start", "steps, bands"),
            (np.zeros((9, 64)), [math.nan], "start", "finite"),
            (np.zeros((9, 64)), [[0.0]], "start", "one list"),
            (np.zeros((9, 64)), [0.0], "center", "centre"),
        ],
        ids=["flat features", "NaN time", "nested times", "misspelt anchor"],
    )
    def test_what_has_no_example_is_refused(self, steps, times_s, anchor, says):
        with pytest.raises(ValueError, match=says):
            audio.frame_examples(steps, times_s, anchor=anchor)


class TestResample:
    def test_it_is_soxr_hq_as_librosa_calls_it(self):
        waveform = np.random.default_rng(0).uniform(-0.5, 0.5, 44100).astype(np.float32)
        theirs = librosa.resample(waveform, orig_sr=44100, target_sr=16000, res_type="soxr_hq")
        made = audio.resample(waveform, 44100)
        assert made.dtype == np.float32
        np.testing.assert_allclose(made, theirs[: made.size], atol=1e-6)

    def test_the_same_rate_changes_nothing(self):
        waveform = np.random.default_rng(0).uniform(-1, 1, 1000).astype(np.float32)
        np.testing.assert_array_equal(audio.resample(waveform, 16000), waveform)

    @pytest.mark.parametrize("rate_hz", [8000, 11024, 44100, 48000])
    def test_a_tone_keeps_its_pitch_its_level_and_its_place(self, rate_hz):
        made = audio.resample(0.5 * np.sin(2 * np.pi * 440 * seconds(2, rate_hz)), rate_hz)
        expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(made.size) / 16000)
        assert made.size == pytest.approx(32000, abs=2)
        np.testing.assert_allclose(made[2000:-2000], expected[2000:-2000], atol=1e-3)

    def test_nothing_comes_of_nothing(self):
        assert audio.resample(np.empty(0), 44100).shape == (0,)


class TestLevel:
    @pytest.mark.parametrize(
        ("waveform", "level_dbfs"),
        [
            (np.ones(1000), 0.0),
            (np.tile([1.0, -1.0], 500), 0.0),
            (np.sin(2 * np.pi * np.arange(1000) / 100), -3.0103),
            (np.full(1000, 0.001), -60.0),
            (np.r_[np.ones(10), np.zeros(990)], -20.0),
        ],
        ids=["a constant", "a square wave", "a sine", "a thousandth", "one per cent of the time"],
    )
    def test_it_is_the_root_mean_square_against_full_scale(self, waveform, level_dbfs):
        assert audio.level_dbfs(waveform) == pytest.approx(level_dbfs, abs=1e-3)

    @pytest.mark.parametrize("waveform", [np.zeros(10), np.empty(0)], ids=["zeros", "nothing"])
    def test_digital_silence_has_no_level(self, waveform):
        assert audio.level_dbfs(waveform) == -math.inf

    def test_a_long_quiet_soundtrack_loses_no_digits(self):
        assert audio.level_dbfs(np.full(3 << 20, 1e-4, dtype=np.float32)) == pytest.approx(-80, abs=1e-5)
