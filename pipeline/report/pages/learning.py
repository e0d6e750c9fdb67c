"""The sections about learning and about the report itself: training, the audio audit, settings and provenance."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from pipeline.evaluate.sound_audit import SAME
from pipeline.report.pages import plots
from pipeline.report.pages.blocks import Block, Section, Words
from pipeline.report.pages.data import ReportData
from pipeline.report.pages.grids import Column, of_rows
from pipeline.report.words import SETTINGS

NOT_TRAINED = "No model is trained with the settings of this store: `ave train --model dave --modality av` trains one."
NOT_AUDITED = (
    "The run last trained is not audited: `ave audit` predicts its maps with other sounds than the clips' own."
)


def sections(data: ReportData) -> list[Section]:
    """Sound, training, settings."""
    return [_sound(data), _training(data), _settings(data)]


def _sound(data: ReportData) -> Section:
    how = (
        "The same model, the same pictures, another sound. If its maps stay, the model does not listen; if they move "
        f"and the own sound scores better, it uses the sound. Maps of CC {SAME} or more are taken for the same."
    )
    found = data.sound
    if found is None:
        return Section("sound", "Does the model use the sound?", how, missing=NOT_AUDITED)
    columns = [
        Column("condition", "sound"),
        Column("videos", "videos", "d"),
        Column("frames", "frames", ",d"),
        Column("maps_cc", "CC of maps", ".4f"),
        Column("maps_sim", "SIM of maps", ".4f"),
        Column("own", "NSS, own sound", ".3f"),
        Column("other", "NSS, this sound", ".3f"),
        Column("gain", "gain", "+.3f", ("low", "high")),
        Column("p", "p, Holm", ".3g"),
    ]
    caption = f"What the clips' own sound gains {found.run} in NSS against each other sound; bars are 95 % intervals."
    alt = f"{caption} Verdict: {found.verdict}."
    blocks: tuple[Block, ...] = (
        Words((), strong=f"{found.run}: {found.verdict}"),
        of_rows("sound", f"Maps and scores of {found.run} with other sounds", found.rows, columns, found.notes),
    )
    if len(found.rows):
        blocks += (plots.sound("sound-gains", found.rows, caption, alt),)
    return Section("sound", "Does the model use the sound?", how, blocks)


def _training(data: ReportData) -> Section:
    how = (
        "The loss while the run learnt, and what the validation split gave. The weights that are used are those with "
        "the lowest validation loss; the test split chooses nothing."
    )
    trained = data.training
    if trained is None:
        return Section("training", "Training", how, missing=NOT_TRAINED)
    best = trained.run.get("best") or {}
    metrics = ", ".join(
        f"{name} {value:.3f}" for name, value in (best.get("metrics") or {}).items() if value is not None
    )
    facts = {
        "run": trained.name,
        "weights, SHA-256": trained.weights_sha256,
        "weights of step": best.get("step"),
        "validation at that step": metrics,
        "started from": ", ".join(map(_plain, trained.run.get("started_from") or ())) or "random weights",
        "stopped early": _plain(trained.run.get("stopped")) if trained.run.get("stopped") else "no",
        "parameters": trained.run.get("parameters"),
        "torch": trained.run.get("torch"),
        "device": trained.run.get("device"),
    }
    asked = dict(_flat("model", trained.run.get("model", {})))
    asked |= dict(_flat("training", trained.run.get("settings", {})))
    caption = f"Training of {trained.name}: loss of each step and of the validation split, and its NSS there."
    alt = f"{caption} Lowest validation loss {best.get('val_loss', float('nan')):.3f} at step {best.get('step', '?')}."
    blocks: list[Block] = [
        plots.training("training", trained.curves, caption, alt),
        _facts("weights", f"Which weights: {trained.name}", facts),
        _facts("training-settings", f"Settings of the training of {trained.name}", asked, folded=True),
    ]
    if len(trained.others):
        blocks.append(_runs(trained.others))
    return Section("training", "Training", how, tuple(blocks))


def _runs(rows: pd.DataFrame) -> Block:
    columns = [
        Column("variant", "variant"),
        Column("run", "run"),
        Column("steps", "steps", ",d"),
        Column("best_step", "best step", ",d"),
        Column("val_loss", "validation loss", ".3f"),
        Column("val_nss", "validation NSS", ".3f"),
        Column("parameters", "parameters", ",d"),
        Column("seed", "seed", "d"),
    ]
    return of_rows("runs", "Every run trained in this store", rows, columns, folded=True)


def _settings(data: ReportData) -> Section:
    how = "What this store was last asked for, and what made the numbers: the same of both gives the same report."
    if not data.settings:
        missing = "This store remembers no settings: `ave build` makes a corpus and keeps what it was asked for."
        return Section("settings", "Settings and provenance", how, missing=missing)
    rows = [
        {"setting": name, "value": _plain(value), "meaning": SETTINGS.get(name, "")}
        for name, value in data.settings.items()
    ]
    columns = [Column("setting", "setting"), Column("value", "value"), Column("meaning", "meaning")]
    blocks: tuple[Block, ...] = (
        _facts("provenance", "What made this report", data.provenance),
        _scored(data),
        of_rows("settings", "Settings of the store", pd.DataFrame(rows), columns, folded=True),
    )
    return Section("settings", "Settings and provenance", how, blocks)


def _scored(data: ReportData) -> Block:
    """How each run was scored."""
    rows = [
        {
            "run": run,
            "kind": "baseline" if about.get("baseline") else "maps",
            "protocols": ", ".join(about.get("protocols", ())),
            "every": about.get("every"),
            "seed": about.get("seed"),
            "maps": about.get("maps", {}).get("format", ""),
            "numbering": about.get("maps", {}).get("first_frame_why", ""),
        }
        for run, about in ((run, result.about) for run, result in data.results.items())
    ]
    columns = [
        Column("run", "run"),
        Column("kind", "kind"),
        Column("protocols", "scored by"),
        Column("every", "every N frames", "d"),
        Column("seed", "seed", "d"),
        Column("maps", "maps"),
        Column("numbering", "first frame"),
    ]
    table = pd.DataFrame(rows, columns=[column.key for column in columns])
    return of_rows("scored", "How each run was scored", table, columns)


def _facts(name: str, title: str, facts: Mapping[str, Any], *, folded: bool = False) -> Block:
    rows = pd.DataFrame(
        [{"what": key, "value": _plain(value)} for key, value in facts.items()], columns=["what", "value"]
    )
    return of_rows(name, title, rows, [Column("what", "what"), Column("value", "value")], folded=folded)


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Nested settings, one a line."""
    if not isinstance(value, Mapping):
        yield name, value
        return
    for key, part in value.items():
        yield from _flat(f"{name}, {key}", part)


def _plain(value: Any) -> str:
    if value is None or value == "":
        return "–"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
