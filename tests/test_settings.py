"""Settings: remembered, typed, and unknown keys are named."""

from __future__ import annotations

import pytest

from pipeline import settings as settings_file
from pipeline.errors import UsageError
from pipeline.options import OPTIONS, given_settings
from pipeline.settings import Settings


def test_what_is_saved_is_what_is_loaded(tmp_path):
    settings = Settings(corpora=("diem",), sigma_dva=1.5, partial=True, raw='/a path/with "quotes"', formats=("wds",))
    settings_file.save(settings, tmp_path)
    assert settings_file.load(tmp_path) == settings


def test_a_store_nothing_was_asked_of_remembers_nothing(tmp_path):
    assert settings_file.load(tmp_path) is None


def test_an_unknown_key_is_an_error_that_names_the_nearest(tmp_path):
    (tmp_path / "settings.toml").write_text("sigma_dav = 1.0\n")
    with pytest.raises(UsageError, match=r"'sigma_dav'\. Did you mean 'sigma_dva'\?"):
        settings_file.load(tmp_path)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("sigma_dva = 'one'", "a number"),
        ("partial = 1", "true or false"),
        ("corpora = 'diem'", "a list of words"),
        ("batch = 2.5", "a whole number"),
        ("formats = ['tfrecord']", "wds, parquet, tensors"),
        ("sigma_dva = -1.0", "above 0"),
        ("tolerance = 1.0", "below 1"),
        ("sigma_dva = ", "not TOML"),
    ],
)
def test_a_wrong_value_is_an_error_that_says_what_was_expected(tmp_path, line, expected):
    (tmp_path / "settings.toml").write_text(line + "\n")
    with pytest.raises(UsageError, match=expected):
        settings_file.load(tmp_path)


def test_all_problems_of_a_file_are_said_at_once(tmp_path):
    (tmp_path / "settings.toml").write_text("sgima_dva = 1.0\npartial = 'yes'\n")
    with pytest.raises(UsageError, match=r"sgima_dva.*\n.*partial"):
        settings_file.load(tmp_path)


def test_options_replace_only_what_was_given():
    base = Settings(corpora=("diem",), sigma_dva=2.0, only=("diem/a",))
    given = given_settings({"sigma_dva": 1.5, "corpus": None, "only": ["all"]})
    assert base.with_given(given) == Settings(corpora=("diem",), sigma_dva=1.5, only=())


def test_accepting_the_terms_of_one_corpus_takes_no_other_one_back():
    assert Settings(accept=("diem",)).with_given({"accept": ("coutrot1", "diem")}).accept == ("diem", "coutrot1")


def test_every_option_replaces_a_settings_field_of_its_kind():
    for option in OPTIONS:
        assert type(getattr(Settings(), option.field)) is option.kind, option.name


def test_a_folder_given_as_an_option_is_absolute_and_a_remembered_one_stays_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = Settings(manifests="mini/manifests").with_given(given_settings({"raw": "releases"}))
    assert (settings.raw, settings.manifests) == (str(tmp_path / "releases"), "mini/manifests")
