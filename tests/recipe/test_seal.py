"""What a seal must never hide: every change is tried on a sealed store, and must be seen as if there were no seals."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.mini.plan import STIMULI
from pipeline.options import given_settings
from pipeline.recipe import build as build_module
from pipeline.recipe import seal
from pipeline.recipe.build import WIRING, Build
from pipeline.recipe.part import Part
from pipeline.recipe.stages import STAGES
from pipeline.recipe.wanted import Wanted, Wiring
from pipeline.store.folders import SEAL_RECORD, STAGE_RECORD, Failure, StageFolder
from pipeline.store.items import RECORD_NAME
from tests.recipe import changes
from tests.recipe.changes import Change, options
from tests.recipe.lines import CLIP, RAILWAY
from tests.recipe.trial import Options, Trial

WIRED = Counter[str]


@pytest.fixture
def sealed(mini_store: Path, monkeypatch: pytest.MonkeyPatch) -> Trial:
    """A built store that a build with nothing to do has looked at and sealed."""
    trial = Trial(mini_store, monkeypatch)
    assert trial.ave("build").status == 0
    return trial


@pytest.fixture
def wired(monkeypatch: pytest.MonkeyPatch) -> WIRED:
    """Counts how often an item of each stage is put together from what it is made from."""
    counts: WIRED = Counter()

    def counting(stage: str, wiring: Wiring) -> Wiring:
        def wire(view: Any, corpus: str, name: str) -> Any:
            counts[stage] += 1
            return wiring.wire(view, corpus, name)

        wire.__module__, wire.__qualname__ = wiring.wire.__module__, wiring.wire.__qualname__
        return replace(wiring, wire=wire)

    monkeypatch.setattr(build_module, "WIRING", {name: counting(name, wiring) for name, wiring in WIRING.items()})
    return counts


def answers(trial: Trial, given: Options) -> dict[str, Any]:
    """Everything that a look says of every (stage, corpus)."""
    looked = Build(trial.settings.with_given(given_settings(given)), trial.store)
    looked.renew = frozenset(given.get("renew", ()))
    found = {}
    for stage, corpus in looked.targets():
        state = looked.state(stage.name, corpus)
        broken = {name: str(error) for name, error in state.broken.items()}
        listed = (sorted(state.fresh), state.to_run, state.waiting, broken, sorted(state.stale), state.failures)
        found[f"{stage.name} {corpus}"] = (*listed, state.word, state.names)
    return found


def unsealed(store: Path) -> list[Path]:
    """Take every seal away; returns where they were."""
    seals = [path for path in store.rglob(f"*{SEAL_RECORD}") if path.name.endswith(SEAL_RECORD)]
    for path in seals:
        path.unlink()
    return seals


# -- what a seal is for ----------------------------------------------------------------------------------------------


def test_what_is_sealed_is_found_fresh_without_putting_anything_together(sealed: Trial, wired: WIRED):
    found = answers(sealed, {})
    assert wired == Counter()
    assert {word for *_, word, _ in found.values()} == {"fresh"}
    assert len(unsealed(sealed.store)) == len(found)
    assert answers(sealed, {}) == found
    refused = [plan for plan in STIMULI if plan.refused]  # logmel and density hear that from curate, item by item
    assert wired.total() == sum(len(names) for *_, names in found.values()) + 2 * len(refused)


def test_a_build_seals_what_it_has_made(mini_store: Path, monkeypatch: pytest.MonkeyPatch, wired: WIRED):
    trial = Trial(mini_store, monkeypatch)
    trial.build({"sigma-dva": 1.5})
    wired.clear()
    assert {word for *_, word, _ in answers(trial, {}).values()} == {"fresh"}
    assert wired == Counter()


def test_only_what_is_made_from_an_item_in_doubt_is_put_together_again(sealed: Trial, wired: WIRED):
    changes.touched(f"{RAILWAY.stimulus}.7z")(sealed)
    answers(sealed, {})
    of_a_stimulus = ("fetch", "unpack", "recordings", "frames", "curate", "logmel", "density")
    assert {stage: wired[stage] for stage in of_a_stimulus} == dict.fromkeys(of_a_stimulus, 1)


def test_looking_writes_no_seal_and_a_store_that_cannot_be_written_is_looked_at_all_the_same(sealed: Trial):
    seals = unsealed(sealed.store)
    for command in ("status", "plan"):
        assert sealed.ave(command).status == 0
    assert not any(path.exists() for path in seals)

    def refuse(_folder: StageFolder, _seal: object) -> None:
        raise PermissionError(13, "Permission denied", str(sealed.store))

    sealed.patch.setattr(StageFolder, "write_seal", refuse)
    assert sealed.ave("build").status == 0


def test_what_looks_into_other_folders_is_looked_at_in_full_every_time(sealed: Trial, wired: WIRED):
    wiring = build_module.WIRING
    sealed.patch.setattr(build_module, "WIRING", {**wiring, "card": replace(wiring["card"], sealable=False)})
    for _ in range(2):
        answers(sealed, {})
    assert wired == {"card": 2}
    unsealed(sealed.store)
    seal.write(Build(sealed.settings, sealed.store))
    assert not (sealed.store / f".cards{SEAL_RECORD}").exists()


def test_a_part_of_a_build_trusts_no_seal_and_seals_nothing(sealed: Trial):
    part = Build(sealed.settings, sealed.store, Part(0, 2))
    found = {(stage.name, corpus): part.state(stage.name, corpus).names for stage, corpus in part.targets()}
    assert found["frames", "coutrot1"] == sorted(entry.name for entry in part.entries("coutrot1"))
    seals = unsealed(sealed.store)
    seal.write(part)
    assert not any(path.exists() for path in seals)


# -- what it must not hide -------------------------------------------------------------------------------------------


def item(stage: str, trial: Trial) -> Path:
    """The folder of one item of a stage."""
    (folder,) = trial.store.glob(f"stages/{stage}/*/{CLIP.stimulus}")
    return folder


def own_copy(path: Path) -> Path:
    """Break the link to the store that this one is a copy of, before a file is changed."""
    copy = path.with_name(f"{path.name}.copy")
    shutil.copy2(path, copy)
    os.replace(copy, path)
    return path


def rewritten(stage: str, **fields: object) -> Change:
    """An item's record says something else and is newer than the stage record: as after a killed build."""

    def write(trial: Trial) -> Options:
        record = item(stage, trial) / RECORD_NAME
        record.write_text(json.dumps({**json.loads(record.read_text()), **fields}))
        return {}

    return write


