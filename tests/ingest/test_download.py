"""Downloads against a server on the loopback that misbehaves on request."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.errors import FetchError
from pipeline.ingest import download as transport
from pipeline.ingest.download import download

ROOT = Path(__file__).resolve().parents[2]
BODY = random.Random(20).randbytes(200_000)
OTHER = random.Random(21).randbytes(200_000)
SHA256 = "sha256:" + hashlib.sha256(BODY).hexdigest()
MD5 = "md5:" + hashlib.md5(BODY).hexdigest()


@dataclass
class Shelf:
    """One file of the server and how it behaves; lists are used up, one element a request."""

    body: bytes = BODY
    etag: str | None = '"v1"'
    ranges: bool = True
    honours_if_range: bool = True
    announces_length: bool = True
    chunked: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    cut_after: list[int | None] = field(default_factory=list)
    always_cut_after: int | None = None
    pause_s: float = 0.0
    asked: list[tuple[str | None, str | None]] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    """Serve the shelves; requests are kept as (Range, If-Range)."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        shelf: Shelf = self.server.shelves[self.path.partition("?")[0]]
        wanted, condition = self.headers.get("Range"), self.headers.get("If-Range")
        shelf.asked.append((wanted, condition))
        status = shelf.statuses.pop(0) if shelf.statuses else 200
        self.close_connection = True
        if status != 200:
            self.send_response(status)
            for name, value in shelf.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        first = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and shelf.ranges else 0
        if condition and shelf.honours_if_range and condition != shelf.etag:
            first = 0
        self.serve(shelf, first)

    def serve(self, shelf: Shelf, first: int) -> None:
        total = len(shelf.body)
        if first >= total and first:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{total}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if first else 200)
        if first:
            self.send_header("Content-Range", f"bytes {first}-{total - 1}/{total}")
        if shelf.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif shelf.announces_length:
            self.send_header("Content-Length", str(total - first))
        if shelf.etag:
            self.send_header("ETag", shelf.etag)
        for name, value in shelf.headers.items():
            self.send_header(name, value)
        self.end_headers()
        cut = shelf.cut_after.pop(0) if shelf.cut_after else shelf.always_cut_after
        if shelf.chunked:
            self.wfile.write(b"%x\r\n" % (total - first))
        self.wfile.write(shelf.body[first:][:cut])
        if shelf.chunked and cut is None:
            self.wfile.write(b"\r\n0\r\n\r\n")
        self.wfile.flush()
        if shelf.pause_s:
            self.server.hurry.wait(shelf.pause_s)

    def log_message(self, *words):
        pass


@pytest.fixture
def shelves(monkeypatch):
    """A server whose shelves a test fills: `shelves["/x.7z"] = Shelf(…)`; `shelves.url("/x.7z")` is the address."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    class Shelves(dict):
        def url(self, path: str) -> str:
            return f"http://127.0.0.1:{server.server_address[1]}{path}"

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request, client_address):
            pass  # a client that goes away in the middle is what some of these tests are about

    server = Server(("127.0.0.1", 0), Handler)
    server.shelves, server.hurry = Shelves(), threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server.shelves
    server.hurry.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def waits():
    """What would have been slept between attempts, in seconds."""
    return []


@pytest.fixture
def target(tmp_path):
    return tmp_path / "raw" / "x.7z"


def begin(target: Path, body: bytes, url: str | None = None, version: str | None = '"v1"') -> None:
    """Leave a half-written download behind, as a killed process does."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.with_name("x.7z.part").write_bytes(body)
    if url:
        target.with_name("x.7z.part.json").write_text(json.dumps({"url": url, "version": version}))


