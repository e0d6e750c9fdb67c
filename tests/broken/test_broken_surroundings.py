"""What lies around the releases is broken or missing: sources, terms, ffmpeg, the lock, the disk."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as parquet
import pytest

from pipeline.features import density
from pipeline.store.folders import StageFolder
from pipeline.store.lock import holders

from .workshop import ASKED, CLIP, FILM, OTHER_CLIP, OTHER_FILM, TABLES, ZIP, Workshop

ROOT = Path(__file__).resolve().parents[2]
CLIPS = "coutrot2/ERB4_Stimuli"


def name_true_checksums(shop: Workshop, mini_world: Path) -> None:
    """Put the manifests back that know every release's size and SHA-256."""
    shutil.copy2(mini_world / "manifests" / "sources.csv", shop.manifests)


def test_a_release_with_a_flipped_bit_is_set_aside_and_the_next_build_fetches_the_true_one(
    workshop: Workshop, mini_world: Path, everything
):
    name_true_checksums(workshop, mini_world)
    archive = workshop.raw / f"{FILM}.7z"
    data = bytearray(archive.read_bytes())
    data[1000] ^= 1
    archive.write_bytes(data)

    broken = workshop.build()
    assert broken.status == 1
    assert "fetch: checksum (1)" in broken.table
    assert f"{FILM}: clock_workshop_320x240.7z: sha256 " in broken.table
    assert "does not match the manifest (" in broken.table
    assert f"The file is kept as {archive}.bad and is not used." in broken.table
    assert "The source may have changed; see manifests/README.md" in broken.table
    assert not archive.exists()
    assert archive.with_name(f"{archive.name}.bad").read_bytes() == data
    assert workshop.published() == (CLIP, OTHER_CLIP, OTHER_FILM)
    assert workshop.rejected()["source", FILM].startswith("failed-checksum: ")

    mended = workshop.build()
    assert mended.status == 0
    assert mended.made == (everything - broken.made) | TABLES
    assert workshop.published() == ASKED


def test_a_download_that_is_not_the_manifests_file_is_set_aside(workshop: Workshop, mini_world: Path):
    name_true_checksums(workshop, mini_world)
    (workshop.raw / ZIP).unlink()
    workshop.change_rows(
        "sources.csv",
        lambda row: row["artifact"] == "ERB4_Stimuli.zip" and row.update(checksum=f"sha256:{'0' * 64}"),
    )
    broken = workshop.build()
    assert broken.status == 1
    assert "fetch: checksum (1)" in broken.table
    assert f"does not match the manifest ({'0' * 64}). The file is kept as {workshop.raw / ZIP}.bad" in broken.table
    assert not (workshop.raw / ZIP).exists()
    assert workshop.published() == (FILM, OTHER_FILM)
    assert {subject for _, subject in workshop.rejected()} == {CLIPS, CLIP, OTHER_CLIP}

    name_true_checksums(workshop, mini_world)
    assert workshop.build().status == 0
    assert workshop.published() == ASKED


def test_nothing_is_fetched_before_the_terms_are_accepted(workshop: Workshop, everything):
    shutil.rmtree(workshop.raw / "coutrot2")
    broken = workshop.build(accept=("diem",))
    assert broken.status == 1
    assert "fetch: terms (2)" in broken.table
    assert f"{CLIPS}: the terms of coutrot2 are not accepted yet, so nothing of it is fetched." in broken.table
    assert "Licence: CC0-1.0. Terms: Made by a program" in broken.table
    assert "If you accept them, run again with `--accept coutrot2`" in broken.table
    assert not (workshop.raw / "coutrot2").exists()
    assert workshop.published() == (FILM, OTHER_FILM)
    assert workshop.rejected()["source", CLIPS].startswith("failed-terms: ")

    mended = workshop.build(accept=("diem", "coutrot2"))
    assert mended.status == 0
    assert mended.made == (everything - broken.made) | TABLES
    assert workshop.published() == ASKED


@pytest.fixture
def by_hand_only(workshop: Workshop) -> Workshop:
    """Coutrot 2's clips are not in RAW, and only a person can fetch them."""
    (workshop.raw / ZIP).rename(workshop.folder / "fetched_by_hand.zip")

    def only_by_hand(row: dict[str, str]) -> None:
        if row["artifact"] == "ERB4_Stimuli.zip":
            row.update(kind="manual", urls="https://mega.example/folder/x", how_to="Press 'Download as ZIP'.")

    workshop.change_rows("sources.csv", only_by_hand)
    return workshop


def put_it_there(shop: Workshop) -> None:
    (shop.folder / "fetched_by_hand.zip").rename(shop.raw / ZIP)