def done(action: Callable[[Trial], object]) -> Change:
    """A change that takes no other options."""

    def change(trial: Trial) -> Options:
        action(trial)
        return {}

    return change


def other_wiring(trial: Trial) -> None:
    """Somebody has changed what an item of density is made from."""

    def wire(view: Any, corpus: str, name: str) -> Any:
        wanted = WIRING["density"].wire(view, corpus, name)
        if wanted is not None:
            wanted.value("more", 1)
        return wanted

    trial.patch.setattr(build_module, "WIRING", {**WIRING, "density": replace(WIRING["density"], wire=wire)})


def failed_once(trial: Trial) -> None:
    """An item's output is gone, and the last attempt to make it failed."""
    (item("density", trial) / "density.npy").unlink()
    looked = Build(trial.settings, trial.store)
    wanted = looked.item("density", CLIP.corpus, CLIP.name)
    assert isinstance(wanted, Wanted)
    fingerprint = looked.fingerprint(STAGES["density"], CLIP.corpus, CLIP.name, wanted)
    failure = Failure("density", CLIP.stimulus, fingerprint, "odd", "it is odd", "try an even one")
    looked.folder("density", CLIP.corpus).write([], [failure], {})


def published_by_another(trial: Trial) -> None:
    """Another build has published the corpus since."""
    record = trial.store / "corpus" / RECORD_NAME
    record.write_text(json.dumps({**json.loads(record.read_text()), **OTHER}))


def collected(trial: Trial) -> None:
    """An item is gone, and out of its stage record, as `ave gc` leaves it."""
    folder = item("logmel", trial)
    shutil.rmtree(folder)
    StageFolder(folder.parent).forget([CLIP.name])


def stage_record_torn(trial: Trial) -> None:
    """A disk has lost the end of a stage record."""
    path = item("curate", trial).parent / STAGE_RECORD
    path.write_text(path.read_text()[:-100])


