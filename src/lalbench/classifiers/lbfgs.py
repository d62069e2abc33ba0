"""Logistic regression as scikit-learn ≤ 1.0 solved it: L-BFGS-B on the loss summed over the rows.

Newer versions divide the loss by the number of rows and so stop elsewhere; published curves depend
on where the solver stops (docs/protocols.md [12]).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logsumexp

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def fit_binary(
    X: FloatArray, y: FloatArray, weights: FloatArray, C: float, tol: float, max_iter: int
) -> tuple[FloatArray, float, int, bool]:
    """Minimises ``Σ s_i log(1 + exp(-y_i (w·x_i + b))) + ‖w‖² / (2C)`` from zero over [w, b].

    Args:
        X: (n, d) features.
        y: (n,) float64 labels -1 and +1.
        weights: (n,) sample weights s.
        C: inverse strength of the penalty.
        tol: largest entry of the projected gradient at which L-BFGS-B stops (``gtol``); its other
            stopping rule, a relative fall of the objective below 2.2e-9, often comes first.
        max_iter: iterations.

    Returns:
        w (d,), b, iterations, whether a stopping rule was met.
    """

    def objective(theta: FloatArray) -> tuple[float, FloatArray]:
        w = theta[:-1]
        margins = y * (X @ w + theta[-1])
        errors = weights * (expit(margins) - 1) * y
        value = weights @ np.logaddexp(0.0, -margins) + 0.5 / C * (w @ w)
        return float(value), np.append(X.T @ errors + w / C, errors.sum())

    theta, iterations, converged = _minimise(objective, X.shape[1] + 1, tol, max_iter)
    return theta[:-1], float(theta[-1]), iterations, converged


def fit_multinomial(
    X: FloatArray,
    y: IntArray,
    weights: FloatArray,
    n_classes: int,
    C: float,
    tol: float,
    max_iter: int,
) -> tuple[FloatArray, FloatArray, int, bool]:
    """Minimises ``-Σ s_i log softmax(W x_i + b)[y_i] + ‖W‖² / (2C)`` from zero over [W_k, b_k].

    Args:
        X: (n, d) features.
        y: (n,) labels 0 … K - 1.
        weights, C, tol, max_iter: as in :func:`fit_binary`.
        n_classes: K.

    Returns:
        W (K, d), b (K,), iterations, whether a stopping rule was met.
    """
    targets = np.eye(n_classes)[y]

    def objective(theta: FloatArray) -> tuple[float, FloatArray]:
        parameters = theta.reshape(n_classes, -1)
        W = parameters[:, :-1]
        scores = X @ W.T + parameters[:, -1]
        logs = scores - logsumexp(scores, axis=1, keepdims=True)
        errors = weights[:, None] * (np.exp(logs) - targets)
        gradient = np.column_stack([errors.T @ X + W / C, errors.sum(axis=0)])
        value = -(weights[:, None] * targets * logs).sum() + 0.5 / C * (W * W).sum()
        return float(value), gradient.ravel()

    size = n_classes * (X.shape[1] + 1)
    theta, iterations, converged = _minimise(objective, size, tol, max_iter)
    parameters = theta.reshape(n_classes, -1)
    return parameters[:, :-1].copy(), parameters[:, -1].copy(), iterations, converged


def _minimise(
    objective: Callable[[FloatArray], tuple[float, FloatArray]],
    size: int,
    tol: float,
    max_iter: int,
) -> tuple[FloatArray, int, bool]:
    found = minimize(
        objective,
        np.zeros(size),
        method="L-BFGS-B",
        jac=True,
        options={"gtol": tol, "maxiter": max_iter},
    )
    return found.x, int(found.nit), bool(found.success)
