"""Compiled: kernels at nodes of γ, between which the machines of a subset are interpolated."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lalbench.jit import jit
from lalbench.oracle.svm_lanes import LINEAR, POLY, RBF, kernel_values

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_MAX_NODES = 8
_FEW_DOUBTS = 5e-7
"""Error of interpolated kernels that leaves few decisions in doubt."""
_MANY_DOUBTS = 1e-4
_MANY, _NARROW, _WIDE = 500, 1.13, 1.6
"""Number of machines from which a window is narrow; largest γ of a window by the smallest."""
_ROUNDING = 1e-13


@jit()
def windows_of(gammas: FloatArray) -> list[IntArray]:
    """Numbers of machines in groups of similar γ, ordered by it.

    Nodes cost by machine and by group, so that many machines are worth more groups of fewer nodes.
    """
    order = np.argsort(gammas, kind="mergesort")
    ratio = _NARROW if len(gammas) >= _MANY else _WIDE
    found, begin = [], 0
    for k in range(1, len(order) + 1):
        if k == len(order) or gammas[order[k]] > ratio * gammas[order[begin]]:
            found.append(order[begin:k])
            begin = k
    return found


@jit()
def nodes_of(
    kind: int, coef0: float, degree: int, gammas: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Equidistant nodes of γ for the kernels of all machines, and the errors between them.

    Lagrange's remainder for J nodes is at most |Π (γ − node)| max_D Dᴶ exp(−γ D) / J!; the maximum
    over D ≥ 0 is (J / (e γ))ᴶ. A polynomial kernel is a polynomial in γ, so it has no remainder.

    Returns:
        (J,) nodes, none where too many would be needed; (t,) errors relative to the largest kernel.
    """
    low, high = gammas.min(), gammas.max()
    errors = np.full(len(gammas), _ROUNDING)
    if kind == LINEAR or low == high:
        return np.array([low]), errors
    middle, half = (low + high) / 2, (high - low) / 2
    n, steepest = 1, 0.0
    if kind == POLY:
        n = degree + 1
        if n > _MAX_NODES or coef0 < 0.0:  # a negative coef0 gives no kernel of a function space
            return np.empty(0), errors
    else:
        worst = np.inf
        while worst > _FEW_DOUBTS and n < _MAX_NODES:
            n += 1
            steepest = (n / (math.e * low)) ** n / math.gamma(n + 1.0)
            worst = 2 * (half / 2) ** n * steepest
        if worst > _MANY_DOUBTS:
            return np.empty(0), errors
    # the outermost are Chebyshev's
    nodes = middle + half * np.cos(np.pi / (2 * n)) * np.linspace(-1.0, 1.0, n)
    for c in range(len(gammas)):
        errors[c] += abs(np.prod(gammas[c] - nodes)) * steepest
    return nodes, errors


@jit()
def targets_of(problem: tuple[Any, ...], order: IntArray, start: FloatArray) -> FloatArray:
    """(4, p + 1) targets, bounds and states by position."""
    positive, bounds, inside = problem[3], problem[4], problem[5]
    found = np.zeros((4, len(order) + 1))
    n_free = np.sum(start == 0.0)
    for r in range(len(order)):
        i, x = r + (r >= n_free), inside[order[r]]
        found[0, i] = 1.0 if positive[x] else -1.0
        found[1, i] = 0.0 if positive[x] else -bounds[x]
        found[2, i] = bounds[x] if positive[x] else 0.0
        found[3, i] = start[order[r]]
    return found


@jit()
def kernels_at(
    problem: tuple[Any, ...], nodes: FloatArray, order: IntArray, n_free: int
) -> FloatArray:
    """((p + 1) J, p + 1 + m) kernels of the rows and of rows and evaluation points at the nodes.

    That of an RBF at the next equidistant node is that at the last one times a factor.
    """
    options, between, inside, toward = problem[0], problem[1], problem[5], problem[8]
    kind, coef0, degree = options
    p, m, n_nodes = len(order), toward.shape[1], len(nodes)
    found = np.empty((p + 1, n_nodes, p + 1 + m))
    lines, factors = np.empty((p + 1, p + 1 + m)), np.empty((p + 1, p + 1 + m))
    columns = np.empty(p + 1, np.int64)
    for r in range(p):
        columns[r + (r >= n_free)] = inside[order[r]]
    columns[n_free] = columns[0] if n_free else columns[p]
    for i in range(p + 1):
        for c in range(p + 1):
            lines[i, c] = between[columns[i], columns[c]]
        for c in range(m):
            lines[i, p + 1 + c] = toward[columns[i], c]
    values, out = lines.reshape(-1), np.empty(lines.size)
    if kind == RBF and n_nodes > 1:
        kernel_values(kind, values, nodes[1] - nodes[0], coef0, degree, factors.reshape(-1))
    for node in range(n_nodes):
        if node and kind == RBF:
            _multiply_node(factors, node, found)
        else:
            kernel_values(kind, values, nodes[node], coef0, degree, out)
            _write_node(out, node, found)
    for i in range(p + 1):
        for node in range(n_nodes):
            found[i, node, n_free] = 1.0  # for the bias
    return found.reshape((p + 1) * n_nodes, p + 1 + m)


