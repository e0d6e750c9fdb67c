"""Still images with fixations, from a folder laid out as SALICON's.

Conventions
-----------
    FOLDER/images/[SPLIT/]NAME.jpg      the picture, JPEG or PNG
    FOLDER/maps/[SPLIT/]NAME.png        its fixation density as grey values
    FOLDER/fixations/[SPLIT/]NAME.mat   its fixations (SALICON's `gaze`), or NAME.png, white where somebody looked

The three folders may hold the splits' folders ("train", "val") or the files themselves. A picture comes as a clip of
one frame: the keys and shapes of `pipeline.export.clips` without sound. Maps are averaged over cells and divided by
their sum. Points in SALICON's files count from 1; fixations are needed by the NSS alone, so their folder may be absent.

Source
------
Jiang, Huang, Duan & Zhao 2015, "SALICON: Saliency in Context".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from pipeline.errors import ModelError
from pipeline.export.pictures import Normaliser
from pipeline.signals.gaze import fixation_counts

PICTURES = (".jpg", ".jpeg", ".png")
NAMED = 3  # files that a message names


class StillImages(Dataset[dict[str, Any]]):
    """The pictures of one split that have a map, by number, sorted by name.

    Parameters
    ----------
    folder : Path
    split : str
        "train" or "val"; without meaning where the folders hold the files themselves.
    size, map_size : (int, int)
        Height and width that pictures and densities are brought to.
    normalise : str
        A key of `pipeline.export.pictures.NORMALISATIONS`.

    Raises
    ------
    ModelError
        If a folder is missing, holds no picture, or pictures are without a map.
    """

    def __init__(
        self, folder: Path, split: str, *, size: tuple[int, int], map_size: tuple[int, int], normalise: str | None
    ):
        pictures = _files(folder, "images", split, PICTURES)
        maps = _files(folder, "maps", split, (".png",))
        if not pictures:
            raise _not_salicon(f"{folder} holds no picture in images/ or images/{split}/")
        without = sorted(pictures.keys() - maps.keys())
        if without:
            raise _not_salicon(f"{folder}: {len(without)} pictures have no map ({', '.join(without[:NAMED])})")
        self._names = sorted(pictures)
        self._pictures, self._maps = pictures, maps
        self._fixations = _files(folder, "fixations", split, (".mat", ".png"), needed=False)
        self._size, self._map_size = size, map_size
        self._normaliser = Normaliser(normalise)

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, number: int) -> dict[str, Any]:
        name = self._names[number]
        picture = _opened(self._pictures[name], "RGB", self._size)
        video = self._normaliser(np.asarray(picture)[None], np.zeros(1, np.intp))
        density = np.asarray(_opened(self._maps[name], "F", self._map_size), np.float32).clip(min=0)
        return {
            "video": torch.from_numpy(video).permute(3, 0, 1, 2),
            "target": torch.from_numpy(density / (density.sum() or 1)),
            "fixations": torch.from_numpy(self._counts(name)),
            "stimulus": f"stills/{name}",
            "category": "stills",
            "frame": 0,
        }

    def _counts(self, name: str) -> NDArray[np.int32]:
        path = self._fixations.get(name)
        if path is None:
            return np.zeros(self._map_size, np.int32)
        points, size = _points_of_mat(path) if path.suffix == ".mat" else _points_of_picture(path)
        return fixation_counts(points[:, 0], points[:, 1], size, self._map_size)


def _files(folder: Path, kind: str, split: str, endings: tuple[str, ...], *, needed: bool = True) -> dict[str, Path]:
    """Files by their name without ending, of the split's folder where there is one."""
    place = folder / kind / split
    place = place if place.is_dir() else folder / kind
    if not place.is_dir():
        if needed:
            raise _not_salicon(f"{folder} has no folder {kind}/")
        return {}
    return {path.stem: path for path in place.iterdir() if path.suffix.lower() in endings}


def _opened(path: Path, mode: str, size: tuple[int, int]) -> Any:
    """A picture at another size: a colour picture smoothly, a map by the mean of each cell's area."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            how = Image.Resampling.BOX if mode == "F" else Image.Resampling.BILINEAR
            return picture.convert(mode).resize((size[1], size[0]), how)
    except (OSError, UnidentifiedImageError) as error:
        raise ModelError(
            f"{path}: no readable picture ({error}).", remedy="Get the file again.", code="still-unreadable"
        ) from error


def _points_of_mat(path: Path) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """Fixation points (x, y) in pixels from the corner, and the picture's height and width."""
    from scipy.io import loadmat

    try:
        content = loadmat(path)
        height, width = (int(side) for side in content["resolution"].ravel())
        observers = [np.reshape(points, (-1, 2)) for points in content["gaze"]["fixations"].ravel()]
    except (OSError, ValueError, KeyError, NotImplementedError, TypeError) as error:
        raise ModelError(
            f"{path}: not SALICON's fixations ({error}).",
            remedy="Expected `gaze` with `fixations`, and `resolution`.",
            code="still-unreadable",
        ) from error
    points = (
        np.concatenate([*observers, np.empty((0, 2))]).astype(np.float64) - 0.5
    )  # counted from 1, middle of a pixel
    inside = (points >= 0).all(1) & (points[:, 0] < width) & (points[:, 1] < height)
    return points[inside], (height, width)


def _points_of_picture(path: Path) -> tuple[NDArray[np.float64], tuple[int, int]]:
    from PIL import Image

    with Image.open(path) as picture:
        hit = np.asarray(picture.convert("L")) > 0
    rows, columns = np.nonzero(hit)
    return np.stack([columns, rows], axis=1).astype(np.float64) + 0.5, (hit.shape[0], hit.shape[1])


def _not_salicon(what: str) -> ModelError:
    return ModelError(f"{what}.", remedy="Expected images/, maps/ and fixations/ as SALICON has them.", code="stills")
