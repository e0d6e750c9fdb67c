"""Benchmarks' agreements: true results pass it, wrong ones do not."""

from __future__ import annotations

import types
from fractions import Fraction

import numpy as np
import pytest
import torch

from benchmarks import build, clips, density, inputs, metrics, models, sound
from benchmarks.harness import Disagreement
from pipeline.signals import audio


def test_density_refuses_a_map_that_is_mirrored():
    case = density.case((32, 40), n_fixations=20, n_frames=2, target=None)
    made = {"ours": case.ours(), **{name: peer.call() for name, peer in case.peers.items()}}
    assert case.agree(made)
    with pytest.raises(Disagreement, match="ours is"):
        case.agree({**made, "ours": made["ours"][:, :, ::-1]})


def test_density_refuses_an_error_of_a_hundred_thousandth():
    case = density.case((32, 40), n_fixations=20, n_frames=2, target=None)
    maps = case.ours()
    with pytest.raises(Disagreement):
        case.agree({"ours": maps + 1e-5 * maps.max()})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two seconds of film three times over, made and not found, so that the test is the same everywhere."""
    folder = tmp_path_factory.mktemp("made")
    pictures = np.concatenate(list(inputs.drifting(20)))
    inputs.write_video(folder / "made_1280x720.mp4", [pictures], Fraction(25), inputs.VIDEO, codec="h264")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inputs, "video", lambda _folder: (folder / "made_1280x720.mp4", "made"))
        return clips.make(folder, 20)


def test_all_loaders_of_clips_give_the_same_pictures(made):
    case = clips.single_case(made, [3, 18])
    found = {"ours": case.ours(), **{name: peer.call() for name, peer in case.peers.items()}}
    assert [video.shape for video in found["ours"]] == [(3, 16, 256, 320)] * 2
    assert case.agree(found)
    for wrong in ([clip.flip(3) for clip in found["ours"]], [clip[:, :15] for clip in found["ours"]]):
        with pytest.raises(Disagreement, match="ours"):
            case.agree({**found, "ours": wrong})


def test_a_stream_decodes_each_picture_of_a_segment_once(made):
    assert clips.decoded_by_stream(made) == 20


def test_log_mels_of_another_scale_are_refused():
    steps = np.zeros((98, 64), np.float32)
    names = ("ours", "librosa (other features)", "DAVE mel_features")
    assert sound.log_mels_agree(dict(zip(names, (steps, steps[:-1], steps + 5e-5), strict=True)))
    with pytest.raises(Disagreement):
        sound.log_mels_agree(dict(zip(names, (steps, steps[:-1], steps + 2e-4), strict=True)))


def test_resampled_sound_that_is_shifted_is_refused():
    case = sound.resampling_case(2)
    made = {"ours": case.ours(), **{name: peer.call() for name, peer in case.peers.items()}}
    assert case.agree(made)
    with pytest.raises(Disagreement):
        case.agree({**made, "scipy resample_poly": np.roll(made["scipy resample_poly"], 1)})


def test_sound_is_within_half_a_step_of_every_frame():
    rows = list(sound.sync_rows(None))
    assert len(rows) == 10
    assert sum("variable rate" in row.what for row in rows) == 1
    assert all(row.met and row.ratio is None for row in rows)
    assert {row.ours[0] for row in rows if " 25 fps" in row.what} == {0.0}


@pytest.mark.parametrize("made", [{"ours": (6, 5)}, {"ours": (5, 6)}, {"ours": (6, 6), "decoding": 5}], ids=str)
def test_a_build_that_lost_a_frame_is_not_timed(made):
    assert build.same_frames(6, {"ours": (6, 6), "decoding": 6})
    with pytest.raises(Disagreement, match="5 frames, expected 6"):
        build.same_frames(6, made)


def test_a_tone_that_grows_tells_the_step():
    steps = audio.log_mel(sound.louder_and_louder(10), audio.RATE_HZ).sum(axis=1, dtype=np.float64)
    assert (np.diff(steps) > 0).all()


def test_the_error_of_a_rounded_hop_is_found():
    """A peer that starts example k at step 3 k, as 30 fps round to, is late by a tenth: 1 s after 10 s."""
    waveform = sound.louder_and_louder(12)
    steps = audio.log_mel(waveform, audio.RATE_HZ).astype(np.float64)
    peer = types.SimpleNamespace(
        audio_params=types.SimpleNamespace(),
        waveform_to_feature=lambda samples, rate_hz: steps[::3, None, :],
        create_data_packet=lambda examples, frame: (examples[None, frame - 1 : frame], frame),
    )
    times_s = np.arange(300) / 30
    found_s = sound.dave_error_s(peer, waveform, steps.sum(axis=1), times_s, 30)
    assert found_s == pytest.approx(0.9)  # at 9 s, the last whole second
    assert peer.audio_params.EXAMPLE_HOP_SECONDS == 1 / 30


def test_scores_that_differ_in_the_ninth_digit_are_refused():
    frames = [metrics.frame_of((32, 40), 20, np.float32, seed) for seed in range(2)]
    ours = [metrics.score_frame(*frame.pictures) for frame in frames]
    theirs = [metrics.textbook(frame) for frame in frames]
    assert metrics.agree(frames, {"ours": ours, metrics.TEXTBOOK: theirs})
    with pytest.raises(Disagreement, match="textbook and we disagree on cc"):
        metrics.agree(
            frames, {"ours": ours, metrics.TEXTBOOK: [{**scores, "cc": scores["cc"] + 1e-8} for scores in theirs]}
        )


def test_maps_of_a_network_with_other_weights_are_refused():
    torch.manual_seed(0)
    ours, theirs = (np.random.default_rng(seed).random((32, 40)) for seed in (0, 1))
    assert models.agree(1e-5, {"ours": ours, models.FP32: ours * (1 + 1e-6)})
    with pytest.raises(Disagreement, match="of the peak apart"):
        models.agree(1e-5, {"ours": ours, models.FP32: theirs})
    with pytest.raises(Disagreement, match="our map is"):
        models.agree(1e-5, {"ours": ours.T, models.FP32: ours})
