"""`ave report`: gather what a store knows, and write it as one folder of pages."""

from __future__ import annotations

import json
import platform
from argparse import Namespace
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import pipeline
from pipeline import settings as settings_file
from pipeline.commands.samples import MAP_SIZE, samples
from pipeline.corpus import Corpus
from pipeline.errors import AveError, StoreError, UsageError
from pipeline.evaluate import protocols
from pipeline.evaluate.baselines.opening import opening
from pipeline.evaluate.baselines.still import mep_of
from pipeline.evaluate.results import FOLDER, Result, results
from pipeline.evaluate.score_table import OVERALL
from pipeline.evaluate.truth import Truth, truths
from pipeline.ingest import manifest
from pipeline.recipe.build import Build
from pipeline.recipe.learning import run_names
from pipeline.recipe.stages import POOLED
from pipeline.records import SPLITS
from pipeline.report.pages import ReportData, SoundAudit, Training, write_report
from pipeline.report.pages.data import HUMAN
from pipeline.report.pages.published import FILE
from pipeline.report.pages.published import read as read_published
from pipeline.settings import Settings, default_manifests
from pipeline.store.items import read_record
from pipeline.store.places import inside, is_remote

PAGES = "pages"
MINIATURE = (
    "This is the miniature corpus: pictures, sounds and observers are made by a program. Its numbers show that "
    "everything works and are not to be compared with anybody's."
)
LIBRARIES = ("numpy", "scipy", "pandas", "matplotlib", "jinja2")


def report(arguments: Namespace) -> int:
    """Write the report of a store and print where its first page lies."""
    store = arguments.store
    if is_remote(store):
        raise UsageError(f"{store}: a report is made from a store on a disk.", remedy="Copy scores/ and corpus/ here.")
    if not store.is_dir():
        raise UsageError(f"{store} is not a store yet.", remedy="Make one with `ave build` or `ave demo`.")
    out = Path(arguments.out) if arguments.out else store / PAGES
    data = gather(store, arguments.split, arguments.protocol or "ours")
    for line in data.said:
        print(line)
    print(write_report(out, data))
    return 0


def gather(store: Path, split: str | None, protocol: str) -> ReportData:
    """Everything a store knows that a report shows.

    Parameters
    ----------
    store : Path
    split : str, optional
        "test" where absent. If it has no scores, one that has them is taken, and `said` says so.
    protocol : str

    Raises
    ------
    UsageError
        If there is no such split or protocol.
    """
    asked = split or "test"
    if asked not in SPLITS:
        raise UsageError(f"Unknown split {asked!r}.", remedy=f"Choose one of: {', '.join(SPLITS)}.")
    protocols.get(protocol)
    found, taken, said = _scores(store, asked, protocol)
    found = _in_order(found)
    settings = settings_file.load(store)
    corpus = _corpus(store)
    built = Build(settings, store) if settings else None
    name = run_names(built, POOLED)[0] if built else ""
    maps = _maps_file(built, name, found)
    run = name if maps else next(iter(found), "")
    mep = _eye_positions(list(truths(corpus, "train"))) if corpus else {}
    manifests = _manifests(store, settings)
    if _is_miniature(manifests):
        said = [MINIATURE, *said]
    return ReportData(
        title=f"AVE saliency report: {store.resolve().name}",
        split=taken,
        protocol=protocol,
        results=found,
        said=said,
        stimuli=corpus.stimuli if corpus else pd.DataFrame(),
        rejected=pd.read_parquet(store / "corpus" / "rejected.parquet") if corpus else pd.DataFrame(),
        audit=json.loads((store / "corpus" / "audit.json").read_text(encoding="utf-8")) if corpus else (),
        geometry=_geometry(manifests, corpus),
        published=read_published(default_manifests() / FILE),
        mep=mep,
        opening=opening(truths(corpus)) if corpus else None,
        samples=list(samples(corpus, taken, found, run, maps, mep.get(OVERALL))) if corpus else [],
        training=_training(built, name),
        sound=_sound(built, name),
        settings=_shown(settings),
        provenance=_provenance(store, taken, protocol),
    )


def _scores(store: Path, asked: str, protocol: str) -> tuple[Mapping[str, Result], str, list[str]]:
    """The scores of a split, or else of one that has some; the split, and what there is to say of it."""
    folder = store / FOLDER
    for split in dict.fromkeys((asked, "test", "val", "train")):
        found = results(folder, split, protocol)
        if found:
            said = (
                []
                if split == asked
                else [
                    f"The {asked} split has no scores by protocol {protocol}; this is the {split} split. "
                    f"`ave baselines --split {asked}` and `ave score --split {asked}` make them."
                ]
            )
            return found, split, said
    return {}, asked, [f"No split has scores by protocol {protocol}: `ave baselines` and `ave score` make them."]