OTHER = {"fingerprint": "0" * 32}
SEEN: dict[str, Change] = {
    "an output is deleted": changes.hurt("frames", CLIP, "frames.arrow", changes.deleted),
    "an output is truncated": changes.hurt("density", CLIP, "density.npy", changes.truncated),
    "a published file is deleted": done(lambda trial: next(trial.store.glob("corpus/density/*/*.npy")).unlink()),
    "verify has found a flipped bit": changes.hurt("density", CLIP, "density.npy", changes.flipped),
    "an item is removed by hand": done(lambda trial: shutil.rmtree(item("curate", trial))),
    "a record is removed by hand": done(lambda trial: (item("frames", trial) / RECORD_NAME).unlink()),
    "a record is torn": done(lambda trial: (item("frames", trial) / RECORD_NAME).write_text("{")),
    "a killed build has made an item anew": rewritten("recordings", **OTHER),
    "a killed build has written other bytes": rewritten("frames", outputs={"video.json": [2, "0" * 64]}),
    "another build has published the corpus": done(published_by_another),
    "an item is collected as garbage": done(collected),
    "a raw file has a new time": changes.touched(f"{RAILWAY.stimulus}.7z"),
    "a raw file is gone": done(lambda trial: (trial.store / "raw" / f"{RAILWAY.stimulus}.7z").unlink()),
    "a category is corrected": changes.corrected(CLIP, category="misc"),
    "a stimulus is taken out": changes.left_out(CLIP),
    "sigma is changed": options(sigma_dva=1.5),
    "the silence threshold is changed": options(silence_dbfs=-50.0),
    "one corpus is asked for": options(corpus=("coutrot1",)),
    "one stimulus is asked for": options(only=(CLIP.stimulus,)),
    "the official 150 are asked for": options(official_150=True),
    "a version is raised": changes.bumped("recordings"),
    "the wiring is another": done(other_wiring),
    "a failure is remembered": done(failed_once),
    "an item is to be made anew with another library": changes.updated("numpy", "density"),
}
UNSEEN: dict[str, Change] = {
    "a killed build has made the same again": rewritten("logmel", seconds=99.0),
    "a stage record is removed": done(lambda trial: (item("recordings", trial).parent / STAGE_RECORD).unlink()),
    "a stage record is torn": done(stage_record_torn),
    "another library is installed": changes.updated("numpy"),
}


@pytest.mark.parametrize("change", SEEN.values(), ids=list(SEEN))
def test_a_change_is_seen_as_if_there_were_no_seals(sealed: Trial, change: Change):
    before = answers(sealed, {})
    given = change(sealed)
    found = answers(sealed, given)
    assert found != before
    unsealed(sealed.store)
    assert answers(sealed, given) == found


@pytest.mark.parametrize("change", UNSEEN.values(), ids=list(UNSEEN))
def test_what_changes_nothing_leaves_everything_fresh_with_seals_and_without(sealed: Trial, change: Change):
    before = answers(sealed, {})
    given = change(sealed)
    assert answers(sealed, given) == before
    unsealed(sealed.store)
    assert answers(sealed, given) == before


def test_a_manifest_changed_in_its_place_is_seen(sealed: Trial):
    folder = sealed.beside / "own"
    shutil.copytree(sealed.reviewed, folder)
    assert sealed.ave("build", "--manifests", str(folder)).status == 0
    before = answers(sealed, {})
    table = folder / "stimuli.csv"
    table.write_text(table.read_text(encoding="utf-8").replace(",nature,", ",misc,"), encoding="utf-8")
    found = answers(sealed, {})
    unsealed(sealed.store)
    assert before != found == answers(sealed, {})


def test_what_a_partial_build_goes_without_is_no_item_any_more(sealed: Trial):
    assert sealed.ave("build", "--partial").status == 0
    before = answers(sealed, {})
    (sealed.store / "raw" / f"{RAILWAY.stimulus}.7z").unlink()
    found = answers(sealed, {})
    assert RAILWAY.name in before["fetch diem"][-1]
    assert RAILWAY.name not in found["fetch diem"][-1]
    unsealed(sealed.store)
    assert answers(sealed, {}) == found


def test_another_program_trusts_no_seal_of_this_one(sealed: Trial, wired: WIRED, tmp_path: Path):
    sealed.patch.setattr(seal, "_PACKAGE", tmp_path / "another")
    answers(sealed, {})
    assert wired["frames"] == len(STIMULI)


def test_a_seal_vouches_for_nothing_that_was_made_from_what_no_stage_record_holds(sealed: Trial):
    rewritten("recordings", seconds=99.0)(sealed)
    unsealed(sealed.store)
    seal.write(Build(sealed.settings, sealed.store))
    others = {stage: StageFolder(item(stage, sealed).parent).seal()["other"] for stage in ("recordings", "curate")}
    assert others == {"recordings": [CLIP.name], "curate": [CLIP.name]}
    assert not StageFolder(item("frames", sealed).parent).seal()["other"]
    assert not (sealed.store / f".corpus{SEAL_RECORD}").exists()


def test_failures_leave_the_seals_of_everything_else(sealed: Trial, wired: WIRED):
    broken = own_copy(next((sealed.store / "raw").glob(f"{RAILWAY.stimulus}.7z")))
    broken.write_bytes(b"no archive")
    assert sealed.ave("build", "--executor", "serial").status == 1
    broken.with_name(f"{broken.name}.bad").replace(broken)
    wired.clear()
    found = answers(sealed, {})
    assert found["fetch diem"][-2] == "failed"
    assert wired["fetch"] == wired["frames"] == 1
    unsealed(sealed.store)
    assert answers(sealed, {}) == found
