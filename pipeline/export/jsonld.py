"""The words of Croissant 1.1: files, sets of files, tables and their columns as JSON-LD.

Conventions
-----------
Addresses are relative to the JSON-LD file. A file is named with its size in bytes and its SHA-256; a set of files
lists its files, so that nothing depends on what else lies in the folder. A record set is called after its table, a
field `<record set>/<column>`. No clock is in a document: the same files give the same bytes.

Source
------
MLCommons, Croissant Format Specification 1.1 (2026) and the RAI vocabulary 1.0. `mlcroissant` 1.1.1 validates it and
reads the records.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

CONFORMS_TO = ("http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0")
PARQUET, JSON, TAR = "application/x-parquet", "application/json", "application/x-tar"
BINARY = "application/octet-stream"

_TERMS = (
    *("arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field", "fileProperty"),
    *("fileObject", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5"),
    *("parentField", "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate", "separator"),
    *("source", "subField", "transform"),
)
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    **{term: f"cr:{term}" for term in _TERMS},
}
_TYPES = {
    pa.string(): "sc:Text",
    pa.int32(): "cr:Int32",
    pa.int64(): "cr:Int64",
    pa.float32(): "cr:Float32",
    pa.float64(): "cr:Float64",
}
_AUTHOR = re.compile(r"(?:[A-Z]\.[ -]?)+ ?[A-Z][^\s,:.]+")

Node = dict[str, Any]


def file_object(url: str, n_bytes: int, sha256: str, encoding: str, *, name: str = "", about: str = "") -> Node:
    """One file of a dataset.

    Parameters
    ----------
    url : str
        Relative to the JSON-LD file.
    n_bytes : int
    sha256 : str
        64 hex digits.
    encoding : str
        MIME type.
    name : str, optional
        The node's id; the address where absent.
    about : str, optional
        What is in it.
    """
    node = {"@type": "cr:FileObject", "@id": name or url, "name": name or url, "description": about}
    node |= {"contentUrl": url, "contentSize": f"{n_bytes} B", "encodingFormat": encoding, "sha256": sha256}
    return _without_empty(node)


def file_set(name: str, members: Sequence[Node], about: str, *, beside: bool) -> Node:
    """Files of one kind, each of which is a `file_object` of the same encoding.

    `beside`: they lie in the document's own folder, where `mlcroissant` finds them by their names. Elsewhere the set is
    the union of its members, as the specification has it; `mlcroissant` 1.1.1 validates that, but reads no columns.
    """
    node: Node = {"@type": "cr:FileSet", "@id": name, "name": name, "description": about}
    node["encodingFormat"] = members[0]["encodingFormat"]
    if beside:
        return node | {"includes": [member["contentUrl"] for member in members]}
    contained = [{"@id": member["@id"]} for member in members]
    return node | {"containedIn": contained, "includes": f"*.{members[0]['contentUrl'].rpartition('.')[2]}"}


def record_set(name: str, source: Node, columns: pa.Schema, meanings: Mapping[str, str], about: str) -> Node:
    """A table: one field for each column of it.

    Parameters
    ----------
    name : str
        Id of the record set.
    source : dict
        The `file_object` or `file_set` that holds its rows.
    columns : Schema
    meanings : mapping of str to str
        What each column means, with its unit.
    about : str
        What a row is.
    """
    fields = [column_field(name, source, column, meanings[column.name]) for column in columns]
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "description": about, "field": fields}


def column_field(table: str, source: Node, column: pa.Field, meaning: str) -> Node:
    """One column of a Parquet table; nested lists of numbers are arrays, -1 where a length differs from row to row."""
    kind, shape = column.type, []
    while pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        shape.append(kind.list_size if pa.types.is_fixed_size_list(kind) else -1)
        kind = kind.value_type
    node: Node = {"@type": "cr:Field", "@id": f"{table}/{column.name}", "name": column.name, "description": meaning}
    if shape:
        node |= {"isArray": True, "arrayShape": ",".join(map(str, shape))}
    if pa.types.is_struct(kind):
        parts = [_part_of_struct(node["@id"], source, column.name, part, bool(shape)) for part in kind]
        return node | {"subField": parts}
    return node | {"dataType": _TYPES[kind], "source": _from_column(source, column.name)}


def file_name_field(table: str, source: Node, name: str, meaning: str) -> Node:
    """A field that is not in the table but in its files' names: what stands before the suffix."""
    reference = {**_reference(source), "extract": {"fileProperty": "filename"}, "transform": {"regex": r"(.+)\.[^.]+$"}}
    node = {"@type": "cr:Field", "@id": f"{table}/{name}", "name": name, "description": meaning}
    return node | {"dataType": "sc:Text", "source": reference}


