"""Decisions of refitted two-class logistic regressions, subset by subset: compiled.

A refit ends in one of two ways. For objectives of predictions only the signs of the decisions on
the evaluation points matter, and most are certain long before the optimum is reached
(:func:`_certain`). All others are refined until the norm of the gradient, computed once more from
the rows themselves, is below the tolerance of :class:`lalbench.oracle.stacked_newton.Stack`. What
reaches neither is told as not converged.

The certificate. In the coordinates of :mod:`lalbench.oracle.logistic_refine` the Hessian of the
base problem at δ = 0 is the identity. The second derivative p of log(1 + exp(-m)) changes slowly,
|p'| ≤ p, so a margin that is off by h leaves at least exp(-|h|) of it. In the ball of radius r
around δ no shared margin is further than Φ + ρr from its value at 0, Φ the largest |φ| at δ and ρ
the longest row. The Hessian is therefore at least c = exp(-Φ - ρr) times the identity there (the
penalty only gains from c ≤ 1, and the own row adds to it). If ‖g‖ < c r, the derivative of F points
outwards all over the sphere, and the optimum lies inside: with r = 2 exp(Φ) ‖g‖ that is so if
ρr ≤ log 2. A decision then is off by at most r times the length of its point's row e' = U⁻ᵀ e.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lalbench.jit import jit
from lalbench.oracle.logistic_base import inverse_of_upper, solve
from lalbench.oracle.logistic_refine import Own, Shared, columns, first_guess, refine, take
from lalbench.vector_math import exp

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

# Sums may be reordered and fused; NaN and infinity keep their meaning.
_FLAGS = {"contract", "reassoc", "nsz"}
_EPSILON = float(np.finfo(np.float64).eps)
_TOLERANCE = 1e-9
_COARSE = 1e-4
"""Norm of g at which the certificate is tried."""
_STEPS = 60
_CORRECTIONS = 3
_COLUMNS = 128
"""Candidates refined together: few enough for the cache."""
_ROUNDING = 1e-6
"""Bound on the rounding of U⁻¹ relative to U, above which a subset is left to damped Newton."""
_TIE = 1e-9
"""A decision closer to 0 is not certain."""


class Problem(NamedTuple):
    """What a subset and its candidates are refitted from.

    Attributes:
        rows: (n, D) signed rows.
        weights: (n,) s.
        own: (D, m) signed rows of the candidates as columns.
        own_weights: (m,) s.
        outside: (m,) length of the part of each candidate outside of the D coordinates.
        evaluation: (D, p) evaluation points as columns.
        hidden: (p,) squared length of their parts outside of the D coordinates.
        cross: (m, p) inner products of candidates and evaluation points; (0, p) where no row has a
            part outside.
        penalty: (D,) λ of each coordinate.
        ridge: λ outside.
    """

    rows: FloatArray
    weights: FloatArray
    own: FloatArray
    own_weights: FloatArray
    outside: FloatArray
    evaluation: FloatArray
    hidden: FloatArray
    cross: FloatArray
    penalty: FloatArray
    ridge: float


class Base(NamedTuple):
    """The solved subset.

    Attributes:
        shared: for :func:`lalbench.oracle.logistic_refine.refine`.
        theta: (D,) θ₀.
        inverse: (D, D) U⁻¹.
        reach: (p,) lengths of e'.
        longest: the longest row of G.
        noise: what rounding may put off g.
        tolerance: norm of the gradient at which a refit has converged.
        scaled: norm of g that gives that norm of the gradient.
    """

    shared: Shared
    theta: FloatArray
    inverse: FloatArray
    reach: FloatArray
    longest: float
    noise: float
    tolerance: float
    scaled: float


@jit(_FLAGS, inline=True)
def refit(
    problem: Problem,
    start: FloatArray,
    signs_only: bool,
    decisions: FloatArray,
    converged: BoolArray,
) -> None:
    """Decisions of one subset (first) and of all its candidates.

    Args:
        problem: the subset.
        start: (D,) first parameters; overwritten.
        signs_only: whether certain signs are enough.
        decisions: (m + 1, p) written.
        converged: (m + 1,) written; decisions of the others mean nothing.
    """
    converged[:] = False
    usable, base = _solved(problem, start)
    if not usable:
        return
    for first in range(0, len(converged), _COLUMNS):
        last = min(first + _COLUMNS, len(converged))
        which = np.arange(first - 1, last - 1)
        own = _own_rows(problem, base, which)
        delta = first_guess(base.shared, own)
        part, done = decisions[first:last], converged[first:last]
        if not signs_only:
            _to_the_optimum(problem, base, own, delta, which, part, done)
            continue
        norms, changes = refine(base.shared, own, delta, _COARSE, _STEPS)
        theta, outer = _parameters(problem, base, delta)
        _decide(problem, theta, outer, which, part)
        _certain(base, norms, changes, part, done)
        rest = np.flatnonzero(~done)
        if len(rest):
            found, fine = np.empty((len(rest), part.shape[1])), np.zeros(len(rest), np.bool_)
            few, near = take(own, rest), columns(delta, rest)
            _to_the_optimum(problem, base, few, near, which[rest], found, fine)
            for k in range(len(rest)):
                part[rest[k]], done[rest[k]] = found[k], fine[k]


@jit(_FLAGS, inline=True)
def _solved(problem: Problem, theta: FloatArray) -> tuple[bool, Base]:
    """The subset, and whether it could be solved with little rounding."""
    rows, weights = problem.rows, problem.weights
    n, size = rows.shape
    success, margins, q, upper, gradient = solve(rows, weights, problem.penalty, theta)
    inverse = np.zeros((size, size))
    trace, scaled_inverse = problem.ridge, 0.0
    if success:
        inverse_of_upper(upper, inverse)
        for j in range(size):
            diagonal = 0.0
            for k in range(j + 1):
                diagonal += upper[k, j] * upper[k, j]
            trace += diagonal
            for k in range(j, size):
                scaled_inverse += diagonal * inverse[j, k] * inverse[j, k]
    # Cholesky's method feels the condition of the Hessian with its diagonal scaled to 1 (Higham
    # 2002, theorem 10.5); a trace stands for the norm of the inverse, and sums of D roundings are
    # of the size of √D of them (Higham and Mary 2019)
    rounding = _EPSILON * size * scaled_inverse
    whitened = np.dot(rows, inverse)
    curvature, longest, total, sizes, mass = np.empty(n), 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        curvature[i] = weights[i] * q[i] * (1.0 - q[i])
        square, length = 0.0, 0.0
        for d in range(size):
            square += whitened[i, d] * whitened[i, d]
            length += rows[i, d] * rows[i, d]
        longest = max(longest, math.sqrt(square))
        total += weights[i] * math.sqrt(square)
        sizes += weights[i] * math.sqrt(length)
        mass += weights[i]
    points = np.dot(inverse.T, problem.evaluation)
    reach = problem.hidden / problem.ridge
    for d in range(size):
        for e in range(len(reach)):
            reach[e] += points[d, e] * points[d, e]
    tolerance = max(_TOLERANCE * min(1.0, mass / n), 16.0 * _EPSILON * sizes)
    noise = rounding * (1.0 + total)
    scaled = max(0.5 * tolerance / math.sqrt(trace), 4.0 * _EPSILON * total)
    shared = Shared(
        whitened, np.ascontiguousarray(whitened.T), weights, margins, q, curvature, gradient
    )
    base = Base(shared, theta, inverse, np.sqrt(reach), longest, noise, tolerance, scaled)
    return success and rounding <= _ROUNDING, base


@jit(_FLAGS)
def _own_rows(problem: Problem, base: Base, which: IntArray) -> Own:
    """The rows of the candidates at ``which``; -1 is the subset itself, a row of weight 0."""
    size, m = len(base.theta), len(which)
    features = np.zeros((size, m))
    rows, margins = np.zeros((size + 1, m)), np.zeros(m)
    weights, spread = np.zeros(m), np.zeros(m)
    for d in range(size):
        for k in range(m):
            if which[k] >= 0:
                features[d, k] = problem.own[d, which[k]]
            margins[k] += features[d, k] * base.theta[d]
    np.dot(base.inverse.T, features, rows[:-1])
    scale = 1.0 / math.sqrt(problem.ridge)
    for k in range(m):
        if which[k] >= 0:
            weights[k] = problem.own_weights[which[k]]
            rows[size, k] = scale * problem.outside[which[k]]
    for d in range(size + 1):
        for k in range(m):
            spread[k] += rows[d, k] * rows[d, k]
    return Own(rows, margins, weights, spread)


@jit(_FLAGS)
def _parameters(problem: Problem, base: Base, delta: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(D, m) θ₀ + U⁻¹ δ, and (m,) the parameters along the parts outside."""
    theta = np.dot(base.inverse, delta[:-1])
    for d in range(len(theta)):
        for k in range(theta.shape[1]):
            theta[d, k] += base.theta[d]
    return theta, delta[-1] / math.sqrt(problem.ridge)


