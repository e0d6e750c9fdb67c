"""The manifests agree with copies of the published lists, where these lie beside the checkout."""

from __future__ import annotations

import csv
import zipfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pipeline.ingest.manifest import Manifest, load

LISTS = {"train": "train_ave.csv", "val": "validation_ave.csv", "test": "test_ave.csv"}
CATEGORY = {"Nature": "nature", "Social": "social", "Other": "misc"}
RATE = {"diem": 30, "coutrot1": 25, "coutrot2": 25}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return load(Path(__file__).resolve().parent.parent / "manifests")


@pytest.fixture(scope="module")
def lists(shared_data) -> dict[str, tuple[str, str]]:
    """Split and category of each `corpus/name` in the lists of GASP."""
    return {
        f"{row['dataset'].lower()}/{row['video_id']}": (split, CATEGORY[row["scene_type"]])
        for split, name in LISTS.items()
        for row in rows_of(shared_data / "splits" / name)
    }


@pytest.fixture(scope="module")
def facts(shared_data) -> Path:
    folder = shared_data.parent / "facts"
    if not folder.is_dir():
        pytest.skip("the collected facts are not beside the checkout")
    return folder


@pytest.fixture(scope="module")
def workbook(shared_data) -> list[tuple[str, str, str]]:
    """(sheet, AVE name, category) of each row of the published workbook, in GASP's copy: name, rate, category."""
    ns = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    with zipfile.ZipFile(shared_data / "splits" / "VideosPerCategory.xlsx") as book:
        parts = {name: ElementTree.fromstring(book.read(name)) for name in book.namelist() if name.startswith("xl/")}
    words = ["".join(item.itertext()) for item in parts["xl/sharedStrings.xml"].iter(f"{ns}si")]
    rows = []
    for number, sheet in enumerate(parts["xl/workbook.xml"].iter(f"{ns}sheet"), start=1):
        for row in parts[f"xl/worksheets/sheet{number}.xml"].iter(f"{ns}row"):
            cells = {cell.attrib["r"][0]: cell.findtext(f"{ns}v") for cell in row}
            if cells.get("A") is not None:
                rows.append((sheet.attrib["name"], words[int(cells["A"])], words[int(cells["C"])]))
    return rows


def test_split_and_category_of_all_151_are_those_of_the_lists(manifest, lists):
    ours = {entry.stimulus: (entry.split, entry.category) for entry in manifest.entries()}
    assert ours == lists


def test_the_workbook_has_the_same_150_by_ave_name(manifest, workbook):
    split_of = {"Train": "train", "Validation": "val", "Test": "test"}
    printed = {name.lower(): (split_of[sheet], category) for sheet, name, category in workbook}
    ours = {
        entry.ave_name.lower(): (entry.split_sheet, entry.category_sheet)
        for entry in manifest.entries(official_150=True)
    }
    assert len(workbook) == 150
    assert ours == printed


def test_the_workbook_s_counts_are_in_published(manifest, workbook):
    counted = Counter((sheet, CATEGORY[category]) for sheet, _, category in workbook)
    rows = {row.scope: row.value for row in manifest.published if row.source.startswith("AVE workbook")}
    for sheet, split in (("Train", "train"), ("Validation", "val"), ("Test", "test")):
        for category in CATEGORY.values():
            assert rows[f"{split}/{category}"] == counted[sheet, category]


def test_all_81_stavis_names_are_diem_names(manifest, shared_data):
    for path in sorted((shared_data / "splits").glob("*_stavis_*.csv")):
        names = {row["video_id"] for row in rows_of(path) if row["dataset"].lower() == "diem"}
        cut_short = names - set(manifest.diem_videos)
        assert cut_short <= {"planet_earth_jungles_monkeys_1280x70"}, path.name  # a known slip of one list


def test_diem_sizes_and_frame_counts_are_those_collected(manifest, facts):
    collected = {
        row["name"]: (int(row["width"]), int(row["height"]), int(row["nframes"]) if row["nframes"] else None)
        for row in rows_of(facts / "diem_videos.csv")
    }
    ours = {video.name: (video.width_px, video.height_px, video.n_frames) for video in manifest.diem_videos.values()}
    assert ours == collected
    in_ave = {row["name"] for row in rows_of(facts / "diem_videos.csv") if row["in_ave"] == "1"}
    assert {video.name for video in manifest.diem_videos.values() if video.in_ave} == in_ave


def test_frames_and_minutes_of_the_stavis_lists_agree_with_the_papers_within_one_percent(manifest, facts):
    n_frames = {
        f"{row['dataset']}/{row['video_id']}": int(row["nframes"]) for row in rows_of(facts / "stavis_folds.csv")
    }
    total, minutes = 0, 0.0
    for entry in manifest.entries():
        total += n_frames[entry.stimulus]
        minutes += n_frames[entry.stimulus] / RATE[entry.corpus] / 60
    printed = {row.quantity: row for row in manifest.published if row.source.startswith("AVE papers")}
    for quantity, ours in (("frames", total), ("minutes", minutes)):
        row = printed[quantity]
        assert abs(ours - row.value) <= row.tolerance * row.value
    assert total in {row.value for row in manifest.published if row.quantity == "frames"}


def test_direct_addresses_and_checksums_are_those_collected(manifest, facts):
    rows = rows_of(facts / "sources.csv")
    addresses = {row["url"] for row in rows}
    sums = {row["md5_or_sha"] for row in rows}
    for source in manifest.sources:
        assert set(source.urls) <= addresses
        assert source.checksum == "unknown" or source.checksum.replace(":", " ") in sums
