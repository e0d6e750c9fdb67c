"""`ave inspect`: one offline page about one stimulus, with its sound where the release is at hand."""

from __future__ import annotations

import webbrowser
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import settings as settings_file
from pipeline.corpus import Corpus, Stimulus
from pipeline.errors import AveError
from pipeline.recipe.build import Build
from pipeline.report.inspect import inspect_page
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
        sigma_dva=settings.sigma_dva,
    )
    folder = Path(arguments.out) if arguments.out else arguments.store / FOLDER
    target = folder / f"{stimulus.stimulus}.html"
    replace_text(target, page.html)
    for note in page.left_out:
        print(f"  {note}")
    print(f"{target}: {page.n_bytes / 1e6:.1f} MB, opens in any browser")
    if arguments.open:
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


def rejected_rows(corpus: Corpus, stimulus: str) -> Sequence[dict[str, Any]]:
    """Rows of `rejected.parquet` about a stimulus, its recordings and their samples."""
    table = pq.read_table(corpus.rejected_file())
    subject = table["subject"]
    mine = pc.or_(pc.equal(subject, stimulus), pc.starts_with(subject, f"{stimulus}/"))
    rows: list[dict[str, Any]] = table.filter(mine).to_pylist()
    return rows
