"""Refits of K-class logistic regression with one more row each, all candidates together.

With rows x_i (features and a last 1), weights s_i, class probabilities p_i = softmax(Θᵀ x_i) and
ridge λ the gradient of one problem is ``Σ s_i x_i (p_i - y_i)ᵀ + λ Θ`` and its Hessian
``Σ s_i x_i x_iᵀ ⊗ (diag p_i - p_i p_iᵀ) + λ``. With the inverse P of the shared problem's Hessian
and the curvature κ = s (diag p - p pᵀ) of the own row x, U = x ⊗ I,

    S = (P⁻¹ + U κ Uᵀ)⁻¹ g = P g - P U (I + κ UᵀP U)⁻¹ κ UᵀP g      (Woodbury 1950)

is a Newton step but for the change of the shared rows' curvature; two secant pairs of earlier steps
make up for that (D. G. Anderson 1965). Candidates are the last axis of all arrays, which may be
NumPy's or, with ``xp=torch``, tensors on any device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

_TINY = 1e-300


@dataclass(frozen=True)
class Base:
    """A solved problem of n rows in D coordinates.

    Attributes:
        rows: (n, D), the last coordinate 1.
        labels: (n, K, 1) indicators of the classes.
        weights: (n,) s.
        theta: (D, K) optimum.
        inverse: (D K, D K) P.
        penalty: (D,) λ, 0 for the intercept.
    """

    rows: Any
    labels: Any
    weights: Any
    theta: Any
    inverse: Any
    penalty: Any


@dataclass
class _State:
    """Candidates that are not done, on the last axis."""

    x: Any
    """(D, m) own rows."""
    y: Any
    """(K, m) indicators of their classes."""
    s: Any
    """(m,) weights."""
    image: Any
    """(D, K, K, m) P U."""
    spread: Any
    """(m, K, K) UᵀP U."""
    bound: Any
    """(m,) squared norm of the gradient at which a candidate has converged."""
    origin: Any
    """(m,) position among all."""
    theta: Any
    """(D, K, m)"""
    last: Any = None
    """S of the step before, and the way Θ went since."""
    pair: Any = None
    """Change of S, change of Θ - S, and ‖change of S‖² of the pair before."""


def refine(
    base: Base, x: Any, y: Any, s: Any, tolerance: Any, limit: int, xp: Any = np
) -> tuple[Any, Any]:
    """Optima of the base problem with each of m rows added.

    Args:
        base: the shared problem.
        x: (D, m) own rows.
        y: (K, m) indicators of their classes.
        s: (m,) their weights.
        tolerance: (m,) norms of the gradient at which a candidate has converged.
        limit: steps after which the rest is given up.
        xp: ``numpy`` or ``torch``, what the arrays are of.

    Returns:
        Θ (D, K, m) and which converged (m,); the others hold their first guess.
    """
    state = _first_guess(base, x, y, s, tolerance, xp)
    found, converged = state.theta + 0.0, state.origin < 0
    for step in range(limit + 1):
        gradient, kappa = _gradient(base, state, xp)
        small = xp.einsum("dkm,dkm->m", gradient, gradient) <= state.bound
        if small.any():
            done = state.origin[small]
            found[:, :, done], converged[done] = state.theta[:, :, small], True
            if small.all():
                break
            gradient, kappa = gradient[:, :, ~small], kappa[~small]
            state = _keep(state, ~small)
        if step < limit:
            _advance(state, _precondition(base, state, gradient, kappa, xp), xp)
    return found, converged


def softmax(scores: Any, axis: int, xp: Any = np) -> Any:
    """Probabilities along ``axis``."""
    powers = xp.exp(scores - xp.amax(scores, axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def _first_guess(base: Base, x: Any, y: Any, s: Any, tolerance: Any, xp: Any) -> _State:
    """The base in its quadratic model, the own row's loss as it is: Newton's method for K numbers.

    Θ = Θ₀ - P U c with c = s (softmax(UᵀΘ) - y).
    """
    (n_coordinates, n_classes), m = base.theta.shape, x.shape[1]
    size = n_coordinates * n_classes
    # P is symmetric: contracting its first coordinate with x is one product
    image = base.inverse.reshape(n_coordinates, n_classes * size).T @ x
    image = image.reshape(n_classes, n_coordinates, n_classes, m)
    image = image.swapaxes(0, 1).swapaxes(1, 2)
    spread = xp.einsum("dm,dklm->mkl", x, image)
    scores = xp.einsum("dm,dk->mk", x, base.theta)
    c = 0.0 * scores
    for _ in range(5):
        p = softmax(scores - xp.einsum("mkl,ml->mk", spread, c), 1, xp)
        left = c - s[:, None] * (p - y.T)
        c = c - _solve(_kappa(p, s, xp), spread, left, xp)
    theta = base.theta[:, :, None] - xp.einsum("dklm,ml->dkm", image, c)
    origin = xp.arange(m, device=x.device)
    return _State(x, y, s, image, spread, tolerance**2, origin, theta)


def _kappa(p: Any, s: Any, xp: Any) -> Any:
    """(m, K, K) s (diag p - p pᵀ) of probabilities (m, K)."""
    identity = xp.eye(p.shape[1], dtype=p.dtype, device=p.device)
    return s[:, None, None] * (p[:, :, None] * identity - p[:, :, None] * p[:, None, :])


def _solve(kappa: Any, spread: Any, right: Any, xp: Any) -> Any:
    """(m, K) (I + κ UᵀP U)⁻¹ right."""
    identity = xp.eye(kappa.shape[1], dtype=kappa.dtype, device=kappa.device)
    return xp.linalg.solve(identity + kappa @ spread, right[:, :, None])[:, :, 0]


def _gradient(base: Base, state: _State, xp: Any) -> tuple[Any, Any]:
    """(D, K, m) gradients and (m, K, K) κ of the own rows."""
    n_coordinates, n_classes, m = state.theta.shape
    flat = state.theta.reshape(n_coordinates, n_classes * m)
    p = softmax((base.rows @ flat).reshape(len(base.rows), n_classes, m), 1, xp)
    pull = (p - base.labels) * base.weights[:, None, None]
    gradient = (base.rows.T @ pull.reshape(len(base.rows), -1)).reshape(state.theta.shape)
    gradient = gradient + base.penalty[:, None, None] * state.theta
    own = softmax(xp.einsum("dm,dkm->mk", state.x, state.theta), 1, xp)
    own_pull = (own.T - state.y) * state.s
    gradient = gradient + state.x[:, None, :] * own_pull[None]
    return gradient, _kappa(own, state.s, xp)


def _precondition(base: Base, state: _State, gradient: Any, kappa: Any, xp: Any) -> Any:
    """(D, K, m) S."""
    size = base.inverse.shape[0]
    step = (base.inverse @ gradient.reshape(size, -1)).reshape(gradient.shape)
    along = xp.einsum("dm,dkm->mk", state.x, step)
    right = xp.einsum("mkl,ml->mk", kappa, along)
    factor = _solve(kappa, state.spread, right, xp)
    return step - xp.einsum("dklm,ml->dkm", state.image, factor)


def _advance(state: _State, step: Any, xp: Any) -> None:
    """One step of Anderson's method with up to two secant pairs."""
    way = -step
    if state.last is not None:
        before, moved = state.last
        change = step - before
        shift = moved - change
        square = _dot(change, change, xp).clip(min=_TINY)
        first = _dot(change, step, xp)
        if state.pair is not None:
            change2, shift2, square2 = state.pair
            mixed, second = _dot(change, change2, xp), _dot(change2, step, xp)
            determinant = square * square2 - mixed * mixed
            # (nearly) parallel pairs: the newer one alone
            usable = determinant > 1e-10 * square * square2
            determinant = xp.where(usable, determinant, 1.0)
            gamma2 = xp.where(usable, (second * square - first * mixed) / determinant, 0.0)
            first = first - gamma2 * mixed
            way = way - gamma2 * shift2
        way = way - (first / square) * shift
        state.pair = (change, shift, square)
    state.last = (step, way)
    state.theta = state.theta + way


def _dot(left: Any, right: Any, xp: Any) -> Any:
    return xp.einsum("dkm,dkm->m", left, right)


def _keep(state: _State, which: Any) -> _State:
    def take(array: Any) -> Any:
        return array[..., which]

    return _State(
        take(state.x), take(state.y), take(state.s), take(state.image), state.spread[which],
        take(state.bound), take(state.origin), take(state.theta),
        None if state.last is None else tuple(map(take, state.last)),
        None if state.pair is None else tuple(map(take, state.pair)),
    )  # fmt: skip
