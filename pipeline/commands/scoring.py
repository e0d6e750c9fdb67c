"""`ave score`: anybody's maps, or those that a run predicted, scored on a split of a store's corpus."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.annotate.boxes import Extent, read_boxes, source_boxes
from pipeline.commands.asked import remembered_settings
from pipeline.commands.scored import Done, about_of, check_not_empty, prepared_split, protocols_of, score_videos, tell
from pipeline.corpus import Corpus
from pipeline.errors import UsageError
from pipeline.evaluate.contextual import contextual_scores
from pipeline.evaluate.maps import Maps, open_maps, summary
from pipeline.evaluate.results import check_name, write_result
from pipeline.evaluate.scoring import ScoreMaps
from pipeline.evaluate.truth import truths
from pipeline.recipe.build import Build
from pipeline.recipe.learning import run_names
from pipeline.recipe.stages import POOLED
from pipeline.records import SPLITS


def score(arguments: Namespace) -> int:
    """Score a folder of maps, or the maps that the run last trained predicted; print table and findings."""
    return tell(arguments, score_maps(arguments))


def score_maps(arguments: Namespace, **more: Any) -> Done:
    """Score maps as the options of `ave score` say; the table keeps `more` among what it says of itself."""
    chosen = protocols_of(arguments.protocol)
    path, name = (Path(arguments.maps), "") if arguments.maps else _own_maps(arguments.store)
    name = arguments.run or name or path.resolve().name.split(".")[0]
    corpus = Corpus(arguments.store)
    boxes = _boxes(arguments.annotations, corpus) if arguments.annotations else None
    split, maps = _opened(path, corpus, arguments)
    check_name(arguments.store, name, split, maps.about.get("run"))
    videos = [truth.stimulus for truth in truths(corpus, split)]
    with prepared_split(arguments, corpus, split, chosen) as shared:
        jobs = [(stimulus, ScoreMaps(shared, maps.only(stimulus), stimulus)) for stimulus in videos]
        videos_scored = score_videos(jobs, arguments.executor, f"scoring {name}")
    rows = [row for video in videos_scored for row in video.rows]
    findings = [*maps.found, *(finding for video in videos_scored for finding in video.findings)]
    about = {**about_of(name, split, chosen, arguments.seed), "maps": maps.about, "every": maps.about["every"], **more}
    about["findings"] = [{"kind": one.kind, "count": one.count, "words": str(one)} for one in findings]
    file = write_result(arguments.store, rows, about)
    counted = f"number {maps.about['first_frame']} is frame 0, and frames below count from 0"
    read = f"{maps.about['format']}; {maps.about['habit']}; {maps.about['first_frame_why']}: {counted}"
    lines = [read, *summary(findings)]
    if boxes is not None:
        lines += _of_boxes(contextual_scores({name: maps}, truths(corpus, split), boxes))
    return Done([name], split, chosen, [file], lines)


def _boxes(file: Path, corpus: Corpus) -> Mapping[tuple[str, int], Any]:
    """Boxes of sources that sound, by stimulus and frame."""
    return source_boxes(read_boxes(file, {s.stimulus: Extent(s.n_frames, s.height_px, s.width_px) for s in corpus}))


def _of_boxes(table: pd.DataFrame) -> list[str]:
    """NSS inside and outside annotated boxes, a line each, and what was not scored."""
    lines = [
        f"NSS {row['where']} the boxes of what sounds: {row['mean']:.3f} "
        f"({row['videos']} videos, {row['frames']} frames)"
        for row in table.to_dict("records")
    ]
    left = table.iloc[0]
    counts = ("without_annotation", "without_source", "without_map")
    return [*lines, "not in it: " + ", ".join(f"{left[name]} frames {name.replace('_', ' ')}" for name in counts)]


def _own_maps(store: Path) -> tuple[Path, str]:
    """The maps that the run last trained predicted, and its name."""
    built = Build(remembered_settings(store), store)
    (name,) = run_names(built, POOLED)
    if built.fresh("predict", POOLED, name) is None:
        raise UsageError(
            f"No maps given, and the run {name} has predicted none with what is there now.",
            remedy=f"`ave predict --store {store}` makes them; or name a folder: ave score MAPS.",
        )
    return built.folder("predict", POOLED).item_folder(name) / "maps.parquet", name


def _opened(path: Path, corpus: Corpus, arguments: Namespace) -> tuple[str, Maps]:
    """The split that maps are of, and the maps: the one asked for, the one a run of ours says, else the test split."""
    everything = open_maps(path, list(truths(corpus)), arguments.first_frame)
    of_run = everything.about.get("run", {}).get("split")
    asked = arguments.split or str(of_run or "test")
    if of_run and asked in SPLITS and asked != of_run:
        raise UsageError(
            f"These maps are of the {of_run} split, not of {asked}.",
            remedy=f"`ave predict --split {asked}` makes others; or score these: --split {of_run}.",
        )
    known = list(truths(corpus, asked))
    check_not_empty([truth.stimulus for truth in known], asked)
    return asked, open_maps(path, known, arguments.first_frame)
