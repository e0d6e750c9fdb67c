"""Sound archives come out whole; anything else is refused before a byte is written."""

from __future__ import annotations

import errno
import filecmp
import gzip
import io
import os
import random
import shutil
import stat
import struct
import tarfile
import time
import zipfile
import zlib
from pathlib import Path

import py7zr
import pytest

from pipeline.errors import UnpackError
from pipeline.ingest import archives, unpack
from pipeline.ingest.unpack import Limits, extract, normalise
from pipeline.store.job import Job

ENDINGS = ("zip", "7z", "tar", "tar.gz")
SOUND = {
    "clip/video/clip.mp4": random.Random(3).randbytes(20_000),
    "clip/event_data/a.txt": b"1\t640.0\t480.0\r\n" * 500,
    "clip/empty.txt": b"",
}
LOW = Limits(ratio=20, ratio_from_bytes=500_000)


def tar_info(name: str, content: bytes = b"", **fields) -> tuple[tarfile.TarInfo, io.BytesIO]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, io.BytesIO(content)


def pack(path: Path, content: dict[str, bytes]) -> Path:
    """Pack exactly these names, however evil, with the standard writers."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in content.items():
                archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    elif path.suffix == ".7z":
        harmless = {f"{number:{'p'}>{len(name)}}": name for number, name in enumerate(content)}
        with py7zr.SevenZipFile(path, "w") as archive:
            archive.set_encoded_header_mode(False)
            for stand_in, name in harmless.items():
                archive.writestr(content[name], stand_in)
        for stand_in, name in harmless.items():
            patch_7z_header(path, stand_in.encode("utf-16le") + b"\0\0", name.encode("utf-16le") + b"\0\0")
    else:
        with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w", format=tarfile.PAX_FORMAT) as archive:
            for name, data in content.items():
                archive.addfile(*tar_info(name, data))
    return path


def patch_7z_header(path: Path, old: bytes, new: bytes) -> None:
    """Change the plain header of a .7z and make its checksums right again: what an attacker would do."""
    data = bytearray(path.read_bytes())
    offset, size, _ = struct.unpack("<QQI", data[12:32])
    header = bytes(data[32 + offset : 32 + offset + size])
    assert header.count(old) == 1 and len(old) == len(new)
    header = header.replace(old, new)
    data[32 + offset : 32 + offset + size] = header
    data[28:32] = struct.pack("<I", zlib.crc32(header))
    data[8:12] = struct.pack("<I", zlib.crc32(bytes(data[12:32])))
    path.write_bytes(data)


def replace_in(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    assert old in data and len(old) == len(new)
    path.write_bytes(data.replace(old, new))


def refused(archive: Path, code: str, **options) -> UnpackError:
    """Unpack, expect the error of this code, and that nothing was written in or beside the target."""
    out = archive.parent / "out"
    out.mkdir()
    before = sorted(archive.parent.rglob("*"))
    with pytest.raises(UnpackError) as caught:
        extract(archive, out, **options)
    assert caught.value.code == code, caught.value
    assert archive.name in caught.value.message and caught.value.remedy
    assert sorted(archive.parent.rglob("*")) == before
    return caught.value


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_sound_archive_comes_out_whole(tmp_path, ending):
    names = extract(pack(tmp_path / f"clip.{ending}", SOUND), tmp_path / "out")
    assert names == sorted(SOUND)
    assert {name: (tmp_path / "out" / name).read_bytes() for name in names} == SOUND
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["clip"], "nothing of ours is left behind"


def test_the_real_diem_archive_gives_its_49_files(shared_data, tmp_path):
    archive = shared_data / "gaze_diem" / "arctic_bears_1066x710.7z"
    names = extract(archive, tmp_path)
    assert len(names) == 49
    for name in names:
        assert filecmp.cmp(tmp_path / name, archive.parent / name, shallow=False), name


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_kind_of_an_archive_is_told_by_its_bytes(tmp_path, ending):
    misnamed = pack(tmp_path / f"clip.{ending}", SOUND).rename(tmp_path / "clip.dat")
    if ending != "tar":
        assert extract(misnamed, tmp_path / "out") == sorted(SOUND)
    else:
        replace_in(misnamed, b"ustar", b"\0\0\0\0\0")  # the oldest tars have no mark; their checksums are now wrong
        assert refused(misnamed, "not-an-archive")


@pytest.mark.parametrize("ending", ENDINGS)
def test_names_come_out_normalised(tmp_path, ending):
    content = {"./a//b/./c.txt": b"1", "dir\\sub\\d.txt": b"2", "e\u0301.txt": b"3"}
    assert extract(pack(tmp_path / f"x.{ending}", content), tmp_path / "out") == ["a/b/c.txt", "dir/sub/d.txt", "é.txt"]
    assert (tmp_path / "out" / "dir" / "sub" / "d.txt").read_bytes() == b"2"


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_desktops_leave_behind_is_not_unpacked(tmp_path, ending):
    junk = {"__MACOSX/._a.txt": b"x", "v/.DS_Store": b"x", "v/Thumbs.db": b"x", "v/desktop.ini": b"x", "v/a.txt": b"a"}
    assert extract(pack(tmp_path / f"x.{ending}", junk), tmp_path / "out") == ["v/a.txt"]
    assert sorted(path.name for path in (tmp_path / "out").rglob("*")) == ["a.txt", "v"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_times_and_permissions_are_not_taken_from_the_archive(tmp_path, ending):
    old = tmp_path / "a.sh"
    old.write_bytes(b"echo")
    os.utime(old, (10**9, 10**9))
    old.chmod(0o4711)
    archive = tmp_path / f"x.{ending}"
    if ending == "zip":
        with zipfile.ZipFile(archive, "w") as opened:
            opened.write(old, "a.sh")
    elif ending == "7z":
        with py7zr.SevenZipFile(archive, "w") as opened:
            opened.write(old, "a.sh")
    else:
        with tarfile.open(archive, "w:gz" if ending == "tar.gz" else "w") as opened:
            opened.add(old, "a.sh")
    extract(archive, tmp_path / "out")
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    facts = (tmp_path / "out" / "a.sh").stat()
    assert stat.S_IMODE(facts.st_mode) == stat.S_IMODE(plain.stat().st_mode)
    assert abs(facts.st_mtime - time.time()) < 100


EVIL = {
    "climbs out": ("../evil.txt", "leaves the target folder"),
    "climbs out later": ("a/../../evil.txt", "leaves the target folder"),
    "climbs out and comes back": ("a/../a/evil.txt", "leaves the target folder"),
    "absolute": ("/evil.txt", "an absolute path"),
    "drive letter": ("C:/evil.txt", "a drive letter"),
    "drive letter without a slash": ("c:evil.txt", "a drive letter"),
    "backslashes climb out": ("..\\..\\evil.txt", "leaves the target folder"),
    "backslash and slash climb out": ("a\\../../evil.txt", "leaves the target folder"),
    "network share": ("\\\\host\\share\\evil.txt", "an absolute path"),
    "line feed": ("a\nevil.txt", "control characters"),
    "escape code": ("\x1b[31mevil.txt", "control characters"),
    "too long a name": ("e" * 256, "a name longer than 255 bytes"),
    "too long in UTF-8": ("é" * 128, "a name longer than 255 bytes"),
    "no name": (".", "a file without a name"),
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("evil", EVIL)
def test_a_name_that_is_no_plain_relative_path_is_refused(tmp_path, ending, evil):
    name, reason = EVIL[evil]
    error = refused(pack(tmp_path / f"x.{ending}", {"good.txt": b"good", name: b"evil"}), "unsafe")
    assert reason in error.message and "an entry of" in error.message and "good.txt" not in error.message


def test_a_nul_in_a_name_is_refused_in_a_zip(tmp_path):
    archive = pack(tmp_path / "x.zip", {"good.txt": b"good", "goodXevil.txt": b"evil"})
    replace_in(archive, b"goodXevil.txt", b"good\0evil.txt")
    assert "control characters" in refused(archive, "unsafe").message


def test_a_nul_in_a_name_is_refused_in_a_tar(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(*tar_info("short", b"evil", pax_headers={"path": "good\0evil.txt"}))
    assert "control characters" in refused(tmp_path / "x.tar", "unsafe").message


def test_a_name_that_is_not_unicode_is_refused_in_a_tar(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(*tar_info("caf\udce9.txt", b"latin-1"))
    assert "broken Unicode" in refused(tmp_path / "x.tar", "unsafe").message


def test_all_evil_names_are_counted_and_five_are_shown(tmp_path):
    error = refused(pack(tmp_path / "x.zip", {f"../{number}": b"" for number in range(8)}), "unsafe")
    assert "8 entries" in error.message and error.message.count("leaves the target") == 5 and "3 more" in error.message


TAR_KINDS = {
    "a symbolic link": tarfile.SYMTYPE,
    "a hard link": tarfile.LNKTYPE,
    "a device": tarfile.CHRTYPE,
    "a device (block)": tarfile.BLKTYPE,
    "a fifo": tarfile.FIFOTYPE,
    "neither a file nor a folder": b"Z",
}


@pytest.mark.parametrize("ending", ["tar", "tar.gz"])
@pytest.mark.parametrize("kind", TAR_KINDS)
def test_a_tar_may_hold_files_and_folders_only(tmp_path, ending, kind):
    with tarfile.open(tmp_path / f"x.{ending}", "w:gz" if ending == "tar.gz" else "w") as archive:
        archive.addfile(*tar_info("good.txt", b"good"))
        archive.addfile(*tar_info("odd", type=TAR_KINDS[kind], linkname="good.txt"))
    assert f"'odd' ({kind.partition(' (')[0]})" in refused(tmp_path / f"x.{ending}", "unsafe").message


def test_a_file_written_through_a_link_never_happens(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        archive.addfile(*tar_info("door", type=tarfile.SYMTYPE, linkname=str(elsewhere)))
        archive.addfile(*tar_info("door/evil.txt", b"evil"))
    refused(tmp_path / "x.tar", "unsafe")
    assert list(elsewhere.iterdir()) == []


ZIP_KINDS = {
    "a symbolic link": stat.S_IFLNK,
    "a device": stat.S_IFCHR,
    "a device (block)": stat.S_IFBLK,
    "a fifo": stat.S_IFIFO,
    "a socket": stat.S_IFSOCK,
    "neither a file nor a folder": 0o150000,
}


@pytest.mark.parametrize("kind", ZIP_KINDS)
def test_a_zip_may_hold_files_and_folders_only(tmp_path, kind):
    info = zipfile.ZipInfo("odd")
    info.external_attr = (ZIP_KINDS[kind] | 0o644) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("good.txt", b"good")
        archive.writestr(info, b"good.txt")
    assert f"'odd' ({kind.partition(' (')[0]})" in refused(tmp_path / "x.zip", "unsafe").message


def test_a_7z_with_a_symbolic_link_is_refused(tmp_path):
    (tmp_path / "good.txt").write_bytes(b"good")
    (tmp_path / "odd").symlink_to("good.txt")
    with py7zr.SevenZipFile(tmp_path / "x.7z", "w") as archive:
        archive.write(tmp_path / "good.txt", "good.txt")
        archive.write(tmp_path / "odd", "odd")
    for file in ("odd", "good.txt"):
        (tmp_path / file).unlink()
    assert "'odd' (a symbolic link)" in refused(tmp_path / "x.7z", "unsafe").message


@pytest.mark.parametrize("kind", [kind for kind in ZIP_KINDS if "link" not in kind])
def test_a_7z_may_hold_files_and_folders_only(tmp_path, kind):
    (tmp_path / "odd").write_bytes(b"x")
    (tmp_path / "odd").chmod(0o644)
    with py7zr.SevenZipFile(tmp_path / "x.7z", "w") as archive:
        archive.set_encoded_header_mode(False)
        archive.write(tmp_path / "odd", "odd")
    plain, odd = (struct.pack("<H", fmt | 0o644) for fmt in (stat.S_IFREG, ZIP_KINDS[kind]))
    patch_7z_header(tmp_path / "x.7z", plain, odd)
    assert f"'odd' ({kind.partition(' (')[0]})" in refused(tmp_path / "x.7z", "unsafe").message


@pytest.mark.parametrize("ending", ENDINGS)
def test_names_that_differ_only_in_case_are_both_named(tmp_path, ending):
    error = refused(pack(tmp_path / f"x.{ending}", {"v/A.txt": b"1", "v/a.txt": b"2"}), "case-clash")
    assert "'v/A.txt' and 'v/a.txt'" in error.message


@pytest.mark.parametrize("ending", ENDINGS)
def test_folders_that_differ_only_in_case_clash_too(tmp_path, ending):
    error = refused(pack(tmp_path / f"x.{ending}", {"Video/1.mp4": b"1", "video/2.mp4": b"2"}), "case-clash")
    assert "'Video' and 'video'" in error.message


@pytest.mark.parametrize("ending", ["zip", "tar", "7z"])
@pytest.mark.parametrize(
    ("first", "second"),
    [("é.txt", "e\u0301.txt"), ("v/a.txt", "./v//a.txt"), ("v", "v/a.txt")],
    ids=["the same in NFC", "the same without ./", "a file and a folder"],
)
def test_two_entries_for_one_path_are_refused(tmp_path, ending, first, second):
    error = refused(pack(tmp_path / f"x.{ending}", {first: b"1", second: b"2"}), "unsafe")
    assert "stands twice" in error.message


@pytest.mark.parametrize("ending", ["zip", "7z", "tar.gz"])
def test_a_bomb_is_refused_by_its_ratio(tmp_path, ending):
    error = refused(pack(tmp_path / f"x.{ending}", {"zeros": bytes(2_000_000)}), "bomb", limits=LOW)
    assert "2000000 bytes packed into" in error.message and "at most 20 to 1" in error.message


def test_a_bomb_is_refused_by_the_limits_we_ship(tmp_path):
    error = refused(pack(tmp_path / "x.zip", {"a": bytes(60_000_000), "b": bytes(60_000_000)}), "bomb")
    assert "120000000 bytes packed into" in error.message and "at most 200 to 1" in error.message


def test_a_small_archive_may_shrink_as_much_as_it_likes(tmp_path):
    archive = pack(tmp_path / "x.zip", {"zeros": bytes(400_000)})
    assert extract(archive, tmp_path / "out", limits=LOW) == ["zeros"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_more_bytes_than_the_limit_are_refused(tmp_path, ending):
    content = {str(number): random.Random(number).randbytes(1000) for number in range(5)}
    error = refused(pack(tmp_path / f"x.{ending}", content), "bomb", limits=Limits(total_bytes=4999))
    assert "5000 bytes, more than the limit of 4999" in error.message
    assert len(extract(tmp_path / f"x.{ending}", tmp_path / "o", limits=Limits(total_bytes=5000))) == 5


@pytest.mark.parametrize("ending", ENDINGS)
def test_more_entries_than_the_limit_are_refused(tmp_path, ending):
    archive = pack(tmp_path / f"x.{ending}", {str(number): b"x" for number in range(6)})
    assert "more than 5 entries" in refused(archive, "bomb", limits=Limits(entries=5)).message


def test_a_tar_of_holes_counts_with_the_size_it_would_have(tmp_path):
    """A sparse file of a gigabyte takes a few hundred bytes in a tar."""
    header = tarfile.TarInfo("holes")
    header.type, header.size = tarfile.GNUTYPE_SPARSE, 512
    block = bytearray(header.tobuf(tarfile.GNU_FORMAT))
    block[386:410] = b"00000000000\0" + b"00000001000\0"  # one piece of data: offset 0, 512 bytes
    block[483:495] = b"%011o\0" % (1 << 30)  # the size with its holes
    block[148:156] = b"%06o\0 " % (sum(block[:148]) + 8 * 32 + sum(block[156:]))
    (tmp_path / "x.tar").write_bytes(bytes(block) + b"d" * 512 + bytes(1024))
    assert "1073741824 bytes" in refused(tmp_path / "x.tar", "bomb").message


def test_a_tar_header_that_asks_for_gigabytes_is_refused_without_reading_them(tmp_path):
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 1 << 30
    with gzip.open(tmp_path / "x.tar.gz", "wb", compresslevel=1) as stream:
        stream.write(header.tobuf())
        stream.write(bytes(1 << 22))
    assert "asks for 1073741824 bytes" in refused(tmp_path / "x.tar.gz", "damaged").message


@pytest.mark.parametrize("declared", [10, 150_000], ids=["less than it holds", "more than it holds"])
def test_a_zip_that_lies_about_a_size_writes_no_more_than_it_declared(tmp_path, declared):
    archive = pack(tmp_path / "x.zip", {"zeros": bytes(100_000)})
    replace_in(archive, struct.pack("<I", 100_000), struct.pack("<I", declared))
    with pytest.raises(UnpackError, match="damaged") as caught:
        extract(archive, tmp_path / "out")
    assert caught.value.code == "damaged"
    assert (tmp_path / "out" / "zeros").stat().st_size <= declared


@pytest.mark.parametrize("declared", [10, 0x286A0], ids=["less than it holds", "more than it holds"])
def test_a_7z_that_lies_about_a_size_is_damaged(tmp_path, declared):
    archive = pack(tmp_path / "x.7z", {"zeros": bytes(100_000)})
    sizes = [bytes([0xC0 | size >> 16]) + struct.pack("<H", size & 0xFFFF) for size in (100_000, declared)]
    patch_7z_header(archive, *(b"\x0c" + size * 2 for size in sizes))  # of both coders, as 7z writes numbers
    assert refused(archive, "damaged")


def test_a_stream_longer_than_declared_stops_at_the_first_piece_too_many(tmp_path):
    with pytest.raises(EOFError, match="more than the 5 bytes"):
        archives._copy(io.BytesIO(b"123456"), tmp_path / "x", 5)
    assert (tmp_path / "x").stat().st_size == 0


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_archive_cut_anywhere_is_damaged(tmp_path, ending):
    whole = pack(tmp_path / f"whole.{ending}", SOUND).read_bytes()
    content_ends = len(whole.rstrip(b"\0")) if ending == "tar" else len(whole) - 1
    for length in sorted(random.Random(5).sample(range(1, content_ends), 25)):
        cut = tmp_path / f"cut.{ending}"
        cut.write_bytes(whole[:length])
        with pytest.raises(UnpackError) as caught:
            extract(cut, tmp_path / f"out{length}")
        assert caught.value.code in ("damaged", "not-an-archive"), length
        assert "incomplete" in caught.value.remedy and f"{length} bytes" in caught.value.message


@pytest.mark.parametrize("ending", ["zip", "7z", "tar.gz"])
def test_a_wrong_byte_never_passes_for_the_right_content(tmp_path, ending):
    whole = pack(tmp_path / f"whole.{ending}", {"a.bin": SOUND["clip/video/clip.mp4"]}).read_bytes()
    rng = random.Random(6)
    for number in range(60):
        broken = bytearray(whole)
        broken[rng.randrange(64, len(whole) - 400)] ^= 1 << rng.randrange(8)
        path = tmp_path / f"broken.{ending}"
        path.write_bytes(broken)
        with pytest.raises(UnpackError, match="damaged"):
            extract(path, tmp_path / f"out{number}")


@pytest.mark.parametrize("ending", ["tar", "tar.gz"])
def test_a_tar_whose_second_header_is_broken_does_not_end_quietly_after_the_first_file(tmp_path, ending):
    plain = pack(tmp_path / "x.tar", {"a.txt": b"1", "b.txt": b"2"})
    replace_in(plain, b"b.txt", b"c.txt")  # the header's checksum is wrong now
    if ending == "tar.gz":
        (tmp_path / "x.tar.gz").write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
    assert "unreadable header at byte 1024" in refused(tmp_path / f"x.{ending}", "damaged").message


def test_a_tar_cut_between_two_files_is_damaged(tmp_path):
    pack(tmp_path / "x.tar", {"a.txt": b"1", "b.txt": b"2"})
    (tmp_path / "x.tar").write_bytes((tmp_path / "x.tar").read_bytes()[:1024])
    assert "no end mark" in refused(tmp_path / "x.tar", "damaged").message


def test_a_zip_directory_that_points_before_the_file_is_damaged(tmp_path):
    archive = pack(tmp_path / "x.zip", {"a.txt": b"1"})
    data = archive.read_bytes()
    archive.write_bytes(data[:-6] + struct.pack("<I", 1 << 30) + data[-2:])
    assert refused(archive, "damaged")


def test_a_web_page_under_an_archives_name_is_recognised(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"<!DOCTYPE html><html>Log in to download</html>")
    error = refused(tmp_path / "x.zip", "not-an-archive")
    assert "<!DOCTYPE html>" in error.message and "web page" in error.remedy


def test_an_empty_file_is_no_archive(tmp_path):
    (tmp_path / "x.7z").touch()
    assert "holds 0 bytes" in refused(tmp_path / "x.7z", "not-an-archive").message


def test_an_archive_of_folders_and_junk_holds_no_file(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("clip/", b"")
        archive.writestr("clip\\video\\", b"")
        archive.writestr(".DS_Store", b"x")
    assert "holds no file" in refused(tmp_path / "x.zip", "empty").message


def test_an_encrypted_zip_is_refused(tmp_path):
    archive = pack(tmp_path / "x.zip", {"a.txt": b"secret"})
    data = bytearray(archive.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(data)
    assert "encrypted" in refused(archive, "encrypted").message


@pytest.mark.parametrize("header", [False, True], ids=["content", "content and names"])
def test_an_encrypted_7z_is_refused(tmp_path, header):
    with py7zr.SevenZipFile(tmp_path / "x.7z", "w", password="secret", header_encryption=header) as archive:
        archive.writestr(b"secret", "a.txt")
    assert "without a password" in refused(tmp_path / "x.7z", "encrypted").message


def test_a_compression_nobody_here_knows_is_named(tmp_path):
    archive = pack(tmp_path / "x.zip", {"a.txt": b"1"})
    data = bytearray(archive.read_bytes())
    data[8] = data[data.index(b"PK\x01\x02") + 10] = 9  # deflate64, which Windows uses for large files
    archive.write_bytes(data)
    with pytest.raises(UnpackError, match="cannot be undone here") as caught:
        extract(archive, tmp_path / "out")
    assert caught.value.code == "unsupported" and "by hand into a folder" in caught.value.remedy


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_disk_that_is_too_small_is_named_before_anything_is_written(tmp_path, monkeypatch, ending):
    archive = pack(tmp_path / f"x.{ending}", SOUND)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**6, 10**6 - 900, 900))
    error = refused(archive, "disk-full")
    assert f"{sum(map(len, SOUND.values()))} bytes are needed in {tmp_path}" in error.message
    assert "900 bytes free on the disk mounted at /" in error.message


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_disk_that_fills_up_meanwhile_is_named(tmp_path, monkeypatch, ending):
    def full(*_args, **_options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    archive = pack(tmp_path / f"x.{ending}", SOUND)
    monkeypatch.setattr(archives, "_copy", full)
    monkeypatch.setattr(py7zr.SevenZipFile, "extract", full)
    with pytest.raises(UnpackError, match=r"full\. 27500 bytes are needed") as caught:
        extract(archive, tmp_path / "out")
    assert caught.value.code == "disk-full"


def test_a_target_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "out").write_bytes(b"a file where the folder should be")
    with pytest.raises(UnpackError, match=r"Not a directory .*out"):
        extract(pack(tmp_path / "x.zip", SOUND), tmp_path / "out")


def test_a_file_that_is_there_already_is_not_overwritten(tmp_path):
    (tmp_path / "out" / "clip").mkdir(parents=True)
    (tmp_path / "out" / "clip" / "empty.txt").write_bytes(b"mine")
    with pytest.raises(UnpackError, match="File exists"):
        extract(pack(tmp_path / "x.zip", SOUND), tmp_path / "out")
    assert (tmp_path / "out" / "clip" / "empty.txt").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("stored", "ours"), [("a.txt", "a.txt"), ("./a\\b.txt", "a/b.txt"), ("./", ""), ("e\u0301/", "é")]
)
def test_normalise(stored, ours):
    assert normalise(stored) == ours


def job(tmp_path: Path, folder: str | None, files: dict[str, list]) -> Job:
    artifact = {"name": "clip", "packed": ["clip.zip", "clip.mat"], "folder": folder}
    (tmp_path / "out").mkdir()
    return Job(
        stage="unpack",
        item="diem/clip",
        out=tmp_path / "out",
        files={"packed": tuple(tmp_path / name for name in files)},
        values={"artifact": artifact, "root": str(tmp_path), "files": files},
    )


def test_the_stage_unpacks_an_archive_into_the_store(tmp_path):
    pack(tmp_path / "clip.zip", SOUND)
    asked = job(tmp_path, "clip", {"clip.zip": [1, "aa"]})
    assert unpack.build_item(asked) == {}
    assert (asked.out / "clip" / "empty.txt").exists()


@pytest.mark.parametrize(
    ("folder", "files"),
    [
        ("clip", {"clip/a.txt": [1, "aa"], "clip/b.txt": [2, "bb"]}),
        ("clip", {"clip/only.txt": [1, "aa"]}),
        (None, {"clip.mat": [1, "aa"]}),
    ],
    ids=["a folder", "a folder of one file", "a plain file"],
)
def test_the_stage_passes_on_what_needs_no_unpacking(tmp_path, folder, files):
    asked = job(tmp_path, folder, files)
    assert unpack.build_item(asked) == {"external": {"root": str(tmp_path), "files": files}}
    assert list(asked.out.iterdir()) == []
