"""What each item is made from: one function a stage, from the manifests and what earlier stages published.

Conventions
-----------
A wiring function takes the build and a corpus and returns {item name: Wanted | Waiting | AveError}:
`Wanted` can be compared with the store and run, `Waiting` depends on something that is yet to be made,
an error is an item that cannot be made from what is there. Only what is `hashed` enters the fingerprint:
digests of files and the values of manifest rows; never paths.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import corpora
from pipeline.errors import AveError, ExportError
from pipeline.ingest import fetch
from pipeline.recipe.stages import POOLED
from pipeline.store.fingerprint import canonical
from pipeline.records import SPLITS, Artifact, Rejection, StimulusEntry

if TYPE_CHECKING:
    from pipeline.recipe.build import Build


@dataclass
class Wanted:
    """What one item is made from; `inputs` is the hashed side, `files` and `values` are what the job gets.

    `digests` gives the known SHA-256 of input files by path: an output that links to one is not hashed again.
    """

    inputs: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Any] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)

    def file(self, key: str, found: tuple[Path, str]) -> None:
        """One input file with its digest."""
        self.files[key], self.inputs[key] = found

    def file_each(self, key: str, found: Mapping[str, tuple[Path, str]]) -> None:
        """One input file for each of several stimuli."""
        self.files[key] = {name: path for name, (path, _) in found.items()}
        self.digests.update({str(path): sha for path, sha in found.values()})
        self.inputs[key] = {name: sha[:16] for name, (_, sha) in found.items()}

    def value(self, key: str, value: Any, *, hashed: bool = True) -> None:
        """A manifest row or another small fact, in the form it has after a way through JSON."""
        value = json.loads(canonical(value))
        self.values[key] = value
        if hashed:
            self.inputs[key] = value


@dataclass(frozen=True)
class Waiting:
    """An item whose inputs are not there yet; `failed` when they will not be there in this build."""

    on: str
    failed: bool = False


Items = dict[str, "Wanted | Waiting | AveError"]


def artifacts_in_play(build: Build, corpus: str) -> tuple[dict[str, Artifact], list[Artifact]]:
    """The artifacts to fetch, and those that a partial build goes without because RAW lacks them."""
    names = [entry.name for entry in build.entries(corpus)]
    present, absent = {}, []
    for artifact in corpora.get(corpus).artifacts(names) if names else ():
        if build.settings.partial and not fetch.survey(build.raw, corpus, artifact):
            absent.append(artifact)
        else:
            present[artifact.name] = artifact
    return present, absent


def fetch_items(build: Build, corpus: str) -> Items:
    """One item an artifact; the bytes in RAW are compared by `changed_in_raw`, not by fingerprint."""
    items: Items = {}
    for name, artifact in artifacts_in_play(build, corpus)[0].items():
        wanted = Wanted()
        sources = [source for packed in artifact.packed for source in build.manifest.sources_of(corpus, packed)]
        sources += [
            source
            for source in build.manifest.sources
            if source.corpus == corpus and source.artifact.endswith(fetch.BUNDLE_ENDINGS) and source not in sources
        ]
        wanted.value("sources", [asdict(source) for source in sources])
        wanted.value("artifact", asdict(artifact))
        wanted.value("raw", str(build.raw), hashed=False)
        wanted.value("accepted", corpus in build.settings.accept, hashed=False)
        wanted.value("partial", build.settings.partial, hashed=False)
        wanted.value("licence", asdict(build.manifest.licences[corpus]), hashed=False)
        items[name] = wanted
    return items


def unpack_items(build: Build, corpus: str) -> Items:
    """One item an artifact: its archive, its folder, or the plain file."""
    items: Items = {}
    for name, artifact in artifacts_in_play(build, corpus)[0].items():
        record = build.fresh("fetch", corpus, name)
        if record is None:
            items[name] = build.waiting("fetch", corpus, name)
            continue
        wanted = Wanted()
        root = Path(record.root or "")
        wanted.files["packed"] = tuple(root / file for file in record.outputs)
        wanted.value("artifact", asdict(artifact))
        wanted.value("root", str(root), hashed=False)
        wanted.value("files", {name: list(measured) for name, measured in record.outputs.items()})
        items[name] = wanted
    return items


def recordings_items(build: Build, corpus: str) -> Items:
    """One item a stimulus: its raw gaze, how it was shown, and its manifest row's frame offset."""

    def wire(entry: StimulusEntry) -> Wanted:
        wanted = Wanted()
        found = [build.unpacked(corpus, *where) for where in build.locate(corpus, entry.name).gaze]
        wanted.files["gaze"] = tuple(path for path, _ in found)
        wanted.inputs["gaze"] = {path.name: sha[:16] for path, sha in found}
        wanted.value("entry", asdict(entry), hashed=False)
        wanted.value("geometry", asdict(build.manifest.geometry[corpus]))
        return wanted

    return _per_stimulus(build, corpus, wire)


