"""`ave demo --learn`: train DAVE by ear, by eye and by both in a world whose truth is known, and check the order.

Conventions
-----------
Everything lies in STORE/learn, a store of its own that is built, and trained in, through the same stages as any other;
only the scores on the test split are made here. A seed is one of training: all seeds see the same world. Written at the
end: STORE/learn/ordering.md and ordering.json. Exit status 1 where the order does not hold.
"""

from __future__ import annotations

import json
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.commands.memory import MemoryPeak
from pipeline.errors import StoreError, UsageError
from pipeline.evaluate import ordering
from pipeline.recipe.build import Build
from pipeline.recipe.stages import POOLED
from pipeline.settings import Settings
from pipeline.store.items import resolve
from pipeline.store.places import is_remote

TITLE = "# Test split of the world whose truth is known"
MODALITIES = ("audio", "video", "av")
SCORED_EVERY = 10  # frames of the test split
TRAINING: dict[str, Any] = {  # what is enough for this world; a minute or a few each on two cores
    "model_width": 8,
    "batch": 8,
    "learning_rate": 5e-4,  # at the paper's 1e-3 one seed in two loses the sound-alone model: all its maps fall to zero
    "train_steps": 600,  # with 400 at a constant rate one seed in three has not yet learnt to follow the sound
    "train_schedule": "cosine",
    "train_every": 6,
    "train_scale": 2,
    "segment_frames": 32,
    "train_mix": 128,  # 1.5 GB of pictures: of fewer stimuli at a time it learns these by heart
    "train_evaluations": 4,
    "val_clips": 60,
}


def learn(arguments: Namespace) -> int:
    """Make the world to learn from, train every modality on every seed, score the test split, judge the order."""
    if is_remote(arguments.store):
        raise UsageError(f"{arguments.store}: --learn works in a folder of this machine.", remedy="Name one: --store.")
    if arguments.seeds < 1:
        raise UsageError(f"--seeds {arguments.seeds}: expected 1 or more.")
    store: Path = arguments.store / "learn"
    seeds = range(1, arguments.seeds + 1)
    started_s = time.perf_counter()
    with MemoryPeak() as peak:
        world = _make_world(store, arguments.executor)
        built_s = time.perf_counter() - started_s
        runs = {seed: [_train(store, world, seed, word, arguments.executor) for word in MODALITIES] for seed in seeds}
        scores = {seed: _score(store, world, [folder for folder, _ in runs[seed]]) for seed in seeds}
    trained_s = {seed: [seconds for _, seconds in runs[seed]] for seed in seeds}
    minutes = (built_s / 60, (time.perf_counter() - started_s) / 60)
    page = "\n".join([TITLE, "", ordering.to_markdown(scores), "", *_costs(trained_s, *minutes, peak.megabytes)])
    checks = ordering.checks(list(scores.values()))
    (store / "ordering.md").write_text(f"{page}\n\n{ordering.verdict(checks)}\n", encoding="utf-8")
    told = {"scores": scores, "training_s": trained_s, "build_s": built_s, "peak_memory_mb": peak.megabytes}
    (store / "ordering.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(f"\n{page}\n\n{ordering.verdict(checks)}\nlook around: ave status --store {store}")
    return int(not all(check.holds for check in checks))


def _make_world(store: Path, executor: str) -> Settings:
    """Raw releases, corpus and shards; the settings that made them."""
    from pipeline import mini
    from pipeline.mini import learning

    print(f"{store}: two objects in every picture, one sounds at a time, and whoever hears looks at that one")
    made = mini.make(store / "mini", stimuli=learning.stimuli())
    goals = ("corpus", "shards")
    world = Settings(manifests="mini/manifests", accept=made.corpora, goals=goals, formats=("wds",), **TRAINING)
    _build(store, world, executor)
    return world


def _build(store: Path, settings: Settings, executor: str) -> None:
    """Build what is not there yet.

    Raises
    ------
    StoreError
        If something of it cannot be made.
    """
    from pipeline.summary import failure_table

    session = resolve("tasks.ave:run")(store, settings, executor)
    if session.stopped is not None:
        raise session.stopped
    if failures := session.failures():
        print(failure_table(failures), file=sys.stderr)
        raise StoreError("The world to learn from was not built.", remedy=f"See {store / 'logs'}.", code="unfinished")


def _train(store: Path, world: Settings, seed: int, modality: str, executor: str) -> tuple[Path, float]:
    """Folder of one run, and how many seconds it trained."""
    settings = replace(world, goals=(*world.goals, "train"), modality=modality, seed=seed)
    _build(store, settings, executor)
    runs = Build(settings, store).folder("train", POOLED)
    name = f"{settings.model}-{modality}"
    record = runs.record(name)
    assert record is not None
    return runs.item_folder(name), record.seconds


def _score(store: Path, world: Settings, runs: list[Path]) -> dict[str, dict[str, float]]:
    """Scores of one seed's runs on the test split, named as `ordering.ROWS` has them."""
    from pipeline.learn.trial import score_test

    built = Build(world, store)
    shards = {}
    for corpus in built.corpora:
        for item in built.state("shards", corpus).fresh:
            split, _, _ = item.partition(".")
            shards[f"{corpus}/{split}"] = built.folder("shards", corpus).item_folder(item) / "index.json"
    return score_test(shards, dict(zip(MODALITIES, runs, strict=True)), every=SCORED_EVERY)


def _costs(trained_s: dict[int, list[float]], built_min: float, all_min: float, peak_mb: float) -> Iterator[str]:
    """Minutes and memory, a line each."""
    for seed, seconds in trained_s.items():
        each = ", ".join(f"{word} {one / 60:.1f}" for word, one in zip(MODALITIES, seconds, strict=True))
        yield f"* Seed {seed}: minutes of training: {each}."
    yield f"* Minutes: {built_min:.1f} to make and build the world, {all_min:.1f} in all (nothing is made twice)."
    yield f"* Memory of all processes together, at most: {peak_mb / 1000:.1f} GB."
