"""Compiled: which coefficients a candidate moves to or off their bounds, guessed at little cost.

With the free coefficients and the bias of a subset's solution eliminated, its machine is a linear
map z = z₀ + T x. There z holds the free coefficients, the bias, and e = Kβ + b − y of the others; x
holds e of the former and the changes of the latter, 0 at the solution itself. T is the principal
pivot transform of the matrix [[K, 1], [1ᵀ, 0]] (Tsatsomeros 2000, "Principal pivot transforms").

A machine with one more row, and with another γ to first order, differs from it in few places P: the
active-set iteration of :mod:`lalbench.oracle.svm_lanes` needs systems of that many unknowns,
T_PP x_P = −z_P. Its end is a guess, for the exact iteration to start from.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lalbench.jit import jit
from lalbench.oracle.svm_vectors import LANES, add_multiple

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Tableau = tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]

_SINGULAR = 1e-8
_STEPS = 8
_MOST = 16
"""Places that may change."""

_FLAGS = {"contract", "reassoc", "nsz"}  # keep NaN and infinity


@jit()
def tableau_of(
    kernels: FloatArray,
    slopes: FloatArray,
    y: FloatArray,
    lo: FloatArray,
    hi: FloatArray,
    start: FloatArray,
    bias: float,
) -> Tableau:
    """What guesses need of a subset of p rows.

    Args:
        kernels: (p, p) kernel matrix at some γ.
        slopes: (p, p) its derivative by γ.
        y, lo, hi: (p,) targets and bounds.
        start: (p,) coefficients of the solution at nearly that γ.
        bias: the bias likewise.

    Returns:
        the columns of T as rows (p + 2, p + 2), the last for a candidate; (p + 2,) the states
        -1.0 (at lo), 0.0 or 1.0 (at hi); z₀ and its derivative by γ; (2, p + 2) bounds of the
        coefficients and of z. T is empty (0, 0) where the system is singular.
    """
    p = len(y)
    width = (p + 2 + LANES - 1) // LANES * LANES  # lines of whole vectors
    state, box, limits = np.zeros(p + 2), np.zeros((2, p + 2)), np.empty((2, p + 2))
    limits[0], limits[1] = -np.inf, np.inf
    z, slope, e = np.zeros(width), np.zeros(width), np.zeros(width)
    for i in range(p):
        box[0, i], box[1, i] = lo[i], hi[i]
        state[i] = -1.0 if start[i] <= lo[i] else (1.0 if start[i] >= hi[i] else 0.0)
        if state[i] <= 0.0:
            limits[0, i] = lo[i] if state[i] == 0.0 else 0.0
        if state[i] >= 0.0:
            limits[1, i] = hi[i] if state[i] == 0.0 else 0.0
    columns = _eliminate(kernels, state, width)
    if len(columns):
        e[:p] = np.dot(kernels, start[:p]) + bias - y
        _follow(columns, state, e, p, z)
        value = start[:p].copy()
        for i in range(p):
            if state[i] == 0.0:
                z[i] += start[i]
                value[i] = z[i]
        z[p] += bias
        e[:p] = np.dot(slopes, value)
        _follow(columns, state, e, p, slope)
    return columns, state, z, slope, box, limits


@jit(_FLAGS)
def _eliminate(kernels: FloatArray, state: FloatArray, width: int) -> FloatArray:
    """The columns of T as rows, with a line of zeros for a candidate."""
    p = len(kernels)
    T, line = np.zeros((p + 2, width)), np.empty(width)
    T[:p, :p] = kernels
    T[:p, p] = T[p, :p] = 1.0
    free = np.flatnonzero(state[:p] == 0.0)
    if len(free) == 0:
        return T[:0].copy()
    # the bias has a pivot only after a coefficient
    for k in np.append(free, p):
        pivot = T[k, k]
        if not abs(pivot) > _SINGULAR:
            return T[:0].copy()
        T[k] /= -pivot
        T[k, k] = 0.0
        line[:] = T[k]
        for i in range(p + 1):
            share = T[i, k]
            if i != k:
                add_multiple(T, i * width, share, line, 0, width)
                T[i, k] = share / pivot
        T[k, k] = 1.0 / pivot
    columns = np.zeros((p + 2, width))
    columns[: p + 1, : p + 1] = T[: p + 1, : p + 1].T
    return columns


@jit(_FLAGS)
def _follow(columns: FloatArray, state: FloatArray, e: FloatArray, p: int, out: FloatArray) -> None:
    """How z changes where e of the subset's rows changes at fixed coefficients and bias."""
    width = columns.shape[1]
    for i in range(p + 1):
        out[i] = e[i] if state[i] != 0.0 else 0.0
    for j in range(p + 1):
        if state[j] == 0.0:
            add_multiple(out, 0, -e[j], columns, j * width, width)