def names_beside(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


def test_a_whole_file_arrives_and_nothing_else_is_left(shelves, target):
    shelves["/x.7z"] = Shelf()
    seen = []
    found = download(
        [shelves.url("/x.7z")], target, size_bytes=len(BODY), checksum=SHA256, progress=lambda *n: seen.append(n)
    )
    assert target.read_bytes() == BODY
    assert names_beside(target) == ["x.7z"]
    assert (found.size_bytes, found.sha256) == (len(BODY), SHA256[7:])
    assert seen[-1] == (len(BODY), len(BODY)) and [n for n, _ in seen] == sorted(n for n, _ in seen)


def test_an_md5_is_enough_and_the_sha256_is_recorded_all_the_same(shelves, target):
    shelves["/x.7z"] = Shelf()
    found = download([shelves.url("/x.7z")], target, checksum=MD5)
    assert found.hexes["md5"] == MD5[4:] and found.sha256 == SHA256[7:]


def test_a_cut_connection_is_resumed_where_it_stopped(shelves, target, waits):
    shelf = shelves["/x.7z"] = Shelf(cut_after=[50_000, 30_000])
    download([shelves.url("/x.7z")], target, sleep=waits.append)
    assert target.read_bytes() == BODY
    assert shelf.asked == [(None, None), ("bytes=50000-", '"v1"'), ("bytes=80000-", '"v1"')]
    assert len(waits) == 2


def test_attempts_that_bring_new_bytes_do_not_use_up_the_retries(shelves, target, waits):
    shelf = shelves["/x.7z"] = Shelf(always_cut_after=11_000)
    download([shelves.url("/x.7z")], target, retries=1, sleep=waits.append)
    assert target.read_bytes() == BODY
    assert len(shelf.asked) == 19


def test_a_server_that_always_stops_at_the_same_byte_is_given_up_and_what_came_is_kept(shelves, target, waits):
    shelf = shelves["/x.7z"] = Shelf(ranges=False, always_cut_after=150_000)
    with pytest.raises(FetchError, match=r"closed after 150000 of 200000 bytes \(asked 3 times\)") as caught:
        download([shelves.url("/x.7z")], target, checksum=SHA256, retries=2, sleep=waits.append)
    assert caught.value.code == "download"
    assert "150000 bytes have arrived and will be resumed" in str(caught.value)
    assert str(target) in caught.value.remedy
    assert len(shelf.asked) == 3
    assert names_beside(target) == ["x.7z.part", "x.7z.part.json"]


def test_waits_double_with_jitter_and_have_a_ceiling(shelves, target, waits):
    shelves["/x.7z"] = Shelf(statuses=[503] * 9)
    with pytest.raises(FetchError, match="HTTP 503"):
        download([shelves.url("/x.7z")], target, retries=8, sleep=waits.append)
    for k, wait_s in enumerate(waits):
        base_s = min(60, 2**k)
        assert 0.5 * base_s <= wait_s <= 1.5 * base_s
    assert len({wait_s / min(60, 2**k) for k, wait_s in enumerate(waits)}) > 1, "no jitter"


def test_a_server_that_is_busy_twice_is_asked_a_third_time(shelves, target, waits):
    shelf = shelves["/x.7z"] = Shelf(statuses=[503, 429])
    download([shelves.url("/x.7z")], target, sleep=waits.append)
    assert target.read_bytes() == BODY and len(shelf.asked) == 3


def test_a_server_that_ignores_range_sends_the_file_from_its_start(shelves, target):
    shelf = shelves["/x.7z"] = Shelf(ranges=False)
    begin(target, BODY[:70_000], shelves.url("/x.7z"))
    download([shelves.url("/x.7z")], target, checksum=SHA256)
    assert target.read_bytes() == BODY
    assert shelf.asked == [("bytes=70000-", '"v1"')]


@pytest.mark.parametrize("honours_if_range", [True, False], ids=["If-Range is honoured", "If-Range is ignored"])
def test_a_file_that_changed_since_the_first_half_is_fetched_anew(shelves, target, waits, honours_if_range):
    shelves["/x.7z"] = Shelf(etag='"v2"', honours_if_range=honours_if_range)
    begin(target, OTHER[:70_000], shelves.url("/x.7z"), version='"v1"')
    download([shelves.url("/x.7z")], target, sleep=waits.append)
    assert target.read_bytes() == BODY


def test_without_checksum_or_version_a_half_file_is_not_trusted(shelves, target):
    shelf = shelves["/x.7z"] = Shelf(etag=None)
    begin(target, OTHER[:70_000])
    download([shelves.url("/x.7z")], target)
    assert target.read_bytes() == BODY
    assert shelf.asked == [(None, None)]


@pytest.mark.parametrize("origin", ["[1]", "{broken", ""], ids=["a list", "broken JSON", "nothing"])
def test_an_unreadable_note_beside_the_half_file_counts_as_none(shelves, target, origin):
    shelf = shelves["/x.7z"] = Shelf()
    begin(target, BODY[:10])
    target.with_name("x.7z.part.json").write_text(origin)
    download([shelves.url("/x.7z")], target)
    assert target.read_bytes() == BODY and shelf.asked == [(None, None)]


def test_a_weak_etag_is_no_version_but_the_date_of_change_is(shelves, target, waits):
    shelf = shelves["/x.7z"] = Shelf(etag='W/"v1"', cut_after=[5], honours_if_range=False)
    shelf.headers["Last-Modified"] = "Tue, 01 Mar 2011 10:00:00 GMT"
    download([shelves.url("/x.7z")], target, sleep=waits.append)
    assert shelf.asked[1] == ("bytes=5-", "Tue, 01 Mar 2011 10:00:00 GMT")


def test_halves_of_two_different_files_are_noticed_and_fetched_anew(shelves, target, waits):
    shelf = shelves["/x.7z"] = Shelf(etag=None)
    begin(target, OTHER[:70_000])
    download([shelves.url("/x.7z")], target, checksum=SHA256, sleep=waits.append)
    assert target.read_bytes() == BODY
    assert shelf.asked == [("bytes=70000-", None), (None, None)]
    assert names_beside(target) == ["x.7z"]


def test_a_half_file_longer_than_the_file_is_thrown_away(shelves, target, waits):
    shelf = shelves["/x.7z"] = Shelf()
    begin(target, BODY + b"more", shelves.url("/x.7z"))
    download([shelves.url("/x.7z")], target, sleep=waits.append)
    assert target.read_bytes() == BODY and len(shelf.asked) == 2


@pytest.mark.parametrize("size_bytes", [len(BODY), None], ids=["size known", "size unknown"])
def test_a_download_killed_after_its_last_byte_is_only_checked_and_renamed(shelves, target, size_bytes):
    shelf = shelves["/x.7z"] = Shelf()
    begin(target, BODY, shelves.url("/x.7z"))
    download([shelves.url("/x.7z")], target, size_bytes=size_bytes, checksum=SHA256)
    assert target.read_bytes() == BODY
    assert len(shelf.asked) == (0 if size_bytes else 1)


def test_mirrors_are_tried_in_order_and_a_missing_file_is_asked_for_once(shelves, target):
    gone, good = Shelf(statuses=[404]), Shelf()
    shelves.update({"/gone": gone, "/x.7z": good})
    download([shelves.url("/gone"), shelves.url("/x.7z")], target)
    assert target.read_bytes() == BODY and len(gone.asked) == 1


def test_a_second_mirror_goes_on_where_the_first_stopped_if_the_checksum_is_known(shelves, target, waits):
    shelves["/a"] = Shelf(cut_after=[120_000], statuses=[200, 404])
    second = shelves["/b"] = Shelf(etag='"another server"')
    download([shelves.url("/a"), shelves.url("/b")], target, checksum=SHA256, sleep=waits.append)
    assert target.read_bytes() == BODY
    assert second.asked == [("bytes=120000-", None)]


def test_the_error_lists_what_every_mirror_said(shelves, target):
    shelves["/gone"] = Shelf(statuses=[404])
    shelves["/secret"] = Shelf(statuses=[403])
    urls = [shelves.url("/gone"), shelves.url("/secret"), "ftp://host/x", "mega://x"]
    with pytest.raises(FetchError) as caught:
        download(urls, target)
    text = str(caught.value)
    for answer in ("/gone: HTTP 404 Not Found", "/secret: HTTP 403 Forbidden", "kind 'ftp'", "kind 'mega'"):
        assert answer in text
    assert "none of 4 addresses gave it" in text and caught.value.code == "download"


def test_wrong_bytes_are_kept_as_bad_with_both_digests_and_the_next_mirror_is_asked(shelves, target):
    shelves["/wrong"], shelves["/x.7z"] = Shelf(body=OTHER), Shelf()
    with pytest.raises(FetchError) as caught:
        download([shelves.url("/wrong")], target, size_bytes=len(BODY), checksum=SHA256)
    assert caught.value.code == "checksum"
    assert SHA256[7:] in str(caught.value) and hashlib.sha256(OTHER).hexdigest() in str(caught.value)
    assert 'manifests/README.md, "when a source changes"' in caught.value.remedy
    assert names_beside(target) == ["x.7z.bad"] and target.with_name("x.7z.bad").read_bytes() == OTHER
    download([shelves.url("/wrong"), shelves.url("/x.7z")], target, size_bytes=len(BODY), checksum=SHA256)
    assert target.read_bytes() == BODY


@pytest.mark.parametrize("body", [BODY[:-1], BODY + b"x"], ids=["a byte too few", "a byte too many"])
def test_a_file_of_another_size_than_the_manifest_is_bad(shelves, target, body):
    shelves["/x.7z"] = Shelf(body=body)
    with pytest.raises(FetchError, match=rf"{len(body)} bytes .* do not match the manifest \(200000 bytes\)") as caught:
        download([shelves.url("/x.7z")], target, size_bytes=len(BODY))
    assert caught.value.code == "checksum"
    assert names_beside(target) == ["x.7z.bad"]


def test_a_server_that_does_not_stop_is_stopped(shelves, target):
    shelves["/x.7z"] = Shelf(announces_length=False)
    with pytest.raises(FetchError, match="sends more than the 1000 bytes expected"):
        download([shelves.url("/x.7z")], target, size_bytes=1000)
    assert names_beside(target) == []


def test_a_file_of_unknown_length_is_taken_as_it_comes(shelves, target):
    shelves["/x.7z"] = Shelf(announces_length=False)
    assert download([shelves.url("/x.7z")], target).size_bytes == len(BODY)


def test_a_chunked_answer_that_is_cut_is_resumed(shelves, target, waits):
    shelf = shelves["/x.7z"] = Shelf(chunked=True, cut_after=[30_000])
    download([shelves.url("/x.7z")], target, sleep=waits.append)
    assert target.read_bytes() == BODY and shelf.asked[1] == ("bytes=30000-", '"v1"')


def test_an_empty_answer_is_no_file(shelves, target):
    shelves["/x.7z"] = Shelf(body=b"")
    with pytest.raises(FetchError, match="0 bytes, expected a file"):
        download([shelves.url("/x.7z")], target)
    assert not target.exists()


def test_a_server_that_falls_silent_is_left_after_the_timeout(shelves, target, waits):
    shelves["/x.7z"] = Shelf(ranges=False, always_cut_after=1000, pause_s=30)
    began = time.monotonic()
    with pytest.raises(FetchError, match=r"no byte within 0\.2 s \(asked 2 times\)"):
        download([shelves.url("/x.7z")], target, timeout_s=0.2, retries=1, checksum=SHA256, sleep=waits.append)
    assert time.monotonic() - began < 5


def test_nobody_listening_is_said_so(target, waits):
    with pytest.raises(FetchError, match="Connection refused"):
        download(["http://127.0.0.1:9/x.7z"], target, retries=0, sleep=waits.append)


def test_a_redirect_to_another_address_is_followed(shelves, target):
    shelves["/old"] = Shelf(statuses=[302], headers={"Location": "/new%20place/x.7z"})
    shelves["/new%20place/x.7z"] = Shelf()
    download([shelves.url("/old")], target, checksum=SHA256)
    assert target.read_bytes() == BODY


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://host/x.7z", "data:text/plain,x"])
def test_a_redirect_to_anything_but_http_is_refused(shelves, target, status, place):
    shelves["/x.7z"] = Shelf(statuses=[status], headers={"Location": place})
    with pytest.raises(FetchError, match=r"redirects to .*, which is not http") as caught:
        download([shelves.url("/x.7z")], target)
    assert place in str(caught.value)
    assert names_beside(target) == []


def test_a_web_page_instead_of_the_file_is_refused(shelves, target):
    shelves["/x.7z"] = Shelf(body=b"<html>please log in</html>", headers={"Content-Type": "text/html; charset=utf-8"})
    with pytest.raises(FetchError, match=r"web page \(text/html\), expected the file"):
        download([shelves.url("/x.7z")], target)
    assert names_beside(target) == []


def test_a_file_squeezed_on_the_way_is_refused_but_a_gz_called_gzip_is_what_it_is(shelves, tmp_path):
    shelves["/x"] = Shelf(headers={"Content-Encoding": "gzip"})
    with pytest.raises(FetchError, match="Content-Encoding gzip"):
        download([shelves.url("/x")], tmp_path / "x.7z")
    download([shelves.url("/x")], tmp_path / "x.tar.gz", checksum=SHA256)
    assert (tmp_path / "x.tar.gz").read_bytes() == BODY


@pytest.mark.parametrize("escaped", [True, False], ids=["escaped", "as written"])
def test_a_file_address_may_hold_blanks_and_percent_signs(tmp_path, target, escaped):
    source = tmp_path / "a folder" / "Müller 100%.7z"
    source.parent.mkdir()
    source.write_bytes(BODY)
    url = source.as_uri() if escaped else f"file://{str(source).replace('%', '%25')}"
    assert ("%20" in url) == escaped
    download([url], target, size_bytes=len(BODY), checksum=SHA256)
    assert target.read_bytes() == BODY


def test_an_http_address_may_hold_blanks_and_percent_signs(shelves, target):
    shelves["/a%20b%C3%A9%20c"] = Shelf()
    download([shelves.url("/a bé%20c")], target)
    assert target.read_bytes() == BODY


@pytest.mark.parametrize(
    ("url", "answer"),
    [
        ("file:///nowhere/x.7z", "no such file"),
        ("file://host/x.7z", "names the host 'host'"),
        ("x.7z", "kind ''"),
        ("http://", "no host given"),
        ("http://127.0.0.1:port/x", "nonnumeric port"),
    ],
)
def test_an_address_that_cannot_work_is_asked_once(target, waits, url, answer):
    with pytest.raises(FetchError, match=answer):
        download([url], target, sleep=waits.append)
    assert waits == []


def test_a_disk_that_is_too_small_is_noticed_before_the_server_is_asked(shelves, target, monkeypatch):
    shelf = shelves["/x.7z"] = Shelf()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**6, 10**6 - 1000, 1000))
    with pytest.raises(FetchError, match=r"200000 bytes are needed in .*1000 bytes free .* mounted at /") as caught:
        download([shelves.url("/x.7z")], target, size_bytes=len(BODY))
    assert caught.value.code == "disk-full" and shelf.asked == []


