"""The best split of a node: features in random order, thresholds between neighbouring values."""

from __future__ import annotations

from typing import Any

import numpy as np

from lalbench.jit import jit

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_GAP = np.float32(1e-7)
"""Values that are no further apart count as equal, as in scikit-learn, in single precision."""
_FEW = 128
"""Rows up to which sorting by insertion is the quicker way (measured)."""


@jit(inline=True)
def next_uniform(state: Any) -> Any:
    """The next number of SplitMix64 as a float in [0, 1)."""
    state[0] += _GOLDEN
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    z ^= z >> np.uint64(31)
    return np.float64(z >> np.uint64(11)) * 2.0**-53


@jit()
def split(
    X: Any,
    y: Any,
    counts: Any,
    rows: Any,
    max_features: Any,
    state: Any,
    candidates: Any,
    n_classes: Any,
) -> Any:
    """The split with the largest decrease of Gini impurity.

    Features are drawn without replacement, ``max_features`` of them and on until one is not
    constant. Of equal splits the first stays: in the order of the draw, then of the values.

    Returns:
        Feature, -1 where all are constant; threshold; weighted decrease of impurity.
    """
    values = np.empty(len(rows), dtype=np.float32)
    order = np.empty(len(rows), dtype=np.int64)
    totals = np.zeros(n_classes)
    for row in rows:
        totals[y[row]] += counts[row]
    chosen, threshold, best = -1, 0.0, -np.inf
    visited = 0
    while visited < len(candidates) and (visited < max_features or chosen < 0):
        other = visited + np.int64(next_uniform(state) * (len(candidates) - visited))
        candidates[visited], candidates[other] = candidates[other], candidates[visited]
        feature = candidates[visited]
        visited += 1
        if not _sort(X, rows, feature, values, order):
            continue
        place, score = _scan(y, counts, values, order, totals)
        if score > best:
            chosen, best = feature, score
            threshold = _between(values[place - 1], values[place])
    weight, squares = totals.sum(), (totals * totals).sum()
    return chosen, threshold, best + _impurity(squares, weight)


@jit(inline=True)
def _sort(X: Any, rows: Any, feature: Any, values: Any, order: Any) -> Any:
    """Writes the rows and their values in ascending order; False for a constant feature."""
    low = high = X[rows[0], feature]
    for k in range(len(rows)):
        value = X[rows[k], feature]
        values[k] = value
        low, high = min(low, value), max(high, value)
    if high <= low + _GAP:
        return False
    if len(rows) > _FEW:
        ranks = np.argsort(values)
        order[:] = rows[ranks]
        values[:] = values[ranks]
        return True
    for k in range(len(rows)):
        value, row = values[k], rows[k]
        j = k
        while j > 0 and values[j - 1] > value:
            values[j], order[j] = values[j - 1], order[j - 1]
            j -= 1
        values[j], order[j] = value, row
    return True


@jit(inline=True)
def _scan(y: Any, counts: Any, values: Any, order: Any, totals: Any) -> Any:
    """The best place between sorted values, and minus the weighted impurity of both sides there.

    The first of equal ones. Which are equal is a matter of rounding, so the terms are those of
    scikit-learn, in their order.
    """
    left = np.zeros(len(totals))
    in_left, in_right = 0.0, totals.sum()
    left_squares, right_squares = 0.0, (totals * totals).sum()
    found, best = 0, -np.inf
    for k in range(1, len(values)):
        label, weight = y[order[k - 1]], np.float64(counts[order[k - 1]])
        right = totals[label] - left[label]
        left_squares += weight * (2 * left[label] + weight)
        right_squares += weight * (weight - 2 * right)
        left[label] += weight
        in_left += weight
        in_right -= weight
        if values[k] <= values[k - 1] + _GAP:
            continue
        score = -_impurity(right_squares, in_right) - _impurity(left_squares, in_left)
        if score > best:
            found, best = k, score
    return found, best


@jit(inline=True)
def _impurity(squares: Any, weight: Any) -> Any:
    """Gini impurity times weight, from the sum of squared class weights and that of weights."""
    return weight * (1.0 - squares / (weight * weight))


@jit(inline=True)
def _between(low: Any, high: Any) -> Any:
    """Half the way between two single-precision values, below the upper one."""
    middle = np.float64(low) / 2.0 + np.float64(high) / 2.0
    return middle if middle != np.float64(high) else np.float64(low)
