"""The server over loopback: the page comes, answers are kept or refused in words, strangers are turned away."""

from __future__ import annotations

import io
import json
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from PIL import Image

from pipeline.annotate.boxes import Box, read_boxes, write_boxes
from pipeline.annotate.server import MOST_BYTES, PAGE, AnnotationServer
from pipeline.annotate.session import MOST_BOXES, Session
from pipeline.errors import AveError, UsageError

SAMPLED = [("diem/frogs", 7), ("diem/bears", 30), ("diem/frogs", 39)]
DOG = {"x_px": 4, "y_px": 6.04, "width_px": 20, "height_px": 30, "label": " dog ", "sounding": "yes"}

# Nothing between us and ourselves: a proxy in the environment would be asked for 127.0.0.1 too.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Browser:
    """Asks a running server, as the page does."""

    def __init__(self, server: AnnotationServer):
        self.server = server

    def ask(self, path="", data=None, *, whole=None, **headers):
        """Status, headers and content."""
        body = data if data is None or isinstance(data, bytes) else json.dumps(data).encode()
        sent = {
            "Content-Type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        request = urllib.request.Request(whole or self.server.url + path, body, sent)
        try:
            with OPENER.open(request, timeout=20) as reply:
                return reply.status, reply.headers, reply.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    def json(self, *arguments, **headers):
        status, _, content = self.ask(*arguments, **headers)
        return status, json.loads(content)


@contextmanager
def served(corpus, path: Path):
    with AnnotationServer(Session("ann", path, list(corpus), SAMPLED)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield Browser(server)
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "annotations" / "ann.csv"


@pytest.fixture
def browser(corpus, path: Path):
    with served(corpus, path) as browser:
        yield browser


def test_the_page_comes_with_all_that_it_needs_and_nothing_from_elsewhere(browser):
    for path, (name, kind) in PAGE.items():
        status, headers, content = browser.ask(path)
        assert (status, headers["Content-Type"]) == (200, kind)
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "no-store"
        assert b"://" not in content, f"{name} names an address"
    assert b"<h1>Where does the sound come from?</h1>" in browser.ask("")[2]


def test_the_server_listens_on_this_machine_only(browser):
    assert browser.server.server_address[0] == "127.0.0.1"


def test_the_state_names_the_frames_in_their_order(browser, path: Path):
    status, state = browser.json("state")
    assert status == 200
    assert (state["annotator"], state["file"]) == ("ann", str(path))
    assert [(one["stimulus"], one["frame"]) for one in state["frames"]] == SAMPLED
    first = state["frames"][0]
    assert first["time_s"] == pytest.approx(7 * 1001 / 30000)
    assert (first["width_px"], first["height_px"], first["anchor"]) == (64, 48, "start")
    assert (first["done"], first["nothing"], first["boxes"]) == (False, False, [])


def test_a_frame_is_a_jpeg_of_the_stored_picture(browser, corpus):
    status, headers, content = browser.ask("picture/1.jpg")
    assert (status, headers["Content-Type"]) == (200, "image/jpeg")
    shown = simplejpeg.decode_jpeg(content, "RGB")
    assert np.abs(shown.astype(int) - corpus["diem/bears"].frames(30, 31)[0]).max() <= 2


def test_the_log_mel_picture_has_time_to_the_right_and_low_bands_at_the_bottom(browser, corpus):
    """Brightness follows the example: its rank order, transposed and turned upside down."""
    status, headers, content = browser.ask("logmel/0.png")
    assert (status, headers["Content-Type"]) == (200, "image/png")
    bright = np.asarray(Image.open(io.BytesIO(content)).convert("L")).astype(float)
    example = corpus["diem/frogs"].logmel(7, 8)[0]
    assert bright.shape == (64, 64)
    assert np.corrcoef(bright.ravel(), example.T[::-1].ravel())[0, 1] > 0.95
    assert np.corrcoef(bright.ravel(), example.T.ravel())[0, 1] < 0.9


def test_an_answer_is_kept_and_counted(browser, path: Path):
    status, said = browser.json("answer/1", {"boxes": [DOG], "nothing": False})
    assert (status, said["done"]) == (200, 1)
    assert said["frame"]["boxes"] == [{**DOG, "y_px": 6.0, "label": "dog"}]
    assert read_boxes(path) == {("diem/bears", 30): (Box(4, 6, 20, 30, "dog", "yes"),)}
    assert browser.json("answer/0", {"boxes": [], "nothing": True})[1]["done"] == 2
    assert read_boxes(path)["diem/frogs", 7] == ()
    assert [one["done"] for one in browser.json("state")[1]["frames"]] == [True, True, False]


def test_an_answer_taken_back_leaves_the_frame_as_not_looked_at(browser, path: Path):
    browser.json("answer/1", {"boxes": [DOG], "nothing": False})
    assert browser.json("answer/1", {"boxes": [], "nothing": False})[1]["done"] == 0
    assert read_boxes(path) == {}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"boxes": [DOG, {**DOG, "x_px": 50}]}, "Not saved: box 2: the box ends 6 px beyond the right edge"),
        ({"boxes": [{**DOG, "y_px": -3}]}, "box 1: the box begins 3 px beyond the upper edge"),
        ({"boxes": [{**DOG, "width_px": 1}]}, "the least is 2 x 2"),
        ({"boxes": [{**DOG, "sounding": "loud"}]}, "choose one of: yes, no, unsure"),
        ({"boxes": [{**DOG, "label": "a\nb"}]}, "control characters"),
        ({"boxes": [{**DOG, "x_px": None}]}, "must be numbers"),
        ({"boxes": [{**DOG, "x_px": True}]}, "must be numbers"),
        ({"boxes": [{**DOG, "x_px": float("nan")}]}, "must be finite"),
        ({"boxes": [{**DOG, "label": None}]}, "needs a label"),
        ({"boxes": ["dog"]}, "must be numbers"),
        ({"boxes": [DOG, DOG]}, "box 2: the same as box 1"),
        ({"boxes": [DOG], "nothing": True}, "cannot have boxes and show no source"),
        ({"boxes": [DOG] * (MOST_BOXES + 1)}, "51 boxes in one frame"),
        ({"boxes": None}, "not an answer of this page"),
        ([], "not an answer of this page"),
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 50_000, "not JSON"),
    ],
)
def test_a_wrong_answer_is_refused_in_words_and_changes_nothing(browser, path: Path, answer, words: str):
    browser.json("answer/1", {"boxes": [DOG], "nothing": False})
    before = path.read_bytes()
    status, said = browser.json("answer/1", answer)
    assert status == 400
    assert words in said["problem"]
    assert path.read_bytes() == before


