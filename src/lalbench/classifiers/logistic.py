"""Logistic regression on NumPy and SciPy alone, fast for the many small fits of active learning."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, softmax

from lalbench.classifiers.estimator import Classifier, check_rows, matrix
from lalbench.errors import UserError, suggest

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

SOLVERS = ("newton", "lbfgs_unscaled")


class LogisticRegression(Classifier):
    """L2-penalised logistic regression with an unpenalised intercept.

    Minimises the weighted log loss summed over the rows plus ``‖w‖² / (2C)``, which has the optimum
    of scikit-learn's ``C · loss + ‖w‖² / 2``; more than two classes are one multinomial model with
    all rows of ``coef_`` penalised. Follows scikit-learn's conventions, so that
    ``sklearn.base.clone``, pipelines and searches take it, without importing scikit-learn.

    Args:
        C: inverse strength of the penalty, positive.
        solver: ``"newton"``: the converged optimum; ``"lbfgs_unscaled"``: where the solver of
            scikit-learn ≤ 1.0 stops (docs/protocols.md [12]).
        max_iter: iterations; default 100, or 500 for ``lbfgs_unscaled`` with more than two classes.
        tol: largest entry of the gradient; default 1e-9, or 1e-4 for ``lbfgs_unscaled``.

    Attributes:
        classes_: (K,) the labels, ascending.
        coef_: (1, d) for two classes, (K, d) for more.
        intercept_: (1,) or (K,).
        n_iter_: (1,) int32 iterations.
        n_features_in_: d.
    """

    def __init__(
        self,
        C: float = 1.0,
        solver: str = "newton",
        max_iter: int | None = None,
        tol: float | None = None,
    ) -> None:
        self.C = C
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fits from scratch.

        Args:
            X: (n, d) finite features.
            y: (n,) labels of any sortable type.
            sample_weight: (n,) finite, non-negative weights; default 1.

        Raises:
            UserError: (a ``ValueError``, as scikit-learn raises) fewer than two classes, a class
                whose rows all have weight 0, features or weights that are not finite, shapes or
                options that do not fit.
            NotConvergedError: ``newton`` could not reach ``tol``.

        Warns:
            UserWarning: ``lbfgs_unscaled`` stopped at ``max_iter``.
        """
        self._validate_params()
        rows, labels, weights = check_rows(X, y, sample_weight)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        heavy = np.bincount(codes, weights, minlength=len(self.classes_)) > 0
        if heavy.sum() < 2 or not heavy.all():
            weightless = ", ".join(map(str, self.classes_[~heavy].tolist()))
            raise UserError(
                "y",
                f"class {weightless} has only rows of weight 0"
                if weightless
                else f"{len(self.classes_)} class among {len(labels)} training labels",
                "logistic regression needs rows with positive weight of two or more classes",
            )
        self.n_features_in_ = rows.shape[1]
        if len(self.classes_) == 2:
            coef, intercept = self._fit_binary(rows, np.where(codes == 1, 1.0, -1.0), weights)
            self.coef_, self.intercept_ = coef[None], np.array([intercept])
        else:
            self.coef_, self.intercept_ = self._fit_multinomial(rows, codes, weights)
        return self

    def decision_function(self, X: ArrayLike) -> FloatArray:
        """(n,) log-odds of the second class, or (n, K) scores for more than two classes."""
        scores: FloatArray = matrix(X, self.n_features_in_) @ self.coef_.T + self.intercept_
        return scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """(n,) labels; the first class where two classes are equally likely."""
        scores = self.decision_function(X)
        codes = (scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)
        return self.classes_[codes]

    def predict_proba(self, X: ArrayLike) -> FloatArray:
        """(n, K) probabilities in the order of ``classes_``."""
        scores = self.decision_function(X)
        if scores.ndim == 1:
            # 1 - expit(z) would lose the digits of small probabilities
            return np.column_stack([expit(-scores), expit(scores)])
        found: FloatArray = softmax(scores, axis=1)
        return found

    def _validate_params(self) -> None:
        if self.solver not in SOLVERS:
            raise UserError(
                "solver", f'unknown solver "{self.solver}"', suggest(self.solver, SOLVERS)
            )
        for name in ("C", "tol", "max_iter"):
            value = getattr(self, name)
            if value is None and name != "C":
                continue
            kinds = int | np.integer if name == "max_iter" else int | float | np.number
            if isinstance(value, bool) or not isinstance(value, kinds) or not 0 < value < np.inf:
                number = "whole number" if name == "max_iter" else "number"
                raise UserError(name, f"{name} = {value!r}", f"give a positive {number}")

    def _fit_binary(
        self, X: FloatArray, y: FloatArray, weights: FloatArray
    ) -> tuple[FloatArray, float]:
        tol, max_iter = self._limits(2)
        if self.solver == "newton":
            from lalbench.classifiers.newton import fit_binary

            coef, intercept, steps = fit_binary(X, y, weights, float(self.C), tol, max_iter)
            self._record(steps, converged=True)
        else:
            from lalbench.classifiers import lbfgs

            coef, intercept, steps, converged = lbfgs.fit_binary(
                X, y, weights, float(self.C), tol, max_iter
            )
            self._record(steps, converged)
        return coef, intercept

    def _fit_multinomial(
        self, X: FloatArray, codes: IntArray, weights: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        n_classes = len(self.classes_)
        tol, max_iter = self._limits(n_classes)
        if self.solver == "newton":
            from lalbench.classifiers.newton import fit_multinomial

            coef, intercept, steps = fit_multinomial(
                X, codes, weights, n_classes, float(self.C), tol, max_iter
            )
            self._record(steps, converged=True)
        else:
            from lalbench.classifiers import lbfgs

            coef, intercept, steps, converged = lbfgs.fit_multinomial(
                X, codes, weights, n_classes, float(self.C), tol, max_iter
            )
            self._record(steps, converged)
        return coef, intercept

    def _limits(self, n_classes: int) -> tuple[float, int]:
        newton = self.solver == "newton"
        tol = (1e-9 if newton else 1e-4) if self.tol is None else float(self.tol)
        default = 500 if n_classes > 2 and not newton else 100
        return tol, default if self.max_iter is None else int(self.max_iter)

    def _record(self, steps: int, converged: bool) -> None:
        self.n_iter_ = np.array([steps], dtype=np.int32)
        if not converged:
            warnings.warn(
                f"lbfgs_unscaled stopped after {steps} iterations without converging; "
                "scale the features or raise max_iter",
                stacklevel=4,
            )