def _in_order(found: Mapping[str, Result]) -> dict[str, Result]:
    """Models first, then baselines, the human ceiling last."""
    order = sorted(found, key=lambda run: (run == HUMAN, bool(found[run].about.get("baseline")), run))
    return {run: found[run] for run in order}


def _corpus(store: Path) -> Corpus | None:
    try:
        return Corpus(store)
    except StoreError:
        return None


def _is_miniature(folder: Path) -> bool:
    """Whether a corpus of these manifests is one that `pipeline.mini` makes: its title says so."""
    try:
        licences = manifest.load(folder).licences if folder.is_dir() else {}
    except AveError:
        return False
    return any(licence.title.startswith("Miniature corpus") for licence in licences.values())


def _manifests(store: Path, settings: Settings | None) -> Path:
    return inside(store, settings.manifests) if settings and settings.manifests else default_manifests()


def _geometry(folder: Path, corpus: Corpus | None) -> pd.DataFrame:
    """Screens of the corpora that are here; none where their manifests are gone."""
    try:
        rows = manifest.load(folder).geometry if folder.is_dir() else {}
    except AveError:
        rows = {}
    here = set(corpus.stimuli["corpus"]) if corpus else set(rows)
    return pd.DataFrame([asdict(row) for name, row in rows.items() if name in here])


def _eye_positions(train: list[Truth]) -> dict[str, NDArray[np.float64]]:
    """Mean eye position of all videos, of each category, of each corpus."""
    groups: dict[str, list[Truth]] = defaultdict(list)
    for kind in (lambda _: OVERALL, lambda truth: truth.category, lambda truth: truth.corpus):
        for truth in train:
            if truth.frame.size:
                groups[kind(truth)].append(truth)
    return {name: mep_of(own, MAP_SIZE) for name, own in groups.items()}


def _maps_file(built: Build | None, name: str, found: Mapping[str, Result]) -> Path | None:
    """The predicted maps of the run last trained, if it is among the runs that are shown."""
    if built is None or name not in found:
        return None
    file = built.folder("predict", POOLED).item_folder(name) / "maps.parquet"
    return file if file.is_file() else None


def _training(built: Build | None, name: str) -> Training | None:
    """The run that the settings name, and what the store's other trainings came to."""
    if built is None:
        return None
    folder = built.folder("train", POOLED).item_folder(name)
    record = read_record(folder)
    if record is None or not (folder / "run.json").is_file():
        return None
    others = [
        _run_row(file, json.loads(file.read_text(encoding="utf-8")))
        for file in sorted((built.store / "stages" / "train").glob("*/*/*/run.json"))
        if not file.parent.name.startswith(".")
    ]
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    weights = record.outputs.get("weights.safetensors", (0, ""))[1]
    return Training(name, run, pd.read_csv(folder / "curves.csv"), weights, pd.DataFrame(others))


def _run_row(file: Path, run: Mapping[str, Any]) -> dict[str, Any]:
    best = run.get("best") or {}
    return {
        "variant": file.parents[2].name,
        "run": file.parent.name,
        "steps": run.get("steps_done"),
        "best_step": best.get("step"),
        "val_loss": best.get("val_loss"),
        "val_nss": (best.get("metrics") or {}).get("nss"),
        "parameters": run.get("parameters"),
        "seed": run.get("settings", {}).get("seed"),
    }


def _sound(built: Build | None, name: str) -> SoundAudit | None:
    if built is None:
        return None
    folder = built.folder("audit", POOLED).item_folder(name)
    record = read_record(folder)
    if record is None or not (folder / "audit.csv").is_file():
        return None
    page = (folder / "audit.md").read_text(encoding="utf-8")
    notes = tuple(line[2:] for line in page.splitlines() if line.startswith("* "))
    return SoundAudit(name, str(record.facts["verdict"]), pd.read_csv(folder / "audit.csv"), notes)


def _shown(settings: Settings | None) -> dict[str, Any]:
    """The settings, with folders by their last name: where a store lies is nobody's business."""
    shown = settings.to_json() if settings else {}
    for key in ("raw", "manifests", "train_stills", "speech_commands"):
        if shown.get(key):
            shown[key] = Path(str(shown[key])).name
    return shown


def _provenance(store: Path, split: str, protocol: str) -> dict[str, Any]:
    record = read_record(store / "corpus")
    made = {"corpus, fingerprint": record.fingerprint, "corpus, made with": record.made_with} if record else {}
    return {
        "pipeline": pipeline.__version__,
        "split": split,
        "protocol": protocol,
        **made,
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
    }