def test_an_answer_that_is_too_long_or_no_json_is_refused(browser, path: Path):
    assert browser.ask("answer/1", b" " * (MOST_BYTES + 1))[0] == 413
    assert browser.ask("answer/1", {"boxes": [DOG]}, Content_Type="text/plain")[0] == 415
    assert not path.exists()


@pytest.mark.parametrize("host", ["example.org", "127.0.0.1", "127.0.0.1:1", "localhost.example.org", ""])
def test_a_foreign_host_is_turned_away(browser, path: Path, host: str):
    for asked in ([""], ["state"], ["answer/1", {"boxes": [DOG]}]):
        status, said = browser.json(*asked, Host=host)
        assert (status, list(said)) == (403, ["problem"])
    assert not path.exists()


def test_this_machine_may_be_called_localhost(browser):
    assert browser.ask("state", Host=f"localhost:{browser.server.server_port}")[0] == 200


def test_another_page_may_not_send_an_answer(browser, path: Path):
    assert browser.ask("answer/1", {"boxes": [DOG]}, Origin="http://example.org")[0] == 403
    assert browser.ask("answer/1", {"boxes": [DOG]}, Origin="null")[0] == 403
    assert not path.exists()
    assert browser.ask("answer/1", {"boxes": [DOG]}, Origin=browser.server.url.rsplit("/", 2)[0])[0] == 200


