"""Data cards: what a corpus is, measured from its published tables, in Markdown that a person reads top to bottom.

Conventions
-----------
Every number is counted from `stimuli.parquet`, `rejected.parquet` and `audit.json` of the store; nothing is typed
in by hand, and nothing in a card depends on the day or the machine. `card.md` speaks about all corpora of the
store together, `<corpus>.md` about one. Frames are those with both picture and gaze; minutes are theirs.

Source
------
The headings follow the questions of Gebru et al. 2021, "Datasheets for datasets".
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline.records import CATEGORIES, SPLITS
from pipeline.store.job import Job

UNITS = {  # how a setting reads in a card; the others carry their unit in their name
    "sigma_dva": "standard deviation of the fixation Gaussian, degrees of visual angle",
    "density_height": "rows of a stored density map",
    "density_width": "columns of a stored density map",
    "frame_height": "rows of a stored frame",
    "frame_width": "columns of a stored frame",
    "jpeg_quality": "JPEG quality of a stored frame",
    "mel_bands": "mel bands, 125 to 7500 Hz",
    "anchor": "where a frame's time lies in its 0.64 s log-mel example",
    "official_150": "leave out the stimulus that is in no published sheet",
    "max_sound_difference_s": "allowed difference of sound and picture length, seconds",
    "silence_dbfs": "level below which a soundtrack is silent, dB below full scale",
    "tolerance": "share of items that may fail",
}


@dataclass(frozen=True)
class Measured:
    """What a card is rendered from: rows of the published tables, already cut down to its corpora.

    `rejected` maps (level, reason) to [rows, count, detail]; `detail` is "" where the rows differ in it.
    `outside` are the rejected rows above the level of a recording, one by one.
    """

    stimuli: Sequence[Mapping[str, Any]]
    rejected: Mapping[tuple[str, str], Sequence[Any]]
    outside: Sequence[Mapping[str, Any]]
    audit: Sequence[Mapping[str, Any]]
    missing: Sequence[Mapping[str, Any]]
    licences: Mapping[str, Mapping[str, Any]]
    geometry: Mapping[str, Mapping[str, Any]]
    settings: Mapping[str, Any]


def build_item(job: Job) -> dict[str, Any]:
    """Write `card.md` and one `<corpus>.md` for each corpus of the manifest's licences."""
    licences, geometry = job.values["licences"], job.values["geometry"]
    stimuli = pq.read_table(job.files["stimuli"]).to_pylist()
    audit = json.loads(job.files["audit"].read_text(encoding="utf-8"))
    for corpus in (None, *sorted(licences)):
        rejected, outside = read_rejected(job.files["rejected"], corpus)
        measured = Measured(
            stimuli=[row for row in stimuli if corpus in (None, row["corpus"])],
            rejected=rejected,
            outside=outside,
            audit=[row for row in audit if corpus is None or _is_about(row["scope"], corpus)],
            missing=[row for row in job.values["missing"] if corpus in (None, row["subject"].split("/")[0])],
            licences={name: row for name, row in licences.items() if corpus in (None, name)},
            geometry={name: row for name, row in geometry.items() if corpus in (None, name)},
            settings=job.values["settings"],
        )
        title = licences[corpus]["title"] if corpus else "AVE, rebuilt from its raw releases"
        (job.out / f"{corpus or 'card'}.md").write_text(render(title, measured), encoding="utf-8")
    return {"cards": 1 + len(licences)}


