"""Every reason that the program can write is explained in a card."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.ingest.curate import WHY_NO_FIXATION
from pipeline.report.words import WHY, pixels_per_dva, screen, why

PIPELINE = Path(__file__).resolve().parents[2] / "pipeline"
REJECTION = re.compile(r'(?:Rejection\(\s*"(?:recording|stimulus|source)",\s*[^,]+|_refusal\(\s*claims),\s*"([a-z-]+)"')


def codes_in_the_source() -> set[str]:
    texts = [path.read_text(encoding="utf-8") for path in PIPELINE.rglob("*.py")]
    return {code for text in texts for code in REJECTION.findall(text)}


def test_the_search_for_codes_finds_some():
    assert {"no-gaze", "not-in-raw", "duplicate-observer", "sound-length"} <= codes_in_the_source()


def test_every_code_of_a_rejection_is_explained():
    assert codes_in_the_source() | WHY_NO_FIXATION.keys() <= WHY.keys()


def test_a_failed_item_sends_to_its_detail():
    assert why("failed-frame-count") == (
        "making it failed; the detail says how",
        "ave build again after what the detail says",
    )


@pytest.mark.parametrize("known", [True, False], ids=["a known screen", "an unknown screen"])
def test_a_screen_is_named_with_its_units(known: bool):
    row = dict.fromkeys(("screen_width_px", "screen_height_px", "screen_width_cm", "screen_height_cm"))
    if known:
        row |= {"screen_width_px": 1280, "screen_height_px": 960, "screen_width_cm": 40.64, "screen_height_cm": 30.48}
    assert screen(row) == ("1280 x 960 px; 40.64 x 30.48 cm" if known else "unknown px; unknown cm")


def test_a_range_of_pixels_per_degree_is_given_where_it_is_known():
    assert pixels_per_dva({"px_per_dva": 49.5, "px_per_dva_low": 47.1, "px_per_dva_high": 52}) == "49.5 (47.1 to 52)"
    assert pixels_per_dva({"px_per_dva": 49.5, "px_per_dva_low": None, "px_per_dva_high": 52}) == "49.5"