@jit(_FLAGS)
def _join(
    columns: FloatArray, state: FloatArray, box: FloatArray, z: FloatArray, k: FloatArray
) -> None:
    """Adds a candidate with kernels ``k`` (p + 2,): those of the rows, 1 for the bias, its own.

    On return the last of ``z`` is its e, without its target.
    """
    p = len(state) - 2
    column = columns[p + 1]
    column[:] = 0.0
    _follow(columns, state, k, p, column)
    own, e = k[p + 1], 0.0
    for j in range(p + 1):
        free = state[j] == 0.0
        own += k[j] * column[j] if free else 0.0
        e += k[j] * (z[j] if free else (box[0, j] if state[j] < 0.0 else box[1, j]))
        columns[j, p + 1] = -column[j] if free else column[j]
    column[p + 1] = own
    z[p + 1] = e


@jit()
def guess(
    tableau: Tableau, shift: float, k: FloatArray, target: float, bound: float, out: FloatArray
) -> None:
    """Guesses the states of a machine.

    Args:
        tableau: of :func:`tableau_of`; its lines of the candidate are overwritten.
        shift: its γ less that of the tableau.
        k: (p + 2,) kernels of the candidate and the rows, 1 for the bias, its own kernel.
        target: its target, or 0 if there is none.
        bound: its C.
        out: (p + 2,) states -1.0 (at lo), 0.0 (free) or 1.0 (at hi), those of bias and candidate
            last.
    """
    columns, state, base, slope, box, limits = tableau
    p = len(state) - 2
    start = base + shift * slope
    state[p + 1] = -target
    box[:, p + 1] = (0.0, bound) if target > 0.0 else (-bound, 0.0)
    limits[:, p + 1] = (-np.inf, np.inf)
    if target != 0.0:
        _join(columns, state, box, start, k)
        start[p + 1] -= target
        limits[0 if target > 0.0 else 1, p + 1] = 0.0
    out[:] = state
    z, x = start.copy(), np.zeros(_MOST)
    places = np.empty(_MOST, np.int64)
    count = 0
    for _ in range(_STEPS):
        changed = _recheck(tableau, z, x, places[:count], out)
        count = 0
        for i in range(p + 2):
            if out[i] == state[i] and (z[i] < limits[0, i] or z[i] > limits[1, i]):
                changed = True
                out[i] = 0.0 if state[i] != 0.0 else (-1.0 if z[i] < limits[0, i] else 1.0)
            if out[i] != state[i]:
                if count == _MOST:
                    return
                places[count] = i
                count += 1
        if not changed:
            return
        _solve(tableau, start, places[:count], out, x)
        z[:] = start
        _add(columns, places[:count], x, z)


@jit()
def _recheck(
    tableau: Tableau, z: FloatArray, x: FloatArray, places: IntArray, out: FloatArray
) -> bool:
    """Corrects the states of the places that differ from the subset's; whether any changed."""
    state, box = tableau[1], tableau[4]
    changed = False
    for a in range(len(places)):
        i = places[a]
        old = out[i]
        if old == 0.0:
            value = x[a] + (box[0, i] if state[i] < 0.0 else box[1, i])
            out[i] = -1.0 if value < box[0, i] else (1.0 if value > box[1, i] else 0.0)
        else:
            e = x[a] if state[i] == 0.0 else z[i]
            out[i] = 0.0 if e * old > 0.0 else old
        changed |= out[i] != old
    return changed


@jit(_FLAGS)
def _solve(
    tableau: Tableau, start: FloatArray, places: IntArray, out: FloatArray, x: FloatArray
) -> None:
    """The x of the places that gives their z the values of the states ``out``.

    T has a positive definite symmetric part: elimination needs no pivoting.
    """
    columns, state, box = tableau[0], tableau[1], tableau[4]
    count = len(places)
    A = np.empty((count, count))
    for a in range(count):
        i = places[a]
        for b in range(count):
            A[a, b] = columns[places[b], i]
        bound = box[0, i] if out[i] < 0.0 else box[1, i]
        if state[i] == 0.0:
            x[a] = bound - start[i]
        elif out[i] == 0.0:
            x[a] = -start[i]
        else:  # from one bound to the other
            x[a] = bound - (box[0, i] if state[i] < 0.0 else box[1, i])
            A[a] = 0.0
            A[a, a] = 1.0
    for k in range(count):
        for a in range(k + 1, count):
            share = A[a, k] / A[k, k]
            for b in range(k + 1, count):
                A[a, b] -= share * A[k, b]
            x[a] -= share * x[k]
    for k in range(count - 1, -1, -1):
        for b in range(k + 1, count):
            x[k] -= A[k, b] * x[b]
        x[k] /= A[k, k]


@jit(_FLAGS)
def _add(columns: FloatArray, places: IntArray, x: FloatArray, z: FloatArray) -> None:
    """Adds T x to z."""
    width = len(z)
    for a in range(len(places)):
        add_multiple(z, 0, x[a], columns, places[a] * width, width)
