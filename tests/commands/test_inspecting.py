"""`ave inspect`: where the page lies, with the sound of the release where that is at hand, and with words where not."""

from __future__ import annotations

import json
import zlib
from argparse import Namespace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline import settings as settings_file
from pipeline.commands.inspecting import inspect, maps_of, rejected_rows, soundtrack_of
from pipeline.corpus import Corpus, UnknownStimulusError
from pipeline.report.inspect.maps import SIZE
from pipeline.settings import Settings
from pipeline.signals.audio import log_mel
from tests.report.browser import element, opened

STIMULUS = "diem/frog_pond_480x360"


def run(store: Path, stimulus: str, out: Path | None = None, maps: Path | None = None) -> int:
    return inspect(Namespace(store=store, stimulus=stimulus, out=out, maps=maps, open=False))


def test_it_writes_one_page_and_says_where(
    built_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(built_store, STIMULUS, tmp_path) == 0
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / f"{STIMULUS}.html"]
    html = (tmp_path / f"{STIMULUS}.html").read_text(encoding="utf-8")
    assert json.loads(element(html, "data").text)["sound"]
    assert f"{tmp_path / STIMULUS}.html: {len(html.encode()) / 1e6:.1f} MB" in capsys.readouterr().out


def test_pages_lie_in_the_store_where_nothing_else_is_said(mini_store: Path) -> None:
    assert run(mini_store, STIMULUS) == 0
    assert (mini_store / "inspect" / f"{STIMULUS}.html").is_file()


def test_an_unknown_stimulus_is_said(built_store: Path) -> None:
    with pytest.raises(UnknownStimulusError, match="frog_pond"):
        run(built_store, "diem/frog_pnod_480x360")


@pytest.mark.parametrize("name", ["diem/frog_pond_480x360", "coutrot1/clip_1"])
def test_its_sound_is_the_one_that_the_log_mel_features_heard(built_store: Path, name: str) -> None:
    stimulus = Corpus(built_store)[name]
    settings = settings_file.load(built_store)
    assert settings is not None
    sound, why = soundtrack_of(built_store, settings, stimulus)
    assert sound is not None and why == ""
    np.testing.assert_allclose(log_mel(*sound), stimulus.steps, atol=1e-5)  # but for the last bit of a product


def test_where_the_release_is_not_at_hand_the_reason_is_said(built_store: Path, tmp_path: Path) -> None:
    stimulus = Corpus(built_store)[STIMULUS]
    sound, why = soundtrack_of(built_store, Settings(), stimulus)  # a store that remembers another RAW
    assert sound is None and why.startswith("There is no sound: ")


def test_maps_lie_over_the_frame_they_are_of(
    built_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model that is sure of one corner in frame 10 and of the other in frame 20."""
    for number, corner in ((10, 0), (20, -1)):
        saliency = np.zeros((36, 48), np.uint8)
        saliency[corner, corner] = 200
        target = tmp_path / "sure" / STIMULUS / f"{number:04d}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(saliency).save(target)
    found = maps_of(tmp_path / "sure", Corpus(built_store), Corpus(built_store)[STIMULUS])
    assert found is not None and found.name == "sure" and found.frames == [10, 20]
    cells = np.frombuffer(zlib.decompress(found.packed), np.uint8).reshape(2, *SIZE)
    assert cells[0].argmax() == 0 and cells[1].argmax() == cells[1].size - 1 and cells.max() == 255
    assert run(built_store, STIMULUS, tmp_path, maps=tmp_path / "sure") == 0
    document, console = opened(tmp_path / f"{STIMULUS}.html", "#frame=23")
    assert console == []
    assert element(document, "map-note").text == "map of frame 20"
    assert maps_of(tmp_path / "sure", Corpus(built_store), Corpus(built_store)["coutrot1/clip_1"]) is None
    assert "no maps of coutrot1/clip_1" in capsys.readouterr().out


def test_rejected_rows_are_those_of_this_stimulus(built_store: Path) -> None:
    corpus = Corpus(built_store)
    every = pq.read_table(built_store / "corpus" / "rejected.parquet").to_pylist()
    expected = [row for row in every if (row["subject"] + "/").startswith(f"{STIMULUS}/")]
    assert rejected_rows(corpus, STIMULUS) == expected != []
    assert rejected_rows(corpus, "diem/frog_pond") == []
