"""Compiled: the active-set iteration of a machine near its subset's, on the subset's tableau.

A machine with one more row, or another γ, differs from the subset's in few places P. The active-set
iteration of :mod:`lalbench.oracle.svm_lanes` then needs systems of that many unknowns,
T_PP x_P = −z_P, with T and z of :mod:`lalbench.oracle.svm_tableau`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lalbench.jit import jit
from lalbench.oracle.svm_vectors import add_multiple

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MOST = 24
"""Places that may change."""

_STEPS = 8
_FLAGS = {"contract", "reassoc", "nsz"}  # keep NaN and infinity


@jit(borrows=True)
def set_candidate(
    before: FloatArray, box: FloatArray, limits: FloatArray, target: float, bound: float
) -> None:
    """Writes the place of the candidate in a tableau: its target (0.0 for none) and its C."""
    last = len(before) - 1
    before[last] = -target
    box[0, last], box[1, last] = (0.0, bound) if target > 0.0 else (-bound, 0.0)
    limits[0, last] = 0.0 if target > 0.0 else -np.inf
    limits[1, last] = 0.0 if target < 0.0 else np.inf


@jit(borrows=True)
def follow(
    n_free: int,
    lines: FloatArray,
    before: FloatArray,
    box: FloatArray,
    limits: FloatArray,
    a: int,
    shares: FloatArray,
    column: FloatArray,
    start: FloatArray,
    state: FloatArray,
    z: FloatArray,
    places: IntArray,
    x: FloatArray,
    columns: FloatArray,
    system: FloatArray,
) -> int:
    """The active-set iteration.

    Args:
        n_free, lines, before, box, limits: the tableau, with :func:`set_candidate`.
        a: number of the machine.
        shares: (c, J) of the nodes in the interpolated T.
        column: (c, width) the candidate's of T.
        start: (c, width) z₀.
        state: (p + 2,) out, states at the solution.
        z: (width,) out.
        places: (MOST,) out, where the machine may differ from the subset's.
        x: (MOST,) out, x there.
        columns: (MOST, width) out, columns of T there.
        system: (MOST, MOST) overwritten.

    Returns:
        number of places, or -1 where there was no end, or a singular system.
    """
    # one exit, and rows by number: references to arrays are counted, which takes time
    for i in range(len(state)):
        state[i] = before[i]
    for i in range(len(z)):
        z[i] = start[a, i]
    count, steps, done = 0, 0, False
    while not done and count >= 0 and steps < _STEPS:
        steps += 1
        changed = _recheck(before, box, limits, z, x, places, count, state)
        known = count
        if _outside(z, limits) > 0:
            for i in range(len(state)):
                inside = limits[0, i] <= z[i] <= limits[1, i]
                if inside or count == MOST or _among(places, known, i):
                    continue
                state[i] = 0.0 if before[i] != 0.0 else (-1.0 if z[i] < limits[0, i] else 1.0)
                _gather(n_free, lines, a, shares, column, i, len(state) - 1, count, columns)
                places[count] = i
                count += 1
        done = not (changed or count > known)
        if not done and not (
            count < MOST and _solve(before, box, a, start, places, count, state, columns, system, x)
        ):
            count = -1
        if not done:
            _move(a, start, columns, x, count, z)
    return count if done else -1


@jit({"nnan", "nsz"}, borrows=True)
def _outside(z: FloatArray, limits: FloatArray) -> int:
    count = 0
    for i in range(limits.shape[1]):
        count += (z[i] < limits[0, i]) | (z[i] > limits[1, i])
    return count


@jit(borrows=True)
def _among(places: IntArray, count: int, i: int) -> bool:
    found = False
    for a in range(count):
        found |= places[a] == i
    return found


@jit(borrows=True)
def _recheck(
    before: FloatArray,
    box: FloatArray,
    limits: FloatArray,
    z: FloatArray,
    x: FloatArray,
    places: IntArray,
    count: int,
    state: FloatArray,
) -> bool:
    """Corrects the states of the places; whether any changed."""
    changed = False
    for a in range(count):
        i, old = places[a], state[places[a]]
        if old == before[i]:
            if old == 0.0:
                state[i] = -1.0 if z[i] < limits[0, i] else (1.0 if z[i] > limits[1, i] else 0.0)
            else:
                state[i] = 0.0 if z[i] < limits[0, i] or z[i] > limits[1, i] else old
        elif old == 0.0:
            value = x[a] + (box[0, i] if before[i] < 0.0 else box[1, i])
            state[i] = -1.0 if value < box[0, i] else (1.0 if value > box[1, i] else 0.0)
        else:
            e = x[a] if before[i] == 0.0 else z[i]
            state[i] = 0.0 if e * old > 0.0 else old
        changed |= state[i] != old
    return changed


@jit(_FLAGS, borrows=True)
def _gather(
    n_free: int,
    lines: FloatArray,
    a: int,
    shares: FloatArray,
    column: FloatArray,
    i: int,
    last: int,
    count: int,
    out: FloatArray,
) -> None:
    """The column of T of a place, between the nodes."""
    width, n_nodes = out.shape[1], shares.shape[1]
    for j in range(width):
        out[count, j] = column[a, j] if i == last else 0.0
    if i != last:
        for node in range(n_nodes):
            at = (i * n_nodes + node) * width
            add_multiple(out, count * width, shares[a, node], lines, at, width)
        out[count, last] = -column[a, i] if i <= n_free else column[a, i]


@jit(_FLAGS, borrows=True)
def _solve(
    before: FloatArray,
    box: FloatArray,
    machine: int,
    start: FloatArray,
    places: IntArray,
    count: int,
    state: FloatArray,
    columns: FloatArray,
    A: FloatArray,
    x: FloatArray,
) -> bool:
    """The x of the places that gives their z the values of the states; whether there is one.

    T has a positive definite symmetric part: elimination needs no pivoting.
    """
    for a in range(count):
        i = places[a]
        given = state[i] == before[i] or state[i] * before[i] != 0.0
        for b in range(count):
            A[a, b] = 0.0 if given else columns[b, i]
        A[a, a] = 1.0 if given else A[a, a]
        x[a] = _wanted(before[i], state[i], box[0, i], box[1, i], start[machine, i])
    for k in range(count):
        for a in range(k + 1, count):
            share = A[a, k] / A[k, k]
            for b in range(k + 1, count):
                A[a, b] -= share * A[k, b]
            x[a] -= share * x[k]
    size = 0.0
    for k in range(count - 1, -1, -1):
        for b in range(k + 1, count):
            x[k] -= A[k, b] * x[b]
        x[k] /= A[k, k]
        size += abs(x[k])
    return size < np.inf  # not where no row is free


@jit(borrows=True)
def _wanted(before: float, state: float, low: float, high: float, start: float) -> float:
    """What T x has to give, or where x is known, x itself."""
    bound = low if state < 0.0 else high
    if state == before:
        return 0.0
    if before == 0.0:
        return bound - start
    if state == 0.0:
        return -start
    return bound - (low if before < 0.0 else high)  # from one bound to the other


@jit(_FLAGS, borrows=True)
def _move(
    a: int, start: FloatArray, columns: FloatArray, x: FloatArray, count: int, z: FloatArray
) -> None:
    """Writes z = z₀ + T x."""
    width = len(z)
    for i in range(width):
        z[i] = start[a, i]
    for b in range(count):
        add_multiple(z, 0, x[b], columns, b * width, width)


@jit(_FLAGS, borrows=True)
def norm_bound(
    n_free: int,
    before: FloatArray,
    norm: float,
    places: IntArray,
    count: int,
    state: FloatArray,
    columns: FloatArray,
    S: FloatArray,
    M: FloatArray,
) -> float:
    """A bound of the largest eigenvalue of the free rows' part of T after :func:`follow`.

    Rows that leave only lower it. Those that join, with Schur complement S and old columns Y of
    the free rows, add at most tr S⁻¹ (I + YᵀY). S and M are overwritten.
    """
    n = 0
    for a in range(count):
        if not _joined(before, state, places[a]):
            continue
        m = 0
        for b in range(a + 1):
            if _joined(before, state, places[b]):
                total = 1.0 if a == b else 0.0
                for i in range(n_free):
                    total += columns[a, i] * columns[b, i]
                M[n, m] = M[m, n] = total
                S[n, m] = S[m, n] = columns[b, places[a]]
                m += 1
        n += 1
    return norm + _trace(S, M, n)


@jit(borrows=True)
def _joined(before: FloatArray, state: FloatArray, i: int) -> bool:
    return before[i] != 0.0 and state[i] == 0.0


@jit(_FLAGS, borrows=True)
def _trace(S: FloatArray, M: FloatArray, n: int) -> float:
    """Trace of S⁻¹ M, infinite where S is not positive definite."""
    total = 0.0
    for k in range(n):
        if not S[k, k] > 0.0:
            return np.inf
        for a in range(n):
            if a != k:
                share = S[a, k] / S[k, k]
                for b in range(n):
                    S[a, b] -= share * S[k, b]
                    M[a, b] -= share * M[k, b]
    for k in range(n):
        total += M[k, k] / S[k, k]
    return total
