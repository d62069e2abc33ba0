"""Compiled: one support vector machine from any start, slowly but surely.

Sequential minimal optimisation with second-order working sets (Fan, Chen and Lin 2005), in the
signed coefficients of :mod:`lalbench.oracle.svm_lanes`, brings the active set close; the active-set
iteration then ends at the optimum. Where that one does not apply, as with duplicate rows or with
every coefficient at a bound, the pairs go on to the tolerance by themselves.

Where the bounds of both classes have equal sums, all coefficients may be at their bounds up to the
rounding of these sums. LIBSVM's bias then depends on which coefficient the rounding leaves inside,
hence on the order of its steps. So pairs are chosen as it chooses them: first class first, the last
among equals, from β = 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lalbench.jit import jit
from lalbench.oracle.svm_lanes import KKT, solve_lanes
from lalbench.oracle.svm_vectors import LANES

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_STAGES = (1e-1, 1e-2, 1e-5, KKT)
_CURVATURE = 1e-12
"""Taken for the curvature along a pair of equal rows, as in LIBSVM."""


@jit()
def solve_one(
    K: FloatArray, y: FloatArray, lo: FloatArray, hi: FloatArray, beta: FloatArray, work: int
) -> tuple[float, bool]:
    """Solves one machine of n coefficients, starting from a feasible ``beta``.

    Args:
        K: (n, n) kernel matrix.
        y: (n,) -1.0 or 1.0.
        lo: (n,) lower bounds.
        hi: (n,) upper bounds.
        beta: (n,) start with lo ≤ beta ≤ hi and sum 0; overwritten by the solution.
        work: updates of a gradient's entry after which to give up.

    Returns:
        the bias, and whether the solution satisfies the optimality conditions.
    """
    n = len(y)
    gradient = np.empty(n)
    lanes, state, found = np.empty((n, n, LANES)), np.empty((n, LANES)), np.empty((n, LANES))
    bias, solved = np.empty(LANES), np.empty(LANES, np.bool_)
    columns = _repeat(y), _repeat(lo), _repeat(hi)
    for i in range(n):
        lanes[i] = _repeat(K[i])
    scale = 0.0
    for i in range(n):
        scale += K[i, i] * max(hi[i], -lo[i])
    floor = 16 * np.finfo(np.float64).eps * scale
    converged = False
    for tolerance in _STAGES:
        converged = _pairs(K, y, lo, hi, beta, gradient, max(tolerance, floor), work)
        if not converged:
            break
        for i in range(n):
            state[i] = -1.0 if beta[i] <= lo[i] else (1.0 if beta[i] >= hi[i] else 0.0)
        solve_lanes(lanes, columns[0], columns[1], columns[2], state, found, bias, solved)
        if solved[0]:
            beta[:] = found[:, 0]
            return bias[0], True
    return _bias(lo, hi, beta, gradient), converged


@jit()
def _repeat(values: FloatArray) -> FloatArray:
    """(n, LANES) the same values in every lane."""
    found = np.empty((len(values), LANES))
    for i in range(len(values)):
        found[i] = values[i]
    return found


@jit()
def _pairs(
    K: FloatArray,
    y: FloatArray,
    lo: FloatArray,
    hi: FloatArray,
    beta: FloatArray,
    gradient: FloatArray,
    tolerance: float,
    work: int,
) -> bool:
    """Improves pairs of coefficients until no pair violates the conditions by ``tolerance``.

    ``gradient`` becomes Kβ − y. Returns False after too many pairs.
    """
    n = len(y)
    for i in range(n):
        gradient[i] = -y[i]
    for j in range(n):
        if beta[j] != 0.0:
            for i in range(n):
                gradient[i] += K[j, i] * beta[j]
    order = np.append(np.flatnonzero(y > 0.0), np.flatnonzero(y < 0.0))
    for _ in range(work // n):
        first, second, gap = _select(K, lo, hi, beta, gradient, order)
        if second < 0 or gap < tolerance:
            return True
        old_first, old_second = beta[first], beta[second]
        total = old_first + old_second
        curvature = K[first, first] + K[second, second] - 2.0 * K[first, second]
        step = (gradient[second] - gradient[first]) / max(curvature, _CURVATURE)
        up, down = hi[first] - old_first, old_second - lo[second]
        if step >= up and up <= down:
            beta[first], beta[second] = hi[first], total - hi[first]
        elif step >= down:
            beta[first], beta[second] = total - lo[second], lo[second]
        else:
            beta[first], beta[second] = old_first + step, old_second - step
        up, down = beta[first] - old_first, beta[second] - old_second
        for i in range(n):
            gradient[i] += up * K[first, i] + down * K[second, i]
    return False


@jit()
def _select(
    K: FloatArray,
    lo: FloatArray,
    hi: FloatArray,
    beta: FloatArray,
    gradient: FloatArray,
    order: IntArray,
) -> tuple[int, int, float]:
    """The pair to improve, the last among equals (second: -1 for none), and the violation."""
    first, lowest = -1, np.inf
    for i in order:
        if beta[i] < hi[i] and gradient[i] <= lowest:
            first, lowest = i, gradient[i]
    second, largest, gain = -1, -np.inf, 0.0
    for j in order:
        if beta[j] > lo[j]:
            largest = max(largest, gradient[j])
            slope = gradient[j] - lowest
            if slope > 0.0:
                curvature = K[first, first] + K[j, j] - 2.0 * K[first, j]
                better = slope * slope / max(curvature, _CURVATURE)
                if better >= gain:
                    second, gain = j, better
    return first, second, largest - lowest


@jit()
def _bias(lo: FloatArray, hi: FloatArray, beta: FloatArray, gradient: FloatArray) -> float:
    """LIBSVM's: the mean over free coefficients, else the middle of the possible values."""
    total, count = 0.0, 0
    least, most = -np.inf, np.inf
    for i in range(len(beta)):
        inside_up, inside_down = beta[i] < hi[i], beta[i] > lo[i]
        if inside_up and inside_down:
            total -= gradient[i]
            count += 1
        if inside_up:
            least = max(least, -gradient[i])
        if inside_down:
            most = min(most, -gradient[i])
    return total / count if count else (least + most) / 2
