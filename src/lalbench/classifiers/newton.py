"""Converged optima of L2-penalised logistic regression by damped Newton steps.

With rows x_i, sample weights s_i and unpenalised intercepts the problems are

- two classes, y_i in {-1, +1}: ``Σ s_i log(1 + exp(-y_i (w·x_i + b))) + ‖w‖² / (2C)``;
- K classes: ``-Σ s_i log softmax(W x_i + b)[y_i] + ‖W‖² / (2C)``, all K rows of W penalised.

A step is halved until the objective falls by at least 1e-4 of what its slope promises. A fit has
converged when no entry of the gradient exceeds ``tol`` (times the mean sample weight where that is
below 1), or what rounding of the sums leaves of it.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dposv
from scipy.special import expit, logsumexp

from lalbench.errors import LalbenchError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_EPSILON = float(np.finfo(np.float64).eps)
_HALVINGS = 60
_DIRECT_SIZE = 1200
"""Newton systems up to this size are factorised, larger ones solved by conjugate gradients."""


class NotConvergedError(LalbenchError):
    """The optimum was not reached; nothing is returned rather than an unconverged fit."""


class _Problem(Protocol):
    """A convex objective of a flat parameter vector."""

    def value(self, theta: FloatArray) -> float:
        """The objective; also keeps what :meth:`gradient` and :meth:`direction` need."""

    def gradient(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The gradient at the last evaluated point, and the size of what rounding leaves of it."""

    def direction(self, gradient: FloatArray) -> FloatArray:
        """The Newton step ``H⁻¹ gradient`` at the last evaluated point."""


def fit_binary(
    X: FloatArray,
    y: FloatArray,
    weights: FloatArray,
    C: float = 1.0,
    tol: float = 1e-9,
    max_iter: int = 100,
) -> tuple[FloatArray, float, int]:
    """The optimum for two classes.

    Args:
        X: (n, d) features.
        y: (n,) float64 labels -1 and +1, both with positive weight.
        weights: (n,) non-negative sample weights.
        C: inverse strength of the penalty.
        tol: largest admissible entry of the gradient.
        max_iter: Newton steps.

    Returns:
        w (d,), b, number of steps.

    Raises:
        NotConvergedError: the tolerance was not reached.
    """
    rows, basis = _reduced(X)
    problem = _Binary(rows, y, weights, C)
    positive = float(weights @ (y > 0))
    start = np.zeros(rows.shape[1] + 1)
    start[-1] = np.log(positive / (weights.sum() - positive))
    theta, steps = _minimise(problem, start, _tolerance(tol, weights, basis), max_iter)
    w = theta[:-1] if basis is None else basis @ theta[:-1]
    return w, float(theta[-1]), steps


def fit_multinomial(
    X: FloatArray,
    y: IntArray,
    weights: FloatArray,
    n_classes: int,
    C: float = 1.0,
    tol: float = 1e-9,
    max_iter: int = 100,
) -> tuple[FloatArray, FloatArray, int]:
    """The optimum for K > 2 classes; of the equivalent intercepts those that sum to 0.

    Args:
        X: (n, d) features.
        y: (n,) labels 0 … K - 1, each with positive weight.
        weights: (n,) non-negative sample weights.
        n_classes: K.
        C: inverse strength of the penalty.
        tol: largest admissible entry of the gradient.
        max_iter: Newton steps.

    Returns:
        W (K, d), b (K,), number of steps.

    Raises:
        NotConvergedError: the tolerance was not reached.
    """
    rows, basis = _reduced(X)
    problem = _Multinomial(rows, y, weights, n_classes, C)
    start = np.zeros((n_classes, rows.shape[1] + 1))
    logs = np.log(np.bincount(y, weights, minlength=n_classes))
    start[:, -1] = logs - logs.mean()
    tol = _tolerance(tol, weights, basis)
    theta, steps = _minimise(problem, start.ravel(), tol, max_iter)
    found = theta.reshape(n_classes, -1)
    W = found[:, :-1] if basis is None else found[:, :-1] @ basis.T
    return W, found[:, -1].copy(), steps


def _reduced(X: FloatArray) -> tuple[FloatArray, FloatArray | None]:
    """The rows in an orthonormal basis of their span where that has fewer dimensions than d.

    The penalty makes the optimal w a combination of rows, and an orthonormal basis keeps its norm.
    """
    n, d = X.shape
    if d <= n:
        return X, None
    basis, coordinates = np.linalg.qr(X.T)
    return np.ascontiguousarray(coordinates.T), basis


def _tolerance(tol: float, weights: FloatArray, basis: FloatArray | None) -> float:
    # weights that sum to 1 shrink the whole problem, and a rotation can gather a gradient's entries
    spread = 1.0 if basis is None else np.sqrt(basis.shape[1])
    return float(tol * min(1.0, weights.mean()) / spread)


def _minimise(
    problem: _Problem, theta: FloatArray, tol: float, max_iter: int
) -> tuple[FloatArray, int]:
    value = problem.value(theta)
    for steps in range(max_iter + 1):
        gradient, rounding = problem.gradient(theta)
        if np.all(np.abs(gradient) <= np.maximum(tol, rounding)):
            return theta, steps
        if steps < max_iter:
            step = problem.direction(gradient)
            theta, value = _halve(problem, theta, value, step, float(gradient @ step))
    raise NotConvergedError(
        f"logistic regression: gradient {np.abs(gradient).max():.1e} after {max_iter} Newton "
        "steps; scale the features, lower C or raise max_iter"
    )


