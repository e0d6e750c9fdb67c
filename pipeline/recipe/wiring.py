"""What each item of a corpus's stages is made from: manifest rows, and what earlier stages published.

Conventions
-----------
A wiring function takes the view of the store and a corpus and returns {item name: Wanted | Waiting | AveError}:
`Wanted` can be compared with the store and run, `Waiting` depends on something that is yet to be made,
an error is an item that cannot be made from what is there. Only what is hashed enters the fingerprint:
digests of files and the values of manifest rows; never paths.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from pipeline import corpora
from pipeline.errors import AveError
from pipeline.ingest import fetch
from pipeline.recipe.view import View
from pipeline.recipe.wanted import Items, Waiting, Wanted
from pipeline.records import Artifact, StimulusEntry


def artifacts_in_play(view: View, corpus: str) -> tuple[dict[str, Artifact], list[Artifact]]:
    """The artifacts to fetch, and those that a partial build goes without because RAW lacks them."""
    names = [entry.name for entry in view.entries(corpus)]
    present, absent = {}, []
    for artifact in corpora.get(corpus).artifacts(names) if names else ():
        if view.settings.partial and not fetch.may_give(view.raw, corpus, artifact):
            absent.append(artifact)
        else:
            present[artifact.name] = artifact
    return present, absent


def fetch_items(view: View, corpus: str) -> Items:
    """One item an artifact; the bytes in RAW are compared by `changed_in_raw`, not by fingerprint."""
    items: Items = {}
    for name, artifact in artifacts_in_play(view, corpus)[0].items():
        wanted = Wanted()
        sources = [source for packed in artifact.packed for source in view.manifest.sources_of(corpus, packed)]
        sources += [
            source
            for source in view.manifest.sources
            if source.corpus == corpus and source.artifact.endswith(fetch.BUNDLE_ENDINGS) and source not in sources
        ]
        wanted.value("sources", [asdict(source) for source in sources])
        wanted.value("artifact", asdict(artifact))
        wanted.value("raw", str(view.raw), hashed=False)
        wanted.value("accepted", corpus in view.settings.accept, hashed=False)
        wanted.value("partial", view.settings.partial, hashed=False)
        wanted.value("licence", asdict(view.manifest.licences[corpus]), hashed=False)
        items[name] = wanted
    return items


def unpack_items(view: View, corpus: str) -> Items:
    """One item an artifact: its archive, its folder, or the plain file."""
    items: Items = {}
    for name, artifact in artifacts_in_play(view, corpus)[0].items():
        record = view.fresh("fetch", corpus, name)
        if record is None:
            items[name] = view.waiting("fetch", corpus, name)
            continue
        wanted = Wanted()
        root = Path(record.root or "")
        wanted.files["packed"] = tuple(root / file for file in record.outputs)
        wanted.value("artifact", asdict(artifact))
        wanted.value("root", str(root), hashed=False)
        wanted.value("files", {name: list(measured) for name, measured in record.outputs.items()})
        items[name] = wanted
    return items


def recordings_items(view: View, corpus: str) -> Items:
    """One item a stimulus: its raw gaze, how it was shown, and its manifest row's frame offset."""

    def wire(entry: StimulusEntry) -> Wanted:
        wanted = Wanted()
        found = [view.unpacked(corpus, *where) for where in view.locate(corpus, entry.name).gaze]
        wanted.files["gaze"] = tuple(path for path, _ in found)
        wanted.inputs["gaze"] = {path.name: sha[:16] for path, sha in found}
        wanted.value("entry", asdict(entry), hashed=False)
        wanted.value("geometry", asdict(view.manifest.geometry[corpus]))
        return wanted

    return _per_stimulus(view, corpus, wire)