@jit(borrows=True)
def _multiply_node(factors: FloatArray, node: int, out: FloatArray) -> None:
    """The kernels at a node, from those at the one before."""
    for i in range(out.shape[0]):
        for c in range(out.shape[2]):
            out[i, node, c] = out[i, node - 1, c] * factors[i, c]


@jit(borrows=True)
def _write_node(values: FloatArray, node: int, out: FloatArray) -> None:
    width = out.shape[2]
    for i in range(len(out)):
        for c in range(width):
            out[i, node, c] = values[i * width + c]


@jit(borrows=True)
def write_constants(targets: FloatArray, n_free: int, kernels: FloatArray) -> None:
    """Writes what the rows on their bounds add to all values to the lines of the bias."""
    n_nodes = len(kernels) // targets.shape[1]
    for node in range(n_nodes):
        line = n_free * n_nodes + node
        for c in range(kernels.shape[1]):
            kernels[line, c] = 0.0
        for i in range(n_free + 1, targets.shape[1]):
            value = targets[1, i] if targets[3, i] < 0.0 else targets[2, i]
            if value != 0.0:
                for c in range(kernels.shape[1]):
                    kernels[line, c] += value * kernels[i * n_nodes + node, c]


@jit()
def shares_of(nodes: FloatArray, gammas: FloatArray) -> FloatArray:
    """(c, J) Lagrange's polynomials of the nodes at each γ."""
    found = np.ones((len(gammas), len(nodes)))
    for j in range(len(nodes)):
        for i in range(len(nodes)):
            if i != j:
                scale = 1.0 / (nodes[j] - nodes[i])
                for a in range(len(gammas)):
                    found[a, j] *= (gammas[a] - nodes[i]) * scale
    return found


@jit()
def kernels_of(
    problem: tuple[Any, ...], order: IntArray, n_free: int, which: IntArray
) -> tuple[FloatArray, FloatArray]:
    """(c, p + 2) kernels of candidates by position, 1 for the bias, and with themselves; targets.

    Kernels and targets (c,) are 0 for machines without.
    """
    found, targets = np.zeros((len(which), len(order) + 2)), np.zeros(len(which))
    columns, line = np.empty(len(order), np.int64), np.zeros(len(order) + 2)
    _write_kernels(problem, order, n_free, which, columns, line, found, targets)
    return found, targets


@jit(borrows=True)
def _write_kernels(
    problem: tuple[Any, ...],
    order: IntArray,
    n_free: int,
    which: IntArray,
    columns: IntArray,
    line: FloatArray,
    out: FloatArray,
    targets: FloatArray,
) -> None:
    options, between, itself, positive, inside, place, gammas = (
        problem[0], problem[1], problem[2], problem[3], problem[5], problem[6], problem[7],
    )  # fmt: skip
    kind, coef0, degree = options
    p = len(order)
    for r in range(p):
        columns[r] = inside[order[r]]
    for a in range(len(which)):
        x = place[which[a]]
        if x >= 0:
            targets[a] = 1.0 if positive[x] else -1.0
            for r in range(n_free):
                line[r] = between[columns[r], x]
            for r in range(n_free, p):
                line[r + 1] = between[columns[r], x]
            line[p + 1] = itself[x]
            kernel_values(kind, line, gammas[which[a]], coef0, degree, out[a])
            out[a, n_free] = 1.0


@jit()
def weigh(values: FloatArray, last: FloatArray, n_free: int, shares: FloatArray) -> FloatArray:
    """(c, (f + 1) J) ``values`` of the free rows, and ``last``, times the shares of the nodes."""
    n, n_nodes = shares.shape
    found = np.empty((n, (n_free + 1) * n_nodes))
    for a in range(n):
        for i in range(n_free + 1):
            value = values[a, i] if i < n_free else last[a]
            for node in range(n_nodes):
                found[a, i * n_nodes + node] = shares[a, node] * value
    return found


@jit({"contract"}, borrows=True)
def add_line(
    out: FloatArray, a: int, first: int, share: float, lines: FloatArray, line: int
) -> None:
    """Adds ``share`` times a line of ``lines`` to line a of ``out`` from column ``first`` on."""
    for c in range(lines.shape[1]):
        out[a, first + c] += share * lines[line, c]
