"""`ave build`, `ave export`, `ave demo`: make what is not there yet, and say what came of it."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from pipeline import settings as settings_file
from pipeline.commands.asked import asked_settings, remembered_settings
from pipeline.commands.profiling import profiled
from pipeline.errors import StoreError, UsageError
from pipeline.recipe.build import Build
from pipeline.recipe.part import Part
from pipeline.recipe.versions import in_words, renewable
from pipeline.settings import Settings
from pipeline.store import executors
from pipeline.store.items import resolve
from pipeline.store.places import cache_folder, is_remote


def build(arguments: Namespace) -> int:
    """Make what is not there yet."""
    remembered = settings_file.load(arguments.store)
    if remembered is not None:
        kept = ["--partial (--no-partial to fetch)"] if remembered.partial and arguments.partial is None else []
        kept += [f"--only {' '.join(remembered.only)} (--only all)"] if remembered.only and not arguments.only else []
        if kept:
            print(f"remembered from {arguments.store / 'settings.toml'}: {', '.join(kept)}", file=sys.stderr)
    part = Part.parse(arguments.shard) if arguments.shard else None
    with profiled(arguments):
        return make(arguments.store, asked_settings(arguments), arguments.executor, part, renewable(arguments.renew))


def export(arguments: Namespace) -> int:
    """Make shards in the asked formats and lay them out in one folder a format."""
    if is_remote(arguments.store) and not arguments.out:
        raise UsageError(f"{arguments.store}: shards are laid out on this machine.", remedy="Say where: --out DIR.")
    formats = tuple(dict.fromkeys(arguments.format or ["wds"]))
    asked = asked_settings(arguments)
    if asked == Settings() and not (is_remote(arguments.store) or arguments.store.exists()):
        remembered_settings(arguments.store)  # nothing was said of what to build: a mistyped name, which it refuses
    goals = tuple(dict.fromkeys((*asked.goals, "shards")))
    # What is learnt is learnt from the format asked for first: another one beside it must not train anew.
    settings = replace(asked, formats=tuple(dict.fromkeys((*asked.formats, *formats))), goals=goals)
    with profiled(arguments):
        status = make(arguments.store, settings, arguments.executor, renew=renewable(arguments.renew))
    for name in formats:
        out = Path(arguments.out or arguments.store / "export" / name)
        out = out / name if arguments.out and len(formats) > 1 else out
        built = Build(settings, arguments.store)
        built.recall_failures()
        if not _lay_out(built, name, out):
            return 1
    return status


def demo(arguments: Namespace) -> int:
    """Make the miniature releases, build them through the very same code, export, train briefly, score."""
    from pipeline import mini

    if arguments.learn:
        from pipeline.commands.learning import learn

        return learn(arguments)
    store: Path = arguments.store
    home = cache_folder() / "demo" if is_remote(store) else store  # raw releases are never on S3
    made = mini.make(home / "mini")
    settings = Settings(
        raw=str(home.absolute() / "raw") if is_remote(store) else "raw",
        manifests=str(made.manifests.absolute()) if is_remote(store) else "mini/manifests",
        accept=made.corpora,
        goals=tuple(goal for goal in settings_file.GOALS if goal != "audit"),  # ten predictions: `ave audit` makes it
        formats=("wds",),
        **settings_file.QUICK_TRAINING,
        predict_split="test",  # its weights are chosen on val, and so scores there would flatter
        audit_split="test",
    )
    status = make(store, settings, arguments.executor)
    shards = home / "export" / "wds"
    _lay_out(Build(settings, store), "wds", shards)
    table = _score_table(Build(settings, store))
    if table is not None:
        print(table.read_text(encoding="utf-8"))
        print(f"contact sheets: {store / 'report'}; data cards: {store / 'cards'}; shards: {shards}")
        print(f"look around: ave status --store {store}; does it use the sound? ave audit --store {store}")
        _show(store, settings)
    return status


def _show(store: Path, settings: Settings) -> None:
    """Write the report and say what to open; a store on S3 has none."""
    if is_remote(store):
        return
    from pipeline.commands.showing import show
    from pipeline.corpus import Corpus

    index = show(store, settings)
    if index is not None:
        first = next(s.stimulus for s in Corpus(store) if s.split == settings.predict_split)
        print(f"one video with its gaze and sound: ave inspect {first} --store {store}")
        print(f"open the report: {index}")


def make(
    store: Path,
    settings: Settings,
    executor: str,
    part: Part | None = None,
    renew: frozenset[str] = frozenset(),
) -> int:
    """Build through Luigi and report; the recipes are found by name because nothing here imports `tasks`."""
    from pipeline.summary import failure_table

    executors.make(executor, store, settings)  # a wrong word is wrong usage, also where there is nothing to run
    asked = Build(settings, store, part)
    asked.renew = renew
    if not asked.raw.is_dir() and (asked.raw.exists() or settings.partial):
        raise UsageError(f"{asked.raw} is not a folder.", remedy="Name the one that holds the releases: --raw DIR.")
    if settings == settings_file.load(store) and not left_to_run(asked):
        asked.seal()
        print(f"nothing to run; {_what_is_there(asked)}")  # no lock, no Luigi, no worker
        return _conclude(asked)
    session = resolve("tasks.ave:run")(store, settings, executor, part=part, renew=renew)
    failures = session.failures()
    built = Build(settings, store, part)
    print(_what_is_there(built))
    if failures:
        print(failure_table(failures), file=sys.stderr)
    if session.stopped is not None:
        raise session.stopped
    left = left_to_run(session.build)  # as it saw the store: another build may have made more of its own since
    if left and not failures:
        message = f"The build ended before {', '.join(left)}."
        raise StoreError(message, remedy=f"See {store / 'logs'}.", code="unfinished")
    return _conclude(built) or int(bool(failures))


def _what_is_there(built: Build) -> str:
    """One line about the published corpus; about its own stimuli where this is a part of a build."""
    from pipeline.summary import corpus_line

    if built.part is None:
        return corpus_line(built.store)
    entries = [entry for corpus in built.corpora for entry in built.entries(corpus)]
    curated = sum(built.fresh("curate", entry.corpus, entry.name) is not None for entry in entries)
    then = f"when every part has ended, `ave build --store {built.store}` collects them"
    return f"part {built.part}: {curated} of {len(entries)} stimuli; {then}"


def _conclude(built: Build) -> int:
    """Say what was asked for and is not in the corpus, and what other versions made; 1 when nothing is there."""
    if built.part is not None:
        return 0
    if shortfall := _shortfall(built):
        print(shortfall)
    if differs := in_words(built):
        print(differs, file=sys.stderr)
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
    from pipeline.export.provenance import remember
    from pipeline.export.shards import materialise
    from pipeline.recipe.lineage import provenance_of

    items, names = {}, {}
    for corpus in built.corpora:
        for item in built.state("shards", corpus).fresh:
            split, _, written_as = item.partition(".")
            if written_as == shard_format:
                items[corpus, split] = built.folder("shards", corpus).item_folder(item)
                names[corpus, split] = item
    if not items:
        print(f"{shard_format}: nothing to export")
        return False
    remember(built.store, out)  # before its first file: what a kill leaves there marks what it was made from, too
    with _at_hand(built, items) as folders:
        summary = materialise(folders, out, provenance_of(built, names))
    print(f"{out}: {summary['samples']} samples in {summary['shards']} shards, {summary['bytes'] / 1e6:.1f} MB")
    return True


@contextmanager
def _at_hand(built: Build, items: dict[tuple[str, str], Path]) -> Iterator[dict[tuple[str, str], Path]]:
    """Folders of shards items on this machine's disk: those of a store on S3 are fetched."""
    from pipeline.store.nearby import borrowed

    if not is_remote(built.store):
        yield items
        return
    outputs = {key: built.outputs("shards", key[0], folder.name) for key, folder in items.items()}
    with borrowed({path: sha for found in outputs.values() for path, sha in found}) as copies:
        yield {key: copies[items[key] / "index.json"].parent for key in items}


def _score_table(finished: Build) -> Path | None:
    state = finished.state("score", "all")
    for name in state.fresh:
        return finished.folder("score", "all").item_folder(name) / "table.md"
    return None
