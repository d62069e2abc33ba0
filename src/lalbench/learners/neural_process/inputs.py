"""What the neural process sees: scaled features, and the options beyond the paper."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from lalbench.objectives import Scorer

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Scaling = Literal["per_feature", "global_divisor"]


@dataclass(frozen=True)
class InputScaler:
    """Maps features to ``(x - shift) / scale`` (docs/protocols.md [10]).

    Attributes:
        shift, scale: (d,) float64.
    """

    shift: FloatArray
    scale: FloatArray

    @classmethod
    def fit(cls, X: FloatArray, how: Scaling) -> InputScaler:
        """The scaler of annotated and pool points together.

        Args:
            X: (n, d) features of both.
            how: ``per_feature`` maps every column to [-1, 1], a constant one to 0;
                ``global_divisor`` divides all columns by the largest absolute value.
        """
        if how == "per_feature":
            low, high = X.min(axis=0), X.max(axis=0)
            shift, scale = (high + low) / 2, (high - low) / 2
        else:
            shift, scale = np.zeros(X.shape[1]), np.full(X.shape[1], np.abs(X).max())
        return cls(shift, np.where(scale > 0, scale, 1.0))

    def __call__(self, X: FloatArray) -> FloatArray:
        """(n, d) scaled features."""
        return (X - self.shift) / self.scale


@dataclass(frozen=True)
class Refits:
    """Refits of the task classifier on parts of the annotated set.

    Attributes:
        X: (n, d) features of the annotated points, as the classifier gets them.
        y: (n,) labels 0 … n_classes - 1.
        new_classifier: returns an unfitted classifier.
        fit_weights: (n_classes,) weights in training, or None.
        n_classes: number of classes of the problem.
    """

    X: FloatArray
    y: IntArray
    new_classifier: Callable[[], Any]
    fit_weights: FloatArray | None
    n_classes: int

    def probabilities(self, member: NDArray[np.bool_]) -> FloatArray:
        """Class probabilities of every annotated point after refits on subsets.

        Args:
            member: (G, n) bool, the subsets, each with at least two classes.

        Returns:
            (G, n, n_classes) float64.
        """
        from lalbench.classifiers import probabilities

        found = np.empty((*member.shape, self.n_classes))
        for row, inside in enumerate(member):
            found[row] = probabilities(self._fit(inside), self.X, self.n_classes)
        return found

    def leave_one_out(
        self, member: NDArray[np.bool_], scores: FloatArray, scorer: Scorer
    ) -> FloatArray:
        """What each point of a subset adds to the rest of it: the rewards of context points.

        Where the rest has one class only, its score is that of always predicting this class.

        Args:
            member: (G, n) bool, the subsets, each with at least two classes.
            scores: (G,) score of the classifier fitted on each subset.
            scorer: the objective on the reward set.

        Returns:
            (G, n) float64 score with the point minus score without it; 0 outside the subset.
        """
        rewards = np.zeros(member.shape)
        for row, inside in enumerate(member):
            for point in np.flatnonzero(inside):
                rest = inside.copy()
                rest[point] = False
                rewards[row, point] = scores[row] - self._score(rest, scorer)
        return rewards

    def _score(self, inside: NDArray[np.bool_], scorer: Scorer) -> float:
        classes = np.unique(self.y[inside])
        if len(classes) > 1:
            return float(scorer(self._fit(inside)))
        only = np.full(len(scorer.y), classes[0])
        if scorer.needs == "predictions":
            return float(scorer.score(only))
        return float(scorer.score(np.eye(self.n_classes)[only]))

    def _fit(self, inside: NDArray[np.bool_]) -> Any:
        from lalbench.classifiers import fit

        return fit(self.new_classifier(), self.X[inside], self.y[inside], self.fit_weights)
