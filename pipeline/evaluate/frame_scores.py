"""All seven scores of one frame in one call, the work they have in common done once.

Conventions
-----------
As in `metrics`, whose functions do the work: the numbers are theirs to the last digit. Keys are those of the score
table (`score_table.METRICS`): nss, auc_judd, sauc, cc, sim, kld, ig.
"""

from __future__ import annotations

from pipeline.evaluate import metrics
from pipeline.evaluate.checks import CountsLike, MapLike, checked_counts, checked_map


def score_frame(
    saliency: MapLike,
    fixations: CountsLike,
    density: MapLike | None = None,
    negatives: CountsLike | None = None,
    baseline: MapLike | None = None,
) -> dict[str, float]:
    """Score a saliency map by every metric that there is ground truth for.

    Each picture is checked once; the map's sum, deviation and order are shared, and so are the density's. What many
    frames have in common, their negatives or baseline, is best checked once outside (`checked_counts`, `checked_map`).

    Parameters
    ----------
    saliency : array_like, shape (height, width)
        Non-negative if a density or a baseline is given.
    fixations : array_like, shape (height, width), integer
        Fixations per pixel: NSS and AUC-Judd.
    density : array_like, shape (height, width), optional
        Fixation density, non-negative: CC, SIM and KLD.
    negatives : array_like, shape (height, width), integer, optional
        Fixations per pixel of other frames or videos: sAUC.
    baseline : array_like, shape (height, width), optional
        Non-negative: information gain.

    Returns
    -------
    scores : dict of str to float
        A metric is absent if what it needs was not given, and NaN where the frame cannot be scored by it: without
        fixations all are NaN. A constant map, one fixation, several on one pixel: as each metric says.

    Raises
    ------
    ValueError
        As the metrics.

    Source
    ------
    See each metric.

    Examples
    --------
    >>> saliency, fixations = [[3, 1, 0], [0, 3, 1], [1, 0, 0]], [[2, 0, 0], [0, 0, 1], [0, 0, 0]]
    >>> {name: round(score, 6) for name, score in score_frame(saliency, fixations, fixations).items()}
    {'nss': 1.154701, 'auc_judd': 0.857143, 'cc': 0.57735, 'sim': 0.444444, 'kld': 0.828302}
    """
    predicted = checked_map(saliency, "saliency")
    hits = checked_counts(fixations, "fixations", predicted.shape)
    scores = {"nss": metrics.nss(predicted, hits), "auc_judd": metrics.auc_judd(predicted, hits)}
    if negatives is not None:
        scores["sauc"] = metrics.sauc(predicted, hits, negatives)
    if density is not None:
        truth = checked_map(density, "density", predicted.shape, lowest=0)
        scores["cc"] = metrics.cc(predicted, truth)
        scores["sim"] = metrics.sim(predicted, truth)
        scores["kld"] = metrics.kld(predicted, truth)
    if baseline is not None:
        scores["ig"] = metrics.information_gain(predicted, hits, baseline)
    return scores
