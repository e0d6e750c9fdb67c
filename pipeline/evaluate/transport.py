"""The cheapest way to carry one distribution into another: an exact transport plan, and the proof that it is one.

Conventions
-----------
Distributions are float64 [n] over the same n places, non-negative, of the same sum; places are [n, d] and the cost of a
unit of mass is the straight line. A straight line is never longer than a way round, so what both have in common stays.

How
---
A linear programme over all pairs (place with too much, place with too little) has too many unknowns to be quick, and
next to none of them are used. It is solved over few pairs; then its shadow prices tell which of the others would make
the plan cheaper, the best of those join, and so on. Once there are none the plan is the cheapest over all pairs: by
duality, its cost is what the prices say every plan must cost (column generation, Dantzig & Wolfe 1960).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csc_array

Floats = NDArray[np.float64]

START, JOIN = 30, 8  # pairs of a place at first, and that join at a time; others were no quicker
TOLERANCE = 1e-10  # HiGHS has none finer: of prices in picture diagonals, and of masses whose mean is 1
ROUNDING = 1e-14  # less mass than this is the last digit of a division


def transport_cost(p: Floats, q: Floats, places: Floats) -> float:
    """What carrying p into q costs at least, in units of `places` times mass.

    Raises
    ------
    RuntimeError
        If the linear programme is not solved. It always has a solution.

    Examples
    --------
    One share moves by 2, one by 1 in passing on what stays.

    >>> line = np.array([[0.0], [1.0], [2.0]])
    >>> float(round(transport_cost(np.array([0.5, 0.5, 0.0]), np.array([0.0, 0.5, 0.5]), line), 6))
    1.0
    """
    over, under = np.maximum(p - q, 0), np.maximum(q - p, 0)
    sources, sinks = np.flatnonzero(over), np.flatnonzero(under)
    moved = float(over.sum())
    if moved < ROUNDING or not sinks.size:
        return 0.0
    distance = np.sqrt(((places[sources, None] - places[None, sinks]) ** 2).sum(axis=-1))
    # Masses of about 1, and sums alike to the last digit, whatever the programme's tolerance.
    unit = moved / (sources.size + sinks.size)
    supply = over[sources] / unit
    demand = under[sinks] * (supply.sum() / under[sinks].sum())
    return _cheapest(distance, supply, demand) * unit


def _cheapest(distance: Floats, supply: Floats, demand: Floats) -> float:
    use = _best_of(distance, START)
    use[_staircase(supply, demand)] = True  # a plan that carries everything, if not well
    while True:
        pairs = np.nonzero(use)
        cost, source_price, sink_price = _solve(distance[pairs], pairs, supply, demand)
        gain = distance - source_price[:, None] - sink_price
        cheaper = (gain < -TOLERANCE) & ~use
        if not cheaper.any():
            return cost
        use |= cheaper & _best_of(np.where(use, np.inf, gain), JOIN)


def _solve(
    costs: Floats, pairs: tuple[NDArray[np.intp], ...], supply: Floats, demand: Floats
) -> tuple[float, Floats, Floats]:
    """The cost of the best plan over these pairs, and the price of a unit more at each source and sink."""
    source, sink = pairs
    ends = np.stack([source, supply.size + sink], axis=1).ravel()  # a pair takes from one place, gives to another
    starts = np.arange(0, ends.size + 1, 2)
    carries = csc_array((np.ones(ends.size), ends, starts), shape=(supply.size + demand.size, costs.size))
    # Presolve takes masses thirty powers of ten apart for a contradiction.
    options = {"presolve": False, "primal_feasibility_tolerance": TOLERANCE, "dual_feasibility_tolerance": TOLERANCE}
    found = linprog(costs, A_eq=carries, b_eq=np.concatenate([supply, demand]), method="highs-ds", options=options)
    if found.status != 0:
        raise RuntimeError(f"No transport plan was found: {found.message}")
    prices = found.eqlin.marginals
    return float(found.fun), prices[: supply.size], prices[supply.size :]


def _best_of(cost: Floats, count: int) -> NDArray[np.bool_]:
    """The `count` smallest of every row and of every column."""
    best = np.zeros(cost.shape, dtype=bool)
    for axis in (0, 1):
        count_here = min(count, cost.shape[axis])
        first = np.argpartition(cost, count_here - 1, axis=axis).take(range(count_here), axis=axis)
        np.put_along_axis(best, first, True, axis=axis)
    return best


def _staircase(supply: Floats, demand: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs that carry everything: each source in turn fills the next sinks (the north-west corner rule)."""
    filled, emptied = np.cumsum(demand)[:-1], np.cumsum(supply)[:-1]
    steps = np.concatenate([[0.0], np.sort(np.concatenate([filled, emptied]))])
    return np.searchsorted(emptied, steps, side="right"), np.searchsorted(filled, steps, side="right")
