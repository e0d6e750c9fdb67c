"""Making the corpus as a whole: same bytes, no work twice, manifests that the project's own loader takes."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
import zipfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import py7zr
import pytest

from pipeline import corpora, mini
from pipeline.ingest import manifest
from pipeline.mini import Mini, releases
from pipeline.mini import manifests as mini_manifests
from pipeline.records import CATEGORIES, SPLITS

MINI_CORPORA = ("coutrot1", "coutrot2", "diem")


def digests(folder: Path) -> dict[str, str]:
    """sha256 of every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Mini:
    """Another world, every stimulus at its shortest."""
    return mini.make(tmp_path_factory.mktemp("tiny") / "two words", seed=2, scale=0.01)


@pytest.fixture(scope="module")
def tables(small: Mini) -> manifest.Manifest:
    """The miniature manifests as the project reads them."""
    return manifest.load(small.manifests)


def test_two_runs_write_the_same_bytes(small: Mini, tmp_path: Path):
    again = mini.make(tmp_path, scale=1 / 3)
    assert digests(again.releases) == digests(small.releases)
    assert again.truth() == small.truth()
    for table in ("stimuli", "geometry", "licences", "diem_videos", "published"):
        assert (again.manifests / f"{table}.csv").read_bytes() == (small.manifests / f"{table}.csv").read_bytes()


def test_another_seed_is_another_world_of_the_same_plan(small: Mini, tiny: Mini):
    assert tiny.admitted == small.admitted
    mine, theirs = small.truth()["diem/frog_pond_480x360"], tiny.truth()["diem/frog_pond_480x360"]
    assert mine["objects_px"][0] != theirs["objects_px"][0]


def test_making_it_again_in_the_same_folder_changes_nothing(small: Mini):
    before = {path: path.stat().st_mtime_ns for path in small.releases.rglob("*")}
    mini.make(small.folder, scale=1 / 3)
    assert {path: path.stat().st_mtime_ns for path in small.releases.rglob("*")} == before


@pytest.mark.parametrize("harm", ["none", "no truth", "half a truth", "a file cut short", "a file gone"])
def test_a_half_made_folder_is_made_anew(tiny: Mini, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str):
    folder = tmp_path / "copy"
    shutil.copytree(tiny.folder, folder)
    truth, archive = folder / "truth.json", folder / "releases" / "coutrot2" / "ERB4_Stimuli.zip"
    if harm == "no truth":
        truth.unlink()
    elif harm == "half a truth":
        truth.write_bytes(truth.read_bytes()[:1000])
    elif harm == "a file cut short":
        archive.write_bytes(archive.read_bytes()[:1000])
    elif harm == "a file gone":
        archive.unlink()
    asked = []
    monkeypatch.setattr(releases, "write", lambda into, scenes, *, seed: asked.append(into))
    monkeypatch.setattr(mini_manifests, "write", lambda *_: None)  # it needs the files that are not written here
    mini.make(folder, seed=2, scale=0.01)
    assert asked == ([] if harm == "none" else [folder / "releases"])


def test_what_a_killed_run_left_is_swept_and_strangers_are_let_be(tiny: Mini, tmp_path: Path):
    folder = tmp_path / "copy"
    (folder / "releases" / ".tmp-killed" / "diem").mkdir(parents=True)
    stranger = folder / "releases" / "diem" / "notes.txt"
    stranger.parent.mkdir()
    stranger.write_text("mine")
    made = mini.make(folder, seed=2, scale=0.01)
    assert not list(made.releases.glob(".tmp-*"))
    assert stranger.read_text() == "mine"
    assert len(manifest.load(made.manifests).sources) == len(manifest.load(tiny.manifests).sources)


def test_no_temporary_file_is_left(small: Mini):
    assert not [path for path in small.folder.rglob("*") if path.name.startswith(".")]


def test_the_loader_takes_the_manifests(small: Mini, tables: manifest.Manifest):
    assert set(tables.licences) == set(tables.geometry) == set(MINI_CORPORA)
    assert {entry.stimulus for entry in tables.entries()} == {scene.plan.stimulus for scene in small.scenes}
    assert len(tables.entries(official_150=True)) == len(small.scenes) - 1
    assert {entry.audio_presented for entry in tables.entries()} == {"yes", "no"}
    cells = {(tables.entry(stimulus).split, tables.entry(stimulus).category) for stimulus in small.admitted}
    assert cells == set(itertools.product(SPLITS, CATEGORIES))


def test_its_corpora_are_those_of_its_tables_whatever_else_the_program_knows(small: Mini, tables: manifest.Manifest):
    assert small.corpora == tuple(sorted(tables.licences)) == MINI_CORPORA


