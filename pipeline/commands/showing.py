"""How `ave demo` ends: what it trained is scored beside the baselines, and put on the pages of a report.

Conventions
-----------
What was scored and written before stays as long as it would come out the same: each score table says what it was made
from, and the pages hold a file that says from which tables, training and settings they were made.
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pipeline
from pipeline.commands.baselines import score_baselines
from pipeline.commands.reporting import PAGES, gather
from pipeline.commands.scored import HUMAN
from pipeline.commands.scoring import score_maps
from pipeline.evaluate.baselines import registry
from pipeline.evaluate.results import FOLDER, results
from pipeline.recipe.build import Build
from pipeline.recipe.learning import run_names
from pipeline.recipe.stages import POOLED, STAGES
from pipeline.report.pages import write_report
from pipeline.report.pages.write import INDEX
from pipeline.settings import Settings
from pipeline.store.fingerprint import digest, sha256_of
from pipeline.store.items import read_record

MADE_FROM = ".made-from"


def show(store: Path, settings: Settings) -> Path | None:
    """Score what was predicted beside the baselines, on the same frames, and write the pages.

    Parameters
    ----------
    store : Path
        On a disk, as `ave build` left it.
    settings : Settings
        Those it was built with.

    Returns
    -------
    index : Path or None
        STORE/pages/index.html; None where no maps were predicted.
    """
    built = Build(settings, store)
    (run,) = run_names(built, POOLED)
    if built.fresh("predict", POOLED, run) is None:
        return None
    origin = _origin(built, run)
    if not _is_scored(store, settings, run, origin):
        _score(store, settings, origin)
    heard = read_record(built.folder("audit", POOLED).item_folder(run))  # what `ave audit` found, where it was asked
    shown = {"scores": _digests(store), "origin": origin, "audit": heard.fingerprint if heard else ""}
    mark = digest(shown | {"settings": settings.to_json()})
    pages = store / PAGES
    if (pages / MADE_FROM).is_file() and (pages / MADE_FROM).read_text(encoding="utf-8") == mark:
        return pages / INDEX
    index = write_report(pages, gather(store, settings.predict_split, settings.score_protocols[0]))
    (pages / MADE_FROM).write_text(mark, encoding="utf-8")
    return index


def _origin(built: Build, run: str) -> str:
    """One word for everything that the scores depend on: maps, corpus, and how they are scored."""
    folders = (built.folder("predict", POOLED).item_folder(run), built.store / "corpus")
    records = [record.fingerprint for record in map(read_record, folders) if record is not None]
    return digest([pipeline.__version__, STAGES["score"].version, *records])


def _is_scored(store: Path, settings: Settings, run: str, origin: str) -> bool:
    found = results(store / FOLDER, settings.predict_split, settings.score_protocols[0])
    return all(name in found and found[name].about.get("origin") == origin for name in (run, *registry.names(), HUMAN))


def _score(store: Path, settings: Settings, origin: str) -> None:
    """In this process: for a few hundred frames, workers would take longer to start than to score."""
    asked = Namespace(
        store=store,
        split=settings.predict_split,
        protocol=list(settings.score_protocols),
        metric=None,
        seed=0,
        executor="serial",
        maps=None,
        run=None,
        first_frame=None,
        annotations=None,
        names=None,
        every=settings.predict_every,
        ceiling=False,
    )
    score_maps(asked, origin=origin)
    score_baselines(asked, origin=origin)


def _digests(store: Path) -> dict[str, str]:
    return {file.name: sha256_of(file) for file in sorted((store / FOLDER).glob("*.parquet"))}
