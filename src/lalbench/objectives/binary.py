"""Objectives of two classes, one of which is the positive one: class 1 unless an option says so.

With true positives TP, false positives FP and false negatives FN. Counts are whole numbers, so
prediction sets with equal counts tie exactly, whatever the order of the points.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lalbench.errors import UserError
from lalbench.objectives.counts import AnyCounts, FloatArray, IntArray, Labels, ratio
from lalbench.objectives.measures import CountObjective, Needs, Objective
from lalbench.objectives.soft_counts import SoftLabels


@dataclass(frozen=True)
class _TwoClasses(Objective):
    """``positive_class``: 1 or 0."""

    positive_class: int = 1

    def __post_init__(self) -> None:
        positive = self.positive_class
        is_class = isinstance(positive, int | np.integer) and not isinstance(positive, bool)
        if not is_class or positive not in (0, 1):
            raise UserError("objective", f"positive_class {positive!r}", "give 0 or 1")

    def check(self, labels: Labels, weights: FloatArray) -> None:
        """There must be two classes."""
        if labels.n_classes != 2:
            raise UserError(
                "objective",
                f"{type(self).__name__} of {labels.n_classes} classes",
                "it is for two classes: group them with relabel, or choose another objective",
            )


@dataclass(frozen=True)
class _Overlap(_TwoClasses, CountObjective):
    """A ratio of counts; 0 where its denominator is 0. The class weights have no part in it."""

    def of_counts(self, counts: AnyCounts, weights: FloatArray) -> FloatArray:
        """(m,) values in [0, 1]."""
        positive = self.positive_class
        hits = counts.hits[:, positive]
        above, below = self._ratio(hits, counts.support[positive] + counts.predicted[:, positive])
        return ratio(above, below)  # a denominator of 0 has a numerator of 0

    @abstractmethod
    def _ratio(self, hits: FloatArray, sizes: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Numerator and denominator from (m,) TP and 2 TP + FP + FN."""


@dataclass(frozen=True)
class IntersectionOverUnion(_Overlap):
    """Intersection over union ``TP / (TP + FP + FN)``, also called Jaccard index."""

    def _ratio(self, hits: FloatArray, sizes: FloatArray) -> tuple[FloatArray, FloatArray]:
        return hits, sizes - hits


@dataclass(frozen=True)
class Dice(_Overlap):
    """Dice score ``2 TP / (2 TP + FP + FN)``: the F1 of the positive class."""

    def _ratio(self, hits: FloatArray, sizes: FloatArray) -> tuple[FloatArray, FloatArray]:
        return 2 * hits, sizes


@dataclass(frozen=True)
class ApproximateMedianSignificance(_TwoClasses, CountObjective):
    """``√(2 ((s + b + b_r) ln(1 + s / (b + b_r)) - s))``, the score of the Higgs challenge.

    s and b are the weighted true and false positives (Adam-Bourdarios et al. 2014), all points of a
    class having the same weight: the class weight of the setting; or, with ``totals``, the total of
    the class divided by its number of points, which makes the score of few points comparable with
    that of many.

    Args:
        positive_class: the signal.
        regularisation: b_r, keeps the score of few predicted positives low; positive.
        totals: expected events of class 0 and of class 1 in the whole, or None.
    """

    regularisation: float = 10.0
    totals: Sequence[float] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not _is_positive(self.regularisation):
            raise UserError(
                "objective", f"regularisation {self.regularisation!r}", "give a positive number"
            )
        if self.totals is None:
            return
        given = list(self.totals) if isinstance(self.totals, Sequence | np.ndarray) else []
        if len(given) != 2 or not all(_is_positive(total) for total in given):
            raise UserError(
                "objective",
                f"totals {self.totals!r}",
                "give two positive numbers: the events of class 0 and of class 1",
            )
        # a tuple, so that the dataclass stays immutable and comparable
        object.__setattr__(self, "totals", tuple(float(total) for total in given))

    def check(self, labels: Labels, weights: FloatArray) -> None:
        """There must be two classes, and the positive one must carry weight."""
        super().check(labels, weights)
        if self.totals is None and not weights[self.positive_class] > 0:
            raise UserError(
                "class_weights",
                f"ams with weight 0 for its positive class {self.positive_class}",
                "give that class a positive weight",
            )

    def of_counts(self, counts: AnyCounts, weights: FloatArray) -> FloatArray:
        """(m,) values ≥ 0."""
        positive = self.positive_class
        if self.totals is not None:
            weights = ratio(np.asarray(self.totals), counts.support)
        hits = counts.hits[:, positive]
        signal = weights[positive] * hits
        false = counts.predicted[:, positive] - hits
        background = weights[1 - positive] * false + float(self.regularisation)
        inside = (signal + background) * np.log1p(signal / background) - signal
        # rounding can leave a tiny negative number where the signal is nothing beside the rest
        return np.sqrt(2 * np.maximum(inside, 0))


