"""Growing forests of classification trees, fast for the few rows of active learning.

A tree is that of scikit-learn's ``DecisionTreeClassifier`` (Gini impurity, best splits, grown until
its leaves are pure) under the draws of a random forest (Breiman 2001): the same rule for features,
thresholds and ties, other random numbers. Every tree has a seed of its own, from which come its
rows and its features, so trees can be grown in any order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lalbench.forests.forest import Forest
from lalbench.forests.splitting import next_uniform, split
from lalbench.jit import jit

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_ROWS = np.uint64(0x524F5753)
"""Keeps the draws of rows apart from those of features."""


@dataclass(frozen=True)
class Growth:
    """A forest and what its training leaves behind.

    Attributes:
        forest: the trees.
        counts: (B, n) int64 how often a tree drew a row.
        importances: (d,) float64 normalised mean decrease of impurity, as scikit-learn defines it.
    """

    forest: Forest
    counts: IntArray
    importances: FloatArray


def grow(
    X: NDArray[np.float32],
    y: IntArray,
    n_classes: int,
    max_features: int,
    seeds: NDArray[np.uint64],
    chances: FloatArray | None = None,
) -> Growth:
    """A forest of one tree per seed, each grown on n draws with replacement.

    Args:
        X: (n, d) rows in single precision.
        y: (n,) int64 labels 0 … n_classes - 1.
        n_classes: K; some may be missing.
        max_features: features that a split looks at; more where all of those are constant.
        seeds: (B,) uint64, one per tree.
        chances: (n,) with which probabilities rows are drawn; default: equal.
    """
    rows = np.ascontiguousarray(X)
    steps = np.empty(0) if chances is None else np.cumsum(chances)
    size = len(seeds) * max(1, 2 * len(rows) - 1)
    feature = np.empty(size, dtype=np.int32)
    threshold = np.empty(size)
    children = np.empty((size, 2), dtype=np.int32)
    values = np.empty((size, n_classes))
    starts = np.zeros(len(seeds) + 1, dtype=np.int64)
    counts = np.zeros((len(seeds), len(rows)), dtype=np.int64)
    importances = np.zeros(rows.shape[1])
    nodes = (feature, threshold, children, values)
    _grow_forest(rows, y, max_features, seeds, steps, nodes, starts, counts, importances)
    used = slice(int(starts[-1]))
    forest = Forest(
        feature[used].copy(),
        threshold[used].copy(),
        children[used].copy(),
        values[used].copy(),
        starts,
        rows.shape[1],
    )
    return Growth(forest, counts, importances)


@jit()
def draw_rows(seed: Any, n: Any, steps: Any, found: Any) -> None:
    """Draws rows 0 … n - 1 with replacement into ``found``, by the ``steps`` unless empty."""
    state = np.array([seed ^ _ROWS], dtype=np.uint64)
    for k in range(len(found)):
        u = next_uniform(state)
        if len(steps):
            row = np.searchsorted(steps, u * steps[-1], side="right")
            # a product may round up to the whole
            while row >= n or (row > 0 and steps[row] == steps[row - 1]):
                row -= 1
            found[k] = row
        else:
            found[k] = np.int64(u * n)


@jit()
def _grow_forest(
    X: Any,
    y: Any,
    max_features: Any,
    seeds: Any,
    steps: Any,
    nodes: Any,
    starts: Any,
    counts: Any,
    importances: Any,
) -> None:
    feature, threshold, children, values = nodes
    draws = np.empty(len(X), dtype=np.int64)
    gains = np.empty(X.shape[1])
    n_split = 0
    for b in range(len(seeds)):
        draw_rows(seeds[b], len(X), steps, draws)
        for row in draws:
            counts[b, row] += 1
        first = starts[b]
        tree = (feature[first:], threshold[first:], children[first:], values[first:])
        gains[:] = 0
        used = grow_tree(X, y, counts[b], max_features, seeds[b], tree, gains)
        starts[b + 1] = first + used
        if used > 1:
            n_split += 1
            importances += gains / gains.sum() if gains.sum() > 0 else gains
    total = importances.sum()
    if n_split and total > 0:
        importances /= n_split
        importances /= importances.sum()


@jit()
def grow_tree(
    X: Any, y: Any, counts: Any, max_features: Any, seed: Any, tree: Any, gains: Any
) -> Any:
    """Grows one tree on the rows with ``counts`` > 0 and returns its number of nodes.

    Args:
        X, y: (n, d) float32 rows, (n,) labels.
        counts: (n,) int64 weights of the rows.
        max_features: as in :func:`grow`.
        seed: of the tree.
        tree: feature, threshold, children and values to write to, large enough.
        gains: (d,) to which the weighted decreases of impurity are added.
    """
    feature, threshold, children, values = tree
    rows = np.flatnonzero(counts > 0)
    state = np.array([seed], dtype=np.uint64)
    candidates = np.arange(X.shape[1])
    bounds = np.empty((len(rows) + 1, 3), dtype=np.int64)  # first row, end, node
    bounds[0, 0], bounds[0, 1], bounds[0, 2] = 0, len(rows), 0
    waiting, n_nodes = 1, 1
    while waiting:
        waiting -= 1
        start, end, node = bounds[waiting]
        part = rows[start:end]
        pure = _write_shares(y, counts, part, values[node])
        feature[node] = -1
        threshold[node] = 0.0
        children[node, 0] = children[node, 1] = -1
        if pure:
            continue
        chosen, place, gain = split(
            X, y, counts, part, max_features, state, candidates, values.shape[1]
        )
        if chosen < 0:
            continue
        feature[node], threshold[node] = chosen, place
        gains[chosen] += gain
        middle = start + _partition(X, part, chosen, place)
        for side in range(2):
            children[node, side] = n_nodes + side
        bounds[waiting, 0], bounds[waiting, 1], bounds[waiting, 2] = middle, end, n_nodes + 1
        waiting += 1
        bounds[waiting, 0], bounds[waiting, 1], bounds[waiting, 2] = start, middle, n_nodes
        waiting += 1
        n_nodes += 2
    return n_nodes


@jit(inline=True)
def _write_shares(y: Any, counts: Any, part: Any, found: Any) -> Any:
    """Writes the weighted share of every class; returns whether there is only one."""
    found[:] = 0.0
    total = 0.0
    for row in part:
        found[y[row]] += counts[row]
        total += counts[row]
    n_present = 0
    for k in range(len(found)):
        n_present += found[k] > 0
        found[k] /= total
    return n_present < 2


@jit(inline=True)
def _partition(X: Any, part: Any, chosen: Any, place: Any) -> Any:
    """Moves the rows at most ``place`` to the front and returns their number."""
    left, right = 0, len(part) - 1
    while left <= right:
        if X[part[left], chosen] <= place:
            left += 1
        else:
            part[left], part[right] = part[right], part[left]
            right -= 1
    return left
