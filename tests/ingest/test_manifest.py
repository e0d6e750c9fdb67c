"""The reviewed tables load, mean what they should, and every kind of mistake is named once with its line."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from pipeline.errors import ManifestError, UsageError
from pipeline.ingest.audit import AVE_CORPORA
from pipeline.ingest.manifest import load


@pytest.fixture
def folder(manifests, tmp_path) -> Path:
    """A copy of the manifests that a test may spoil."""
    return Path(shutil.copytree(manifests, tmp_path / "manifests"))


def edit(folder: Path, table: str, row: int, **cells: str) -> int:
    """Change cells of the row with this index (from 0, negative from the end); returns its line in the file."""
    with (folder / table).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    rows[row].update(cells)
    write(folder / table, rows)
    return row % len(rows) + 2


def append(folder: Path, table: str, row: dict[str, str]) -> int:
    with (folder / table).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    write(folder / table, [*rows, row])
    return len(rows) + 2


def first_row(folder: Path, table: str, **wanted: str) -> dict[str, str]:
    with (folder / table).open(encoding="utf-8", newline="") as file:
        return next(row for row in csv.DictReader(file) if wanted.items() <= row.items())


def write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def problems_of(folder: Path) -> list[str]:
    with pytest.raises(ManifestError) as raised:
        load(folder)
    return raised.value.problems


# -- the real tables --------------------------------------------------------------------------------------------


def test_151_entries_in_three_splits_and_three_categories(manifests):
    entries = load(manifests).entries(AVE_CORPORA)
    assert Counter(entry.split for entry in entries) == {"train": 93, "val": 29, "test": 29}
    assert Counter(entry.category for entry in entries) == {"nature": 35, "social": 64, "misc": 52}
    assert Counter(entry.corpus for entry in entries) == {"diem": 76, "coutrot1": 60, "coutrot2": 15}
    assert len({entry.stimulus for entry in entries}) == len({entry.ave_name for entry in entries} - {""}) == 151


def test_official_150_leaves_out_clip_42_alone(manifests):
    manifest = load(manifests)
    left_out = set(manifest.entries()) - set(manifest.entries(official_150=True))
    assert {entry.stimulus for entry in left_out} == {"coutrot1/clip_42"}
    clip = manifest.entry("coutrot1/clip_42")
    assert (clip.category, clip.split, clip.category_sheet, clip.split_sheet) == ("nature", "train", "", "")
    assert "workbook" in clip.note


def test_a_clip_name_exists_in_both_coutrot_databases_and_its_ave_name_tells_them_apart(manifests):
    manifest = load(manifests)
    assert manifest.entry("coutrot1/clip_1").ave_name == "clip_1"
    assert manifest.entry("coutrot2/clip_1").ave_name == "clip_e_1"


def test_every_entry_says_how_we_know_that_the_sound_was_heard(manifests):
    entries = load(manifests).entries()
    assert {entry.audio_presented for entry in entries} == {"yes"}
    assert all("OriginalSounds" in entry.audio_evidence for entry in entries if entry.corpus == "coutrot1")
    assert all("AudioVisual" in entry.audio_evidence for entry in entries if entry.corpus == "coutrot2")


def test_84_diem_names_of_which_8_are_out_with_a_reason(manifests):
    videos = load(manifests).diem_videos
    assert len(videos) == 84
    assert sum(not video.in_ave for video in videos.values()) == 8
    assert all(bool(video.why_out) != video.in_ave for video in videos.values())
    assert sum(video.n_frames is None for video in videos.values()) == 3


def test_entries_of_one_corpus_and_of_an_unknown_one(manifests):
    manifest = load(manifests)
    assert {entry.corpus for entry in manifest.entries(["coutrot2"])} == {"coutrot2"}
    with pytest.raises(UsageError, match="Did you mean 'coutrot2'"):
        manifest.entries(["coutrott2"])


def test_an_unknown_stimulus_is_answered_with_the_nearest_one(manifests):
    with pytest.raises(UsageError, match="Did you mean 'diem/arctic_bears_1066x710'"):
        load(manifests).entry("diem/artic_bears_1066x710")


def test_a_stimulus_near_to_nothing_is_not_answered_with_151_names(manifests):
    manifest = load(manifests)
    with pytest.raises(UsageError, match=f"{len(manifest.stimuli)} are known") as raised:
        manifest.entry("zzzz")
    assert len(str(raised.value)) < 200


def test_a_pattern_row_is_written_out_for_the_file_that_is_asked_for(manifests):
    (source,) = load(manifests).sources_of("diem", "arctic_bears_1066x710.7z")
    assert source.artifact == "arctic_bears_1066x710.7z"
    assert source.kind == "manual"
    assert "arctic_bears_1066x710.7z" in source.how_to and "{name}" not in source.how_to


def test_the_mirror_bundle_is_a_source_of_its_own_and_of_no_single_video(manifests):
    (bundle,) = load(manifests).sources_of("diem", "diem.tar.gz")
    assert bundle.kind == "direct"
    assert load(manifests).sources_of("diem", "arctic_bears_1066x710.tar.gz") == ()


def test_a_row_that_names_the_file_wins_over_the_pattern(folder):
    row = first_row(folder, "sources.csv", artifact="{name}.7z")
    urls = "https://example.org/bears.7z https://example.org/mirror/bears.7z"
    concrete = {"artifact": "bears_10x10.7z", "kind": "direct", "urls": urls, "size_bytes": "12"}
    append(folder, "sources.csv", {**row, **concrete})
    (source,) = load(folder).sources_of("diem", "bears_10x10.7z")
    assert (source.kind, source.size_bytes) == ("direct", 12)
    assert source.urls == ("https://example.org/bears.7z", "https://example.org/mirror/bears.7z")
    assert load(folder).sources_of("diem", "wolves_10x10.7z")[0].kind == "manual"


def test_known_checksums_are_the_published_ones(manifests):
    manifest = load(manifests)
    known = {source.artifact: source.checksum for source in manifest.sources if source.checksum != "unknown"}
    assert known == {
        "coutrot_database1.mat": "md5:e32e408d4970e74607234df4133a4ae2",
        "ERB3_Stimuli.zip": "md5:e0007237c8e4cdae81f31e84ad9fb241",
    }


def test_the_papers_table_is_kept_as_printed_and_the_workbook_beside_it(manifests):
    rows = [row for row in load(manifests).published if row.quantity == "stimuli"]
    train = {(row.source.split()[1], row.scope): row.value for row in rows if row.scope.startswith("train/")}
    assert train[("papers", "train/nature")] == 37 and train[("workbook", "train/nature")] == 18
    assert train[("papers", "train/social")] == 18 and train[("workbook", "train/social")] == 37


PRINTED = {
    "frames": 267109,
    "minutes": 153.12,
    "duration_mean_s": 62,
    "duration_median_s": 45,
    "duration_min_s": 8,
    "duration_max_s": 210,
    "observers_mean": 45,
    "observers_min": 18,
    "observers_max": 220,
    "observers_median": 31,
}


@pytest.mark.parametrize(("quantity", "value"), PRINTED.items())
def test_a_figure_of_the_papers_is_there(manifests, quantity, value):
    rows = [row for row in load(manifests).published if row.quantity == quantity and row.scope == "all"]
    assert value in {row.value for row in rows}
    if quantity in ("frames", "minutes"):
        assert {row.tolerance for row in rows} == {0.01}


def test_loading_manifests_imports_no_heavy_library(manifests):
    heavy = ("pandas", "pyarrow", "torch", "librosa", "scipy.io", "matplotlib")
    code = (
        "import sys; from pathlib import Path; from pipeline.ingest.manifest import load; load(Path(sys.argv[1]));"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    run = [sys.executable, "-c", code, str(manifests)]
    assert subprocess.run(run, cwd=manifests.parent, capture_output=True, text=True, check=True).stdout.strip() == "[]"


# -- things that must fail --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "cells", "expected"),
    [
        pytest.param("stimuli.csv", {"split": "trian"}, "split: is 'trian'.*Did you mean 'train'", id="split"),
        pytest.param("stimuli.csv", {"category": "natur"}, "category:.*Did you mean 'nature'", id="category"),
        pytest.param("stimuli.csv", {"category_sheet": "Othr"}, "category_sheet:.*'Other'", id="sheet category"),
        pytest.param("stimuli.csv", {"corpus": "diemm"}, "corpus: is 'diemm'.*Did you mean 'diem'", id="corpus"),
        pytest.param("stimuli.csv", {"name": "a/b_1x1"}, "name: is 'a/b_1x1'; expected a name", id="slash in a name"),
        pytest.param("stimuli.csv", {"name": ".."}, "name: is '..'", id="dots as a name"),
        pytest.param("stimuli.csv", {"audio_presented": "maybe"}, "expected one of yes, no", id="audio presented"),
        pytest.param("stimuli.csv", {"audio_evidence": ""}, "audio_evidence: is empty", id="no evidence"),
        pytest.param("stimuli.csv", {"frame_offset": "1.5"}, "frame_offset: is '1.5'; expected a whole", id="offset"),
        pytest.param("sources.csv", {"kind": "torrent"}, "kind:.*one of direct, manual", id="kind"),
        pytest.param("sources.csv", {"checksum": "sha256:12"}, "checksum: is 'sha256:12'; expected sha256", id="sha"),
        pytest.param("sources.csv", {"checksum": "md5:" + "G" * 32}, "checksum:", id="md5 that is no hex"),
        pytest.param("sources.csv", {"size_bytes": "0"}, "size_bytes: is '0'; expected a whole number > 0", id="size"),
        pytest.param("sources.csv", {"urls": "ftp://x/y"}, "urls: holds 'ftp://x/y'", id="scheme"),
        pytest.param("sources.csv", {"artifact": "../x.7z"}, "artifact: is '../x.7z'", id="artifact outside RAW"),
        pytest.param("sources.csv", {"how_to": ""}, "how_to: is empty", id="manual without how"),
        pytest.param("geometry.csv", {"placement": "center"}, "placement:.*centred", id="placement"),
        pytest.param("geometry.csv", {"distance_cm": "80"}, "px_per_dva:.*give 43.9", id="geometry against itself"),
        pytest.param("geometry.csv", {"px_per_dva_low": "49.6"}, "outside its own range", id="geometry range"),
        pytest.param("geometry.csv", {"px_per_dva": "nan"}, "px_per_dva: is 'nan'", id="nan"),
        pytest.param("diem_videos.csv", {"height_px": "721"}, "1280 x 721.*name says 1280 x 720", id="size in name"),
        pytest.param("diem_videos.csv", {"name": "no_size"}, "does not end in _<width>x<height>", id="no size in name"),
        pytest.param("diem_videos.csv", {"in_ave": "no"}, "why_out: '' with in_ave no", id="out without a reason"),
        pytest.param("published.csv", {"scope": "trian"}, "scope: is 'trian'.*Did you mean 'train'", id="scope"),
        pytest.param("published.csv", {"tolerance": "-1"}, "tolerance: is '-1'", id="tolerance"),
        pytest.param("licences.csv", {"terms": ""}, "terms: is empty", id="no terms"),
    ],
)
def test_a_wrong_cell_is_named_with_line_column_and_expectation(folder, table, cells, expected):
    line = edit(folder, table, 0, **cells)
    problems = problems_of(folder)
    assert len(problems) == 1
    assert problems[0].startswith(f"{table}, line {line}, ")

    assert re.search(expected, problems[0])


def test_all_problems_of_all_tables_are_raised_together(folder):
    edit(folder, "stimuli.csv", 3, split="trian", category="")
    edit(folder, "stimuli.csv", 9, audio_presented="")
    edit(folder, "geometry.csv", 1, distance_cm="far")
    with pytest.raises(ManifestError) as raised:
        load(folder)
    assert raised.value.table == "stimuli.csv, geometry.csv"
    assert len(raised.value.problems) == 4
    assert "4 problems" in str(raised.value) and "line 5" in str(raised.value)


def test_an_unknown_column_names_the_nearest_missing_one(folder):
    path = folder / "stimuli.csv"
    path.write_text(path.read_text("utf-8").replace("audio_evidence", "audio_evidnce", 1), "utf-8")
    assert problems_of(folder) == [
        "stimuli.csv, line 1: unknown column 'audio_evidnce'. Did you mean 'audio_evidence'?",
        "stimuli.csv, line 1: column 'audio_evidence' is missing",
    ]


def test_a_column_that_stands_there_twice_is_an_error(folder):
    path = folder / "geometry.csv"
    path.write_text(path.read_text("utf-8").replace("source,confidence", "source,source", 1), "utf-8")
    assert "geometry.csv, line 1: column 'source' stands there 2 times" in problems_of(folder)


def test_an_unquoted_comma_is_a_row_with_too_many_cells(folder):
    with (folder / "licences.csv").open("a+", encoding="utf-8") as file:
        file.write("diem,a,b,c,d,e,f\n")
        file.seek(0)
        line = len(file.readlines())
    assert problems_of(folder) == [f"licences.csv, line {line}: 7 cells; expected 6 (quote text that holds a comma)"]


@pytest.mark.parametrize("table", ["sources.csv", "published.csv"])
def test_a_missing_table_is_a_problem_not_a_traceback(folder, table):
    (folder / table).unlink()
    assert f"{table} is not there" in problems_of(folder)[0]


def test_a_table_that_is_not_utf8_is_a_problem(folder):
    (folder / "licences.csv").write_bytes(b"corpus,title\ndiem,\xff\xfe\n")
    assert "licences.csv cannot be read" in problems_of(folder)[0]


def test_a_byte_order_mark_and_blank_lines_change_nothing(folder, manifests):
    path = folder / "stimuli.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n")
    assert load(folder) == load(manifests)


def test_the_same_stimulus_twice_is_an_error(folder):
    row = first_row(folder, "stimuli.csv", name="arctic_bears_1066x710")
    line = append(folder, "stimuli.csv", row)
    assert problems_of(folder) == [
        f"stimuli.csv, line {line}, corpus and name: diem arctic_bears_1066x710 is already on line 14"
    ]


def test_one_ave_name_in_two_splits_is_an_error(folder):
    line = edit(folder, "stimuli.csv", -1, ave_name="arctic_bears_1066x710", split="train")
    assert problems_of(folder) == [
        f"stimuli.csv, line {line}, ave_name: arctic_bears_1066x710 is in train here and in test on line 14"
    ]


def test_stimuli_outside_the_ave_lists_may_be_in_any_split_and_stay_in_the_official_150(folder):
    row = {**first_row(folder, "stimuli.csv", corpus="coutrot2"), "ave_name": "", "split_sheet": ""}
    append(folder, "stimuli.csv", {**row, "name": "later_1", "split": "train"})
    append(folder, "stimuli.csv", {**row, "name": "later_2", "split": "test"})
    manifest = load(folder)
    left_out = set(manifest.entries()) - set(manifest.entries(official_150=True))
    assert {entry.stimulus for entry in left_out} == {"coutrot1/clip_42"}


def test_a_diem_entry_that_diem_does_not_have_is_answered_with_the_nearest_name(folder):
    line = edit(folder, "stimuli.csv", 12, name="artic_bears_1066x710")
    (problem,) = problems_of(folder)
    assert problem.startswith(f"stimuli.csv, line {line}, name: artic_bears_1066x710 has no row in diem_videos.csv")
    assert "Did you mean 'arctic_bears_1066x710'" in problem


def test_a_diem_entry_that_is_out_of_ave_is_an_error(folder):
    line = edit(folder, "stimuli.csv", 0, name="50_people_brooklyn_no_voices_1280x720")
    assert problems_of(folder) == [
        f"stimuli.csv, line {line}, name: 50_people_brooklyn_no_voices_1280x720 "
        "is not in AVE according to diem_videos.csv"
    ]


def test_a_corpus_without_geometry_or_licence_is_an_error(folder):
    for table in ("geometry.csv", "licences.csv"):
        lines = (folder / table).read_text("utf-8").splitlines(keepends=True)
        (folder / table).write_text("".join(line for line in lines if not line.startswith("coutrot2")), "utf-8")
    assert problems_of(folder) == [
        "geometry.csv: no row for coutrot2, which stimuli.csv uses",
        "licences.csv: no row for coutrot2, which stimuli.csv uses",
    ]


def test_a_direct_source_needs_an_address(folder):
    edit(folder, "sources.csv", 1, urls="")
    assert "urls: is empty; a direct source needs an address" in problems_of(folder)[0]


def test_a_centred_corpus_needs_its_screen(folder):
    edit(folder, "geometry.csv", 2, placement="centred")
    assert "a centred video needs screen_width_px and screen_height_px" in problems_of(folder)[0]
