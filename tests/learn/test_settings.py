"""Settings of training and prediction: the paper's defaults, and mistakes named before anything runs."""

from __future__ import annotations

import pytest

from pipeline.errors import ModelError
from pipeline.learn.settings import PredictSettings, TrainSettings, from_params


def test_defaults_are_the_papers():
    settings = TrainSettings()
    assert (settings.batch, settings.epochs, settings.learning_rate, settings.width) == (10, 10, 1e-3, 64)
    assert (settings.modality, settings.fusion, settings.scale) == ("av", "concat", 1)


@pytest.mark.parametrize("kind", [TrainSettings, PredictSettings])
def test_a_misspelt_setting_names_the_nearest(kind):
    with pytest.raises(ModelError, match="Did you mean 'batch'"):
        from_params(kind, {"bathc": 4})


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"steps": 0}, "steps is 0; expected at least 1"),
        ({"scale": -1}, "scale is -1"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"schedule": "cosinus"}, "Did you mean 'cosine'"),
    ],
)
def test_an_impossible_value_is_refused(params, words):
    with pytest.raises(ModelError, match=words):
        from_params(TrainSettings, params)
