"""Published weights: which there are, where they come from, and how their names map onto ours.

Conventions
-----------
`manifests/weights.csv` has a row for each; `manifests/README.md` says what its columns mean. Files lie in one folder
under the name that the table gives. A direct source is fetched when its weights are asked for by name and not before,
a manual one only a person can fetch. Digests are checked where the table knows one; where it does not, the sha256
that was found is told. Which of the published namings a file has is found by trying each.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from pipeline.errors import AveError, ManifestError, ModelError, did_you_mean
from pipeline.ingest import cells, digests
from pipeline.ingest.cells import Cell, maybe, number, one_of
from pipeline.ingest.download import download
from pipeline.ingest.manifest import read_table
from pipeline.models.weights import Fit, compare, fill, read

TABLE = "weights.csv"
NOT_AT_HAND = ("no-weights", "download")  # codes of the errors after which training can go on from scratch
RETRIES = 1  # weights can be done without, so a dead address should not hold a training up

# Kinetics S3D counts its layers through; ours stand in groups. The first layer of each group.
S3D_GROUPS = ((0, "base1"), (5, "base2"), (8, "base3"), (14, "base4"))


@dataclass(frozen=True)
class Published:
    """One row of manifests/weights.csv.

    Attributes
    ----------
    fits : mapping of str to str
        By model, the part of it that the weights fill: a name as in "visual_model.backbone", "" for all of it.
    kind : str
        "direct" (the program may fetch the urls) or "manual" (`how_to` says how a person does).
    """

    name: str
    file: str
    fits: Mapping[str, str]
    kind: str
    urls: tuple[str, ...]
    size_bytes: int | None
    checksum: str
    licence: str
    source: str
    how_to: str
    note: str


@dataclass(frozen=True)
class Loaded:
    """What became of weights that were asked for, and where in the model they went."""

    asked: str
    part: str
    file: str
    sha256: str
    licence: str
    fit: Fit

    def __str__(self) -> str:
        head = f"{self.asked} -> {self.part or 'the whole model'} (sha256 {self.sha256[:12]}, {self.licence})"
        return f"{head}\n{self.fit.table()}"


def load(folder: Path) -> dict[str, Published]:
    """Read and check `weights.csv` of a folder of manifests; the rows by name.

    Raises
    ------
    ManifestError
        Once, with all problems.
    """
    rows, problems = read_table(folder / TABLE, Published, ("name",), _COLUMNS)
    for line, row in rows:
        if row.kind == "direct" and not row.urls:
            problems.append(f"{TABLE}, line {line}, urls: is empty; a direct source needs an address")
        if row.kind == "manual" and not row.how_to:
            problems.append(f"{TABLE}, line {line}, how_to: is empty; only a person can fetch a manual source, say how")
    if problems:
        raise ManifestError(TABLE, problems, remedy=f"The table is in {folder}; its README.md explains the columns.")
    return {row.name: row for _, row in rows}


def initialise(
    model: nn.Module,
    name: str,
    asked: str,
    folder: Path,
    *,
    listed: Mapping[str, Published],
    tell: Callable[[str], None],
) -> Loaded | None:
    """Start a model, or a part of it, from published weights where they are to be had.

    Parameters
    ----------
    model : nn.Module
        Filled in place.
    name : str
        What `pipeline.models.build` calls it.
    asked : str
        A row of `listed`, or a file of one's own: "FILE" for the whole model, "PART=FILE" for a part of it.
    folder : Path
        Where listed weights lie, or are put.
    listed : mapping
        What `load` gave.
    tell : callable
        Takes the sentence that says that listed weights are not at hand.

    Returns
    -------
    Loaded or None
        None if listed weights are not at hand; the model is then as it was.

    Raises
    ------
    ModelError
        If the weights are for another model, unreadable, hold code, or fit nowhere.
    FetchError
        If the file is not the one the table knows.
    """
    row = listed.get(asked)
    part, path = _own_file(asked, listed) if row is None else (_part(row, name), folder / row.file)
    target = _submodule(model, name, part)
    if row is not None:
        try:
            obtain(row, folder)
        except AveError as error:
            if error.code not in NOT_AT_HAND:
                raise
            tell(f"{error} Without them this part starts from scratch.")
            return None
    weights = as_ours(read(path), target)
    licence = row.licence if row else "a file of your own"
    return Loaded(asked, part, path.name, digests.digest_file(path).sha256, licence, fill(target, weights))


def obtain(row: Published, folder: Path) -> Path:
    """The file of a row, fetched if it is not there and a program may; its digest is right where one is known.

    Raises
    ------
    ModelError
        Code "no-weights" if only a person can fetch it.
    FetchError
        As `pipeline.ingest.download` and `pipeline.ingest.digests` say.
    """
    path = folder / row.file
    if path.exists():
        digests.verify(path, row.size_bytes, row.checksum)
    elif row.kind == "direct":
        download(row.urls, path, size_bytes=row.size_bytes, checksum=row.checksum, retries=RETRIES)
    else:
        raise ModelError(
            f"The weights {row.name} are not at hand: {path} is not there, and no program may fetch it.",
            remedy=f"{row.how_to} ({' '.join(row.urls)})",
            code="no-weights",
        )
    return path


def as_ours(weights: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """The same tensors under that one of the known namings of which most fit the model."""
    known = (str, _s3d, _resnet)  # str: as they are
    namings = [{rename(name): tensor for name, tensor in weights.items()} for rename in known]
    return max(namings, key=lambda renamed: len(compare(renamed, model).matched))


def _s3d(name: str) -> str:
    """A name of Kinetics S3D (kylemin/S3D) as ours: base.9.branch0 … is base3.1.branch0 …"""
    found = re.fullmatch(r"base\.(\d+)\.(.+)", name)
    if found is None:
        return name
    layer = int(found[1])
    start, group = [pair for pair in S3D_GROUPS if pair[0] <= layer][-1]
    return f"{group}.{layer - start}.{found[2]}"


def _resnet(name: str) -> str:
    """A name of a Kinetics 3D-ResNet (kenshohara/3D-ResNets-PyTorch) as ours: its classifier is called otherwise."""
    return re.sub(r"^fc\.", "fc_new.", name)


def _part(row: Published, name: str) -> str:
    if name not in row.fits:
        raise ModelError(
            f"The weights {row.name} are not for model {name!r}; they are for {', '.join(row.fits)}.",
            remedy="`ave models` lists weights by model.",
            code="weights-do-not-fit",
        )
    return row.fits[name]


def _own_file(asked: str, listed: Mapping[str, Published]) -> tuple[str, Path]:
    """The part and the file of "PART=FILE" or "FILE"."""
    part, _, file = asked.partition("=")
    if Path(asked).is_file():  # a path may hold a "=", too
        return "", Path(asked)
    if Path(file).is_file():
        return part, Path(file)
    raise ModelError(
        f"No weights are called {asked!r}, and no file is.",
        remedy=did_you_mean(asked, listed),
        code="weights-unknown",
    )


def _submodule(model: nn.Module, name: str, part: str) -> nn.Module:
    try:
        return model.get_submodule(part)
    except AttributeError as error:
        parts = [found for found, _ in model.named_children()]
        raise ModelError(
            f"Model {name!r} as built has no part {part!r}.",
            remedy=did_you_mean(part, parts),
            code="weights-do-not-fit",
        ) from error


def _fits(cell: str) -> dict[str, str]:
    """Words "model" or "model:part"."""
    words = cells.text(cell).split()
    return {model: part for model, _, part in (word.partition(":") for word in words)}


_COLUMNS: dict[str, Cell] = {
    "name": cells.safe_name,
    "file": cells.safe_name,
    "fits": _fits,
    "kind": one_of("direct", "manual"),
    "urls": cells.urls,
    "size_bytes": maybe(number(int, above=0)),
    "checksum": cells.checksum,
    "licence": cells.text,
    "source": cells.text,
    "how_to": str,
    "note": str,
}
