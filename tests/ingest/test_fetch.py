"""What lies in RAW is checked like a download; what does not is fetched, or asked for in full sentences."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from pipeline.errors import FetchError, UnpackError
from pipeline.ingest import digests, disk, fetch
from pipeline.ingest.fetch import build_item, survey
from pipeline.records import Artifact, Source
from pipeline.store.job import Job

ROOT = Path(__file__).resolve().parents[2]
MAT = b"MATLAB 5.0 MAT-file" + bytes(5000)
MD5 = "md5:" + hashlib.md5(MAT).hexdigest()
SHA256 = hashlib.sha256(MAT).hexdigest()
GAZE = Artifact("coutrot_database1", ("coutrot_database1.mat",))
STIMULI = Artifact("ERB3_Stimuli", ("ERB3_Stimuli.zip", "ERB3_Stimuli.7z"), "ERB3_Stimuli")
BEARS = Artifact("arctic_bears_1066x710", ("arctic_bears_1066x710.7z",), "arctic_bears_1066x710")
LICENCE = {"title": "Coutrot 1", "licence": "unknown", "terms": "research only.", "citation": "Coutrot 2014",
           "homepage": "http://coutrot.example/"}  # fmt: skip
PER_VIDEO = Source("diem", "{name}.7z", "manual", ("http://host.example/?folder",), None, "unknown", "open the folder")
BUNDLE = Source("diem", "diem.tar.gz", "direct", ("https://mirror.example/diem.tar.gz",), None, "unknown")


def row(artifact: str = "coutrot_database1.mat", kind: str = "manual", **fields) -> Source:
    known = {"urls": ("http://coutrot.example/db1.mat",), "size_bytes": len(MAT), "checksum": MD5}
    return Source("coutrot1", artifact, kind, **{**known, **fields})


def job(raw: Path, artifact: Artifact, *sources: Source, accepted: bool = True, partial: bool = False) -> Job:
    corpus = sources[0].corpus if sources else "coutrot1"
    values = {
        "sources": [{**dataclasses.asdict(source), "urls": list(source.urls)} for source in sources],
        "artifact": dataclasses.asdict(artifact),
        "raw": str(raw),
        "accepted": accepted,
        "partial": partial,
        "licence": LICENCE,
    }
    return Job(stage="fetch", item=f"{corpus}/{artifact.name}", out=raw / "unused", values=values)


@pytest.fixture
def raw(tmp_path):
    return tmp_path / "raw"


def put(path: Path, content: bytes = MAT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def refused(asked: Job, code: str, kind: type = FetchError):
    with pytest.raises(kind) as caught:
        build_item(asked)
    assert caught.value.code == code, caught.value
    assert caught.value.remedy
    return caught.value


class TestSurvey:
    def test_nothing_lies_in_a_raw_that_does_not_exist(self, raw):
        assert survey(raw, "coutrot1", STIMULI) == []

    def test_a_packed_file_is_preferred_to_the_folder(self, raw):
        put(raw / "coutrot1" / "ERB3_Stimuli" / "clip_1.avi")
        packed = put(raw / "coutrot1" / "ERB3_Stimuli.7z", b"7z")
        assert survey(raw, "coutrot1", STIMULI) == [["ERB3_Stimuli.7z", 2, packed.stat().st_mtime_ns]]
        packed = put(raw / "coutrot1" / "ERB3_Stimuli.zip", b"zip")
        assert survey(raw, "coutrot1", STIMULI) == [["ERB3_Stimuli.zip", 3, packed.stat().st_mtime_ns]]

    def test_a_folder_is_listed_sorted_and_without_what_is_not_data(self, raw):
        folder = raw / "diem" / BEARS.name
        for name in ("video/b.mp4", "event_data/z.txt", "event_data/a.txt"):
            put(folder / name, name.encode())
        for name in (".DS_Store", "video/b.mp4.part", "b.wav.bad", "__MACOSX/video/b.mp4", ".git/config", "Thumbs.db"):
            put(folder / name)
        found = survey(raw, "diem", BEARS)
        assert [path for path, *_ in found] == [
            "arctic_bears_1066x710/event_data/a.txt",
            "arctic_bears_1066x710/event_data/z.txt",
            "arctic_bears_1066x710/video/b.mp4",
        ]
        for path, size, mtime_ns in found:
            facts = (raw / "diem" / path).stat()
            assert (size, mtime_ns) == (facts.st_size, facts.st_mtime_ns)

    @pytest.mark.parametrize("name", ["ERB3_Stimuli.zip.part", "ERB3_Stimuli.zip.bad", ".ERB3_Stimuli.zip"])
    def test_half_and_refused_downloads_are_nothing(self, raw, name):
        put(raw / "coutrot1" / name)
        assert survey(raw, "coutrot1", STIMULI) == []

    def test_a_plain_file_has_no_folder(self, raw):
        put(raw / "coutrot1" / GAZE.name / "a")
        assert survey(raw, "coutrot1", GAZE) == []

    def test_links_to_another_disk_are_followed_but_not_in_circles(self, raw, tmp_path):
        put(tmp_path / "disk" / "video" / "b.mp4")
        folder = raw / "diem" / BEARS.name
        folder.mkdir(parents=True)
        (folder / "video").symlink_to(tmp_path / "disk" / "video")
        (folder / "again").symlink_to(tmp_path / "disk" / "video")
        (folder / "circle").symlink_to(raw / "diem")
        assert [path.partition("/")[2] for path, *_ in survey(raw, "diem", BEARS)] == ["again/b.mp4", "video/b.mp4"]

    def test_looking_imports_neither_network_nor_unpacker_nor_tables(self):
        heavy = "urllib.request", "py7zr", "tarfile", "zipfile", "pandas", "numpy", "pyarrow"
        program = f"import sys; import pipeline.ingest.fetch; print([m for m in {heavy!r} if m in sys.modules])"
        said = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
        assert said.stdout.strip() == "[]"


class TestPlacedByHand:
    def test_the_right_file_is_recorded_with_its_sha256(self, raw):
        put(raw / "coutrot1" / "coutrot_database1.mat")
        facts = build_item(job(raw, GAZE, row()))
        assert facts["external"] == {
            "root": str(raw / "coutrot1"),
            "files": {"coutrot_database1.mat": [len(MAT), SHA256]},
        }
        assert facts["note"] == "md5 as in the manifest"
        assert facts["listing"] == survey(raw, "coutrot1", GAZE) != []

    def test_a_checksum_is_compared_without_regard_to_case(self, raw):
        put(raw / "coutrot1" / "coutrot_database1.mat")
        assert build_item(job(raw, GAZE, row(checksum=f"sha256:{SHA256.upper()}")))["note"].startswith("sha256")

    @pytest.mark.parametrize(
        ("size_bytes", "note"),
        [
            (None, "checksum unknown to the manifest, recorded as found"),
            (len(MAT), "size as in the manifest, checksum unknown to the manifest, recorded as found"),
        ],
    )
    def test_an_unknown_checksum_is_recorded_as_found(self, raw, size_bytes, note):
        put(raw / "coutrot1" / "coutrot_database1.mat")
        facts = build_item(job(raw, GAZE, row(checksum="unknown", size_bytes=size_bytes)))
        assert facts["note"] == note
        assert facts["external"]["files"]["coutrot_database1.mat"] == [len(MAT), SHA256]

    def test_the_wrong_file_is_set_aside_and_both_digests_are_said(self, raw):
        wrong = put(raw / "coutrot1" / "coutrot_database1.mat", MAT[:-1] + b"x")
        error = refused(job(raw, GAZE, row()), "checksum")
        found = hashlib.md5(MAT[:-1] + b"x").hexdigest()
        assert error.message.startswith(
            f"coutrot_database1.mat: md5 {found} does not match the manifest ({MD5[4:]}). "
            f"The file is kept as {wrong}.bad"
        )
        assert error.remedy == 'The source may have changed; see manifests/README.md, "when a source changes".'
        assert [path.name for path in wrong.parent.iterdir()] == ["coutrot_database1.mat.bad"]
        assert refused(job(raw, GAZE, row()), "manual"), "the set-aside file must never be used"

    def test_a_file_cut_short_is_called_incomplete(self, raw):
        put(raw / "coutrot1" / "coutrot_database1.mat", MAT[:100])
        error = refused(job(raw, GAZE, row()), "checksum")
        assert f"100 bytes (md5 {hashlib.md5(MAT[:100]).hexdigest()})" in error.message
        assert f"({len(MAT)} bytes, md5 {MD5[4:]})" in error.message and "incomplete" in error.remedy

    def test_an_empty_file_is_no_file(self, raw):
        put(raw / "coutrot1" / "coutrot_database1.mat", b"")
        assert "0 bytes" in refused(job(raw, GAZE, row(size_bytes=None, checksum="unknown")), "empty").message

    def test_where_raw_is_read_only_a_wrong_file_stays_and_is_not_used(self, raw, monkeypatch):
        wrong = put(raw / "coutrot1" / "coutrot_database1.mat", b"wrong")

        def read_only(self, target):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))

        monkeypatch.setattr(Path, "replace", read_only)
        error = refused(job(raw, GAZE, row()), "checksum")
        assert f"(Read-only file system) and is still {wrong}" in error.message

    def test_a_checksum_nobody_can_read_is_the_manifests_fault(self, raw):
        put(raw / "coutrot1" / "coutrot_database1.mat")
        assert "'md5:123'" in refused(job(raw, GAZE, row(checksum="md5:123")), "manifest").message

    def test_it_is_used_whatever_the_terms_say_because_a_person_fetched_it(self, raw):
        put(raw / "coutrot1" / "coutrot_database1.mat")
        assert build_item(job(raw, GAZE, row(), accepted=False, partial=True))["external"]["files"]

    def test_a_row_of_its_own_is_preferred_to_the_pattern(self, raw):
        put(raw / "diem" / "arctic_bears_1066x710.7z", MAT)
        own = Source("diem", "arctic_bears_1066x710.7z", "manual", (), 1, "unknown")
        refused(job(raw, BEARS, PER_VIDEO, own), "checksum")

    def test_the_files_of_a_folder_are_digested_one_by_one(self, raw):
        put(raw / "coutrot1" / "ERB3_Stimuli" / "clip_1.avi", b"one")
        put(raw / "coutrot1" / "ERB3_Stimuli" / "clip_2.avi", b"")
        facts = build_item(job(raw, STIMULI, row("ERB3_Stimuli.zip")))
        assert facts["external"]["root"] == str(raw / "coutrot1")
        assert facts["external"]["files"] == {
            "ERB3_Stimuli/clip_1.avi": [3, hashlib.sha256(b"one").hexdigest()],
            "ERB3_Stimuli/clip_2.avi": [0, hashlib.sha256(b"").hexdigest()],
        }
        assert "2 unpacked files" in facts["note"] and "empty (0 bytes): ERB3_Stimuli/clip_2.avi" in facts["note"]

    def test_a_link_to_nothing_is_named(self, raw):
        put(raw / "coutrot1" / "ERB3_Stimuli" / "clip_1.avi")
        (raw / "coutrot1" / "ERB3_Stimuli" / "clip_2.avi").symlink_to("nowhere")
        error = refused(job(raw, STIMULI, row("ERB3_Stimuli.zip")), "unreadable")
        assert "ERB3_Stimuli/clip_2.avi cannot be used (No such file" in error.message


class TestNotInRaw:
    def test_a_partial_build_goes_on_without_it(self, raw):
        error = refused(job(raw, STIMULI, row("ERB3_Stimuli.zip", "direct"), partial=True), "missing")
        home = raw / "coutrot1"
        places = f"{home}/ERB3_Stimuli.zip or {home}/ERB3_Stimuli.7z or {home}/ERB3_Stimuli/"
        assert places in error.message and "--partial" in error.remedy

    @pytest.mark.parametrize("kind", ["direct", "manual"])
    def test_terms_come_first(self, raw, kind):
        error = refused(job(raw, GAZE, row(kind=kind), accepted=False), "terms")
        assert "Licence: unknown. Terms: research only. Cite: Coutrot 2014." in error.remedy
        assert "`--accept coutrot1`" in error.remedy and '`accept = ["coutrot1"]`' in error.remedy

    def test_nothing_is_fetched_before_the_terms_are_accepted(self, raw, tmp_path):
        source = put(tmp_path / "elsewhere" / "db1.mat")
        direct = row(kind="direct", urls=(source.as_uri(),))
        refused(job(raw, GAZE, direct, accepted=False), "terms")
        assert not raw.exists()
        assert build_item(job(raw, GAZE, direct))["external"]["files"]["coutrot_database1.mat"] == [len(MAT), SHA256]

    def test_a_person_is_told_what_to_fetch_from_where_and_where_to_put_it(self, raw):
        manual = row("ERB3_Stimuli.zip", urls=("https://mega.example/#!key",), how_to="the key is in the link.")
        error = refused(job(raw, STIMULI, manual), "manual")
        home = raw / "coutrot1"
        assert error.message == "coutrot1/ERB3_Stimuli: not in RAW, and only a person can fetch it."
        assert error.remedy == (
            "Fetch ERB3_Stimuli.zip from https://mega.example/#!key (the key is in the link) and put it at "
            f"{home}/ERB3_Stimuli.zip. Already unpacked, it may lie at {home}/ERB3_Stimuli/. Then run the build again."
        )

    def test_a_source_without_a_row_is_the_manifests_fault(self, raw):
        assert "ERB3_Stimuli.zip or ERB3_Stimuli.7z" in refused(job(raw, STIMULI), "manifest").message

    def test_mirrors_of_all_direct_rows_are_tried_and_the_name_is_filled_in(self, raw, tmp_path):
        put(tmp_path / "a mirror" / "arctic_bears_1066x710.7z")
        gone = f"{(tmp_path / 'gone').as_uri()}/{{name}}.7z"
        good = f"{(tmp_path / 'a mirror').as_uri()}/{{name}}.7z"
        rows = [Source("diem", "{name}.7z", "direct", (url,), None, "unknown") for url in (gone, good)]
        assert build_item(job(raw, BEARS, *rows))["external"]["files"]["arctic_bears_1066x710.7z"] == [len(MAT), SHA256]

    def test_the_second_of_two_packed_names_may_be_the_direct_one(self, raw, tmp_path):
        url = put(tmp_path / "stimuli.7z").as_uri()
        rows = row("ERB3_Stimuli.zip"), row("ERB3_Stimuli.7z", "direct", urls=(url,))
        assert list(build_item(job(raw, STIMULI, *rows))["external"]["files"]) == ["ERB3_Stimuli.7z"]

    def test_a_download_of_wrong_bytes_is_kept_as_bad(self, raw, tmp_path):
        url = put(tmp_path / "db1.mat", b"wrong").as_uri()
        error = refused(job(raw, GAZE, row(kind="direct", urls=(url,))), "checksum")
        assert url in error.message and "manifests/README.md" in error.remedy
        assert [path.name for path in (raw / "coutrot1").iterdir()] == ["coutrot_database1.mat.bad"]

    def test_a_full_disk_is_named_with_the_bytes_needed(self, raw, tmp_path, monkeypatch):
        url = put(tmp_path / "db1.mat").as_uri()
        monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**6, 10**6 - 7, 7))
        error = refused(job(raw, GAZE, row(kind="direct", urls=(url,))), "disk-full")
        assert f"{len(MAT)} bytes are needed in {raw}/coutrot1, 7 bytes free" in error.message


class TestBundle:
    INSIDE = "informatik3/wtm/datasets/External Datasets/DIEM/"

    def put_bundle(self, raw: Path, *names: str) -> Path:
        path = put(raw / "diem" / "diem.tar.gz", b"")
        with tarfile.open(path, "w:gz") as bundle:
            for number, name in enumerate(names):
                member = put(raw.parent / "members" / str(number), MAT + name.encode())
                bundle.add(member, self.INSIDE + name)
        return path

    def test_a_persons_two_ways_are_both_named_and_nothing_is_downloaded(self, raw):
        error = refused(job(raw, BEARS, PER_VIDEO, BUNDLE), "manual")
        home = raw / "diem"
        assert f"http://host.example/?folder (open the folder) and put it at {home}/{BEARS.name}.7z" in error.remedy
        assert f"diem.tar.gz from https://mirror.example/diem.tar.gz and put it at {home}/diem.tar.gz" in error.remedy
        assert not raw.exists()

    @pytest.mark.parametrize("partial", [False, True])
    def test_an_archive_is_taken_out_of_a_bundle_that_lies_in_raw(self, raw, partial):
        self.put_bundle(raw, "other.7z", f"{BEARS.name}.7z", f"x{BEARS.name}.7z")
        facts = build_item(job(raw, BEARS, PER_VIDEO, BUNDLE, partial=partial, accepted=False))
        content = MAT + f"{BEARS.name}.7z".encode()
        expected = {f"{BEARS.name}.7z": [len(content), hashlib.sha256(content).hexdigest()]}
        assert facts["external"]["files"] == expected
        assert sorted(path.name for path in (raw / "diem").iterdir()) == [f"{BEARS.name}.7z", "diem.tar.gz"]
        assert facts["listing"] == survey(raw, "diem", BEARS) and facts["listing"][0][0] == f"{BEARS.name}.7z"

    def test_what_was_left_of_a_killed_attempt_is_no_obstacle(self, raw):
        self.put_bundle(raw, f"{BEARS.name}.7z")
        put(raw / "diem" / f"{BEARS.name}.7z.part", b"half")
        assert build_item(job(raw, BEARS, PER_VIDEO, BUNDLE))["external"]["files"]

    def test_a_bundle_that_does_not_hold_it_is_said_so(self, raw):
        self.put_bundle(raw, "other.7z")
        error = refused(job(raw, BEARS, PER_VIDEO, BUNDLE), "manual")
        assert f"The bundle {raw}/diem/diem.tar.gz lies there but does not hold it." in error.remedy
        assert refused(job(raw, BEARS, PER_VIDEO, BUNDLE, partial=True), "missing")

    def test_a_bundle_cut_short_is_damaged(self, raw):
        path = self.put_bundle(raw, "other.7z", f"{BEARS.name}.7z")
        path.write_bytes(path.read_bytes()[:100])
        error = refused(job(raw, BEARS, PER_VIDEO, BUNDLE), "damaged", UnpackError)
        assert "diem.tar.gz" in error.message and "incomplete" in error.remedy

    def test_a_bundle_is_checked_once_for_all_its_videos(self, raw, monkeypatch):
        path = self.put_bundle(raw, f"{BEARS.name}.7z", "other.7z")
        known = dataclasses.replace(BUNDLE, checksum="sha256:" + hashlib.sha256(path.read_bytes()).hexdigest())
        read = []
        whole = digests.digest_file
        monkeypatch.setattr(digests, "digest_file", lambda file, *extra: read.append(file.name) or whole(file, *extra))
        build_item(job(raw, BEARS, PER_VIDEO, known))
        build_item(job(raw, Artifact("other", ("other.7z",), "other"), PER_VIDEO, known))
        assert read == ["diem.tar.gz", f"{BEARS.name}.7z", "other.7z"]

    def test_a_bundle_of_the_wrong_checksum_is_set_aside(self, raw):
        path = self.put_bundle(raw, f"{BEARS.name}.7z")
        wrong = dataclasses.replace(BUNDLE, checksum="sha256:" + "0" * 64)
        refused(job(raw, BEARS, PER_VIDEO, wrong), "checksum")
        assert not path.exists() and path.with_name("diem.tar.gz.bad").exists()

    def test_the_archive_out_of_a_bundle_is_checked_like_any_other(self, raw):
        self.put_bundle(raw, f"{BEARS.name}.7z")
        own = Source("diem", f"{BEARS.name}.7z", "manual", (), None, "md5:" + "0" * 32)
        refused(job(raw, BEARS, own, BUNDLE), "checksum")
        assert not (raw / "diem" / f"{BEARS.name}.7z").exists()

    def test_a_disk_that_fills_up_is_named(self, raw, monkeypatch):
        self.put_bundle(raw, f"{BEARS.name}.7z")
        monkeypatch.setattr(disk, "free_bytes", lambda folder: 11)
        error = refused(job(raw, BEARS, PER_VIDEO, BUNDLE), "disk-full", UnpackError)
        assert "arctic_bears_1066x710.7z out of diem.tar.gz" in error.message and "11 bytes free" in error.message

    def test_a_raw_that_cannot_be_written_is_named(self, raw, monkeypatch):
        def read_only(*_args):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), "raw")

        self.put_bundle(raw, f"{BEARS.name}.7z")
        monkeypatch.setattr(fetch, "_take", read_only)
        assert "Read-only file system" in refused(job(raw, BEARS, PER_VIDEO, BUNDLE), "unreadable").message

    def test_a_full_quota_is_named(self, raw, monkeypatch):
        def full(*_args):
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

        self.put_bundle(raw, f"{BEARS.name}.7z")
        monkeypatch.setattr(fetch, "_take", full)
        assert "More room is needed" in refused(job(raw, BEARS, PER_VIDEO, BUNDLE), "disk-full").message


def test_a_large_file_is_digested_in_pieces(tmp_path):
    content = os.urandom(3 * digests.PIECE_BYTES + 5)
    found = digests.digest_file(put(tmp_path / "x", content), "md5")
    assert found.size_bytes == len(content)
    assert found.hexes == {
        "sha256": hashlib.sha256(content).hexdigest(),
        "md5": hashlib.md5(content).hexdigest(),
    }


def test_the_disk_of_a_folder_that_does_not_exist_yet_is_the_one_it_will_be_on(tmp_path):
    assert disk.mount_of(tmp_path / "not" / "yet") == disk.mount_of(tmp_path)
    assert disk.free_bytes(tmp_path / "not" / "yet") == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.01)
