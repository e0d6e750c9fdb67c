"""`ave plan`, `ave status`, `ave why`: say where a store stands, and why; change nothing."""

from __future__ import annotations

import json
from argparse import Namespace
from typing import Any

from pipeline.commands.asked import asked_settings, remembered_settings
from pipeline.errors import UsageError, did_you_mean
from pipeline.recipe.build import Build
from pipeline.recipe.stages import Stage, get
from pipeline.recipe.state import StageState


def plan(arguments: Namespace) -> int:
    """Say what a build with these options would run, and why; run nothing."""
    planned = Build(asked_settings(arguments), arguments.store)
    rows = [_plan_row(planned, stage, corpus) for stage, corpus in planned.targets()]
    return _print_rows(rows, arguments.json, only_to_run=True)


def status(arguments: Namespace) -> int:
    """Say per stage and corpus what is fresh, stale, missing or failed."""
    looked = Build(remembered_settings(arguments.store), arguments.store)
    rows = [_plan_row(looked, stage, corpus) for stage, corpus in looked.targets()]
    return _print_rows(rows, arguments.json, only_to_run=False)


def why(arguments: Namespace) -> int:
    """Say which of version, parameter or input made an item run, or would."""
    looked = Build(remembered_settings(arguments.store), arguments.store)
    stage = get(arguments.stage)
    corpus, _, name = arguments.item.partition("/")
    state = looked.state(stage.name, _known_corpus(looked, stage, corpus))
    items = {*state.fresh, *state.to_run, *state.waiting, *state.broken}
    if name not in items:
        curated = None if stage.pooled else looked.fresh("curate", corpus, name)
        if curated is not None and not curated.facts["admitted"]:
            raise UsageError(
                f"{stage.name} has no item {arguments.item!r}: curate refused it ({curated.facts['reason']}).",
                remedy=f"rejected.parquet says more; what made curate run: `ave why curate {arguments.item}`.",
            )
        known = [f"{corpus}/{item}" for item in sorted(items)]
        raise UsageError(
            f"{stage.name} has no item {arguments.item!r} under the remembered settings.",
            remedy=did_you_mean(arguments.item, known) if known else "It has no items at all; see `ave status`.",
        )
    word, reason = _explain(state, name)
    if arguments.json:
        row = {"stage": stage.name, "corpus": corpus, "item": name, "state": word, "items": 1}
        print(json.dumps({**row, "to_run": int(word != "fresh"), "reason": reason}, ensure_ascii=False))
    else:
        print(f"{stage.name} {arguments.item}: {word}" + (f"\n  {reason}" if reason else ""))
    return 0


def _known_corpus(looked: Build, stage: Stage, corpus: str) -> str:
    known = ("all",) if stage.pooled else looked.corpora
    if corpus not in known:
        raise UsageError(f"{stage.name} has no corpus {corpus!r}.", remedy=did_you_mean(corpus, known))
    return corpus


def _explain(state: StageState, name: str) -> tuple[str, str]:
    if name in state.fresh:
        record = state.fresh[name]
        ran = f"it ran because: {record.why}; " if record.why else ""
        made = f"{ran}made in {record.seconds:.1f} s, fingerprint {record.fingerprint}"
        return "fresh", f"{made}; nothing it depends on has changed since"
    if name in state.broken:
        return "failed", str(state.broken[name])
    if name in state.waiting:
        return ("stale" if name in state.stale else "missing"), f"waits for {state.waiting[name].on}"
    reason = state.to_run[name]
    if name in state.failures:
        failure = state.failures[name]
        return "failed", f"{failure.message} {failure.remedy} (log: {failure.log}); it is tried again at the next build"
    return ("stale" if name in state.stale else "missing"), reason


def _plan_row(looked: Build, stage: Stage, corpus: str) -> dict[str, Any]:
    state = looked.state(stage.name, corpus)
    seconds, n_bytes = _expected(looked, stage, corpus, state)
    return {
        "stage": stage.name,
        "corpus": corpus,
        "state": state.word,
        "items": state.n_items,
        "to_run": state.n_to_run,
        "certain": len(state.to_run),
        "reason": state.reason,
        "seconds": seconds,
        "bytes": n_bytes,
    }


def _expected(looked: Build, stage: Stage, corpus: str, state: StageState) -> tuple[float | None, int | None]:
    """Seconds of one worker and bytes that the items to run will take, from this store's records; None if unknown."""
    if state.n_to_run == 0:
        return 0.0, 0
    folders = [looked.folder(stage.name, corpus), *looked.other_variants(stage.name, corpus)]
    records = next((records for folder in folders if (records := folder.known_records())), [])
    if not records:
        return None, None
    seconds = sum(record.seconds for record in records) / len(records)
    n_bytes = sum(record.n_bytes for record in records if record.root is None) / len(records)
    return round(seconds * state.n_to_run, 1), round(n_bytes * state.n_to_run)


def _print_rows(rows: list[dict[str, Any]], as_json: bool, *, only_to_run: bool) -> int:
    if as_json:
        print(json.dumps(rows, ensure_ascii=False, indent=1))
        return 0
    shown = [row for row in rows if row["to_run"] or not only_to_run]
    if not shown:
        print("Everything is there; a build would run nothing.")
        return 0
    print(f"{'stage':<11}{'corpus':<10}{'state':<9}{'items':>6}{'to run':>8}{'minutes':>9}{'MB':>9}  reason")
    for row in shown:
        minutes = "?" if row["seconds"] is None else f"{row['seconds'] / 60:.1f}"
        size = "?" if row["bytes"] is None else f"{row['bytes'] / 1e6:.0f}"
        head = f"{row['stage']:<11}{row['corpus']:<10}{row['state']:<9}{row['items']:>6}{row['to_run']:>8}"
        print(f"{head}{minutes:>9}{size:>9}  {row['reason'][:100]}")
    return 0
