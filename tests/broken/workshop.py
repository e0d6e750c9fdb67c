"""A corner of the miniature corpus to break things in: four stimuli of two corpora, built by the real command."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as parquet
import pytest

from pipeline.cli import main

FILM, OTHER_FILM = "diem/clock_workshop_320x240", "diem/street_band_384x288"
CLIP, OTHER_CLIP = "coutrot2/clip_2", "coutrot2/clip_3"
ASKED = (CLIP, OTHER_CLIP, FILM, OTHER_FILM)
MAT, ZIP = "coutrot2/coutrot_database2.mat", "coutrot2/ERB4_Stimuli.zip"
RELEASES = (f"{FILM}.7z", f"{OTHER_FILM}.7z", MAT, ZIP)

PER_STIMULUS = ("recordings", "frames", "curate", "logmel", "density")
TABLES = {("publish", "all/corpus"), ("card", "all/cards")}


@dataclass
class Outcome:
    """How one command ended: its exit status, what it said on stderr, the (stage, item) pairs it made, its stdout."""

    status: int
    said: str
    made: set[tuple[str, str]]
    printed: str = ""

    @property
    def table(self) -> str:
        """The failure table, which stands at the end; empty where nothing failed."""
        head = re.search(r"^\d+ items? failed:$", self.said, re.MULTILINE)
        return self.said[head.start() :] if head else ""


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

    def run(self, *words: str) -> Outcome:
        """Run `ave` in this process."""
        self.made.clear()
        self.capsys.readouterr()
        status = main(words)
        captured = self.capsys.readouterr()
        return Outcome(status, captured.err, set(self.made), captured.out)

    def words(self, *options: str, accept: tuple[str, ...] = ("diem", "coutrot2")) -> list[str]:
        """The command that builds the four stimuli."""
        places = ["--store", str(self.store), "--raw", str(self.raw), "--manifests", str(self.manifests)]
        terms = ["--accept", *accept] if accept else []
        return ["build", *places, "--executor", "serial", *terms, "--only", *ASKED, *options]

    def build(self, *options: str, accept: tuple[str, ...] = ("diem", "coutrot2")) -> Outcome:
        """Run that command in this process."""
        return self.run(*self.words(*options, accept=accept))

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
