"""The page at work in a browser: which frame is shown when, whose picture, which density; and no complaints."""

from __future__ import annotations

import base64
import json
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pipeline.corpus import Corpus
from pipeline.report.inspect import inspect_page
from pipeline.report.inspect.gaze import pack_fixations
from pipeline.report.inspect.page import DENSITY_SIZE
from pipeline.signals.density import density_map
from tests.report.browser import element, elements_of, evaluated, opened
from tests.report.shown import HOSTILE, VARIABLE_S, Shown

TEMPLATES = Path(__file__).resolve().parents[2] / "pipeline" / "report" / "inspect" / "templates"


def sources(*names: str) -> str:
    return "\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in names)


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with sound, uneven times, and observers whose names want to be markup."""
    tone = np.sin(np.arange(2 * 48000) * 0.05).astype(np.float32)
    page = tmp_path_factory.mktemp("page") / "uneven.html"
    html = inspect_page(Shown(), sound=(tone, 48000)).html  # type: ignore[arg-type]
    page.write_text(html, encoding="utf-8")
    return page


def test_the_frame_at_t_is_the_last_that_began_by_then(tmp_path: Path) -> None:
    moments = [-1.0, 0.0, 0.0999, 0.1, 0.149, 0.15, 0.4, 0.405, 0.41, 1.29, 1.3, 99.0]
    times = list(VARIABLE_S)
    rates = [(np.arange(500) / rate).tolist() for rate in (25, 30, 30000 / 1001)]
    expression = f"""{{
        found: {moments}.map((t) => frameAt({times}, t)),
        inside: {[times, *rates]}.map((times) => times.every((_, k) =>
            frameAt(times, Math.floor(momentOf(times, k) * 1e6) / 1e6) === k)),
        links: ["", "#t=0.5", "#frame=3", "#frame=99", "#t=no", "#t="].map((link) => frameOfLink(link, {times})),
    }}"""
    found = evaluated(tmp_path, sources("clock.js"), expression)
    expected = np.maximum(np.searchsorted(times, moments, side="right") - 1, 0).tolist()
    assert found["found"] == expected == [0, 0, 0, 1, 1, 2, 3, 3, 4, 6, 7, 7]
    assert found["inside"] == [True] * 4  # what is sought for a frame shows it, even by a player's whole microseconds
    assert found["links"] == [None, 4, 3, 7, None, None]


def test_the_browser_unpacks_and_blurs_as_we_do(tmp_path: Path) -> None:
    fixations = Shown().fixations()
    names = sorted(HOSTILE)
    packed = base64.b64encode(pack_fixations(fixations, names)).decode()
    gaze = f"{{n: {len(fixations)}, parts_per_px: 16, packed: '{packed}'}}"
    expression = f"""(async () => {{
        const frames = await unpackFixations({gaze}, 8);
        const map = (own) => [...densityOf(own, {DENSITY_SIZE[0]}, {DENSITY_SIZE[1]}, 270, 480, 40)];
        return {{ frames, maps: frames.map(map) }};
    }})()"""
    found = evaluated(tmp_path, sources("gaze.js", "density.js"), expression)
    for frame in range(8):
        own = fixations[fixations["frame"] == frame]
        unpacked = found["frames"][frame]
        assert [names[one["observer"]] for one in unpacked] == own["observer"].tolist()
        points = np.array([(one["x"], one["y"]) for one in unpacked]).reshape(-1, 2)
        assert np.abs(points - own[["x_px", "y_px"]].to_numpy()).max(initial=0) <= 1 / 32
        expected = density_map(*points.T, video_size=(270, 480), out_size=DENSITY_SIZE, sigma_px=40.0)
        drawn = np.reshape(found["maps"][frame], DENSITY_SIZE)
        assert np.abs(drawn - expected).max() <= 1e-4 * expected.max()
    assert not np.any(found["maps"][7])


@pytest.mark.parametrize(("link", "frame"), [("#t=0.405", 3), ("#frame=5", 5), ("#t=1.3", 7), ("", 0)])
def test_a_link_opens_the_frame_at_its_moment_with_that_frames_picture(uneven: Path, link: str, frame: int) -> None:
    document, console = opened(uneven, link)
    assert console == []
    assert element(document, "stage").attributes["data-frame"] == str(frame)
    (jpeg,) = Shown().jpegs(frame, frame + 1)
    assert element(document, "picture").attributes["src"] == f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
    assert element(document, "picture-note").text == ""
    here = int((Shown().fixations()["frame"] == frame).sum())
    assert element(document, "gaze").text == f"{here} of {here} fixations"
    assert element(document, "time").text == f"frame {frame} of 0 to 7 · {VARIABLE_S[frame]:.3f} s"
    assert element(document, "problem").attributes.get("hidden") == ""
    assert element(document, "sound").attributes["src"].startswith("blob:")


def test_names_stay_names_in_the_browser(uneven: Path) -> None:
    document, _ = opened(uneven)
    assert sum(one.name == "script" for one in elements_of(document)) == 2
    assert not [one for one in elements_of(document) if one.name in ("b", "i")]


def test_a_published_stimulus_without_sound_at_hand_shows_its_frame_and_density(
    built_store: Path, tmp_path: Path
) -> None:
    stimulus = next(iter(Corpus(built_store)))
    page = tmp_path / "silent.html"
    page.write_text(inspect_page(stimulus, no_sound="no release").html, encoding="utf-8")
    frame = stimulus.n_frames // 2
    document, console = opened(page, f"#t={stimulus.times_s[frame] + 0.005}")
    assert console == []
    assert element(document, "stage").attributes["data-frame"] == str(frame)
    density = stimulus.density(frame, size=DENSITY_SIZE)
    row, column = np.unravel_index(density.argmax(), DENSITY_SIZE)
    place = re.search(r"\((\d+), (\d+)\)", element(document, "peak").text)
    assert place is not None
    cell = stimulus.width_px / DENSITY_SIZE[1], stimulus.height_px / DENSITY_SIZE[0]
    assert abs(int(place[1]) - (column + 0.5) * cell[0]) <= 0.5
    assert abs(int(place[2]) - (row + 0.5) * cell[1]) <= 0.5
    assert not [one for one in elements_of(document) if one.name == "audio"]


def test_a_frame_without_a_picture_shows_the_one_before_and_says_so(tmp_path: Path) -> None:
    shown = Shown(times_s=np.arange(200) / 10, rate=Fraction(10), noise=True)
    page = inspect_page(shown, limit_bytes=400_000)  # type: ignore[arg-type]
    match = re.search(r"One picture in (\d+)", page.left_out[0])
    assert match is not None
    step = int(match[1])
    (tmp_path / "thinned.html").write_text(page.html, encoding="utf-8")
    document, console = opened(tmp_path / "thinned.html", f"#frame={2 * step + 1}")
    assert console == []
    assert element(document, "stage").attributes["data-frame"] == str(2 * step + 1)
    assert element(document, "picture").attributes["data-frame"] == str(2 * step)
    assert element(document, "picture-note").text == f"picture of frame {2 * step}"


DRIVE = """
const said = [];
const frame = () => Number(at("stage").dataset.frame);
const press = (key, on = document.body) =>
  said.push((on.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true })), frame()));
