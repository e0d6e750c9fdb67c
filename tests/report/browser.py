"""A browser without a window, where one is installed: what a page's document is once its scripts have run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
ALONE = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--window-size=1280,900", "--enable-logging=stderr", "--v=0", "--dump-dom"),
    "--virtual-time-budget=10000",  # of the page's own clock: scripts are awaited, nobody waits for seconds
)


@dataclass(frozen=True)
class Element:
    """One element of a document: its name, its attributes, the text in it."""

    name: str
    attributes: dict[str, str]
    text: str


class _Reader(HTMLParser):
    VOID = frozenset(("meta", "link", "img", "input", "br"))

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str], list[str]]] = []
        self._open: list[tuple[str, list[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        text: list[str] = []
        self.elements.append((tag, {name: value or "" for name, value in attrs}, text))
        if tag not in self.VOID:
            self._open.append((tag, text))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}, []))

    def handle_endtag(self, tag: str) -> None:
        names = [name for name, _ in self._open]
        assert names and names[-1] == tag, f"</{tag}> closes {names[-1:]}"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for _, text in self._open:
            text.append(data)


def elements_of(html: str) -> list[Element]:
    """Every element of a document in order; one that is closed in the wrong place fails the test."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return [Element(name, attributes, "".join(text)) for name, attributes, text in reader.elements]


def element(html: str, identity: str) -> Element:
    """The one element with this id."""
    (found,) = [one for one in elements_of(html) if one.attributes.get("id") == identity]
    return found


def program() -> str:
    """The browser of this machine; a test is skipped where there is none."""
    found = os.environ.get("AVE_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is on PATH, and AVE_BROWSER is not set")
    return found


def opened(page: Path, fragment: str = "") -> tuple[str, list[str]]:
    """A page's document after its scripts have run, and what they said on the console."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [program(), *ALONE, f"--user-data-dir={profile}", page.as_uri() + fragment]
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout, re.findall(r"CONSOLE[^\]]*\] (.*)", done.stderr)


def evaluated(folder: Path, sources: str, expression: str) -> Any:
    """What a JavaScript expression (it may await) gives after some sources, as JSON."""
    page = folder / "expression.html"
    run = f"{sources}\nconst result = await ({expression});\ndocument.getElementById('out').textContent = "
    page.write_text(
        f'<!DOCTYPE html><meta charset="utf-8"><pre id="out"></pre><script type="module">{run}JSON.stringify(result);'
        "</script>",
        encoding="utf-8",
    )
    document, console = opened(page)
    assert console == []
    found = re.search(r'<pre id="out">(.*?)</pre>', document, re.DOTALL)
    assert found is not None
    return json.loads(found.group(1).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
