"""One two-class logistic regression to be refitted with one more row each: its solution, compiled.

With signed rows x_i (features and a last 1, times the target ±1), weights s_i, margins m_i = x_i·θ
and q_i = 1 / (1 + exp m_i) the objective and its derivatives are

    F = Σ s_i log(1 + exp(-m_i)) + ½ Σ λ_j θ_j²,   ∇F = λθ - Σ s_i q_i x_i,
    ∇²F = Σ s_i q_i (1 - q_i) x_i x_iᵀ + diag λ = UᵀU.

Everything here is compiled code that a kernel calls; nothing of it raises.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lalbench.jit import jit
from lalbench.vector_math import exp

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

CLOSE = 0.05
"""Newton decrement at which the refits take over: the steps to come correct the base as well."""
_MOVE = 0.5
"""Largest change of a margin in the step to come, beyond which the curvature there is another."""
_STEPS = 60
_BLOCK = 32
"""Rows of a factor at a time; what larger factors have outside of them is matrix products."""
_DEPENDENT = 1e-13
"""Squared distance from the span of the rows before, relative to the largest squared norm, below
which a row is a combination of them; what is dropped is of the size of rounding."""

# Sums may be reordered and fused; NaN and infinity keep their meaning.
_FLAGS = {"contract", "reassoc", "nsz"}


@jit(_FLAGS)
def _subtract(target: FloatArray, factors: FloatArray, rows: FloatArray, first: int) -> None:
    """``target`` less the sum of factors times rows, from column ``first`` on.

    Four rows at a time: a value of the target is read and written once for each four products.
    """
    count, size = len(factors), len(target)
    whole = count - count % 4
    for k in range(0, whole, 4):
        f0, f1, f2, f3 = factors[k], factors[k + 1], factors[k + 2], factors[k + 3]
        r0, r1, r2, r3 = rows[k], rows[k + 1], rows[k + 2], rows[k + 3]
        for i in range(first, size):
            target[i] -= f0 * r0[i] + f1 * r1[i] + f2 * r2[i] + f3 * r3[i]
    for k in range(whole, count):
        factor, row = factors[k], rows[k]
        for i in range(first, size):
            target[i] -= factor * row[i]


@jit(_FLAGS)
def cholesky(matrix: FloatArray) -> bool:
    """Overwrites the upper triangle of (D, D) with U, UᵀU = matrix; False if not positive."""
    size = len(matrix)
    factors = np.empty(_BLOCK)
    for first in range(0, size, _BLOCK):
        last = min(first + _BLOCK, size)
        panel = matrix[first:last, first:].copy()
        if first > 0:  # a matrix product: what is above leaves the panel
            above = np.ascontiguousarray(matrix[:first, first:])
            panel -= np.dot(np.ascontiguousarray(above[:, : last - first].T), above)
        for j in range(last - first):
            for k in range(j):
                factors[k] = panel[k, j]
            _subtract(panel[j], factors[:j], panel, j)
            pivot = panel[j, j]
            if not pivot > 0.0:
                return False
            scale = 1.0 / math.sqrt(pivot)
            for k in range(j, size - first):
                panel[j, k] *= scale
        matrix[first:last, first:] = panel
    return True


@jit(_FLAGS)
def inverse_of_upper(upper: FloatArray, found: FloatArray) -> None:
    """Writes U⁻¹ (D, D) of the upper triangle of ``upper``.

    With U = [A B; 0 D] it is [A⁻¹ -A⁻¹ B D⁻¹; 0 D⁻¹]; D grows by blocks from the last corner.
    """
    size = len(upper)
    found[:] = 0.0
    for first in range((size - 1) // _BLOCK * _BLOCK, -1, -_BLOCK):
        last = min(first + _BLOCK, size)
        panel = np.zeros((last - first, size - first))
        if last < size:
            right = np.ascontiguousarray(upper[first:last, last:])
            panel[:, last - first :] = -np.dot(right, np.ascontiguousarray(found[last:, last:]))
        for j in range(last - first - 1, -1, -1):
            panel[j, j] = 1.0
            _subtract(panel[j], upper[first + j, first + j + 1 : last], panel[j + 1 :], j + 1)
            scale = 1.0 / upper[first + j, first + j]
            for k in range(j, size - first):
                panel[j, k] *= scale
        found[first:last, first:] = panel


@jit(_FLAGS)
def solve(
    rows: FloatArray, weights: FloatArray, penalty: FloatArray, theta: FloatArray
) -> tuple[bool, FloatArray, FloatArray, FloatArray, FloatArray]:
    """Newton steps from ``theta`` (D,), in place, until the next one is small.

    Small are its decrement (``CLOSE``) and the changes of margins in it (``_MOVE``).

    A full step must lower F; where it does not, the step is shortened to what is certain to. With
    r = max |x_i·step| the second derivative along the step grows at most like exp(r t), so that the
    first is at most -p + p (exp(r t) - 1) / r, p the promised fall: no overshoot for
    t ≤ log(1 + r) / r (Sun and Tran-Dinh 2019, "Generalized self-concordant functions").

    Args:
        rows: (n, D) signed rows.
        weights: (n,) s.
        penalty: (D,) λ.
        theta: (D,) start.

    Returns:
        success; margins (n,), q (n,), U (D, D) and U⁻ᵀ∇F (D,) at the last θ.
    """
    n, size = rows.shape
    margins, q = np.empty(n), np.empty(n)
    scaled, curved = np.empty((n, size)), np.empty((size, size))
    gradient, trial = np.empty(size), np.empty(size)
    value = _margins(rows, weights, penalty, theta, margins)
    for _ in range(_STEPS):
        for i in range(n):
            q[i] = 1.0 / (1.0 + exp(margins[i]))
        for j in range(size):
            gradient[j] = penalty[j] * theta[j]
        for i in range(n):
            pull, curvature = weights[i] * q[i], weights[i] * q[i] * (1.0 - q[i])
            for j in range(size):
                gradient[j] -= pull * rows[i, j]
                scaled[i, j] = curvature * rows[i, j]
        np.dot(scaled.T, rows, curved)
        for j in range(size):
            curved[j, j] += penalty[j]
        if not cholesky(curved):
            break
        decrement = _forward(curved, gradient)
        _backward(curved, gradient, trial)
        if decrement <= CLOSE * CLOSE and _longest(rows, trial) <= _MOVE:
            return True, margins, q, curved, gradient
        value = _descend(rows, weights, penalty, theta, margins, trial, value, decrement)
    return False, margins, q, curved, gradient


@jit(_FLAGS)
def _longest(rows: FloatArray, step: FloatArray) -> float:
    """The largest |x_i·step|."""
    changes, found = np.dot(rows, step), 0.0
    for i in range(len(changes)):
        found = max(found, abs(changes[i]))
    return found


@jit(_FLAGS)
def _margins(
    rows: FloatArray,
    weights: FloatArray,
    penalty: FloatArray,
    theta: FloatArray,
    margins: FloatArray,
) -> float:
    """F; writes the margins."""
    np.dot(rows, theta, margins)
    value = 0.0
    for i in range(len(margins)):
        m = margins[i]
        value += weights[i] * (max(-m, 0.0) + math.log1p(math.exp(-abs(m))))
    for j in range(len(theta)):
        value += 0.5 * penalty[j] * theta[j] * theta[j]
    return value


@jit(_FLAGS)
def _descend(
    rows: FloatArray,
    weights: FloatArray,
    penalty: FloatArray,
    theta: FloatArray,
    margins: FloatArray,
    step: FloatArray,
    value: float,
    decrement: float,
) -> float:
    """θ - step or the certain part of it; returns F there."""
    before = margins.copy()
    for j in range(len(theta)):
        theta[j] -= step[j]
    found = _margins(rows, weights, penalty, theta, margins)
    if found <= value - 1e-4 * decrement:
        return found
    longest = 1e-12
    for i in range(len(margins)):
        longest = max(longest, abs(before[i] - margins[i]))
    back = 1.0 - math.log1p(longest) / longest
    for j in range(len(theta)):
        theta[j] += back * step[j]
    return _margins(rows, weights, penalty, theta, margins)


@jit(_FLAGS)
def _forward(upper: FloatArray, vector: FloatArray) -> float:
    """Overwrites ``vector`` with U⁻ᵀ vector; returns its squared norm."""
    square = 0.0
    for j in range(len(vector)):
        vector[j] /= upper[j, j]
        square += vector[j] * vector[j]
        for k in range(j + 1, len(vector)):
            vector[k] -= vector[j] * upper[j, k]
    return square


@jit(_FLAGS)
def _backward(upper: FloatArray, vector: FloatArray, found: FloatArray) -> None:
    """Writes U⁻¹ vector."""
    for j in range(len(vector) - 1, -1, -1):
        total = vector[j]
        for k in range(j + 1, len(vector)):
            total -= upper[j, k] * found[k]
        found[j] = total / upper[j, j]


@jit(_FLAGS)
def span(gram: FloatArray) -> tuple[FloatArray, IntArray]:
    """Coordinates of n rows in an orthonormal basis of their span, from their inner products.

    Cholesky's factorisation with the largest remaining diagonal entry as pivot; what remains when
    it stops is positive semidefinite, so that no entry of it is larger than the dropped diagonal.

    Args:
        gram: (n, n) inner products; overwritten.

    Returns:
        (n, r) coordinates and the r rows that span the others, (r,) in order of elimination:
        coordinates of the first is a multiple of the first unit vector, and so on.
    """
    n = len(gram)
    transposed, pivots = np.empty((n, n)), np.empty(n, np.int64)
    left, factors = np.empty(n), np.empty(n)
    for i in range(n):
        left[i] = gram[i, i]
    threshold = _DEPENDENT * max(left.max(), 1e-300)
    rank = 0
    while rank < n:
        pivot = int(left.argmax())
        if not left[pivot] > threshold:
            break
        pivots[rank] = pivot
        row = transposed[rank]
        row[:] = gram[pivot]
        for k in range(rank):
            factors[k] = transposed[k, pivot]
        _subtract(row, factors[:rank], transposed, 0)
        scale = 1.0 / math.sqrt(row[pivot]) if row[pivot] > 0.0 else 0.0
        for i in range(n):
            row[i] *= scale
            left[i] -= row[i] * row[i]
        for k in range(rank):  # the rows before lie in the span of the basis before
            row[pivots[k]] = 0.0
        left[pivot] = -1.0
        rank += 1
    return np.ascontiguousarray(transposed[:rank].T), pivots[:rank].copy()


@jit(_FLAGS)
def project(coordinates: FloatArray, pivots: IntArray, products: FloatArray) -> FloatArray:
    """(r, m) coordinates of other points in the basis of :func:`span`.

    Args:
        coordinates: (n, r) of the rows.
        pivots: (r,) rows that span the others.
        products: (n, m) inner products of the rows with the points.
    """
    rank, m = len(pivots), products.shape[1]
    found = np.empty((rank, m))
    for j in range(rank):
        own = coordinates[pivots[j]]
        found[j] = products[pivots[j]]
        _subtract(found[j], own[:j], found, 0)
        scale = 1.0 / own[j]
        for i in range(m):
            found[j, i] *= scale
    return found
