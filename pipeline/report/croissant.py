"""Croissant documents of the published corpus: one for each corpus, one for all of them together.

Conventions
-----------
A document lies in STORE/cards/ and describes the files of STORE/corpus/ by relative addresses: `stimuli.parquet`,
`rejected.parquet` and `audit.json`, which are about all corpora, and of its own corpora each table below `fixations/`
and `logmel/`. Sizes and SHA-256 are those that the store recorded when it published them. Record sets are `stimuli`,
`rejected`, and for each corpus `fixations-<corpus>` and `logmel-<corpus>`.

What is said about people and screens stands in the manifests or follows from the tables' columns; what nobody knows is
not said.

Source
------
See `pipeline.export.jsonld`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline import schemas
from pipeline.export import jsonld
from pipeline.export.jsonld import Node
from pipeline.report.measured import Measured, observers_of
from pipeline.report.words import screen_of

ROOT = "../corpus"  # from STORE/cards
TABLES_VERSION = "1.0.0"  # of the columns in pipeline/schemas.py: a column more is a new minor version
_POOLED = {
    "stimuli.parquet": "one row a stimulus, of every corpus",
    "rejected.parquet": "what is not in the corpus and why, of every corpus",
    "audit.json": "published figures beside ours, with a verdict, of every corpus",
}
_PER_CORPUS = {
    "fixations": "Fixation points of {corpus}, one file a stimulus, sorted by frame, then observer.",
    "logmel": "Log-mel examples of {corpus}, one file a stimulus, one row a frame.",
}


def document(name: str, title: str, measured: Measured) -> Node:
    """The Croissant document of some corpora.

    Parameters
    ----------
    name : str
        Of the corpus, or "all".
    title : str
        What the data card is headed with.
    measured : Measured
        Cut down to its corpora; `files` gives bytes and SHA-256 of every published table by its path in STORE/corpus.

    Returns
    -------
    node : dict
        JSON-LD.
    """
    files = [_file(path, *measured.files[path], about) for path, about in _POOLED.items() if path in measured.files]
    pooled = {node["@id"]: node for node in files}
    tables = [
        jsonld.record_set(table, pooled[f"{table}.parquet"], columns, schemas.MEANINGS[table], _POOLED[path])
        for table, columns in (("stimuli", schemas.STIMULI), ("rejected", schemas.REJECTED))
        if (path := f"{table}.parquet") in pooled
    ]
    for corpus in sorted(measured.licences):
        for members, whole, rows in _of_corpus(corpus, measured):
            files += [*members, whole]
            tables.append(rows)
    homepages = [row["homepage"] for row in measured.licences.values() if row["homepage"]]
    return jsonld.dataset(
        f"ave-{name}",
        _about(title, measured),
        [row for _, row in sorted(measured.licences.items())],
        url=homepages[0] if len(measured.licences) == len(homepages) == 1 else f"{_card_name(name)}.md",
        files=files,
        tables=tables,
        rai=responsible(measured),
        version=TABLES_VERSION,
    )


def responsible(measured: Measured) -> dict[str, Any]:
    """Properties of the RAI vocabulary that the manifests and the tables answer; "" or [] where they do not."""
    sigma = measured.settings.get("sigma_dva", 1.0)
    heard = sorted({row["audio_presented"] for row in measured.stimuli})
    lost = {reason: group[1] for (level, reason), group in sorted(measured.rejected.items()) if level == "sample"}
    screens = [screen_of(row) for _, row in sorted(measured.geometry.items())]
    return {
        "dataCollection": "\n".join([*screens, *(f"How it is known that the sound was heard: {one}" for one in heard)]),
        "dataCollectionMissingData": "; ".join(f"{row['subject']}: {row['reason']}" for row in measured.missing),
        "dataPreprocessingProtocol": [
            "Fixation points are gaze samples that the release marks as fixations (where it marks none, every sample "
            "with coordinates) and that lie inside the picture.",
            f"Fixation density maps: each point is a Gaussian of {sigma:g} degrees of visual angle.",
            f"Samples that are no fixation point: {_counted(lost)}.",
        ],
        "personalSensitiveInformation": [
            "The tables hold gaze positions under the release's own observer ids, and no name, age, sex or other "
            "property of an observer."
        ],
    }


def _of_corpus(corpus: str, measured: Measured) -> Iterator[tuple[list[Node], Node, Node]]:
    """Files, file set and record set of each kind of table that a corpus has one of per stimulus."""
    bands = int(measured.settings.get("mel_bands", 64))
    columns = {"fixations": schemas.FIXATIONS, "logmel": schemas.logmel(bands)}
    for kind, about in _PER_CORPUS.items():
        paths = sorted(path for path in measured.files if path.startswith(f"{kind}/{corpus}/"))
        if not paths:
            continue
        members = [_file(path, *measured.files[path]) for path in paths]
        whole = jsonld.file_set(f"{kind}-{corpus}-files", members, about.format(corpus=corpus), beside=False)
        name = f"{kind}-{corpus}"
        rows = jsonld.record_set(name, whole, columns[kind], schemas.MEANINGS[kind], about.format(corpus=corpus))
        meaning = "name of the stimulus inside its corpus, from the file's name"
        rows["field"].insert(0, jsonld.file_name_field(name, whole, "name", meaning))
        yield members, whole, rows


def _file(path: str, n_bytes: int, sha256: str, about: str = "") -> Node:
    encoding = jsonld.PARQUET if path.endswith(".parquet") else jsonld.JSON
    return jsonld.file_object(f"{ROOT}/{path}", n_bytes, sha256, encoding, name=path, about=about)


def _about(title: str, measured: Measured) -> str:
    rows = measured.stimuli
    return (
        f"{title}. Videos with the soundtrack they were shown with, and where people looked while they watched and "
        f"listened: {len(rows)} stimuli, {sum(row['n_frames'] for row in rows)} frames, "
        f"{sum(row['n_fixations'] for row in rows)} fixation points, {observers_of(rows) or 'no observers'}."
    )


def _card_name(name: str) -> str:
    return "card" if name == "all" else name


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in counts.items()) or "none"
