"""What the pooled outputs are made from: the published tables, the cards, the shards, the contact sheets.

The conventions are those of `wiring`.
"""

from __future__ import annotations

import math
from typing import Any

from pipeline.errors import ExportError
from pipeline.recipe.stages import POOLED
from pipeline.recipe.view import View
from pipeline.recipe.wanted import Item, Waiting, Wanted
from pipeline.records import SPLITS, Rejection
from pipeline.store.fingerprint import digest
from pipeline.store.items import ItemSummary

_PUBLISHED = {
    "stimulus": ("curate", "stimulus.json"),
    "fixations": ("curate", "fixations.parquet"),
    "timeline": ("curate", "timeline.json"),
    "frames": ("frames", "frames.arrow"),
    "logmel": ("logmel", "logmel.parquet"),
    "steps": ("logmel", "steps.npy"),
    "density": ("density", "density.npy"),
}
_TOLD = {"rejected": ("curate", "rejected.json"), "audit": ("curate", "audit.json")}  # also of what is not published


def publish_names(_view: View, _corpus: str) -> list[str]:
    """The published corpus is one item."""
    return ["corpus"]


def publish_item(view: View, _corpus: str, _name: str) -> Item:
    """The one published corpus: everything in this store that is admitted and complete, of every corpus."""
    for stage in ("logmel", "density"):
        for corpus in view.corpora:
            if view.unsettled(stage, corpus):
                return Waiting(f"{stage} of {corpus}")
    wanted, refused, digests = Wanted(linked=("timeline", "frames", "logmel", "steps", "density")), {}, {}
    digests_of: dict[str, dict[str, str]] = {key: {} for key in (*_PUBLISHED, *_TOLD)}
    for entry in view.all_entries():
        stimulus, found = entry.stimulus, {"curate": view.present("curate", entry)}
        if found["curate"] is None:
            continue
        files = dict(_TOLD)
        if not found["curate"].facts.get("admitted"):
            refused[stimulus] = str(found["curate"].facts.get("reason", ""))
        else:
            found |= {stage: view.present(stage, entry) for stage in ("frames", "logmel", "density")}
            if all(found.values()):
                files |= _PUBLISHED
                digests[stimulus] = view.video_digest(entry)
        for key, (stage, output) in files.items():
            digests_of[key][stimulus] = _digest(found[stage], output)
    for key, (stage, output) in (_PUBLISHED | _TOLD).items():
        wanted.file_each(key, view.each_file(stage, output, digests_of[key]))
    manifest = view.manifest
    missing = [row for corpus in view.corpora for row in missing_rejections(view, corpus)] + _left_out(view)
    wanted.value("published", [vars(row) for row in manifest.published])
    wanted.value("entries", [vars(entry) for entry in view.all_entries()])
    wanted.value("diem_videos", [vars(video) for video in manifest.diem_videos.values()])
    wanted.value("missing", _sorted(missing))
    wanted.value("refused", refused)
    wanted.value("video_digests", digests)
    return wanted


def _digest(made: ItemSummary | None, output: str) -> str:
    assert made is not None
    return made.outputs[output][1]


def _sorted(rejections: list[Rejection]) -> list[dict[str, Any]]:
    return [vars(row) for row in sorted(rejections, key=lambda row: (row.level, row.subject, row.reason))]


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
_DESCRIBED = ("stimuli.parquet", "rejected.parquet", "audit.json", "fixations/", "logmel/")


def card_names(_view: View, _corpus: str) -> list[str]:
    """All cards are one item."""
    return ["cards"]


def card_item(view: View, _corpus: str, _name: str) -> Item:
    """The data cards: from the published tables and the manifests."""
    published = view.fresh("publish", POOLED, "corpus")
    if published is None:
        return view.waiting("publish", POOLED, "corpus")
    wanted = Wanted()
    for key, output in (("stimuli", "stimuli.parquet"), ("rejected", "rejected.parquet"), ("audit", "audit.json")):
        wanted.file(key, view.output("publish", POOLED, "corpus", output))
    described = {path: found for path, found in published.outputs.items() if path.startswith(_DESCRIBED)}
    wanted.value("files", described, hashed=False)
    wanted.inputs["files"] = digest(described)  # a line for each of thousands of files is too long for a record
    settings = view.settings.to_json()
    wanted.value("settings", {name: settings[name] for name in _SHOWN_SETTINGS})
    wanted.value("licences", {name: vars(row) for name, row in view.manifest.licences.items()})
    wanted.value("geometry", {name: vars(row) for name, row in view.manifest.geometry.items()})
    wanted.value("missing", _sorted([row for corpus in view.corpora for row in missing_rejections(view, corpus)]))
    return wanted