def render(title: str, measured: Measured) -> str:
    """The card's text.

    Parameters
    ----------
    title : str
        First heading.
    measured : Measured

    Returns
    -------
    text : str
        Markdown, ending with a line feed.
    """
    sections = [
        f"# Data card: {title}",
        _summary(measured),
        "## Contents",
        *_contents(measured.stimuli),
        "## Viewing geometry",
        "How many pixels of the video make one degree of visual angle (dva) at the centre of the screen. The Gaussian "
        "of a fixation (sigma) is the same angle on every corpus, and so another number of pixels.",
        _geometry(measured),
        "## Settings",
        table(("setting", "value", "meaning"), _settings(measured.settings)),
        "## Terms",
        *_terms(measured.licences),
        "## What is not in, and why",
        *_rejections(measured),
        "## What was asked for and is missing",
        _missing(measured.missing),
        "## Published figures beside ours",
        *_audit(measured),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table; numbers stand right, and a bar inside a cell does not end it.

    Examples
    --------
    >>> print(table(("split", "stimuli"), [("train", 93)]))
    | split | stimuli |
    | :-- | --: |
    | train | 93 |
    """
    rows = [tuple(row) for row in rows]
    numeric = [bool(rows) and all(isinstance(row[k], (int, float)) for row in rows) for k in range(len(header))]
    lines = [header, ["--:" if right else ":--" for right in numeric], *([_cell(one) for one in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def read_rejected(path: Path, corpus: str | None) -> tuple[dict[tuple[str, str], list[Any]], list[dict[str, Any]]]:
    """Group rejected.parquet by level and reason, a row group at a time; see `Measured`."""
    groups: dict[tuple[str, str], list[Any]] = {}
    outside = []
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches():
            for row in batch.to_pylist():
                if corpus not in (None, row["subject"].split("/")[0]):
                    continue
                group = groups.setdefault((row["level"], row["reason"]), [0, 0, row["detail"]])
                group[0] += 1
                group[1] += row["count"]
                group[2] = row["detail"] if row["detail"] == group[2] else ""
                if row["level"] not in ("recording", "sample"):
                    outside.append(row)
    return groups, outside


def _summary(measured: Measured) -> str:
    """The first paragraph: what it is and how much of it there is."""
    rows = measured.stimuli
    what = (
        "Videos with the soundtrack they were shown with, and where people looked while they watched and listened. "
        "Each stimulus has its frames, log-mel examples, fixation points and fixation density maps on one clock."
    )
    if not rows:
        return f"{what} This store has none of it yet."
    hours = sum(row["duration_s"] for row in rows) / 3600
    observers = [row["n_observers"] for row in rows]
    return (
        f"{what}\n\n**{_number(len(rows))} stimuli**, {_number(sum(row['n_frames'] for row in rows))} frames, "
        f"{hours * 60:.1f} minutes, {min(observers)} to {max(observers)} observers a stimulus, "
        f"{_number(sum(row['n_fixations'] for row in rows))} fixations."
    )


def _contents(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Two tables: stimuli by split and category, and amounts by corpus and split."""
    if not rows:
        return ["Nothing is published."]
    by_cell: dict[tuple[str, str], int] = defaultdict(int)
    for row in rows:
        for cell in ((row["split"], row["category"]), (row["split"], ""), ("", row["category"]), ("", "")):
            by_cell[cell] += 1
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


def _geometry(measured: Measured) -> str:
    sigma_dva = measured.settings.get("sigma_dva", 1.0)
    rows = []
    for corpus, row in sorted(measured.geometry.items()):
        screen = _known(row["screen_width_px"], row["screen_height_px"], "px")
        screen += "; " + _known(row["screen_width_cm"], row["screen_height_cm"], "cm")
        span = f"{row['px_per_dva']:g}"
        if row["px_per_dva_low"] is not None and row["px_per_dva_high"] is not None:
            span += f" ({row['px_per_dva_low']:g} to {row['px_per_dva_high']:g})"
        distance = "unknown" if row["distance_cm"] is None else f"{row['distance_cm']:g} cm"
        sigma_px = f"{row['px_per_dva'] * sigma_dva:g} px"
        placement = "centred on the screen, unscaled" if row["placement"] == "centred" else "gaze is in video pixels"
        rows.append((corpus, screen, distance, placement, span, sigma_px, row["confidence"], row["source"]))
    header = ("corpus", "screen", "distance", "placement", "px per dva", "sigma", "confidence", "source")
    return table(header, rows)


def _settings(settings: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (f"`{name}`", json.dumps(value, ensure_ascii=False), UNITS.get(name, "")) for name, value in settings.items()
    ]


def _terms(licences: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """One paragraph a corpus: licence, terms, and the paper to cite."""
    return [
        f"**{row['title']}** (`{corpus}`). Licence: {row['licence']}. {row['terms']} "
        f"Please cite: {row['citation']} <{row['homepage']}>"
        for corpus, row in sorted(licences.items())
    ]


def _rejections(measured: Measured) -> list[str]:
    """Stimuli and sources one by one, recordings and samples grouped by reason."""
    absent = {(row["subject"], row["reason"]) for row in measured.missing}
    refused = [row for row in measured.outside if (row["subject"], row["reason"]) not in absent]
    inside = [
        (level, reason, *counts)
        for (level, reason), counts in sorted(measured.rejected.items())
        if level in ("recording", "sample")
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
        header = ("quantity", "scope", "published", "ours", "verdict", "source", "note")
        parts.append(table(header, [_texts(row, header) for row in figures]))
    if claims:
        counts = [(quantity, *(found[verdict] for verdict in verdicts)) for quantity, found in sorted(tally.items())]
        parts += ["What is claimed about single stimuli:", table(("quantity", *verdicts), counts)]
    differing = [row for row in claims if row["verdict"] == "differs" and row["quantity"] != "admitted"]
    if differing:
        shown = ("scope", "quantity", "published", "ours", "note")
        parts += ["Of these, what differs:", table(shown, [_texts(row, shown) for row in differing])]
    return parts or ["Nothing is published about this corpus."]


def _is_about(scope: str, corpus: str) -> bool:
    """Whether an audit row's scope names the corpus or one of its stimuli."""
    return corpus in scope.split("/")


def _texts(row: Mapping[str, Any], keys: Sequence[str]) -> list[str]:
    return ["" if row[key] is None else _cell(row[key]) for key in keys]


def _corpus_then_split(pair: tuple[str, str]) -> tuple[str, int]:
    return pair[0], SPLITS.index(pair[1])


def _known(width: float | None, height: float | None, unit: str) -> str:
    return f"unknown {unit}" if width is None or height is None else f"{width:g} x {height:g} {unit}"


def _cell(value: Any) -> str:
    text = _number(value) if isinstance(value, (int, float)) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def _number(value: float) -> str:
    """Thousands apart, no more digits than there are."""
    return f"{value:,}"
