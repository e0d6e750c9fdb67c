"""What may happen to a store and to what it is made from: one function a change, each for a line of the table.

A change is a function of a `Trial`; it alters what it must and returns the options to build with.
"""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pipeline import settings as settings_file
from pipeline.mini import releases
from pipeline.mini.plan import Plan
from pipeline.mini.world import build_scene
from pipeline.recipe import view
from pipeline.recipe.stages import STAGES
from pipeline.store import provenance
from tests.recipe.trial import Options, Trial

Change = Callable[[Trial], Options]


def options(**given: object) -> Change:
    """Nothing but other options."""
    return lambda _trial: {name.replace("_", "-"): value for name, value in given.items()}


def built_with(**given: object) -> Callable[[Trial], None]:
    """An earlier build with other options."""

    def build(trial: Trial) -> None:
        trial.build(options(**given)(trial))

    return build


def accepted_less(trial: Trial) -> None:
    """A store in which the terms of one corpus alone were accepted."""
    settings_file.save(replace(trial.settings, accept=("diem",)), trial.store)


def asked_for_parquet(trial: Trial) -> Options:
    """A second shard format, which is asked for through `ave export`."""
    settings_file.save(replace(trial.settings, formats=("wds", "parquet")), trial.store)
    return {}


# -- the manifests ---------------------------------------------------------------------------------------------------


def corrected(stimulus: Plan, **cells: str) -> Change:
    """Cells of a stimulus's row in stimuli.csv hold something else."""
    return lambda trial: _edited(trial, "stimuli.csv", lambda row: _is(row, stimulus), cells)


def left_out(stimulus: Plan) -> Change:
    """A stimulus has no row in stimuli.csv any more."""
    return lambda trial: _edited(trial, "stimuli.csv", lambda row: _is(row, stimulus), None)


def _is(row: dict[str, str], stimulus: Plan) -> bool:
    return (row["corpus"], row["name"]) == (stimulus.corpus, stimulus.name)


