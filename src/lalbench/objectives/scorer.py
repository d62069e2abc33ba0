"""An objective on fixed evaluation points: scores classifiers and many prediction sets at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lalbench.data.images import Images
from lalbench.errors import UserError
from lalbench.objectives.counts import Counts, FloatArray, IntArray, Labels
from lalbench.objectives.measures import CountObjective, Needs, Objective
from lalbench.objectives.registry import get, with_rare_class

if TYPE_CHECKING:
    from lalbench.config import ObjectiveSpec

_BLOCK = 2**20
"""Values scored at a time: the temporary arrays stay at a few megabytes."""


class Scorer:
    """An objective on fixed evaluation points.

    Args:
        X: (n, d) features, or n images.
        y: (n,) integer labels 0 … C - 1; classes may be absent.
        class_weights: (C,) non-negative weights of the score, in label order.
        objective: name, specification, objective or function (:func:`lalbench.objectives.get`).
            Rare-class objectives whose options name no class take the one with the largest weight,
            the lowest label among equals.

    Attributes:
        X: (n, d) float64, or n images.
        y: (n,) int64.
        class_weights: (C,) float64.
        n_classes: C.
        objective: the objective in force.
        shape: ``()``, of the score of one refit.

    Raises:
        UserError: labels, weights or options that do not fit together.
    """

    def __init__(
        self,
        X: ArrayLike,
        y: ArrayLike,
        class_weights: Sequence[float] | FloatArray,
        objective: str | ObjectiveSpec | Objective | Callable[..., Any] = "weighted_accuracy",
    ) -> None:
        self.class_weights: FloatArray = check_weights(class_weights)
        self.n_classes = len(self.class_weights)
        self._labels = Labels(y, self.n_classes)
        self.y: IntArray = self._labels.y
        self.X = check_points(X, len(self.y))
        rare = int(np.argmax(self.class_weights))
        self.objective = with_rare_class(get(objective), rare)
        self.objective.check(self._labels, self.class_weights)
        self.shape: tuple[int, ...] = ()

    @property
    def description(self) -> Any:
        """What the score depends on, beside :attr:`arrays`."""
        return self.objective

    @property
    def arrays(self) -> tuple[Any, ...]:
        """Evaluation points, labels and class weights."""
        return (self.X, self.y, self.class_weights)

    @property
    def needs(self) -> Needs:
        """What :meth:`score` takes: ``"predictions"`` or ``"probabilities"``."""
        return self.objective.needs

    def score(self, values: ArrayLike) -> Any:
        """Scores one or many prediction sets; agreeing sets get bit-identical scores.

        Args:
            values: predicted labels (n,) or (m, n), integers 0 … C - 1; or, where :attr:`needs`
                says so, probabilities (n, C) or (m, n, C).

        Returns:
            float for one set, (m,) float64 for many.

        Raises:
            ValueError: wrong shape or type, labels outside 0 … C - 1, or probabilities that are not
                finite or do not sum to 1.
        """
        given = np.asarray(values)
        shape = (len(self.y),) if self.needs == "predictions" else (len(self.y), self.n_classes)
        if self.needs == "probabilities":
            check_probabilities(given)

        def evaluate(block: NDArray[Any]) -> FloatArray:
            return self.objective.evaluate(self._labels, block, self.class_weights)

        return blockwise(given, shape, evaluate)

    def score_decisions(self, decisions: ArrayLike) -> Any:
        """Scores two-class decision values: class 1 is predicted where the value is positive.

        Equal to ``score(decisions > 0)`` without forming the integer labels. An objective of
        probabilities takes the decisions for log-odds of class 1.

        Args:
            decisions: (n,) or (m, n) finite floats.

        Returns:
            float for one set, (m,) float64 for many.

        Raises:
            ValueError: more than two classes, or a wrong shape.
        """
        if self.n_classes != 2:
            raise ValueError("score_decisions is for two classes")
        if self.needs == "probabilities":
            return self.score(two_columns(np.asarray(decisions)))

        def evaluate(block: NDArray[Any]) -> FloatArray:
            positive = block > 0
            if isinstance(self.objective, CountObjective):
                counts = Counts.from_positive(self._labels, positive)
                return self.objective.of_counts(counts, self.class_weights)
            labels = positive.astype(np.int64)
            return self.objective.evaluate(self._labels, labels, self.class_weights)

        return blockwise(np.asarray(decisions), (len(self.y),), evaluate)

    def __call__(self, classifier: Any) -> float:
        """The score of a fitted classifier on the evaluation points.

        Raises:
            UserError: the objective needs probabilities and the classifier gives none.
        """
        if self.needs == "predictions":
            return float(self.score(classifier.predict(self.X)))
        from lalbench.classifiers import probabilities

        if not hasattr(classifier, "predict_proba"):
            raise UserError(
                "objective",
                f"{type(classifier).__name__} gives no probabilities, which this objective needs",
                "choose an objective of predictions or a classifier with predict_proba",
            )
        return float(self.score(probabilities(classifier, self.X, self.n_classes)))


def check_points(X: ArrayLike, n_labels: int) -> Any:
    """(n, d) float64 evaluation points, or n images; raises :class:`UserError` for another n."""
    points = X if isinstance(X, Images) else np.asarray(X, dtype=np.float64)
    if len(points) != n_labels:
        raise UserError("X", f"{len(points)} rows for {n_labels} labels", "give one row per label")
    return points


def two_columns(log_odds: FloatArray) -> FloatArray:
    """(…, 2) probabilities of class 0 and class 1 from (…) log-odds of class 1."""
    from scipy.special import expit

    # 1 - p would lose the digits of a small p
    return np.stack([expit(-log_odds), expit(log_odds)], axis=-1)


def check_weights(class_weights: ArrayLike) -> FloatArray:
    """(C,) float64 class weights; raises :class:`UserError` unless finite, ≥ 0 and C ≥ 2."""
    weights = np.asarray(class_weights, dtype=np.float64)
    if weights.ndim != 1 or len(weights) < 2:
        raise UserError(
            "class_weights", f"shape {weights.shape}", "give one weight per class, at least two"
        )
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise UserError("class_weights", f"{weights.tolist()}", "give finite, non-negative numbers")
    return weights


def blockwise(
    values: NDArray[Any], shape: tuple[int, ...], evaluate: Callable[[NDArray[Any]], FloatArray]
) -> Any:
    """The score of one set of ``shape``, or the (m,) scores of many, a few megabytes at a time."""
    if values.shape == shape:
        return float(evaluate(values[None])[0])
    if values.shape[1:] != shape:
        raise ValueError(f"values of shape {values.shape}, expected {shape} or (m, …) of it")
    rows = max(1, _BLOCK // max(1, int(np.prod(shape))))
    if len(values) <= rows:
        return evaluate(values)
    return np.concatenate([evaluate(values[i : i + rows]) for i in range(0, len(values), rows)])


def check_probabilities(values: NDArray[Any]) -> None:
    """Raises :class:`ValueError` unless values are finite, not negative, and rows sum to 1."""
    # 1e-4 lets single-precision probabilities of networks pass
    if (
        values.dtype.kind != "f" or not (np.abs(values.sum(axis=-1) - 1) < 1e-4).all()
    ):  # also catches values that are not finite
        raise ValueError("this objective needs probabilities that are finite and sum to 1")
    if values.size and values.min() < 0:
        raise ValueError("a probability is negative")
