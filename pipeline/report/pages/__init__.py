"""`ave report`: one folder of pages that opens without a network, and without this program.

Conventions
-----------
`data` is what a report is of, gathered by the command; `sections` say what stands in it, in blocks (`blocks`) of
tables, figures, pictures and words; `write` puts them on disk. Every table is there as HTML, Markdown, LaTeX and CSV
with the same numbers, every figure as SVG for light and dark with a CSV of what it draws. Nothing depends on the day.
"""

from pipeline.report.pages.data import ReportData, Sample, SoundAudit, Training
from pipeline.report.pages.write import write_report

__all__ = ["ReportData", "Sample", "SoundAudit", "Training", "write_report"]
