"""Numbers that papers print, to stand beside ours: reviewed in `manifests/published_scores.csv`.

Conventions
-----------
One row a number: `paper` (arXiv), `table` (where it stands), `dataset` ("diem", "ave", "dhf1k" …), `split` (as the
paper calls it; empty where it does not say), `model` (the paper's name), `run` (the beginning of the name of our runs
of that model; empty for none), `metric` (of `score_table.METRICS`, or "win_share", 0 .. 1), `value`, `source` (how it
was verified, and what a reader must know). A published number was scored by its paper's own code on its paper's own
split: it is shown as published and enters no comparison.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd

from pipeline.errors import ManifestError
from pipeline.evaluate.score_table import METRICS

FILE = "published_scores.csv"
COLUMNS = ("paper", "table", "dataset", "split", "model", "run", "metric", "value", "source")
WIN_SHARE = "win_share"


def read(path: Path) -> pd.DataFrame:
    """The published numbers; no row where there is no file.

    Raises
    ------
    ManifestError
        With every problem of the table.
    """
    if not path.is_file():
        return pd.DataFrame(columns=list(COLUMNS))
    with path.open(encoding="utf-8", newline="") as file:
        table = csv.DictReader(file)
        rows, header = list(table), tuple(table.fieldnames or ())
    if header != COLUMNS:
        raise ManifestError(FILE, [f"the columns are {', '.join(header)}; expected {', '.join(COLUMNS)}"])
    problems = [problem for line, row in enumerate(rows, start=2) for problem in _problems(line, row)]
    if problems:
        raise ManifestError(FILE, problems, remedy=f"It is {path}.")
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"value": float})


def _problems(line: int, row: dict[str, str]) -> list[str]:
    where = f"line {line}"
    found = [f"{where}: {name} is empty" for name in ("paper", "table", "dataset", "model", "source") if not row[name]]
    if row["metric"] not in (*METRICS, WIN_SHARE):
        found.append(f"{where}: unknown metric {row['metric']!r}; expected one of {', '.join((*METRICS, WIN_SHARE))}")
    try:
        float(row["value"])
    except ValueError:
        found.append(f"{where}: value {row['value']!r} is no number")
    return found
