"""Compiled: what a subset's machine becomes with a candidate and another γ, at little cost.

With the free coefficients and the bias of the subset's solution eliminated, its machine is a linear
map z = z₀ + T x. There z holds the free coefficients, the bias, and e = Kβ + b − y of the others; x
holds e of the former and the changes of the latter, 0 at the solution itself. T is the principal
pivot transform of the matrix [[K, 1], [1ᵀ, 0]] (Tsatsomeros 2000, "Principal pivot transforms").

T is a smooth function of γ, so it is computed at a few nodes and interpolated.

The rows of the subset are in an order with the free ones first. Positions: f free rows, the bias,
the rows at a bound, the candidate. Lines of nodes lie together: number of a position times number
of nodes plus number of a node.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lalbench.jit import jit
from lalbench.oracle.svm_vectors import LANES, add_multiple

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Tableau = tuple[int, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, float]

_SINGULAR = 1e-8
_FLAGS = {"contract", "reassoc", "nsz"}  # keep NaN and infinity


@jit()
def tableau_of(
    n_free: int, kernels: FloatArray, y: FloatArray, lo: FloatArray, hi: FloatArray, at: FloatArray
) -> Tableau:
    """The tableau of a subset of p rows at J nodes.

    Args:
        n_free: f, how many rows are free.
        kernels: ((p + 1) J, ≥ p + 1) kernel matrices at the nodes, with a column of ones for the
            bias; its line is not read.
        y, lo, hi: (p + 1,) targets and bounds; those of the bias are not read.
        at: (p + 1,) states of the subset's coefficients: -1.0 (at lo), 0.0 or 1.0 (at hi).

    Returns:
        f; the columns of T as lines ((p + 1) J, width); z₀ (J, width); (p + 2,) states, with one
        place for a candidate; (2, p + 2) bounds of the coefficients and of z; a bound of the
        largest eigenvalue of the free rows' part of T. T is empty (0, 0) where it does not
        exist: where the free rows have no kernel matrix of full rank, or none is free.
    """
    p, n_nodes = len(y) - 1, len(kernels) // len(y)
    width = (p + 2 + LANES - 1) // LANES * LANES  # lines of whole vectors
    state, box, limits = np.zeros(p + 2), np.zeros((2, p + 2)), np.empty((2, p + 2))
    limits[0], limits[1] = -np.inf, np.inf
    z, columns = np.empty((n_nodes, width)), np.zeros(((p + 1) * n_nodes, width))
    for i in range(p + 1):
        if i != n_free:
            box[0, i], box[1, i], state[i] = lo[i], hi[i], at[i]
            if state[i] <= 0.0:
                limits[0, i] = lo[i] if state[i] == 0.0 else 0.0
            if state[i] >= 0.0:
                limits[1, i] = hi[i] if state[i] == 0.0 else 0.0
    norm = 0.0
    for node in range(n_nodes):
        found = _invert(n_free, kernels[node::n_nodes], columns[node::n_nodes])
        if found < 0.0:
            return n_free, columns[:0], z, state, box, limits, norm
        norm = max(norm, found)
        _complete(n_free, kernels[node::n_nodes], columns[node::n_nodes])
        _start_at(n_free, kernels, y, state, box, node, columns, z[node])
    return n_free, columns, z, state, box, limits, norm


@jit(_FLAGS)
def _invert(n_free: int, kernels: FloatArray, columns: FloatArray) -> float:
    """Writes the columns of the free rows and the bias, at those.

    Returns the largest row sum of sizes of the free rows' part, or -1.0 where it does not exist.

    ``kernels`` and ``columns`` have the lines of one node. Elimination without pivoting: the matrix
    of the free rows is positive definite, and the bias comes last.
    """
    n = n_free + 1
    width = (n + LANES - 1) // LANES * LANES
    A, line, norm = np.zeros((n, width)), np.empty(width), 0.0
    for i in range(n_free):
        A[i, :n] = kernels[i, :n]
        A[n_free, i] = 1.0
    for k in range(n):
        pivot = A[k, k] if k < n_free else -A[k, k]
        if not pivot > _SINGULAR or n_free == 0:
            return -1.0
        inverse = 1.0 / A[k, k]
        for i in range(width):
            line[i] = -inverse * A[k, i]
        line[k] = 0.0
        for i in range(n):
            share = A[i, k]
            add_multiple(A, i * width, share, line, 0, width)
            A[i, k] = share * inverse
        A[k] = line
        A[k, k] = inverse
    for i in range(n):
        columns[i, :n] = A[i, :n]
        size = 0.0
        for j in range(n_free):
            size += abs(A[i, j])
        norm = max(norm, size if i < n_free else 0.0)
    return norm


@jit(_FLAGS)
def _complete(n_free: int, kernels: FloatArray, columns: FloatArray) -> None:
    """Writes the other parts of the columns, of one node, from that of the free rows."""
    n, p = n_free + 1, len(kernels) - 1
    inverse, across = columns[:n, :n].copy(), np.ones((n, p + 1 - n))
    across[:n_free] = kernels[:n_free, n : p + 1]
    product = np.dot(inverse, across)
    rest = kernels[n:, n : p + 1] - np.dot(across.T.copy(), product)
    for i in range(n):
        for j in range(p + 1 - n):
            columns[i, n + j] = product[i, j]
            columns[n + j, i] = -product[i, j]
    columns[n:, n : p + 1] = rest


@jit(_FLAGS)
def _start_at(
    n_free: int,
    kernels: FloatArray,
    y: FloatArray,
    state: FloatArray,
    box: FloatArray,
    node: int,
    columns: FloatArray,
    z: FloatArray,
) -> None:
    """z₀: where the coefficients off the free rows are at their bounds, and e of the free is 0."""
    n, p, n_nodes = n_free + 1, len(y) - 1, len(kernels) // len(y)
    e = np.zeros(len(z))
    for i in range(p + 1):
        e[i] = -y[i] if i != n_free else 0.0
    for i in range(n, p + 1):
        value = box[0, i] if state[i] < 0.0 else box[1, i]
        if value != 0.0:
            line = kernels[i * n_nodes + node]
            for j in range(p + 1):
                e[j] += value * line[j]
    z[:] = 0.0
    z[n : p + 1] = e[n : p + 1]
    for i in range(n):
        column = columns[i * n_nodes + node]
        for j in range(p + 1):
            z[j] -= e[i] * column[j]


@jit(_FLAGS)
def join(
    tableau: Tableau,
    k: FloatArray,
    targets: FloatArray,
    columns: FloatArray,
    z: FloatArray,
) -> None:
    """Adds a candidate to each of c machines.

    Args:
        tableau: of :func:`tableau_of`.
        k: (c, p + 2) its kernels with the rows, 1 for the bias, and with itself.
        targets: (c,) -1.0 or 1.0, or 0.0 for no candidate.
        columns: (c, width) −Σ of the free columns of T times k; on return the candidate's column.
        z: (c, width) z₀; on return with that of the candidate.
    """
    n_free, _, _, state, box, _, _ = tableau
    last = len(state) - 1
    for a in range(len(k)):
        own, e = k[a, last], -targets[a]
        for i in range(n_free + 1):
            own += k[a, i] * columns[a, i]
            e += k[a, i] * z[a, i]
        for i in range(n_free + 1, last):
            columns[a, i] += k[a, i]
            e += k[a, i] * (box[0, i] if state[i] < 0.0 else box[1, i])
        columns[a, last], z[a, last] = own, e if targets[a] != 0.0 else 0.0
