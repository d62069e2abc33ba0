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
from numpy.typing import NDArray

from lalbench.jit import jit
from lalbench.oracle.svm_vectors import LANES, subtract_products
from lalbench.vector_math import exp

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

LINEAR, POLY, RBF = 0, 1, 2

MAX_STEPS = 10
KKT = 1e-10
"""Largest violation of the optimality conditions; decisions are of order 1."""

PIVOT = 1e-6
"""A pivot below this share of its diagonal is a singular system, rounded to single precision."""

_FLAGS = {"contract", "reassoc", "nsz"}  # keep NaN and infinity


@jit({"contract"}, borrows=True)
def kernel(kind: int, value: float, gamma: float, coef0: float, degree: int) -> float:
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


@jit({"contract"}, borrows=True)
def kernel_lanes(
    kind: int, values: FloatArray, gammas: FloatArray, coef0: float, degree: int, out: FloatArray
) -> None:
    """``out[l]``: the kernel of training of a value and a γ per lane."""
    if kind == RBF:
        for lane in range(len(out)):
            out[lane] = np.float32(exp(-gammas[lane] * values[lane]))
    else:
        for lane in range(len(out)):
            out[lane] = np.float32(kernel(kind, values[lane], gammas[lane], coef0, degree))


@jit({"contract"}, borrows=True)
def kernel_values(
    kind: int, values: FloatArray, gamma: float, coef0: float, degree: int, out: FloatArray
) -> None:
    """``out[i]``: the kernel of many values at one γ.

    Not in place: where ``out`` is ``values``, no vector instructions are used.
    """
    if kind == RBF:
        for i in range(len(out)):
            out[i] = exp(-gamma * values[i])
    else:
        for i in range(len(out)):
            out[i] = kernel(kind, values[i], gamma, coef0, degree)


@jit(_FLAGS)
def _factorise(A: FloatArray, n: int, singular: FloatArray) -> None:
    """Cholesky factors in the lower triangles of A (N, N, LANES), n ≤ N, with inverse diagonals."""
    width = A.shape[1]
    for j in range(n):
        for lane in range(LANES):
            singular[n, lane] = PIVOT * A[j, j, lane]
        for i in range(j, n):
            subtract_products(A, i * width + j, A, i * width, A, j * width, j)
        for lane in range(LANES):
            bad = A[j, j, lane] <= singular[n, lane]
            singular[j, lane] = 1.0 if bad else 0.0
            A[j, j, lane] = 1.0 / np.sqrt(1.0 if bad else A[j, j, lane])
        for i in range(j + 1, n):
            for lane in range(LANES):
                A[i, j, lane] *= A[j, j, lane]


@jit(_FLAGS)
def _forward_back(A: FloatArray, n: int, x: FloatArray) -> None:
    """Solves A x = x in place with the factors of :func:`_factorise`."""
    width = A.shape[1]
    for i in range(n):
        subtract_products(x, i, A, i * width, x, 0, i)
        for lane in range(LANES):
            x[i, lane] *= A[i, i, lane]
    for i in range(n - 1, -1, -1):
        for lane in range(LANES):
            x[i, lane] *= A[i, i, lane]
        for j in range(i):
            for lane in range(LANES):
                x[j, lane] -= A[i, j, lane] * x[i, lane]


@jit(_FLAGS)
def _fill_system(
    K: FloatArray,
    y: FloatArray,
    beta: FloatArray,
    state: FloatArray,
    free: IntArray,
    A: FloatArray,
    ones: FloatArray,
    right: FloatArray,
) -> None:
    """The system of the free coefficients, with a row of the identity where one is not free."""
    n = len(free)
    for r in range(n):
        i = free[r]
        for lane in range(LANES):
            right[r, lane] = y[i, lane]
            ones[r, lane] = 1.0 if state[i, lane] == 0.0 else 0.0
        subtract_products(right, r, K, i * len(y), beta, 0, len(y))
        for lane in range(LANES):
            right[r, lane] *= ones[r, lane]
        for c in range(r):
            j = free[c]
            for lane in range(LANES):
                A[r, c, lane] = K[i, j, lane] * ones[r, lane] * ones[c, lane]
        for lane in range(LANES):
            A[r, r, lane] = K[i, i, lane] if ones[r, lane] == 1.0 else 1.0


