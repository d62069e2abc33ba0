"""Compiled: many small support vector machines side by side, one per lane.

In terms of the signed coefficients β_i = y_i α_i the dual of the support vector machine is

    minimise ½ βᵀKβ − yᵀβ  subject to  Σ β_i = 0,  lo_i ≤ β_i ≤ hi_i,

with (lo, hi) = (0, C_i) for y_i = +1 and (−C_i, 0) for y_i = −1. With the bias b as the multiplier
of the equality, β is optimal where e = Kβ + b − y is ≥ 0 at lo, ≤ 0 at hi and 0 in between.

The active-set iteration (Hintermüller, Ito and Kunisch 2002) guesses which coefficients are at a
bound, solves the linear system of the others and corrects the guess from the signs. From a
neighbour's solution it ends after a few steps, and its end is the optimum up to rounding. It may
also cycle or meet a singular system: such a lane is reported as not solved.

LIBSVM stores the kernel matrix of training in single precision (not that of predictions), which
moves decisions by up to 1e-6; :func:`kernel_lanes` rounds as it does.

The last axis of all arrays runs over the lanes: every loop over it is one vector instruction after
another, whatever the lanes' active sets.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from lalbench.oracle.vector_math import exp

LINEAR, POLY, RBF = 0, 1, 2

MAX_STEPS = 10
KKT = 1e-10
"""Largest violation of the optimality conditions; decisions are of order 1."""

_PIVOT = 1e-6
"""A pivot below this share of its diagonal is a singular system, rounded to single precision."""

_LANES = {"contract", "reassoc", "nsz"}  # keep NaN and infinity


@njit(cache=True, fastmath={"contract"}, error_model="numpy")
def kernel(kind, value, gamma, coef0, degree):
    """The kernel of a squared distance (RBF) or an inner product (linear, polynomial)."""
    if kind == RBF:
        return exp(-gamma * value)
    if kind == LINEAR:
        return value
    base = gamma * value + coef0
    found = 1.0
    for _ in range(degree):
        found *= base
    return found


@njit(cache=True, fastmath={"contract"}, error_model="numpy")
def kernel_lanes(kind, values, gammas, coef0, degree, out):
    """``out[l]``: the kernel of training of a value and a γ per lane."""
    if kind == RBF:
        for lane in range(len(out)):
            out[lane] = np.float32(exp(-gammas[lane] * values[lane]))
    else:
        for lane in range(len(out)):
            out[lane] = np.float32(kernel(kind, values[lane], gammas[lane], coef0, degree))


@njit(cache=True, fastmath={"contract"}, error_model="numpy")
def kernel_values(kind, values, gamma, coef0, degree, out):
    """``out[i]``: the kernel of many values at one γ."""
    if kind == RBF:
        for i in range(len(out)):
            out[i] = exp(-gamma * values[i])
    else:
        for i in range(len(out)):
            out[i] = kernel(kind, values[i], gamma, coef0, degree)


@njit(cache=True, fastmath=_LANES, error_model="numpy")
def _subtract_product(out, left, right, n):
    """``out[l] -= Σ_{k<n} left[k, l] right[k, l]``, four at a time to spare loads of ``out``."""
    width = len(out)
    k = 0
    while k + 4 <= n:
        a0, a1, a2, a3 = left[k], left[k + 1], left[k + 2], left[k + 3]
        b0, b1, b2, b3 = right[k], right[k + 1], right[k + 2], right[k + 3]
        for lane in range(width):
            out[lane] -= (
                a0[lane] * b0[lane]
                + a1[lane] * b1[lane]
                + a2[lane] * b2[lane]
                + a3[lane] * b3[lane]
            )
        k += 4
    while k < n:
        a, b = left[k], right[k]
        for lane in range(width):
            out[lane] -= a[lane] * b[lane]
        k += 1


@njit(cache=True, fastmath=_LANES, error_model="numpy")
def _factorise(A, n, singular):
    """Cholesky factors in the lower triangles of A (n, n, W), with inverse diagonals."""
    width = A.shape[2]
    for j in range(n):
        pivot = A[j, j]
        for lane in range(width):
            singular[n, lane] = _PIVOT * pivot[lane]
        for i in range(j, n):
            _subtract_product(A[i, j], A[i], A[j], j)
        for lane in range(width):
            bad = pivot[lane] <= singular[n, lane]
            singular[j, lane] = 1.0 if bad else 0.0
            pivot[lane] = 1.0 / np.sqrt(1.0 if bad else pivot[lane])
        for i in range(j + 1, n):
            row = A[i, j]
            for lane in range(width):
                row[lane] *= pivot[lane]


@njit(cache=True, fastmath=_LANES, error_model="numpy")
def _forward_back(A, n, x):
    """Solves A x = x in place with the factors of :func:`_factorise`."""
    width = A.shape[2]
    for i in range(n):
        _subtract_product(x[i], A[i], x, i)
        for lane in range(width):
            x[i, lane] *= A[i, i, lane]
    for i in range(n - 1, -1, -1):
        for lane in range(width):
            x[i, lane] *= A[i, i, lane]
        for j in range(i):
            a, b, out = A[i, j], x[i], x[j]
            for lane in range(width):
                out[lane] -= a[lane] * b[lane]


@njit(cache=True, fastmath=_LANES, error_model="numpy")
def _subtract_kernel(K, rows, columns, beta, out):
    """``out[r] -= Σ_c K[rows[r], columns[c]] beta[columns[c]]`` of the lower triangle K."""
    width = K.shape[2]
    for r in range(len(rows)):
        i, target = rows[r], out[r]
        for c in range(len(columns)):
            j = columns[c]
            a, b = K[max(i, j), min(i, j)], beta[j]
            for lane in range(width):
                target[lane] -= a[lane] * b[lane]


@njit(cache=True, fastmath=_LANES, error_model="numpy")
def _solve_free(K, y, beta, bias, state, free, fixed, A, work, singular):
    """Solves e = 0 on the free coefficients of every lane, the others staying as in ``beta``."""
    n, width = len(free), K.shape[2]
    ones, right = work[0], work[1]
    for r in range(n):
        i = free[r]
        for lane in range(width):
            right[r, lane] = y[i, lane]
            ones[r, lane] = 1.0 if state[i, lane] == 0.0 else 0.0
        for c in range(r):
            j = free[c]
            for lane in range(width):
                A[r, c, lane] = K[i, j, lane] * ones[r, lane] * ones[c, lane]
        for lane in range(width):
            A[r, r, lane] = K[i, i, lane] if ones[r, lane] == 1.0 else 1.0
    _subtract_kernel(K, free, fixed, beta, right)
    for r in range(n):
        for lane in range(width):
            right[r, lane] *= ones[r, lane]
    _factorise(A, n, singular)
    _forward_back(A, n, ones)
    _forward_back(A, n, right)
    total, weight = work[2, 0], work[2, 1]
    total[:] = 0.0
    weight[:] = 0.0
    for i in fixed:
        for lane in range(width):
            total[lane] += beta[i, lane]
    for r in range(n):
        for lane in range(width):
            total[lane] += right[r, lane]
            weight[lane] += ones[r, lane]
    for lane in range(width):
        bias[lane] = total[lane] / weight[lane]
    for r in range(n):
        i = free[r]
        for lane in range(width):
            if state[i, lane] == 0.0:
                beta[i, lane] = right[r, lane] - bias[lane] * ones[r, lane]


@njit(cache=True, fastmath=_LANES, error_model="numpy")
def _correct(lo, hi, beta, state, error, changes, off):
    """Corrects the guessed states; counts changes, and in ``off`` what a solution may not have.

    ``off[0]``: the largest |e| of a free coefficient. ``off[1]``: how many lie inside the bounds.
    """
    n, width = beta.shape
    changes[:] = 0.0
    off[:] = 0.0
    for i in range(n):
        for lane in range(width):
            value, e, old = beta[i, lane], error[i, lane], state[i, lane]
            low, high = lo[i, lane], hi[i, lane]
            margin = KKT * (high - low)
            inside = old == 0.0 and value > low + margin and value < high - margin
            off[1, lane] += 1.0 if inside else 0.0
            free_error = abs(e) if old == 0.0 else 0.0
            off[0, lane] = max(off[0, lane], free_error)
            new = old
            if old == 0.0:
                new = -1.0 if value < low else (1.0 if value > high else 0.0)
            elif low < high:
                wrong = e < -KKT if old < 0.0 else e > KKT
                new = 0.0 if wrong else old
            state[i, lane] = new
            changes[lane] += 1.0 if new != old else 0.0


@njit(cache=True, error_model="numpy")
def solve_lanes(K, y, lo, hi, state, beta, bias, solved):
    """Solves W machines of n coefficients from guessed states.

    Args:
        K: (n, n, W) float64 kernel matrices, lower triangles.
        y: (n, W) -1.0 or 1.0.
        lo: (n, W) lower bounds.
        hi: (n, W) upper bounds; a row with lo = hi = 0 takes no part.
        state: (n, W) -1.0 (at lo), 0.0 (free) or 1.0 (at hi); corrected in place.
        beta: (n, W) out, coefficients.
        bias: (W,) out.
        solved: (W,) bool out; a lane that is not solved holds nothing of use.
    """
    n, width = beta.shape
    A = np.empty((n, n, width))
    work = np.empty((3, max(n, 2), width))
    error = np.empty((n, width))
    singular = np.empty((n + 1, width))
    changes, off = np.empty(width), np.empty((2, width))
    everything = np.arange(n)
    failed = np.zeros(width, dtype=np.bool_)
    solved[:] = False
    for _ in range(MAX_STEPS):
        free, fixed, both = _sort(lo, hi, state, beta, failed)
        if len(free) == 0:
            break
        _solve_free(K, y, beta, bias, state, free, fixed, A, work, singular)
        for i in range(n):
            for lane in range(width):
                error[i, lane] = y[i, lane] - bias[lane]
        _subtract_kernel(K, everything, both, beta, error)
        for i in range(n):
            for lane in range(width):
                error[i, lane] = -error[i, lane]
        for r in range(len(free)):
            for lane in range(width):
                failed[lane] |= singular[r, lane] != 0.0
        _correct(lo, hi, beta, state, error, changes, off)
        open_lanes = 0
        for lane in range(width):
            # not: also what is not a number
            accurate = off[0, lane] <= KKT and abs(bias[lane]) < np.inf
            solved[lane] = changes[lane] == 0 and not failed[lane] and accurate and off[1, lane] > 0
            failed[lane] |= changes[lane] == 0 and not solved[lane]
            open_lanes += not (solved[lane] or failed[lane])
        if open_lanes == 0:
            break


@njit(cache=True, error_model="numpy")
def _sort(lo, hi, state, beta, failed):
    """Rows that are free in some lane, those fixed at a value ≠ 0 in some lane, and their union.

    Sets ``beta`` to the bounds, and 0 where free.
    """
    n, width = beta.shape
    free, fixed, both = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    n_free = n_fixed = n_both = 0
    for i in range(n):
        total, count = 0.0, 0
        for lane in range(width):
            s = state[i, lane]
            value = lo[i, lane] if s < 0.0 else (hi[i, lane] if s > 0.0 else 0.0)
            beta[i, lane] = value
            total += abs(value)
            count += s == 0.0 and not failed[lane]
        if count:
            free[n_free] = i
            n_free += 1
        if total > 0.0:
            fixed[n_fixed] = i
            n_fixed += 1
        if count or total > 0.0:
            both[n_both] = i
            n_both += 1
    return free[:n_free], fixed[:n_fixed], both[:n_both]