def dataset(
    name: str,
    about: str,
    licences: Iterable[Mapping[str, Any]],
    *,
    url: str,
    files: Sequence[Node],
    tables: Sequence[Node] = (),
    rai: Mapping[str, Any] | None = None,
    version: str = "1.0.0",
) -> Node:
    """The whole document.

    Creators and date are those of the papers to cite, the only ones that a manifest knows; where its citation names
    none they are absent, and `mlcroissant` warns.

    Parameters
    ----------
    name, about : str
    licences : iterable of mapping
        Rows of manifests/licences.csv, of every corpus inside.
    url : str
        A page about it; relative where it lies beside the document.
    files, tables : sequence of dict
        `file_object`, `file_set` and `record_set`.
    rai : mapping, optional
        Properties of the RAI vocabulary without their prefix; empty ones are left out.
    version : str
        Of the tables' columns, MAJOR.MINOR.PATCH.
    """
    rows = list(licences)
    creators = dict.fromkeys(author for row in rows for author in authors(row["citation"]))
    years = [year for row in rows if (year := year_of(row["citation"]))]
    node = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": list(CONFORMS_TO),
        "name": name,
        "description": about,
        "license": [licence_of(row) for row in rows],
        "citeAs": "\n".join(dict.fromkeys(row["citation"] for row in rows)),
        "creator": [{"@type": "sc:Person", "name": author} for author in creators],
        "datePublished": max(years, default=""),
        "url": url,
        "version": version,
        **{f"rai:{key}": value for key, value in (rai or {}).items()},
        "distribution": list(files),
        "recordSet": list(tables),
    }
    return _without_empty(node)


def licence_of(row: Mapping[str, Any]) -> Node:
    """Licence, terms and home page of one corpus, in the words of its manifest row."""
    about = f"{row['corpus']} ({row['title']}): {row['terms']}"
    return _without_empty({"@type": "sc:CreativeWork", "name": row["licence"], "description": about} | _url_of(row))


def authors(citation: str) -> list[str]:
    """The authors that a citation begins with; none where it does not read like a list of names.

    Examples
    --------
    >>> authors("A. Coutrot, N. Guyader: How saliency and sound influence gaze. Journal of Vision 14(8):5, 2014.")
    ['A. Coutrot', 'N. Guyader']
    >>> authors("The data page: whatever it says.")
    []
    """
    names = citation.partition(":")[0].split(", ")
    return names if all(_AUTHOR.fullmatch(name) for name in names) else []


def year_of(citation: str) -> str:
    """The last year that a citation names, as four digits; "" where there is none.

    Examples
    --------
    >>> year_of("An efficient audiovisual saliency model. EUSIPCO 2015, 1531-1535, doi 10.1109/EUSIPCO.2015.7362640.")
    '2015'
    """
    return max(re.findall(r"(?<![\d./-])(?:19|20)\d\d(?=[.,;]|$)", citation), default="")


def _part_of_struct(parent: str, source: Node, column: str, part: pa.Field, is_array: bool) -> Node:
    picture = pa.types.is_binary(part.type)
    node = {"@type": "cr:Field", "@id": f"{parent}/{part.name}", "name": part.name}
    if is_array:
        node["repeated"] = (
            True  # 1.1 says isArray, but mlcroissant 1.1.1 opens each picture of a list only by this word
        )
    node |= {"dataType": "sc:ImageObject" if picture else _TYPES[part.type]}
    return node | {"source": {**_from_column(source, column), "transform": {"jsonPath": part.name}}}


def _from_column(source: Node, column: str) -> Node:
    return {**_reference(source), "extract": {"column": column}}


def _reference(source: Node) -> Node:
    return {"fileSet" if source["@type"] == "cr:FileSet" else "fileObject": {"@id": source["@id"]}}


def _url_of(row: Mapping[str, Any]) -> Node:
    return {"url": row["homepage"]}


def _without_empty(node: Node) -> Node:
    return {key: value for key, value in node.items() if value not in ("", [], None)}
