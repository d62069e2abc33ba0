"""The named objectives. Each is a frozen dataclass whose fields are its options.

With support n_c (points of class c), hits h_c (those predicted right), p_c (points predicted as c)
and class weights w_c. All are larger-is-better and independent of the order of the points.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import signature
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from lalbench.errors import UserError
from lalbench.objectives.counts import AnyCounts, Counts, FloatArray, Labels, ratio
from lalbench.objectives.soft_counts import SoftCounts, SoftLabels

Needs = Literal["predictions", "probabilities"]

PROBABILITY_FLOOR = float(np.finfo(np.float64).eps)


class Objective(ABC):
    """A score of prediction sets (or probability sets) of the same points; larger is better."""

    @property
    @abstractmethod
    def needs(self) -> Needs:
        """What it scores."""

    @property
    def is_smooth(self) -> bool:
        """Whether it changes with every probability itself, as log loss does."""
        return False

    def check(self, labels: Labels, weights: FloatArray) -> None:  # noqa: B027  (most need none)
        """Raises :class:`UserError` where the objective is undefined for labels and weights."""

    @abstractmethod
    def evaluate(self, labels: Labels, values: NDArray[Any], weights: FloatArray) -> FloatArray:
        """(m,) float64 scores of (m, n) predictions or (m, n, C) probabilities."""

    def check_soft(self, labels: SoftLabels, weights: FloatArray) -> None:
        """Raises :class:`UserError` where the smooth companion is undefined."""
        self.check(cast("Labels", labels), weights)  # what a check reads, both kinds have

    def smooth(
        self, labels: SoftLabels, probabilities: FloatArray, weights: FloatArray
    ) -> FloatArray:
        """(m,) float64 values of the smooth companion of (m, n, C) probabilities.

        Raises:
            UserError: there is none.
        """
        raise UserError(
            "objective",
            f"{type(self).__name__} has no smooth companion",
            "give its class a method smooth, or choose another objective",
        )


class CountObjective(Objective):
    """An objective that depends on the confusion counts alone."""

    @property
    def needs(self) -> Needs:
        """Predicted labels."""
        return "predictions"

    def evaluate(self, labels: Labels, values: NDArray[Any], weights: FloatArray) -> FloatArray:
        """(m,) float64 scores of (m, n) integer predictions."""
        return self.of_counts(Counts(labels, values), weights)

    def smooth(
        self, labels: SoftLabels, probabilities: FloatArray, weights: FloatArray
    ) -> FloatArray:
        """(m,) float64 values of the same function of expected counts."""
        return self.of_counts(SoftCounts.of(labels, probabilities), weights)

    @abstractmethod
    def of_counts(self, counts: AnyCounts, weights: FloatArray) -> FloatArray:
        """(m,) float64 scores; counts are whole numbers, or expected ones for the companion."""


@dataclass(frozen=True)
class WeightedAccuracy(CountObjective):
    """Class-weighted accuracy ``Σ w_c h_c / Σ w_c n_c`` (Bakker et al. 2023)."""

    def check(self, labels: Labels, weights: FloatArray) -> None:
        """The classes that occur must carry weight."""
        _check_total_weight("weighted_accuracy", labels, weights)

    def of_counts(self, counts: AnyCounts, weights: FloatArray) -> FloatArray:
        """(m,) values in [0, 1]."""
        # the same order of summation above and below, so that the truth scores exactly 1
        return _row_sums(counts.hits * weights) / _row_sums((counts.support * weights)[None])


@dataclass(frozen=True)
class BalancedAccuracy(CountObjective):
    """Mean recall ``h_c / n_c`` over the classes that occur, as in scikit-learn."""

    def of_counts(self, counts: AnyCounts, weights: FloatArray) -> FloatArray:
        """(m,) values in [0, 1]; the class weights have no part in it."""
        occurs = counts.support > 0
        return _row_sums(counts.hits[:, occurs] / counts.support[occurs]) / occurs.sum()


@dataclass(frozen=True)
class MacroF1(CountObjective):
    """Mean F1 ``2 h_c / (n_c + p_c)`` of the classes that occur or are predicted (scikit-learn)."""

    def of_counts(self, counts: AnyCounts, weights: FloatArray) -> FloatArray:
        """(m,) values in [0, 1]; the class weights have no part in it."""
        size = counts.support + counts.predicted
        # a class that neither occurs nor is predicted has size 0 and hits 0: it adds nothing
        f1 = ratio(2 * counts.hits, size)
        return _row_sums(f1) / (size > 0).sum(axis=1)


@dataclass(frozen=True)
class _RareClassObjective(CountObjective):
    """``rare_class`` defaults to the class with the largest weight, the lowest among equals."""

    rare_class: int | None = None

    def __post_init__(self) -> None:
        rare = self.rare_class
        is_class = isinstance(rare, int | np.integer) and not isinstance(rare, bool) and rare >= 0
        if rare is not None and not is_class:
            raise UserError("objective", f"rare_class {rare!r}", "give a class number 0, 1, …")

    def check(self, labels: Labels, weights: FloatArray) -> None:
        """The rare class must exist and occur: without it the score would be one constant."""
        rare = self._rare
        if rare >= labels.n_classes:
            raise UserError(
                "objective",
                f"rare_class {rare} of {labels.n_classes} classes",
                f"choose a class from 0 to {labels.n_classes - 1}",
            )
        if labels.support[rare] == 0:
            raise UserError(
                "objective",
                f"none of the {len(labels)} labels is of the rare class {rare}",
                "evaluate on points that contain it, or set rare_class to another class",
            )

    @property
    def _rare(self) -> int:
        if self.rare_class is None:
            raise UserError("objective", "rare_class is not set", "use it through a Scorer")
        return int(self.rare_class)


@dataclass(frozen=True)
class RareRecall(_RareClassObjective):
    """Recall ``h_r / n_r`` of the rare class r."""

    def of_counts(self, counts: AnyCounts, weights: FloatArray) -> FloatArray:
        """(m,) values in [0, 1]."""
        return counts.hits[:, self._rare] / counts.support[self._rare]


@dataclass(frozen=True)
class RarePrecision(_RareClassObjective):
    """Precision ``h_r / p_r`` of the rare class r; 0 where it is never predicted."""

    def of_counts(self, counts: AnyCounts, weights: FloatArray) -> FloatArray:
        """(m,) values in [0, 1]."""
        return ratio(counts.hits[:, self._rare], counts.predicted[:, self._rare])


@dataclass(frozen=True)
class FBeta(_RareClassObjective):
    """F-beta ``(1 + β²) h_r / (β² n_r + p_r)`` of the rare class r.

    The default β = 2 gives recall four times the weight of precision: with rare classes a missed
    point usually costs more than a false alarm.
    """

    beta: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not _is_number(self.beta) or not 0 < self.beta < np.inf:
            raise UserError("objective", f"beta {self.beta!r}", "give a positive number")

    def of_counts(self, counts: AnyCounts, weights: FloatArray) -> FloatArray:
        """(m,) values in [0, 1]."""
        rare, square = self._rare, float(self.beta) ** 2
        below = square * counts.support[rare] + counts.predicted[:, rare]
        return (1 + square) * counts.hits[:, rare] / below


@dataclass(frozen=True)
class CostMatrix(CountObjective):
    """Negative mean cost ``-1/n Σ_i matrix[y_i][ŷ_i]``.

    Rows of ``matrix`` are true classes, columns predicted ones. The costs say how much each class
    matters, so the class weights have no part in it.
    """

    matrix: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        try:
            costs = np.asarray(self.matrix, dtype=np.float64)
        except (TypeError, ValueError):
            costs = np.empty(0)
        if costs.ndim != 2 or costs.shape[0] != costs.shape[1] or not np.isfinite(costs).all():
            raise UserError(
                "objective",
                "matrix is no square table of finite numbers",
                "give one row per true class with one number per predicted class",
            )
        # tuples, so that the dataclass stays immutable and comparable
        object.__setattr__(self, "matrix", tuple(map(tuple, costs.tolist())))

    def check(self, labels: Labels, weights: FloatArray) -> None:
        """The matrix must have one row per class."""
        if len(self.matrix) != labels.n_classes:
            raise UserError(
                "objective",
                f"matrix with {len(self.matrix)} rows for {labels.n_classes} classes",
                f"give {labels.n_classes} rows of {labels.n_classes} numbers",
            )

    def of_counts(self, counts: AnyCounts, weights: FloatArray) -> FloatArray:
        """(m,) values, in the unit of the costs."""
        costs = counts.confusion * np.asarray(self.matrix, dtype=np.float64)
        return -_row_sums(costs.reshape(len(costs), -1)) / counts.support.sum()


@dataclass(frozen=True)
class LogLoss(Objective):
    """Negative weighted log loss ``Σ w[y_i] log p_i[y_i] / Σ w[y_i]``, p clipped to [ε, 1 - ε].

    ε = 2.2e-16, the machine precision, as in scikit-learn.
    """

    @property
    def needs(self) -> Needs:
        """Class probabilities."""
        return "probabilities"

    @property
    def is_smooth(self) -> bool:
        """It is."""
        return True

    def check(self, labels: Labels, weights: FloatArray) -> None:
        """The classes that occur must carry weight."""
        _check_total_weight("log_loss", labels, weights)

    def evaluate(self, labels: Labels, values: NDArray[Any], weights: FloatArray) -> FloatArray:
        """(m,) float64 scores of (m, n, C) probabilities."""
        given = values[:, np.arange(len(labels)), labels.y].astype(np.float64, copy=False)
        log = np.log(np.clip(given, PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR))
        each = weights[labels.y]
        return _row_sums(log * each) / each.sum()

    def smooth(
        self, labels: SoftLabels, probabilities: FloatArray, weights: FloatArray
    ) -> FloatArray:
        """(m,) expected values: it is smooth itself."""
        log = np.log(np.clip(probabilities, PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR))
        each = labels.values * weights
        return _row_sums((log * each).reshape(len(log), -1)) / each.sum()


@dataclass(frozen=True)
class UserFunction(Objective):
    """The user's ``function(y_true, y_pred, class_weights, **options) -> float``, larger is better.

    A function with the attribute ``needs = "probabilities"`` gets the (n, C) probabilities in place
    of ``y_pred``. It is called once per prediction set: a study with an oracle is then slower.
    Its smooth companion is the function in its attribute ``smooth``, called as
    ``smooth(soft_labels, probabilities, class_weights, **options)`` with (n, C) arrays.
    """

    function: Callable[..., Any]
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.needs not in ("predictions", "probabilities"):
            raise UserError(
                "objective",
                f"{self._name} has needs = {self.needs!r}",
                'set it to "predictions" or "probabilities"',
            )

    @property
    def needs(self) -> Needs:
        """What the function reads."""
        found: Needs = getattr(self.function, "needs", "predictions")
        return found

    @property
    def is_smooth(self) -> bool:
        """Functions of probabilities count as smooth."""
        return self.needs == "probabilities"

    def evaluate(self, labels: Labels, values: NDArray[Any], weights: FloatArray) -> FloatArray:
        """(m,) float64 scores, one call of the function each."""
        return np.array(
            [self._call(self.function, labels.y, value, weights) for value in values],
            dtype=np.float64,
        )

    def smooth(
        self, labels: SoftLabels, probabilities: FloatArray, weights: FloatArray
    ) -> FloatArray:
        """(m,) float64 values, one call of the function's ``smooth`` each."""
        companion = self._companion
        return np.array(
            [self._call(companion, labels.values, each, weights) for each in probabilities],
            dtype=np.float64,
        )

    def check_soft(self, labels: SoftLabels, weights: FloatArray) -> None:
        """The function must have a companion."""
        self.check_companion()

    def check_companion(self) -> None:
        """Raises :class:`UserError` where the function has no companion that can be called."""
        companion = self._companion
        try:
            asked = signature(companion)
        except ValueError:  # compiled functions may not say what they take
            return
        try:
            asked.bind(None, None, None, **self.options)
        except TypeError as error:
            raise UserError(
                "objective",
                f"the smooth companion of {self._name} cannot be called: {error}",
                "let it take (soft_labels, probabilities, class_weights) and the options",
            ) from None

    @property
    def _companion(self) -> Callable[..., Any]:
        found = getattr(self.function, "smooth", None)
        if not callable(found):
            raise UserError(
                "objective",
                f"{self._name} has no smooth companion",
                "set its attribute smooth to a function (soft_labels, probabilities, class_weights)"
                ", or choose another objective",
            )
        companion: Callable[..., Any] = found
        return companion

    def _call(
        self, function: Callable[..., Any], labels: Any, value: Any, weights: FloatArray
    ) -> float:
        found = function(labels.copy(), value.copy(), weights.copy(), **self.options)
        if not _is_number(found):
            raise UserError(
                "objective",
                f"{self._name} returned {type(found).__name__} instead of one number",
                "return a float, larger is better",
            )
        if not np.isfinite(float(found)):
            raise UserError(
                "objective", f"{self._name} returned {float(found)}", "return a finite number"
            )
        return float(found)

    @property
    def _name(self) -> str:
        return str(getattr(self.function, "__qualname__", type(self.function).__name__))


def _row_sums(values: FloatArray) -> FloatArray:
    """(m,) sums over axis 1, in an order that depends on neither m nor the memory layout."""
    sums: FloatArray = np.ascontiguousarray(values).sum(axis=1)
    return sums


def _is_number(value: Any) -> bool:
    kind = np.asarray(value).dtype.kind
    return np.ndim(value) == 0 and kind in "iufb" and not isinstance(value, str)


def _check_total_weight(name: str, labels: Labels, weights: FloatArray) -> None:
    if not (labels.support * weights).sum() > 0:
        raise UserError(
            "class_weights",
            f"{name} of labels whose classes all have weight 0",
            "give a positive weight to a class that occurs",
        )
