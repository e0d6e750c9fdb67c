"""The score table: its numbers against the metrics, its averages against each other, its counts, its refusals."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import AveError
from pipeline.evaluate import scores
from pipeline.evaluate.protocol.scorer import Scorer
from pipeline.evaluate.protocols import get
from pipeline.evaluate.score_table import METRICS, SCORES, read_scores
from pipeline.evaluate.truth import truths_of_shards
from pipeline.export.reader import ShardSet
from pipeline.store.job import Job
from tests.learn.tiny import BLIND_FRAME, STIMULI, make_shards

VAL = [name for name, (split, *_) in sorted(STIMULI.items()) if split == "val"]
SIZE = (32, 40)
RUN = {"best": {"step": 20, "val_loss": 1.5}, "stopped": None, "settings": {"evaluations": 2}}
EVERY = 4


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return make_shards(tmp_path_factory.mktemp("tiny"))


def write_maps(path, shown, *, height=SIZE[0], width=SIZE[1], run=RUN):
    """A maps.parquet of {stimulus: {frame: map}}, as a prediction writes it."""
    about = {"height": height, "width": width, "split": "val", "every": EVERY, "run": run}
    cells = pa.list_(pa.float32(), height * width)
    fields = [("stimulus", pa.string()), ("frame", pa.int32()), ("map", cells)]
    schema = pa.schema(fields, metadata={"ave": json.dumps(about)})
    with pq.ParquetWriter(path, schema) as writer:
        for stimulus, maps in shown.items():
            rows = [{"stimulus": stimulus, "frame": k, "map": np.ravel(m).tolist()} for k, m in maps.items()]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
    return path


def random_maps(stimuli=VAL, frames=range(0, 20, EVERY)):
    random = np.random.default_rng(5)
    return {name: {frame: random.random(SIZE, dtype=np.float32) for frame in frames} for name in stimuli}


def score(shards, tmp_path, shown, protocols=("ours",), **about):
    out = tmp_path / "score"
    out.mkdir()
    maps = write_maps(tmp_path / "maps.parquet", shown, **about)
    job = Job("score", "all/dave-av", out, {"shards": shards, "maps": maps}, {}, {"protocols": list(protocols)})
    return scores.build_item(job), out


def rows_of(out, run="dave-av"):
    return read_scores(out / f"{run}.parquet")[0]


def truths_of(shards, split="coutrot1/val"):
    return list(truths_of_shards(ShardSet([shards[split]])))


def test_one_row_a_frame_and_protocol_with_the_published_columns(shards, tmp_path):
    _, out = score(shards, tmp_path, random_maps(), protocols=("ours", "stavis"))
    names = {"dave-av", "mep", "centre", "uniform"}
    assert {path.stem for path in out.glob("*.parquet")} == names
    for name in names:
        rows = rows_of(out, name)
        assert list(rows.columns) == SCORES.names
        assert len(rows) == 2 * 3 * 5
        assert not rows.duplicated(["protocol", "stimulus", "frame"]).any()
    _, about = read_scores(out / "dave-av.parquet")
    assert (about["split"], about["every"], about["protocols"]) == ("val", EVERY, ["ours", "stavis"])


def test_each_score_is_the_protocols_of_that_map_and_that_frames_fixations(shards, tmp_path):
    shown = random_maps()
    _, out = score(shards, tmp_path, shown)
    truths = truths_of(shards)
    mep = scores.fit_baselines(shards)[0]
    scorer = Scorer(get("ours"), truths, mep)
    by_name = {truth.stimulus: truth for truth in truths}
    for row in rows_of(out).itertuples():
        expected = scorer.score(by_name[row.stimulus], row.frame, shown[row.stimulus][row.frame])
        assert row.n_fixations == expected["n_fixations"]
        for metric in get("ours").metrics:
            if row.n_fixations:
                assert getattr(row, metric) == expected[metric], metric
            else:
                assert np.isnan(getattr(row, metric))


def test_the_truth_itself_beats_the_mean_eye_position_and_uniform_is_at_chance(shards, tmp_path):
    shown = {t.stimulus: {k: t.density(k, SIZE) for k in range(0, t.n_frames, EVERY)} for t in truths_of(shards)}
    facts, _ = score(shards, tmp_path, shown)
    overall = facts["overall"]
    assert overall["dave-av"]["nss"] > overall["mep"]["nss"] + 1
    assert overall["dave-av"]["cc"] > 0.98
    assert (overall["uniform"]["nss"], overall["uniform"]["auc_judd"], overall["uniform"]["sauc"]) == (0, 0.5, 0.5)
    assert overall["mep"]["ig"] == pytest.approx(0, abs=1e-6)  # it is what is gained over


def test_a_frame_without_fixations_is_counted_and_not_scored(shards, tmp_path):
    facts, out = score(shards, tmp_path, random_maps())
    rows = rows_of(out)
    blind = rows[rows["frame"] == BLIND_FRAME]
    assert len(blind) == 3
    assert blind[list(METRICS)].isna().all().all()
    assert facts["frames"] == {"scored": 12, "without_fixations": 3}
    assert facts["videos"] == 3


def test_a_frame_without_a_map_is_told_and_in_no_average(shards, tmp_path):
    shown = random_maps(VAL[:2])
    del shown[VAL[0]][0]
    facts, out = score(shards, tmp_path, shown)
    rows = rows_of(out)
    missing = rows[rows["note"] == "no map"]
    assert set(zip(missing["stimulus"], missing["frame"], strict=True)) == {(VAL[0], 0)} | {
        (VAL[2], frame) for frame in range(0, 20, EVERY)
    }
    assert facts["videos"] == 2
    assert "5 without a map" in (out / "table.md").read_text()


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (RUN, "Weights of step 20, the best on val (loss 1.500)."),
        (RUN, "These are the videos that the weights were chosen on"),
        ({**RUN, "stopped": {"step": 7, "loss": "nan"}}, "Training stopped early: the loss of step 7 was nan."),
    ],
)
def test_the_table_says_what_a_reader_must_know_of_the_run(shards, tmp_path, run, said):
    _, out = score(shards, tmp_path, random_maps(), run=run)
    page = (out / "table.md").read_text()
    assert said in page
    assert "Frames 0, 4, 8 … of each video." in page
    assert "| all | dave-av | 3 | 12 |" in page


def test_the_tables_hold_the_same_numbers_in_every_form(shards, tmp_path):
    facts, out = score(shards, tmp_path, random_maps())
    rows = pd.read_csv(out / "table.csv")
    for run, metrics in facts["overall"].items():
        for metric, value in metrics.items():
            own = rows[(rows["scope"] == "all") & (rows["run"] == run) & (rows["metric"] == metric)]
            assert own["mean"].item() == pytest.approx(value)
    nss = f"{facts['overall']['mep']['nss']:.2f}"
    for name in ("table.md", "table.tex"):
        assert nss in next(line for line in (out / name).read_text().splitlines() if "all" in line and " mep " in line)


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        ({"coutrot1/else": {0: np.ones(SIZE)}}, "Maps of coutrot1/else: not in the val shards"),
        ({VAL[0]: {20: np.ones(SIZE)}}, "up to frame 20, the shards hold 20 frames"),
        ({VAL[0]: {BLIND_FRAME: np.ones(SIZE)}}, "nothing to score"),
    ],
    ids=["another stimulus", "a frame too late", "only a frame without fixations"],
)
def test_maps_that_cannot_be_scored_are_refused(shards, tmp_path, shown, words):
    with pytest.raises(AveError, match=words):
        score(shards, tmp_path, shown)


def test_maps_of_any_size_are_scored(shards, tmp_path):
    shown = {t.stimulus: {k: t.density(k, (16, 20)) for k in range(0, 20, EVERY)} for t in truths_of(shards)}
    facts, _ = score(shards, tmp_path, shown, height=16, width=20)
    assert facts["overall"]["dave-av"]["cc"] > 0.9


def test_an_unknown_protocol_names_the_nearest(shards, tmp_path):
    with pytest.raises(AveError, match="Unknown protocol 'stavs'"):
        score(shards, tmp_path, random_maps(), protocols=("stavs",))


def test_without_training_shards_there_is_no_baseline(shards, tmp_path):
    with pytest.raises(AveError, match="training split holds no frame"):
        score({"coutrot1/val": shards["coutrot1/val"]}, tmp_path, random_maps())
