"""The page of one stimulus as it is written: small, alone, readable; and each of its parts against its definition."""

from __future__ import annotations

import base64
import io
import json
import re
import zlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.corpus import Corpus
from pipeline.features.frames import decode_jpeg
from pipeline.report.inspect import LIMIT_BYTES, inspect_page, pack_maps
from pipeline.report.inspect.gaze import pack_fixations
from pipeline.report.inspect.page import observer_colours
from pipeline.report.inspect.pictures import choose_pictures
from pipeline.report.inspect.soundtrack import embed_sound, encode_mu_law, fit_length, mu_law_wav
from pipeline.report.inspect.spectrogram import MOST_COLUMNS, draw_spectrogram
from pipeline.signals.audio import SILENCE
from pipeline.signals.media import read_soundtrack
from tests.report.browser import Element, element, elements_of
from tests.report.shown import HOSTILE, VARIABLE_S, Shown

STYLE = Path(__file__).resolve().parents[2] / "pipeline" / "report" / "inspect" / "templates" / "page.css"
REJECTED = [{"level": "sample", "subject": "tiny/uneven/<i>", "reason": "blink", "count": 7, "detail": "an eye & more"}]


@pytest.fixture(scope="module")
def html() -> str:
    """A page with sound, uneven times and names that want to be markup."""
    tone = np.sin(np.arange(2 * 48000) * 0.05).astype(np.float32)
    return inspect_page(Shown(), sound=(tone, 48000), rejected=REJECTED).html  # type: ignore[arg-type]


def data_of(html: str) -> dict:
    return json.loads(element(html, "data").text)


def image_size(content: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(content)).size


class TestPage:
    def test_every_published_stimulus_has_a_page_below_the_limit(self, built_store: Path) -> None:
        for stimulus in Corpus(built_store):
            page = inspect_page(stimulus, no_sound="none here")
            assert page.n_bytes < LIMIT_BYTES
            data = data_of(page.html)
            assert data["times_s"] == stimulus.times_s.tolist()
            assert data["pictures"]["frames"] == list(range(stimulus.n_frames))
            jpegs = [base64.b64encode(jpeg).decode() for jpeg in stimulus.jpegs(0, stimulus.n_frames)]
            first = element(page.html, "picture").attributes["src"].removeprefix("data:image/jpeg;base64,")
            assert [first, *data["pictures"]["others"]] == jpegs

    def test_nothing_loads_from_outside(self, html: str) -> None:
        assert "http://" not in html and "https://" not in html and "url(" not in html and "@import" not in html
        for one in elements_of(html):
            for name in ("src", "href", "srcset", "data", "poster", "action"):
                assert re.match(r"data:|#|$", one.attributes.get(name, "")), one
        policy = next(one for one in elements_of(html) if "http-equiv" in one.attributes).attributes["content"]
        assert "default-src 'none'" in policy

    def test_no_behaviour_hides_in_attributes(self, html: str) -> None:
        names = {name for one in elements_of(html) for name in one.attributes}
        assert not [name for name in names if name.startswith("on") or name == "style"]

    def test_names_are_text_and_never_markup(self, html: str) -> None:
        data = data_of(html)
        assert data["observers"] == sorted(HOSTILE)
        labels = [one.text for one in elements_of(html) if one.name == "label"]
        assert [text for text in labels if text in HOSTILE] == sorted(HOSTILE)
        assert sum(one.name == "script" for one in elements_of(html)) == 2  # the data and the page's own
        cells = [one.text for one in elements_of(html) if one.name in ("td", "dd")]
        assert {"tiny/uneven/<i>", "an eye & more", "told <b>so</b>"} <= set(cells)

    def test_everything_to_press_has_a_name_and_every_picture_words(self, html: str) -> None:
        found = elements_of(html)
        identities = [one.attributes["id"] for one in found if "id" in one.attributes]
        assert len(identities) == len(set(identities))
        named = {one.attributes.get("for") for one in found if one.name == "label"}
        inputs = re.findall(r"<(?:input|select)[^>]*>", html)
        for one in inputs:
            inside = re.search(r"<label>[^/]*?" + re.escape(one), html)
            assert inside or any(f'id="{name}"' in one for name in named if name), one
        assert all(one.attributes["alt"] for one in found if one.name == "img")
        assert all(one.attributes.get("aria-label") for one in found if one.name == "canvas")
        assert all(one.text.strip() for one in found if one.name in ("button", "summary", "caption", "figcaption"))
        headings = [int(one.name[1]) for one in found if re.fullmatch("h[1-6]", one.name)]
        assert headings[0] == 1 and set(headings[1:]) == {2}
        assert found[0].attributes == {"lang": "en"}

    def test_it_says_what_it_leaves_out(self) -> None:
        page = inspect_page(Shown(), no_sound="There is no sound: <lost>.")  # type: ignore[arg-type]
        assert "There is no sound: <lost>." in element(page.html, "left-out").text
        assert "plays by the clock" in element(page.html, "no-sound").text
        assert not [one for one in elements_of(page.html) if one.name == "audio"]

    def test_the_same_stimulus_gives_the_same_bytes(self, html: str) -> None:
        tone = np.sin(np.arange(2 * 48000) * 0.05).astype(np.float32)
        again = inspect_page(Shown(), sound=(tone, 48000), rejected=REJECTED)  # type: ignore[arg-type]
        assert again.html == html

    @pytest.mark.parametrize("limit_bytes", [400_000, 250_000])
    def test_a_smaller_limit_is_kept(self, limit_bytes: int) -> None:
        noise = np.random.default_rng(0).uniform(-0.5, 0.5, 20 * 48000).astype(np.float32)
        shown = Shown(times_s=np.arange(200) / 10, rate=Fraction(10), noise=True)
        page = inspect_page(shown, sound=(noise, 48000), limit_bytes=limit_bytes)  # type: ignore[arg-type]
        assert 0.6 * limit_bytes < page.n_bytes < limit_bytes
        assert "One picture in" in page.left_out[0]

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_text_stands_out_from_its_ground(self, scheme: str) -> None:
        block = STYLE.read_text().split(":root")[1 if scheme == "light" else 2]
        colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block.split("}")[0]))
        for ground in ("paper", "raised"):
            for text in ("ink", "quiet", "accent"):
                assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)  # WCAG 2.2, 1.4.3 (AA)
            assert contrast(colours["line"], colours[ground]) >= 3, ground  # 1.4.11: edges of what can be pressed


