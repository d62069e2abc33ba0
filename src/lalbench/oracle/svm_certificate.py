"""Compiled: by how much the decisions of a machine's approximate solution may be wrong.

Let (β, b) satisfy lo ≤ β ≤ hi and Σ β = 0, with e = Kβ + b − y, and e of the right sign at the rows
B on a bound. Let r be e of the free rows F, and P the block of the rows F in the inverse of
[[K_FF, 1], [1ᵀ, 0]]. For the difference Δ to the optimum (β*, b*) with function w* the optimality
conditions give

    ‖Δw‖² ≤ Σ_F r_i Δβ_i − Σ_B |e_i| |Δβ_i|,

and since K_FF Δβ_F = (KΔβ)_F − K_FB Δβ_B and Σ Δβ = 0, the first sum is (Pr)ᵀ(KΔβ)_F less a part of
Δβ_B whose factors are below 2u + max|r| for u = √(rᵀPr) ≤ ‖r‖ √‖P‖. So if all |e_i| of B exceed
that, ‖Δw‖ ≤ u. The bias is a root of a monotone function whose jumps move by at most u + max|r|, so
no decision is wrong by more than 2u + max|r| (kernels with k(x, x) = 1; else u times its root).

Kernels between nodes have an error, too, and those of LIBSVM's training are rounded to single
precision: both are added to |r|. ‖P‖ is bounded at the nodes, and between them taken to be no
larger; that part is not proven.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lalbench.jit import jit
from lalbench.oracle.svm_lanes import RBF, kernel
from lalbench.oracle.svm_tableau import Tableau

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

SINGLE = 2.0**-24
"""Relative error of single precision."""
_INSIDE = 1e-3
"""Share of its interval by which some free coefficient must be inside, so that the bias is one."""


@jit()
def reach_of(problem: tuple[Any, ...]) -> float:
    """The largest kernel of a row, candidate or evaluation point with itself."""
    options, itself, inside, place, gammas, beyond = (
        problem[0], problem[2], problem[5], problem[6], problem[7], problem[9],
    )  # fmt: skip
    kind, coef0, degree = options
    if kind == RBF:
        return 1.0
    value = 0.0
    for x in inside:
        value = max(value, itself[x])
    for x in place:
        value = max(value, itself[x] if x >= 0 else 0.0)
    for own in beyond:
        value = max(value, own)
    return kernel(kind, value, gammas.max(), coef0, degree)


@jit()
def doubts_of(
    problem: tuple[Any, ...],
    which: IntArray,
    tableau: Tableau,
    y: FloatArray,
    k: FloatArray,
    beta: FloatArray,
    values: FloatArray,
    norms: FloatArray,
    errors: FloatArray,
    reach: float,
) -> FloatArray:
    """By how much decisions may be wrong.

    Args:
        problem: of a pair (:func:`lalbench.oracle.svm_pairs.vote_pair`).
        which: (c,) numbers of jobs.
        tableau: of the subset.
        y: (p + 1,) targets by position.
        k: (c, p + 2) kernels of their candidates.
        beta: (c, p + 2) coefficients by position, and the bias.
        values: (c, ≥ p + 1) decisions at the rows, Σ β at the position of the bias.
        norms: (c,) bounds of ‖P‖, -1.0 where there is no solution.
        errors: (t,) of kernels between nodes, relative to ``reach``.
        reach: the largest kernel of a point with itself.

    Returns:
        (c,) infinite where that is not known.
    """
    positive, bounds, place = problem[3], problem[4], problem[6]
    n_free, box = tableau[0], tableau[4]
    last = len(y)
    doubts = np.full(len(which), np.inf)
    e, lo, hi = np.zeros(last + 1), np.zeros(last + 1), np.zeros(last + 1)
    lo[:last], hi[:last] = box[0, :last], box[1, :last]
    for a in range(len(which)):
        if norms[a] < 0.0:
            continue
        x = place[which[a]]
        for i in range(last):
            e[i] = values[a, i] - y[i]
        if x >= 0:
            lo[last], hi[last] = (0.0, bounds[x]) if positive[x] else (-bounds[x], 0.0)
            e[last] = beta[a, n_free] - (1.0 if positive[x] else -1.0)
            for i in range(last + 1):
                e[last] += k[a, i] * beta[a, i] if i != n_free else 0.0
        doubts[a] = _doubt(
            n_free, last + (x >= 0), e, a, beta, lo, hi, values[a, n_free], norms[a],
            errors[which[a]] + SINGLE, reach,
        )  # fmt: skip
    return doubts


@jit({"reassoc", "nsz"}, borrows=True)
def _doubt(
    n_free: int,
    n: int,
    e: FloatArray,
    a: int,
    beta: FloatArray,
    lo: FloatArray,
    hi: FloatArray,
    total: float,
    norm: float,
    error: float,
    reach: float,
) -> float:
    """That of machine a; ``error`` is that of kernels, relative to ``reach``."""
    size, squares, largest, least, inside, count = 0.0, 0.0, 0.0, np.inf, 0.0, 0
    for i in range(n):
        if i == n_free:
            continue
        value, low, high = beta[a, i], lo[i], hi[i]
        size += abs(value)
        if low < value < high:
            squares += e[i] * e[i]
            largest = max(largest, abs(e[i]))
            inside = max(inside, min(value - low, high - value) / (high - low))
            count += 1
        else:
            least = min(least, e[i] if value <= low else -e[i])
    rounding = error * size * reach
    u = (np.sqrt(squares) + np.sqrt(count) * rounding) * np.sqrt(norm * reach)
    doubt = 2.0 * u + largest + rounding
    proven = least > doubt and inside > _INSIDE and abs(total) < rounding
    return doubt + rounding if proven else np.inf


@jit({"reassoc", "nsz"}, borrows=True)
def smallest(values: FloatArray, a: int, begin: int) -> float:
    """The smallest size of the values of line ``a`` from column ``begin`` on."""
    found = np.inf
    for c in range(begin, values.shape[1]):
        found = min(found, abs(values[a, c]))
    return found