@jit(_FLAGS)
def _solve_free(
    K: FloatArray,
    y: FloatArray,
    beta: FloatArray,
    bias: FloatArray,
    state: FloatArray,
    free: IntArray,
    A: FloatArray,
    work: FloatArray,
    singular: FloatArray,
) -> None:
    """Solves e = 0 on the free coefficients of every lane, the others staying as in ``beta``."""
    n, ones, right = len(free), work[0], work[1]
    total, weight = work[2, 0], work[2, 1]
    total[:] = 0.0
    weight[:] = 0.0
    for i in range(len(y)):
        for lane in range(LANES):
            total[lane] += beta[i, lane]
    _fill_system(K, y, beta, state, free, A, ones, right)
    _factorise(A, n, singular)
    _forward_back(A, n, ones)
    _forward_back(A, n, right)
    for r in range(n):
        for lane in range(LANES):
            total[lane] += right[r, lane]
            weight[lane] += ones[r, lane]
    for lane in range(LANES):
        bias[lane] = total[lane] / weight[lane]
    for r in range(n):
        i = free[r]
        for lane in range(LANES):
            value = right[r, lane] - bias[lane] * ones[r, lane]
            beta[i, lane] = value if state[i, lane] == 0.0 else beta[i, lane]


@jit(_FLAGS)
def _correct(
    lo: FloatArray,
    hi: FloatArray,
    beta: FloatArray,
    state: FloatArray,
    error: FloatArray,
    changes: FloatArray,
    off: FloatArray,
) -> None:
    """Corrects the guessed states from ``error`` = −e; ``changes`` counts per lane.

    ``off[0]``: the largest |e| of a free coefficient. ``off[1]``: how many lie inside the bounds.
    """
    changes[:] = 0.0
    off[:] = 0.0
    for i in range(len(beta)):
        for lane in range(LANES):
            value, e, old = beta[i, lane], -error[i, lane], state[i, lane]
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


@jit()
def solve_lanes(
    K: FloatArray,
    y: FloatArray,
    lo: FloatArray,
    hi: FloatArray,
    state: FloatArray,
    beta: FloatArray,
    bias: FloatArray,
    solved: BoolArray,
    steps: int = MAX_STEPS,
) -> None:
    """Solves LANES machines of n coefficients from guessed states.

    Args:
        K: (n, n, LANES) float64 kernel matrices.
        y: (n, LANES) -1.0 or 1.0.
        lo: (n, LANES) lower bounds.
        hi: (n, LANES) upper bounds.
        state: (n, LANES) -1.0 (at lo), 0.0 (free) or 1.0 (at hi); corrected in place.
        beta: (n, LANES) out, coefficients.
        bias: (LANES,) out.
        solved: (LANES,) bool out; a lane that is not solved holds nothing of use.
        steps: of the iteration, at most.
    """
    n = len(beta)
    A = np.empty((n, n, LANES))
    work = np.empty((3, max(n, 2), LANES))
    error, singular = np.empty((n, LANES)), np.empty((n + 1, LANES))
    changes, off = np.empty(LANES), np.empty((2, LANES))
    failed = np.zeros(LANES, dtype=np.bool_)
    solved[:] = False
    for _ in range(steps):
        free = _sort(lo, hi, state, beta, failed)
        if len(free) == 0:
            break
        _solve_free(K, y, beta, bias, state, free, A, work, singular)
        for i in range(n):
            for lane in range(LANES):
                error[i, lane] = y[i, lane] - bias[lane]
            subtract_products(error, i, K, i * n, beta, 0, n)
        for r in range(len(free)):
            for lane in range(LANES):
                failed[lane] |= singular[r, lane] != 0.0
        _correct(lo, hi, beta, state, error, changes, off)
        if _all_done(bias, changes, off, solved, failed):
            break


@jit()
def _all_done(
    bias: FloatArray, changes: FloatArray, off: FloatArray, solved: BoolArray, failed: BoolArray
) -> bool:
    """Notes which lanes are solved and which have failed."""
    n_open = 0
    for lane in range(LANES):
        # these comparisons are false for what is not a number
        right = off[0, lane] <= KKT and off[1, lane] > 0 and abs(bias[lane]) < np.inf
        solved[lane] = changes[lane] == 0 and right and not failed[lane]
        failed[lane] |= changes[lane] == 0 and not solved[lane]
        n_open += not (solved[lane] or failed[lane])
    return n_open == 0


@jit()
def _sort(
    lo: FloatArray, hi: FloatArray, state: FloatArray, beta: FloatArray, failed: BoolArray
) -> IntArray:
    """Rows that are free in some lane. Sets ``beta`` to the bounds, and 0 where free."""
    free = np.empty(len(beta), np.int64)
    n_free = 0
    for i in range(len(beta)):
        count = 0
        for lane in range(LANES):
            s = state[i, lane]
            beta[i, lane] = lo[i, lane] if s < 0.0 else (hi[i, lane] if s > 0.0 else 0.0)
            count += s == 0.0 and not failed[lane]
        if count:
            free[n_free] = i
            n_free += 1
    return free[:n_free]