def _halve(
    problem: _Problem, theta: FloatArray, value: float, step: FloatArray, slope: float
) -> tuple[FloatArray, float]:
    # close to the optimum the fall is smaller than the rounding of the objective
    slack = 16 * _EPSILON * abs(value)
    length = 1.0
    for _ in range(_HALVINGS):
        trial = theta - length * step
        found = problem.value(trial)
        if found <= value - 1e-4 * length * slope + slack:
            return trial, found
        length /= 2
    raise NotConvergedError(
        "logistic regression: no step lowers the objective any further; scale the features"
    )


class _Binary:
    """The two-class problem; parameters are [w, b]."""

    def __init__(self, X: FloatArray, y: FloatArray, weights: FloatArray, C: float) -> None:
        self._rows = np.column_stack([X, np.ones(len(X))])
        self._y, self._weights = y, weights
        self._penalty = np.append(np.full(X.shape[1], 1 / C), 0.0)
        self._sizes = weights @ np.abs(self._rows)

    def value(self, theta: FloatArray) -> float:
        margins = self._y * (self._rows @ theta)
        self._wrong = expit(-margins)
        loss = self._weights @ np.logaddexp(0.0, -margins)
        return float(loss + 0.5 * (self._penalty * theta) @ theta)

    def gradient(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        pull = self._penalty * theta
        gradient = pull - (self._weights * self._y * self._wrong) @ self._rows
        return gradient, 16 * _EPSILON * (self._sizes + np.abs(pull))

    def direction(self, gradient: FloatArray) -> FloatArray:
        curvature = self._weights * self._wrong * (1 - self._wrong)
        hessian = (self._rows.T * curvature) @ self._rows
        hessian[np.diag_indices_from(hessian)] += self._penalty
        return _solve(hessian, gradient)


class _Multinomial:
    """The K-class problem; parameters are the rows [W_k, b_k], flattened."""

    def __init__(
        self, X: FloatArray, y: IntArray, weights: FloatArray, n_classes: int, C: float
    ) -> None:
        self._rows = np.column_stack([X, np.ones(len(X))])
        self._y, self._weights, self._n_classes = y, weights, n_classes
        self._targets = np.eye(n_classes)[y]
        self._penalty = np.append(np.full(X.shape[1], 1 / C), 0.0)
        self._sizes = np.tile(weights @ np.abs(self._rows), n_classes)

    def value(self, theta: FloatArray) -> float:
        parameters = theta.reshape(self._n_classes, -1)
        scores = self._rows @ parameters.T
        logs = logsumexp(scores, axis=1)
        self._p = np.exp(scores - logs[:, None])
        own = scores[np.arange(len(self._y)), self._y]
        penalty = 0.5 * float((parameters**2 @ self._penalty).sum())
        return float(self._weights @ (logs - own)) + penalty

    def gradient(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        pull = (theta.reshape(self._n_classes, -1) * self._penalty).ravel()
        errors = (self._p - self._targets) * self._weights[:, None]
        rounding = 16 * _EPSILON * (self._sizes + np.abs(pull))
        return (errors.T @ self._rows).ravel() + pull, rounding

    def direction(self, gradient: FloatArray) -> FloatArray:
        if len(gradient) > _DIRECT_SIZE:
            return self._conjugate_gradients(gradient)
        size = self._rows.shape[1]
        hessian = np.empty((self._n_classes, size, self._n_classes, size))
        for k in range(self._n_classes):
            for j in range(k + 1):
                curvature = self._weights * self._p[:, k] * ((k == j) - self._p[:, j])
                block = (self._rows.T * curvature) @ self._rows
                hessian[k, :, j] = hessian[j, :, k] = block
            hessian[k, np.arange(size), k, np.arange(size)] += self._penalty
        # A common shift of the intercepts changes nothing: the system is singular along it, the
        # gradient has no part along it, so curvature added there leaves the step as it is.
        hessian[:, -1, :, -1] += self._weights.sum() / self._n_classes
        return _solve(hessian.reshape(gradient.size, gradient.size), gradient)

    def _conjugate_gradients(self, gradient: FloatArray) -> FloatArray:
        from scipy.sparse.linalg import LinearOperator, cg

        shape = (self._n_classes, self._rows.shape[1])

        def multiply(flat: FloatArray) -> FloatArray:
            vector = flat.reshape(shape)
            change = self._p * (self._rows @ vector.T)
            change -= self._p * change.sum(axis=1, keepdims=True)
            product = (change * self._weights[:, None]).T @ self._rows
            return (product + vector * self._penalty).ravel()

        curvature = (self._p * (1 - self._p) * self._weights[:, None]).T @ self._rows**2
        diagonal = np.maximum((curvature + self._penalty).ravel(), _EPSILON)
        size = 2 * (gradient.size,)
        step: FloatArray
        # a looser step far from the optimum, a tight one close to it (inexact Newton)
        step, _ = cg(
            LinearOperator(size, multiply),
            gradient,
            rtol=min(1e-2, float(np.linalg.norm(gradient))),
            atol=0.0,
            maxiter=1000,
            M=LinearOperator(size, lambda flat: flat / diagonal),
        )
        return step


def _solve(hessian: FloatArray, gradient: FloatArray) -> FloatArray:
    """Solves a positive-definite system; shifts its diagonal where rounding left it indefinite."""
    diagonal = np.diag_indices_from(hessian)
    shift = _EPSILON * float(np.trace(hessian))
    step: FloatArray
    for _ in range(_HALVINGS):
        _, step, info = dposv(hessian, gradient, lower=1)
        if info == 0 and np.isfinite(step).all():
            return step
        hessian[diagonal] += shift
        shift *= 10
    raise NotConvergedError("logistic regression: the features are too large; scale them")
