"""Do the overall rows of a table follow from its category rows? Published tables exist where no weights can.

Conventions
-----------
The overall mean is that of the categories, weighted by their videos (or frames, where the table averages per frame).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.errors import AveError
from pipeline.evaluate.analysis.summary import Table
from pipeline.evaluate.score_table import OVERALL


def discrepancies(table: Table, *, tolerance: float = 1e-9) -> pd.DataFrame:
    """Where the overall row is not what the category rows make together.

    Parameters
    ----------
    table : Table
        Averaged per video or per frame: the weights are the categories' videos or frames. (An average over corpora
        cannot be had from categories; then only the counts are checked.)
    tolerance : float
        In the metric's unit; half a last digit for numbers that were printed.

    Returns
    -------
    DataFrame
        What does not agree, if anything: the columns that name the row, metric, what ("mean", "videos" or "frames"),
        stated, recomputed.
    """
    weight = {"video": "videos", "frame": "frames"}.get(table.average)
    keys = [*(name for name in table.names if name != "scope"), "metric"]
    found = []
    for key, own in table.rows.groupby(keys, sort=False):
        overall, parts = own[own["scope"] == OVERALL], own[own["scope"] != OVERALL]
        remade = {what: float(parts[what].sum()) for what in ("videos", "frames")}
        known = parts.dropna(subset=["mean"])
        if weight and len(known):
            remade["mean"] = float(np.average(known["mean"], weights=known[weight]))
        for what, value in remade.items():
            stated = float(overall[what].iloc[0]) if len(overall) else np.nan
            if not abs(stated - value) <= tolerance:
                found.append({**dict(zip(keys, key, strict=True)), "what": what, "stated": stated, "recomputed": value})
    return pd.DataFrame(found, columns=[*keys, "what", "stated", "recomputed"])


def check_overall(table: Table, *, tolerance: float = 1e-9) -> None:
    """Refuse a table whose overall rows are not what its category rows make together; see `discrepancies`.

    Raises
    ------
    AveError
        With every number that does not agree.
    """
    found = discrepancies(table, tolerance=tolerance)
    if len(found):
        lines = [
            f"{' '.join(map(str, row[:-3]))}: {row[-3]} is {row[-2]:g}, its categories make {row[-1]:g}"
            for row in found.itertuples(index=False, name=None)
        ]
        raise AveError(
            f"{table.title}: {len(lines)} overall numbers do not follow from the categories. {'; '.join(lines)}.",
            remedy="Look for a video without a category, or a category left out of the table.",
            code="overall-differs",
        )
