"""The miniature corpus's report and three inspect pages in a browser, in real time: quiet, alone, readable, in step."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from pipeline.cli import main
from pipeline.corpus import Corpus, Stimulus
from pipeline.signals.audio import log_mel
from pipeline.signals.media import read_soundtrack
from tests.report.browser import element
from tests.report.devtools import Browser, Tab, browser

STIMULI = ("diem/market_square_400x300", "diem/forest_edge_480x272", "coutrot1/clip_4")  # 29.97, 30 and 25 a second
WIDTHS = [1280, 400]


@pytest.fixture(scope="module")
def running() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def inspected(trained_store: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The page of each stimulus, as `ave inspect` writes it, with its sound."""
    out = tmp_path_factory.mktemp("inspect")
    for name in STIMULI:
        assert main(["inspect", name, "--store", str(trained_store), "--out", str(out)]) == 0
    return {name: out / f"{name}.html" for name in STIMULI}


def check_alone_and_quiet(tab: Tab, page: Path) -> None:
    """No complaint, nothing asked for beyond the page's own folder, nothing beyond the window's edge."""
    assert tab.complaints() == []
    folder = page.parent.as_uri()
    outside = [url[:80] for url in tab.requests() if not unquote(url).startswith((unquote(folder), "data:", "blob:"))]
    assert outside == []
    wide, seen = tab.run("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= seen
    assert tab.run("[...document.images].every((one) => one.alt.length > 5)")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_report_is_quiet_alone_and_fits(running: Browser, report_index: Path, width: int, dark: bool) -> None:
    with running.page(report_index.as_uri(), width=width, dark=dark) as tab:
        assert tab.run("[...document.images].every((one) => one.loading === 'lazy')")
        waiting = tab.run("[...document.images].filter((one) => !one.complete).length")
        assert waiting > 0  # those far below have not been asked for yet
        tab.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        tab.run(LOAD_ALL)
        assert tab.run("[...document.images].filter((one) => !one.naturalWidth).map((one) => one.src)") == []
        check_alone_and_quiet(tab, report_index)
        drawn = [url for url in tab.requests() if url.endswith(".svg")]
        assert drawn and all(url.endswith("-dark.svg") == dark for url in drawn)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", STIMULI)
def test_an_inspect_page_is_quiet_alone_and_fits(
    running: Browser, inspected: dict[str, Path], name: str, width: int
) -> None:
    with running.page(inspected[name].as_uri(), width=width) as tab:
        tab.run(READY)
        tab.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        check_alone_and_quiet(tab, inspected[name])


def test_every_link_of_the_report_leads_somewhere(running: Browser, report_index: Path) -> None:
    """Those to places are followed by the browser, and the place is then in sight; those to files are files."""
    with running.page(report_index.as_uri()) as tab:
        links = tab.run("[...document.links].map((one) => [one.getAttribute('href'), one.href])")
        for written, whole in links:
            if written.startswith("#"):
                top, seen = tab.run(f"(location.hash = '', location.hash = {written!r}, {IN_SIGHT})")
                assert -1 <= top < seen, written
            else:
                assert Path(unquote(whole.removeprefix("file://"))).stat().st_size > 0, written
    assert len(links) > 60


@pytest.mark.parametrize("name", STIMULI)
def test_the_frame_shown_while_the_sound_plays_is_the_one_of_that_moment(
    running: Browser, inspected: dict[str, Path], trained_store: Path, name: str
) -> None:
    """Between two looks at the sound's clock, one before and one after the page drew: the frame lies between them."""
    times_s = Corpus(trained_store)[name].times_s
    with running.page(inspected[name].as_uri()) as tab:
        tab.run(READY)
        seen = np.array(tab.run(PLAY_AND_LOOK % 60))
    before, frame, picture, after = seen.T
    assert (at(times_s, before) <= frame).all() and (frame <= at(times_s, after)).all()
    assert (picture == frame).all()
    assert len(set(frame)) > 5 and after[-1] > 0.3  # it did play


@pytest.mark.parametrize("name", STIMULI)
def test_keys_bring_picture_gaze_and_sound_to_the_same_frame(
    running: Browser, inspected: dict[str, Path], trained_store: Path, name: str
) -> None:
    """The scrubber by its own keys: last frame, first, one on, two on; each with its picture, fixations and moment."""
    stimulus = Corpus(trained_store)[name]
    with running.page(inspected[name].as_uri()) as tab:
        tab.run(READY)
        tab.run("document.getElementById('frame').focus()")
        for key, times, frame in (("End", 1, stimulus.n_frames - 1), ("Home", 1, 0), ("ArrowRight", 2, 2)):
            tab.press(key, times)
            check_in_step(tab, stimulus, frame)
        tab.run("document.activeElement.blur()")
        tab.press("ArrowRight")
        check_in_step(tab, stimulus, 3)


def check_in_step(tab: Tab, stimulus: Stimulus, frame: int) -> None:
    shown, heard_s, gaze, picture = tab.run(SHOWN)
    assert shown == frame
    assert at(stimulus.times_s, heard_s) == frame
    count = int((stimulus.fixations()["frame"] == frame).sum())
    assert gaze == f"{count} of {count} fixations"
    if picture.startswith("data:image/jpeg"):  # as stored
        (jpeg,) = stimulus.jpegs(frame, frame + 1)
        assert picture == f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def test_playing_ends_with_the_last_frame_and_begins_again_with_the_first(
    running: Browser, inspected: dict[str, Path], trained_store: Path
) -> None:
    name = STIMULI[0]
    n_frames = Corpus(trained_store)[name].n_frames
    with running.page(f"{inspected[name].as_uri()}#frame={n_frames - 8}") as tab:
        tab.run(READY)
        frames = tab.run(PLAY_TO_THE_END)
        assert frames[0] >= n_frames - 8 and frames[-1] == n_frames - 1 and frames == sorted(frames)
        assert tab.run("document.getElementById('play').textContent") == "Play"
        (_, again, _, _), *_ = tab.run(PLAY_AND_LOOK % 3)
        assert again < n_frames - 8


@pytest.mark.parametrize("name", STIMULI)
def test_what_is_heard_at_a_moment_is_what_the_tables_hold_for_it(
    inspected: dict[str, Path], trained_store: Path, tmp_path: Path, name: str
) -> None:
    """The page's own sound, decoded and analysed, is most like the published log-mel where neither is shifted."""
    data = json.loads(element(inspected[name].read_text(encoding="utf-8"), "data").text)
    (tmp_path / "sound.wav").write_bytes(base64.b64decode(data["sound"]))
    heard = log_mel(*read_soundtrack(tmp_path / "sound.wav"))
    published = np.asarray(Corpus(trained_store)[name].steps, np.float64)
    shifts = range(-20, 21)  # of 10 ms
    alike = [np.corrcoef(*(rows.ravel() for rows in _overlap(heard, published, shift)))[0, 1] for shift in shifts]
    assert shifts[int(np.argmax(alike))] == 0 and max(alike) > 0.9


def _overlap(a: np.ndarray, b: np.ndarray, shift: int) -> tuple[np.ndarray, np.ndarray]:
    """Two tables of steps, the second beginning later by so many."""
    a, b = (a, b[shift:]) if shift >= 0 else (a[-shift:], b)
    n = min(len(a), len(b))
    return a[:n], b[:n]


def at(times_s: np.ndarray, moment_s: float | np.ndarray) -> np.ndarray:
    """The frame on screen at a moment, as the tables say."""
    return np.maximum(np.searchsorted(times_s, moment_s, side="right") - 1, 0)


READY = """new Promise((done) => {
  const look = () => {
    const sound = document.getElementById("sound");
    const ready = !document.getElementById("controls").disabled && (!sound || sound.readyState >= 3);
    if (ready) done(true); else setTimeout(look, 20);
  };
  look();
})"""

LOAD_ALL = """(async () => {
  for (const one of document.images) {
    one.scrollIntoView();
    if (!one.complete) await new Promise((done) => { one.onload = one.onerror = done; });
  }
})()"""

IN_SIGHT = "[document.querySelector(':target').getBoundingClientRect().top, innerHeight]"

SHOWN = """[Number(document.getElementById("stage").dataset.frame), document.getElementById("sound").currentTime,
  document.getElementById("gaze").textContent, document.getElementById("picture").src]"""

# `before` is asked for before the page's own drawing in each animation frame, `after` behind it; so they run.
PLAY_AND_LOOK = """(async () => {
  const [sound, stage, picture] = ["sound", "stage", "picture"].map((id) => document.getElementById(id));
  const [found, begun] = [[], Number(stage.dataset.frame)];
  let earlier = 0;
  let moves = false;
  await new Promise((done) => {
    const before = () => {
      earlier = sound.currentTime;
      if (found.length >= %d) { done(); return; }
      requestAnimationFrame(before);
      setTimeout(() => requestAnimationFrame(after), 0);
    };
    const after = () => {
      moves = moves || Number(stage.dataset.frame) !== begun;
      if (moves) found.push([earlier, Number(stage.dataset.frame), Number(picture.dataset.frame), sound.currentTime]);
    };
    requestAnimationFrame(before);
    document.getElementById("play").click();
  });
  return found;
})()"""

PLAY_TO_THE_END = """(async () => {
  const stage = document.getElementById("stage"), play = document.getElementById("play");
  const frames = [];
  play.click();
  await new Promise((done) => {
    const look = () => {
      frames.push(Number(stage.dataset.frame));
      if (play.textContent === "Play") done(); else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
  return frames;
})()"""
