"""What each command of `ave` does; `cli` parses, this acts.

Heavy libraries are imported inside the commands that need them, so that `plan`, `status` and `why` start quickly.
"""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline import settings as settings_file
from pipeline.errors import StoreError, UsageError, did_you_mean
from pipeline.options import given_settings
from pipeline.recipe.build import Build
from pipeline.recipe.stages import Stage, get
from pipeline.recipe.state import StageState
from pipeline.settings import Settings
from pipeline.store import executors
from pipeline.store.items import resolve


def build(arguments: Namespace) -> int:
    """Make what is not there yet."""
    remembered = settings_file.load(arguments.store)
    if remembered is not None:
        kept = ["--partial (--no-partial to fetch)"] if remembered.partial and arguments.partial is None else []
        kept += [f"--only {' '.join(remembered.only)} (--only all)"] if remembered.only and not arguments.only else []
        if kept:
            print(f"remembered from {arguments.store / 'settings.toml'}: {', '.join(kept)}", file=sys.stderr)
    return _run(arguments.store, _asked(arguments), arguments.executor)


def export(arguments: Namespace) -> int:
    """Make shards in the asked formats and lay them out in one folder a format."""
    formats = tuple(dict.fromkeys(arguments.format or ["wds"]))
    asked = _asked(arguments)
    goals = tuple(dict.fromkeys((*asked.goals, "shards")))
    # What is learnt is learnt from the format asked for first: another one beside it must not train anew.
    settings = replace(asked, formats=tuple(dict.fromkeys((*asked.formats, *formats))), goals=goals)
    status = _run(arguments.store, settings, arguments.executor)
    for name in formats:
        out = Path(arguments.out) if arguments.out else arguments.store / "export" / name
        out = out / name if arguments.out and len(formats) > 1 else out
        if not _lay_out(Build(settings, arguments.store), name, out):
            return 1
    return status


def demo(arguments: Namespace) -> int:
    """Make the miniature releases, build them through the very same code, export, train briefly, score."""
    from pipeline import mini
    from pipeline.corpora import names

    store = Path(arguments.store)
    mini.make(store / "mini")
    settings = Settings(
        manifests="mini/manifests",
        accept=tuple(names()),
        goals=settings_file.GOALS,
        formats=("wds",),
    )
    status = _run(store, settings, arguments.executor)
    _lay_out(Build(settings, store), "wds", store / "export" / "wds")
    table = _score_table(Build(settings, store))
    if table is not None:
        print(table.read_text(encoding="utf-8"))
        print(f"contact sheets: {store / 'report'}; data cards: {store / 'cards'}; shards: {store / 'export' / 'wds'}")
        print(f"look around: ave status --store {store}")
    return status


def plan(arguments: Namespace) -> int:
    """Say what a build with these options would run, and why; run nothing."""
    planned = Build(_asked(arguments), arguments.store)
    rows = [_plan_row(planned, stage, corpus) for stage, corpus in planned.targets()]
    return _print_rows(rows, arguments.json, only_to_run=True)


def status(arguments: Namespace) -> int:
    """Say per stage and corpus what is fresh, stale, missing or failed."""
    looked = Build(_remembered(arguments.store), arguments.store)
    rows = [_plan_row(looked, stage, corpus) for stage, corpus in looked.targets()]
    return _print_rows(rows, arguments.json, only_to_run=False)


def why(arguments: Namespace) -> int:
    """Say which of version, parameter or input made an item run, or would."""
    looked = Build(_remembered(arguments.store), arguments.store)
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


def verify(arguments: Namespace) -> int:
    """Hash every published file again; what differs is removed from the records, so the next build makes it anew."""
    from pipeline.store.verify import verify_store

    looked = Build(_remembered(arguments.store), arguments.store)
    folders = [(f"{stage.name} {corpus}", looked.folder(stage.name, corpus)) for stage, corpus in looked.targets()]
    damaged, n_files = verify_store(folders)
    if arguments.json:
        print(json.dumps({"files": n_files, "damaged": damaged}, ensure_ascii=False))
    else:
        for line in damaged:
            print(line)
        print(f"{n_files} files hashed, {len(damaged)} damaged" + ("; `ave build` mends them" if damaged else ""))
    return 1 if damaged else 0