def frames_items(build: Build, corpus: str) -> Items:
    """One item a stimulus: its video file."""

    def wire(entry: StimulusEntry) -> Wanted:
        wanted = Wanted()
        wanted.file("video", build.unpacked(corpus, *build.locate(corpus, entry.name).video))
        return wanted

    return _per_stimulus(build, corpus, wire)


def curate_items(build: Build, corpus: str) -> Items:
    """One item a stimulus: its recordings, its decoded picture's facts, its sound and its manifest row."""
    release = corpora.get(corpus)

    def wire(entry: StimulusEntry) -> Wanted | Waiting:
        for stage in ("recordings", "frames"):
            if build.fresh(stage, corpus, entry.name) is None:
                return build.waiting(stage, corpus, entry.name)
        located = build.locate(corpus, entry.name)
        wanted = Wanted()
        wanted.file("fixations", build.output("recordings", corpus, entry.name, "fixations.parquet"))
        wanted.file("recordings", build.output("recordings", corpus, entry.name, "recordings.json"))
        wanted.file("video", build.output("frames", corpus, entry.name, "video.json"))
        wanted.file("sound", build.unpacked(corpus, *(located.sound or located.video)))
        diem_video = build.manifest.diem_videos.get(entry.name) if corpus == "diem" else None
        wanted.value("entry", asdict(entry))
        wanted.value("geometry", asdict(build.manifest.geometry[corpus]))
        wanted.value("licence", build.manifest.licences[corpus].licence)
        wanted.value("sound_is_video", located.sound is None)
        wanted.value("max_frame_difference", release.max_frame_difference)
        wanted.value("diem_video", asdict(diem_video) if diem_video else None)
        return wanted

    return _per_stimulus(build, corpus, wire)


def logmel_items(build: Build, corpus: str) -> Items:
    """One item an admitted stimulus: its sound and its frame times."""

    def wire(entry: StimulusEntry) -> Wanted:
        located = build.locate(corpus, entry.name)
        wanted = Wanted()
        wanted.file("sound", build.unpacked(corpus, *(located.sound or located.video)))
        wanted.file("timeline", build.output("curate", corpus, entry.name, "timeline.json"))
        return wanted

    return _per_admitted(build, corpus, wire)


def density_items(build: Build, corpus: str) -> Items:
    """One item an admitted stimulus: its fixations and its frame count, size and pixels per degree."""

    def wire(entry: StimulusEntry) -> Wanted:
        wanted = Wanted()
        wanted.file("fixations", build.output("curate", corpus, entry.name, "fixations.parquet"))
        wanted.file("timeline", build.output("curate", corpus, entry.name, "timeline.json"))
        return wanted

    return _per_admitted(build, corpus, wire)


_PUBLISHED = {
    "stimulus": ("curate", "stimulus.json"),
    "fixations": ("curate", "fixations.parquet"),
    "timeline": ("curate", "timeline.json"),
    "frames": ("frames", "frames.arrow"),
    "logmel": ("logmel", "logmel.parquet"),
    "steps": ("logmel", "steps.npy"),
    "density": ("density", "density.npy"),
}


def publish_items(build: Build, _corpus: str) -> Items:
    """The one published corpus: everything in this store that is admitted and complete, of every corpus."""
    for stage in ("logmel", "density"):
        for corpus in build.corpora:
            if build.unsettled(stage, corpus):
                return {"corpus": Waiting(f"{stage} of {corpus}")}
    complete, curated, missing, refused = [], [], [], {}
    for entry in build.all_entries():
        record = build.present("curate", entry)
        if record is None:
            continue
        curated.append(entry)
        if not record.facts.get("admitted"):
            refused[entry.stimulus] = str(record.facts.get("reason", ""))
        elif all(build.present(stage, entry) for stage in ("frames", "logmel", "density")):
            complete.append(entry)
    for corpus in build.corpora:
        missing += [asdict(rejection) for rejection in build.missing(corpus)]
    wanted = Wanted()
    for key, (stage, output) in _PUBLISHED.items():
        wanted.file_each(key, {entry.stimulus: build.present_output(stage, entry, output) for entry in complete})
    for key in ("rejected", "audit"):
        found = {entry.stimulus: build.present_output("curate", entry, f"{key}.json") for entry in curated}
        wanted.file_each(key, found)
    manifest = build.manifest
    wanted.value("published", [asdict(row) for row in manifest.published])
    wanted.value("entries", [asdict(entry) for entry in build.all_entries()])
    wanted.value("diem_videos", [asdict(video) for video in manifest.diem_videos.values()])
    wanted.value("missing", missing)
    wanted.value("refused", refused)
    wanted.value("video_digests", {entry.stimulus: build.video_digest(entry) for entry in complete})
    return {"corpus": wanted}


