"""Random forest: the classifier of LAL, compiled for the many small fits of active learning."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lalbench.classifiers.estimator import Classifier, check_rows, matrix
from lalbench.errors import UserError
from lalbench.forests import grow
from lalbench.forests.counting import MOST_TREES
from lalbench.value_checks import is_count

FloatArray = NDArray[np.float64]


class RandomForest(Classifier):
    """Breiman's random forest of classification trees (Breiman 2001), grown until leaves are pure.

    Its trees have the distribution of those of scikit-learn's ``RandomForestClassifier``: Gini
    impurity, bootstrap samples, rows drawn in proportion to their weights, the same rules for
    constant features, thresholds and ties. Only the random numbers are others.

    Args:
        n_estimators: B, number of trees.
        max_features: features that a split looks at: a number, a share, ``"sqrt"`` or None for all.
        random_state: seed of the trees; None for one from NumPy's global state, as scikit-learn.

    Attributes:
        classes_: (K,) the labels, ascending.
        n_features_in_: d.
        forest_: the trees (:class:`lalbench.forests.Forest`).
        oob_score_: accuracy on the training rows, each judged by the trees that did not draw it; a
            row that all trees drew counts as predicted to be of the first class.
        feature_importances_: (d,) normalised mean decrease of impurity.
    """

    def __init__(
        self,
        n_estimators: int = 50,
        max_features: int | float | str | None = "sqrt",
        random_state: int | None = None,
    ) -> None:
        self.n_estimators = n_estimators
        self.max_features = max_features
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fits from scratch.

        Args:
            X: (n, d) finite features, rounded to single precision.
            y: (n,) labels of any sortable type; one class alone is predicted always.
            sample_weight: (n,) finite, non-negative weights, not all 0; default 1.

        Raises:
            UserError: shapes, values or options that do not fit.
        """
        self._validate_params()
        rows, labels, weights = check_rows(X, y, sample_weight)
        if not len(rows) or weights.sum() <= 0:
            raise UserError("X", "no training row with a weight above 0", "give at least one")
        self.classes_, codes = np.unique(labels, return_inverse=True)
        self.n_features_in_ = rows.shape[1]
        growth = grow(
            rows.astype(np.float32),
            codes.astype(np.int64),
            len(self.classes_),
            self.features_per_split(rows.shape[1]),
            tree_seeds(self.seed(), self.n_estimators),
            None if sample_weight is None else weights / weights.sum(),
        )
        self.forest_, self.feature_importances_ = growth.forest, growth.importances
        self.oob_score_ = self._out_of_bag(rows, codes, growth.counts == 0)
        return self

    def predict_proba(self, X: ArrayLike) -> FloatArray:
        """(n, K) mean over the trees of the shares of the classes in the leaves."""
        return self.forest_.mean(matrix(X, self.n_features_in_))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """(n,) labels; the first class where several are equally likely."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def seed(self) -> int:
        """The seed in force: ``random_state``, or a new one from NumPy's global state."""
        if self.random_state is None:
            return int(np.random.randint(2**31 - 1))
        return int(self.random_state)

    def features_per_split(self, n_features: int) -> int:
        """``max_features`` as a number of features, at least one."""
        wanted = self.max_features
        if wanted is None:
            return n_features
        if isinstance(wanted, str):
            return max(1, int(np.sqrt(n_features)))
        if isinstance(wanted, float | np.floating):
            return max(1, int(wanted * n_features))
        return min(int(wanted), n_features)

    def _out_of_bag(self, rows: FloatArray, codes: NDArray[Any], outside: NDArray[Any]) -> float:
        said = self.forest_.sum_where(rows, outside)
        return float((said.argmax(axis=1) == codes).mean())

    def _validate_params(self) -> None:
        trees, features = self.n_estimators, self.max_features
        if not is_count(trees) or trees > MOST_TREES:
            raise UserError(
                "n_estimators",
                f"n_estimators = {trees!r}",
                f"give a number from 1 to {MOST_TREES}",
            )
        share = isinstance(features, float | np.floating) and 0 < features <= 1
        if not (features is None or features == "sqrt" or share or is_count(features)):
            raise UserError(
                "max_features",
                f"max_features = {features!r}",
                'give "sqrt", none, a number from 1 on or a share above 0 and up to 1.0',
            )
        seed = self.random_state
        whole = isinstance(seed, int | np.integer) and not isinstance(seed, bool)
        if seed is not None and not (whole and seed >= 0):
            raise UserError("random_state", f"random_state = {seed!r}", "give a whole number ≥ 0")


def tree_seeds(seed: int, n_trees: int) -> NDArray[np.uint64]:
    """(n_trees,) uint64 seeds; more trees begin with the same ones."""
    return np.random.SeedSequence(seed).generate_state(n_trees, np.uint64).astype(np.uint64)