@jit(_FLAGS)
def _decide(
    problem: Problem, theta: FloatArray, outer: FloatArray, which: IntArray, decisions: FloatArray
) -> None:
    """Writes the decisions (m, p); overwrites ``theta``.

    With the direction o of a candidate x outside the D coordinates, x = c + |x - c| o, the part of
    a point e along o is (x·e - c·e) / |x - c|, so that θ - c times that factor does for both.
    """
    size, m = theta.shape
    factors = np.zeros(m)
    if len(problem.cross):
        for k in range(m):
            length = problem.outside[which[k]] if which[k] >= 0 else 0.0
            if length > 0.0:
                factors[k] = outer[k] / length
                for d in range(size):
                    theta[d, k] -= factors[k] * problem.own[d, which[k]]
    np.dot(theta.T, problem.evaluation, decisions)
    for k in range(m):
        if factors[k] != 0.0:
            for e in range(decisions.shape[1]):
                decisions[k, e] += factors[k] * problem.cross[which[k], e]


@jit(_FLAGS)
def _certain(
    base: Base, norms: FloatArray, changes: FloatArray, decisions: FloatArray, done: BoolArray
) -> None:
    """Writes for which refits no decision can change its sign any more."""
    for k in range(len(norms)):
        radius = 2.0 * math.exp(changes[k]) * (norms[k] + base.noise)
        uncertain = 0
        for e in range(decisions.shape[1]):
            clear = abs(decisions[k, e]) > radius * base.reach[e] + _TIE
            uncertain += 0 if clear else 1
        # written so that a NaN is not certain
        done[k] = uncertain == 0 and base.longest * radius <= 0.69


