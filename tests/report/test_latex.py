"""Every LaTeX table of the miniature corpus's report goes into one document, where a TeX is at hand."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

PROGRAMS = {
    "pdflatex": ("-interaction=nonstopmode", "-halt-on-error"),
    "lualatex": ("-interaction=nonstopmode", "-halt-on-error"),
    "tectonic": ("--only-cached",),  # no network in tests
}
HEAD = r"""\documentclass{article}
\usepackage[utf8]{inputenc}
\usepackage{booktabs}
\begin{document}
"""


def test_every_table_compiles(report_index: Path, tmp_path: Path) -> None:
    program = next((name for name in PROGRAMS if shutil.which(name)), None)
    if program is None:
        pytest.skip(f"no TeX: none of {', '.join(PROGRAMS)} is on PATH")
    tables = sorted((report_index.parent / "files").glob("*.tex"))
    assert len(tables) >= 25
    parts = [table.read_text(encoding="utf-8") + "\n\\clearpage" for table in tables]
    (tmp_path / "all.tex").write_text("\n".join([HEAD, *parts, r"\end{document}", ""]), encoding="utf-8")
    command = [program, *PROGRAMS[program], "all.tex"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert (tmp_path / "all.pdf").stat().st_size > 10_000
