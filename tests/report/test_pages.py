"""A report as a whole: whole by itself, said in words, the same each time, and open to everyone."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pandas as pd
import pytest

from pipeline.errors import StoreError
from pipeline.report.pages import ReportData, write_report
from pipeline.report.pages.style import DARK, LIGHT, in_the_dark
from tests.report.reading import Page, made_data, of_latex, of_markdown, read

MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first page of a report with something in every section."""
    return write_report(tmp_path_factory.mktemp("report") / "pages", made_data())


@pytest.fixture(scope="module")
def page(index: Path) -> Page:
    return read(index)


def test_the_index_is_small(index):
    assert index.stat().st_size < MEGABYTE


def test_the_index_of_a_large_store_is_small_and_the_files_have_every_row(tmp_path):
    made = made_data()
    many = pd.concat([made.stimuli.iloc[[0]]] * 3000, ignore_index=True)
    many["stimulus"] = [f"diem/film{number}" for number in range(len(many))]
    audit = [
        {**made.audit[0], "scope": name, "note": "what is claimed of it, at some length"} for name in many["stimulus"]
    ]
    large = write_report(tmp_path / "pages", made_data(stimuli=many, audit=[*made.audit, *audit]))
    assert large.stat().st_size < MEGABYTE
    page = read(large)
    for name in ("stimuli", "audit-stimuli"):
        assert len(page.tables[name]) == 1 + 400
        for ending in ("md", "csv", "tex"):
            assert (large.parent / "files" / f"{name}.{ending}").read_text(encoding="utf-8").count("diem/film") == 3000
    assert page.words.count("The first 400 of 3,000 rows; the files have all.") == 2


def test_every_section_has_something_to_show(page):
    shown = [line for line in page.all("p") if line.get("class") == "missing"]
    assert shown == []


def test_every_reference_is_a_file_beside_the_page_or_a_place_in_it(index, page):
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    links = [a[key] for _, a in page.tags for key in ("href", "src", "srcset") if key in a]
    assert links
    for link in links:
        if link.startswith("#"):
            assert link[1:] in ids, link
        elif link != "data:,":
            assert (index.parent / link).is_file(), link


def test_ids_are_not_given_twice(page):
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_nothing_is_loaded_from_elsewhere(index):
    for file in index.parent.rglob("*"):
        if file.suffix in (".html", ".css", ".js"):
            assert not re.search(r"https?:|//[a-z]|@import|url\(", _code(file)), file
        if file.suffix == ".svg":
            loads = re.findall(r'(?:href|src)="([^"]*)"|url\(([^)]*)\)', file.read_text(encoding="utf-8"))
            assert all((href or url).startswith(("#", "data:")) for href, url in loads), file