def doctor(arguments: Namespace) -> int:
    """Say what is here, what is missing, and the command that gets it."""
    from pipeline.doctor import examine

    findings = examine(arguments.store)
    if arguments.json:
        print(json.dumps([vars(finding) for finding in findings], ensure_ascii=False, indent=1))
    else:
        for finding in findings:
            print(finding.line())
    return 0 if all(finding.ok for finding in findings if finding.needed) else 1


def _run(store: Path, settings: Settings, executor: str) -> int:
    """Build through Luigi and report; the recipes are found by name because nothing here imports `tasks`."""
    from pipeline.summary import corpus_line, failure_table

    executors.make(executor)  # a wrong word is wrong usage, also where there is nothing to run
    asked = Build(settings, store)
    if not asked.raw.is_dir() and (asked.raw.exists() or settings.partial):
        raise UsageError(f"{asked.raw} is not a folder.", remedy="Name the one that holds the releases: --raw DIR.")
    if settings == settings_file.load(store) and not _left(asked):
        print(f"nothing to run; {corpus_line(store)}")  # no lock, no Luigi, no worker
        return _conclude(asked)
    session = resolve("tasks.ave:run")(store, settings, executor)
    failures = session.failures()
    print(corpus_line(store))
    built = Build(settings, store)
    if failures:
        print(failure_table(failures), file=sys.stderr)
    if session.stopped is not None:
        raise session.stopped
    left = _left(built)
    if left and not failures:
        message = f"The build ended before {', '.join(left)}."
        raise StoreError(message, remedy=f"See {store / 'logs'}.", code="unfinished")
    return _conclude(built) or int(bool(failures))


def _conclude(built: Build) -> int:
    """Say what is not in the corpus although it was asked for; 1 when that is everything."""
    if shortfall := _shortfall(built):
        print(shortfall)
    if not built.publishes_nothing():
        return 0
    remedy = f"Look at {built.raw}: with --partial a build only goes by what lies there."
    print(f"ave: {built.store}: nothing of what was asked for is published. {remedy}", file=sys.stderr)
    return 1


def _shortfall(built: Build) -> str:
    """How many of the stimuli that were asked for are not published, and why; empty when all are."""
    asked = [entry for corpus in built.corpora for entry in built.entries(corpus)]
    why: Counter[str] = Counter()
    for entry in asked:
        record = built.fresh("curate", entry.corpus, entry.name)
        if record is None:
            why["missing or failed"] += 1
        elif not record.facts["admitted"]:
            why[f"refused ({record.facts['reason']})"] += 1
    counts = ", ".join(f"{count} {reason}" for reason, count in sorted(why.items()))
    cards = built.store / "cards" / "card.md"
    return f"{why.total()} of {len(asked)} stimuli asked for are not in it: {counts}; see {cards}" if why else ""


def _left(looked: Build) -> list[str]:
    """Every "stage corpus" that a build would still run something of."""
    targets = [(stage.name, corpus) for stage, corpus in looked.targets()]
    return [" ".join(target) for target in targets if looked.state(*target).n_to_run]


def _asked(arguments: Namespace) -> Settings:
    """The store's remembered settings with every option replaced that was given."""
    remembered = settings_file.load(arguments.store) or Settings()
    return remembered.with_given(given_settings(vars(arguments)))


def _remembered(store: Path) -> Settings:
    settings = settings_file.load(store)
    if settings is None:
        remedy = "Make one with `ave build` or `ave demo`, or name it: --store DIR."
        raise UsageError(f"{store} is not a store yet.", remedy=remedy)
    return settings


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


def _lay_out(built: Build, shard_format: str, out: Path) -> bool:
    """Put a format's shards of every corpus into one folder with one index, and say so; False where there are none."""
    from pipeline.export.shards import materialise

    items = {}
    for corpus in built.corpora:
        for item in built.state("shards", corpus).fresh:
            split, _, written_as = item.partition(".")
            if written_as == shard_format:
                items[corpus, split] = built.folder("shards", corpus).item_folder(item)
    if not items:
        print(f"{shard_format}: nothing to export")
        return False
    summary = materialise(items, out)
    print(f"{out}: {summary['samples']} samples in {summary['shards']} shards, {summary['bytes'] / 1e6:.1f} MB")
    return True


def _score_table(finished: Build) -> Path | None:
    state = finished.state("score", "all")
    for name in state.fresh:
        return finished.folder("score", "all").item_folder(name) / "table.md"
    return None
