"""Refits with one more row each, all candidates of one base problem together: compiled.

The base problem (:mod:`lalbench.oracle.logistic_base`) has the Hessian UᵀU at θ₀. In coordinates
δ = U (θ - θ₀) that Hessian is the identity. With G = rows U⁻¹, changes of margins φ = Gδ and
curvatures w₀ there, the gradient of the problem with one more row x of weight s is

    g = δ + g₀ + Gᵀ (pull(φ) - pull(0) - w₀ φ) - s q x',    x' = U⁻ᵀ x,

in which the sum over the shared rows is of second order in φ. With κ = s q (1 - q) of the own row

    S = (I + κ x' x'ᵀ)⁻¹ g = g - x' κ (x'·g) / (1 + κ x'·x')      (Sherman, Morrison 1950)

is a Newton step but for the change of the shared rows' curvature. Two secant pairs of earlier steps
(D. G. Anderson, "Iterative procedures for nonlinear integral equations", 1965) make up for that.
A step of all candidates costs two matrix products over the shared rows and no factorisation.

Candidates are columns, so that inner loops run over them. The last coordinate is the part of a
candidate's row outside the span in which the base problem is solved, 0 where there is none.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lalbench.jit import jit
from lalbench.vector_math import exp

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Sums may be reordered and fused; NaN and infinity keep their meaning.
_FLAGS = {"contract", "reassoc", "nsz"}
_TINY = 1e-300
_DONE = -1
_WORTH_COPYING = 0.7
"""Share of pending columns below which the others are dropped."""


class Shared(NamedTuple):
    """A solved base problem of n rows in D coordinates.

    Attributes:
        rows: (n, D) G.
        columns: (D, n) Gᵀ.
        weights: (n,) s.
        margins: (n,) at θ₀.
        q: (n,) at θ₀.
        curvature: (n,) w₀.
        gradient: (D,) g₀.
    """

    rows: FloatArray
    columns: FloatArray
    weights: FloatArray
    margins: FloatArray
    q: FloatArray
    curvature: FloatArray
    gradient: FloatArray


class Own(NamedTuple):
    """The own rows of m candidates.

    Attributes:
        rows: (D + 1, m) x', the last coordinate that outside the span.
        margins: (m,) at θ₀.
        weights: (m,) s; a row of weight 0 leaves the base problem.
        spread: (m,) x'·x'.
    """

    rows: FloatArray
    margins: FloatArray
    weights: FloatArray
    spread: FloatArray


@jit(_FLAGS)
def take(own: Own, which: IntArray) -> Own:
    """The candidates at ``which``."""
    rows = np.empty((own.rows.shape[0], len(which)))
    margins, weights, spread = np.empty(len(which)), np.empty(len(which)), np.empty(len(which))
    for k in range(len(which)):
        margins[k], weights[k] = own.margins[which[k]], own.weights[which[k]]
        spread[k] = own.spread[which[k]]
    for d in range(len(rows)):
        for k in range(len(which)):
            rows[d, k] = own.rows[d, which[k]]
    return Own(rows, margins, weights, spread)


@jit(_FLAGS)
def first_guess(shared: Shared, own: Own) -> FloatArray:
    """(D + 1, m): the base in its quadratic model, the own row's loss as it is.

    The optimum is δ = a x' - g₀ with ``a = s / (1 + exp(z + a x'·x'))``, z the own margin at -g₀:
    the root of an increasing function that is concave where the margin is positive and convex where
    it is negative. Newton's method from margin 0, or from a = 0 if that is right of it, approaches
    it from one side.
    """
    size, m = len(shared.gradient), len(own.weights)
    z, a = own.margins.copy(), np.empty(m)
    for d in range(size):
        for j in range(m):
            z[j] -= shared.gradient[d] * own.rows[d, j]
    for j in range(m):
        a[j] = max(0.0, -z[j] / max(own.spread[j], _TINY)) if own.weights[j] > 0.0 else 0.0
    for _ in range(5):
        for j in range(m):
            q = 1.0 / (1.0 + exp(z[j] + a[j] * own.spread[j]))
            slope = own.weights[j] * q * (1.0 - q) * own.spread[j]
            a[j] -= (a[j] - own.weights[j] * q) / (1.0 + slope)
    delta = np.empty((size + 1, m))
    for d in range(size):
        for j in range(m):
            delta[d, j] = a[j] * own.rows[d, j] - shared.gradient[d]
    for j in range(m):
        delta[size, j] = a[j] * own.rows[size, j]
    return delta


@jit(_FLAGS)
def refine(
    shared: Shared, own: Own, delta: FloatArray, tolerance: float, limit: int
) -> tuple[FloatArray, FloatArray]:
    """Steps until the norm of g is at most ``tolerance``.

    Args:
        shared: the base problem.
        own: the rows of m candidates.
        delta: (D + 1, m) start; overwritten with the result.
        tolerance: norm of g at which a candidate is done.
        limit: steps after which the rest is given up.

    Returns:
        (m,) norms of g, NaN for what is given up, and (m,) largest changes |φ| of shared margins.
        What is given up is left where its last step led.
    """
    total = delta.shape[1]
    norms, changes = np.full(total, np.nan), np.zeros(total)
    origin = np.arange(total)
    m, theta = total, delta.copy()
    last, moved = np.empty_like(delta), np.empty_like(delta)
    pair_step, pair_theta, square = np.empty_like(delta), np.empty_like(delta), np.empty(total)
    gradient = np.empty_like(delta)
    residuals = np.empty((len(shared.rows), total))
    for iteration in range(limit + 1):
        largest = _residuals(shared, theta, residuals)
        square_norm, kappa, along = _gradient(shared, own, theta, residuals, gradient)
        left = 0
        for j in range(m):
            if origin[j] < 0:
                continue
            if square_norm[j] <= tolerance * tolerance:
                norms[origin[j]], changes[origin[j]] = np.sqrt(square_norm[j]), largest[j]
                _write(theta, j, delta, origin[j])
                origin[j] = _DONE
            else:
                left += 1
        if left == 0 or iteration == limit:
            break
        if left < _WORTH_COPYING * m:
            keep = np.flatnonzero(origin >= 0)
            m, origin, own = left, origin[keep], take(own, keep)
            kappa, along = kappa[keep], along[keep]
            theta, gradient = columns(theta, keep), columns(gradient, keep)
            last, moved = columns(last, keep), columns(moved, keep)
            pair_step, pair_theta = columns(pair_step, keep), columns(pair_theta, keep)
            square = square[keep]
            residuals = np.empty((len(shared.rows), m))
        _advance(
            own, theta, gradient, kappa, along, last, moved, pair_step, pair_theta, square,
            iteration,
        )  # fmt: skip
    for j in range(m):
        if origin[j] >= 0:
            _write(theta, j, delta, origin[j])
    return norms, changes


@jit(_FLAGS)
def _write(theta: FloatArray, j: int, delta: FloatArray, k: int) -> None:
    """Column j of ``theta`` to column k of ``delta``."""
    for d in range(len(theta)):
        delta[d, k] = theta[d, j]


@jit(_FLAGS)
def columns(array: FloatArray, which: IntArray) -> FloatArray:
    """The columns at ``which``."""
    found = np.empty((len(array), len(which)))
    for d in range(len(array)):
        for k in range(len(which)):
            found[d, k] = array[d, which[k]]
    return found


@jit(_FLAGS)
def _residuals(shared: Shared, theta: FloatArray, residuals: FloatArray) -> FloatArray:
    """Writes pull(φ) - pull(0) - w₀ φ, (n, m); returns max |φ| (m,)."""
    n, m = residuals.shape
    np.dot(shared.rows, theta[:-1], residuals)
    largest = np.zeros(m)
    for i in range(n):
        margin, weight, q0 = shared.margins[i], shared.weights[i], shared.q[i]
        curvature = shared.curvature[i]
        row = residuals[i]
        for j in range(m):
            phi = row[j]
            q = 1.0 / (1.0 + exp(margin + phi))
            row[j] = weight * (q0 - q) - curvature * phi
            largest[j] = max(largest[j], abs(phi))
    return largest


@jit(_FLAGS)
def _gradient(
    shared: Shared, own: Own, theta: FloatArray, residuals: FloatArray, gradient: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Writes g; returns its squared norm, the own rows' κ and x'·g, each (m,)."""
    size, m = theta.shape
    np.dot(shared.columns, residuals, gradient[:-1])
    gradient[size - 1] = 0.0
    pull, kappa = own.margins.copy(), np.empty(m)
    for d in range(size):
        for j in range(m):
            pull[j] += own.rows[d, j] * theta[d, j]
    for j in range(m):
        q = 1.0 / (1.0 + exp(pull[j]))
        pull[j] = -own.weights[j] * q
        kappa[j] = own.weights[j] * q * (1.0 - q)
    square, along = np.zeros(m), np.zeros(m)
    for d in range(size):
        constant = shared.gradient[d] if d < size - 1 else 0.0
        for j in range(m):
            value = gradient[d, j] + constant + theta[d, j] + pull[j] * own.rows[d, j]
            gradient[d, j] = value
            square[j] += value * value
            along[j] += value * own.rows[d, j]
    return square, kappa, along


