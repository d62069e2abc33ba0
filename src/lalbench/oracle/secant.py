"""Refits with one more row each: cheap steps that share the factorised problem of all the others.

Adding one row to a solved logistic regression changes its optimum little. With the inverse P of the
shared problem's Hessian, the row x of a candidate, its weight s and its curvature
κ = s (1 - tanh² z) the preconditioned gradient

    S = (P⁻¹ + κ x xᵀ)⁻¹ g = P g - P x · κ (x·P g) / (1 + κ x·P x)      (Sherman, Morrison 1950)

is a Newton step but for the change of the shared rows' curvature. Two secant pairs of earlier steps
(D. G. Anderson, "Iterative procedures for nonlinear integral equations", 1965) make up for that. A
step of all candidates costs two matrix products over the shared rows and no factorisation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lalbench.oracle.stacked_newton import BoolArray, FloatArray, IntArray, Stack

_TINY = 1e-300
_WORTH_COPYING = 100
"""With fewer candidates the interpreter takes longer than the arithmetic."""


@dataclass
class _State:
    """Candidates as columns: arrays are (D, E, m), so that long inner loops run over candidates."""

    theta: FloatArray
    rows: FloatArray
    """Own rows x, halved."""
    image: FloatArray
    """P x."""
    spread: FloatArray
    """(E, m) x·P x."""
    targets: FloatArray
    weights: FloatArray
    bound: FloatArray
    """(E, m) squared norm of the gradient at which a candidate has converged."""
    origin: IntArray
    """(E, m) position among all candidates of the same problem."""
    pending: BoolArray
    """(E, m) False for converged ones and for copies that fill up a rectangle."""
    previous: tuple[FloatArray, FloatArray] | None = None
    """θ and S of the step before."""
    pairs: tuple[FloatArray, ...] = ()
    """Secant pairs, newest first: change of S, change of θ - S, and ‖change of S‖²."""


def refine(
    shared: Stack,
    own: Stack,
    theta: FloatArray,
    inverse: FloatArray,
    penalty: FloatArray,
    tolerance: FloatArray,
    limit: int,
) -> tuple[FloatArray, BoolArray]:
    """Optima of E solved problems, each with one of m own rows added.

    Args:
        shared: E problems.
        own: the m own rows of each, as a stack (E, m, D).
        theta: (E, D) optima of the shared problems.
        inverse: (E, D, D) inverse Hessians there.
        penalty: (D,) λ, 0 for the last coordinate.
        tolerance: (E, m) norms of the gradient at which a candidate has converged.
        limit: steps after which the rest is given up.

    Returns:
        θ (E, m, D) and which candidates converged (E, m). The others hold their first guess.
    """
    state = _first_guess(own, theta, inverse, tolerance)
    found = np.ascontiguousarray(state.theta.transpose(1, 2, 0))
    converged = np.zeros(state.pending.shape, dtype=bool)
    pull = shared.rows * shared.weights[:, :, None]
    # diverging candidates are given up, so their overflows are no news
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(limit):
            own_slopes = np.tanh(_dot(state.theta, state.rows))
            gradient = _gradient(state, shared, pull, penalty, own_slopes)
            small = (_dot(gradient, gradient) <= state.bound) & state.pending
            if small.any():
                problems, columns = np.nonzero(small)
                origins = state.origin[problems, columns]
                found[problems, origins] = state.theta[:, problems, columns].T
                converged[problems, origins] = True
                state.pending &= ~small
                if not state.pending.any():
                    break
            _advance(state, _precondition(state, inverse, gradient, own_slopes))
            _compress(state)
    return found, converged


def _gradient(
    state: _State,
    shared: Stack,
    pull: FloatArray,
    penalty: FloatArray,
    own_slopes: FloatArray,
) -> FloatArray:
    """(D, E, m) gradients; ``pull`` holds the shared rows times their weights."""
    residuals = np.empty((shared.rows.shape[1], *state.pending.shape))
    np.matmul(shared.rows, state.theta.transpose(1, 0, 2), out=residuals.transpose(1, 0, 2))
    np.tanh(residuals, out=residuals)
    residuals -= shared.targets.T[:, :, None]
    gradient = np.empty_like(state.theta)
    pulled = residuals.transpose(1, 0, 2)
    np.matmul(pull.transpose(0, 2, 1), pulled, out=gradient.transpose(1, 0, 2))
    gradient[:-1] += penalty[:-1, None, None] * state.theta[:-1]
    gradient += (state.weights * (own_slopes - state.targets)) * state.rows
    return gradient


def _first_guess(
    own: Stack, theta: FloatArray, inverse: FloatArray, tolerance: FloatArray
) -> _State:
    """The shared problem in its quadratic model, the own row's loss as it is.

    The optimum is θ + a P x with ``a = s (t - tanh(z + a x·P x))``; for u = t a that is the root of
    an increasing function which is concave right and convex left of z = 0, so Newton's method from
    there, or from u = 0 if that is right of it, approaches the root from one side.
    """
    rows = np.ascontiguousarray(own.rows.transpose(2, 0, 1))
    image = np.empty_like(rows)
    np.matmul(inverse, rows.transpose(1, 0, 2), out=image.transpose(1, 0, 2))
    spread = _dot(rows, image)
    margin = own.targets * _dot(rows, theta.T[:, :, None])
    u = np.maximum(0.0, -margin / np.maximum(spread, _TINY))
    for _ in range(5):
        slope = np.tanh(margin + u * spread)
        value = u - own.weights * (1 - slope)
        u -= value / (1 + own.weights * spread * (1 - slope * slope))
    n_problems, n_candidates = spread.shape
    origin = np.broadcast_to(np.arange(n_candidates), spread.shape)
    return _State(
        theta=theta.T[:, :, None] + (own.targets * u) * image,
        rows=rows,
        image=image,
        spread=spread,
        targets=own.targets,
        weights=own.weights,
        bound=tolerance**2,
        origin=origin,
        pending=np.ones((n_problems, n_candidates), dtype=bool),
    )


def _precondition(
    state: _State, inverse: FloatArray, gradient: FloatArray, own_slopes: FloatArray
) -> FloatArray:
    step = np.empty_like(gradient)
    np.matmul(inverse, gradient.transpose(1, 0, 2), out=step.transpose(1, 0, 2))
    curvature = state.weights * (1 - own_slopes * own_slopes)
    factor = curvature * _dot(gradient, state.image) / (1 + curvature * state.spread)
    step -= factor * state.image
    return step


def _advance(state: _State, step: FloatArray) -> None:
    """One step of Anderson's method with up to two secant pairs."""
    theta = state.theta
    moved = theta - step
    if state.previous is not None:
        change = step - state.previous[1]
        shift = moved - state.previous[0] + state.previous[1]
        square = np.maximum(_dot(change, change), _TINY)
        first = _dot(change, step)
        if state.pairs:
            change2, shift2, square2 = state.pairs
            mixed, second = _dot(change, change2), _dot(change2, step)
            determinant = square * square2 - mixed * mixed
            # (nearly) parallel pairs: the newer one alone
            usable = determinant > 1e-10 * square * square2
            determinant = np.where(usable, determinant, 1.0)
            gamma2 = np.where(usable, (second * square - first * mixed) / determinant, 0.0)
            gamma = (first - gamma2 * mixed) / square
            moved = moved - gamma * shift - gamma2 * shift2
        else:
            moved = moved - (first / square) * shift
        state.pairs = (change, shift, square)
    state.previous = (theta, step)
    state.theta = moved


