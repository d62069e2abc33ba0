"""Smooth companions of objectives: the objective of the counts that one expects.

An objective of predictions is piecewise constant: most refits with one more label leave it as it
is. Its companion is the same function of expected counts. With soft labels v (n, C) and predicted
probabilities p (n, C) the expected number of points of class a that are predicted as b, labels and
predictions drawn independently, is ``Σ_i v_ia p_ib``; with certain labels and predictions that is
the count itself, so that a companion agrees with its objective there.

A sharpness T replaces p by p^T, normalised: 1 leaves it, infinity is the most probable class, that
is the objective itself on soft labels. For two classes with log-odds z it is σ(T z).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lalbench.errors import UserError
from lalbench.objectives.counts import Labels
from lalbench.objectives.measures import CountObjective
from lalbench.objectives.registry import get, with_rare_class
from lalbench.objectives.scorer import (
    blockwise,
    check_points,
    check_probabilities,
    check_weights,
    two_columns,
)
from lalbench.objectives.soft_counts import SoftCounts, SoftLabels

if TYPE_CHECKING:
    from collections.abc import Callable

    from lalbench.config import ObjectiveSpec
    from lalbench.objectives.measures import Needs, Objective

FloatArray = NDArray[np.float64]


class SmoothScorer:
    """The smooth companion of an objective on fixed evaluation points.

    Args:
        X: (n, d) features.
        labels: (n,) integer labels, or (n, C) soft ones: non-negative, most often rows that sum to
            1. A row that sums to less counts for less.
        class_weights: (C,) non-negative weights of the score, in label order.
        objective: as for :class:`~lalbench.objectives.Scorer`.
        sharpness: T > 0, or infinity.
        slope: of the sigmoid that turns the margins of a classifier without probabilities, such as
            ``SVC``, into probabilities: σ(slope · margin), for several classes the softmax of
            slope · mean margin (:func:`lalbench.classifiers.margins.soft_probabilities`).

    Attributes:
        X: (n, d) float64.
        y: (n, C) float64 soft labels.
        class_weights: (C,) float64.
        n_classes: C.
        objective: the objective whose companion it is.
        sharpness, slope: as given.
        shape: ``()``, of the score of one refit.

    Raises:
        UserError: arrays or options that do not fit together, or an objective without a companion.
    """

    def __init__(
        self,
        X: ArrayLike,
        labels: ArrayLike,
        class_weights: Sequence[float] | FloatArray,
        objective: str | ObjectiveSpec | Objective | Callable[..., Any] = "weighted_accuracy",
        *,
        sharpness: float = 1.0,
        slope: float = 1.0,
    ) -> None:
        self.class_weights: FloatArray = check_weights(class_weights)
        self.n_classes = len(self.class_weights)
        given = np.asarray(labels)
        if given.ndim == 1:
            given = Labels(given, self.n_classes).one_hot
        self._labels = SoftLabels(given, self.n_classes)
        self.y: FloatArray = self._labels.values
        self.X = check_points(X, len(self.y))
        for key, value, bound in (("sharpness", sharpness, np.inf), ("slope", slope, 1e300)):
            if not 0 < value <= bound:
                raise UserError(key, f"{value!r}", "give a positive number")
        self.sharpness, self.slope = float(sharpness), float(slope)
        rare = int(np.argmax(self.class_weights))
        self.objective = with_rare_class(get(objective), rare)
        self.objective.check_soft(self._labels, self.class_weights)
        self.shape: tuple[int, ...] = ()

    @property
    def needs(self) -> Needs:
        """What :meth:`score` takes: predictions for an infinite sharpness, else probabilities."""
        return "predictions" if np.isinf(self.sharpness) else "probabilities"

    @property
    def description(self) -> list[Any]:
        """What the score depends on, beside :attr:`arrays`."""
        # a user's function may get another one under the same name
        companion = getattr(getattr(self.objective, "function", None), "smooth", None)
        return ["smooth", self.objective, companion, self.sharpness, self.slope]

    @property
    def arrays(self) -> tuple[Any, ...]:
        """Evaluation points, labels and class weights."""
        return (self.X, self.y, self.class_weights)

    def score(self, values: ArrayLike) -> Any:
        """Scores one or many prediction sets.

        Args:
            values: probabilities (n, C) or (m, n, C); or, where :attr:`needs` says so, predicted
                labels (n,) or (m, n).

        Returns:
            float for one set, (m,) float64 for many.

        Raises:
            ValueError: a wrong shape, or probabilities that are not finite or do not sum to 1.
        """
        given = np.asarray(values)
        n, n_classes = len(self.y), self.n_classes
        if self.needs == "predictions":
            return blockwise(given, (n,), lambda block: self._of(np.eye(n_classes)[block]))
        check_probabilities(given)
        return blockwise(given, (n, n_classes), lambda block: self._of(self._sharpened(block)))

    def score_decisions(self, decisions: ArrayLike) -> Any:
        """Scores two-class log-odds of class 1.

        Args:
            decisions: (n,) or (m, n) finite floats.

        Returns:
            float for one set, (m,) float64 for many.

        Raises:
            ValueError: more than two classes, or a wrong shape.
        """
        if self.n_classes != 2:
            raise ValueError("score_decisions is for two classes")

        if self.by_counts:
            from lalbench.objectives.sigmoids import sigmoid_sums

            def evaluate(block: NDArray[Any]) -> FloatArray:
                return self.of_counts(sigmoid_sums(block, self.y, np.array([self.sharpness]))[0])

        elif np.isinf(self.sharpness):

            def evaluate(block: NDArray[Any]) -> FloatArray:
                return self._of(np.eye(2)[(block > 0).astype(np.int64)])

        else:

            def evaluate(block: NDArray[Any]) -> FloatArray:
                return self._of(two_columns(self.sharpness * block))

        return blockwise(np.asarray(decisions), (len(self.y),), evaluate)

    @property
    def by_counts(self) -> bool:
        """Whether expected counts are all that the score depends on."""
        return isinstance(self.objective, CountObjective)

    def of_counts(self, confusion: FloatArray) -> FloatArray:
        """(m,) scores by (m, C, C) float64 expected points by true class and predicted class."""
        assert isinstance(self.objective, CountObjective)
        return self.objective.of_counts(SoftCounts(self._labels, confusion), self.class_weights)

    def __call__(self, classifier: Any) -> float:
        """The score of a fitted classifier; margins go through the sigmoid of :attr:`slope`."""
        if self.needs == "predictions":
            return float(self.score(np.asarray(classifier.predict(self.X))))
        from lalbench.classifiers.margins import soft_probabilities

        found = soft_probabilities(classifier, self.X, self.n_classes, self.slope)
        return float(self.score(found))

    def _sharpened(self, probabilities: NDArray[Any]) -> FloatArray:
        if self.sharpness == 1:
            return np.asarray(probabilities, dtype=np.float64)
        # relative to the largest, so that a power does not lose all classes
        powers = (probabilities / probabilities.max(axis=2, keepdims=True)) ** self.sharpness
        found: FloatArray = powers / powers.sum(axis=2, keepdims=True)
        return found

    def _of(self, probabilities: FloatArray) -> FloatArray:
        return self.objective.smooth(self._labels, probabilities, self.class_weights)
