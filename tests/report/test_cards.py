"""Data cards: every number in them is counted from the published tables."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.ingest.audit import audit_row
from pipeline.records import Geometry, Licence, Rejection
from pipeline.report import cards
from pipeline.report.card_check import read_block
from pipeline.schemas import REJECTED, STIMULI
from pipeline.store.job import Job

SETTINGS = {"sigma_dva": 0.5, "jpeg_quality": 92, "anchor": "start", "official_150": False}


def stimulus(corpus: str, name: str, split: str, category: str, *, n_frames: int = 3000, n_observers: int = 20) -> dict:
    row = dict.fromkeys(STIMULI.names, 0) | {"audio_presented": "heard", "licence": "CC BY", "px_per_dva": 25.0}
    row |= {"stimulus": f"{corpus}/{name}", "corpus": corpus, "name": name, "split": split, "category": category}
    row |= {"n_frames": n_frames, "duration_s": n_frames / 25, "n_observers": n_observers}
    return row | {"n_fixations": n_frames * n_observers}


STIMULI_ROWS = [
    stimulus("coutrot1", "clip_1", "train", "nature"),
    stimulus("diem", "a", "train", "nature", n_observers=40),
    stimulus("diem", "b", "test", "social", n_frames=1500, n_observers=60),
]
REJECTIONS = [
    Rejection("sample", "diem/a/ann", "blink", 700, "an eye was closed"),
    Rejection("sample", "diem/b/bob", "blink", 634, "an eye was closed"),
    Rejection("recording", "diem/b/cy", "unreadable", 1, "line 3 has 8 columns"),
    Rejection("recording", "diem/b/di", "unreadable", 1, "line 9 has 8 columns"),
    Rejection("stimulus", "coutrot1/clip_2", "silent", 400, "digital | silence"),
    Rejection("source", "coutrot2/ERB4_Stimuli", "not-in-raw", 1, "RAW/coutrot2/ERB4_Stimuli.zip"),
]
AUDIT = [
    audit_row("frames", "all", 267109, 7500, "not-comparable", note="3 of 151 built", source="papers"),
    audit_row("frames", "diem", 224157, 4500, "not-comparable", source="frame lists"),
    audit_row("rate_hz", "diem/a", "30", "25", "differs"),
    audit_row("rate_hz", "diem/b", "25", "25", "agrees"),
    audit_row("admitted", "coutrot1/clip_2", 1, 0, "differs", note="silent"),
]


@pytest.fixture
def rendered(tmp_path: Path) -> dict[str, str]:
    return render(tmp_path, STIMULI_ROWS, REJECTIONS, AUDIT)


def render(folder: Path, stimuli: list[dict], rejections: list[Rejection], audit: list[dict]) -> dict[str, str]:
    """Run the stage and return its cards by file name."""
    pq.write_table(pa.Table.from_pylist(stimuli, STIMULI), folder / "stimuli.parquet")
    pq.write_table(pa.Table.from_pylist([asdict(row) for row in rejections], REJECTED), folder / "rejected.parquet")
    (folder / "audit.json").write_text(json.dumps(audit))
    out = folder / "out"
    out.mkdir()
    corpora = ("coutrot1", "coutrot2", "diem")
    values = {
        "licences": {
            c: asdict(Licence(c, f"Title of {c}", "CC BY", "Cite it.", "A. Author 2011", "h")) for c in corpora
        },
        "geometry": {
            c: asdict(Geometry(c, "video", 25.0, 24.0, 26.0, distance_cm=57, source="thesis", confidence="low"))
            for c in corpora
        },
        "settings": SETTINGS,
        "missing": [asdict(row) for row in rejections if row.reason == "not-in-raw"],
        "files": {f"{name}.parquet": [9, 64 * name[0]] for name in ("stimuli", "rejected")},
    }
    files = {
        name: folder / f
        for name, f in (("stimuli", "stimuli.parquet"), ("rejected", "rejected.parquet"), ("audit", "audit.json"))
    }
    assert cards.build_item(Job("card", "all/cards", out, files, values)) == {"cards": 4}
    return {path.name: path.read_text(encoding="utf-8") for path in out.glob("*.md")}


def section(card: str, heading: str) -> str:
    """What stands under one heading."""
    (found,) = [part for part in card.split("\n## ") if part.startswith(heading)]
    return found


def test_there_is_one_card_for_all_and_one_for_each_corpus(rendered: dict[str, str]):
    assert sorted(rendered) == ["card.md", "coutrot1.md", "coutrot2.md", "diem.md"]
    assert rendered["diem.md"].startswith("# Data card: Title of diem\n")


def test_the_summary_is_counted(rendered: dict[str, str]):
    assert (
        "**3 stimuli**, 7,500 frames, 5.0 minutes, 20 to 60 observers a stimulus (median 40), 270,000 fixations."
        in rendered["card.md"]
    )
    assert "**2 stimuli**, 4,500 frames, 3.0 minutes, 40 to 60 observers" in rendered["diem.md"]


def test_the_videos_of_a_corpus_are_listed_in_its_own_card(rendered: dict[str, str]):
    listed = section(rendered["diem.md"], "Which videos")
    assert "| diem/b | test | social | 1,500 | 60.0 |" in listed
    assert "diem/b" not in section(rendered["card.md"], "Which videos")


def test_observers_are_given_as_least_median_most_mean_and_recordings(rendered: dict[str, str]):
    gaze = section(rendered["card.md"], "Whose gaze")
    assert "| diem | 40 | 50 | 60 | 50.0 | 100 |" in gaze
    assert "| coutrot1 | 20 | 20 | 20 | 20.0 | 20 |" in gaze


def test_the_evidence_that_sound_was_heard_is_counted(rendered: dict[str, str]):
    assert "| diem | heard | 2 |" in section(rendered["card.md"], "Which sound")


def test_every_reason_in_a_card_is_explained(rendered: dict[str, str]):
    rejected = section(rendered["card.md"], "What is not in, and why")
    assert "| blink | an eye was closed | nothing; the other samples are kept |" in rejected
    assert "| silent | the soundtrack is silent | get the soundtrack that the video was shown with |" in rejected
    assert "| unreadable | the row's detail says it | the row's detail says it |" in rejected


def test_a_card_ends_with_its_numbers_and_the_digests_of_its_tables(rendered: dict[str, str]):
    block = read_block(rendered["diem.md"])
    assert block["card"] == "diem"
    assert block["tables"] == {"rejected.parquet": 64 * "r", "stimuli.parquet": 64 * "s"}
    assert block["numbers"]["fixations"] == 210_000
    assert block["numbers"]["frames of diem/test"] == 1500
    assert block["numbers"]["rejected sample count, blink"] == 1334
    assert read_block(rendered["coutrot2.md"])["missing"] == [["coutrot2/ERB4_Stimuli", "not-in-raw"]]


def test_splits_and_categories_are_counted_with_their_sums(rendered: dict[str, str]):
    contents = section(rendered["card.md"], "Contents")
    assert "| split | nature | social | misc | all |" in contents
    assert "| train | 2 | 0 | 0 | 2 |" in contents
    assert "| test | 0 | 1 | 0 | 1 |" in contents
    assert "| all | 2 | 1 | 0 | 3 |" in contents


def test_amounts_are_summed_by_corpus_and_split(rendered: dict[str, str]):
    contents = section(rendered["card.md"], "Contents")
    assert "| diem | train | 1 | 2.0 | 3,000 | 40.0 | 120,000 | 40.0 |" in contents
    assert "| all | all | 3 | 5.0 | 7,500 | 40.0 | 270,000 | 36.0 |" in contents


def test_geometry_has_its_source_and_sigma_in_pixels(rendered: dict[str, str]):
    geometry = section(rendered["coutrot1.md"], "Viewing geometry")
    assert "| 25 (24 to 26) | 12.5 px | low | thesis |" in geometry
    assert "unknown px; unknown cm | 57 cm |" in geometry
    assert "diem" not in geometry


def test_settings_and_terms_are_printed(rendered: dict[str, str]):
    assert "| `sigma_dva` | 0.5 | standard deviation" in section(rendered["card.md"], "Settings")
    terms = section(rendered["card.md"], "Terms")
    assert terms.count("Please cite: A. Author 2011") == 3


def test_rejections_are_grouped_and_a_detail_is_kept_where_all_share_it(rendered: dict[str, str]):
    rejected = section(rendered["card.md"], "What is not in, and why")
    assert "| sample | blink | 2 | 1,334 | an eye was closed |" in rejected
    assert "| recording | unreadable | 2 | 2 |  |" in rejected
    assert "| coutrot1/clip_2 | silent | 400 | digital \\| silence |" in rejected
    assert "not-in-raw" not in rejected


def test_a_card_of_one_corpus_speaks_of_no_other(rendered: dict[str, str]):
    assert "coutrot" not in rendered["diem.md"]
    assert "blink" not in rendered["coutrot1.md"]


def test_what_is_missing_is_listed(rendered: dict[str, str]):
    missing = section(rendered["coutrot2.md"], "What was asked for and is missing")
    assert "| coutrot2/ERB4_Stimuli | not-in-raw | RAW/coutrot2/ERB4_Stimuli.zip |" in missing
    assert "Nothing." in section(rendered["diem.md"], "What was asked for and is missing")


def test_the_audit_is_in_the_card_with_single_stimuli_counted(rendered: dict[str, str]):
    audited = section(rendered["card.md"], "Published figures beside ours")
    assert "| frames | all | 267,109 | 7,500 | not-comparable | papers | 3 of 151 built |" in audited
    assert "| rate_hz | 1 | 1 | 0 |" in audited
    assert "| diem/a | rate_hz | 30 | 25 |  |" in audited
    assert "267,109" not in rendered["diem.md"]
    assert "224,157" in rendered["diem.md"]


def test_an_empty_corpus_has_a_card_that_says_so(tmp_path: Path):
    card = render(tmp_path, [], [], [])["card.md"]
    assert "This store has none of it yet." in card
    assert "Nothing is published." in card
    assert "Nothing was rejected." in card


def test_the_same_tables_give_the_same_card(tmp_path: Path, rendered: dict[str, str]):
    (tmp_path / "again").mkdir()
    assert render(tmp_path / "again", STIMULI_ROWS, REJECTIONS, AUDIT) == rendered


def test_every_table_has_as_many_cells_in_each_line_as_in_its_header(rendered: dict[str, str]):
    for block in "\n\n".join(rendered.values()).split("\n\n"):
        if block.startswith("|"):
            assert len({line.replace("\\|", "").count("|") for line in block.splitlines()}) == 1, block
