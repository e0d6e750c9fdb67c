"""croissant.json of an export: its shards, and for Parquet shards their columns.

Conventions
-----------
It lies beside index.json and names every shard with its size and SHA-256. Parquet shards are one record set,
`samples`, a field for each column; what the other formats hold Croissant has no words for, so their set of files says
it in prose and schema.json field by field.

Source
------
See `jsonld`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline.export import formats, jsonld
from pipeline.export.index import LICENCE_NAME, SCHEMA_NAME
from pipeline.export.jsonld import Node
from pipeline.export.sample import ARRAYS, FACTS

CROISSANT_NAME = "croissant.json"
ENCODINGS = {"parquet": jsonld.PARQUET, "wds": jsonld.TAR, "tensors": jsonld.BINARY}
_OF_PARQUET = {  # columns that are no fact and no array of a sample
    "density_rows": "rows of a density map; a map is one flat list, row after row",
    "fixation_frame": "frame of each fixation point, counted from 0 in the stimulus",
    "fixation_x_px": "horizontal position of each fixation point, video pixels from the left edge",
    "fixation_y_px": "vertical position of each fixation point, video pixels from the top edge",
    "fixation_observer": "observer of each fixation point, an index into observers",
    "frames": "stored frames in order, lead-in first: JPEG bytes and a name",
}
MEANINGS = {**FACTS, **{name: meaning for name, (_, _, meaning) in ARRAYS.items()}, **_OF_PARQUET}


def document(index: Mapping[str, Any], folder: Path) -> Node:
    """The Croissant document of an export.

    Parameters
    ----------
    index : mapping
        What index.json holds, in the form of an export's.
    folder : Path
        Where the shards lie; the columns of Parquet shards are read from the first.

    Returns
    -------
    node : dict
        JSON-LD.
    """
    written_as, total = index["format"], index["totals"]
    encoding = ENCODINGS[written_as]
    shards = [
        jsonld.file_object(row["file"], row["bytes"], row["sha256"], encoding)
        for item in index["items"]
        for row in item["shards"]
    ]
    files, tables = list(shards), []
    if shards:
        about = f"{formats.get(written_as).LAYOUT}. {SCHEMA_NAME} says what each field means."
        files.append(jsonld.file_set("shards", shards, about, beside=True))
        if written_as == "parquet":
            columns = pq.read_schema(folder / shards[0]["contentUrl"])
            rows = "One row a sample: a run of target frames of one stimulus with all that is known about them."
            tables.append(jsonld.record_set("samples", files[-1], columns, MEANINGS, rows))
    licences = {item["corpus"]: item["licence"] for item in index["items"]}
    parts = ", ".join(f"{item['corpus']}/{item['split']}" for item in index["items"])
    about = (
        f"Shards ({written_as}) of audio-visual eye tracking: video frames, log-mel sound, fixation points and "
        f"fixation density maps on one clock. {parts}: {total['stimuli']} stimuli, {total['samples']} samples, "
        f"{total['target_frames']} target frames, {total['fixations']} fixation points."
    )
    name = "-".join(["ave", *sorted(licences), written_as])
    return jsonld.dataset(
        name, about, [row for _, row in sorted(licences.items())], url=LICENCE_NAME, files=files, tables=tables
    )
