"""The soundtrack: the timbre at each time is that of the object that sounds, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.mini.plan import STIMULI, Plan
from pipeline.mini.sounds import RAMP_S, soundtrack, timbre
from pipeline.mini.world import Scene, build_scene

AUDIBLE = [plan for plan in STIMULI if not plan.has("silent")]
BANDS_HZ = {"disc": (150, 900), "triangle": (1300, 2700), "square": (3100, 6900)}


def kind_by_ear(wave: np.ndarray, rate_hz: int) -> str:
    """Which timbre a stretch of sound is, told from its spectrum alone: the band that holds most energy."""
    power = np.abs(np.fft.rfft(wave * np.hanning(wave.size))) ** 2
    frequency_hz = np.fft.rfftfreq(wave.size, 1 / rate_hz)
    share = {
        kind: power[(frequency_hz > low_hz) & (frequency_hz < high_hz)].sum() / power.sum()
        for kind, (low_hz, high_hz) in BANDS_HZ.items()
    }
    return max(share, key=share.__getitem__)


def turns(scene: Scene) -> list[tuple[float, float, str]]:
    """Start, end and kind of every turn, without its ramps."""
    ends_s = [*scene.turn_starts_s[1:], scene.duration_s]
    return [
        (start_s + RAMP_S, end_s - RAMP_S, scene.plan.kinds[index])
        for start_s, end_s, index in zip(scene.turn_starts_s, ends_s, scene.turn_object, strict=True)
    ]


@pytest.mark.parametrize("plan", AUDIBLE, ids=lambda plan: plan.stimulus)
def test_each_turn_sounds_like_its_object(plan: Plan):
    scene = build_scene(plan)
    wave = soundtrack(scene)[:, 0]
    for start_s, end_s, kind in turns(scene):
        if end_s - start_s > 0.3:  # the last turn may be cut short
            part = wave[round(start_s * plan.sound_rate_hz) : round(end_s * plan.sound_rate_hz)]
            assert kind_by_ear(part, plan.sound_rate_hz) == kind


@pytest.mark.parametrize("plan", [plan for plan in AUDIBLE if "disc" in plan.kinds], ids=lambda plan: plan.stimulus)
def test_the_hum_begins_and_ends_within_10_ms_of_its_turns(plan: Plan):
    scene = build_scene(plan)
    wave, rate_hz = soundtrack(scene)[:, 0], plan.sound_rate_hz
    for start_s, before, after in zip(scene.turn_starts_s[1:], scene.turn_object, scene.turn_object[1:], strict=False):
        edge, ramp, width = (round(seconds * rate_hz) for seconds in (start_s, RAMP_S, 0.04))
        if edge + ramp + width < len(wave):  # only the hum has no pauses of its own
            assert (kind_by_ear(wave[edge + ramp :][:width], rate_hz) == "disc") == (plan.kinds[after] == "disc")
            assert (kind_by_ear(wave[: edge - ramp][-width:], rate_hz) == "disc") == (plan.kinds[before] == "disc")


@pytest.mark.parametrize("kind", ["disc", "square", "triangle"])
def test_all_timbres_are_equally_loud(kind: str):
    wave = timbre(kind, np.arange(48000) / 48000, np.random.default_rng(0))
    assert np.sqrt(np.mean(wave**2)) == pytest.approx(0.1)
    assert np.abs(wave).max() < 1, "no clipping"


@pytest.mark.parametrize("plan", AUDIBLE, ids=lambda plan: plan.stimulus)
def test_sound_is_as_long_as_the_picture(plan: Plan):
    scene = build_scene(plan, scale=0.3)
    wave = soundtrack(scene)
    longer_s = 0.2 if plan.has("sound-longer") else 0.0
    assert wave.dtype == np.float32
    assert len(wave) / plan.sound_rate_hz == pytest.approx(scene.duration_s + longer_s, abs=1e-4)
    assert np.abs(wave).max() < 1


def test_a_silent_stimulus_is_digital_silence():
    (plan,) = (plan for plan in STIMULI if plan.has("silent"))
    assert not soundtrack(build_scene(plan)).any()


def test_stereo_channels_differ_in_level_only():
    (plan,) = (plan for plan in STIMULI if plan.has("stereo"))
    wave = soundtrack(build_scene(plan, scale=0.2))
    assert wave.shape[1] == 2
    np.testing.assert_allclose(wave[:, 1], 0.6 * wave[:, 0], atol=1e-6)
