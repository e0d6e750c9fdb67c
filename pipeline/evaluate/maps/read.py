"""One map from one file, and all maps of a stimulus from one file: pictures, NumPy's and MATLAB's files.

Conventions
-----------
A map is [row, column]. 8- and 16-bit whole numbers and float32 stay as they are and float16 becomes float32; other real
numbers become float64: to round them to float32 could make equal what was not. A colour picture becomes its luma
(0.299 R + 0.587 G + 0.114 B), and is *in colour* where its channels differ by more than `GREY_SLACK`.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import AveError

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
ARRAYS = (".npy", ".mat")
VIDEOS = (".mp4", ".avi", ".mkv", ".webm", ".mov", ".m4v", ".mpg", ".mpeg")
FORMATS = dict.fromkeys(VIDEOS, "video") | {".npy": "NPY", ".mat": "MAT", ".png": "PNG", ".bmp": "BMP"}
FORMATS |= {".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF"}

MAT_NAMES = ("saliency", "salmap", "sal", "map", "maps", "pred", "prediction", "s", "i", "eyemap")  # where several fit
GREY_SLACK = 8  # levels of 255; a grey video's chroma is not always exactly neutral
KEPT = (np.uint8, np.uint16, np.float32)
BROKEN = (OSError, ValueError, SyntaxError, EOFError, TypeError, zlib.error, Image.DecompressionBombError)


def read_map(path: Path) -> tuple[NDArray, bool]:
    """One map, and whether it was in colour.

    Returns
    -------
    saliency : ndarray, shape (height, width)
    in_colour : bool

    Raises
    ------
    AveError
        Code "unreadable-map".
    """
    try:
        values = _picture(path) if path.suffix.lower() in PICTURES else _array(path, dimensions=(2, 3))
        return to_grey(_squeezed(values))
    except BROKEN as error:
        raise _unreadable(path, error) from error


def read_stack(path: Path, n_frames: int, size_px: tuple[int, int]) -> Iterator[NDArray]:
    """All maps of a stimulus from an NPY [frame, row, column] or a MAT, one after another.

    Of three axes, the one that is as long as the video is the frames'; where none is, the one that leaves maps nearest
    to the video's proportions; where several are alike, the first of an NPY and the last of a MAT.

    Parameters
    ----------
    path : Path
    n_frames : int
        Of the video.
    size_px : (int, int)
        Height and width of the video.

    Raises
    ------
    AveError
        Code "unreadable-map".
    """
    try:
        values = _array(path, dimensions=(3,))
        if values.ndim != 3:
            raise ValueError(f"an array of shape {values.shape}, expected one map a frame: [frame, row, column]")
        usual = 2 if path.suffix.lower() == ".mat" else 0
        order = {axis: (values.shape[axis] != n_frames, _distorted(values, axis, size_px)) for axis in (usual, 0, 2)}
        for saliency in np.moveaxis(values, min(order, key=order.__getitem__), 0):
            yield plain(np.ascontiguousarray(saliency))
    except BROKEN as error:
        raise _unreadable(path, error) from error


def _distorted(values: NDArray, axis: int, size_px: tuple[int, int]) -> float:
    """How far from the video's proportions the maps are if this axis counts the frames."""
    rows, columns = (length for number, length in enumerate(values.shape) if number != axis)
    return abs(math.log(max(rows, 1) * size_px[1] / (max(columns, 1) * size_px[0])))


def to_grey(values: NDArray) -> tuple[NDArray, bool]:
    """A map [row, column] from a picture with or without channels, and whether it was in colour."""
    if values.ndim == 2:
        return plain(values), False
    if values.ndim != 3 or values.shape[2] not in (3, 4):
        raise ValueError(f"an array of shape {values.shape}, expected [row, column]")
    red, green, blue = (values[..., channel] for channel in range(3))
    if np.array_equal(red, green) and np.array_equal(red, blue):
        return plain(red.copy()), False
    luma = values[..., :3].astype(np.float64) @ (0.299, 0.587, 0.114)
    whole = np.issubdtype(values.dtype, np.integer)
    wide = [np.abs(red.astype(np.float64) - other).max() for other in (green, blue)]
    scale = 255.0 if not whole and values.max() <= 1 else 1.0
    grey = np.rint(luma).astype(values.dtype) if whole else luma
    return plain(grey), max(wide) * scale > GREY_SLACK


def plain(values: NDArray) -> NDArray:
    """The same numbers in a type that scores understand.

    Raises
    ------
    ValueError
        If they are no real numbers, or there are none.
    """
    if values.size == 0:
        raise ValueError("the map is empty")
    if values.dtype in KEPT:
        return values
    if values.dtype == np.bool_:
        return values.astype(np.uint8)
    if values.dtype == np.float16:
        return values.astype(np.float32)
    if not (np.issubdtype(values.dtype, np.integer) or np.issubdtype(values.dtype, np.floating)):
        raise ValueError(f"values of type {values.dtype}, expected real numbers")
    return values.astype(np.float64)


def _picture(path: Path) -> NDArray:
    with Image.open(path) as picture:
        picture.load()
        if picture.mode in ("L", "F", "I", "I;16", "I;16B", "RGB"):
            values = np.asarray(picture)
        elif picture.mode == "LA" or picture.mode == "1":
            values = np.asarray(picture.convert("L"))
        else:
            values = np.asarray(picture.convert("RGB"))
    if (
        np.issubdtype(values.dtype, np.integer)
        and values.dtype != np.uint8
        and 0 <= values.min() <= values.max() < 1 << 16
    ):
        return values.astype(np.uint16)
    return values


def _array(path: Path, dimensions: tuple[int, ...]) -> NDArray:
    if path.suffix.lower() == ".npy":
        try:
            return np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise ValueError("not an NPY file of numbers, or cut short") from error
    from scipy.io import loadmat  # here, so that a folder of pictures needs no scipy.io

    try:
        found = {name: _dense(value) for name, value in loadmat(path).items() if not name.startswith("__")}
    except NotImplementedError as error:
        raise ValueError("a MATLAB 7.3 (HDF5) file; save it with -v7") from error
    fitting = {name: value for name, value in found.items() if _fits(value, dimensions)}
    named = [name for name in fitting if name.casefold() in MAT_NAMES]
    if len(fitting) != 1 and len(named) != 1:
        raise ValueError(
            f"{len(fitting)} variables that may be the map ({', '.join(fitting or found) or 'none at all'}); leave "
            f"one, or call it {MAT_NAMES[0]}"
        )
    return fitting[named[0] if len(fitting) != 1 else next(iter(fitting))]


def _dense(value: Any) -> Any:
    return value.toarray() if hasattr(value, "toarray") else value


def _fits(value: Any, dimensions: tuple[int, ...]) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "buif" and value.ndim in dimensions and value.size > 1


def _squeezed(values: NDArray) -> NDArray:
    """[1, h, w] and [h, w, 1] are maps too; memory-mapped values are read."""
    if values.ndim == 3 and 1 in (values.shape[0], values.shape[2]):
        values = values[0] if values.shape[0] == 1 else values[..., 0]
    return np.array(values) if isinstance(values, np.memmap) else values


def _unreadable(path: Path, error: BaseException) -> AveError:
    words = str(error).replace(str(path), path.name).splitlines()
    return AveError(
        f"{path.name}: {words[0] if words else type(error).__name__}",
        remedy="Write the file again.",
        code="unreadable-map",
    )
