"""Put a report on disk: index.html, and beside it every table, figure and picture in files of their own.

Conventions
-----------
The folder is written under another name and then takes the place of an earlier report, so that nobody reads half of
one. Pages refer to files beside them and to nothing else.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from pipeline.errors import StoreError
from pipeline.report.pages.blocks import Section
from pipeline.report.pages.data import ReportData
from pipeline.report.pages.questions import questions
from pipeline.report.pages.sections import sections
from pipeline.store.leftovers import temporary

INDEX = "index.html"
FOLDER = "files"
ASSETS = ("style.css", "page.js")
MARK = ".ave-report"  # in a folder that a report may take the place of


def write_report(out: Path, data: ReportData) -> Path:
    """Write a report.

    Parameters
    ----------
    out : Path
        A folder that is not there, is empty, or holds an earlier report.
    data : ReportData

    Returns
    -------
    index : Path
        out/index.html

    Raises
    ------
    StoreError
        If something else lies in `out`.
    AveError
        If scores cannot be put into one table: a frame twice, overall rows that do not follow from the categories.
    """
    out = out.resolve()  # "." has no name to put a draft beside
    _check_ours(out)
    made = sections(data)
    page = _page(data, made)
    draft = temporary(out)  # in a store, `ave gc` removes what a killed process leaves of it
    draft.mkdir(parents=True)
    try:
        _fill(draft, made, page)
        if out.exists():
            shutil.rmtree(out)
        os.replace(draft, out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return out / INDEX


def _fill(folder: Path, made: Iterable[Section], page: str) -> None:
    (folder / FOLDER).mkdir()
    (folder / MARK).touch()
    for section in made:
        for block in section.blocks:
            for name, content in block.files.items():
                raw = content if isinstance(content, bytes) else content.encode()
                (folder / FOLDER / name).write_bytes(raw)
    for asset in ASSETS:
        (folder / FOLDER / asset).write_text(_template_text(asset), encoding="utf-8", newline="\n")
    (folder / INDEX).write_text(page, encoding="utf-8", newline="\n")


def _page(data: ReportData, made: list[Section]) -> str:
    template = _environment().get_template("index.html.j2")
    return template.render(data=data, sections=made, questions=questions(data, made), folder=FOLDER)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template_text),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["code"] = _code
    return environment


def _template_text(name: str) -> str:
    return (files("pipeline.report.pages") / "templates" / name).read_text(encoding="utf-8")


def _code(text: str) -> Markup:
    """Plain text with what stands between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _check_ours(out: Path) -> None:
    if out.exists() and not (out.is_dir() and ((out / MARK).exists() or not any(out.iterdir()))):
        raise StoreError(
            f"{out} is there and is no report of ours; nothing was written.",
            remedy="Name another folder: --out DIR.",
            code="not-a-report",
        )