const gaze = () => said.push(at("gaze").textContent);
setTimeout(() => {
  press("ArrowRight"); press("ArrowRight", at("play")); press("ArrowLeft"); press("ArrowRight", at("volume"));
  at("frame").value = 4; at("frame").dispatchEvent(new Event("input")); said.push(frame(), at("sound").currentTime);
  at("none").click(); gaze(); boxes[1].click(); gaze(); at("all").click(); gaze();
  document.body.append(Object.assign(document.createElement("pre"), { id: "said", textContent: JSON.stringify(said) }));
}, 500);
"""


def test_it_is_worked_by_keys_slider_and_observers(uneven: Path, tmp_path: Path) -> None:
    """A script of ours drives the page, which its policy would refuse, so the copy has none."""
    html = re.sub(r'<meta http-equiv="Content-Security-Policy".*?>', "", uneven.read_text(encoding="utf-8"), count=1)
    before, end = html.rsplit("</script>", 1)
    (tmp_path / "driven.html").write_text(f"{before}{DRIVE}</script>{end}", encoding="utf-8")
    document, console = opened(tmp_path / "driven.html")
    assert console == []
    *pressed, slid, heard_s, none, one, every = json.loads(element(document, "said").text)
    assert pressed == [1, 2, 1, 1]  # arrows work from a button too, but on the volume they are the volume's
    assert slid == 4 and VARIABLE_S[4] <= heard_s < VARIABLE_S[5]  # the sound has gone along
    assert (none, one, every) == ("0 of 4 fixations", "1 of 4 fixations", "4 of 4 fixations")
