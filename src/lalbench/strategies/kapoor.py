"""Uncertainty of a Gaussian process that regresses on the labels (Kapoor et al. 2007)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lalbench.errors import UserError
from lalbench.strategies.base import FloatArray, LearningState, Need
from lalbench.strategies.distances import squared_distances
from lalbench.strategies.quire import KernelRidge, in_order_of_ids
from lalbench.strategies.ties import Ranked

_FEW = 10
"""Annotated points from which on the length scale is fitted."""

_LEAST_NOISE = 1e-3
_BOUNDS = ((np.log(1e-2), np.log(1e2)), (np.log(_LEAST_NOISE), np.log(10.0)))
"""Of the logarithms of the length scale, in medians, and of the variance of the noise."""

_STARTS = (0.3, 1.0, 3.0)
"""Length scales, in medians, from which the fit starts: the likelihood has several maxima."""


@dataclass(frozen=True)
class Kapoor(Ranked):
    r"""Uncertainty of a Gaussian process that regresses on the labels of two classes.

    The process has mean 0 and the kernel ``exp(-‖z - z'‖² / (2 l²))``, the noise the variance σ²,
    the labels are ±1. At every step l and σ² ≥ 0.001 maximise
    the marginal likelihood of the annotated points (:func:`hyperparameters`); of fewer than 10
    points l is their median distance and only σ² is fitted.

    Rule:
        $\arg\min_i \vert \mu_i \vert / \sqrt{v_i + \sigma^2}$, posterior mean and variance

    Cost:
        $O(m^3)$ for each of about 50 likelihoods, then $O(nm(m + D))$

    Source:
        A. Kapoor, K. Grauman, R. Urtasun and T. Darrell, *Active Learning with Gaussian Processes
        for Object Categorization*, 2007.

    Pitfalls:
        - More than two classes are refused, at the first step of a trial.
        - Its Gaussian process is its own, whatever the task classifier is; where that is one, too,
          it is behind ``lal_iterative`` on all three boards (docs/lal-results.md).
        - About 50 factorisations of the annotated points' kernel at every step, each cubic in them.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.EMBEDDINGS})

    def scores(self, state: LearningState) -> FloatArray:
        """``-|μ| / √(v + σ²)``.

        Raises:
            UserError: more than two classes, for which the method is not defined.
        """
        if state.n_classes > 2:
            raise UserError(
                "strategy",
                f"kapoor knows two classes, and the problem has {state.n_classes}",
                "use quire, entropy or margin, or a data set with two classes",
            )
        known, y = in_order_of_ids(state)
        labels: FloatArray = np.where(y == 1, 1.0, -1.0)
        length, noise = hyperparameters(known, labels)
        process = KernelRidge(known, labels[:, None], 0.5 / length**2, noise)
        means, variances = process.predict(state.embeddings, state.pool_ids)
        found: FloatArray = -np.abs(means[:, 0]) / np.sqrt(variances)
        return found


def hyperparameters(points: FloatArray, labels: FloatArray) -> tuple[float, float]:
    """The length scale l and the variance σ² of the noise.

    The largest marginal likelihood that L-BFGS-B finds from three length scales, with σ² between
    0.001 and 10 and l between 0.01 and 100 medians of the distances between different points (1
    if all are equal). No random numbers.

    Args:
        points: (m, D) float64.
        labels: (m,) float64, ±1.
    """
    from scipy.optimize import minimize

    squares = squared_distances(points, points)
    different = np.sqrt(squares[squares > 0])
    median = float(np.median(different)) if different.size else 1.0
    fits_length = len(points) >= _FEW and different.size > 0

    def cost(logs: FloatArray) -> tuple[float, FloatArray]:
        value, slope = log_likelihood(squares, labels, median * np.exp(logs[0]), np.exp(logs[1]))
        return -value, -slope

    bounds = (_BOUNDS[0] if fits_length else (0.0, 0.0), _BOUNDS[1])
    starts = [[np.log(start), np.log(0.1)] for start in (_STARTS if fits_length else (1.0,))]
    found = [minimize(cost, x, jac=True, method="L-BFGS-B", bounds=bounds) for x in starts]
    length, noise = np.exp(min(found, key=lambda result: float(result.fun)).x)
    return float(median * length), max(float(noise), _LEAST_NOISE)


def log_likelihood(
    squares: FloatArray, labels: FloatArray, length: float, noise: float
) -> tuple[float, FloatArray]:
    """Log marginal likelihood and its gradient (2,) in log l and log σ².

    Rasmussen and Williams 2006, equations 2.30 and 5.9.

    Args:
        squares: (m, m) float64 squared distances.
        labels: (m,) float64.
        length: l.
        noise: σ².
    """
    from scipy.linalg import cho_solve

    scaled = squares / length**2
    kernel = np.exp(-0.5 * scaled)
    factor = np.linalg.cholesky(kernel + noise * np.eye(len(labels)))
    inverse = cho_solve((factor, True), np.eye(len(labels)))
    weights = inverse @ labels
    halves = labels @ weights + len(labels) * np.log(2.0 * np.pi)
    value = -0.5 * halves - np.log(np.diag(factor)).sum()
    outer = np.outer(weights, weights) - inverse
    slope = 0.5 * np.array([(outer * kernel * scaled).sum(), noise * np.trace(outer)])
    return float(value), slope
