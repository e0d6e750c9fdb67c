"""The functions that a protocol scores a prepared frame with: which code, in a sentence, and how it is called.

Conventions
-----------
Each takes a `Frame`, everything at one size, and gives a float, NaN where that code has no number. The first line of
a function's docstring is what a table says of it. Those named `…_drawn` draw from the frame's seeded generator, those
named `…_expected` give the mean over all draws (`EXPECTED` leads from the one to the other).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from pipeline.evaluate import metrics, optional_metrics
from pipeline.evaluate.checks import Counts, Map, checked_counts, checked_map
from pipeline.evaluate.protocol import variants, variants_roc


@dataclass(frozen=True)
class Frame:
    """One frame, ready to be scored; all arrays [row, column] of one size.

    Attributes
    ----------
    saliency : ndarray
    fixations : ndarray, integer
        Counts, or 0 and 1 where the protocol keeps them so.
    negatives : ndarray, integer; None where no metric needs them
    density : ndarray
    baseline : ndarray; None where there is none, and so no information gain
    draw : callable
        (metric) -> Generator, the same for the same seed, stimulus, frame and metric.
    """

    saliency: NDArray
    fixations: NDArray[np.int32]
    negatives: Any
    density: NDArray
    baseline: Any
    draw: Callable[[str], Generator]

    # What the exact metrics share: each picture is looked at once, and the map ordered once for both AUCs.

    @cached_property
    def map(self) -> Map:
        """The saliency map, checked."""
        return checked_map(self.saliency, "saliency")

    @cached_property
    def hits(self) -> Counts:
        """The fixations, checked."""
        return checked_counts(self.fixations, "fixations", self.map.shape)

    @cached_property
    def truth(self) -> Map:
        """The density, checked."""
        return checked_map(self.density, "density", self.map.shape, lowest=0)


Measure = Callable[[Frame], float]


def nss_exact(f: Frame) -> float:
    """mean over all fixations, standard deviation over N"""
    return metrics.nss(f.map, f.hits)


def auc_judd_exact(f: Frame) -> float:
    """exact area by ranks, ties count half"""
    return metrics.auc_judd(f.map, f.hits)


def sauc_exact(f: Frame) -> float:
    """exact area by ranks against all negatives, ties count half"""
    return metrics.sauc(f.map, f.hits, f.negatives)


def cc_exact(f: Frame) -> float:
    """Pearson's correlation in double precision, 0 for a constant map"""
    return metrics.cc(f.map, f.truth)


def sim_exact(f: Frame) -> float:
    """no minimum subtracted"""
    return metrics.sim(f.map, f.truth)


def kld_exact(f: Frame) -> float:
    """eps 2.2e-16, an all-zero map stands for the uniform one"""
    return metrics.kld(f.map, f.truth)


def ig_exact(f: Frame) -> float:
    """no minimum subtracted"""
    return metrics.information_gain(f.map, f.hits, f.baseline)


def nss_matlab(f: Frame) -> float:
    """mean over fixated pixels, standard deviation over N - 1, no score for a constant map"""
    return variants.nss_matlab(f.saliency, f.fixations)


def auc_judd_drawn(f: Frame) -> float:
    """lines between the thresholds at the fixations, after a jitter of 1e-7 that is drawn"""
    return variants_roc.auc_judd_matlab(f.saliency, f.fixations, jitter=f.draw("auc_judd"))


def auc_judd_expected(f: Frame) -> float:
    """lines between the thresholds at the fixations, mean over all jitters"""
    return variants_roc.auc_judd_expected(f.saliency, f.fixations)


def sauc_drawn(f: Frame) -> float:
    """lines between the thresholds 0, 0.1 … 1, mean of 100 splits of as many negatives as fixations"""
    return variants_roc.sauc_matlab(f.saliency, f.fixations, f.negatives, f.draw("sauc"))


def sauc_expected(f: Frame) -> float:
    """lines between the thresholds 0, 0.1 … 1, mean over all splits"""
    return variants_roc.sauc_expected(f.saliency, f.fixations, f.negatives)


def auc_borji_drawn(f: Frame) -> float:
    """lines between the thresholds 0, 0.1 … 1, mean of 100 draws of as many pixels as fixations"""
    return variants_roc.auc_borji_matlab(f.saliency, f.fixations, f.draw("auc_borji"))


def auc_borji_expected(f: Frame) -> float:
    """lines between the thresholds 0, 0.1 … 1, mean over all draws of pixels"""
    return variants_roc.auc_borji_expected(f.saliency, f.fixations)


def cc_matlab(f: Frame) -> float:
    """Pearson's correlation, no score for a constant map"""
    return variants.cc_matlab(f.saliency, f.density)


def sim_matlab(f: Frame) -> float:
    """minimum of both maps subtracted, no score for a constant map"""
    return variants.sim_matlab(f.saliency, f.density)


def kld_matlab(f: Frame) -> float:
    """eps 2.2e-16, an all-zero map stays zero"""
    return variants.kld_matlab(f.saliency, f.density)


def ig_matlab(f: Frame) -> float:
    """minimum of both maps subtracted"""
    return variants.information_gain_matlab(f.saliency, f.fixations, f.baseline)


def nss_float32(f: Frame) -> float:
    """mean over fixated pixels, standard deviation over N - 1, in single precision"""
    return variants.nss_float32(f.saliency, f.fixations)


def auc_judd_off_by_one_drawn(f: Frame) -> float:
    """lines between the thresholds at the fixations, one false positive too many at each, after a jitter of 1e-7"""
    return variants_roc.auc_judd_matlab(f.saliency, f.fixations, jitter=f.draw("auc_judd"), off_by_one=True)


def auc_judd_off_by_one_expected(f: Frame) -> float:
    """lines between the thresholds at the fixations, one false positive too many at each, mean over all jitters"""
    return variants_roc.auc_judd_expected(f.saliency, f.fixations, off_by_one=True)


def cc_float32(f: Frame) -> float:
    """Pearson's correlation in single precision, no score for a constant map"""
    return variants.cc_float32(f.saliency, f.density)


def sim_float32(f: Frame) -> float:
    """minimum of both maps subtracted, in single precision"""
    return variants.sim_float32(f.saliency, f.density)


EXPECTED: dict[Measure, Measure] = {
    auc_judd_drawn: auc_judd_expected,
    auc_judd_off_by_one_drawn: auc_judd_off_by_one_expected,
    sauc_drawn: sauc_expected,
    auc_borji_drawn: auc_borji_expected,
}


def auc_borji_exact(f: Frame) -> float:
    """exact area by ranks against all pixels, ties count half"""
    return optional_metrics.auc_borji(f.map, f.hits)


def emd_exact(f: Frame) -> float:
    """exact, both maps reduced to at most 20 cells a side, in shares of the diagonal"""
    return optional_metrics.emd(f.map, f.truth)


OPTIONAL: dict[str, Measure] = {"auc_borji": auc_borji_exact, "emd": emd_exact}