def test_a_disk_that_is_too_small_is_noticed_by_the_announced_length(shelves, target, monkeypatch):
    shelves["/x.7z"] = Shelf()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**6, 10**6 - 1000, 1000))
    with pytest.raises(FetchError, match="200000 bytes are needed"):
        download([shelves.url("/x.7z"), shelves.url("/x.7z")], target)
    assert names_beside(target) == []


def test_a_half_file_needs_room_for_its_other_half_only(shelves, target, monkeypatch):
    shelves["/x.7z"] = Shelf()
    begin(target, BODY[:-1000], shelves.url("/x.7z"))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**6, 10**6 - 1000, 1000))
    download([shelves.url("/x.7z")], target, size_bytes=len(BODY))
    assert target.read_bytes() == BODY


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT], ids=["disk", "quota"])
def test_a_disk_that_fills_up_meanwhile_ends_with_one_clear_error(shelves, target, monkeypatch, number):
    def full(descriptor):
        raise OSError(number, os.strerror(number))

    shelves["/x.7z"] = Shelf()
    monkeypatch.setattr(transport.os, "fsync", full)
    with pytest.raises(FetchError, match=r"disk \(or quota\) full") as caught:
        download([shelves.url("/x.7z"), shelves.url("/x.7z")], target)
    assert caught.value.code == "disk-full"
    assert not target.exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "raw").write_text("a file where the folder should be")
    with pytest.raises(FetchError, match=r"raw/diem cannot be written \(Not a directory\)") as caught:
        download(["file:///x"], tmp_path / "raw" / "diem" / "x.7z")
    assert caught.value.code == "unwritable"


