"""docs/protocols.md is what the code says, and names every protocol with its peculiarities."""

from __future__ import annotations

from pathlib import Path

from pipeline.evaluate import protocols
from pipeline.report.protocol_page import page

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_page_that_is_kept_is_the_one_that_the_code_makes():
    assert (DOCS / "protocols.md").read_text(encoding="utf-8") == page(), "run python -m pipeline.report.protocol_page"


def test_every_protocol_is_there_with_all_it_says():
    text = page()
    for name in protocols.names():
        assert f"\n## {name}\n" in text
        assert all(f"* {sentence}" in text for sentence in protocols.get(name).says)


def test_a_protocol_of_others_lists_only_what_differs():
    part = page().split("\n## stavis\n")[1].split("\n## ")[0]
    assert "| Size | the video's own | 256 × 320 |" in part
    assert "| Average |" not in part  # as ours
    assert "| KLD | not computed |" in part
