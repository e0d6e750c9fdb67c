"""Settings of training and prediction: the paper's defaults, and mistakes named before anything runs."""

from __future__ import annotations

import pytest

from pipeline.errors import ModelError
from pipeline.learn.settings import PredictSettings, TrainSettings, from_params


def test_defaults_are_the_papers():
    dave, vinet = TrainSettings(), TrainSettings(model="vinet")
    assert (dave.batch, dave.epochs, dave.learning_rate, dave.loss, dave.scale) == (10, 10, 1e-3, "kl", 1)
    assert (vinet.batch, vinet.learning_rate) == (8, 1e-4)
    assert dave.model_options == {}  # the model's own defaults are the paper's


def test_further_options_of_a_model_are_words():
    settings = TrainSettings(modality="video", width=8, options=("mep=true", "fusion=sum", "size=[64, 96]"))
    assert settings.model_options == {
        "modality": "video",
        "width": 8,
        "mep": True,
        "fusion": "sum",
        "size": (64, 96),
    }


@pytest.mark.parametrize("kind", [TrainSettings, PredictSettings])
def test_a_misspelt_setting_names_the_nearest(kind):
    with pytest.raises(ModelError, match="Did you mean 'batch'"):
        from_params(kind, {"bathc": 4})


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"steps": -1}, "steps is -1; expected at least 0"),
        ({"epochs": 0}, "epochs is 0; expected at least 1"),
        ({"scale": -1}, "scale is -1"),
        ({"learning_rate": -1e-3}, "learning_rate is -0.001"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"schedule": "cosinus"}, "Did you mean 'cosine'"),
        ({"precision": "fp8"}, "Unknown precision 'fp8'"),
        ({"loss": "kl + 0.1*ccc"}, "Did you mean 'cc'"),
        ({"options": ["mep"]}, "expected name=value"),
        ({"routing": True, "model": "vinet"}, "Routing is DAVE's"),
    ],
)
def test_an_impossible_value_is_refused(params, words):
    with pytest.raises(ModelError, match=words):
        from_params(TrainSettings, params)


def test_a_prediction_has_no_fp16():
    with pytest.raises(ModelError, match="Unknown precision 'fp16'"):
        from_params(PredictSettings, {"precision": "fp16"})
