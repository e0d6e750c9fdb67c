"""`ave build`, `ave export`, `ave demo`: make what is not there yet, and say what came of it."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections import Counter
from dataclasses import replace
from pathlib import Path

from pipeline import settings as settings_file
from pipeline.commands.asked import asked_settings
from pipeline.errors import StoreError, UsageError
from pipeline.recipe.build import Build
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
    return _run(arguments.store, asked_settings(arguments), arguments.executor)


def export(arguments: Namespace) -> int:
    """Make shards in the asked formats and lay them out in one folder a format."""
    formats = tuple(dict.fromkeys(arguments.format or ["wds"]))
    asked = asked_settings(arguments)
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


def _run(store: Path, settings: Settings, executor: str) -> int:
    """Build through Luigi and report; the recipes are found by name because nothing here imports `tasks`."""
    from pipeline.summary import corpus_line, failure_table

    executors.make(executor)  # a wrong word is wrong usage, also where there is nothing to run
    asked = Build(settings, store)
    if not asked.raw.is_dir() and (asked.raw.exists() or settings.partial):
        raise UsageError(f"{asked.raw} is not a folder.", remedy="Name the one that holds the releases: --raw DIR.")
    if settings == settings_file.load(store) and not left_to_run(asked):
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
    left = left_to_run(built)
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


def left_to_run(looked: Build) -> list[str]:
    """Every "stage corpus" that a build would still run something of."""
    targets = [(stage.name, corpus) for stage, corpus in looked.targets()]
    return [" ".join(target) for target in targets if looked.state(*target).n_to_run]


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
