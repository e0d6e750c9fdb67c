"""`ave score` and `ave baselines`: strangers' maps, protocols side by side, and what is said of maps."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import pipeline
from pipeline.annotate.boxes import Box, write_boxes
from pipeline.cli import main
from pipeline.commands import baselines
from pipeline.errors import StoreError, UsageError
from pipeline.evaluate.results import check_name, results, write_result
from pipeline.evaluate.score_table import METRICS, read_scores
from pipeline.evaluate.scoring import Scored
from pipeline.evaluate.truth import truths

EVERY = 15
SIZE = (36, 48)


@pytest.fixture
def folder(mini_store: Path, tmp_path: Path) -> Path:
    """A stranger's folder: the density of every 15th test frame as 8-bit PNG, numbered from 1."""
    for truth in truths(pipeline.Corpus(mini_store), "test"):
        for frame in range(0, truth.n_frames, EVERY):
            save(tmp_path / "mine" / truth.stimulus / f"{frame + 1:04d}.png", truth.density(frame, SIZE))
    return tmp_path / "mine"


def save(path: Path, saliency: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.round(255 * saliency / max(saliency.max(), 1e-9)).astype(np.uint8)).save(path)


def ave(*words: object) -> int:
    return main([str(word) for word in words])


def test_a_strangers_folder_is_scored_and_its_first_frame_found_out(mini_store, folder, capsys):
    assert ave("score", folder, "--store", mini_store, "--executor", "serial") == 0
    said = capsys.readouterr().out
    assert "PNG" in said and "1" in said
    assert "# Scores on the test split" in said
    table, about = read_scores(mini_store / "scores" / "mine.parquet")
    assert (about["run"], about["split"], about["maps"]["first_frame"]) == ("mine", "test", 1)
    corpus = pipeline.Corpus(mini_store)
    test = corpus.stimuli[corpus.stimuli["split"] == "test"]
    assert set(table["stimulus"]) == set(test["stimulus"])
    assert len(table) == sum(-(-n // EVERY) for n in test["n_frames"])
    assert table.loc[table["n_fixations"] > 0, "cc"].mean() > 0.95  # the truth itself, in 8 bits and another size


def test_what_is_wrong_with_maps_is_told_counted_and_kept(mini_store, folder, capsys):
    names = sorted(path.parent.relative_to(folder).as_posix() for path in folder.rglob("0001.png"))
    (folder / names[0] / "0016.png").unlink()
    save(folder / names[1] / "0016.png", np.ones(SIZE))
    (folder / names[2] / "0001.png").write_bytes(b"no picture")
    assert ave("score", folder, "--store", mini_store, "--executor", "serial") == 0
    said = capsys.readouterr().out
    for words in ("cannot be read", "no map", "constant"):
        assert words in said
    table, about = read_scores(mini_store / "scores" / "mine.parquet")
    assert {"unreadable", "missing", "constant"} <= {finding["kind"] for finding in about["findings"]}
    missing = table[table["note"] == "no map"]
    assert (names[0], 15) in set(zip(missing["stimulus"], missing["frame"], strict=True))
    assert (names[2], 0) in set(zip(missing["stimulus"], missing["frame"], strict=True))
    constant = table[(table["stimulus"] == names[1]) & (table["frame"] == 15)]
    assert constant["auc_judd"].isna().all() or constant["auc_judd"].item() == 0.5


def test_several_protocols_are_printed_with_why_they_differ(mini_store, folder, capsys):
    assert (
        ave("score", folder, "--store", mini_store, "--protocol", "stavis-expected,ours", "--executor", "serial") == 0
    )
    said = capsys.readouterr().out
    assert said.count("# Scores on the test split") == 2
    assert "Why stavis-expected and ours differ:" in said
    assert "* Size: stavis-expected – the video's own; ours – 256 × 320." in said
    table, _ = read_scores(mini_store / "scores" / "mine.parquet")
    assert set(table["protocol"]) == {"stavis-expected", "ours"}


def test_the_same_rows_come_from_any_executor(mini_store, folder, capsys):
    tables = []
    for executor in ("serial", "pool:2"):
        assert ave("score", folder, "--store", mini_store, "--executor", executor, "--run", "mine") == 0
        tables.append((mini_store / "scores" / "mine.parquet").read_bytes())
    assert tables[0] == tables[1]


def test_baselines_are_scored_beside_it_and_the_truth_beats_them(mini_store, folder, capsys):
    assert ave("score", folder, "--store", mini_store, "--executor", "serial") == 0
    capsys.readouterr()
    every = ("--every", EVERY, "--executor", "serial", "--json")
    assert ave("baselines", "--store", mini_store, *every) == 0
    told = json.loads(capsys.readouterr().out)
    overall = {run: row["ours"] for run, row in told["overall"].items()}
    assert set(overall) == {"uniform", "centre", "mep", "mep-category", "mep-corpus", "human"}
    assert overall["uniform"]["nss"] == 0
    assert overall["mep"]["ig"] == pytest.approx(0, abs=1e-9)
    assert overall["human"]["nss"] > max(overall[name]["nss"] for name in overall if name != "human")
    assert any("95 % over splits" in line for line in told["findings"])
    _, about = read_scores(mini_store / "scores" / "human.parquet")
    nss = next(row for row in about["intervals"] if row["metric"] == "nss")
    assert nss["low"] < nss["mean"] < nss["high"]
    assert nss["mean"] == pytest.approx(overall["human"]["nss"], rel=0.05)

    assert ave("score", folder, "--store", mini_store, "--executor", "serial") == 0
    page = capsys.readouterr().out
    assert all(f"| all | {name} |" in page for name in ("mine", "mep", "human"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("score", "nowhere"), "nowhere: no such file or folder"),
        (("score",), "the run dave has predicted none"),
        (("score", ".", "--protocol", "stavs"), "Unknown protocol 'stavs'"),
        (("score", ".", "--split", "tset"), "Unknown split 'tset'"),
        (("baselines", "mpe"), "Unknown baseline 'mpe'"),
        (("baselines", "--split", "tset"), "Unknown split 'tset'"),
    ],
)
def test_wrong_usage_is_one_clear_error(mini_store, capsys, words, said, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert ave(*words, "--store", mini_store) in (1, 2)
    assert said in capsys.readouterr().err
    assert not (mini_store / "scores").exists()


def test_a_store_without_a_corpus_says_how_to_build_one(tmp_path, capsys):
    assert ave("baselines", "--store", tmp_path) == 1
    assert "no corpus is published here" in capsys.readouterr().err


def test_boxes_of_what_sounds_split_the_score_in_two(mini_store, folder, tmp_path, capsys):
    truth = next(truths(pipeline.Corpus(mini_store), "test"))
    frame = next(frame for frame in range(0, truth.n_frames, EVERY) if truth.n_fixations(frame) > 2)
    x, y = (float(np.median(points)) for points in truth.points(frame))
    boxes = tmp_path / "boxes.csv"
    half = 1.5 * truth.px_per_dva
    left, top = max(x - half, 0), max(y - half, 0)
    width, height = min(2 * half, truth.size_px[1] - left), min(2 * half, truth.size_px[0] - top)
    write_boxes(boxes, {(truth.stimulus, frame): (Box(left, top, width, height, "thing", "yes"),)})
    assert ave("score", folder, "--store", mini_store, "--annotations", boxes, "--executor", "serial") == 0
    said = capsys.readouterr().out
    inside = float(said.split("NSS inside the boxes of what sounds: ")[1].split(" ")[0])
    assert inside > 1
    assert "(1 videos, 1 frames)" in said
    assert "frames without annotation" in said


def test_maps_of_which_none_can_be_scored_end_with_1_in_words_and_in_json(mini_store, folder, capsys):
    for path in folder.rglob("*.png"):
        path.write_bytes(b"no picture")
    for more in ((), ("--json",)):
        assert ave("score", folder, "--store", mini_store, "--executor", "serial", *more) == 1
    assert "nothing could be scored" in capsys.readouterr().err


def test_further_metrics_are_scored_where_they_are_asked_for(mini_store, folder, capsys):
    assert ave("score", folder, "--store", mini_store, "--metric", "auc_borji", "--executor", "serial") == 0
    table, _ = read_scores(mini_store / "scores" / "mine.parquet")
    seen = table[table["n_fixations"] > 0]
    assert (seen["auc_borji"] > 0.5).all() and seen["emd"].isna().all()


def test_the_scores_of_another_run_of_the_same_name_are_not_written_over(tmp_path):
    def told(seed: int) -> dict:
        return {"every": 5, "run": {"settings": {"seed": seed, "epochs": 10}}}

    write_result(tmp_path, [], {"run": "dave-av", "split": "test", "maps": {"run": told(0)}})
    check_name(tmp_path, "dave-av", "test", told(0))
    check_name(tmp_path, "dave-av", "val", told(1))
    check_name(tmp_path, "other", "test", told(1))
    with pytest.raises(UsageError, match=r"another run called dave-av \(seed 0 → 1\)"):
        check_name(tmp_path, "dave-av", "test", told(1))
    newer = told(0)
    newer["run"]["settings"]["unheard_of"] = True  # what only another version of this program knows
    check_name(tmp_path, "dave-av", "test", newer)


def test_what_the_demo_scored_makes_room(tmp_path):
    about = {"run": "dave-av", "split": "test", "maps": {"run": {"run": {"settings": {"seed": 0}}}}}
    write_result(tmp_path, [], about)
    with pytest.raises(UsageError, match="another run"):
        check_name(tmp_path, "dave-av", "test", {"run": {"settings": {"seed": 1}}})
    write_result(tmp_path, [], {**about, "origin": "demo"})
    check_name(tmp_path, "dave-av", "test", {"run": {"settings": {"seed": 1}}})


def test_a_file_that_is_no_score_table_is_named(tmp_path):
    folder = tmp_path / "scores"
    folder.mkdir()
    for name, write in {"words": lambda file: file.write_text("no"), "other": lambda file: _foreign(file)}.items():
        file = folder / f"{name}.parquet"
        write(file)
        with pytest.raises(StoreError, match=rf"{name}\.parquet: no table of scores \(it (is not|has no column)"):
            results(folder, "test", "ours")
        file.unlink()


def _foreign(file):
    pq.write_table(pa.table({"x": [1]}), file)


@pytest.mark.parametrize("protocol", ["ours", "mit"], ids=["averaged over videos", "averaged over frames"])
def test_the_interval_of_human_infinite_is_about_the_number_in_its_table(mini_store, capsys, protocol):
    words = ("--protocol", protocol, "--every", EVERY, "--executor", "serial", "--json", "--ceiling")
    assert ave("baselines", "human", "--store", mini_store, *words) == 0
    told = json.loads(capsys.readouterr().out)
    _, about = read_scores(mini_store / "scores" / "human.parquet")
    for row in about["intervals"]:
        assert row["mean"] == pytest.approx(told["overall"]["human"][protocol][row["metric"]], rel=0.02, abs=0.01)
    assert any("observer predicted by k others" in line for line in told["findings"])
    assert any("fixations by their distance from the centre" in line for line in told["findings"])


@pytest.mark.parametrize(("protocol", "nss"), [("ours", 1.5), ("mit", 1.75)])
def test_splits_are_averaged_over_videos_or_over_frames_as_the_protocol_says(protocol, nss):
    """A video of one frame with NSS 1, one of three frames with NSS 2, alike in both splits."""
    videos = [
        Scored(
            [], by_split=[{**dict.fromkeys(METRICS, np.nan), "protocol": protocol, "split": k, "frames": n, "nss": s}]
        )
        for n, s in ((1, 1.0), (3, 2.0))
        for k in (0, 1)
    ]
    (row,) = baselines._over_splits(videos)
    assert (row["metric"], row["mean"], row["low"], row["high"]) == ("nss", nss, nss, nss)