def _code(file: Path) -> str:
    """A file without its comments and words for people."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".html":
        return " ".join(re.findall(r"<[^>]*>", text))
    return re.sub(r"/\*.*?\*/|// .*", "", text, flags=re.DOTALL if file.suffix == ".css" else 0)


def test_every_picture_says_what_it_shows_and_waits_to_be_seen(page):
    pictures = page.all("img")
    assert len(pictures) >= 9
    for picture in pictures:
        assert len(picture["alt"]) > 10
        assert picture["loading"] == "lazy"
        assert int(picture["width"]) > 0 and int(picture["height"]) > 0


def test_every_figure_has_a_caption_and_the_numbers_behind_it(index, page):
    figures = re.findall(r"<figure.*?</figure>\s*(?:</div>.*?</figure>)?", page.text, flags=re.DOTALL)
    assert figures and all("<figcaption>" in figure for figure in figures)
    for drawing in index.parent.glob("files/*.svg"):
        name = drawing.stem.removesuffix("-dark")
        assert (drawing.parent / f"{name}.csv").read_text(encoding="utf-8").count("\n") > 1, name


def test_every_table_has_the_same_words_in_every_form(index, page):
    assert len(page.tables) >= 15
    for name, shown in page.tables.items():
        words = [[" ".join(cell.split()) for cell in row] for row in shown]
        file = index.parent / "files" / name
        markdown = of_markdown(file.with_suffix(".md").read_text(encoding="utf-8"))
        latex = of_latex(file.with_suffix(".tex").read_text(encoding="utf-8"))
        assert markdown == words, name
        assert latex == words, name
        assert file.with_suffix(".csv").is_file(), name


def test_tables_have_captions_headings_and_named_rows(page):
    assert len(page.all("table")) == len(page.all("caption"))
    scopes = [heading["scope"] for heading in page.all("th")]
    assert set(scopes) == {"col", "row"}
    for name, rows in page.tables.items():
        assert len({len(row) for row in rows}) == 1, name


def test_a_name_is_no_markup(page):
    assert "A report <of> made scores" in page.words
    assert "of" not in {tag for tag, _ in page.tags}


def test_it_can_be_used_from_the_keyboard(page):
    assert page.all("html")[0]["lang"] == "en"
    assert page.all("a")[0] == {"class": "skip", "href": "#content"}
    regions = [region for region in page.all("div") if region.get("role") == "region"]
    assert len(regions) == len(page.tables)
    assert all(region["tabindex"] == "0" and region["aria-label"] for region in regions)
    assert not [a for _, a in page.tags if int(a.get("tabindex", 0)) > 0 or "onclick" in a]


def test_headings_do_not_skip_a_level(page):
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_a_stranger_finds_ten_answers(page):
    questions = page.text.split('class="questions"')[1].split("</dl>")[0]
    assert questions.count("<dt>") == 10
    assert "25.0" not in questions  # of a video, not of the screen
    for answer in ("12 videos of the test split", "90 cm, 49.5 px per degree", "agnostic to sound", "abababababab"):
        assert answer in questions


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_the_page(index, scheme):
    style = (index.parent / "files" / "style.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{(.*?)\}", style, flags=re.DOTALL)
    colours = dict(re.findall(r"--(\w+): (#\w{6})", blocks[scheme == "dark"]))
    for ground in ("page", "soft", "published"):
        for word in ("ink", "quiet", "link"):
            assert _contrast(colours[word], colours[ground]) >= 4.5, (word, ground)


@pytest.mark.parametrize(("palette", "page_colour"), [(LIGHT, "#ffffff"), (DARK, "#14181f")])
def test_drawings_stand_out_from_the_page(palette, page_colour):
    ink, quiet, _, *series = palette
    assert all(_contrast(colour, page_colour) >= 4.5 for colour in (ink, quiet))
    assert all(_contrast(colour, page_colour) >= 3 for colour in series)


def _contrast(a: str, b: str) -> float:
    """As WCAG 2 defines it."""
    high, low = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_the_dark_drawing_is_the_light_one_in_other_colours(index):
    light = (index.parent / "files" / "over-time.svg").read_text(encoding="utf-8")
    dark = (index.parent / "files" / "over-time-dark.svg").read_text(encoding="utf-8")
    assert dark == in_the_dark(light) != light
    assert re.sub("#[0-9a-f]{6}", "", dark) == re.sub("#[0-9a-f]{6}", "", light)


def test_the_same_data_give_the_same_report(index, tmp_path):
    again = write_report(tmp_path / "again", made_data())
    files = {file.relative_to(index.parent): file.read_bytes() for file in index.parent.rglob("*") if file.is_file()}
    assert files == {
        file.relative_to(again.parent): file.read_bytes() for file in again.parent.rglob("*") if file.is_file()
    }


def test_an_empty_store_is_told_what_to_do(tmp_path):
    page = read(write_report(tmp_path / "pages", ReportData("Nothing yet", "test", "ours")))
    missing = re.findall(r'<p class="missing">(.*?)</p>', page.text)
    assert len(missing) == 19  # all but the protocol
    assert all("<code>ave " in sentence and sentence.endswith(".") for sentence in missing)
    assert page.tables and all(name.startswith("protocol") for name in page.tables)


def test_a_report_takes_the_place_of_the_last(tmp_path):
    write_report(tmp_path / "pages", made_data())
    write_report(tmp_path / "pages", ReportData("Nothing yet", "test", "ours"))
    assert not list((tmp_path / "pages").glob("files/leaderboard*"))
    assert [file.name for file in tmp_path.iterdir()] == ["pages"]


def test_nothing_else_is_written_over(tmp_path):
    (tmp_path / "letter.txt").write_text("keep me")
    with pytest.raises(StoreError, match="no report of ours"):
        write_report(tmp_path, made_data())
    assert (tmp_path / "letter.txt").read_text() == "keep me"