def test_what_only_a_person_can_fetch_is_told_with_address_and_place(by_hand_only: Workshop, everything):
    broken = by_hand_only.build()
    assert broken.status == 1
    assert "fetch: manual (1)" in broken.table
    assert f"{CLIPS}: not in RAW, and only a person can fetch it." in broken.table
    assert "Fetch ERB4_Stimuli.zip from https://mega.example/folder/x (Press 'Download as ZIP')" in broken.table
    assert f"and put it at {by_hand_only.raw / ZIP}." in broken.table
    assert by_hand_only.published() == (FILM, OTHER_FILM)
    assert by_hand_only.rejected()["source", CLIPS].startswith("failed-manual: ")

    put_it_there(by_hand_only)
    mended = by_hand_only.build()
    assert mended.status == 0
    assert mended.made == (everything - broken.made) | TABLES
    assert by_hand_only.published() == ASKED


def test_a_partial_build_goes_on_without_it_and_lists_it(by_hand_only: Workshop, everything):
    partial = by_hand_only.build("--partial")
    assert (partial.status, partial.table) == (0, "")
    assert by_hand_only.published() == (FILM, OTHER_FILM)
    assert by_hand_only.rejected() == {
        ("source", CLIPS): "not-in-raw: RAW/coutrot2/ERB4_Stimuli.zip or ERB4_Stimuli/",
        ("stimulus", CLIP): f"source-missing: needs {CLIPS}",
        ("stimulus", OTHER_CLIP): f"source-missing: needs {CLIPS}",
    }
    card = (by_hand_only.store / "cards" / "coutrot2.md").read_text(encoding="utf-8")
    missing = card.split("## What was asked for and is missing")[1].split("\n## ")[0]
    assert "RAW/coutrot2/ERB4_Stimuli.zip or ERB4_Stimuli/" in missing

    put_it_there(by_hand_only)
    whole = by_hand_only.build("--partial")
    assert whole.status == 0
    assert whole.made == (everything - partial.made) | TABLES
    assert by_hand_only.published() == ASKED


def test_without_ffmpeg_the_gaze_is_read_and_the_remedy_is_told(
    workshop: Workshop, everything, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AVE_FFMPEG", str(workshop.folder / "no-ffmpeg"))
    broken = workshop.build()
    assert broken.status == 1
    assert "frames: no-ffmpeg (4)" in broken.table
    assert f"$AVE_FFMPEG is '{workshop.folder / 'no-ffmpeg'}', which is not a program that can be run" in broken.table
    assert "Set AVE_FFMPEG to the right path, or unset it" in broken.table
    assert {item for stage, item in broken.made if stage == "recordings"} == set(ASKED)
    assert workshop.published() == ()
    assert {subject for _, subject in workshop.rejected()} == set(ASKED)

    monkeypatch.delenv("AVE_FFMPEG")
    mended = workshop.build()
    assert mended.status == 0
    assert mended.made == (everything - broken.made) | TABLES


@pytest.fixture
def other_build(workshop: Workshop) -> Iterator[subprocess.Popen]:
    """Another process that holds the lock of the workshop's store."""
    workshop.store.mkdir()
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom pipeline.store.lock import store_lock\n"
        "with store_lock(Path(sys.argv[1])):\n    print('locked', flush=True)\n    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, str(workshop.store)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        yield process
        process.kill()


def test_a_build_waits_for_nobody_and_a_killed_one_keeps_no_lock(workshop: Workshop, other_build: subprocess.Popen):
    refused = workshop.build()
    assert refused.status == 1
    at_work = "another build is at work here, on the whole store"
    assert f"{workshop.store}: {at_work} (pid {other_build.pid} on " in refused.said
    assert "Wait for it, or stop it" in refused.said
    assert refused.made == set()
    assert [path.name for path in workshop.store.iterdir()] == ["locks"]

    other_build.send_signal(signal.SIGKILL)
    other_build.wait()
    assert workshop.build().status == 0
    assert workshop.published() == ASKED


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(OSError(errno.ENOSPC, "No space left on device"), id="the disk is full"),
        pytest.param(OSError(errno.EDQUOT, "Disk quota exceeded"), id="the quota is used up"),
        pytest.param(OSError("8192 requested and 4096 written"), id="NumPy could write half of an array"),
    ],
)
def test_one_item_that_no_longer_fits_is_told_and_the_next_build_makes_it(
    workshop: Workshop, everything, monkeypatch: pytest.MonkeyPatch, error: OSError
):
    def no_room_for_the_film(job):
        if job.item == FILM:
            raise error
        return make(job)

    make = density.build_item
    monkeypatch.setattr(density, "build_item", no_room_for_the_film)
    broken = workshop.build()
    assert broken.status == 1
    assert "density: disk-full (1)" in broken.table
    assert f"density of {FILM}, writing below {workshop.store / 'stages' / 'density'}" in broken.table
    assert "the disk is full, or your quota is used up (" in broken.table
    assert "Free some space or move the store (--store), then run the same command again" in broken.table
    assert workshop.published() == (CLIP, OTHER_CLIP, OTHER_FILM)
    assert workshop.rejected()["stimulus", FILM].startswith("failed-disk-full: ")

    monkeypatch.setattr(density, "build_item", make)
    mended = workshop.build()
    assert mended.status == 0
    assert mended.made == (everything - broken.made) | TABLES


