"""What a model costs, and the command that says so."""

from __future__ import annotations

import json

import pytest

from pipeline import cli
from pipeline.models import REGISTRY
from pipeline.models.cost import cost


def test_the_multiply_accumulates_of_a_network_that_can_be_counted_by_hand():
    found = cost("soundnet", width=1, samples=4574)
    macs, length, channels = 0, 4574, 1
    for out, kernel, pooled in ((1, 64, 8), (2, 32, 8), (4, 16, 1), (8, 8, 1), (16, 4, 4), (32, 4, 1), (64, 4, 1)):
        length = length // 2 + 1
        macs += length * out * channels * kernel
        length, channels = length // pooled, out
    assert found.macs == macs


def test_a_bilinear_layer_and_attention_are_counted():
    bilinear = cost("avinet", width=8, size=(64, 64)).macs
    concat = cost("avinet", width=8, size=(64, 64), fusion="concat", transformer=False).macs
    channels, n_cells, steps = 128, 4 * 2 * 2, 3
    in_bilinear = channels * n_cells * (2 * 1) * steps
    in_concat = channels * (channels // 2) * (n_cells + steps)
    assert concat - bilinear == in_concat - in_bilinear

    tokens, features = n_cells + steps, channels // 2
    layer = tokens * features * features * 6 + 2 * tokens * tokens * features
    with_transformer = cost("avinet", width=8, size=(64, 64), fusion="concat").macs
    assert with_transformer - concat == 3 * layer


@pytest.mark.parametrize(
    ("name", "parameters", "gmacs"),
    [("dave", 69_747_485, 57.8), ("vinet", 31_099_585, 114.7), ("avinet", 45_494_970, 114.8)],
)
def test_the_published_models_cost_what_is_known_of_them(name, parameters, gmacs):
    found = cost(name)
    assert found.parameters == parameters
    assert found.macs / 1e9 == pytest.approx(gmacs, abs=0.05)


def test_weights_that_never_learn_are_not_counted_as_trainable():
    unused = 2 * (512 + 128) + 512 * (12 + 400) + 12 + 400
    assert cost("dave").parameters - cost("dave").trainable == unused


def test_the_command_lists_every_model_with_its_source_and_terms(capsys):
    assert cli.main(["models"]) == 0
    shown = capsys.readouterr().out
    for name, listed in REGISTRY.items():
        assert f"{name}: {listed.source}\n  terms: {listed.licence}" in shown
    assert "69,747,485" in shown
    assert "s3d-kinetics400" in shown


def test_the_command_gives_json_that_says_what_each_model_wants(capsys):
    assert cli.main(["models", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["model"] for row in rows} == set(REGISTRY)
    vinet = next(row for row in rows if row["model"] == "vinet" and row["options"] == {"frames": 8})
    assert (vinet["frames"], vinet["size"], vinet["audio"], vinet["map_size"]) == (8, [224, 384], "none", [224, 384])
    avinet = next(row for row in rows if row["model"] == "avinet")
    assert avinet["waveform"] == {"rate_hz": 22050, "samples": 70560, "peak": 256.0}
    assert all(row["source"] and row["licence"] and row["macs"] > 0 for row in rows)
