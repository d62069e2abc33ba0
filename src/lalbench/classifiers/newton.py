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
from scipy.special import expit

from lalbench.errors import NotConvergedError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_EPSILON = float(np.finfo(np.float64).eps)
_HALVINGS = 60
_SHIFTS = 15
_DIRECT_SIZE = 1200
"""Newton systems up to this size are factorised, larger ones solved by conjugate gradients."""


class _Problem(Protocol):
    """A convex objective of a flat parameter vector."""

    def value(self, theta: FloatArray) -> tuple[float, float]:
        """The objective, and how far rounding may put it off.

        Keeps what :meth:`gradient` and :meth:`direction` need.
        """

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
    value, _ = problem.value(theta)
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
    length = 1.0
    for _ in range(_HALVINGS):
        trial = theta - length * step
        found, rounding = problem.value(trial)
        # close to the optimum the fall is smaller than the rounding of the objective
        if found <= value - 1e-4 * length * slope + rounding:
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
        self._magnitudes = np.abs(self._rows)

    def value(self, theta: FloatArray) -> tuple[float, float]:
        margins = self._y * (self._rows @ theta)
        self._wrong = expit(-margins)
        self._spread = self._magnitudes @ np.abs(theta)
        loss = self._weights @ np.logaddexp(0.0, -margins)
        value = float(loss + 0.5 * (self._penalty * theta) @ theta)
        rounding = value + float((self._weights * self._wrong) @ self._spread)
        return value, 16 * _EPSILON * rounding

    def gradient(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        pull = self._penalty * theta
        gradient = pull - (self._weights * self._y * self._wrong) @ self._rows
        # rounding of the sum itself, and of the margins that the curvature carries into it
        margins = self._curvature() * self._spread
        rounding = (self._weights + margins) @ self._magnitudes + np.abs(pull)
        return gradient, 16 * _EPSILON * rounding

    def direction(self, gradient: FloatArray) -> FloatArray:
        hessian = (self._rows.T * self._curvature()) @ self._rows
        hessian[np.diag_indices_from(hessian)] += self._penalty
        return _solve(hessian, gradient)

    def _curvature(self) -> FloatArray:
        return self._weights * self._wrong * (1 - self._wrong)


class _Multinomial:
    """The K-class problem; parameters are the rows [W_k, b_k], flattened."""

    def __init__(
        self, X: FloatArray, y: IntArray, weights: FloatArray, n_classes: int, C: float
    ) -> None:
        self._rows = np.column_stack([X, np.ones(len(X))])
        self._y, self._weights, self._n_classes = y, weights, n_classes
        self._penalty = np.append(np.full(X.shape[1], 1 / C), 0.0)
        self._magnitudes = np.abs(self._rows)

    def value(self, theta: FloatArray) -> tuple[float, float]:
        parameters = theta.reshape(self._n_classes, -1)
        own = np.arange(len(self._y)), self._y
        scores = self._rows @ parameters.T
        margins = scores - scores[own][:, None]
        # the own class is kept apart, so that rounding spares 1 - p of points that are fitted well
        largest = margins.max(axis=1)
        powers = np.exp(margins - largest[:, None])
        powers[own] = 0.0
        excess = powers.sum(axis=1) + np.expm1(-largest)
        self._p = powers / (1 + excess)[:, None]
        self._errors = self._p * self._weights[:, None]
        self._errors[own] = -self._errors.sum(axis=1)
        self._p[own] = np.exp(-largest) / (1 + excess)
        self._spread = self._magnitudes @ np.abs(parameters).T
        loss = float(self._weights @ (largest + np.log1p(excess)))
        value = loss + 0.5 * float((parameters**2 @ self._penalty).sum())
        return value, 16 * _EPSILON * (value + float((np.abs(self._errors) * self._spread).sum()))

    def gradient(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        parameters = theta.reshape(self._n_classes, -1)
        pull = parameters * self._penalty
        gradient = self._errors.T @ self._rows + pull
        # rounding of the sum itself, and of the scores that the curvature carries into it
        scores = self._p * self._spread
        scores += self._p * scores.sum(axis=1, keepdims=True)
        rounding = ((1 + scores) * self._weights[:, None]).T @ self._magnitudes + np.abs(pull)
        return gradient.ravel(), 16 * _EPSILON * rounding.ravel()

    def direction(self, gradient: FloatArray) -> FloatArray:
        direct = len(gradient) <= _DIRECT_SIZE
        step = self._factorised(gradient) if direct else self._conjugate_gradients(gradient)
        by_class = step.reshape(self._n_classes, -1)
        return (by_class - by_class.mean(axis=0)).ravel()

    def _factorised(self, gradient: FloatArray) -> FloatArray:
        size = self._rows.shape[1]
        everyone = np.arange(size)
        hessian = np.zeros((self._n_classes, size, self._n_classes, size))
        for k in range(self._n_classes):
            for j in range(k):
                # p_k (1 - p_k) is the sum of p_k p_j over the others: so are the diagonal blocks
                curvature = self._weights * self._p[:, k] * self._p[:, j]
                block = (self._rows.T * curvature) @ self._rows
                hessian[k, :, j] = hessian[j, :, k] = -block
                hessian[k, :, k] += block
                hessian[j, :, j] += block
        for k in range(self._n_classes):
            hessian[k, everyone, k, everyone] += self._penalty
        hessian[:, everyone, :, everyone] += self._common_curvature()[:, None, None]
        return _solve(hessian.reshape(gradient.size, gradient.size), gradient)

    def _common_curvature(self) -> FloatArray:
        """(d + 1,) curvature to be added along a common change of all classes, per column.

        Such a change leaves the loss as it is, so only the penalty, and nothing for the intercepts,
        keeps the system from being singular along it. As long as start and steps sum to 0 over the
        classes the gradient has no part along it, and added curvature leaves the step as it is.
        """
        return self._weights @ self._rows**2 / self._n_classes

    def _conjugate_gradients(self, gradient: FloatArray) -> FloatArray:
        from scipy.sparse.linalg import LinearOperator, cg

        shape = (self._n_classes, self._rows.shape[1])

        def multiply(flat: FloatArray) -> FloatArray:
            vector = flat.reshape(shape)
            change = self._p * (self._rows @ vector.T)
            change -= self._p * change.sum(axis=1, keepdims=True)
            product = (change * self._weights[:, None]).T @ self._rows
            product += vector * self._penalty + common * vector.sum(axis=0)
            return product.ravel()

        common = self._common_curvature()
        curvature = (self._p * (1 - self._p) * self._weights[:, None]).T @ self._rows**2 + common
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
    # a unit diagonal makes the shift harmless for features of very different sizes
    scale = 1 / np.sqrt(np.diagonal(hessian))
    scaled = hessian * scale * scale[:, None]
    shift = _EPSILON * len(scaled)
    step: FloatArray
    for _ in range(_SHIFTS):
        _, step, info = dposv(scaled, gradient * scale, lower=1)
        if info == 0 and np.isfinite(step).all():
            return step * scale
        scaled[np.diag_indices_from(scaled)] += shift
        shift *= 10
    raise NotConvergedError("logistic regression: the features are too large; scale them")