def _compress(state: _State) -> None:
    """Drops converged candidates once a rectangle of the pending ones is much smaller."""
    width = state.pending.shape[1]
    needed = int(state.pending.sum(axis=1).max())
    if needed > 0.7 * width or state.pending.size < _WORTH_COPYING:
        return
    order = np.argsort(~state.pending, axis=1, kind="stable")[:, :needed]
    flat = (np.arange(len(order))[:, None] * width + order).ravel()

    def columns(array: FloatArray) -> FloatArray:
        return array.reshape(len(array), -1)[:, flat].reshape(len(array), *order.shape)

    def entries(array: NDArray[Any]) -> NDArray[Any]:
        return array.ravel()[flat].reshape(order.shape)

    state.theta, state.rows, state.image = map(columns, (state.theta, state.rows, state.image))
    for name in ("spread", "targets", "weights", "bound", "origin", "pending"):
        setattr(state, name, entries(getattr(state, name)))
    if state.previous is not None:
        state.previous = (columns(state.previous[0]), columns(state.previous[1]))
    if state.pairs:
        state.pairs = (columns(state.pairs[0]), columns(state.pairs[1]), entries(state.pairs[2]))


def _dot(left: FloatArray, right: FloatArray) -> FloatArray:
    """(E, m) inner products of columns."""
    found: FloatArray = np.einsum("dem,dem->em", left, right)
    return found