def test_every_artifact_has_a_file_url_with_its_true_size_and_checksum(small: Mini, tables: manifest.Manifest):
    for corpus in MINI_CORPORA:
        release = corpora.get(corpus)
        for artifact in release.artifacts([entry.name for entry in tables.entries([corpus])]):
            (source,) = tables.sources_of(corpus, artifact.packed[0])
            assert source.kind == "direct" and source.urls[0].startswith("file:///")
            content = Path(unquote(urlsplit(source.urls[0]).path)).read_bytes()
            assert source.size_bytes == len(content)
            assert source.checksum == f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_file_urls_survive_blanks_in_the_path(tiny: Mini):
    source = manifest.load(tiny.manifests).sources[0]
    assert "two words" in str(tiny.folder)
    assert len(source.urls) == 1 and Path(unquote(urlsplit(source.urls[0]).path)).is_file()


def test_geometry_is_that_of_the_real_experiments(tables: manifest.Manifest, manifests: Path):
    real = manifest.load(manifests).geometry
    for corpus in MINI_CORPORA:
        for quantity in ("placement", "px_per_dva", "screen_width_px", "screen_height_px", "screen_width_cm",
                         "screen_height_cm", "distance_cm"):  # fmt: skip
            assert getattr(tables.geometry[corpus], quantity) == getattr(real[corpus], quantity)


def test_published_figures_are_true_but_for_the_one_that_says_so(small: Mini, tables: manifest.Manifest):
    figures = {(figure.quantity, figure.scope): figure for figure in tables.published}
    assert figures["stimuli", "all"].value == len(tables.stimuli) - 1
    assert "deliberately disagrees" in figures["stimuli", "all"].note
    assert [figure.scope for figure in tables.published if "deliberately" in figure.note] == ["all"]
    for split, category in itertools.product(SPLITS, CATEGORIES):
        ours = sum((entry.split, entry.category) == (split, category) for entry in tables.stimuli)
        assert figures["stimuli", f"{split}/{category}"].value == ours
    truth = small.truth()
    data_shorter = [stimulus for stimulus in small.admitted if "data-shorter" in truth[stimulus]["features"]]
    n_frames = sum(truth[stimulus]["n_frames"] for stimulus in small.admitted) - 2 * len(data_shorter)
    assert figures["frames", "all"].value == n_frames


def test_two_stimuli_are_to_be_refused_for_their_sound(small: Mini):
    assert small.refused == {
        "diem/silent_film_320x240": "silent",
        "diem/muted_news_384x288": "shown-without-sound",
    }
    assert len(small.admitted) == 14


def test_truth_is_complete_for_every_frame(small: Mini):
    truth = small.truth()
    assert set(truth) == {scene.plan.stimulus for scene in small.scenes}
    for stimulus, one in truth.items():
        assert len(one["sounding"]) == len(one["sounding_px"]) == len(one["objects_px"]) == one["n_frames"]
        if one["refused"] == "silent":
            assert set(one["sounding"]) == {-1} and not any(one["sounding_px"])
            continue
        objects_px = np.array(one["objects_px"])
        np.testing.assert_array_equal(objects_px[np.arange(len(objects_px)), one["sounding"]], one["sounding_px"])
        assert stimulus in (*small.admitted, *small.refused)


def test_truth_names_how_it_was_made(small: Mini):
    head = json.loads((small.folder / "truth.json").read_text("utf-8"))["made"]
    assert head == {"version": mini.VERSION, "seed": 1, "scale": 1 / 3}


def test_the_projects_own_readers_find_gaze_on_the_sounding_object(small: Mini, tmp_path: Path):
    """The adaptors written for the real releases, on ours: median distance to the truth in degrees."""
    truth = small.truth()
    for stimulus in small.admitted:
        corpus, name = stimulus.split("/")
        release = corpora.get(corpus)
        if corpus == "diem":
            with py7zr.SevenZipFile(small.releases / corpus / f"{name}.7z") as packed:
                packed.extractall(tmp_path / name)
            paths = {name: [path.relative_to(tmp_path / name).as_posix() for path in (tmp_path / name).rglob("*.*")]}
            gaze_files = [tmp_path / name / path for _, path in release.locate(paths, name).gaze]
        else:
            mat, title = release.artifacts_of(name)
            with zipfile.ZipFile(small.releases / corpus / f"{title}.zip") as packed:
                located = release.locate({mat: [mat], title: packed.namelist()}, name)
            assert located.sound is None
            gaze_files = [small.releases / corpus / mat]
        raw = release.read_gaze(gaze_files, name)
        one = truth[stimulus]
        assert (raw.width_px, raw.height_px) == (one["width_px"], one["height_px"])
        offset_px = ((1280 - raw.width_px) / 2, (960 - raw.height_px) / 2) if corpus == "diem" else (0, 0)
        distances_px = []
        for recording in raw.recordings:
            used = (recording.reason == "") & (recording.frame < one["n_frames"]) & (recording.frame > 18)
            gaze_px = np.column_stack([recording.x_px, recording.y_px])[used] - offset_px
            sounding_px = np.array(one["sounding_px"])[recording.frame[used]]
            distances_px.append(np.linalg.norm(gaze_px - sounding_px, axis=1))
        assert np.median(np.concatenate(distances_px)) < 0.7 * {"diem": 49.5}.get(corpus, 25.1)
