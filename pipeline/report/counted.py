"""The sections of a card that the published tables alone decide, so that a program can count them anew.

Conventions
-----------
A section is a list of Markdown blocks. Frames are those with both picture and gaze; minutes are theirs.
"""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.records import CATEGORIES, SPLITS
from pipeline.report import words
from pipeline.report.markdown import cell, number, table
from pipeline.report.measured import SPOKEN_OF, Measured, observers, observers_of

LISTED_STIMULI = 1000  # a longer list is left to stimuli.parquet


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


def _texts(row: Mapping[str, Any], keys: Sequence[str]) -> list[str]:
    return [cell(row[key]) for key in keys]


def _corpus_then_split(pair: tuple[str, str]) -> tuple[str, int]:
    return pair[0], SPLITS.index(pair[1])
