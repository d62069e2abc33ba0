"""Mean and standard deviation, over the trees of a forest, of one value of their leaves.

Trees that say exactly 1 or exactly 0 of a point are counted, and the values of the others are added
in the order of the trees. Where all trees say 0 or 1, both moments depend on the number of ones
alone: points with as many of them have equal moments to the last bit, whichever trees they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lalbench.errors import UserError
from lalbench.forests.counting import MOST_TREES, POINTS, add_block
from lalbench.jit import jit

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Tables = tuple[NDArray[np.int32], FloatArray, NDArray[np.int32], FloatArray, IntArray]
"""Feature, threshold, children, values and starts of :class:`~lalbench.forests.forest.Forest`."""

_NODES = 60
"""Nodes per level of a tree up to which masks are quicker than walks (measured). A mask costs time
per node, a walk per level; the result is the same to the bit.
"""
_TILE = 64
"""Rows whose values of one feature are copied together; the lines of the cache that hold them serve
the next features, too.
"""


def mean_and_deviation(
    X: NDArray[Any],
    tables: Tables,
    depths: IntArray,
    column: int,
    masked: BoolArray | None = None,
) -> FloatArray:
    """(2, n) float64 mean and standard deviation (ddof 0).

    Args:
        X: (n, d) float32 or float64 rows.
        tables: the forest.
        depths: (B,) of its trees.
        column: of the values.
        masked: (B,) trees that are asked by masks, the others being walked; default: as is quicker.

    Raises:
        UserError: more than :data:`~lalbench.forests.counting.MOST_TREES` trees.
    """
    feature, threshold, children, values, starts = tables
    if len(depths) > MOST_TREES:
        raise UserError("forest", f"{len(depths)} trees", f"use at most {MOST_TREES}")
    splits = feature >= 0
    used = np.unique(feature[splits]).astype(np.int64)
    places = np.full(len(feature), -1, dtype=np.int32)
    places[splits] = np.searchsorted(used, feature[splits])
    if masked is None:
        masked = np.diff(starts) <= _NODES * depths
    said = np.ascontiguousarray(values[:, column : column + 1])
    nodes = (places, threshold, children, said)
    found = np.empty((2, len(X)))
    _write_moments(X, used, nodes, starts, int(depths.max()), masked, found)
    return found


@jit()
def _write_moments(
    X: Any, used: Any, nodes: Any, starts: Any, depth: Any, masked: Any, found: Any
) -> None:
    """Writes both moments of every point to (2, n) ``found``.

    ``nodes`` are feature, as place in ``used``, threshold, children and (n_nodes, 1) values;
    ``depth`` is the largest of a tree.
    """
    feature, threshold, children, values = nodes
    n_trees = len(starts) - 1
    rows_of = _rows_of_fractions(feature, values, starts)
    n_rows = rows_of.max() + 1
    fractions = np.empty((max(1, n_rows), POINTS))
    columns = np.empty((len(used), POINTS), dtype=np.float32)
    votes = np.empty((1, POINTS), dtype=np.uint16)
    masks = np.empty((depth + 1, POINTS), dtype=np.uint8)
    waiting = np.empty((depth + 2, 3), dtype=np.int64)
    for first in range(0, len(X), POINTS):
        n = min(POINTS, len(X) - first)
        _gather(X[first : first + n], used, columns)
        votes[:], fractions[:] = 0, 0.0
        for b in range(n_trees):
            row, start = max(0, rows_of[b]), starts[b]
            own = fractions[row : row + 1]
            tree = (feature[start:], threshold[start:], children[start:], values[start:])
            if masked[b]:
                add_block(columns, tree, 0, n, masks, waiting, votes, own)
            else:
                _add_walks(columns, n, tree, votes[0], own[0])
        if n_rows:
            _finish(votes[0], fractions, n_trees, found[:, first : first + n])
        else:
            _finish_counts(votes[0], n_trees, found[:, first : first + n])


@jit(inline=True)
def _rows_of_fractions(feature: Any, values: Any, starts: Any) -> Any:
    """(B,) a number for every tree with a leaf that says neither 0 nor 1, and -1 for the others."""
    n_trees = len(starts) - 1
    found = np.full(n_trees, -1)
    n_found = 0
    for b in range(n_trees):
        for node in range(starts[b], starts[b + 1]):
            if feature[node] < 0 and values[node, 0] != 0.0 and values[node, 0] != 1.0:
                found[b] = n_found
                n_found += 1
                break
    return found


@jit(borrows=True)
def _gather(block: Any, used: Any, columns: Any) -> None:
    """Writes the used features of the rows to (u, POINTS) columns in single precision."""
    for first in range(0, len(block), _TILE):
        for j in range(len(used)):
            column = block[first : first + _TILE, used[j]]
            found = columns[j, first : first + len(column)]
            for i in range(len(column)):
                found[i] = np.float32(column[i])


@jit(borrows=True)
def _add_walks(columns: Any, n: Any, tree: Any, votes: Any, fractions: Any) -> None:
    """What :func:`~lalbench.forests.counting.add_block` adds, one point after the other."""
    feature, threshold, children, values = tree
    for i in range(n):
        node = 0
        while feature[node] >= 0:
            right = not (columns[feature[node], i] <= threshold[node])
            node = children[node, 1 if right else 0]
        if values[node, 0] == 1.0:
            votes[i] += np.uint16(1)
        elif values[node, 0] != 0.0:
            fractions[i] += values[node, 0]


@jit(borrows=True)
def _finish_counts(votes: Any, n_trees: Any, found: Any) -> None:
    for i in range(found.shape[1]):
        ones = np.float64(votes[i])
        found[0, i] = ones / n_trees
        found[1, i] = np.sqrt(ones * (n_trees - ones)) / n_trees


@jit(borrows=True)
def _finish(votes: Any, fractions: Any, n_trees: Any, found: Any) -> None:
    for i in range(found.shape[1]):
        ones = np.float64(votes[i])
        total, zeros = ones, n_trees - ones
        for row in range(len(fractions)):
            if fractions[row, i] != 0.0:
                total += fractions[row, i]
                zeros -= 1
        mean = total / n_trees
        found[0, i] = mean
        if zeros + ones == n_trees:
            found[1, i] = np.sqrt(ones * zeros) / n_trees
            continue
        spread = ones * (1.0 - mean) ** 2 + zeros * mean**2
        for row in range(len(fractions)):
            if fractions[row, i] != 0.0:
                spread += (fractions[row, i] - mean) ** 2
        found[1, i] = np.sqrt(spread / n_trees)
