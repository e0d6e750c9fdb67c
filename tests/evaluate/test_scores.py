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
from pipeline.evaluate.metrics import cc, nss
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


def score(shards, tmp_path, shown, **about):
    out = tmp_path / "score"
    out.mkdir()
    maps = write_maps(tmp_path / "maps.parquet", shown, **about)
    facts = scores.build_item(Job("score", "all/dave-av", out, {"shards": shards, "maps": maps}))
    return facts, pd.read_parquet(out / "scores.parquet"), json.loads((out / "table.json").read_text()), out


def truth_of(shards, stimulus):
    return next(t for t in scores.read_truth(ShardSet([shards["coutrot1/val"]]), SIZE) if t.stimulus == stimulus)


def test_one_row_a_frame_and_model_with_the_published_columns(shards, tmp_path):
    _, rows, _, _ = score(shards, tmp_path, random_maps())
    assert list(rows.columns) == ["stimulus", "corpus", "category", "frame", "n_fixations", "model", "nss", "cc"]
    assert list(rows["model"].unique()) == ["dave-av", "mep", "centre", "uniform"]
    assert len(rows) == 4 * 3 * 5
    assert not rows.duplicated(["stimulus", "frame", "model"]).any()


def test_each_score_is_the_metric_of_that_map_and_that_frames_fixations(shards, tmp_path):
    shown = random_maps()
    _, rows, _, _ = score(shards, tmp_path, shown)
    for row in rows[rows["model"] == "dave-av"].itertuples():
        truth = truth_of(shards, row.stimulus)
        assert row.n_fixations == truth.counts[row.frame].sum()
        if row.n_fixations:
            assert row.nss == nss(shown[row.stimulus][row.frame], truth.counts[row.frame])
            assert row.cc == cc(shown[row.stimulus][row.frame], truth.density[row.frame])


def test_the_truth_itself_beats_the_mean_eye_position_and_uniform_is_zero(shards, tmp_path):
    shown = {name: dict(enumerate(truth_of(shards, name).density)) for name in VAL}
    facts, _, _, _ = score(shards, tmp_path, shown)
    overall = facts["overall"]
    assert overall["dave-av"]["nss"] > overall["mep"]["nss"] + 1
    assert overall["dave-av"]["cc"] == pytest.approx(1)
    assert overall["uniform"] == {"nss": 0, "cc": 0}


def test_a_frame_without_fixations_is_counted_and_not_scored(shards, tmp_path):
    facts, rows, table, _ = score(shards, tmp_path, random_maps())
    blind = rows[rows["frame"] == BLIND_FRAME]
    assert len(blind) == 4 * 3
    assert (blind["n_fixations"] == 0).all()
    assert blind[["nss", "cc"]].isna().all(axis=None)
    assert facts["frames"] == table["frames"] == {"scored": 12, "without_fixations": 3}


def test_the_overall_row_is_the_average_of_the_categories_weighted_by_videos(shards, tmp_path):
    _, rows, table, _ = score(shards, tmp_path, random_maps())
    cells = {(row["model"], row["scope"]): row for row in table["rows"]}
    for model in ("dave-av", "mep", "centre"):
        parts = [cells[model, scope] for scope in ("misc", "social")]
        assert [part["videos"] for part in parts] == [1, 2]
        for metric in scores.METRICS:
            assert cells[model, "all"][metric] == pytest.approx((parts[0][metric] + 2 * parts[1][metric]) / 3)
    ours = rows[rows["model"] == "dave-av"]
    by_video = ours.groupby("stimulus")["nss"].mean()
    assert cells["dave-av", "all"]["nss"] == pytest.approx(by_video.mean())


def test_averages_are_per_video_and_not_per_frame():
    row = {"corpus": "c", "category": "misc", "n_fixations": 1, "model": "m", "cc": 0.0}
    long = [{**row, "stimulus": "c/long", "frame": k, "nss": 1.0} for k in range(9)]
    table = scores.summarise(pd.DataFrame([*long, {**row, "stimulus": "c/short", "frame": 0, "nss": 3.0}]))
    assert table["rows"][0]["nss"] == 2.0
    assert "over videos" in table["averaging"]


def test_the_page_is_headed_by_how_it_was_made(shards, tmp_path):
    stopped = {"step": 31, "loss": "nan", "clips": ["diem/left:3"]}
    _, _, table, out = score(shards, tmp_path, random_maps(VAL[:2]), run={**RUN, "stopped": stopped})
    page = (out / "table.md").read_text()
    assert scores.AVERAGING in page
    assert "8 scored, 2 without fixations" in page
    assert "Training stopped early: the loss of step 31 was nan" in page
    assert f"Not scored, for want of maps: {VAL[2]}" in page
    assert table["videos_without_maps"] == VAL[2:]
    mep = next(row for row in table["rows"] if (row["model"], row["scope"]) == ("mep", "all"))
    assert f"| mep | {mep['nss']:.3f} |" in page


def test_the_mean_eye_position_comes_from_the_training_split_alone(shards):
    train = ShardSet([shards["diem/train"]])
    mep = scores.fit_baselines(train, SIZE)["mep"]
    halves = [np.mean([m for m in np.load(_density_of(shards, name)) if m.any()], axis=0) for name in ("left", "right")]
    np.testing.assert_allclose(mep, np.mean(halves, axis=0), rtol=1e-5, atol=1e-9)


def _density_of(shards, name):
    return shards["diem/train"].parents[3] / "stages" / "diem" / name / "density.npy"


def test_scoring_twice_writes_the_same_bytes(shards, tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        score(shards, tmp_path / name, random_maps())
    for file in ("scores.parquet", "table.json", "table.md"):
        first, second = ((tmp_path / name / "score" / file).read_bytes() for name in ("first", "second"))
        assert first == second


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        ({"coutrot1/else": {0: np.ones(SIZE)}}, "Maps of coutrot1/else: not in the val shards"),
        ({VAL[0]: {20: np.ones(SIZE)}}, "maps up to frame 20, the shards hold 20 frames"),
        ({VAL[0]: {BLIND_FRAME: np.ones(SIZE)}}, "nothing to score"),
    ],
    ids=["another stimulus", "a frame too late", "only a frame without fixations"],
)
def test_maps_that_cannot_be_scored_are_refused(shards, tmp_path, shown, words):
    with pytest.raises(AveError, match=words):
        score(shards, tmp_path, shown)


def test_maps_of_another_size_are_refused(shards, tmp_path):
    with pytest.raises(AveError, match="density maps are 32 × 40, the saliency maps 16 × 20"):
        score(shards, tmp_path, {VAL[0]: {0: np.ones((16, 20))}}, height=16, width=20)


def test_without_training_shards_there_is_no_baseline(shards, tmp_path):
    with pytest.raises(AveError, match="training split holds no frame"):
        score({"coutrot1/val": shards["coutrot1/val"]}, tmp_path, random_maps())