def frames_items(view: View, corpus: str) -> Items:
    """One item a stimulus: its video file."""

    def wire(entry: StimulusEntry) -> Wanted | Waiting:
        try:
            located = view.locate(corpus, entry.name)
        except AveError:  # what is absent is said once, by the recordings
            return Waiting(f"recordings of {entry.stimulus}, which failed", failed=True)
        wanted = Wanted()
        wanted.file("video", view.unpacked(corpus, *located.video))
        return wanted

    return _per_stimulus(view, corpus, wire)


def curate_items(view: View, corpus: str) -> Items:
    """One item a stimulus: its recordings, its decoded picture's facts, its sound and its manifest row."""
    release = corpora.get(corpus)

    def wire(entry: StimulusEntry) -> Wanted | Waiting:
        for stage in ("recordings", "frames"):
            if view.fresh(stage, corpus, entry.name) is None:
                return view.waiting(stage, corpus, entry.name)
        located = view.locate(corpus, entry.name)
        wanted = Wanted()
        wanted.file("fixations", view.output("recordings", corpus, entry.name, "fixations.parquet"))
        wanted.file("recordings", view.output("recordings", corpus, entry.name, "recordings.json"))
        wanted.file("video", view.output("frames", corpus, entry.name, "video.json"))
        wanted.file("sound", view.unpacked(corpus, *(located.sound or located.video)))
        diem_video = view.manifest.diem_videos.get(entry.name) if corpus == "diem" else None
        wanted.value("entry", asdict(entry))
        wanted.value("geometry", asdict(view.manifest.geometry[corpus]))
        wanted.value("licence", view.manifest.licences[corpus].licence)
        wanted.value("sound_is_video", located.sound is None)
        wanted.value("max_frame_difference", release.max_frame_difference)
        wanted.value("diem_video", asdict(diem_video) if diem_video else None)
        return wanted

    return _per_stimulus(view, corpus, wire)


def logmel_items(view: View, corpus: str) -> Items:
    """One item an admitted stimulus: its sound and its frame times."""

    def wire(entry: StimulusEntry) -> Wanted:
        located = view.locate(corpus, entry.name)
        wanted = Wanted()
        wanted.file("sound", view.unpacked(corpus, *(located.sound or located.video)))
        wanted.file("timeline", view.output("curate", corpus, entry.name, "timeline.json"))
        return wanted

    return _per_admitted(view, corpus, wire)


def density_items(view: View, corpus: str) -> Items:
    """One item an admitted stimulus: its fixations and its frame count, size and pixels per degree."""

    def wire(entry: StimulusEntry) -> Wanted:
        wanted = Wanted()
        wanted.file("fixations", view.output("curate", corpus, entry.name, "fixations.parquet"))
        wanted.file("timeline", view.output("curate", corpus, entry.name, "timeline.json"))
        return wanted

    return _per_admitted(view, corpus, wire)


def _per_stimulus(view: View, corpus: str, wire: Callable[[StimulusEntry], Wanted | Waiting]) -> Items:
    """Wire every stimulus whose artifacts are unpacked; those a partial build goes without are left out."""
    items: Items = {}
    for entry in view.entries(corpus):
        if not view.in_play(corpus, entry.name):
            continue
        waits = [
            name for name in corpora.get(corpus).artifacts_of(entry.name) if view.fresh("unpack", corpus, name) is None
        ]
        try:
            items[entry.name] = view.waiting("unpack", corpus, waits[0]) if waits else wire(entry)
        except AveError as error:
            items[entry.name] = error
    return items


def _per_admitted(view: View, corpus: str, wire: Callable[[StimulusEntry], Wanted]) -> Items:
    """Wire every stimulus that curation admitted; the refused ones are no items any more."""
    items: Items = {}
    for entry in view.entries(corpus):
        if not view.in_play(corpus, entry.name):
            continue
        record = view.fresh("curate", corpus, entry.name)
        if record is None:
            items[entry.name] = view.waiting("curate", corpus, entry.name)
        elif record.facts.get("admitted"):
            items[entry.name] = wire(entry)
    return items