_SHARDED = {key: _PUBLISHED[key] for key in ("stimulus", "fixations", "frames", "steps", "density", "timeline")}
_SHARDED_SOUND = {"waveform": ("waveform", "waveform.npy")}  # where it is asked for


_COPIED_SETTINGS = ("sigma_dva", "anchor", "mel_bands", "jpeg_quality", "waveform_rate_hz")


def shards_names(view: View, corpus: str) -> list[str]:
    """One item a split and format, named `train.wds`."""
    splits = {entry.split for entry in view.entries(corpus)}
    return [f"{split}.{name}" for split in SPLITS if split in splits for name in view.settings.formats]


def shards_item(view: View, corpus: str, name: str) -> Item:
    """One split in one format; refused while more items failed than are tolerated."""
    split, _, written_as = name.partition(".")
    wired = _shards_of_split(view, corpus, split)
    if not isinstance(wired, Wanted):
        return wired
    gone, total = view.failed_share(corpus)
    if gone > view.settings.tolerance * total:
        return ExportError(
            f"{corpus}: {gone} of {total} stimuli failed, so its shards would be incomplete.",
            remedy=f"Mend them and build again, or allow it: --tolerance {math.ceil(1000 * gone / total) / 1000}.",
            code="incomplete",
        )
    wired.params["format"] = written_as
    return wired


def _shards_of_split(view: View, corpus: str, split: str) -> Wanted | Waiting | None:
    sharded = _SHARDED | (_SHARDED_SOUND if view.settings.waveform_rate_hz else {})
    stages = dict.fromkeys(["curate", *(stage for stage, _ in sharded.values())])
    digests: dict[str, dict[str, str]] = {key: {} for key in sharded}
    for entry in view.entries(corpus):
        if entry.split != split or not view.in_play(corpus, entry.name):
            continue
        found = {stage: view.fresh(stage, corpus, entry.name) for stage in stages}
        curated = found["curate"]
        if curated is not None and not curated.facts.get("admitted"):
            continue
        absent = next((stage for stage, record in found.items() if record is None), None)
        if absent is not None:
            waiting = view.waiting(absent, corpus, entry.name)
            if not waiting.failed:
                return waiting
            continue
        for key, (stage, output) in sharded.items():
            digests[key][entry.stimulus] = _digest(found[stage], output)
    if not digests["stimulus"]:
        return None
    wanted = Wanted()
    for key, (stage, output) in sharded.items():
        wanted.file_each(key, view.each_file(stage, output, digests[key]))
    settings = view.settings.to_json()
    wanted.value("licence", vars(view.manifest.licences[corpus]))
    wanted.value("settings", {name: settings[name] for name in _COPIED_SETTINGS})
    wanted.value("split", split)
    return wanted


def report_names(_view: View, _corpus: str) -> list[str]:
    """All contact sheets are one item."""
    return ["contact_sheets"]


def report_item(view: View, _corpus: str, _name: str) -> Item:
    """The contact sheets: from the published corpus."""
    published = view.fresh("publish", POOLED, "corpus")
    if published is None:
        return view.waiting("publish", POOLED, "corpus")
    wanted = Wanted()
    wanted.file("stimuli", view.output("publish", POOLED, "corpus", "stimuli.parquet"))
    wanted.inputs["corpus"] = published.fingerprint
    wanted.value("store", str(view.store), hashed=False)
    return wanted


def missing_rejections(view: View, corpus: str) -> list[Rejection]:
    """Rows for what a build goes without: artifacts not in RAW, stimuli without media, items that failed.

    Every stimulus that was asked for and is lost this way has a row of its own.
    """
    rows = []
    for artifact in view.artifacts(corpus)[1]:
        wanted = " or ".join((*artifact.packed, *([f"{artifact.folder}/"] if artifact.folder else [])))
        rows.append(Rejection("source", f"{corpus}/{artifact.name}", "not-in-raw", 1, f"RAW/{corpus}/{wanted}"))
    for name, error in view.media_missing(corpus).items():
        rows.append(Rejection("stimulus", f"{corpus}/{name}", error.code, 1, error.message))
    for failure in view.settled_failures(corpus):
        level = "source" if failure.stage in ("fetch", "unpack") else "stimulus"
        rows.append(Rejection(level, failure.item, f"failed-{failure.code}", 1, failure.message))
    lost = {row.subject for row in rows}
    for entry in view.entries(corpus):
        needed = [f"{corpus}/{artifact}" for artifact in view.release(corpus).artifacts_of(entry.name)]
        gone = " and ".join(artifact for artifact in needed if artifact in lost)
        if gone and entry.stimulus not in lost:
            rows.append(Rejection("stimulus", entry.stimulus, "source-missing", 1, f"needs {gone}"))
    return list(dict.fromkeys(rows))  # what several stages failed with alike is said once
