"""Read a written report as a reader's programs would: the page's parts, its tables, and the tables in its files."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.evaluate.baselines.opening import Opening
from pipeline.evaluate.results import Result
from pipeline.report.pages import ReportData, Sample, SoundAudit, Training
from pipeline.report.pages.published import COLUMNS
from tests.evaluate.made_scores import random_runs

VOID = {"img", "source", "meta", "link", "br"}


@dataclass
class Page(HTMLParser):
    """All tags with their attributes, the ids, and each table as rows of words."""

    text: str
    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    tables: dict[str, list[list[str]]] = field(default_factory=dict)
    words: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[str] = []
        self._rows: list[list[str]] | None = None
        self.feed(self.text)
        assert self._open == [], "every tag is closed"

    def __hash__(self) -> int:
        return id(self)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "table":
            self._rows = self.tables.setdefault(dict(attrs)["data-name"], [])
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._rows[-1].append("")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.words += data
        if "td" in self._open or "th" in self._open:
            self._rows[-1][-1] += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def read(index: Path) -> Page:
    return Page(index.read_text(encoding="utf-8"))


def of_markdown(text: str) -> list[list[str]]:
    """Rows of the table of a Markdown file, without emphasis and escapes; the rule below the heading left out."""
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("|")]
    plain = [[re.sub(r"\\(.)", r"\1", re.sub(r"(?<!\\)\*\*", "", cell)).strip() for cell in row] for row in rows]
    return [plain[0], *plain[2:]]


def of_latex(text: str) -> list[list[str]]:
    """Rows between the rules of a LaTeX table, as words."""
    body = text.split(r"\toprule")[1].split(r"\bottomrule")[0]
    lines = [line for line in body.splitlines() if line.endswith(r"\\")]
    return [[_plain(cell) for cell in re.split(r"(?<!\\)&", line.removesuffix(r"\\"))] for line in lines]


def _plain(cell: str) -> str:
    for tex, word in (
        (r"$\uparrow$", "↑"),
        (r"$\downarrow$", "↓"),
        (r"$\times$", "×"),
        (r"\textbackslash{}", "\\"),
        (r"\textasciitilde{}", "~"),
        (r"\textasciicircum{}", "^"),
        (r"\textless{}", "<"),
        (r"\textgreater{}", ">"),
        (r"\textbar{}", "|"),
        ("$-$", "-"),
        ("--", "–"),
    ):
        cell = cell.replace(tex, word)
    cell = re.sub(r"\\textbf\{([^}]*)\}", r"\1", cell)
    return re.sub(r"\\(.)", r"\1", cell).strip()


def made_data(**changes) -> ReportData:
    """A report with something in every section, of scores made by hand."""
    runs = random_runs(shifts=(0, 0.3, 0.6))
    model = {"maps": {"run": {"run": {"model": {"options": {"fusion": "sum"}}}}}}
    results = {
        "vinet": Result(runs["a"], model),
        "vinet+mep": Result(runs["b"], {}),
        "human": Result(runs["c"], {"baseline": True, "said": ["human: observers in two halves."]}),
    }
    stimuli = sorted(runs["a"]["stimulus"].unique())
    facts = {"split": "test", "n_observers": 12, "n_fixations": 100, "px_per_dva": 25.0, "n_frames": 30}
    table = pd.DataFrame({"stimulus": stimuli, "audio_presented": "own soundtrack", "duration_s": 2.0, **facts})
    table[["corpus", "category"]] = [name.split("/")[0].split(".") for name in stimuli]
    rejected = {"level": ["stimulus", "sample"], "subject": ["diem/x", "diem/y/o1"], "reason": ["silent", "blink"]}
    curves = {"step": [1, 1], "epoch": [0, 0], "route": ["clips", None], "train_loss": [2.0, None]}
    curves |= {"val_loss": [None, 1.5], "val_kl": None, "val_cc": None, "val_sim": None, "val_nss": [None, 1.0]}
    return ReportData(
        **{
            "title": "A report <of> made scores",
            "split": "test",
            "protocol": "ours",
            "results": results,
            "stimuli": table,
            "rejected": pd.DataFrame({**rejected, "count": [1, 7], "detail": ["no sound", "an eye was closed"]}),
            "audit": [
                {"quantity": "stimuli", "scope": "all", "published": 13, "ours": 12, "verdict": "differs", "note": "x"}
                | {"source": "a paper"}
            ],
            "geometry": pd.DataFrame([{"corpus": "diem", "distance_cm": 90.0, "px_per_dva": 49.5} | _SCREEN]),
            "published": pd.DataFrame(
                [["arXiv:1", "table 2", "diem", "test", "ViNet", "vinet", "nss", 2.47, "read"]], columns=list(COLUMNS)
            ),
            "mep": {"all": np.full((4, 5), 0.05), "misc": np.eye(4, 5) / 4},
            "opening": _OPENING,
            "samples": [_sample(stimuli[0])],
            "training": Training(
                "vinet", {"best": {"step": 1, "val_loss": 1.5}}, pd.DataFrame(curves), "ab" * 32, _RUNS
            ),
            "sound": SoundAudit("vinet", "agnostic to sound", _SOUND, ("Gain: what the own sound scores better.",)),
            "settings": {"sigma_dva": 1.0, "model": "vinet"},
            "provenance": {"pipeline": "0"},
            "draws": 200,
            **changes,
        }
    )


_SCREEN = {
    "px_per_dva_low": 47.1,
    "px_per_dva_high": 52.0,
    "screen_width_px": 1280,
    "screen_height_px": 960,
    "screen_width_cm": 40.64,
    "screen_height_cm": 30.48,
    "placement": "centred",
    "confidence": "high",
    "source": "thesis",
}
_RUNS = pd.DataFrame([{"variant": "v", "run": "vinet", "steps": 1, "best_step": 1, "val_loss": 1.5, "val_nss": 1.0}])
_RUNS = _RUNS.assign(parameters=5, seed=0)
_SOUND = pd.DataFrame(
    [{"condition": "muted", "videos": 4, "frames": 27, "maps_cc": 0.999, "maps_sim": 0.98, "metric": "nss"}]
).assign(own=1.2, other=1.1, gain=0.1, low=-0.05, high=0.2, p=0.5)


_SHARES = {"scope": "all", "radius_dva": [1.0, 2.0], "by_video": [0.4, 0.8], "pooled": [0.5, 0.7]}
_OPENING = Opening(
    pd.DataFrame(_SHARES).assign(videos=2, fixations=10),
    pd.DataFrame([{"scope": "all", "by_video": 1.9, "pooled": 2.3}]),
    ("Fixations of the first 10 frames.",),
)


def _sample(stimulus: str) -> Sample:
    picture = np.full((12, 16, 3), 90, dtype=np.uint8)
    points, density = np.array([[0.5, 0.5]]), np.eye(3, 4) / 3
    return Sample(stimulus, 3, "the best video", picture, points, density, {"vinet": density}, {"vinet": 1.25})
