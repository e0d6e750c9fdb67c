"""The table of stages: variants, order, and what a parameter touches."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.errors import UsageError
from pipeline.recipe.stages import STAGES, downstream, get, upstream, wanted_for
from pipeline.settings import GOALS, Settings
from pipeline.store.items import resolve

BASE = Settings()


def names(stages):
    return [stage.name for stage in stages]


@pytest.mark.parametrize("stage", STAGES.values(), ids=lambda stage: stage.name)
def test_every_stage_function_can_be_found(stage):
    assert callable(resolve(stage.function))


@pytest.mark.parametrize("stage", STAGES.values(), ids=lambda stage: stage.name)
def test_every_parameter_is_a_settings_field(stage):
    assert set(stage.params.values()) <= set(BASE.to_json())


def test_the_table_is_in_an_order_in_which_it_can_run():
    seen: set[str] = set()
    for stage in STAGES.values():
        assert set(stage.after) <= seen
        seen.add(stage.name)


@pytest.mark.parametrize(
    ("field", "value", "touched"),
    [
        ("sigma_dva", 1.5, {"density", "publish", "card", "shards", "train", "predict", "score", "audit", "report"}),
        ("mel_bands", 40, {"logmel", "publish", "card", "shards", "train", "predict", "score", "audit", "report"}),
        ("jpeg_quality", 80, {"frames", "publish", "card", "shards", "train", "predict", "score", "audit", "report"}),
        (
            "silence_dbfs",
            -50.0,
            {"curate", "publish", "card", "shards", "train", "predict", "score", "audit", "report"},
        ),
        ("segment_frames", 32, {"shards", "train", "predict", "score", "audit"}),
        ("executor_has_no_field", None, set()),
    ],
)
def test_a_parameter_moves_the_variants_it_bears_on_and_no_others(field, value, touched):
    changed = replace(BASE, **{field: value}) if value is not None else BASE
    moved = {name for name, stage in STAGES.items() if stage.variant(changed) != stage.variant(BASE)}
    assert moved == touched


def test_a_variant_reads_as_its_parameters():
    assert get("density").variant(BASE).startswith("sigma=1.0dva-32x40-")


def test_frames_and_log_mel_do_not_depend_on_density():
    assert not {"frames", "logmel", "recordings"} & set(names(downstream("density")))


def test_upstream_of_shards_is_the_whole_corpus_side():
    assert names(upstream("shards")) == [
        *("fetch", "unpack", "recordings", "frames", "curate", "logmel", "waveform", "density", "shards"),
    ]


def test_all_goals_together_need_every_stage():
    everything = replace(BASE, goals=GOALS, formats=("wds",))
    assert set(names(wanted_for(replace(everything, waveform_rate_hz=22050)))) == set(STAGES)
    assert set(STAGES) - set(names(wanted_for(everything))) == {"waveform"}  # asked for by its rate


def test_an_unknown_stage_is_an_error_that_names_the_nearest():
    with pytest.raises(UsageError, match=r"'densty'\. Did you mean 'density'\?"):
        get("densty")
