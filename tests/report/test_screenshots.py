"""The pictures of the README: small, there, and with words for whoever cannot see them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
PICTURES = dict(
    re.findall(r"!\[([^\]]*(?:\[[^\]]*\][^\]]*)*)\]\((docs/\w+\.png)\)", (ROOT / "README.md").read_text("utf-8"))
)


def test_the_readme_shows_the_report_and_an_inspect_page():
    assert sorted(PICTURES.values()) == ["docs/inspect.png", "docs/report.png"]
    assert all(len(words) > 100 for words in PICTURES)


@pytest.mark.parametrize("name", ["report", "inspect"])
def test_a_picture_is_small(name):
    file = ROOT / "docs" / f"{name}.png"
    assert file.stat().st_size < 150_000
    with Image.open(file) as picture:
        assert picture.mode == "P" and picture.width <= 1000
