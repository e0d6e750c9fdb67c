"""What each item of a corpus's stages is made from: manifest rows, and what earlier stages published.

Conventions
-----------
A wiring function takes the view of the store, a corpus and an item's name, and returns an `Item`:
`Wanted` can be compared with the store and run, `Waiting` depends on something that is yet to be made,
an error is an item that cannot be made from what is there, None is no item at all. Only what is hashed enters the
fingerprint: digests of files and the values of manifest rows; never paths.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pipeline.errors import AveError
from pipeline.recipe.view import View
from pipeline.recipe.wanted import Item, Waiting, Wanted
from pipeline.records import StimulusEntry


def artifact_names(view: View, corpus: str) -> list[str]:
    """The artifacts that a build of this corpus works on."""
    return list(view.artifacts(corpus)[0])


def stimulus_names(view: View, corpus: str) -> list[str]:
    """The stimuli asked for."""
    return [entry.name for entry in view.entries(corpus)]


def waveform_names(view: View, corpus: str) -> list[str]:
    """The stimuli asked for, where waveforms are asked for at all."""
    return stimulus_names(view, corpus) if view.settings.waveform_rate_hz else []


def fetch_item(view: View, corpus: str, name: str) -> Item:
    """One artifact; the bytes in RAW are compared by `fetch.survey`, not by fingerprint."""
    artifact = view.artifacts(corpus)[0].get(name)
    if artifact is None:
        return None
    wanted = Wanted()
    sources = [source for packed in artifact.packed for source in view.manifest.sources_of(corpus, packed)]
    sources += [source for source in view.bundles(corpus) if source not in sources]
    wanted.value("sources", [vars(source) for source in sources])
    wanted.row("artifact", artifact)
    wanted.value("raw", str(view.raw), hashed=False)
    wanted.value("accepted", corpus in view.settings.accept, hashed=False)
    wanted.value("partial", view.settings.partial, hashed=False)
    wanted.row("licence", view.manifest.licences[corpus], hashed=False)
    return wanted


def unpack_item(view: View, corpus: str, name: str) -> Item:
    """One artifact: its archive, its folder, or the plain file."""
    artifact = view.artifacts(corpus)[0].get(name)
    if artifact is None:
        return None
    record = view.fresh("fetch", corpus, name)
    if record is None:
        return view.waiting("fetch", corpus, name)
    wanted = Wanted()
    root = Path(record.root or "")
    wanted.files["packed"] = tuple(root / file for file in record.outputs)
    wanted.row("artifact", artifact)
    wanted.value("root", str(root), hashed=False)
    wanted.value("files", {name: list(measured) for name, measured in record.outputs.items()})
    return wanted


def recordings_item(view: View, corpus: str, name: str) -> Item:
    """One stimulus: its raw gaze, how it was shown, and its manifest row's frame offset."""

    def wire(entry: StimulusEntry) -> Wanted:
        wanted = Wanted()
        located = view.locate(corpus, entry.name).gaze
        found = [view.unpacked(corpus, *where) for where in located]
        wanted.files["gaze"] = tuple(path for path, _ in found)
        names = [path.name for path, _ in found]
        if len(set(names)) < len(names):  # a folder an observer: o1/bees.csv, o2/bees.csv
            names = [inside for _, inside in located]
        wanted.inputs["gaze"] = {name: sha[:16] for name, (_, sha) in zip(names, found, strict=True)}
        wanted.also_read(found)
        wanted.row("entry", entry, hashed=False)
        wanted.row("geometry", view.manifest.geometry[corpus])
        return wanted

    return _of_stimulus(view, corpus, name, wire)


def frames_item(view: View, corpus: str, name: str) -> Item:
    """One stimulus: its video file."""

    def wire(entry: StimulusEntry) -> Wanted | Waiting:
        try:
            located = view.locate(corpus, entry.name)
        except AveError:  # what is absent is said once, by the recordings
            return Waiting(f"recordings of {entry.stimulus}, which failed", failed=True)
        wanted = Wanted()
        wanted.file("video", view.unpacked(corpus, *located.video))
        return wanted

    return _of_stimulus(view, corpus, name, wire)


def curate_item(view: View, corpus: str, name: str) -> Item:
    """One stimulus: its recordings, its decoded picture's facts, its sound and its manifest row."""

    def wire(entry: StimulusEntry) -> Wanted | Waiting:
        for stage in ("recordings", "frames"):
            if not view.is_fresh(stage, corpus, entry.name):
                return view.waiting(stage, corpus, entry.name)
        located = view.locate(corpus, entry.name)
        wanted = Wanted()
        wanted.file("fixations", view.output("recordings", corpus, entry.name, "fixations.parquet"))
        wanted.file("recordings", view.output("recordings", corpus, entry.name, "recordings.json"))
        wanted.file("video", view.output("frames", corpus, entry.name, "video.json"))
        wanted.file("sound", view.unpacked(corpus, *(located.sound or located.video)))
        diem_video = view.manifest.diem_videos.get(entry.name) if corpus == "diem" else None
        wanted.row("entry", entry)
        wanted.row("geometry", view.manifest.geometry[corpus])
        wanted.value("licence", view.manifest.licences[corpus].licence)
        wanted.value("sound_is_video", located.sound is None)
        wanted.value("max_frame_difference", view.release(corpus).max_frame_difference)
        wanted.value("diem_video", vars(diem_video) if diem_video else None)
        return wanted

    return _of_stimulus(view, corpus, name, wire)


def sound_item(view: View, corpus: str, name: str) -> Item:
    """One admitted stimulus: its sound and its frame times."""

    def wire(entry: StimulusEntry) -> Wanted:
        located = view.locate(corpus, entry.name)
        wanted = Wanted()
        wanted.file("sound", view.unpacked(corpus, *(located.sound or located.video)))
        wanted.file("timeline", view.output("curate", corpus, entry.name, "timeline.json"))
        return wanted

    return _of_admitted(view, corpus, name, wire)


def density_item(view: View, corpus: str, name: str) -> Item:
    """One admitted stimulus: its fixations and its frame count, size and pixels per degree."""

    def wire(entry: StimulusEntry) -> Wanted:
        wanted = Wanted()
        wanted.file("fixations", view.output("curate", corpus, entry.name, "fixations.parquet"))
        wanted.file("timeline", view.output("curate", corpus, entry.name, "timeline.json"))
        return wanted

    return _of_admitted(view, corpus, name, wire)


def _of_stimulus(view: View, corpus: str, name: str, wire: Callable[[StimulusEntry], Wanted | Waiting]) -> Item:
    """Wire a stimulus whose artifacts are unpacked; one that a partial build goes without is no item."""
    if not view.in_play(corpus, name):
        return None
    for artifact in view.release(corpus).artifacts_of(name):
        if not view.is_fresh("unpack", corpus, artifact):
            return view.waiting("unpack", corpus, artifact)
    try:
        return wire(view.entry(corpus, name))
    except AveError as error:
        return error


def _of_admitted(view: View, corpus: str, name: str, wire: Callable[[StimulusEntry], Wanted]) -> Item:
    """Wire a stimulus that curation admitted; a refused one is no item any more."""
    if not view.in_play(corpus, name):
        return None
    record = view.fresh("curate", corpus, name)
    if record is None:
        return view.waiting("curate", corpus, name)
    return wire(view.entry(corpus, name)) if record.facts.get("admitted") else None