@pytest.fixture
def mountable(tmp_path: Path) -> Path:
    """An empty folder on which a child in a name space of its own may mount something."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    if subprocess.run([*OWN_NAMES, 'mount -t tmpfs none "$0"', folder], capture_output=True).returncode:
        pytest.skip("this machine lets no user mount a disk in a name space of its own (unshare --map-root-user)")
    return folder


OWN_NAMES = ("unshare", "--map-root-user", "--mount", "sh", "-c")


def run_apart(script: str, *words: str | Path) -> str:
    """Run a shell script in a name space of its own; what it and its commands say, on stdout and stderr."""
    done = subprocess.run(
        [*OWN_NAMES, script, *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    return done.stdout


ON_A_SMALL_DISK = """
cd "$1" && shift
mount -t tmpfs -o size=12m none "$0"
head -c "$1" /dev/zero > "$0/ballast" 2> /dev/null; shift
"$@"; echo "status $?"
rm "$0/ballast"
"$@"; echo "status $?"
cp "$0/store/corpus/stimuli.parquet" .
find "$0/store" -name '.tmp-*' -o -name '.trash-*'
"""


@pytest.mark.parametrize(
    "ballast_mb",
    [
        pytest.param(20, id="nothing fits at all"),
        pytest.param(11, id="the clips do not fit"),
        pytest.param(7, id="what is made of them does not fit"),
    ],
)
def test_on_a_full_disk_nothing_is_half_made_and_the_build_goes_on_once_there_is_room(
    workshop: Workshop, mountable: Path, ballast_mb: int
):
    """A real small disk, 12 MB; the store takes 8 of them."""
    words = [word.replace(str(workshop.store), str(mountable / "store")) for word in workshop.words()]
    build = [sys.executable, "-m", "pipeline.cli", *words]
    places = [mountable, workshop.folder, str(ballast_mb * 1_000_000)]
    full, _, roomy = run_apart(ON_A_SMALL_DISK, *places, *build).partition("status 1\n")
    assert "disk" in full and "full" in full, full
    assert "Make room there" in full or "Free some space" in full
    assert "bug" not in full
    assert "Traceback" not in full
    assert roomy.splitlines()[-1] == "status 0"
    assert tuple(parquet.read_table(workshop.folder / "stimuli.parquet").column("stimulus").to_pylist()) == ASKED


ON_A_READ_ONLY_DISK = """
mount --bind "$1" "$0" && mount -o remount,bind,ro "$0"
shift
"$@"; echo "status $?"
"$@" --sigma-dva 2; echo "status $?"
"""


def test_on_a_read_only_disk_a_build_says_so_unless_there_is_nothing_to_do(workshop: Workshop, mountable: Path):
    assert workshop.build().status == 0
    build = [sys.executable, "-m", "pipeline.cli", "build", "--store", str(mountable), "--executor", "serial"]
    nothing, something, *_ = run_apart(ON_A_READ_ONLY_DISK, mountable, workshop.store, *build).split("status ")
    assert something.startswith("0\n")
    assert "4 stimuli" in nothing
    assert f"ave: {mountable}: the store cannot be written (Read-only file system)." in something
    assert "Give yourself write access to the store, or choose another with --store" in something


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("where", [".", "stages/density"], ids=["the store", "one stage of it"])
def test_without_write_access_a_build_says_so_and_goes_on_once_it_has_it(workshop: Workshop, where: str):
    assert workshop.build().status == 0
    folders = [workshop.store / where, *(path for path in (workshop.store / where).rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        refused = workshop.build("--sigma-dva", "2")
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert refused.status == 1
    assert "the store cannot be written (Permission denied)." in refused.said
    assert "Give yourself write access to the store, or choose another with --store" in refused.said
    assert "bug" not in refused.said
    assert workshop.build("--sigma-dva", "2").status == 0
    assert workshop.published() == ASKED


def test_a_bug_that_is_no_items_fault_keeps_its_traceback_and_gives_the_lock_back(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
):
    def bug(*_arguments):
        raise RuntimeError("what a bug says")

    monkeypatch.setattr(StageFolder, "write", bug)
    with pytest.raises(RuntimeError, match="what a bug says"):
        workshop.build()
    monkeypatch.undo()
    assert holders(workshop.store) == {}
    assert workshop.build().status == 0


def test_a_file_where_the_store_should_be_is_wrong_usage(workshop: Workshop):
    workshop.store.write_text("a list of what to buy")
    refused = workshop.build()
    assert refused.status == 2
    assert refused.said == f"ave: {workshop.store} is a file, expected a folder. Name another with --store.\n"