def _edited(trial: Trial, table: str, which: Callable[[dict[str, str]], bool], cells: dict[str, str] | None) -> Options:
    """A copy of the manifests in which some rows of a table hold other cells, or, for None, are left out."""
    folder = trial.beside / "manifests"
    shutil.copytree(trial.reviewed, folder)
    with open(folder / table, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    chosen = [row for row in rows if which(row)]
    assert chosen
    for row in chosen:
        row.update(cells or {})
    with open(folder / table, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows if cells else [row for row in rows if row not in chosen])
    return {"manifests": str(folder)}


# -- what was never there --------------------------------------------------------------------------------------------


def without_corpus(corpus: str, *others: str) -> Callable[[Trial], None]:
    """A store that was only ever asked for the other corpora."""

    def forget(trial: Trial) -> None:
        for folder in (*trial.store.glob(f"stages/*/*/{corpus}"), trial.store / "raw" / corpus):
            shutil.rmtree(folder)
        trial.build({"corpus": others})

    return forget


def without_stimulus(film: Plan) -> Callable[[Trial], None]:
    """A store that was built by manifests that did not know a stimulus of DIEM."""

    def forget(trial: Trial) -> None:
        for folder in trial.store.glob(f"stages/*/*/{film.corpus}/{film.name}"):
            shutil.rmtree(folder)
            for cache in folder.parent.glob("_STAGE*"):  # the records of the others are the truth
                cache.unlink()
        (trial.store / "raw" / film.corpus / f"{film.name}.7z").unlink()
        trial.build(left_out(film)(trial))

    return forget


def as_reviewed(trial: Trial) -> Options:
    """The manifests that the store was made with at first."""
    return {"manifests": str(trial.reviewed)}


# -- the raw releases ------------------------------------------------------------------------------------------------


def touched(file: str) -> Change:
    """A file in RAW has another time, and the same bytes."""

    def touch(trial: Trial) -> Options:
        _rewrite(trial, trial.store / "raw" / file, (trial.store / "raw" / file).read_bytes())
        return {}

    return touch


def replaced(film: Plan) -> Change:
    """The owner has put up another video of the same name, with other gaze; the manifest knows its checksum."""

    def release_anew(trial: Trial) -> Options:
        name, new = f"{film.stimulus}.7z", trial.beside / "new"
        new.mkdir()
        releases.write(new, [build_scene(film, seed=2, scale=0.3)], seed=2)
        return _put_into_raw(trial, name, (new / name).read_bytes())

    return release_anew


def lengthened(clip: Plan, archive: str) -> Change:
    """One clip of an archive has a few bytes more at its end, which no picture and no sound is made of."""

    def pack_again(trial: Trial) -> Options:
        before, after = trial.store / "raw" / archive, trial.beside / "new.zip"
        with zipfile.ZipFile(before) as old, zipfile.ZipFile(after, "w") as new:
            for member in old.infolist():
                more = b"JUNK\4\0\0\0more" if Path(member.filename).stem == clip.name else b""
                new.writestr(member, old.read(member) + more)
        return _put_into_raw(trial, archive, after.read_bytes())

    return pack_again


def _put_into_raw(trial: Trial, name: str, data: bytes) -> Options:
    _rewrite(trial, trial.store / "raw" / name, data)
    corpus, _, artifact = name.partition("/")
    known = {"size_bytes": str(len(data)), "checksum": f"sha256:{hashlib.sha256(data).hexdigest()}"}
    return _edited(trial, "sources.csv", lambda row: (row["corpus"], row["artifact"]) == (corpus, artifact), known)


def moved_raw(trial: Trial) -> Options:
    """The releases lie somewhere else."""
    shutil.move(trial.store / "raw", trial.beside / "releases")
    return {"raw": str(trial.beside / "releases")}


# -- the programs ----------------------------------------------------------------------------------------------------


def updated(library: str, *renew: str) -> Change:
    """Another version of a library is installed; these stages are asked to be made anew with it."""

    def install(trial: Trial) -> Options:
        before = provenance._library_version
        trial.patch.setattr(provenance, "_library_version", lambda name: "99.1" if name == library else before(name))
        return {"renew": renew} if renew else {}

    return install


# -- what was made ---------------------------------------------------------------------------------------------------


def bumped(stage: str) -> Change:
    """Somebody has raised a stage's version; what it writes is the same."""

    def bump(trial: Trial) -> Options:
        trial.patch.setitem(view.STAGES, stage, replace(STAGES[stage], version=99))
        return {}

    return bump


def hurt(stage: str, stimulus: Plan, output: str, how: Callable[[Trial, Path], None]) -> Change:
    """Something has happened to an output of a stimulus."""

    def harm(trial: Trial) -> Options:
        (victim,) = trial.store.glob(f"stages/{stage}/*/{stimulus.stimulus}/{output}")
        how(trial, victim)
        return {}

    return harm


def deleted(_trial: Trial, path: Path) -> None:
    """The file is gone; the published corpus has a name of its own for what it held."""
    path.unlink()


def truncated(trial: Trial, path: Path) -> None:
    """Only the first few bytes are left."""
    _rewrite(trial, path, path.read_bytes()[:10])


def emptied(trial: Trial, path: Path) -> None:
    """There is a file, and nothing in it."""
    _rewrite(trial, path, b"")


def flipped(trial: Trial, path: Path) -> None:
    """The last bit is another one, and `ave verify` has seen it."""
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    _rewrite(trial, path, bytes(data))
    assert trial.ave("verify").status == 1


def _rewrite(trial: Trial, path: Path, data: bytes) -> None:
    """Write a file anew under all its names in this store; those of the store that it is a copy of keep the old one."""
    names = [name for name in trial.store.rglob("*") if name.is_file() and name.samefile(path)]
    draft = trial.beside / "draft"
    draft.write_bytes(data)
    for name in names:
        name.unlink()
        os.link(draft, name)
    draft.unlink()