@jit(_FLAGS)
def _to_the_optimum(
    problem: Problem,
    base: Base,
    own: Own,
    delta: FloatArray,
    which: IntArray,
    decisions: FloatArray,
    done: BoolArray,
) -> None:
    """Refines, writes the decisions and whether the gradient from the rows themselves is small.

    Where the Hessian is badly conditioned the rounding of U⁻¹ leaves more than that; a step from
    that gradient takes it away, as iterative refinement does for linear systems (Higham 2002, ch.
    12).
    """
    refine(base.shared, own, delta, base.scaled, _STEPS)
    theta, outer = _parameters(problem, base, delta)
    gradient, kappa = _gradient(problem, base, which, theta, outer, done)
    for _ in range(_CORRECTIONS):
        if done.all():
            break
        _correct(problem, base, own, gradient, kappa, done, theta, outer)
        gradient, kappa = _gradient(problem, base, which, theta, outer, done)
    _decide(problem, theta, outer, which, decisions)


@jit(_FLAGS)
def _gradient(
    problem: Problem,
    base: Base,
    which: IntArray,
    theta: FloatArray,
    outer: FloatArray,
    done: BoolArray,
) -> tuple[FloatArray, FloatArray]:
    """(D + 1, m) gradients from the rows, and (m,) κ; writes whether the gradients are small."""
    size, m = theta.shape
    pulls = np.dot(problem.rows, theta)
    for i in range(len(pulls)):
        for k in range(m):
            pulls[i, k] = -problem.weights[i] / (1.0 + exp(pulls[i, k]))
    gradient, kappa = np.empty((size + 1, m)), np.zeros(m)
    np.dot(np.ascontiguousarray(problem.rows.T), pulls, gradient[:-1])
    for k in range(m):
        margin, square, weight, length = 0.0, 0.0, 0.0, 0.0
        j = which[k]
        if j >= 0:
            weight, length = problem.own_weights[j], problem.outside[j]
            margin = outer[k] * length
            for d in range(size):
                margin += problem.own[d, j] * theta[d, k]
        q = 1.0 / (1.0 + math.exp(margin))
        kappa[k] = weight * q * (1.0 - q)
        norm = length * length
        for d in range(size):
            value = gradient[d, k] + problem.penalty[d] * theta[d, k]
            if j >= 0:
                value -= weight * q * problem.own[d, j]
                norm += problem.own[d, j] * problem.own[d, j]
            gradient[d, k] = value
            square += value * value
        gradient[size, k] = problem.ridge * outer[k] - weight * q * length
        square += gradient[size, k] * gradient[size, k]
        limit = max(base.tolerance, 16.0 * _EPSILON * weight * math.sqrt(norm))
        done[k] = square <= limit * limit
    return gradient, kappa


@jit(_FLAGS)
def _correct(
    problem: Problem,
    base: Base,
    own: Own,
    gradient: FloatArray,
    kappa: FloatArray,
    done: BoolArray,
    theta: FloatArray,
    outer: FloatArray,
) -> None:
    """A step S (:mod:`lalbench.oracle.logistic_refine`) of what is not done, in θ."""
    size, m = theta.shape
    scale = 1.0 / math.sqrt(problem.ridge)
    step, along = np.empty((size + 1, m)), np.zeros(m)
    np.dot(base.inverse.T, gradient[:-1], step[:-1])
    step[size] = scale * gradient[size]
    for d in range(size + 1):
        for k in range(m):
            along[k] += step[d, k] * own.rows[d, k]
    for k in range(m):
        along[k] *= kappa[k] / (1.0 + kappa[k] * own.spread[k])
    for d in range(size + 1):
        for k in range(m):
            step[d, k] -= along[k] * own.rows[d, k]
    change = np.dot(base.inverse, step[:-1])
    for k in range(m):
        if not done[k]:
            outer[k] -= scale * step[size, k]
            for d in range(size):
                theta[d, k] -= change[d, k]