@dataclass(frozen=True)
class RocAuc(_TwoClasses):
    """Area under the ROC curve of the probability of the positive class.

    That is the share of pairs of a positive and a negative point in which the positive one has the
    larger probability, ties counted half. The class weights have no part in it.
    """

    @property
    def needs(self) -> Needs:
        """Class probabilities."""
        return "probabilities"

    def check(self, labels: Labels, weights: FloatArray) -> None:
        """There must be two classes, and both must occur."""
        super().check(labels, weights)
        if not labels.support.all():
            raise UserError(
                "objective",
                f"roc_auc of {len(labels)} labels without class {int(labels.support.argmin())}",
                "evaluate on points of both classes",
            )

    def evaluate(self, labels: Labels, values: NDArray[Any], weights: FloatArray) -> FloatArray:
        """(m,) values in [0, 1] of (m, n, 2) probabilities."""
        scores = values[:, :, self.positive_class]
        positive = labels.y == self.positive_class
        order = np.argsort(scores, axis=1)
        ranked = np.take_along_axis(scores, order, axis=1)
        positives = positive[order]
        # negatives up to each place, and below the first and up to the last of its equals
        negatives = np.cumsum(~positives, axis=1)
        below = np.zeros_like(negatives)
        below[:, 1:] = negatives[:, :-1]
        differs = ranked[:, 1:] != ranked[:, :-1]
        first, last = _runs(differs)
        twice = np.take_along_axis(below, first, axis=1)
        twice += np.take_along_axis(negatives, last, axis=1)
        wins = (twice * positives).sum(axis=1)
        found: FloatArray = wins / (2 * labels.support.prod())
        return found

    def smooth(
        self, labels: SoftLabels, probabilities: FloatArray, weights: FloatArray
    ) -> FloatArray:
        """(m,) shares of pairs whose drawn predictions are in the right order, ties counted half.

        That is (1 + mean p of positives - mean p of negatives) / 2: expected balanced accuracy.
        """
        positive = self.positive_class
        shares = labels.values / labels.support
        means = probabilities[:, :, positive] @ shares
        found: FloatArray = (1 + means[:, positive] - means[:, 1 - positive]) / 2
        return found


def _runs(differs: NDArray[np.bool_]) -> tuple[IntArray, IntArray]:
    """(m, n) first and last place of the run that each place lies in.

    Args:
        differs: (m, n - 1) whether the next place begins another run.
    """
    m, gaps = differs.shape
    places = np.arange(gaps + 1)
    first = np.zeros((m, gaps + 1), dtype=np.int64)
    first[:, 1:] = np.where(differs, places[1:], 0)
    last = np.full((m, gaps + 1), gaps, dtype=np.int64)
    last[:, :-1] = np.where(differs, places[:-1], gaps)
    return (
        np.maximum.accumulate(first, axis=1),
        np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1],
    )


def _is_positive(value: Any) -> bool:
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return number and bool(0 < value < np.inf)
