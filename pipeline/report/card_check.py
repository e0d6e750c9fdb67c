"""Does a card still say what the store holds? Everything that the published tables decide is counted anew.

Conventions
-----------
Fixations and observers are counted in the fixation tables themselves, not taken from stimuli.parquet. A card agrees
when the list of disagreements is empty.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline.errors import StoreError
from pipeline.report.cards import FOR_PROGRAMS
from pipeline.report.counted import counted_sections
from pipeline.report.markdown import cell, cells
from pipeline.report.measured import Measured, numbers, recount, table_digests

_RULE = re.compile(r"\| [:-]+ ")


def check_card(card_text: str, corpus_folder: Path) -> list[str]:
    """Where a card and the store disagree, in words; empty where they agree.

    Parameters
    ----------
    card_text : str
        A card that `cards.render` wrote.
    corpus_folder : Path
        STORE/corpus.

    Returns
    -------
    disagreements : list of str
        Tables that contradict each other, numbers, lines of a section, digests, in this order.

    Raises
    ------
    StoreError
        Code "card" if the text is no card of ours.
    """
    block = read_block(card_text)
    corpus = None if block["card"] == "all" else block["card"]
    found = recount(corpus_folder, corpus)
    missing = [{"subject": subject, "reason": reason} for subject, reason in block["missing"]]
    measured = replace(found, missing=missing)
    said = _tables_among_themselves(corpus_folder, measured)
    said += _differences("number", block["numbers"], numbers(measured))
    said += _sections(card_text, counted_sections(measured, corpus))
    return said + _differences("SHA-256 of", block["tables"], table_digests(measured.files))


def read_block(card_text: str) -> dict[str, Any]:
    """What stands for programs at the end of a card; a StoreError where there is none."""
    parts = card_text.partition(f"\n## {FOR_PROGRAMS}\n")[2].partition("```json\n")[2].partition("\n```")
    try:
        block = json.loads(parts[0])
        if block.keys() >= {"card", "tables", "numbers", "missing"}:
            return dict(block)
    except (ValueError, AttributeError):
        pass
    raise StoreError(
        f"The card has no section {FOR_PROGRAMS!r} that can be read.",
        remedy="Give a card of STORE/cards; `ave build` writes them anew.",
        code="card",
    )


def _tables_among_themselves(folder: Path, measured: Measured) -> list[str]:
    """Stimuli whose row in stimuli.parquet is not what their fixation table holds."""
    claimed = {row["stimulus"]: row for row in pq.read_table(folder / "stimuli.parquet").to_pylist()}
    return [
        f"stimuli.parquet, {row['stimulus']}: {name} is {claimed[row['stimulus']][name]}, its fixation table has "
        f"{row[name]}"
        for row in measured.stimuli
        for name in ("n_fixations", "n_observers")
        if row[name] != claimed[row["stimulus"]][name]
    ]


def _differences(what: str, card: Mapping[str, Any], store: Mapping[str, Any]) -> list[str]:
    keys = [*card, *(key for key in store if key not in card)]
    return [
        f"{what} {key}: the card says {_said(card.get(key))}, the store {_said(store.get(key))}"
        for key in keys
        if card.get(key) != store.get(key)
    ]


def _sections(card_text: str, sections: Mapping[str, Sequence[str]]) -> list[str]:
    """Lines of the counted sections that differ; in tables, which cell of which row."""
    parts = card_text.split("\n## ")
    written = {
        "": parts[0].partition("\n")[2],
        **{part.partition("\n")[0]: part.partition("\n")[2] for part in parts[1:]},
    }
    said = []
    for heading, counted in sections.items():
        old = [line for line in written.get(heading, "").splitlines() if line]
        new = [line for block in counted for line in block.splitlines() if line]
        said += [f"{heading or 'Summary'}: {words}" for words in _lines(old, new)]
    return said


def _lines(card: Sequence[str], store: Sequence[str]) -> Iterator[str]:
    header: list[str] = []
    for k, (old, new) in enumerate(zip_longest(card, store)):
        following = card[k + 1] if k + 1 < len(card) else ""
        if old is not None and _RULE.match(following):
            header = cells(old)
        if old == new:
            continue
        before, after = cells(old or ""), cells(new or "")
        if old and new and old.startswith("| ") and len(before) == len(after) == len(header):
            label = ", ".join(word for word in before[:2] if word in after)
            for name, was, now in zip(header, before, after, strict=True):
                if was != now:
                    yield f"row {label or before[0]}: {name} is {was!r} in the card, {now!r} in the store"
        else:
            yield f"the card says {_said(old)}, the store {_said(new)}"


def _said(value: Any) -> str:
    return "nothing" if value is None else cell(value)
