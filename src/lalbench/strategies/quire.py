"""QUIRE: informative and representative points by a min-max criterion (Huang et al. 2010)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from lalbench import interrupts
from lalbench.strategies.base import FloatArray, IntArray, LearningState, Need
from lalbench.strategies.distances import row_blocks, squared_distances
from lalbench.strategies.options import Positive
from lalbench.strategies.ties import Ranked


@dataclass(frozen=True)
class Quire(Ranked):
    r"""Informative and representative points, by the worst label that a point may have.

    The criterion is ``argmin_s max_{y_s} min_{y_u} yᵀ (K + λI)⁻¹ y`` with real labels ``y_u`` for
    the other points. The inner minimum leaves annotated points and s alone: carried out, it is
    ``(1 + |f_s|)² / v_s`` plus a constant, where ``f_s = k_sᵀ (K_LL + λI)⁻¹ y_L``,
    ``v_s = λ + K_ss - k_sᵀ (K_LL + λI)⁻¹ k_s``, ``K_ij = exp(-gamma ‖z_i - z_j‖²)`` and labels are
    ±1.

    For more than two classes the criterion is the largest over the classes c, each with the labels
    +1 for c, also of s, and -1 for all others, as in scikit-activeml; for two that is the same.

    Attributes:
        regularisation: λ.
        gamma: of the kernel; ``"auto"``: 1/D, the default of scikit-learn's kernel and so that of
            scikit-activeml.

    Rule:
        $\arg\min_i (1 + \vert f_i \vert)^2 / v_i$, mean and variance of kernel ridge regression
        on the labels ±1; of more than two classes the largest over one-vs-rest labels

    Cost:
        $O(m^3 + nm(m + D))$

    Source:
        S.-J. Huang, R. Jin and Z.-H. Zhou, *Active Learning by Querying Informative and
        Representative Examples*, 2010.

    Pitfalls:
        - Cubic in the annotated points, and quadratic in them for every pool point.
        - It never asks the task classifier; its own kernel, whose default width 1/D suits
          standardised features, decides alone.
        - The implementation in libact ranks differently, so that numbers made with it cannot be
          compared.
    """

    regularisation: Positive = 1.0
    gamma: Positive | Literal["auto"] = "auto"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.EMBEDDINGS})

    def scores(self, state: LearningState) -> FloatArray:
        """Minus the criterion, up to a constant: ``-(1 + |f_s|)² / v_s`` for two classes."""
        known, y = in_order_of_ids(state)
        gamma = 1.0 / known.shape[1] if self.gamma == "auto" else float(self.gamma)
        labels = np.where(y[:, None] == np.arange(state.n_classes), 1.0, -1.0)
        ridge = KernelRidge(known, labels, gamma, self.regularisation)
        means, variances = ridge.predict(state.embeddings, state.pool_ids)
        constants = ridge.norms - ridge.norms.min()  # 0 for two classes, whose labels are opposite
        criterion: FloatArray = (constants + (1.0 - means) ** 2 / variances[:, None]).max(axis=1)
        return -criterion


class KernelRidge:
    """Kernel ridge regression, or a Gaussian process: ``K_ij = exp(-gamma ‖z_i - z_j‖²)``.

    Args:
        known: (m, D) float64 annotated points.
        targets: (m, C) float64, one regression per column.
        gamma: of the kernel.
        ridge: what is added to the diagonal of the kernel: λ, or the variance of the noise.

    Attributes:
        norms: (C,) float64 ``yᵀ (K + ridge I)⁻¹ y`` of each column.
    """

    def __init__(self, known: FloatArray, targets: FloatArray, gamma: float, ridge: float) -> None:
        from scipy.linalg import solve_triangular

        self._gamma, self._ridge = gamma, ridge
        self._shift = known.mean(axis=0)
        self._known = known - self._shift
        kernel = np.exp(-gamma * squared_distances(known, known))
        self._factor = np.linalg.cholesky(kernel + ridge * np.eye(len(known)))
        self._half = solve_triangular(self._factor, targets, lower=True, check_finite=False)
        self.norms: FloatArray = (self._half**2).sum(axis=0)

    def predict(self, points: NDArray[Any], ids: IntArray) -> tuple[FloatArray, FloatArray]:
        """Means ``f`` (n, C) and predictive variances ``v`` (n,), ``1 + ridge`` far away.

        A product rounds a row according to its place in it. Going through the points by row id, and
        giving equal points the values of one of them, makes the result independent of the order of
        the pool. Temporary arrays have the size of a block of points.

        Args:
            points: (n, D) floats.
            ids: (n,) their row ids.
        """
        from lalbench.strategies.single_distances import representatives, row_hashes

        order = np.argsort(ids, kind="stable")
        means = np.empty((len(points), self._half.shape[1]))
        variances = np.empty(len(points))
        for block in row_blocks(len(points), max(self._known.shape)):
            interrupts.check()
            rows = order[block]
            means[rows], variances[rows] = self._predict(points[rows].astype(np.float64))
        equal = representatives(row_hashes(points), ids)
        return means[equal], variances[equal]

    def _predict(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        from scipy.linalg import solve_triangular

        points = points - self._shift
        gaps = points @ self._known.T
        gaps *= -2.0
        gaps += np.einsum("ij,ij->i", points, points)[:, None]
        gaps += np.einsum("ij,ij->i", self._known, self._known)
        np.maximum(gaps, 0.0, out=gaps)
        gaps *= -self._gamma
        kernel = np.exp(gaps, out=gaps)
        half = solve_triangular(self._factor, kernel.T, lower=True, check_finite=False)
        # at least the ridge in exact arithmetic: rounding must not bring it below
        variances = self._ridge + (1.0 - np.einsum("ij,ij->j", half, half)).clip(min=0.0)
        return half.T @ self._half, variances


def in_order_of_ids(state: LearningState) -> tuple[FloatArray, IntArray]:
    """(m, D) float64 annotated points and (m,) labels by row id: rounding depends on the order."""
    order = np.argsort(state.annotated_ids, kind="stable")
    return state.annotated_embeddings[order].astype(np.float64), state.y_annotated[order]