@jit(_FLAGS)
def _advance(
    own: Own,
    theta: FloatArray,
    gradient: FloatArray,
    kappa: FloatArray,
    along: FloatArray,
    last: FloatArray,
    moved: FloatArray,
    pair_step: FloatArray,
    pair_theta: FloatArray,
    square: FloatArray,
    iteration: int,
) -> None:
    """One step of Anderson's method with up to two secant pairs.

    ``last`` holds S of the step before and ``moved`` the way θ went since; the pairs are changes of
    S and of θ - S. All are overwritten with those of this step.
    """
    size, m = theta.shape
    factor, first, second = np.empty(m), np.zeros(m), np.zeros(m)
    mixed, fresh = np.zeros(m), np.zeros(m)
    for j in range(m):
        factor[j] = kappa[j] * along[j] / (1.0 + kappa[j] * own.spread[j])
    for d in range(size):
        for j in range(m):
            step = gradient[d, j] - factor[j] * own.rows[d, j]
            gradient[d, j] = step
            if iteration > 0:
                change = step - last[d, j]
                fresh[j] += change * change
                first[j] += change * step
                if iteration > 1:
                    mixed[j] += change * pair_step[d, j]
                    second[j] += pair_step[d, j] * step
    _coefficients(fresh, square, mixed, first, second, iteration > 1)
    for d in range(size):
        for j in range(m):
            step, way = gradient[d, j], -gradient[d, j]
            if iteration > 0:
                change = step - last[d, j]
                shift = moved[d, j] - change
                way -= first[j] * shift
                if iteration > 1:
                    way -= second[j] * pair_theta[d, j]
                pair_step[d, j], pair_theta[d, j] = change, shift
            theta[d, j] += way
            last[d, j], moved[d, j] = step, way


@jit(_FLAGS)
def _coefficients(
    fresh: FloatArray,
    square: FloatArray,
    mixed: FloatArray,
    first: FloatArray,
    second: FloatArray,
    two: bool,
) -> None:
    """Replaces products of S with the pairs by the coefficients of the least-squares fit of S.

    ``fresh`` and ``square`` hold the squared norms of the newer and the older pair, the newer one's
    takes the older one's place.
    """
    for j in range(len(fresh)):
        norm = max(fresh[j], _TINY)
        determinant = norm * square[j] - mixed[j] * mixed[j]
        # (nearly) parallel pairs: the newer one alone
        usable = two and determinant > 1e-10 * norm * square[j]
        second[j] = (second[j] * norm - first[j] * mixed[j]) / determinant if usable else 0.0
        first[j] = (first[j] - second[j] * mixed[j]) / norm
        square[j] = norm
