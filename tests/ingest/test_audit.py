"""The audit: every published figure gets a verdict, and the known disagreements come out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.ingest import manifest
from pipeline.ingest.audit import COLUMNS, MEASURES, WHOLE_RELEASE, audit, in_scope, opening_rows
from pipeline.records import Published, StimulusEntry


def entry(name: str, split: str, category: str, *, corpus: str = "diem", sheet: str | None = None) -> StimulusEntry:
    sheet_split = split if sheet is None else sheet
    return StimulusEntry(corpus, name, name, category, split, category.title(), sheet_split, "yes", "heard")


def built(row: StimulusEntry, *, n_frames: int = 250, n_observers: int = 10) -> dict:
    """A row of stimuli.parquet, as far as the audit looks."""
    return {
        "stimulus": row.stimulus,
        "corpus": row.corpus,
        "split": row.split,
        "category": row.category,
        "n_frames": n_frames,
        "duration_s": n_frames / 25,
        "n_observers": n_observers,
        "n_fixations": n_frames * n_observers,
    }


ENTRIES = [entry("a", "train", "nature"), entry("b", "train", "social"), entry("c", "val", "misc", corpus="coutrot1")]
ALL_BUILT = [built(row, n_frames=250 * k, n_observers=10 * k) for k, row in enumerate(ENTRIES, 1)]


def one(figure: Published, rows: list[dict], entries: list[StimulusEntry] = ENTRIES, **more) -> dict:
    """The audit's row for one published figure."""
    return audit([figure], rows, entries, **more)[0]


@pytest.mark.parametrize(
    ("quantity", "ours"),
    [
        ("frames", 1500),
        ("frames_min", 250),
        ("frames_max", 750),
        ("minutes", 1.0),
        ("duration_mean_s", 20.0),
        ("duration_median_s", 20.0),
        ("duration_min_s", 10.0),
        ("duration_max_s", 30.0),
        ("observers_mean", 20.0),
        ("observers_median", 20.0),
        ("observers_min", 10),
        ("observers_max", 30),
        ("recordings", 60),
        ("fixations", 250 * 10 + 500 * 20 + 750 * 30),
        ("fixations_per_frame", round(35000 / 1500, 3)),
    ],
)
def test_a_total_of_a_whole_corpus_is_measured_and_compared(quantity: str, ours: float):
    row = one(Published(quantity, "all", ours, "paper"), ALL_BUILT)
    assert (row["ours"], row["verdict"]) == (ours, "agrees")
    assert one(Published(quantity, "all", ours * 1.02, "paper"), ALL_BUILT)["verdict"] == "differs"
    assert one(Published(quantity, "all", ours * 1.02, "paper", tolerance=0.03), ALL_BUILT)["verdict"] == "agrees"


def test_every_measure_is_tested_above():
    tested = test_a_total_of_a_whole_corpus_is_measured_and_compared.pytestmark[0].args[1]
    assert {quantity for quantity, _ in tested} == set(MEASURES)


def test_a_partial_build_compares_no_total_but_still_counts_the_list():
    figures = [Published("frames", "all", 250, "paper"), Published("stimuli", "train", 2, "list")]
    frames, stimuli = audit(figures, ALL_BUILT[:1], ENTRIES)[:2]
    assert (frames["ours"], frames["verdict"], frames["note"]) == (250, "not-comparable", "1 of 3 built")
    assert (stimuli["ours"], stimuli["verdict"]) == (2, "agrees")


def test_a_whole_split_is_compared_although_others_are_not_built():
    assert one(Published("frames", "val", 750, "paper"), ALL_BUILT[2:])["verdict"] == "agrees"


def test_refused_stimuli_are_not_waited_for():
    row = one(Published("frames", "all", 750, "paper"), ALL_BUILT[:2], refused=["coutrot1/c"])
    assert (row["ours"], row["verdict"], row["note"]) == (750, "agrees", "2 of 3 built, 1 refused")


def test_nothing_built_is_not_comparable():
    row = one(Published("duration_mean_s", "all", 62, "paper"), [])
    assert (row["ours"], row["verdict"], row["note"]) == (None, "not-comparable", "0 of 3 built")


def test_a_quantity_that_nothing_measures_is_said_to_be_so():
    row = one(Published("happiness", "all", 1, "paper"), ALL_BUILT)
    assert row["verdict"] == "not-comparable"
    assert "nothing here measures 'happiness'" in row["note"]


def test_a_corpus_added_later_moves_no_published_total():
    added = entry("x", "train", "nature", corpus="summe")
    rows = audit([Published("frames", "all", 1500, "paper")], [*ALL_BUILT, built(added)], [*ENTRIES, added])
    assert rows[0]["verdict"] == "agrees"
    (own,) = [row for row in rows if row["scope"] == "summe"]
    assert (own["quantity"], own["published"], own["ours"]) == ("stimuli_built", 1, 1)


def test_an_entry_that_is_in_no_sheet_is_named_by_both_counts():
    entries = [*ENTRIES, entry("clip_42", "train", "nature", corpus="coutrot1", sheet="")]
    row = one(Published("stimuli", "train/nature", 1, "sheet"), [], entries)
    assert (row["ours"], row["verdict"], row["note"]) == (2, "differs", "the published sheet has 1, the list 2")


