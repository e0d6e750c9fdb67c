"""What the pooled outputs are made from: the published tables, the cards, the shards, the first learning stage.

The conventions are those of `wiring`.
"""

from __future__ import annotations

import math
from dataclasses import asdict

from pipeline import corpora
from pipeline.errors import AveError, ExportError
from pipeline.recipe.stages import POOLED
from pipeline.recipe.view import View
from pipeline.recipe.wanted import Items, Waiting, Wanted
from pipeline.recipe.wiring import artifacts_in_play
from pipeline.records import SPLITS, Rejection, StimulusEntry

_PUBLISHED = {
    "stimulus": ("curate", "stimulus.json"),
    "fixations": ("curate", "fixations.parquet"),
    "timeline": ("curate", "timeline.json"),
    "frames": ("frames", "frames.arrow"),
    "logmel": ("logmel", "logmel.parquet"),
    "steps": ("logmel", "steps.npy"),
    "density": ("density", "density.npy"),
}


def publish_items(view: View, _corpus: str) -> Items:
    """The one published corpus: everything in this store that is admitted and complete, of every corpus."""
    for stage in ("logmel", "density"):
        for corpus in view.corpora:
            if view.unsettled(stage, corpus):
                return {"corpus": Waiting(f"{stage} of {corpus}")}
    complete, curated, missing, refused = [], [], [], {}
    for entry in view.all_entries():
        record = view.present("curate", entry)
        if record is None:
            continue
        curated.append(entry)
        if not record.facts.get("admitted"):
            refused[entry.stimulus] = str(record.facts.get("reason", ""))
        elif all(view.present(stage, entry) for stage in ("frames", "logmel", "density")):
            complete.append(entry)
    for corpus in view.corpora:
        missing += [asdict(rejection) for rejection in missing_rejections(view, corpus)]
    wanted = Wanted()
    for key, (stage, output) in _PUBLISHED.items():
        wanted.file_each(key, {entry.stimulus: view.present_output(stage, entry, output) for entry in complete})
    for key in ("rejected", "audit"):
        found = {entry.stimulus: view.present_output("curate", entry, f"{key}.json") for entry in curated}
        wanted.file_each(key, found)
    manifest = view.manifest
    wanted.value("published", [asdict(row) for row in manifest.published])
    wanted.value("entries", [asdict(entry) for entry in view.all_entries()])
    wanted.value("diem_videos", [asdict(video) for video in manifest.diem_videos.values()])
    missing += [asdict(rejection) for rejection in _left_out(view)]
    wanted.value("missing", sorted(missing, key=lambda row: (row["level"], row["subject"], row["reason"])))
    wanted.value("refused", refused)
    wanted.value("video_digests", {entry.stimulus: view.video_digest(entry) for entry in complete})
    return {"corpus": wanted}


def _left_out(view: View) -> list[Rejection]:
    """Rows for what the lists hold and the settings take out of the corpus."""
    asked = set(view.all_entries())
    detail = "--official-150: in the AVE lists, in no published sheet"
    gone = [entry.stimulus for entry in view.manifest.stimuli if entry not in asked]
    return [Rejection("stimulus", stimulus, "not-in-sheet", 1, detail) for stimulus in gone]


_SHOWN_SETTINGS = (
    *("sigma_dva", "density_height", "density_width", "frame_height", "frame_width", "jpeg_quality"),
    *("mel_bands", "anchor", "official_150", "max_sound_difference_s", "silence_dbfs", "tolerance"),
)


def card_items(view: View, _corpus: str) -> Items:
    """The data cards: from the published tables and the manifests."""
    if view.fresh("publish", POOLED, "corpus") is None:
        return {"cards": view.waiting("publish", POOLED, "corpus")}
    wanted = Wanted()
    for key, output in (("stimuli", "stimuli.parquet"), ("rejected", "rejected.parquet"), ("audit", "audit.json")):
        wanted.file(key, view.output("publish", POOLED, "corpus", output))
    settings = view.settings.to_json()
    wanted.value("settings", {name: settings[name] for name in _SHOWN_SETTINGS})
    wanted.value("licences", {name: asdict(row) for name, row in view.manifest.licences.items()})
    wanted.value("geometry", {name: asdict(row) for name, row in view.manifest.geometry.items()})
    missing = [asdict(row) for corpus in view.corpora for row in missing_rejections(view, corpus)]
    wanted.value("missing", sorted(missing, key=lambda row: (row["level"], row["subject"], row["reason"])))
    return {"cards": wanted}


_SHARDED = {key: _PUBLISHED[key] for key in ("stimulus", "fixations", "frames", "steps", "density", "timeline")}


def shards_items(view: View, corpus: str) -> Items:
    """One item a split and format, named `train.wds`; refused while more items failed than are tolerated."""
    items: Items = {}
    gone, total = view.failed_share(corpus)
    for split in SPLITS:
        entries = [entry for entry in view.entries(corpus) if entry.split == split]
        if not entries:
            continue
        wired: Wanted | Waiting | AveError | None = _shards_of_split(view, corpus, split, entries)
        if isinstance(wired, Wanted) and gone > view.settings.tolerance * total:
            wired = ExportError(
                f"{corpus}: {gone} of {total} stimuli failed, so its shards would be incomplete.",
                remedy=f"Mend them and build again, or allow it: --tolerance {math.ceil(1000 * gone / total) / 1000}.",
                code="incomplete",
            )
        for name in view.settings.formats:
            if isinstance(wired, Wanted):
                params = {"format": name}
                items[f"{split}.{name}"] = Wanted(wired.inputs, wired.files, wired.values, params)
            elif wired is not None:
                items[f"{split}.{name}"] = wired
    return items


