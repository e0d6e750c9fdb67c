"""Contact sheets: everything in its place, nothing cut off, the same bytes twice."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

import pipeline.corpus
from pipeline.corpus import Stimulus
from pipeline.report.figures import band_of, build_item, chosen_frames, contact_sheet, draw_sheet
from pipeline.signals.density import density_map
from pipeline.store.job import Job


@dataclass(frozen=True)
class Shown:
    """A stimulus in memory, with what the sheet reads of a published one and nothing else."""

    stimulus: str = "diem/frog_pond_480x360"
    split: str = "train"
    category: str = "nature"
    width_px: int = 480
    height_px: int = 360
    n_frames: int = 100
    n_observers: int = 3
    rate: Fraction = Fraction(30000, 1001)
    duration_s: float = 3.337
    px_per_dva: float = 49.5
    anchor: str = "start"
    loudness: float = 1.0
    watched: bool = True

    @property
    def times_s(self) -> np.ndarray:
        return np.arange(self.n_frames) / float(self.rate)

    def fixations(self) -> pd.DataFrame:
        frame, observer = np.divmod(np.arange(self.n_observers * self.n_frames * self.watched), self.n_observers)
        return pd.DataFrame(
            {
                "observer": [f"diem1s{number:02d}" for number in observer],
                "frame": frame,
                "x_px": 100.0 + 10 * observer,
                "y_px": 50.0 + frame,
            }
        )

    def frames(self, start: int, stop: int) -> np.ndarray:
        return np.full((stop - start, 256, 320, 3), 90, dtype=np.uint8)

    def density(self, frame: int, size: tuple[int, int]) -> np.ndarray:
        here = self.fixations().query("frame == @frame")
        return density_map(
            here["x_px"], here["y_px"], video_size=(self.height_px, self.width_px), out_size=size, sigma_px=49.5
        )

    def logmel(self, start: int, stop: int) -> np.ndarray:
        return np.full((stop - start, 64, 64), math.log(0.01 + self.loudness), dtype=np.float32)


def test_the_stand_in_has_only_what_a_published_stimulus_has():
    real = {field.name for field in fields(Stimulus)} | set(dir(Stimulus))
    mine = {name for name in (*(field.name for field in fields(Shown)), *dir(Shown)) if not name.startswith("_")}
    assert mine - {"loudness", "watched"} <= real


def test_chosen_frames_are_spread_and_never_twice():
    assert chosen_frames(100, 4) == [12, 37, 62, 87]
    assert chosen_frames(3, 8) == [0, 1, 2]
    assert chosen_frames(1, 1) == [0]


def test_bands_of_the_ends_and_of_a_known_centre():
    from pipeline.signals.audio import FFT_SAMPLES, mel_filterbank

    assert (band_of(125), band_of(7500)) == (-0.5, 64.5)
    loudest_hz = mel_filterbank(64)[:, 40].argmax() * 16000 / FFT_SAMPLES
    assert band_of(loudest_hz) == pytest.approx(40.5, abs=0.5)


def test_dots_lie_on_the_fixations_of_their_frame_in_one_colour_per_observer():
    figure = draw_sheet(Shown(), n_columns=2)
    colours = []
    for axes, frame in zip(figure.axes[:2], (25, 75), strict=True):
        (dots,) = axes.collections
        np.testing.assert_allclose(dots.get_offsets(), [(100, 50 + frame), (110, 50 + frame), (120, 50 + frame)])
        assert axes.get_xlim() == (0, 480) and axes.get_ylim() == (360, 0)
        colours.append(dots.get_facecolors())
    np.testing.assert_array_equal(*colours)
    assert len(np.unique(colours[0], axis=0)) == 3


def test_density_is_shown_where_the_fixations_are():
    figure = draw_sheet(Shown(), n_columns=1)
    grey, overlay = figure.axes[1].get_images()
    assert grey.get_extent() == overlay.get_extent() == [0, 480, 360, 0]
    row, column = np.unravel_index(overlay.get_array().argmax(), (64, 80))
    assert ((column + 0.5) * 480 / 80, (row + 0.5) * 360 / 64) == pytest.approx((110, 100), abs=6)


@pytest.mark.parametrize(("anchor", "begins_s"), [("start", 1.67), ("centre", 1.35), ("end", 1.03)])
def test_log_mel_stands_on_the_soundtracks_clock(anchor: str, begins_s: float):
    figure = draw_sheet(Shown(anchor=anchor), n_columns=1)  # frame 50 is shown at 1.668 s
    (image,) = figure.axes[2].get_images()
    assert image.get_extent() == pytest.approx([begins_s, begins_s + 0.64, 0, 64])


def test_head_says_what_it_is():
    texts = [text.get_text() for text in draw_sheet(Shown()).texts]
    assert texts[0] == "diem/frog_pond_480x360"
    for word in ("train", "nature", "3 observers", "100 frames at 30000/1001/s", "480 × 360 px", "49.5 px per degree"):
        assert word in texts[1]


def test_a_frame_nobody_looked_at_says_so():
    figure = draw_sheet(Shown(watched=False), n_columns=1)
    assert figure.axes[0].get_xlabel() == "no fixations"
    assert len(figure.axes[1].get_images()) == 1, "no density to lay over"


@pytest.mark.parametrize(
    ("shown", "n_columns"),
    [
        (Shown(), 4),
        (Shown(), 1),
        (Shown(width_px=320, height_px=132), 4),
        (Shown(stimulus="diem/50_people_brooklyn_no_voices_1280x720", width_px=720, height_px=1280), 2),
        (Shown(n_frames=900, rate=Fraction(30), n_observers=220, duration_s=30), 4),
        (Shown(n_frames=2), 4),
        (Shown(loudness=0.0), 3),
    ],
    ids=[
        "four columns",
        "one column",
        "flat picture",
        "portrait, long name",
        "very many observers",
        "two frames",
        "silence",
    ],
)
def test_no_text_is_cut_off_and_matplotlib_has_no_complaint(shown: Shown, n_columns: int):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = draw_sheet(shown, n_columns)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
    page = figure.bbox
    for text in figure.findobj(Text):
        if text.get_visible() and text.get_text():
            box = text.get_window_extent(canvas.get_renderer())
            assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= page.x1 and box.y1 <= page.y1, text.get_text()


def test_same_stimulus_same_bytes(tmp_path: Path):
    for name in ("once", "again"):
        contact_sheet(Shown(), tmp_path / "new" / f"{name}.png", n_columns=2)
    once = (tmp_path / "new" / "once.png").read_bytes()
    assert once.startswith(b"\x89PNG") and once == (tmp_path / "new" / "again.png").read_bytes()


def test_no_columns_is_an_error(tmp_path: Path):
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet(Shown(), tmp_path / "none.png", n_columns=0)
    assert not (tmp_path / "none.png").exists()


def test_the_stage_draws_one_sheet_per_stimulus_of_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Published(dict):
        """Two stimuli of two corpora."""

        def __init__(self, store: str):
            assert store == "some/store"
            super().__init__({name: Shown(stimulus=name) for name in ("diem/pond_480x360", "coutrot1/clip_1")})
            self.stimuli = pd.DataFrame({"stimulus": list(self)})

    monkeypatch.setattr(pipeline.corpus, "Corpus", Published)
    job = Job("report", "all/contact_sheets", tmp_path, {}, {"store": "some/store"}, {})
    assert build_item(job) == {"n_sheets": 2}
    sheets = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png")}
    assert sheets == {"diem/pond_480x360.png", "coutrot1/clip_1.png"}
