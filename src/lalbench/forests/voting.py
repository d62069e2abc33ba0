"""Compiled walks through the trees of a forest."""

from __future__ import annotations

from typing import Any

import numpy as np

from lalbench.jit import jit

ROWS = 64
"""Rows that go through a tree one after the other: the nodes that they share are in the cache."""


@jit(inline=True)
def leaf(row: Any, first: Any, feature: Any, threshold: Any, children: Any) -> Any:
    """The leaf of a row in the tree that begins at node ``first``."""
    node = first
    while feature[node] >= 0:
        right = not (np.float32(row[feature[node]]) <= threshold[node])
        node = first + children[node, 1 if right else 0]
    return node


@jit(borrows=True)
def mean(
    X: Any, feature: Any, threshold: Any, children: Any, values: Any, starts: Any, found: Any
) -> None:
    """Adds to ``found`` (n, K) the mean of the leaves' values."""
    n_trees, n_values = len(starts) - 1, values.shape[1]
    for first in range(0, len(X), ROWS):
        last = min(first + ROWS, len(X))
        for b in range(n_trees):
            for i in range(first, last):
                node = leaf(X[i], starts[b], feature, threshold, children)
                for k in range(n_values):
                    found[i, k] += values[node, k]
    for i in range(len(X)):
        for k in range(n_values):
            found[i, k] /= n_trees


@jit(borrows=True)
def sum_where(
    X: Any,
    trusted: Any,
    feature: Any,
    threshold: Any,
    children: Any,
    values: Any,
    starts: Any,
    found: Any,
) -> None:
    """Adds to ``found`` (n, K) the leaves' values of those trees that (B, n) ``trusted`` names."""
    for b in range(len(starts) - 1):
        for i in range(len(X)):
            if trusted[b, i]:
                node = leaf(X[i], starts[b], feature, threshold, children)
                for k in range(values.shape[1]):
                    found[i, k] += values[node, k]


@jit()
def depths(feature: Any, children: Any, starts: Any, found: Any) -> None:
    """Writes the depth of every tree to (B,)."""
    for b in range(len(starts) - 1):
        first = starts[b]
        depth = np.zeros(starts[b + 1] - first, dtype=np.int64)
        found[b] = 0
        # children come after their parents
        for node in range(len(depth)):
            found[b] = max(found[b], depth[node])
            if feature[first + node] >= 0:
                depth[children[first + node, 0]] = depth[node] + 1
                depth[children[first + node, 1]] = depth[node] + 1
