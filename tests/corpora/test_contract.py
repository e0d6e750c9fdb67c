"""One contract, every corpus: a new file in pipeline/corpora/ is tested the moment it is there."""

from __future__ import annotations

import pkgutil
import re

import pytest

from pipeline import corpora
from pipeline.errors import GazeError, UsageError
from pipeline.ingest.manifest import Manifest

from . import steps

AVE = {"diem", "coutrot1", "coutrot2"}
HELPERS = {"base", "coutrot", "tables", "tracks"}  # modules beside the corpora that define none

every_corpus = pytest.mark.parametrize("name", corpora.names())


@pytest.fixture(scope="module")
def manifest(manifests) -> Manifest:
    return steps.loaded(manifests)


def stimuli_of(manifest: Manifest, name: str) -> list[str]:
    stimuli = [entry.name for entry in manifest.entries([name])]
    assert stimuli, f"no row of stimuli.csv is of {name}"
    return stimuli


def unpacked(release: corpora.Release, stimuli: list[str]) -> dict[str, list[str]]:
    """What unpacking everything would give, in the release's own layout."""
    paths: dict[str, list[str]] = {}
    for stimulus in stimuli:
        for artifact, examples in release.example_paths(stimulus).items():
            paths.setdefault(artifact, []).extend(path for path in examples if path not in paths.get(artifact, ()))
    return paths


def test_the_three_corpora_of_ave_are_there():
    assert set(corpora.names()) >= AVE


def test_every_module_beside_them_is_a_corpus_or_a_known_helper():
    modules = {found.name for found in pkgutil.iter_modules(corpora.__path__)}
    assert modules - HELPERS == set(corpora.names())


def test_an_unknown_corpus_is_answered_with_the_nearest_one():
    with pytest.raises(UsageError, match=r"Unknown corpus 'coutrot3'. Did you mean 'coutrot"):
        corpora.get("coutrot3")


@every_corpus
def test_it_is_called_as_its_module(name):
    assert corpora.get(name).name == name


@every_corpus
def test_its_module_says_what_it_is_and_how_it_was_shown(name):
    steps.require_docstring(name)


@every_corpus
def test_its_rows_are_in_every_table(name, manifests):
    for table in ("licences.csv", "geometry.csv", "sources.csv", "stimuli.csv"):
        steps.require_rows(manifests, table, name)


@every_corpus
def test_it_has_terms_and_a_citation(name, manifest):
    licence = manifest.licences[name]
    assert licence.terms and licence.title and licence.homepage
    assert re.search(r"\b(19|20)\d\d\b", licence.citation), "a citation has a year"


@every_corpus
def test_it_says_how_it_was_shown_and_where_that_is_written(name, manifest):
    geometry = manifest.geometry[name]
    low, high = geometry.px_per_dva_low or geometry.px_per_dva, geometry.px_per_dva_high or geometry.px_per_dva
    assert low <= geometry.px_per_dva <= high
    assert len(geometry.source) > 20 and geometry.confidence


@every_corpus
def test_every_file_it_needs_has_a_source(name, manifest):
    for artifact in corpora.get(name).artifacts(stimuli_of(manifest, name)):
        for packed in artifact.packed:
            sources = manifest.sources_of(name, packed)
            assert sources, f"sources.csv has no row for {packed}"
            assert all(source.urls or source.how_to for source in sources)


@every_corpus
def test_artifacts_of_each_stimulus_are_among_the_artifacts_of_all(name, manifest):
    release, stimuli = corpora.get(name), stimuli_of(manifest, name)
    all_names = [artifact.name for artifact in release.artifacts(stimuli)]
    assert len(set(all_names)) == len(all_names)
    assert {needed for stimulus in stimuli for needed in release.artifacts_of(stimulus)} == set(all_names)
    assert all(set(release.example_paths(one)) == set(release.artifacts_of(one)) for one in stimuli)
    assert release.artifacts([]) == ()


@every_corpus
def test_each_stimulus_is_located_among_the_files_of_all(name, manifest):
    release, stimuli = corpora.get(name), stimuli_of(manifest, name)
    paths, videos = unpacked(release, stimuli), set()
    for stimulus in stimuli:
        located = release.locate({artifact: paths[artifact] for artifact in release.artifacts_of(stimulus)}, stimulus)
        own = release.example_paths(stimulus)
        found = [located.video, *located.gaze, *([located.sound] if located.sound else [])]
        assert all(path in own[artifact] for artifact, path in found)
        assert located.gaze
        videos.add(located.video)
    assert len(videos) == len(stimuli)


@every_corpus
def test_nothing_unpacked_is_a_clear_error(name, manifest):
    release, (stimulus, *_) = corpora.get(name), stimuli_of(manifest, name)
    with pytest.raises(GazeError, match="looked for") as raised:
        release.locate({}, stimulus)
    assert raised.value.code == "gaze-missing"
    assert f"{name}/{stimulus}" in raised.value.message and f"RAW/{name}/" in raised.value.remedy


@every_corpus
def test_gaze_without_media_is_a_clear_error(name, manifest):
    release, (stimulus, *_) = corpora.get(name), stimuli_of(manifest, name)
    paths = release.example_paths(stimulus)
    located = release.locate(paths, stimulus)
    for artifact, path in (located.video, *([located.sound] if located.sound else [])):
        paths[artifact] = [other for other in paths[artifact] if other != path]
    with pytest.raises(GazeError, match=f"{name}/{stimulus}.*no video.*looked for") as raised:
        release.locate(paths, stimulus)
    assert raised.value.code == "media-missing" and f"RAW/{name}/" in raised.value.remedy