@pytest.mark.parametrize("address", ["", "state", "TOKEN/", "TOKEN/state", "/", "../state"])
def test_without_the_token_there_is_nothing(browser, address: str):
    root = browser.server.url.rsplit("/", 2)[0]
    wrong = browser.server.token[:-1] + ("a" if browser.server.token[-1] != "a" else "b")
    status, said = browser.json(whole=f"{root}/{address.replace('TOKEN', wrong)}")
    assert status == 403
    assert "whole address" in said["problem"]


@pytest.mark.parametrize(
    "outside", ["../", "..%2fserver.py", "page/index.html", "//etc/passwd", "picture/0.jpg/../../x"]
)
def test_paths_outside_are_not_found(browser, outside: str):
    assert browser.json(outside)[0] == 404


@pytest.mark.parametrize(
    "address", ["picture/3.jpg", "picture/-1.jpg", "picture/0", "logmel/0.jpg", "answer/0", "state/"]
)
def test_what_is_no_address_of_the_page_is_not_found(browser, address: str):
    assert browser.json(address)[0] == 404
    assert browser.json("answer/3", {"boxes": []})[0] == 404


def test_tokens_are_long_and_new_each_time(corpus, path: Path):
    tokens = set()
    for _ in range(3):
        with AnnotationServer(Session("ann", path, list(corpus), SAMPLED)) as server:
            tokens.add(server.token)
    assert len(tokens) == 3
    assert min(map(len, tokens)) >= 20


def test_a_restart_goes_on_and_leaves_other_frames_of_the_file_alone(corpus, path: Path):
    elsewhere = {("diem/bears", 2): (Box(1, 1, 5, 5, "bear", "no"),)}
    write_boxes(path, elsewhere)
    with served(corpus, path) as browser:
        browser.json("answer/2", {"boxes": [DOG], "nothing": False})
    with served(corpus, path) as browser:
        frames = browser.json("state")[1]["frames"]
        assert [one["done"] for one in frames] == [False, False, True]
        assert frames[2]["boxes"][0]["label"] == "dog"
        browser.json("answer/0", {"boxes": [], "nothing": True})
    assert read_boxes(path) == {
        **elsewhere,
        ("diem/frogs", 7): (),
        ("diem/frogs", 39): (Box(4, 6, 20, 30, "dog", "yes"),),
    }


def test_a_file_that_somebody_broke_meanwhile_is_not_written_over(browser, path: Path):
    browser.json("answer/1", {"boxes": [DOG], "nothing": False})
    broken = path.read_text().replace("30.0", "many")
    path.write_text(broken)
    status, said = browser.json("answer/0", {"boxes": [], "nothing": True})
    assert status == 400
    assert "ann.csv:2: x, y, width and height must be numbers" in said["problem"]
    assert path.read_text() == broken


def test_a_file_with_problems_is_told_before_anything_is_served(corpus, path: Path):
    write_boxes(path, {("diem/bears", 40): ()})
    with pytest.raises(AveError, match=r"ann\.csv:2: diem/bears has no frame 40"):
        Session("ann", path, list(corpus), SAMPLED)


def test_answers_at_the_same_time_are_all_kept(browser, path: Path):
    answers = [threading.Thread(target=browser.json, args=(f"answer/{n}", {"boxes": [DOG]})) for n in (0, 1, 2) * 3]
    for thread in answers:
        thread.start()
    for thread in answers:
        thread.join()
    assert sorted(read_boxes(path)) == sorted(SAMPLED)


def test_a_port_that_is_taken_is_a_usage_error(browser, corpus, path: Path):
    with pytest.raises(UsageError, match="cannot be used"):
        AnnotationServer(Session("ann", path, list(corpus), SAMPLED), browser.server.server_port)