def _shards_of_split(view: View, corpus: str, split: str, entries: list[StimulusEntry]) -> Wanted | Waiting | None:
    complete = []
    for entry in entries:
        record = view.fresh("curate", corpus, entry.name)
        if record is not None and not record.facts.get("admitted"):
            continue
        if not view.in_play(corpus, entry.name):
            continue
        for stage in ("curate", "frames", "logmel", "density"):
            if view.fresh(stage, corpus, entry.name) is None:
                waiting = view.waiting(stage, corpus, entry.name)
                if not waiting.failed:
                    return waiting
                break
        else:
            complete.append(entry)
    if not complete:
        return None
    wanted = Wanted()
    for key, (stage, output) in _SHARDED.items():
        found = {entry.stimulus: view.output(stage, corpus, entry.name, output) for entry in complete}
        wanted.file_each(key, found)
    settings = view.settings.to_json()
    wanted.value("licence", asdict(view.manifest.licences[corpus]))
    wanted.value("settings", {name: settings[name] for name in ("sigma_dva", "anchor", "mel_bands", "jpeg_quality")})
    wanted.value("split", split)
    return wanted


def _indexes(view: View, wanted: Wanted, splits: tuple[str, ...]) -> Waiting | None:
    """Add the index of every shards item of these splits to `wanted`, or say what must be waited for."""
    found = {}
    for corpus in view.corpora:
        state = view.state("shards", corpus)
        for split in splits:
            name = f"{split}.{view.settings.formats[0]}"
            if name not in {*state.wanted, *state.waiting, *state.broken}:
                continue
            if view.fresh("shards", corpus, name) is None:
                return view.waiting("shards", corpus, name)
            found[f"{corpus}/{split}"] = view.output("shards", corpus, name, "index.json")
    wanted.file_each("shards", found)
    return None


def _run_name(view: View) -> str:
    return f"{view.settings.model}-{view.settings.modality}"


def train_items(view: View, _corpus: str) -> Items:
    """One item a run: the train shards, and the val shards that choose among its states; never test."""
    wanted = Wanted()
    return {_run_name(view): _indexes(view, wanted, ("train", "val")) or wanted}


def predict_items(view: View, _corpus: str) -> Items:
    """One item a run: the validation shards and the trained weights."""
    name, wanted = _run_name(view), Wanted()
    waiting = _indexes(view, wanted, ("val",))
    if waiting is None and view.fresh("train", POOLED, name) is None:
        waiting = view.waiting("train", POOLED, name)
    if waiting is None:
        wanted.file("weights", view.output("train", POOLED, name, "weights.safetensors"))
        wanted.file("run", view.output("train", POOLED, name, "run.json"))
    return {name: waiting or wanted}


def score_items(view: View, _corpus: str) -> Items:
    """One item a run: its maps, the val shards that hold the truth, and the train shards that give the baselines."""
    name, wanted = _run_name(view), Wanted()
    waiting = _indexes(view, wanted, ("train", "val"))
    if waiting is None and view.fresh("predict", POOLED, name) is None:
        waiting = view.waiting("predict", POOLED, name)
    if waiting is None:
        wanted.file("maps", view.output("predict", POOLED, name, "maps.parquet"))
    return {name: waiting or wanted}


def report_items(view: View, _corpus: str) -> Items:
    """The contact sheets: from the published corpus."""
    published = view.fresh("publish", POOLED, "corpus")
    if published is None:
        return {"contact_sheets": view.waiting("publish", POOLED, "corpus")}
    wanted = Wanted()
    wanted.file("stimuli", view.output("publish", POOLED, "corpus", "stimuli.parquet"))
    wanted.inputs["corpus"] = published.fingerprint
    wanted.value("store", str(view.store), hashed=False)
    return {"contact_sheets": wanted}


def missing_rejections(view: View, corpus: str) -> list[Rejection]:
    """Rows for what a build goes without: artifacts not in RAW, stimuli without media, items that failed.

    Every stimulus that was asked for and is lost this way has a row of its own.
    """
    rows = []
    for artifact in artifacts_in_play(view, corpus)[1]:
        wanted = " or ".join((*artifact.packed, *([f"{artifact.folder}/"] if artifact.folder else [])))
        rows.append(Rejection("source", f"{corpus}/{artifact.name}", "not-in-raw", 1, f"RAW/{corpus}/{wanted}"))
    for name, error in view.media_missing(corpus).items():
        rows.append(Rejection("stimulus", f"{corpus}/{name}", error.code, 1, error.message))
    for failure in view.settled_failures(corpus):
        level = "source" if failure.stage in ("fetch", "unpack") else "stimulus"
        rows.append(Rejection(level, failure.item, f"failed-{failure.code}", 1, failure.message))
    lost = {row.subject for row in rows}
    for entry in view.entries(corpus):
        needed = [f"{corpus}/{artifact}" for artifact in corpora.get(corpus).artifacts_of(entry.name)]
        gone = " and ".join(artifact for artifact in needed if artifact in lost)
        if gone and entry.stimulus not in lost:
            rows.append(Rejection("stimulus", entry.stimulus, "source-missing", 1, f"needs {gone}"))
    return list(dict.fromkeys(rows))  # what several stages failed with alike is said once