_SHOWN_SETTINGS = (
    *("sigma_dva", "density_height", "density_width", "frame_height", "frame_width", "jpeg_quality"),
    *("mel_bands", "anchor", "official_150", "max_sound_difference_s", "silence_dbfs", "tolerance"),
)


def card_items(build: Build, _corpus: str) -> Items:
    """The data cards: from the published tables and the manifests."""
    if build.fresh("publish", POOLED, "corpus") is None:
        return {"cards": build.waiting("publish", POOLED, "corpus")}
    wanted = Wanted()
    for key, output in (("stimuli", "stimuli.parquet"), ("rejected", "rejected.parquet"), ("audit", "audit.json")):
        wanted.file(key, build.output("publish", POOLED, "corpus", output))
    settings = build.settings.to_json()
    wanted.value("settings", {name: settings[name] for name in _SHOWN_SETTINGS})
    wanted.value("licences", {name: asdict(row) for name, row in build.manifest.licences.items()})
    wanted.value("geometry", {name: asdict(row) for name, row in build.manifest.geometry.items()})
    wanted.value("missing", [asdict(row) for corpus in build.corpora for row in build.missing(corpus)])
    return {"cards": wanted}


_SHARDED = {key: _PUBLISHED[key] for key in ("stimulus", "fixations", "frames", "steps", "density", "timeline")}


def shards_items(build: Build, corpus: str) -> Items:
    """One item a split and format, named `train.wds`; refused while more items failed than are tolerated."""
    items: Items = {}
    gone, total = build.failed_share(corpus)
    for split in SPLITS:
        entries = [entry for entry in build.entries(corpus) if entry.split == split]
        if not entries:
            continue
        wired: Wanted | Waiting | AveError | None = _shards_of_split(build, corpus, split, entries)
        if isinstance(wired, Wanted) and gone > build.settings.tolerance * total:
            wired = ExportError(
                f"{corpus}: {gone} of {total} stimuli failed, so its shards would be incomplete.",
                remedy=f"Mend them and build again, or allow it: --tolerance {gone / total:.3f}.",
                code="incomplete",
            )
        for name in build.settings.formats:
            if isinstance(wired, Wanted):
                params = {"format": name}
                items[f"{split}.{name}"] = Wanted(wired.inputs, wired.files, wired.values, params)
            elif wired is not None:
                items[f"{split}.{name}"] = wired
    return items


def _shards_of_split(build: Build, corpus: str, split: str, entries: list[StimulusEntry]) -> Wanted | Waiting | None:
    complete = []
    for entry in entries:
        record = build.fresh("curate", corpus, entry.name)
        if record is not None and not record.facts.get("admitted"):
            continue
        if not build.in_play(corpus, entry.name):
            continue
        for stage in ("curate", "frames", "logmel", "density"):
            if build.fresh(stage, corpus, entry.name) is None:
                waiting = build.waiting(stage, corpus, entry.name)
                if not waiting.failed:
                    return waiting
                break
        else:
            complete.append(entry)
    if not complete:
        return None
    wanted = Wanted()
    for key, (stage, output) in _SHARDED.items():
        found = {entry.stimulus: build.output(stage, corpus, entry.name, output) for entry in complete}
        wanted.file_each(key, found)
    settings = build.settings.to_json()
    wanted.value("licence", asdict(build.manifest.licences[corpus]))
    wanted.value("settings", {name: settings[name] for name in ("sigma_dva", "anchor", "mel_bands", "jpeg_quality")})
    wanted.value("split", split)
    return wanted


def _indexes(build: Build, wanted: Wanted) -> Waiting | None:
    """Add the index of every shards item to `wanted`, or say what must be waited for."""
    found = {}
    name_of_format = build.settings.formats[0]
    for corpus in build.corpora:
        for name in build.state("shards", corpus).wanted:
            if not name.endswith(f".{name_of_format}"):
                continue
            if build.fresh("shards", corpus, name) is None:
                return build.waiting("shards", corpus, name)
            found[f"{corpus}/{name.split('.')[0]}"] = build.output("shards", corpus, name, "index.json")
    wanted.file_each("shards", found)
    return None


