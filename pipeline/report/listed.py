"""Data cards before anything is built: what the manifests alone say about a corpus.

    python -m pipeline.report.listed [MANIFESTS [OUT]]     renders OUT/<corpus>.md and OUT/card.md (data_cards/)

Conventions
-----------
Counts are those of manifests/stimuli.csv, and a card says so in its first line. What only a build can measure
(observers, fixations, rejections) is not there: no number in a card is one that nobody counted.

Source
------
As `cards`, whose measured cards have the same headings.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pipeline.ingest.audit import audit
from pipeline.ingest.manifest import Manifest, load
from pipeline.records import CATEGORIES, SPLITS, StimulusEntry
from pipeline.report.cards import geometry_table, terms
from pipeline.report.counted import audit_table
from pipeline.report.markdown import table
from pipeline.report.measured import is_about
from pipeline.settings import Settings

AVE_TITLE = "AVE, rebuilt from its raw releases"


def render_all(manifest: Manifest) -> dict[str, str]:
    """Every card by its file name: `card.md` for all corpora, `<corpus>.md` for each."""
    return {f"{corpus or 'card'}.md": render(manifest, corpus) for corpus in (None, *sorted(manifest.licences))}


def render(manifest: Manifest, corpus: str | None) -> str:
    """The card of one corpus, or of all.

    Parameters
    ----------
    manifest : Manifest
    corpus : str or None
        None for all of them together.

    Returns
    -------
    text : str
        Markdown, ending with a line feed.
    """
    entries = manifest.entries([corpus] if corpus else None)
    licences = {name: vars(row) for name, row in sorted(manifest.licences.items()) if corpus in (None, name)}
    geometry = {name: vars(row) for name, row in sorted(manifest.geometry.items()) if corpus in (None, name)}
    sections = [
        f"# Data card: {licences[corpus]['title'] if corpus else AVE_TITLE}",
        "**Not built yet: counts are those of the lists.** `ave build` measures the corpus and writes a card of the "
        "same form to STORE/cards, with observers, fixations and what was rejected.",
        "## Contents",
        "Stimuli of manifests/stimuli.csv by split and category:",
        _contents(entries),
        "## Which videos",
        *_videos(entries, corpus),
        *_left_out(manifest, corpus),
        "## Which sound",
        "How it is known that the observers heard the soundtrack:",
        _sound(entries),
        "## Viewing geometry",
        "Pixels of the video that make one degree of visual angle (dva) at the centre of the screen. Sigma is the "
        "standard deviation of a fixation's Gaussian under the default settings.",
        geometry_table(geometry, Settings().sigma_dva),
        "## Terms",
        *terms(licences),
        "## Where the raw files come from",
        _sources(manifest, corpus),
        "## Published figures beside the lists",
        "Counts of stimuli are compared with the lists; what has to be measured waits for a build.",
        _published(manifest, corpus),
    ]
    return "\n\n".join(sections) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Render the cards of a folder of manifests into another folder."""
    manifests, out = (*(Path(word) for word in arguments), *(Path("manifests"), Path("data_cards"))[len(arguments) :])
    for name, text in render_all(load(manifests)).items():
        (out / name).write_text(text, encoding="utf-8")
        print(out / name)
    return 0


def _contents(entries: Sequence[StimulusEntry]) -> str:
    count = Counter((entry.split, entry.category) for entry in entries)
    rows = [(split, *(count[split, category] for category in CATEGORIES)) for split in SPLITS]
    rows.append(("all", *(sum(count[split, category] for split in SPLITS) for category in CATEGORIES)))
    return table(("split", *CATEGORIES, "all"), [(*row, sum(row[1:])) for row in rows])


def _videos(entries: Sequence[StimulusEntry], corpus: str | None) -> list[str]:
    if corpus is None:
        return ["Each corpus's own card lists them."]
    header = ("stimulus", "split", "category", "category of the AVE sheet", "frames reported by others", "note")
    rows = [
        (
            *(entry.stimulus, entry.split, entry.category, entry.category_sheet or "in no sheet"),
            *(entry.frames_reported or "unknown", entry.note),
        )
        for entry in entries
    ]
    return [table(header, rows)]


def _left_out(manifest: Manifest, corpus: str | None) -> list[str]:
    rows = [(video.name, video.why_out) for video in manifest.diem_videos.values() if not video.in_ave]
    if corpus != "diem" or not rows:
        return []
    return ["Of the release, but not of AVE:", table(("name", "why"), rows)]


def _sound(entries: Sequence[StimulusEntry]) -> str:
    count = Counter((entry.corpus, entry.audio_presented, entry.audio_evidence) for entry in entries)
    rows = [(*key, n_stimuli) for key, n_stimuli in sorted(count.items())]
    return table(("corpus", "presented", "evidence", "stimuli"), rows)


def _sources(manifest: Manifest, corpus: str | None) -> str:
    rows = [
        (row.corpus, f"`{row.artifact}`", row.kind, row.checksum, row.note)
        for row in manifest.sources
        if corpus in (None, row.corpus)
    ]
    return table(("corpus", "file", "how to get it", "checksum", "note"), rows)


def _published(manifest: Manifest, corpus: str | None) -> str:
    rows = audit(manifest.published, [], manifest.stimuli, diem_names=len(manifest.diem_videos))
    return audit_table([row for row in rows[: len(manifest.published)] if is_about(row["scope"], corpus)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
