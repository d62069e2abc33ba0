"""What one tree says of many points, by masks: quicker than a walk per point for small trees.

From the root down, a mask of bytes says which points of a block reach a node; a split makes two of
it and a leaf adds its own to the votes. These are a few vector instructions per node, and no branch
depends on a point.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lalbench.jit import jit

MOST_TREES = 65_535
"""Votes are counted in 16 bits."""

POINTS = 1024
"""Points of a block: its masks stay in the cache of the core."""


@jit()
def add_tree(columns: Any, tree: Any, n_nodes: Any, votes: Any, shares: Any) -> None:
    """Adds what one tree says of n points.

    Args:
        columns: (d, n) float32 features of the points.
        tree: feature, threshold, children and values of its nodes.
        n_nodes: how many of them are its own.
        votes: (K, n) uint16; leaves of one class count here.
        shares: (K, n) float64; those of several classes count here.
    """
    depth = _depth(tree[0], tree[2], n_nodes)
    masks = np.empty((depth + 1, POINTS), dtype=np.uint8)
    waiting = np.empty((depth + 2, 3), dtype=np.int64)
    for first in range(0, columns.shape[1], POINTS):
        last = min(first + POINTS, columns.shape[1])
        add_block(columns, tree, first, last, masks, waiting, votes, shares)


@jit()
def _depth(feature: Any, children: Any, n_nodes: Any) -> Any:
    depths = np.zeros(n_nodes, dtype=np.int64)
    for node in range(n_nodes):
        if feature[node] >= 0:
            depths[children[node, 0]] = depths[node] + 1
            depths[children[node, 1]] = depths[node] + 1
    return depths.max()


@jit()
def add_block(
    columns: Any,
    tree: Any,
    first: Any,
    last: Any,
    masks: Any,
    waiting: Any,
    votes: Any,
    shares: Any,
) -> None:
    """Adds what one tree says of a block of points.

    Args:
        columns, tree, votes, shares: as in :func:`add_tree`.
        first, last: the block, of at most :data:`POINTS` points.
        masks: (depth + 1, POINTS) uint8 to write to.
        waiting: (depth + 2, 3) int64 to write to: nodes, their depths and parents.
    """
    feature, threshold, children, values = tree
    n = last - first
    masks[0, :n] = 1
    waiting[0, :] = 0
    n_waiting = 1
    while n_waiting:
        n_waiting -= 1
        node, depth, parent = waiting[n_waiting]
        mask = masks[depth, :n]
        if depth > 0 and children[parent, 0] == node:
            # a slice of one row is known to be contiguous, a row of a slice is not
            column = columns[feature[parent], first:last]
            _narrow(column, below(threshold[parent]), masks[depth - 1], mask)
        elif depth > 0:
            # the left child was the last at this depth, and its mask is still there
            _take_others(masks[depth - 1], mask)
        if feature[node] < 0:
            _add_leaf(values[node], mask, first, last, votes, shares)
            continue
        for side in range(2):
            waiting[n_waiting, 0] = children[node, 1 - side]
            waiting[n_waiting, 1], waiting[n_waiting, 2] = depth + 1, node
            n_waiting += 1


@jit(inline=True)
def below(threshold: Any) -> Any:
    """The largest single-precision number that is at most the threshold."""
    found = np.float32(threshold)
    return np.nextafter(found, np.float32(-np.inf)) if found > threshold else found


@jit(borrows=True)
def _narrow(column: Any, place: Any, known: Any, found: Any) -> None:
    for i in range(len(found)):
        found[i] = known[i] & np.uint8(column[i] <= place)


@jit(borrows=True)
def _take_others(known: Any, mask: Any) -> None:
    for i in range(len(mask)):
        mask[i] ^= known[i]


@jit(borrows=True)
def _add_leaf(said: Any, mask: Any, first: Any, last: Any, votes: Any, shares: Any) -> None:
    for k in range(len(said)):
        if said[k] == 1.0:
            count = votes[k, first:last]
            for i in range(len(count)):
                count[i] += mask[i]
        elif said[k] != 0.0:
            share, value = shares[k, first:last], said[k]
            for i in range(len(share)):
                share[i] += value * mask[i]