def _run_name(build: Build) -> str:
    return f"{build.settings.model}-{build.settings.modality}"


def train_items(build: Build, _corpus: str) -> Items:
    """One item a run: the shards of every corpus."""
    wanted = Wanted()
    return {_run_name(build): _indexes(build, wanted) or wanted}


def predict_items(build: Build, _corpus: str) -> Items:
    """One item a run: the validation shards and the trained weights."""
    name, wanted = _run_name(build), Wanted()
    waiting = _indexes(build, wanted)
    if waiting is None and build.fresh("train", POOLED, name) is None:
        waiting = build.waiting("train", POOLED, name)
    if waiting is None:
        wanted.file("weights", build.output("train", POOLED, name, "weights.safetensors"))
        wanted.file("run", build.output("train", POOLED, name, "run.json"))
    return {name: waiting or wanted}


def score_items(build: Build, _corpus: str) -> Items:
    """One item a run: its maps, and the shards that hold the truth."""
    name, wanted = _run_name(build), Wanted()
    waiting = _indexes(build, wanted)
    if waiting is None and build.fresh("predict", POOLED, name) is None:
        waiting = build.waiting("predict", POOLED, name)
    if waiting is None:
        wanted.file("maps", build.output("predict", POOLED, name, "maps.parquet"))
    return {name: waiting or wanted}


def report_items(build: Build, _corpus: str) -> Items:
    """The contact sheets: from the published corpus."""
    published = build.fresh("publish", POOLED, "corpus")
    if published is None:
        return {"contact_sheets": build.waiting("publish", POOLED, "corpus")}
    wanted = Wanted()
    wanted.file("stimuli", build.output("publish", POOLED, "corpus", "stimuli.parquet"))
    wanted.inputs["corpus"] = published.fingerprint
    wanted.value("store", str(build.store), hashed=False)
    return {"contact_sheets": wanted}


WIRING: Mapping[str, Callable[[Build, str], Items]] = {
    "fetch": fetch_items,
    "unpack": unpack_items,
    "recordings": recordings_items,
    "frames": frames_items,
    "curate": curate_items,
    "logmel": logmel_items,
    "density": density_items,
    "publish": publish_items,
    "card": card_items,
    "shards": shards_items,
    "train": train_items,
    "predict": predict_items,
    "score": score_items,
    "report": report_items,
}


def _per_stimulus(build: Build, corpus: str, wire: Callable[[StimulusEntry], Wanted | Waiting]) -> Items:
    """Wire every stimulus whose artifacts are unpacked; those a partial build goes without are left out."""
    items: Items = {}
    for entry in build.entries(corpus):
        if not build.in_play(corpus, entry.name):
            continue
        waits = [name for name in corpora.get(corpus).artifacts_of(entry.name)
                 if build.fresh("unpack", corpus, name) is None]
        try:
            items[entry.name] = build.waiting("unpack", corpus, waits[0]) if waits else wire(entry)
        except AveError as error:
            items[entry.name] = error
    return items


def _per_admitted(build: Build, corpus: str, wire: Callable[[StimulusEntry], Wanted]) -> Items:
    """Wire every stimulus that curation admitted; the refused ones are no items any more."""
    items: Items = {}
    for entry in build.entries(corpus):
        if not build.in_play(corpus, entry.name):
            continue
        record = build.fresh("curate", corpus, entry.name)
        if record is None:
            items[entry.name] = build.waiting("curate", corpus, entry.name)
        elif record.facts.get("admitted"):
            items[entry.name] = wire(entry)
    return items


def missing_rejections(build: Build, corpus: str) -> list[Rejection]:
    """Rows for what a build goes without: artifacts not in RAW, stimuli without media, items that failed."""
    rows = []
    for artifact in artifacts_in_play(build, corpus)[1]:
        wanted = " or ".join((*artifact.packed, *([f"{artifact.folder}/"] if artifact.folder else [])))
        rows.append(Rejection("source", f"{corpus}/{artifact.name}", "not-in-raw", 1, f"RAW/{corpus}/{wanted}"))
    for name, error in build.media_missing(corpus).items():
        rows.append(Rejection("stimulus", f"{corpus}/{name}", error.code, 1, error.message))
    for failure in build.settled_failures(corpus):
        level = "source" if failure.stage in ("fetch", "unpack") else "stimulus"
        rows.append(Rejection(level, failure.item, f"failed-{failure.code}", 1, failure.message))
    return rows
