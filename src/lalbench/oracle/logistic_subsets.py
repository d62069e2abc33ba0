"""Subsets of the same rows, each with its candidates, for the compiled refits.

Where a subset has fewer rows than features, its problem is posed in an orthonormal basis of its
rows, with one more direction for the candidate: the penalty makes optima combinations of rows.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lalbench.jit import jit
from lalbench.oracle.logistic_base import project, span
from lalbench.oracle.logistic_kernel import Problem, refit

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

# Sums may be reordered and fused; NaN and infinity keep their meaning.
_FLAGS = {"contract", "reassoc", "nsz"}


class Points(NamedTuple):
    """Rows and evaluation points, as all subsets share them.

    Attributes:
        rows: (N, D) features, a last 1 where there is an intercept.
        targets: (N,) -1 or +1.
        weights: (N,) s.
        evaluation: (D, p) evaluation points as columns, with the last 1.
        penalty: (D,) λ, 0 for the intercept.
        ridge: λ.
        intercept: whether there is one.
    """

    rows: FloatArray
    targets: FloatArray
    weights: FloatArray
    evaluation: FloatArray
    penalty: FloatArray
    ridge: float
    intercept: bool


@jit(_FLAGS)
def refit_subsets(
    points: Points,
    inside: IntArray,
    inside_ends: IntArray,
    outside: IntArray,
    outside_ends: IntArray,
    signs_only: bool,
    share: float,
    decisions: FloatArray,
    converged: BoolArray,
) -> None:
    """Decisions of subsets and their candidates.

    Args:
        points: what they consist of.
        inside: row numbers of all subsets, one after the other.
        inside_ends: (E + 1,) where each begins and ends.
        outside: row numbers of the candidates of all subsets.
        outside_ends: (E + 1,).
        signs_only: whether certain signs of the decisions are enough.
        share: of the features, up to which a subset of so many rows is solved in the span of its
            rows.
        decisions: (E + number of candidates, p) written; each subset and then its candidates.
        converged: (E + number of candidates,) written.
    """
    for e in range(len(inside_ends) - 1):
        which = inside[inside_ends[e] : inside_ends[e + 1]]
        others = outside[outside_ends[e] : outside_ends[e + 1]]
        if len(which) + 2 <= share * points.rows.shape[1]:
            problem = _in_the_span(points, which, others)
        else:
            problem = _as_given(points, which, others)
        first, last = outside_ends[e] + e, outside_ends[e + 1] + e + 1
        start = np.zeros(problem.rows.shape[1])
        if points.intercept:
            start[-1] = _log_odds(points, which)
        refit(problem, start, signs_only, decisions[first:last], converged[first:last])


@jit(_FLAGS)
def _log_odds(points: Points, which: IntArray) -> float:
    positive, negative = 0.0, 0.0
    for i in which:
        if points.targets[i] > 0:
            positive += points.weights[i]
        else:
            negative += points.weights[i]
    return math.log(positive / negative)


@jit(_FLAGS)
def _signed(points: Points, which: IntArray) -> FloatArray:
    rows = points.rows[which]
    for k in range(len(which)):
        if points.targets[which[k]] < 0:
            for d in range(rows.shape[1]):
                rows[k, d] = -rows[k, d]
    return rows


@jit(_FLAGS)
def _as_given(points: Points, which: IntArray, others: IntArray) -> Problem:
    own = np.ascontiguousarray(_signed(points, others).T)
    return Problem(
        _signed(points, which), points.weights[which], own, points.weights[others],
        np.zeros(len(others)), points.evaluation, np.zeros(points.evaluation.shape[1]),
        np.zeros((0, points.evaluation.shape[1])), points.penalty, points.ridge,
    )  # fmt: skip


@jit(_FLAGS, inline=True)
def _in_the_span(points: Points, which: IntArray, others: IntArray) -> Problem:
    """The penalty makes an optimum a combination of its rows, so that their span is enough."""
    size = points.rows.shape[1] - 1 if points.intercept else points.rows.shape[1]
    rows = np.ascontiguousarray(_signed(points, which)[:, :size])
    own = np.ascontiguousarray(_signed(points, others)[:, :size])
    evaluation = points.evaluation[:size]
    coordinates, pivots = span(np.dot(rows, rows.T))
    own_columns = project(coordinates, pivots, np.dot(rows, own.T))
    point_columns = project(coordinates, pivots, np.dot(rows, evaluation))
    penalty = np.full(len(pivots) + (1 if points.intercept else 0), points.ridge)
    outside = np.sqrt(_left(np.ascontiguousarray(own.T), own_columns))
    hidden = _left(evaluation, point_columns)
    if points.intercept:
        penalty[-1] = 0.0
        coordinates = _with_row(np.ascontiguousarray(coordinates.T), points.targets[which]).T.copy()
        own_columns = _with_row(own_columns, points.targets[others])
        point_columns = _with_row(point_columns, np.ones(len(hidden)))
    cross = np.dot(own, evaluation)
    if points.intercept:
        for k in range(len(others)):
            for e in range(len(hidden)):
                cross[k, e] += points.targets[others[k]]
    return Problem(
        coordinates, points.weights[which], own_columns, points.weights[others], outside,
        point_columns, hidden, cross, penalty, points.ridge,
    )  # fmt: skip


@jit(_FLAGS)
def _left(features: FloatArray, coordinates: FloatArray) -> FloatArray:
    """(m,) squared lengths of columns less those of their coordinates, at least 0."""
    found = np.zeros(features.shape[1])
    for d in range(len(features)):
        for k in range(len(found)):
            found[k] += features[d, k] * features[d, k]
    for d in range(len(coordinates)):
        for k in range(len(found)):
            found[k] -= coordinates[d, k] * coordinates[d, k]
    return np.maximum(found, 0.0)


@jit(_FLAGS)
def _with_row(array: FloatArray, row: FloatArray) -> FloatArray:
    found = np.empty((len(array) + 1, array.shape[1]))
    found[:-1] = array
    found[-1] = row
    return found
