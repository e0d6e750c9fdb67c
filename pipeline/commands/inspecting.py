"""`ave inspect`: one offline page about one stimulus, with its sound where the release is at hand."""

from __future__ import annotations

import webbrowser
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import settings as settings_file
from pipeline.corpus import Corpus, Stimulus
from pipeline.errors import AveError
from pipeline.evaluate.maps import open_maps, summary
from pipeline.evaluate.maps.opening import OURS
from pipeline.recipe.build import Build
from pipeline.report.inspect import PackedMaps, inspect_page, pack_maps
from pipeline.settings import Settings
from pipeline.signals.media import read_soundtrack
from pipeline.store.disk import replace_text
from pipeline.store.nearby import near
from pipeline.store.places import is_remote

FOLDER = "inspect"


def inspect(arguments: Namespace) -> int:
    """Write the page of one stimulus, and say where it is and what is not on it."""
    corpus = Corpus(arguments.store)
    stimulus = corpus[arguments.stimulus]
    settings = settings_file.load(arguments.store) or Settings()
    sound, no_sound = soundtrack_of(arguments.store, settings, stimulus)
    page = inspect_page(
        stimulus,
        sound=sound,
        no_sound=no_sound,
        rejected=rejected_rows(corpus, stimulus.stimulus),
        maps=maps_of(Path(arguments.maps), corpus, stimulus) if arguments.maps else None,
        sigma_dva=settings.sigma_dva,
    )
    folder = Path(arguments.out) if arguments.out else arguments.store / FOLDER
    target = folder / f"{stimulus.stimulus}.html"
    replace_text(target, page.html)
    for note in page.left_out:
        print(f"  {note}")
    print(f"{target}: {page.n_bytes / 1e6:.1f} MB, opens in any browser")
    if arguments.open and not is_remote(target):
        webbrowser.open(target.resolve().as_uri())
    return 0


def soundtrack_of(store: Path, settings: Settings, stimulus: Stimulus) -> tuple[tuple[np.ndarray, int] | None, str]:
    """The soundtrack as it was heard from the first picture on: samples and rate; or None, and why in a sentence.

    The published corpus has no sound; it lies among the unpacked files of the release.
    """
    try:
        file = _sound_file(store, settings, stimulus)
        if file is None:
            return None, "There is no sound: the release is not unpacked in this store, or was not asked for last."
        return read_soundtrack(file, start_s=stimulus.sound_start_s), ""
    except (AveError, OSError) as error:
        return None, f"There is no sound: {error}"


def _sound_file(store: Path, settings: Settings, stimulus: Stimulus) -> Path | None:
    """The sound file, or the video where the soundtrack is inside it; None where it is not unpacked."""
    view = Build(settings, store)
    needed = view.release(stimulus.corpus).artifacts_of(stimulus.name)
    if not all(view.is_fresh("unpack", stimulus.corpus, artifact) for artifact in needed):
        return None
    located = view.locate(stimulus.corpus, stimulus.name)
    path, sha256 = view.unpacked(stimulus.corpus, *(located.sound or located.video))
    return near(path, sha256) if is_remote(path) else path


class _Asked(NamedTuple):
    """What `open_maps` asks of a stimulus."""

    stimulus: str
    n_frames: int
    size_px: tuple[int, int]


def maps_of(path: Path, corpus: Corpus, stimulus: Stimulus) -> PackedMaps | None:
    """A model's maps of one stimulus, called by their folder; None where it has none, which is said.

    Raises
    ------
    AveError
        As `open_maps`: above all where nothing there is a map.
    """
    every = [_Asked(one.stimulus, one.n_frames, (one.height_px, one.width_px)) for one in corpus]
    maps = open_maps(path, every)  # of all stimuli: what else has this name, and what numbers count from, shows in them
    if stimulus.stimulus not in maps.stimuli:
        print(f"  {path} has no maps of {stimulus.stimulus}, but of {len(maps.stimuli)} other stimuli.")
        return None
    whole = path.resolve()
    name = (whole.parent if whole.name == OURS else whole).stem
    packed = pack_maps(name, maps.read(stimulus.stimulus), stimulus.n_frames)
    for line in summary(maps.findings(stimulus.stimulus)):
        print(f"  {line}")
    return packed


def rejected_rows(corpus: Corpus, stimulus: str) -> Sequence[dict[str, Any]]:
    """Rows of `rejected.parquet` about a stimulus, its recordings and their samples."""
    table = pq.read_table(corpus.rejected_file())
    subject = table["subject"]
    mine = pc.or_(pc.equal(subject, stimulus), pc.starts_with(subject, f"{stimulus}/"))
    rows: list[dict[str, Any]] = table.filter(mine).to_pylist()
    return rows
