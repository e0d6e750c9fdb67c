"""Reading a published corpus: a stimulus gives what the tables say, and nothing is loaded before it is needed."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import wave
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from simplejpeg import encode_jpeg

import pipeline
from pipeline.errors import StoreError, UsageError
from pipeline.features import density as density_stage
from pipeline.features import logmel as logmel_stage
from pipeline.features.frames import write_frames
from pipeline.schemas import FIXATIONS, STIMULI
from pipeline.store.job import Job

N_FRAMES = 40
RATE = Fraction(30000, 1001)
FIXATED = {0: [(10.0, 12.0)], 7: [(10.0, 12.0), (50.5, 40.0), (63.5, 47.5)], N_FRAMES - 1: [(1.0, 1.0)]}


def write_stimulus(store: Path, name: str, *, anchor: str = "start", sigma_dva: float = 1.0) -> None:
    """One stimulus as `publish` leaves it, its log-mel and density made by the stages themselves."""
    corpus, scratch = store / "corpus", store / "scratch"
    folders = {
        kind: corpus / kind / "diem" for kind in ("frames", "timeline", "fixations", "logmel", "steps", "density")
    }
    for folder in (*folders.values(), scratch):
        folder.mkdir(parents=True, exist_ok=True)
    times_s = [frame / RATE for frame in range(N_FRAMES + 2)]  # the video is longer than the gaze
    jpegs = (encode_jpeg(np.full((8, 10, 3), 5 * frame, np.uint8)) for frame in range(N_FRAMES + 2))
    write_frames(folders["frames"] / f"{name}.arrow", zip(times_s, jpegs, strict=True))
    timeline = folders["timeline"] / f"{name}.json"
    facts = {"n_frames": N_FRAMES, "width_px": 64, "height_px": 48, "rate": [30000, 1001], "px_per_dva": 4.0}
    facts |= {"times_s": [float(t) for t in times_s[:N_FRAMES]], "sound_start_s": 0.0}
    timeline.write_text(json.dumps(facts))
    rows = [("ann", frame, x, y) for frame, points in FIXATED.items() for x, y in points]
    fixations = folders["fixations"] / f"{name}.parquet"
    pq.write_table(pa.table(dict(zip(FIXATIONS.names, zip(*rows, strict=True), strict=True)), FIXATIONS), fixations)
    sound = scratch / "sound.wav"
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(np.random.default_rng(5).integers(-3000, 3000, 24000).astype("<i2").tobytes())

    def run(stage, files, params, outputs) -> None:
        out = scratch / f"{stage.__name__}-{name}"
        out.mkdir()
        stage.build_item(Job("toy", f"diem/{name}", out, files, {}, params))
        for output, kind in outputs.items():
            (out / output).rename(folders[kind] / f"{name}{Path(output).suffix}")

    files = {"sound": sound, "timeline": timeline, "fixations": fixations}
    run(logmel_stage, files, {"bands": 64, "anchor": anchor}, {"logmel.parquet": "logmel", "steps.npy": "steps"})
    run(density_stage, files, {"sigma_dva": sigma_dva, "height": 32, "width": 40}, {"density.npy": "density"})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("store")
    row = {"corpus": "diem", "split": "train", "category": "nature", "rate_num": 30000, "rate_den": 1001}
    row |= {"n_frames": N_FRAMES, "duration_s": N_FRAMES / float(RATE), "width_px": 64, "height_px": 48}
    row |= {"audio_rate_hz": 16000, "audio_channels": 1, "audio_presented": "heard", "px_per_dva": 4.0}
    row |= {"n_observers": 1, "n_fixations": 5, "licence": "CC BY"}
    rows = []
    for name, anchor in (("arctic_bears", "start"), ("centred", "centre")):
        write_stimulus(store, name, anchor=anchor)
        rows.append({**row, "stimulus": f"diem/{name}", "name": name})
    pq.write_table(pa.Table.from_pylist(rows, STIMULI), store / "corpus" / "stimuli.parquet")
    return store


@pytest.fixture(scope="module")
def corpus(store: Path) -> pipeline.Corpus:
    return pipeline.Corpus(store)


@pytest.fixture(scope="module")
def bears(corpus):
    return corpus["diem/arctic_bears"]


def test_the_table_of_stimuli_is_the_published_one(corpus):
    assert list(corpus.stimuli.columns) == STIMULI.names
    assert corpus.stimuli["stimulus"].tolist() == ["diem/arctic_bears", "diem/centred"]


def test_a_corpus_can_be_counted_gone_through_and_asked(corpus):
    assert len(corpus) == 2
    assert [stimulus.stimulus for stimulus in corpus] == ["diem/arctic_bears", "diem/centred"]
    assert "diem/centred" in corpus
    assert "centred" not in corpus
    assert repr(corpus).endswith("2 stimuli")


def test_an_unknown_stimulus_is_a_usage_error_and_a_key_error_with_the_nearest_name(corpus):
    with pytest.raises(UsageError, match=r"Unknown stimulus 'diem/artic_bears'.*Did you mean 'diem/arctic_bears'\?"):
        corpus["diem/artic_bears"]
    with pytest.raises(KeyError):
        corpus["clip_1"]


def test_a_store_without_a_corpus_says_how_to_make_one(tmp_path: Path):
    with pytest.raises(StoreError, match="no corpus is published here") as caught:
        pipeline.Corpus(tmp_path)
    assert "ave build --store" in caught.value.remedy


def test_a_stimulus_has_the_columns_of_its_row_and_an_exact_rate(bears):
    assert (bears.n_frames, bears.split, bears.category, bears.px_per_dva) == (N_FRAMES, "train", "nature", 4.0)
    assert bears.rate == RATE
    assert isinstance(bears.n_frames, int)


def test_fixations_are_the_published_rows(bears):
    table = bears.fixations()
    assert list(table.columns) == FIXATIONS.names
    assert table["frame"].tolist() == [0, 7, 7, 7, N_FRAMES - 1]


def test_times_are_those_of_the_frames_with_gaze(bears):
    assert bears.times_s.shape == (N_FRAMES,)
    assert bears.times_s[30] == pytest.approx(1.001)


def test_the_density_of_a_frame_is_the_stored_map(store: Path, bears):
    stored = np.load(store / "corpus" / "density" / "diem" / "arctic_bears.npy")
    for frame in (0, 1, 7, N_FRAMES - 1):
        np.testing.assert_allclose(bears.density(frame), stored[frame], atol=1e-6 * max(stored[frame].max(), 1e-9))


@pytest.mark.parametrize("size", [(32, 40), (48, 64), (5, 3)])
def test_density_sums_to_one_at_any_size_and_to_nothing_without_fixations(bears, size: tuple[int, int]):
    assert bears.density(7, size).shape == size
    assert bears.density(7, size).dtype == np.float32
    assert bears.density(7, size).sum() == pytest.approx(1.0, abs=1e-5)
    assert not bears.density(8, size).any()


def test_sigma_is_an_angle(bears):
    """One fixation at (10, 12), four pixels a degree: the spread of the map is sigma."""
    for sigma_dva in (0.25, 0.5):  # small enough that nothing falls beside the picture
        density = bears.density(0, (48, 64), sigma_dva=sigma_dva).astype(np.float64)
        x_px, y_px = np.arange(64) + 0.5, np.arange(48) + 0.5
        assert density.sum(axis=0) @ x_px == pytest.approx(10, abs=0.01)
        assert density.sum(axis=1) @ y_px == pytest.approx(12, abs=0.01)
        cell_px2 = 1 / 12  # a map of cells is blurred by the cell
        spread_px = np.sqrt(density.sum(axis=0) @ (x_px - 10) ** 2 - cell_px2)
        assert spread_px == pytest.approx(4 * sigma_dva, rel=0.01)


def test_frames_are_pictures_in_order(bears):
    pictures = bears.frames(3, 6)
    assert (pictures.shape, pictures.dtype) == ((3, 8, 10, 3), np.uint8)
    assert pictures.mean(axis=(1, 2, 3)) == pytest.approx([15, 20, 25], abs=2)


@pytest.mark.parametrize("name", ["arctic_bears", "centred"])
def test_log_mel_examples_are_exactly_the_published_column(store: Path, corpus, name: str):
    table = pq.read_table(store / "corpus" / "logmel" / "diem" / f"{name}.parquet")
    published = table.column("example").combine_chunks().flatten().to_numpy().reshape(-1, 64, 64)
    examples = corpus[f"diem/{name}"].logmel(0, N_FRAMES)
    assert (examples.shape, examples.dtype) == ((N_FRAMES, 64, 64), np.float32)
    assert np.array_equal(examples, published)
    assert np.array_equal(corpus[f"diem/{name}"].logmel(11, 13), published[11:13])


def test_the_anchor_of_the_store_is_the_anchor_of_the_reader(corpus):
    start, centre = corpus["diem/arctic_bears"].logmel(0, 1)[0], corpus["diem/centred"].logmel(0, 1)[0]
    assert np.array_equal(centre[32:], start[:32])


@pytest.mark.parametrize("asked", [(-1, 3), (0, N_FRAMES + 1), (5, 4), (N_FRAMES, N_FRAMES + 2)])
@pytest.mark.parametrize("what", ["frames", "logmel"])
def test_frames_that_are_not_there_are_an_index_error_with_the_range(bears, what: str, asked: tuple[int, int]):
    with pytest.raises(IndexError, match=rf"diem/arctic_bears: frames \[.*it has \[0, {N_FRAMES}\)"):
        getattr(bears, what)(*asked)


@pytest.mark.parametrize("frame", [-1, N_FRAMES])
def test_a_density_of_no_frame_is_an_index_error(bears, frame: int):
    with pytest.raises(IndexError, match=rf"frame {frame} asked for"):
        bears.density(frame)


def test_an_empty_range_is_empty(bears):
    assert len(bears.frames(4, 4)) == len(bears.logmel(4, 4)) == 0


def test_a_stimulus_travels_to_another_process(bears):
    bears.frames(0, 1)
    bears.density(0)
    twin = pickle.loads(pickle.dumps(bears))
    assert np.array_equal(twin.frames(2, 4), bears.frames(2, 4))


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_the_package_loads_neither_pandas_nor_torch():
    code = "import pipeline, sys; print(sorted({'pandas', 'torch', 'librosa', 'pyarrow', 'numpy'} & set(sys.modules)))"
    assert run_python(code) == "[]"


def test_modules_are_found_below_the_package_without_being_imported_first():
    code = "import pipeline; print(pipeline.signals.audio.log_mel.__name__, pipeline.Corpus.__name__)"
    assert run_python(code) == "log_mel Corpus"


def test_the_reader_of_shards_is_found_below_the_package():
    assert run_python("import pipeline; print(pipeline.export.clips.ClipDataset.__name__)") == "ClipDataset"


def test_a_module_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'pipeline' has no attribute 'signal'"):
        _ = pipeline.signal
