"""Tables of gaze as columns, and every way in which a table may be broken, with its line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.corpora.tables import read_row, read_table, split_by
from pipeline.errors import GazeError

COLUMNS = {"observer": str, "time_ms": float, "x_px": float, "trial": int}


@pytest.fixture
def table(tmp_path):
    def write(text: str | bytes) -> Path:
        path = tmp_path / "bees.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_columns_come_by_name_as_numbers_and_words(table):
    found = read_table(table("trial,observer,x_px,pupil,time_ms\n3,o1,1.5,9,0\n4,o2,2,9,16.7\n"), COLUMNS)
    assert list(found) == list(COLUMNS)
    assert found["observer"].tolist() == ["o1", "o2"] and found["observer"].dtype.kind == "U"
    assert found["time_ms"].tolist() == [0.0, 16.7]
    assert found["trial"].tolist() == [3, 4] and found["trial"].dtype == np.int64


@pytest.mark.parametrize("missing", ["", ".", "NaN", "NA"])
def test_a_missing_number_is_nan_and_a_missing_word_is_empty(table, missing):
    found = read_table(table(f"observer,x_px\n,{missing}\n"), {"observer": str, "x_px": float})
    assert found["observer"].tolist() == [""] and np.isnan(found["x_px"]).all()


def test_tabs_windows_line_ends_and_a_byte_order_mark_are_read(table):
    path = table("\ufeffobserver\tx_px\r\no1\t1\r\n")
    assert read_table(path, {"observer": str, "x_px": float}, delimiter="\t")["observer"].tolist() == ["o1"]


def test_a_table_without_rows_has_empty_columns(table):
    assert read_table(table("observer,x_px\n"), {"observer": str, "x_px": float})["x_px"].shape == (0,)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "bees.csv: the file is empty"),
        ("observer,time,x_px,trial\n", "line 1: no column 'time_ms'; it has observer, time.*Did you mean 'time'"),
        ("observer,time_ms,x_px,trial\no1,0,1,1\no1,1,left,1\n", "line 3, x_px: .*'left'"),
        ("observer,time_ms,x_px,trial\no1,0,1,1.5\n", "line 2, trial: .*'1.5'"),
        ("observer,time_ms,x_px,trial\no1,0,1,1\no1,0,1,\n", "line 3, trial: empty; expected a whole number"),
        ("observer,time_ms,x_px,trial\no1,0,1\n", "Expected 4 columns, got 3"),
        ("observer,time_ms,x_px,trial\nMüller,0,1,1\n".encode("latin-1"), "line 2, observer: .*UTF8"),
    ],
)
def test_a_broken_table_is_named_with_line_and_column(table, text, said):
    with pytest.raises(GazeError, match=said) as raised:
        read_table(table(text), COLUMNS)
    assert raised.value.code == "gaze-table"
    assert "bees.csv" in raised.value.message and "time_ms (float)" in raised.value.remedy


def test_one_row_is_found_by_its_key(table):
    path = table("video,width_px\nbees,480\nchoir,400\n")
    assert read_row(path, "video", "choir", {"width_px": int}) == {"width_px": 400}
    with pytest.raises(GazeError, match=r"where video is 'choirs', no row; Did you mean 'choir'"):
        read_row(path, "video", "choirs", {"width_px": int})


def test_a_key_that_is_there_twice_is_an_error(table):
    with pytest.raises(GazeError, match="where video is 'bees', 2 rows"):
        read_row(table("video,width_px\nbees,480\nbees,400\n"), "video", "bees", {"width_px": int})


def test_a_table_is_split_by_the_words_of_a_column(table):
    found = read_table(table("observer,x_px\nb,1\na,2\nb,3\n"), {"observer": str, "x_px": float})
    parts = {observer: own["x_px"].tolist() for observer, own in split_by(found, "observer")}
    assert parts == {"a": [2], "b": [1, 3]}
