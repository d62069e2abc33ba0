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
_NEAR = 1e-2
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
def states_near(K: FloatArray, y: FloatArray, lo: FloatArray, hi: FloatArray) -> FloatArray:
    """(n,) states -1.0 (at lo), 0.0 or 1.0 (at hi) near the optimum; arguments of solve_one."""
    beta, gradient, state = np.zeros(len(y)), np.empty(len(y)), np.empty(len(y))
    _pairs(K, y, lo, hi, beta, gradient, _NEAR, 100 * len(y) ** 2)
    for i in range(len(y)):
        state[i] = -1.0 if beta[i] <= lo[i] else (1.0 if beta[i] >= hi[i] else 0.0)
    return state


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
    order = np.append(np.flatnonzero(y > 0.0), np.flatnonzero(y < 0.0))
    K, lo, hi, diagonal = K[order][:, order], lo[order], hi[order], np.diag(K)[order]
    values, slopes, gains = beta[order], -y[order], np.empty(n)
    for j in range(n):
        if values[j] != 0.0:
            _step(slopes, values[j], j, 0.0, j, K)
    done = False
    for _ in range(work // n):
        first, second, gap = _select(K, diagonal, lo, hi, values, slopes, gains)
        if second < 0 or gap < tolerance:
            done = True
            break
        old_first, old_second = values[first], values[second]
        total = old_first + old_second
        curvature = diagonal[first] + diagonal[second] - 2.0 * K[first, second]
        step = (slopes[second] - slopes[first]) / max(curvature, _CURVATURE)
        up, down = hi[first] - old_first, old_second - lo[second]
        if step >= up and up <= down:
            values[first], values[second] = hi[first], total - hi[first]
        elif step >= down:
            values[first], values[second] = total - lo[second], lo[second]
        else:
            values[first], values[second] = old_first + step, old_second - step
        _step(slopes, values[first] - old_first, first, values[second] - old_second, second, K)
    beta[order], gradient[order] = values, slopes
    return done


@jit({"contract"}, borrows=True)
def _step(
    slopes: FloatArray, up: float, first: int, down: float, second: int, K: FloatArray
) -> None:
    for i in range(len(slopes)):
        slopes[i] += up * K[first, i] + down * K[second, i]


@jit({"nnan", "nsz"}, borrows=True)
def _select(
    K: FloatArray,
    diagonal: FloatArray,
    lo: FloatArray,
    hi: FloatArray,
    beta: FloatArray,
    gradient: FloatArray,
    gains: FloatArray,
) -> tuple[int, int, float]:
    """The pair to improve, the last among equals (second: -1 for none), and the violation."""
    n = len(beta)
    lowest, largest, most = np.inf, -np.inf, 0.0
    for i in range(n):
        lowest = min(lowest, gradient[i] if beta[i] < hi[i] else np.inf)
        largest = max(largest, gradient[i] if beta[i] > lo[i] else -np.inf)
    first = n - 1
    while first > 0 and not (beta[first] < hi[first] and gradient[first] == lowest):
        first -= 1
    own = diagonal[first]
    for j in range(n):
        slope = max(gradient[j] - lowest, 0.0) if beta[j] > lo[j] else 0.0
        gains[j] = slope * slope / max(own + diagonal[j] - 2.0 * K[first, j], _CURVATURE)
        most = max(most, gains[j])
    if not most > 0.0:
        return first, -1, largest - lowest
    second = n - 1
    while second > 0 and gains[second] != most:
        second -= 1
    return first, second, largest - lowest


@jit(borrows=True)
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
