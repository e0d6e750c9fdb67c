"""`ave plan`, `ave status`, `ave why`: say where a store stands, and why; change nothing."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from pipeline.commands.asked import asked_settings, remembered_settings
from pipeline.errors import UsageError, did_you_mean
from pipeline.recipe.build import Build
from pipeline.recipe.estimate import expected
from pipeline.recipe.stages import Stage, get
from pipeline.recipe.state import StageState
from pipeline.recipe.versions import in_words, mixture, renewable


def plan(arguments: Namespace) -> int:
    """Say what a build with these options would run, and why; run nothing."""
    planned = Build(asked_settings(arguments), arguments.store)
    planned.renew = renewable(arguments.renew)
    rows = [_plan_row(planned, stage, corpus) for stage, corpus in planned.targets()]
    return _print_rows(planned, rows, arguments.json, only_to_run=True)


def status(arguments: Namespace) -> int:
    """Say per stage and corpus what is fresh, stale, missing or failed; with --watch, how a running build goes."""
    if arguments.watch:
        from pipeline.commands.watching import watch

        return watch(arguments)
    looked = Build(remembered_settings(arguments.store), arguments.store)
    rows = [_plan_row(looked, stage, corpus) for stage, corpus in looked.targets()]
    return _print_rows(looked, rows, arguments.json, only_to_run=False)


def why(arguments: Namespace) -> int:
    """Say which of version, parameter or input made an item run, or would with these options."""
    remembered_settings(arguments.store)  # in a folder that is no store nothing ever ran
    looked = Build(asked_settings(arguments), arguments.store)
    looked.renew = renewable(arguments.renew)
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
        record, made = state.folder.record(name), state.fresh[name]
        ran = f"it ran because: {record.why}; " if record is not None and record.why else ""
        told = f"{ran}made in {made.seconds:.1f} s, fingerprint {made.fingerprint}"
        return "fresh", f"{told}; nothing it depends on has changed since"
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
    seconds, n_bytes = expected(looked, stage, corpus)
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
        "provenance": mixture(state.made_with()),
    }


def _print_rows(looked: Build, rows: list[dict[str, Any]], as_json: bool, *, only_to_run: bool) -> int:
    if as_json:
        print(json.dumps(rows, ensure_ascii=False, indent=1))
        return 0
    shown = [row for row in rows if row["to_run"] or not only_to_run]
    if shown:
        _print_table(shown)
    else:
        print("Everything is there; a build would run nothing.")
    if differs := in_words(looked):
        print(differs)
    return 0


def _print_table(rows: list[dict[str, Any]]) -> None:
    print(f"{'stage':<11}{'corpus':<10}{'state':<9}{'items':>6}{'to run':>8}{'minutes':>9}{'MB':>9}  reason")
    for row in rows:
        head = f"{row['stage']:<11}{row['corpus']:<10}{row['state']:<9}{row['items']:>6}{_to_run(row):>8}"
        print(f"{head}{_minutes(row['seconds']):>9}{_mb(row['bytes']):>9}  {row['reason'][:100]}")
    known = [row for row in rows if row["seconds"] is not None]
    if not known:
        return
    total = {key: sum(row[key] for row in rows) for key in ("items", "to_run", "certain")}
    seconds, n_bytes = (sum(row[key] for row in known) for key in ("seconds", "bytes"))
    more = "" if len(known) == len(rows) else "  and what '?' stands for: nothing like it was made here yet"
    head = f"{'in all':<30}{total['items']:>6}{_to_run(total):>8}"
    print(f"{head}{_minutes(seconds):>9}{_mb(n_bytes):>9}{more}")
    if total["certain"] < total["to_run"]:
        print("≤: some of them wait for others, and will be left alone where their input turns out the same")


def _to_run(row: Mapping[str, Any]) -> str:
    return f"{'≤' if row['certain'] < row['to_run'] else ''}{row['to_run']}"


def _minutes(seconds: float | None) -> str:
    """Minutes of one worker."""
    return "?" if seconds is None else f"{seconds / 60:.1f}"


def _mb(n_bytes: int | None) -> str:
    return "?" if n_bytes is None else f"{n_bytes / 1e6:.0f}"
