"""All sections of a report, in the order of the page."""

from __future__ import annotations

from pipeline.report.pages import comparing, corpus, learning, scores, watching
from pipeline.report.pages.blocks import Section
from pipeline.report.pages.data import ReportData

ORDER = (
    *("leaderboard", "categories", "published", "tests", "wins", "time", "distribution", "extremes", "samples"),
    *("sound", "centre-bias", "fusion", "mep", "opening", "training"),
    *("corpus", "rejected", "audit", "protocol", "settings"),
)


def sections(data: ReportData) -> list[Section]:
    """Every section, whether there is something for it or not."""
    parts = (scores, comparing, watching, corpus, learning)
    by_id = {section.id: section for part in parts for section in part.sections(data)}
    return [by_id[name] for name in ORDER]