def test_a_half_file_that_cannot_be_written_is_named_and_no_other_mirror_is_asked(shelves, target):
    shelf = shelves["/x.7z"] = Shelf()
    target.with_name("x.7z.part").mkdir(parents=True)
    with pytest.raises(FetchError, match=r"x\.7z\.part cannot be written \(Is a directory\)") as caught:
        download([shelves.url("/x.7z"), shelves.url("/x.7z")], target)
    assert caught.value.code == "unwritable" and len(shelf.asked) == 1


def test_a_source_that_cannot_be_read_is_one_mirrors_answer(tmp_path, target, monkeypatch):
    def locked(*_args):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "locked"))

    (tmp_path / "locked").write_bytes(BODY)
    monkeypatch.setattr(transport, "_pour", locked)
    with pytest.raises(FetchError, match=r"Permission denied.*locked"):
        download([(tmp_path / "locked").as_uri()], target)


def test_a_process_killed_in_the_middle_is_resumed_by_the_next(shelves, target):
    shelf = shelves["/x.7z"] = Shelf(cut_after=[90_000], pause_s=30)
    program = (
        "import sys; from pathlib import Path; from pipeline.ingest.download import download;"
        "download([sys.argv[1]], Path(sys.argv[2]))"
    )
    child = subprocess.Popen([sys.executable, "-c", program, shelves.url("/x.7z"), str(target)], cwd=ROOT)
    part = target.with_name("x.7z.part")
    for _ in range(500):
        if part.exists() and part.stat().st_size > 60_000:
            break
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    arrived = part.stat().st_size
    assert 60_000 < arrived <= 90_000 and not target.exists()
    shelf.pause_s = 0
    download([shelves.url("/x.7z")], target, checksum=SHA256)
    assert target.read_bytes() == BODY
    assert shelf.asked == [(None, None), (f"bytes={arrived}-", '"v1"')]
