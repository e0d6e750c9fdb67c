"""Data cards: what a corpus is, measured from its published tables, in Markdown that a person reads top to bottom.

Conventions
-----------
Every number is counted from `stimuli.parquet`, `rejected.parquet` and `audit.json` of the store; nothing is typed
in by hand, and nothing in a card depends on the day or the machine. `card.md` speaks about all corpora of the
store together, `<corpus>.md` about one; beside each lies its Croissant document. Frames are those with both picture
and gaze; minutes are theirs. A card ends with its numbers and the digests of its tables for `card_check.check_card`.

Source
------
The headings follow the questions of Gebru et al. 2021, "Datasheets for datasets".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow.parquet as pq

from pipeline.export.index import write_json
from pipeline.report import croissant, words
from pipeline.report.counted import counted_sections
from pipeline.report.markdown import table
from pipeline.report.measured import Measured, belongs, is_about, numbers, read_rejected, table_digests
from pipeline.store.job import Job

FOR_PROGRAMS = "For programs"


def build_item(job: Job) -> dict[str, Any]:
    """Write `card.md` and one `<corpus>.md` for each corpus of the manifest's licences, and their Croissant documents.

    Parameters
    ----------
    job : Job
        `files` stimuli, rejected and audit; `values` licences, geometry, settings and missing, and `files`: bytes and
        SHA-256 of the published tables by their path in STORE/corpus.
    """
    licences, geometry = job.values["licences"], job.values["geometry"]
    stimuli = pq.read_table(job.files["stimuli"]).to_pylist()
    audit = json.loads(job.files["audit"].read_text(encoding="utf-8"))
    for corpus in (None, *sorted(licences)):
        rejected, outside = read_rejected(job.files["rejected"], corpus)
        measured = Measured(
            stimuli=[row for row in stimuli if corpus in (None, row["corpus"])],
            rejected=rejected,
            outside=outside,
            audit=[row for row in audit if is_about(row["scope"], corpus)],
            missing=[row for row in job.values["missing"] if corpus in (None, row["subject"].split("/")[0])],
            licences={name: row for name, row in licences.items() if corpus in (None, name)},
            geometry={name: row for name, row in geometry.items() if corpus in (None, name)},
            settings=job.values["settings"],
            files={path: tuple(found) for path, found in job.values["files"].items() if belongs(path, corpus)},
        )
        title = licences[corpus]["title"] if corpus else "AVE, rebuilt from its raw releases"
        (job.out / f"{corpus or 'card'}.md").write_text(render(title, measured, corpus), encoding="utf-8")
        document = croissant.document(corpus or "all", title, measured)
        write_json(job.out / f"{corpus or 'all'}.croissant.json", document)
    return {"cards": 1 + len(licences)}


def render(title: str, measured: Measured, corpus: str | None = None) -> str:
    """The card's text.

    Parameters
    ----------
    title : str
        First heading.
    measured : Measured
    corpus : str or None
        Which corpus the card is about, None for all.

    Returns
    -------
    text : str
        Markdown, ending with a line feed.
    """
    counted = counted_sections(measured, corpus)
    asked = {
        "Viewing geometry": [
            "How many pixels of the video make one degree of visual angle (dva) at the centre of the screen. The "
            "Gaussian of a fixation (sigma) is the same angle on every corpus, and so another number of pixels.",
            geometry_table(measured.geometry, measured.settings.get("sigma_dva", 1.0)),
        ],
        "Settings": [table(("setting", "value", "meaning"), _settings(measured.settings))],
        "Terms": terms(measured.licences),
        "What was asked for and is missing": [_missing(measured.missing)],
    }
    order = (
        *("Contents", "Which videos", "Whose gaze", "Which sound", "Viewing geometry", "Settings", "Terms"),
        *("What is not in, and why", "What was asked for and is missing", "Published figures beside ours"),
    )
    sections = [f"# Data card: {title}", *counted[""]]
    for heading in order:
        sections += [f"## {heading}", *(counted | asked)[heading]]
    sections += [f"## {FOR_PROGRAMS}", *_for_programs(measured, corpus)]
    return "\n\n".join(section for section in sections if section) + "\n"


def geometry_table(geometry: Mapping[str, Mapping[str, Any]], sigma_dva: float) -> str:
    """Screen, distance, placement, pixels per degree and sigma of each corpus, with confidence and evidence."""
    rows = [
        (
            *(corpus, words.screen(row), words.distance(row), words.placement(row), words.pixels_per_dva(row)),
            *(f"{row['px_per_dva'] * sigma_dva:g} px", row["confidence"], row["source"]),
        )
        for corpus, row in sorted(geometry.items())
    ]
    header = ("corpus", "screen", "distance", "placement", "px per dva", "sigma", "confidence", "source")
    return table(header, rows)


def _settings(settings: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (f"`{name}`", json.dumps(value, ensure_ascii=False), words.SETTINGS.get(name, ""))
        for name, value in settings.items()
    ]


def terms(licences: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """One paragraph a corpus: licence, terms, and the paper to cite."""
    return [
        f"**{row['title']}** (`{corpus}`). Licence: {row['licence']}. {row['terms']} "
        f"Please cite: {row['citation']}" + (f" <{row['homepage']}>" if row["homepage"] else "")
        for corpus, row in sorted(licences.items())
    ]


def _missing(missing: Sequence[Mapping[str, Any]]) -> str:
    if not missing:
        return "Nothing."
    return table(("subject", "reason", "detail"), [(row["subject"], row["reason"], row["detail"]) for row in missing])


def _for_programs(measured: Measured, corpus: str | None) -> list[str]:
    """The same numbers once more, and SHA-256 of the tables that they were counted from."""
    block = {
        "card": corpus or "all",
        "tables": table_digests(measured.files),
        "numbers": numbers(measured),
        "missing": [[row["subject"], row["reason"]] for row in measured.missing],
    }
    return [
        "SHA-256 of the tables that this card was counted from (that of a corpus's fixation tables over the lines that "
        "`sha256sum` prints for them), and the numbers.",
        f"```json\n{json.dumps(block, ensure_ascii=False, indent=1)}\n```",
    ]
