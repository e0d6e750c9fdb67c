"""What a stranger asks first, a line of answer each, and where the page says more."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.evaluate import protocols
from pipeline.evaluate.protocol import said_of
from pipeline.evaluate.significance import ALPHA
from pipeline.report.pages.blocks import Grid, Section
from pipeline.report.pages.data import ReportData
from pipeline.report.pages.grids import printed


@dataclass(frozen=True)
class Question:
    """A question, a short answer, and the id of the section that has the long one."""

    question: str
    answer: str
    section: str


def questions(data: ReportData, sections: list[Section]) -> list[Question]:
    """In the order in which they are asked."""
    by_id = {section.id: section for section in sections}
    return [
        Question("Which videos?", _videos(data), "corpus"),
        Question("Whose gaze?", _observers(data), "corpus"),
        Question("Which screen and distance?", _screen(data), "corpus"),
        Question("What σ?", _sigma(data), "corpus"),
        Question("What was rejected, and why?", _rejected(data), "rejected"),
        Question(
            "Which split?", f"The {data.split} split." if data.results else "No split is scored yet.", "leaderboard"
        ),
        Question("Which weights?", _weights(data), "training"),
        Question("Which protocol?", f"{data.protocol}: {data.rules.source}.", "protocol"),
        Question("Is the difference significant?", _significant(by_id["tests"]), "tests"),
        Question("Does the model use sound?", _sound(data), "sound"),
    ]


def _videos(data: ReportData) -> str:
    if data.stimuli.empty:
        return "No corpus is published here yet."
    own = data.stimuli[data.stimuli["split"] == data.split]
    return f"{len(own)} videos of the {data.split} split, of {len(data.stimuli)} in {_names(data.stimuli['corpus'])}."


def _observers(data: ReportData) -> str:
    if data.stimuli.empty:
        return "No corpus is published here yet."
    seen, fixations = data.stimuli["n_observers"], int(data.stimuli["n_fixations"].sum())
    return f"{seen.min()} to {seen.max()} observers a video, who heard the sound; {fixations:,} fixations."


def _screen(data: ReportData) -> str:
    if data.geometry.empty:
        return "Not known here."
    screens = (
        f"{row.corpus}: {printed(row.distance_cm, 'g')} cm, {row.px_per_dva:g} px per degree"
        for row in data.geometry.itertuples()
    )
    return f"{'; '.join(screens)}."


def _sigma(data: ReportData) -> str:
    sigma = data.settings.get("sigma_dva")
    if sigma is None:
        return "Not known here."
    scored = said_of(protocols.get(data.protocol).density)
    own = f"{sigma:g} degree of visual angle, standard deviation, in the published maps"
    return f"{own}; protocol {data.protocol} scores against {scored}."


def _rejected(data: ReportData) -> str:
    if data.rejected.empty:
        return "Nothing." if len(data.stimuli) else "No corpus is published here yet."
    counts = data.rejected.groupby("level")["count"].agg(["size", "sum"])
    words = {"sample": "samples", "recording": "recordings", "stimulus": "videos"}
    parts = [
        f"{int(row['sum'] if level == 'sample' else row['size']):,} {words[level]}"
        for level, row in counts.iterrows()
        if level in words
    ]
    reasons = data.rejected["reason"].nunique()
    return f"{', '.join(parts)}; {reasons} reasons." if parts else f"{len(data.rejected):,} rows; {reasons} reasons."


def _weights(data: ReportData) -> str:
    trained = data.training
    if trained is None:
        return "None of this store's own: no model is trained with its settings."
    step = (trained.run.get("best") or {}).get("step", "?")
    return f"{trained.name}, step {step}, SHA-256 {trained.weights_sha256[:12]}…"


def _significant(section: Section) -> str:
    if section.missing:
        return "There are no two runs to compare yet."
    grid = next(block for block in section.blocks if isinstance(block, Grid))
    place = next(number for number, cell in enumerate(grid.head) if cell.text == "verdict")
    verdicts = [row[place].text for group in grid.groups for row in group]
    better = sum(verdict.endswith("is better") for verdict in verdicts)
    few = sum(verdict.startswith("too few") for verdict in verdicts)
    said = f"{better} of {len(verdicts)} pairs differ at {ALPHA:g} after Holm's correction"
    return f"{said}; {few} have too few videos to tell." if few else f"{said}."


def _sound(data: ReportData) -> str:
    return f"{data.sound.run}: {data.sound.verdict}." if data.sound else "Not audited yet."


def _names(values: object) -> str:
    return ", ".join(sorted(set(values)))  # type: ignore[call-overload]