def contrast(one: str, other: str) -> float:
    """WCAG 2.2's contrast ratio of two `#rrggbb`."""

    def luminance(colour: str) -> float:
        channels = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.2126, 0.7152, 0.0722))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_of_black_and_white_is_21() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


class TestPictures:
    def test_all_are_as_stored_where_they_fit(self) -> None:
        pictures = choose_pictures(Shown(), 10_000_000)  # type: ignore[arg-type]
        assert pictures.mime == "image/jpeg" and pictures.note == ""
        assert pictures.images == [bytes(jpeg) for jpeg in Shown().jpegs(0, 8)]

    def test_first_they_shrink_each_in_the_shape_of_the_video(self) -> None:
        shown = Shown(noise=True)
        stored = sum(map(len, shown.jpegs(0, 8)))
        pictures = choose_pictures(shown, stored // 3)  # type: ignore[arg-type]
        assert pictures.frames == list(range(8)) and pictures.n_bytes <= stored // 3
        width, height = image_size(pictures.images[0])
        assert width / height == pytest.approx(480 / 270, abs=1 / height)
        assert f"{width} × {height} px" in pictures.note

    def test_then_every_nth_is_kept_and_never_more_than_fits(self) -> None:
        shown = Shown(times_s=np.arange(60) / 30, rate=Fraction(30), noise=True)
        pictures = choose_pictures(shown, 100_000)  # type: ignore[arg-type]
        (step,) = set(np.diff(pictures.frames).tolist())
        assert pictures.frames[0] == 0 and step > 1 and pictures.frames[-1] > 59 - step
        assert pictures.n_bytes <= 100_000
        assert f"One picture in {step} " in pictures.note

    def test_a_picture_is_that_of_its_frame(self) -> None:
        shown = Shown()
        stored = sum(map(len, shown.jpegs(0, 8)))
        pictures = choose_pictures(shown, stored - 1)  # type: ignore[arg-type]
        assert pictures.mime == "image/webp"
        for frame, image in zip(pictures.frames, pictures.images, strict=True):
            grey = np.asarray(Image.open(io.BytesIO(image))).mean()
            assert grey == pytest.approx(decode_jpeg(shown.jpegs(frame, frame + 1)[0]).mean(), abs=3)


class TestSound:
    def test_mu_law_is_that_of_the_standard(self) -> None:
        """G.711: 0 is FF, the largest magnitudes are 80 and 00, and each of the eight segments has sixteen steps."""
        assert encode_mu_law(np.array([0, 1, -1, 2, -2], np.float32)).hex() == "ff80008000"
        ramp = np.frombuffer(encode_mu_law(np.linspace(0, 1, 40_000, dtype=np.float32)), np.uint8)
        assert (np.diff(ramp.astype(int)) <= 0).all() and len(set(ramp)) == 128

    def test_ffmpeg_hears_what_was_written(self, tmp_path: Path) -> None:
        """An error of half a step of a sixteenth of an octave, or half of the smallest step, and no shift in time."""
        samples = np.random.default_rng(0).uniform(-1, 1, 8000).astype(np.float32) ** 3
        (tmp_path / "sound.wav").write_bytes(mu_law_wav(samples, 8000))
        heard, rate_hz = read_soundtrack(tmp_path / "sound.wav")
        assert rate_hz == 8000 and heard.shape == samples.shape
        assert (np.abs(heard - samples) <= np.abs(samples) / 30 + 8 / 32768).all()

    def test_it_is_as_long_as_the_pictures(self) -> None:
        ones = np.ones(10, np.float32)
        assert fit_length(ones, 4).tolist() == [1] * 4
        assert fit_length(ones, 12).tolist() == [1] * 10 + [0, 0]

    @pytest.mark.parametrize(("budget_bytes", "rate_hz"), [(10**6, 16000), (130_000, 12000), (48_000, 4000)])
    def test_the_rate_is_the_highest_that_fits_and_a_click_stays_where_it_is(
        self, tmp_path: Path, budget_bytes: int, rate_hz: int
    ) -> None:
        click = np.zeros(10 * 48000, np.float32)
        click[5 * 48000 - 24 : 5 * 48000 + 24] = 0.8
        sound = embed_sound(click, 48000, 10.0, budget_bytes)
        (tmp_path / "sound.wav").write_bytes(sound.wav)
        heard, found_hz = read_soundtrack(tmp_path / "sound.wav")
        assert found_hz == rate_hz and heard.size == 10 * rate_hz and len(sound.wav) <= budget_bytes
        assert abs(np.abs(heard).argmax() / rate_hz - 5) < 1e-3
        assert f"{rate_hz / 1000:g} kHz" in sound.note

    def test_too_long_a_sound_is_left_out_and_the_page_says_so(self) -> None:
        sound = embed_sound(np.zeros(48000, np.float32), 48000, 1000.0, 100_000)
        assert sound.wav == b"" and "left out" in sound.note


class TestSpectrogram:
    def test_a_click_is_drawn_at_its_time(self) -> None:
        """Steps 40 and 41 of a silent track are loud: 0.40 to 0.42 s of 1.5 s, and only they."""
        picture = pixels(draw_spectrogram(Shown().steps, 1.5).png)
        assert picture.shape == (64, 150)
        assert np.flatnonzero(picture.any(axis=0)).tolist() == [40, 41]

    def test_low_bands_are_at_the_bottom(self) -> None:
        steps = np.full((10, 64), SILENCE, np.float32)
        steps[:, 2] = 0
        assert np.flatnonzero(pixels(draw_spectrogram(steps, 0.1).png).any(axis=1)).tolist() == [61]

    def test_columns_are_shared_in_a_long_one_and_it_still_ends_where_it_ends(self) -> None:
        steps = np.full((10_000, 64), SILENCE, np.float32)
        steps[9_001] = 0
        drawn = draw_spectrogram(steps, 100.0)
        picture = pixels(drawn.png)
        assert picture.shape[1] <= MOST_COLUMNS and drawn.column_s == pytest.approx(0.04) and "4 steps" in drawn.note
        assert drawn.duration_s == pytest.approx(picture.shape[1] * drawn.column_s) == pytest.approx(100)
        assert np.flatnonzero(picture.any(axis=0)).tolist() == [9_001 // 4]


def pixels(png: bytes) -> np.ndarray:
    """Palette indices of a picture."""
    return np.asarray(Image.open(io.BytesIO(png)))


def test_packed_fixations_are_a_fraction_of_what_they_were_and_none_is_lost() -> None:
    fixations = Shown(times_s=np.arange(500) / 25).fixations()
    packed = pack_fixations(fixations, sorted(HOSTILE))
    assert len(zlib.decompress(packed)) == 16 * len(fixations)
    assert len(packed) < 5 * len(fixations) / 5


def test_a_long_models_maps_are_thinned_evenly_and_flat_or_broken_ones_are_drawn_as_nothing() -> None:
    maps = [(frame, np.full((9, 16), np.nan if frame == 3 else 5.0)) for frame in range(0, 3600, 3)]
    packed = pack_maps("flat", maps, 3600)
    assert packed.frames == list(range(0, 3600, 6))
    assert not any(zlib.decompress(packed.packed)) and "each 6 frames" in packed.note


def test_observers_have_colours_of_their_own() -> None:
    assert len(set(observer_colours(60))) == 60
    assert observer_colours(2) == ["#f20d0d", "#6ef7f7"] and observer_colours(0) == []


def test_times_are_not_rounded(html: str) -> None:
    assert data_of(html)["times_s"] == list(VARIABLE_S)
    assert isinstance(element(html, "frame"), Element) and element(html, "frame").attributes["max"] == "7"
