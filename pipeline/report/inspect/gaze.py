"""The fixations of a page, packed: a fifth of what they take as they are.

Conventions
-----------
Points are (x, y) in video pixels. Four whole numbers stand for a fixation: observer (its place in the list), frame,
x and y in sixteenths of a pixel. They are sorted by observer and then frame, where each differs little from the one
before; the differences, modulo 2³², are laid out byte by byte (all lowest bytes, all second bytes …) and deflated.
`templates/gaze.js` reads them.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

PARTS_PER_PX = 16  # a sixteenth of a pixel is far below what any tracker resolves


def pack_fixations(fixations: pd.DataFrame, observers: Sequence[str]) -> bytes:
    """Pack a stimulus's fixations; see the module for how.

    Parameters
    ----------
    fixations : DataFrame
        Columns observer, frame, x_px, y_px; coordinates from 0.
    observers : sequence of str
        Every observer that occurs.

    Returns
    -------
    packed : bytes
        zlib stream of 16 n bytes.
    """
    place = {observer: number for number, observer in enumerate(observers)}
    number = fixations["observer"].map(place).to_numpy(np.int64)
    frame = fixations["frame"].to_numpy(np.int64)
    x, y = (np.rint(fixations[name].to_numpy(np.float64) * PARTS_PER_PX).astype(np.int64) for name in ("x_px", "y_px"))
    table = np.stack([number, frame, x, y])[:, np.lexsort((frame, number))]
    steps = np.diff(table, axis=1, prepend=0).astype(np.uint32)  # modulo 2³²
    planes = steps.astype("<u4")[..., None].view(np.uint8).reshape(4, -1, 4).transpose(0, 2, 1)
    return zlib.compress(np.ascontiguousarray(planes).tobytes(), 9)
