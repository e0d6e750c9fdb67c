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
import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow.parquet as pq

from pipeline.export.index import write_json
from pipeline.records import CATEGORIES, SPLITS
from pipeline.report import croissant, words
from pipeline.report.markdown import cell, number, table
from pipeline.report.measured import (
    SPOKEN_OF,
    Measured,
    belongs,
    is_about,
    numbers,
    observers,
    observers_of,
    read_rejected,
    table_digests,
)
from pipeline.store.job import Job

LISTED_STIMULI = 1000  # a longer list is left to stimuli.parquet
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


def counted_sections(measured: Measured, corpus: str | None) -> dict[str, list[str]]:
    """The sections that the published tables alone decide, by heading; "" is what stands before the first."""
    return {
        "": [_summary(measured)],
        "Contents": _contents(measured.stimuli),
        "Which videos": _videos(measured.stimuli, corpus),
        "Whose gaze": _gaze(measured.stimuli),
        "Which sound": _sound(measured.stimuli),
        "What is not in, and why": _rejections(measured),
        "Published figures beside ours": _audit(measured),
    }


def _summary(measured: Measured) -> str:
    """The first paragraph: what it is and how much of it there is."""
    rows = measured.stimuli
    what = (
        "Videos with the soundtrack they were shown with, and where people looked while they watched and listened. "
        "Each stimulus has its frames, log-mel examples, fixation points and fixation density maps on one clock."
    )
    if not rows:
        return f"{what} This store has none of it yet."
    minutes = sum(row["duration_s"] for row in rows) / 60
    return (
        f"{what}\n\n**{number(len(rows))} stimuli**, {number(sum(row['n_frames'] for row in rows))} frames, "
        f"{minutes:.1f} minutes, {observers_of(rows)}, "
        f"{number(sum(row['n_fixations'] for row in rows))} fixations."
    )


