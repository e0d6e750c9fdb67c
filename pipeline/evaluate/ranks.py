"""Ranks: how many values are lower than a given one, and how many equal. What every area under an ROC curve is made of.

Conventions
-----------
Values have one dtype and no NaN; they are compared exactly. Ranks are int64: an area is exact but for its one division.
Of all pairs (positive, negative) a curve's area is the share that the positive wins, ties half (Mann & Whitney 1947).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray


def in_order(values: NDArray) -> NDArray:
    """Values [n] sorted; 8 and 16-bit integers by counting (NumPy's stable sort of them), which is quicker."""
    return np.sort(values, kind=_kind(values))


def ranks(
    values: NDArray, ordered: NDArray, weight: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each value how many of `ordered` are lower, and how many equal.

    Parameters
    ----------
    values : ndarray, shape (k,)
    ordered : ndarray, shape (n,)
        Sorted, of the same dtype.
    weight : ndarray, shape (n + 1,), optional
        `weight[j]` is what the first j of `ordered` count together; without it each counts once.

    Returns
    -------
    lower, equal : ndarray, shape (k,)

    Examples
    --------
    >>> lower, equal = ranks(np.array([1, 3]), np.array([0, 1, 1, 3]))
    >>> lower.tolist(), equal.tolist()
    ([1, 3], [2, 1])
    """
    below = np.searchsorted(ordered, values, side="left")
    upto = np.searchsorted(ordered, values, side="right")
    if weight is not None:
        below, upto = weight[below], weight[upto]
    return below, upto - below


def weighted_order(values: NDArray, counts: NDArray[np.int64]) -> tuple[NDArray, NDArray[np.int64]]:
    """Values [n] sorted, each of which counts `counts` times, and the `weight` [n + 1] that `ranks` wants with them."""
    order = np.argsort(values, kind=_kind(values))
    return values[order], np.concatenate([[0], np.cumsum(counts[order])])


def _kind(values: NDArray) -> Literal["stable"] | None:
    return "stable" if values.dtype.kind in "iu" and values.itemsize <= 2 else None
