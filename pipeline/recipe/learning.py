"""What the learning stages are made from: spoken words, shards, weights, maps.

The conventions are those of `wiring`. A run is an item: its name says the model and what it sees or hears, its variant
folder the rest of its settings, so runs lie side by side. Where a killed training goes on, where TensorBoard's files
go and where listed weights lie is told to a job and enters no fingerprint; what lies there does.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from pipeline.errors import AveError, ModelError
from pipeline.learn import survey
from pipeline.recipe.stages import POOLED
from pipeline.recipe.view import View
from pipeline.recipe.wanted import Item, Waiting, Wanted
from pipeline.settings import default_manifests
from pipeline.store.fingerprint import sha256_of
from pipeline.store.places import cache_folder, is_remote

RESUME = "resume"  # folder of a store in which a killed training finds its last state


def pretrain_names(view: View, _corpus: str) -> list[str]:
    """One item for the network that learns spoken words; none where no words are at hand."""
    return [f"words-{view.settings.pretrain_network}"] if view.settings.speech_commands else []


def pretrain_item(view: View, _corpus: str, _name: str) -> Item:
    """The recordings of a folder laid out as Speech Commands: a folder a word."""
    folder, wanted = Path(view.settings.speech_commands), Wanted()
    try:
        wanted.value("recordings", survey.spoken_words(folder))
    except AveError as error:
        return error
    wanted.value("folder", str(folder), hashed=False)
    return wanted


def run_names(view: View, _corpus: str) -> list[str]:
    """One item a run: a model, what it sees or hears, how these meet, and whether the mean eye position is added."""
    settings = view.settings
    with_mep = "+mep" if "mep=true" in settings.model_options else ""
    return ["-".join(filter(None, (settings.model, settings.modality, settings.fusion))) + with_mep]


def train_item(view: View, _corpus: str, name: str) -> Item:
    """One run: the train shards, the val shards that choose among its states (never test), and what it starts from."""
    settings, wanted = view.settings, Wanted()
    waiting = _add_indexes(view, wanted, ("train", "val"))
    if waiting is None and settings.pretrained_audio:
        waiting = _add_sound(view, wanted)
    if waiting is not None:
        return waiting
    try:
        if settings.train_stills:
            wanted.value("still_images", survey.still_images(Path(settings.train_stills)))
            wanted.value("stills", settings.train_stills, hashed=False)
        _add_weights(view, wanted)
    except AveError as error:
        return error
    keep = cache_folder() if is_remote(view.store) else view.store
    wanted.value("keep", str((keep / RESUME).absolute()), hashed=False)
    wanted.value("tensorboard", settings.tensorboard, hashed=False)
    return wanted


def predict_item(view: View, _corpus: str, name: str) -> Item:
    """One run: the shards of one split and the trained weights."""
    return _of_trained(view, name, (view.settings.predict_split,))


def audit_item(view: View, _corpus: str, name: str) -> Item:
    """One run: the shards of one split, the train shards that give the baseline, and the trained weights."""
    return _of_trained(view, name, tuple(dict.fromkeys(("train", view.settings.audit_split))))


def _of_trained(view: View, name: str, splits: tuple[str, ...]) -> Item:
    wanted = Wanted()
    waiting = _add_indexes(view, wanted, splits)
    if waiting is None and not view.is_fresh("train", POOLED, name):
        waiting = view.waiting("train", POOLED, name)
    if waiting is not None:
        return waiting
    wanted.file("weights", view.output("train", POOLED, name, "weights.safetensors"))
    wanted.file("run", view.output("train", POOLED, name, "run.json"))
    return wanted


def score_item(view: View, _corpus: str, name: str) -> Item:
    """One run: its maps, the shards that hold the truth, and the train shards that give the baselines."""
    wanted = Wanted()
    waiting = _add_indexes(view, wanted, tuple(dict.fromkeys(("train", view.settings.predict_split))))
    if waiting is None and not view.is_fresh("predict", POOLED, name):
        waiting = view.waiting("predict", POOLED, name)
    if waiting is not None:
        return waiting
    wanted.file("maps", view.output("predict", POOLED, name, "maps.parquet"))
    return wanted


def _add_indexes(view: View, wanted: Wanted, splits: tuple[str, ...]) -> Waiting | None:
    """Add the index of every shards item of these splits to `wanted`, or say what must be waited for."""
    found = {}
    for corpus in view.corpora:
        state = view.state("shards", corpus)
        for split in splits:
            name = f"{split}.{view.settings.formats[0]}"
            if name not in state:
                continue
            if name not in state.fresh:
                return view.waiting("shards", corpus, name)
            found[f"{corpus}/{split}"] = view.output("shards", corpus, name, "index.json")
            wanted.also_read(view.outputs("shards", corpus, name))
    wanted.few_files("shards", found)
    return None


def _add_sound(view: View, wanted: Wanted) -> Waiting | None:
    """Add the weights of the sound stream that learnt spoken words."""
    for name in pretrain_names(view, POOLED):
        if not view.is_fresh("pretrain", POOLED, name):
            return view.waiting("pretrain", POOLED, name)
        wanted.file("audio", view.output("pretrain", POOLED, name, "weights.safetensors"))
    return None


def _add_weights(view: View, wanted: Wanted) -> None:
    """Add the words that name published or own weights, and what is known of their files.

    Raises
    ------
    ModelError
        If a word is neither a listed name nor a file.
    """
    folder, manifests = view.raw / "weights", default_manifests()
    with open(manifests / "weights.csv", encoding="utf-8", newline="") as file:
        listed = {row["name"]: row for row in csv.DictReader(file)}
    known: dict[str, Any] = {}
    for word in view.settings.train_weights:
        row = listed.get(word)
        path = folder / row["file"] if row else Path(word.rpartition("=")[2])
        if row is None and not path.is_file():
            raise ModelError(
                f"No weights are called {word!r}, and no file is.",
                remedy="`ave models` lists the names; a file of your own is FILE, or PART=FILE.",
                code="weights-unknown",
            )
        known[word] = {"row": row, "sha256": sha256_of(path) if path.is_file() else None}
    if known:
        wanted.value("weights_known", known)
        wanted.value("weights", list(known), hashed=False)
        wanted.value("weights_folder", str(folder.absolute()), hashed=False)
        wanted.value("manifests", str(manifests.absolute()), hashed=False)
