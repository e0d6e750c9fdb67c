"""The command: it prints the address, serves until Ctrl-C, and says how far the annotator got."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from pipeline.commands.annotating import annotate
from pipeline.errors import StoreError, UsageError
from tests.annotate.test_server import OPENER

ROOT = Path(__file__).resolve().parents[2]


def arguments(store: Path, **given) -> Namespace:
    asked = {"split": "test", "corpus": None, "frames_per_video": 2, "apart": 0.2, "annotator": "ann", "seed": 0}
    return Namespace(store=store, **{**asked, "port": 0, **given})


def test_from_the_address_to_the_summary(store: Path, tmp_path: Path):
    (tmp_path / "corpus").symlink_to(store / "corpus")
    asked = vars(arguments(tmp_path))
    code = "from pathlib import Path, PosixPath, WindowsPath\nfrom pipeline.commands.annotating import annotate\n"
    code += f"from argparse import Namespace\nraise SystemExit(annotate(Namespace(**{asked!r})))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        head = [process.stdout.readline() for _ in range(3)]
        assert head[0] == "2 frames of 1 videos, 0 frames done. Open in a browser:\n"
        with OPENER.open(head[1].strip() + "picture/0.jpg", timeout=20) as reply:
            assert reply.status == 200
        assert str(tmp_path / "annotations" / "ann.csv") in head[2]
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert process.returncode == 0
    assert rest.strip().startswith("0 of 2 frames done, in ")


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"annotator": "../ann"}, "cannot name a file"),
        ({"annotator": ".hidden"}, "cannot name a file"),
        ({"split": "tset"}, "no split 'tset'"),
        ({"corpus": ["coutrot1"]}, "no corpus 'coutrot1'"),
        ({"frames_per_video": 0}, "cannot be drawn"),
        ({"port": 70000}, "Port 70000 cannot be used"),
    ],
)
def test_what_cannot_be_is_refused(store: Path, given, complaint: str):
    with pytest.raises(UsageError, match=complaint):
        annotate(arguments(store, **given))


def test_a_store_without_a_corpus_is_refused(tmp_path: Path):
    with pytest.raises(StoreError, match="no corpus is published"):
        annotate(arguments(tmp_path))


def test_the_page_is_declared_as_package_data():
    """Every file of the page matches a pattern of setup.py, so that an installed package has it too."""
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    kinds = {path.suffix for path in (ROOT / "pipeline" / "annotate" / "page").iterdir()}
    assert kinds == {".html", ".css", ".js"}
    assert all(f'"page/*{kind}"' in setup for kind in kinds)