def test_exceptions_from_an_exact_number_of_observers_are_named():
    rows = [built(ENTRIES[0], n_observers=18), built(ENTRIES[1], n_observers=17)]
    row = one(Published("observers_mean", "diem", 18, "paper"), rows)
    assert (row["verdict"], row["note"]) == ("differs", "exceptions: diem/b has 17")


def test_names_of_a_release_are_counted_and_nothing_else_of_it():
    names = Published("names", "release/diem", 85, "conference paper")
    assert one(names, ALL_BUILT, diem_names=84)["verdict"] == "differs"
    assert one(names, ALL_BUILT)["verdict"] == "not-comparable"
    assert one(Published("frames", "release/diem", 1500, "paper"), ALL_BUILT)["verdict"] == "not-comparable"


def test_what_was_built_stands_beside_the_list_for_every_split_and_category():
    rows = audit([], ALL_BUILT[:1], ENTRIES, refused=["diem/b"])
    counts = {
        row["scope"]: (row["published"], row["ours"], row["verdict"])
        for row in rows
        if row["quantity"] == "stimuli_built"
    }
    assert counts["all"] == (3, 1, "not-comparable")
    assert counts["train"] == (2, 1, "differs")
    assert counts["train/nature"] == (1, 1, "agrees")
    assert counts["coutrot1"] == (1, 0, "not-comparable")


def test_observers_in_several_splits_are_counted_by_corpus_and_name():
    observers = {"train": {"diem/ann", "diem/bob"}, "val": {"diem/ann", "coutrot1/bob"}, "test": {"diem/ann"}}
    rows = audit([], ALL_BUILT, ENTRIES, observers=observers)
    (row,) = [row for row in rows if row["quantity"] == "observers_in_several_splits"]
    assert (row["ours"], row["verdict"]) == (1, "not-comparable")
    assert row["note"].startswith("of 3 observer ids")


@pytest.mark.parametrize(("dy_px", "verdict"), [(20.0, "agrees"), (21.0, "differs")])
def test_where_viewing_starts_is_judged_once_a_corpus_by_the_median_clip(dy_px: float, verdict: str):
    rows = [built(entry(name, "train", "nature")) for name in ("a", "b", "c")]
    of_stimuli = [
        {"quantity": "first_gaze_px", "scope": f"diem/{name}", "published": [640, 480], "ours": [640, 480 + offset]}
        for name, offset in (("a", 0.0), ("b", dy_px), ("c", 400.0))
    ]
    (row,) = opening_rows(rows, of_stimuli)
    assert (row["scope"], row["ours"], row["verdict"]) == ("diem", [0.0, dy_px], verdict)


def test_rows_are_plain_json_with_the_same_keys():
    rows = audit([Published("frames", "all", 1500.0, "paper")], ALL_BUILT, ENTRIES, diem_names=1)
    assert all(tuple(row) == COLUMNS for row in rows)
    assert isinstance(rows[0]["published"], int)
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows


@pytest.fixture(scope="module")
def reviewed(manifests: Path) -> manifest.Manifest:
    return manifest.load(manifests)


def counts_in_papers(reviewed: manifest.Manifest, entries: Sequence[StimulusEntry]) -> dict[str, dict]:
    """Rows about the counts that the AVE papers print, by scope."""
    rows = audit(reviewed.published, [], entries)
    return {r["scope"]: r for r in rows if r["quantity"] == "stimuli" and r["source"].startswith("AVE papers")}


def test_the_known_disagreements_of_the_papers_come_out(reviewed: manifest.Manifest):
    rows = counts_in_papers(reviewed, reviewed.stimuli)
    differing = {scope: (row["published"], row["ours"]) for scope, row in rows.items() if row["verdict"] == "differs"}
    assert differing == {
        "all": (150, 151),
        "train": (92, 93),
        "train/nature": (37, 19),  # the papers exchanged nature and social
        "train/social": (18, 37),
        "test/misc": (7, 8),
    }
    assert "the published sheet has 18, the list 19" in rows["train/nature"]["note"]


def test_the_official_150_agree_with_the_papers_on_every_total(reviewed: manifest.Manifest):
    rows = counts_in_papers(reviewed, [row for row in reviewed.stimuli if row.split_sheet])
    assert {rows[scope]["verdict"] for scope in ("all", "train", "val", "test")} == {"agrees"}


def test_diem_has_84_names_whatever_one_paper_says(reviewed: manifest.Manifest):
    rows = audit(reviewed.published, [], reviewed.stimuli, diem_names=len(reviewed.diem_videos))
    verdicts = {row["published"]: row["verdict"] for row in rows if row["quantity"] == "names"}
    assert verdicts == {84: "agrees", 85: "differs"}


def test_every_figure_of_the_manifest_is_one_the_audit_understands(reviewed: manifest.Manifest):
    listed = [{"corpus": row.corpus, "split": row.split, "category": row.category} for row in reviewed.stimuli]
    for figure in reviewed.published:
        if not figure.scope.startswith(WHOLE_RELEASE):
            assert figure.quantity in {*MEASURES, "stimuli"}, figure
            assert in_scope(figure.scope, listed), figure
