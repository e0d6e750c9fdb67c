"""One contract, every corpus: a new file in pipeline/corpora/ is tested the moment it is there."""

from __future__ import annotations

import importlib
import re

import pytest

from pipeline import corpora
from pipeline.errors import GazeError, UsageError
from pipeline.ingest.manifest import load

SECTIONS = ("Conventions", "What it is", "Licence and citation", "Files", "Raw gaze", "How it was shown")

every_corpus = pytest.mark.parametrize("name", corpora.names())


def unpacked_paths(release: corpora.Release, name: str) -> dict[str, list[str]]:
    """What unpacking the artifacts of one stimulus would give, in the release's own layout."""
    if release.name == "diem":
        return {
            name: [
                f"video/{name}.mp4",
                f"audio/{name}.wav",
                f"event_data/diem1s01.asc_1_{name}.txt",
                f"event_data/diem2s02.asc_2_{name}.txt",
            ]
        }
    gaze, clips = release.artifacts_of(name)
    return {gaze: [gaze], clips: [f"{clips}/{other}.avi" for other in ("clip_100", name, "clip_1000")]}


def test_the_three_corpora_of_ave_are_there():
    assert {"diem", "coutrot1", "coutrot2"} <= set(corpora.names())


def test_an_unknown_corpus_is_answered_with_the_nearest_one():
    with pytest.raises(UsageError, match=r"Unknown corpus 'coutrot3'. Did you mean 'coutrot"):
        corpora.get("coutrot3")


@every_corpus
def test_it_is_called_as_its_module(name):
    assert corpora.get(name).name == name


@every_corpus
def test_its_module_says_what_it_is_and_how_it_was_shown(name):
    text = importlib.import_module(f"pipeline.corpora.{name}").__doc__ or ""
    headings = re.findall(r"^(.+)\n-{3,}$", text, flags=re.MULTILINE)
    assert headings == list(SECTIONS)


@every_corpus
def test_it_has_terms_and_a_citation(name, manifests):
    licence = load(manifests).licences[name]
    assert licence.terms and licence.title and licence.homepage
    assert re.search(r"\b(19|20)\d\d\b", licence.citation), "a citation has a year"


@every_corpus
def test_it_says_how_it_was_shown_and_where_that_is_written(name, manifests):
    geometry = load(manifests).geometry[name]
    assert geometry.px_per_dva_low <= geometry.px_per_dva <= geometry.px_per_dva_high
    assert len(geometry.source) > 20 and geometry.confidence


@every_corpus
def test_every_file_it_needs_has_a_source(name, manifests):
    manifest, release = load(manifests), corpora.get(name)
    stimuli = [entry.name for entry in manifest.entries([name])]
    assert stimuli
    for artifact in release.artifacts(stimuli):
        for packed in artifact.packed:
            sources = manifest.sources_of(name, packed)
            assert sources, packed
            assert all(source.urls for source in sources)


@every_corpus
def test_artifacts_of_each_stimulus_are_among_the_artifacts_of_all(name, manifests):
    release = corpora.get(name)
    stimuli = [entry.name for entry in load(manifests).entries([name])]
    all_names = [artifact.name for artifact in release.artifacts(stimuli)]
    assert len(set(all_names)) == len(all_names)
    assert {needed for stimulus in stimuli for needed in release.artifacts_of(stimulus)} == set(all_names)
    assert release.artifacts([]) == ()


@every_corpus
def test_each_stimulus_is_located_in_the_release_s_own_layout(name, manifests):
    release = corpora.get(name)
    for entry in load(manifests).entries([name]):
        paths = unpacked_paths(release, entry.name)
        located = release.locate(paths, entry.name)
        found = [located.video, *located.gaze, *([located.sound] if located.sound else [])]
        assert all(path in paths[artifact] for artifact, path in found)
        assert entry.name in located.video[1].replace("/", ".").split(".")
        assert located.gaze


@every_corpus
def test_nothing_unpacked_is_a_clear_error(name):
    with pytest.raises(GazeError, match="looked for") as raised:
        corpora.get(name).locate({}, "clip_1")
    assert raised.value.code == "gaze-missing" and "RAW/" in raised.value.remedy


@every_corpus
def test_gaze_without_media_is_a_clear_error(name):
    release = corpora.get(name)
    stimulus = "arctic_bears_1066x710" if name == "diem" else "clip_1"
    media = (".mp4", ".wav", ".avi")
    paths = {
        artifact: [path for path in found if not path.endswith(media)]
        for artifact, found in unpacked_paths(release, stimulus).items()
    }
    with pytest.raises(GazeError, match=f"{name}/{stimulus}.*no video") as raised:
        release.locate(paths, stimulus)
    assert raised.value.code == "media-missing" and stimulus in raised.value.remedy + raised.value.message