def _contents(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Two tables: stimuli by split and category, and amounts by corpus and split."""
    if not rows:
        return ["Nothing is published."]
    by_cell: dict[tuple[str, str], int] = defaultdict(int)
    for row in rows:
        for place in ((row["split"], row["category"]), (row["split"], ""), ("", row["category"]), ("", "")):
            by_cell[place] += 1
    counts = [
        (split or "all", *(by_cell[split, category] for category in (*CATEGORIES, ""))) for split in (*SPLITS, "")
    ]
    amounts = []
    for corpus, split in sorted({(row["corpus"], row["split"]) for row in rows}, key=_corpus_then_split):
        amounts.append((corpus, split, *_amounts([r for r in rows if (r["corpus"], r["split"]) == (corpus, split)])))
    if len(amounts) > 1:
        amounts.append(("all", "all", *_amounts(rows)))
    header = ("corpus", "split", "stimuli", "minutes", "frames", "observers, mean", "fixations", "fixations a frame")
    return [
        "Stimuli by split and category:",
        table(("split", *CATEGORIES, "all"), counts),
        "How much there is of each:",
        table(header, amounts),
    ]


def _amounts(rows: Sequence[Mapping[str, Any]]) -> tuple[float, ...]:
    frames = sum(row["n_frames"] for row in rows)
    fixations = sum(row["n_fixations"] for row in rows)
    observers = sum(row["n_observers"] for row in rows) / len(rows)
    minutes = sum(row["duration_s"] for row in rows) / 60
    return len(rows), round(minutes, 2), frames, round(observers, 1), fixations, round(fixations / frames, 1)


def _videos(rows: Sequence[Mapping[str, Any]], corpus: str | None) -> list[str]:
    """Every stimulus of one corpus; the pooled card sends the reader to the others."""
    if corpus is None or len(rows) > LISTED_STIMULI:
        return ["Each corpus's own card lists them; `stimuli.parquet` holds them all."]
    header = (
        "stimulus",
        "split",
        "category",
        "frames",
        "seconds",
        "frame rate, Hz",
        "size, px",
        "observers",
        "fixations",
    )
    listed = [
        (
            *(row["stimulus"], row["split"], row["category"], row["n_frames"], round(row["duration_s"], 2)),
            str(row["rate_num"]) + (f"/{row['rate_den']}" if row["rate_den"] != 1 else ""),
            *(f"{row['width_px']} x {row['height_px']}", row["n_observers"], row["n_fixations"]),
        )
        for row in rows
    ]
    return [table(header, listed) if listed else "None is published."]


def _gaze(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Observers a stimulus, by corpus."""
    if not rows:
        return ["Nobody's: nothing is published."]
    by_corpus: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        by_corpus[row["corpus"]].append(row)
    found = []
    for corpus, part in sorted(by_corpus.items()):
        counts = [row["n_observers"] for row in part]
        found.append((corpus, *observers(part).values(), round(statistics.fmean(counts), 2), sum(counts)))
    header = ("corpus", "observers, least", "median", "most", "mean", "recordings")
    return [
        "Observers whose recording is admitted, a stimulus; a recording is one observer watching one stimulus. Ids are "
        "the release's own; no name, age, sex or other property of an observer is in any table.",
        table(header, found),
    ]


def _sound(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """How it is known that the sound was heard."""
    if not rows:
        return ["None: nothing is published."]
    evidence = Counter((row["corpus"], row["audio_presented"]) for row in rows)
    found = [(corpus, words_, count) for (corpus, words_), count in sorted(evidence.items())]
    return [
        "How it is known that the observers heard the soundtrack; without evidence a stimulus is not admitted.",
        table(("corpus", "evidence", "stimuli"), found),
    ]


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


def _rejections(measured: Measured) -> list[str]:
    """Stimuli and sources one by one, recordings and samples grouped by reason; then what the reasons mean."""
    absent = {(row["subject"], row["reason"]) for row in measured.missing}
    refused = [row for row in measured.outside if (row["subject"], row["reason"]) not in absent]
    inside = [
        (level, reason, *counts) for (level, reason), counts in sorted(measured.rejected.items()) if level in SPOKEN_OF
    ]
    parts = []
    if refused:
        rows = [(row["subject"], row["reason"], row["count"], row["detail"]) for row in refused]
        parts += ["Looked at and refused:", table(("subject", "reason", "count", "detail"), rows)]
    if inside:
        parts += [
            "Recordings and samples of published stimuli; every row is in `rejected.parquet`:",
            table(("level", "reason", "rows", "count", "detail"), inside),
        ]
    reasons = [row["reason"] for row in refused] + [row[1] for row in inside]
    if reasons:
        meanings = table(("reason", "meaning", "what helps"), words.explained(reasons))
        parts += ["What these reasons mean, and what helps:", meanings]
    return parts or ["Nothing was rejected."]


def _missing(missing: Sequence[Mapping[str, Any]]) -> str:
    if not missing:
        return "Nothing."
    return table(("subject", "reason", "detail"), [(row["subject"], row["reason"], row["detail"]) for row in missing])


def _audit(measured: Measured) -> list[str]:
    """Published figures in full; claims about single stimuli counted, those that differ in full."""
    titles = {row["stimulus"] for row in measured.stimuli} | {row["subject"] for row in measured.outside}
    figures = [row for row in measured.audit if row["scope"] not in titles]
    claims = [row for row in measured.audit if row["scope"] in titles]
    tally: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in claims:
        tally[row["quantity"]][row["verdict"]] += 1
    verdicts = ("agrees", "differs", "not-comparable")
    parts = []
    if figures:
        parts.append(audit_table(figures))
    if claims:
        counts = [(quantity, *(found[verdict] for verdict in verdicts)) for quantity, found in sorted(tally.items())]
        parts += ["What is claimed about single stimuli:", table(("quantity", *verdicts), counts)]
    differing = [row for row in claims if row["verdict"] == "differs" and row["quantity"] != "admitted"]
    if differing:
        shown = ("scope", "quantity", "published", "ours", "note")
        parts += ["Of these, what differs:", table(shown, [_texts(row, shown) for row in differing])]
    return parts or ["Nothing is published about this corpus."]


def audit_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Published figures beside ours, one row each."""
    header = ("quantity", "scope", "published", "ours", "verdict", "source", "note")
    return table(header, [_texts(row, header) for row in rows])


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


def _texts(row: Mapping[str, Any], keys: Sequence[str]) -> list[str]:
    return [cell(row[key]) for key in keys]


def _corpus_then_split(pair: tuple[str, str]) -> tuple[str, int]:
    return pair[0], SPLITS.index(pair[1])
