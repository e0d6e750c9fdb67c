"""A corner of the miniature corpus to break things in: four stimuli of two corpora, built by the real command."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as parquet
import pytest

from pipeline.cli import main
from pipeline.recipe import build as build_module
from pipeline.store.items import execute

FILM, OTHER_FILM = "diem/clock_workshop_320x240", "diem/street_band_384x288"
CLIP, OTHER_CLIP = "coutrot2/clip_2", "coutrot2/clip_3"
ASKED = (CLIP, OTHER_CLIP, FILM, OTHER_FILM)
MAT, ZIP = "coutrot2/coutrot_database2.mat", "coutrot2/ERB4_Stimuli.zip"
RELEASES = (f"{FILM}.7z", f"{OTHER_FILM}.7z", MAT, ZIP)

PER_STIMULUS = ("recordings", "frames", "curate", "logmel", "density")
TABLES = {("publish", "all/corpus"), ("card", "all/cards")}


@dataclass
class Outcome:
    """How one build ended: its exit status, what it said on stderr, and the (stage, item) pairs it made."""

    status: int
    said: str
    made: set[tuple[str, str]]


@dataclass
class Workshop:
    """RAW with the releases of four stimuli, manifests that know no checksum, and a store that is not there yet."""

    folder: Path
    capsys: pytest.CaptureFixture[str]
    made: set[tuple[str, str]] = field(default_factory=set)

    @property
    def raw(self) -> Path:
        """What a test breaks."""
        return self.folder / "raw"

    @property
    def store(self) -> Path:
        """Made by the first build."""
        return self.folder / "store"

    @property
    def manifests(self) -> Path:
        """This test's own tables."""
        return self.folder / "manifests"

    def words(self, *options: str, asked: tuple[str, ...] = ASKED, accept: bool = True) -> list[str]:
        """The command that builds what is asked for."""
        terms = ["--accept", "diem", "coutrot2"] if accept else []
        places = ["--store", str(self.store), "--raw", str(self.raw), "--manifests", str(self.manifests)]
        return ["build", *places, "--executor", "serial", *terms, "--only", *asked, *options]

    def build(self, *options: str, asked: tuple[str, ...] = ASKED, accept: bool = True) -> Outcome:
        """Run `ave build` in this process."""
        self.made.clear()
        self.capsys.readouterr()
        status = main(self.words(*options, asked=asked, accept=accept))
        return Outcome(status, self.capsys.readouterr().err, set(self.made))

    def unpack_film(self) -> Path:
        """Let the film lie in RAW as a folder, as a person may have unpacked it."""
        import py7zr

        archive = self.raw / f"{FILM}.7z"
        with py7zr.SevenZipFile(archive) as packed:
            packed.extractall(self.raw / FILM)
        archive.unlink()
        return self.raw / FILM

    def change_rows(self, table: str, change: Callable[[dict[str, str]], None]) -> None:
        """Edit every row of a manifest in place."""
        with open(self.manifests / table, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            change(row)
        with open(self.manifests / table, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    def published(self) -> tuple[str, ...]:
        """Ids in the published stimuli.parquet."""
        return tuple(parquet.read_table(self.store / "corpus" / "stimuli.parquet").column("stimulus").to_pylist())

    def rejected(self) -> dict[tuple[str, str], str]:
        """{(level, subject): "reason: detail"} of the published rejected.parquet, without single samples."""
        rows = parquet.read_table(self.store / "corpus" / "rejected.parquet").to_pylist()
        return {
            (row["level"], row["subject"]): f"{row['reason']}: {row['detail']}"
            for row in rows
            if row["level"] != "sample"
        }


@pytest.fixture
def workshop(mini_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> Workshop:
    """A workshop of a test's own; what its builds make is counted."""
    shop = Workshop(tmp_path, capsys)
    shutil.copytree(mini_world / "manifests", shop.manifests)
    shop.change_rows("sources.csv", lambda row: row.update(size_bytes="", checksum="unknown"))
    for name in RELEASES:
        (shop.raw / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(mini_world / "releases" / name, shop.raw / name)

    def counting(task):
        record = execute(task)
        shop.made.add((task.stage, task.item))
        return record

    monkeypatch.setattr(build_module, "execute", counting)
    return shop


@pytest.fixture(scope="session")
def everything() -> set[tuple[str, str]]:
    """Every (stage, item) that an undisturbed build of the workshop makes."""
    artifacts = (FILM, OTHER_FILM, MAT, ZIP.removesuffix(".zip"))
    return (
        {(stage, artifact) for stage in ("fetch", "unpack") for artifact in artifacts}
        | {(stage, stimulus) for stage in PER_STIMULUS for stimulus in ASKED}
        | TABLES
    )
