"""`ave report` on a store: gathers what is there, says what it took, and opens in a browser without a word."""

from __future__ import annotations

import os
import shutil
import subprocess
from argparse import Namespace
from pathlib import Path

import pytest

from pipeline.commands.reporting import gather, report
from pipeline.corpus import Corpus
from pipeline.errors import UsageError
from pipeline.evaluate.results import write_result
from pipeline.report.pages import write_report
from tests.report.reading import made_data, read

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def scored(store: Path, split: str, **about) -> None:
    """Scores of two runs on a split: a number that depends on the frame, and a little more."""
    for run, more in (("centre", 0.0), ("mine", 0.5)):
        rows = [
            {"protocol": "ours", "stimulus": shown.stimulus, "corpus": shown.corpus, "category": shown.category}
            | {"frame": frame, "n_fixations": 12, "nss": frame % 7 / 7 + more + place}
            for place, shown in enumerate(Corpus(store))
            if shown.split == split
            for frame in range(0, shown.n_frames, 5)
        ]
        write_result(store, rows, {"run": run, "split": split, "baseline": run == "centre", "every": 5, **about})


def test_a_built_store_becomes_a_report(mini_store, capsys):
    scored(mini_store, "val")
    out = mini_store / "elsewhere"
    assert report(Namespace(store=mini_store, split=None, protocol=None, out=str(out))) == 0
    miniature, said, index = capsys.readouterr().out.splitlines()
    assert "made by a program" in miniature
    assert "test split has no scores" in said and "val split" in said
    assert Path(index) == out / "index.html"
    page = read(out / "index.html")
    assert [row[1] for row in page.tables["leaderboard"]] == ["run", "mine", "centre"]
    assert len(page.tables["corpus"]) > 3 and len(page.tables["rejected"]) > 3 and len(page.tables["audit"]) > 20
    assert list(out.glob("files/sample-*-0-frame.jpg")) and (out / "files" / "mep.svg").is_file()
    assert (out / "index.html").stat().st_size < 1_000_000
    assert str(mini_store) not in page.text


def test_what_is_not_there_says_which_command_makes_it(built_store):
    data = gather(built_store, None, "ours")
    assert data.results == {} and "ave score" in data.said[-1]
    assert data.training is None and data.sound is None
    assert len(data.samples) == 3
    assert {"all", "nature", "social", "misc"} <= set(data.mep)
    assert all(cells.sum() == pytest.approx(1) for cells in data.mep.values())


def test_samples_are_of_the_best_the_middle_and_the_worst_video(mini_store):
    scored(mini_store, "val")
    data = gather(mini_store, "val", "ours")
    assert len(data.said) == 1 and "miniature" in data.said[0]
    means = data.scores["centre"].groupby("stimulus")["nss"].mean().sort_values(ascending=False)
    assert [sample.stimulus for sample in data.samples][::2] == [means.index[0], means.index[-1]]
    for sample in data.samples:
        shown = Corpus(mini_store)[sample.stimulus]
        height, width = sample.picture.shape[:2]
        assert width / height == pytest.approx(shown.width_px / shown.height_px, rel=0.02)
        here = shown.fixations().query("frame == @sample.frame")
        assert sample.points[:, 0] * shown.width_px == pytest.approx(here["x_px"].to_numpy(), abs=1e-3)


def test_words_that_do_not_exist_are_refused(built_store, tmp_path):
    with pytest.raises(UsageError, match="Unknown split 'dev'"):
        gather(built_store, "dev", "ours")
    with pytest.raises(UsageError, match="Unknown protocol"):
        gather(built_store, "val", "hours")
    with pytest.raises(UsageError, match="not a store"):
        report(Namespace(store=tmp_path / "none", split=None, protocol=None, out=None))


@pytest.mark.parametrize("width", [400, 1280])
def test_a_browser_has_nothing_to_complain_about(width, tmp_path):
    index = write_report(tmp_path / "pages", made_data())
    browser = os.environ.get("AVE_BROWSER") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if not browser:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} on PATH, and AVE_BROWSER names none")
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
    window = [f"--window-size={width},1200", f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr"]
    (index.parent / "probe.html").write_text(index.read_text(encoding="utf-8").replace("</body>", PROBE + "</body>"))
    page = (index.parent / "probe.html").as_uri()
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", *quiet, *window]
    done = subprocess.run(
        [*command, "--virtual-time-budget=2000", "--dump-dom", page],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "CONSOLE" not in done.stderr, done.stderr
    assert 'data-overflow="no"' in done.stdout, "the page itself never scrolls sideways"
    assert 'data-sorted="human' in done.stdout, "a heading sorts its table"


PROBE = """<script>
addEventListener("load", () => {
  const root = document.documentElement;
  root.dataset.overflow = root.scrollWidth > root.clientWidth ? "yes" : "no";
  document.querySelectorAll("#table-leaderboard th .sort")[4].click();
  root.dataset.sorted = document.querySelector("#table-leaderboard tbody th").textContent;
});
</script>"""
